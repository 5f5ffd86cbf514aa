/* resources.c - see resources.h. */
#include "worker/resources.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define MEMORY_UNLIMITED ((uint64_t)1 << 60)

void resources_init(struct resources *r, uint64_t cpus)
{
	memset(r, 0, sizeof(*r));
	memcpy(r->v[RESOURCE_AT_CPUS].name, "cpus", sizeof("cpus"));
	memcpy(r->v[RESOURCE_AT_MEMORY].name, "memory", sizeof("memory"));
	r->v[RESOURCE_AT_CPUS].total = r->v[RESOURCE_AT_CPUS].free = cpus * TEXT_AMOUNT_ONE;
	r->n = 2;
	resources_limit_memory(r, 0);
}

void resources_fini(struct resources *r)
{
	for (size_t i = 0; i < r->n; i++) {
		for (unsigned k = 0; k < r->v[i].n_units; k++)
			mem_free(r->v[i].units[k].name);
		mem_free(r->v[i].units);
	}
	r->n = 0;
}

void resources_limit_memory(struct resources *r, uint64_t bytes)
{
	r->v[RESOURCE_AT_MEMORY].total = r->v[RESOURCE_AT_MEMORY].free =
		bytes > 0 && bytes < MEMORY_UNLIMITED ? bytes : MEMORY_UNLIMITED;
}

static struct resource *find(const struct resources *r, struct slice name)
{
	for (size_t i = 0; i < r->n; i++)
		if (slice_is(name, r->v[i].name))
			return (struct resource *)&r->v[i];
	return NULL;
}

/* Split "name=value". */
static sc_err split_pair(struct slice pair, struct slice *name, struct slice *value, struct buf *error)
{
	const char *eq = pair.n > 0 ? memchr(pair.p, '=', pair.n) : NULL;

	if (eq == NULL) {
		buf_printf(error, "'%.*s' is not of the form name=amount", (int)pair.n, pair.p);
		return SC_INVALID;
	}
	*name = (struct slice){pair.p, (size_t)(eq - pair.p)};
	*value = (struct slice){eq + 1, pair.n - name->n - 1};
	if (text_is_name(name->p, name->n))
		return SC_OK;
	buf_printf(error, "'%.*s' is not the name of a resource; allowed are " TEXT_NAME_ALLOWED, (int)name->n,
		   name->p);
	return SC_INVALID;
}

static sc_err read_amount(struct slice name, struct slice value, uint64_t *amount, struct buf *error)
{
	int is_memory = slice_is(name, "memory");
	char number[40];

	if (value.n < sizeof(number)) {
		memcpy(number, value.p, value.n);
		number[value.n] = '\0';
		if ((is_memory ? text_bytes(number, amount) : text_amount(number, amount)) == SC_OK)
			return SC_OK;
	}
	buf_printf(error, "'%.*s' is not an amount of %.*s; it has to be %s", (int)value.n, value.p, (int)name.n,
		   name.p, is_memory ? "a size like 512MiB" : "a number like 1 or 0.5");
	return SC_INVALID;
}

/* ---- what the worker has ---------------------------------------------------------------------------------------- */

static sc_err add_unit(struct resource *x, struct slice name, struct buf *error)
{
	struct unit *u = &x->units[x->n_units];

	if (!text_is_name(name.p, name.n)) {
		buf_printf(error, "'%.*s' is not the name of a unit of %s; allowed are " TEXT_NAME_ALLOWED, (int)name.n,
			   name.p, x->name);
		return SC_INVALID;
	}
	for (unsigned i = 0; i < x->n_units; i++) {
		if (slice_is(name, x->units[i].name)) {
			buf_printf(error, "unit '%.*s' of %s is named twice", (int)name.n, name.p, x->name);
			return SC_INVALID;
		}
	}
	if (x->n_units == RESOURCE_UNITS) {
		buf_printf(error, "%s: at most %d units can have names", x->name, RESOURCE_UNITS);
		return SC_INVALID;
	}
	u->name = slice_dup(name);
	if (u->name == NULL)
		return SC_NOMEM;
	u->free = TEXT_AMOUNT_ONE;
	x->n_units++;
	return SC_OK;
}

