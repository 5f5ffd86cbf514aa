/* resources.c - see resources.h. */
#include "worker/resources.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"

void resources_init(struct resources *r, uint64_t cpus)
{
	memset(r, 0, sizeof(*r));
	memcpy(r->v[0].name, "cpus", sizeof("cpus"));
	r->v[0].total = r->v[0].free = cpus * TEXT_AMOUNT_ONE;
	r->n = 1;
}

static struct resource *find(const struct resources *r, struct slice name)
{
	for (size_t i = 0; i < r->n; i++)
		if (slice_is(name, r->v[i].name))
			return (struct resource *)&r->v[i];
	return NULL;
}

/* Split "name=amount". */
static sc_err parse_pair(struct slice pair, struct slice *name, uint64_t *amount, struct buf *error)
{
	const char *eq = pair.n > 0 ? memchr(pair.p, '=', pair.n) : NULL;
	char number[40];
	size_t n;

	if (eq == NULL) {
		buf_printf(error, "'%.*s' is not of the form name=amount", (int)pair.n, pair.p);
		return SC_INVALID;
	}
	*name = (struct slice){pair.p, (size_t)(eq - pair.p)};
	n = pair.n - name->n - 1;
	if (!text_is_name(name->p, name->n)) {
		buf_printf(error, "'%.*s' is not the name of a resource; allowed are " TEXT_NAME_ALLOWED, (int)name->n,
			   name->p);
		return SC_INVALID;
	}
	if (n < sizeof(number)) {
		memcpy(number, eq + 1, n);
		number[n] = '\0';
		if (text_amount(number, amount) == SC_OK)
			return SC_OK;
	}
	buf_printf(error, "'%.*s' is not an amount of %.*s; it has to be a number like 1 or 0.5", (int)n, eq + 1,
		   (int)name->n, name->p);
	return SC_INVALID;
}

sc_err resources_add(struct resources *r, const char *pair, struct buf *error)
{
	struct slice name;
	uint64_t amount;
	sc_err err = parse_pair(slice_of(pair), &name, &amount, error);

	if (err != SC_OK)
		return err;
	if (find(r, name) != NULL) {
		buf_printf(error, "'%s': %.*s is given already%s", pair, (int)name.n, name.p,
			   slice_is(name, "cpus") ? " (by --slots)" : "");
		return SC_INVALID;
	}
	if (r->n == RESOURCES_MAX) {
		buf_printf(error, "'%s': a worker has at most %d resources", pair, RESOURCES_MAX);
		return SC_INVALID;
	}
	memcpy(r->v[r->n].name, name.p, name.n);
	r->v[r->n].total = r->v[r->n].free = amount;
	r->n++;
	return SC_OK;
}

void resources_show(const struct resources *r, struct buf *out)
{
	char amount[40];

	for (size_t i = 0; i < r->n; i++)
		buf_printf(out, "%s%s=%s", i > 0 ? "," : "", r->v[i].name,
			   text_show_amount(r->v[i].total, amount, sizeof(amount)));
}

static sc_err add_part(const struct resources *r, struct slice pair, struct request *out, struct buf *error)
{
	struct request_part *part = &out->v[out->n];
	const struct resource *has;
	struct slice name;
	char amount[40];
	sc_err err = parse_pair(pair, &name, &part->amount, error);

	if (err != SC_OK)
		return err;
	has = find(r, name);
	if (has == NULL || part->amount > has->total) {
		buf_printf(error, "%.*s is asked for, this worker has %s in all", (int)pair.n, pair.p,
			   has == NULL ? "none" : text_show_amount(has->total, amount, sizeof(amount)));
		return SC_INVALID;
	}
	part->resource = (unsigned)(has - r->v);
	out->n++;
	return SC_OK;
}

sc_err request_parse(const struct resources *r, struct slice text, struct request *out, struct buf *error)
{
	size_t parts = 1, at = 0;
	sc_err err = SC_OK;

	if (text.n == 0)
		text = slice_of("cpus=1");
	for (size_t i = 0; i < text.n; i++)
		parts += text.p[i] == ',';
	out->n = 0;
	out->v = mem_calloc(parts, sizeof(*out->v));
	if (out->v == NULL)
		return SC_NOMEM;
	while (err == SC_OK && at <= text.n) {
		const char *comma = at < text.n ? memchr(text.p + at, ',', text.n - at) : NULL;
		size_t n = comma == NULL ? text.n - at : (size_t)(comma - text.p) - at;

		err = add_part(r, (struct slice){text.p + at, n}, out, error);
		at += n + 1;
	}
	if (err != SC_OK)
		request_fini(out);
	return err;
}

void request_fini(struct request *q)
{
	mem_free(q->v);
	*q = (struct request){0, NULL};
}

int resources_take(struct resources *r, const struct request *q)
{
	size_t i;

	for (i = 0; i < q->n; i++) {
		struct resource *x = &r->v[q->v[i].resource];

		if (q->v[i].amount > x->free)
			break;
		x->free -= q->v[i].amount;
	}
	if (i == q->n)
		return 1;
	while (i-- > 0)
		r->v[q->v[i].resource].free += q->v[i].amount;
	return 0;
}

void resources_give_back(struct resources *r, const struct request *q)
{
	for (size_t i = 0; i < q->n; i++)
		r->v[q->v[i].resource].free += q->v[i].amount;
}