/* "[0,1,2]" */
static sc_err read_units(struct resource *x, struct slice value, struct buf *error)
{
	sc_err err = SC_OK;
	size_t at = 1;

	if (value.p[value.n - 1] != ']') {
		buf_printf(error, "'%.*s' is not a list of units; it has to be like [0,1,2]", (int)value.n, value.p);
		return SC_INVALID;
	}
	x->units = mem_calloc(RESOURCE_UNITS, sizeof(*x->units));
	if (x->units == NULL)
		return SC_NOMEM;
	while (err == SC_OK && at < value.n) {
		const char *comma = memchr(value.p + at, ',', value.n - at);
		size_t n = (comma == NULL ? value.n - 1 : (size_t)(comma - value.p)) - at;

		err = add_unit(x, (struct slice){value.p + at, n}, error);
		at += n + 1;
	}
	x->total = x->n_units * (uint64_t)TEXT_AMOUNT_ONE;
	return err;
}

sc_err resources_add(struct resources *r, const char *pair, struct buf *error)
{
	struct resource *x = &r->v[r->n];
	struct slice name, value;
	sc_err err = split_pair(slice_of(pair), &name, &value, error);

	if (err != SC_OK)
		return err;
	if (find(r, name) != NULL) {
		buf_printf(error, "'%s': %.*s is given %s", pair, (int)name.n, name.p,
			   slice_is(name, "cpus")     ? "already (by --slots)"
			   : slice_is(name, "memory") ? "by --memory-limit"
						      : "already");
		return SC_INVALID;
	}
	if (r->n == RESOURCES_MAX) {
		buf_printf(error, "'%s': a worker has at most %d resources", pair, RESOURCES_MAX);
		return SC_INVALID;
	}
	memcpy(x->name, name.p, name.n);
	r->n++;
	err = value.n > 1 && value.p[0] == '[' ? read_units(x, value, error)
					       : read_amount(name, value, &x->total, error);
	x->free = x->total;
	if (err == SC_OK)
		return SC_OK;
	for (unsigned k = 0; k < x->n_units; k++)
		mem_free(x->units[k].name);
	mem_free(x->units);
	memset(x, 0, sizeof(*x));
	r->n--;
	return err;
}

void resources_show(const struct resources *r, struct buf *out)
{
	char amount[40];

	for (size_t i = 0; i < r->n; i++)
		if (i != RESOURCE_AT_MEMORY)
			buf_printf(out, "%s%s=%s", i > 0 ? "," : "", r->v[i].name,
				   text_show_amount(r->v[i].total, amount, sizeof(amount)));
}

/* ---- what tasks ask for ----------------------------------------------------------------------------------------- */

static int is_label(struct slice part)
{
	return (part.n > 6 && memcmp(part.p, "label:", 6) == 0) || (part.n > 7 && memcmp(part.p, "prefer:", 7) == 0);
}

static sc_err add_part(const struct resources *r, struct slice pair, struct request *out, struct buf *error)
{
	struct request_part *part = &out->v[out->n];
	const struct resource *has;
	struct slice name, value;
	char amount[40];
	sc_err err = split_pair(pair, &name, &value, error);

	if (err == SC_OK)
		err = read_amount(name, value, &part->amount, error);
	if (err != SC_OK)
		return err;
	has = find(r, name);
	if (has == NULL || part->amount > has->total) {
		buf_printf(error, "%.*s is asked for, this worker has %s in all", (int)pair.n, pair.p,
			   has == NULL			      ? "none"
			   : has == &r->v[RESOURCE_AT_MEMORY] ? text_show_bytes(has->total, amount, sizeof(amount))
							      : text_show_amount(has->total, amount, sizeof(amount)));
		return SC_INVALID;
	}
	part->resource = (unsigned)(has - r->v);
	out->has_units |= has->n_units > 0;
	out->n++;
	return SC_OK;
}

sc_err request_parse(const struct resources *r, struct slice text, struct request *out)
{
	size_t parts = 1, at = 0;
	struct buf why;
	sc_err err = SC_OK;

	*out = (struct request){0};
	if (text.n == 0)
		text = slice_of("cpus=1");
	for (size_t i = 0; i < text.n; i++)
		parts += text.p[i] == ',';
	out->v = mem_calloc(parts, sizeof(*out->v));
	if (out->v == NULL)
		return SC_NOMEM;
	buf_init(&why, 8192);
	while (err == SC_OK && at <= text.n) {
		const char *comma = at < text.n ? memchr(text.p + at, ',', text.n - at) : NULL;
		size_t n = comma == NULL ? text.n - at : (size_t)(comma - text.p) - at;
		struct slice part = {text.p + at, n};

		if (!is_label(part))
			err = add_part(r, part, out, &why);
		at += n + 1;
	}
	if (err == SC_INVALID) {
		out->problem = mem_strdup(buf_str(&why));
		err = out->problem == NULL ? SC_NOMEM : SC_OK;
	}
	buf_fini(&why);
	if (err != SC_OK)
		request_fini(out);
	return err;
}

void request_fini(struct request *q)
{
	mem_free(q->v);
	mem_free(q->problem);
	*q = (struct request){0};
}

/* ---- taking ----------------------------------------------------------------------------------------------------- */

/* The fullest unit with so much left that is not taken whole; UINT_MAX: none. */
static unsigned unit_to_share(const struct resource *x, uint64_t amount, uint64_t whole)
{
	unsigned best = UINT_MAX;

	for (unsigned i = 0; i < x->n_units; i++)
		if ((whole >> i & 1) == 0 && x->units[i].free >= amount &&
		    (best == UINT_MAX || x->units[i].free < x->units[best].free))
			best = i;
	return best;
}

/* Nothing is changed unless there are enough units. */
static int take_units(struct resource *x, uint64_t amount, struct unit_share *out)
{
	uint64_t n = amount / TEXT_AMOUNT_ONE, part = amount % TEXT_AMOUNT_ONE, whole = 0;
	unsigned shared = UINT_MAX;

	for (unsigned i = 0; i < x->n_units && n > 0; i++) {
		if (x->units[i].free < TEXT_AMOUNT_ONE)
			continue;
		whole |= (uint64_t)1 << i;
		n--;
	}
	if (part > 0)
		shared = unit_to_share(x, part, whole);
	if (n > 0 || (part > 0 && shared == UINT_MAX))
		return 0;
	for (unsigned i = 0; i < x->n_units; i++)
		if ((whole >> i & 1) != 0)
			x->units[i].free = 0;
	if (part > 0)
		x->units[shared].free -= part;
	*out = (struct unit_share){whole, part > 0 ? shared + 1 : 0};
	return 1;
}

static void give_back_part(struct resource *x, uint64_t amount, const struct unit_share *units)
{
	x->free += amount;
	for (unsigned i = 0; units != NULL && i < x->n_units; i++)
		if ((units->whole >> i & 1) != 0)
			x->units[i].free = TEXT_AMOUNT_ONE;
	if (units != NULL && units->shared > 0)
		x->units[units->shared - 1].free += amount % TEXT_AMOUNT_ONE;
}

int resources_take(struct resources *r, const struct request *q, struct unit_share **units)
{
	struct unit_share *got = NULL;
	size_t i;

	*units = NULL;
	if (q->has_units) {
		got = mem_calloc(q->n, sizeof(*got));
		if (got == NULL)
			return 0;
	}
	for (i = 0; i < q->n; i++) {
		struct resource *x = &r->v[q->v[i].resource];

		if (q->v[i].amount > x->free ||
		    (got != NULL && x->n_units > 0 && !take_units(x, q->v[i].amount, &got[i])))
			break;
		x->free -= q->v[i].amount;
	}
	if (i == q->n) {
		*units = got;
		return 1;
	}
	while (i-- > 0)
		give_back_part(&r->v[q->v[i].resource], q->v[i].amount, got != NULL ? &got[i] : NULL);
	mem_free(got);
	return 0;
}

void resources_give_back(struct resources *r, const struct request *q, struct unit_share *units)
{
	for (size_t i = 0; i < q->n; i++)
		give_back_part(&r->v[q->v[i].resource], q->v[i].amount, units != NULL ? &units[i] : NULL);
	mem_free(units);
}

uint64_t resources_by_unit(const struct resources *r, const struct request *q)
{
	uint64_t bits = 0;

	static_assert(RESOURCES_MAX <= 64, "a bit for each");
	for (size_t i = 0; q->has_units && i < q->n; i++)
		if (r->v[q->v[i].resource].n_units > 0)
			bits |= (uint64_t)1 << q->v[i].resource;
	return bits;
}

int resources_lack_units(const struct resources *r, const struct request *q)
{
	for (size_t i = 0; i < q->n; i++) {
		uint64_t left = r->v[q->v[i].resource].free;

		for (size_t k = 0; k <= i; k++) { /* a resource may be named twice */
			if (q->v[k].resource != q->v[i].resource)
				continue;
			if (q->v[k].amount > left)
				return 0;
			left -= q->v[k].amount;
		}
	}
	return q->has_units;
}
