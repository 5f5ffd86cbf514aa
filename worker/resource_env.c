/* resource_env.c - see resource_env.h. */
#include "worker/resource_env.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Where libraries look which devices they may use. */
static const struct {
	const char *resource, *variable;
} device_variables[] = {
	{"gpu", "CUDA_VISIBLE_DEVICES"},
	{"nvidia", "CUDA_VISIBLE_DEVICES"},
	{"amd", "ROCR_VISIBLE_DEVICES"},
};

static void variable_part(const char *from, char out[RESOURCE_NAME_MAX + 1])
{
	size_t n = 0;

	for (; from[n] != '\0'; n++)
		out[n] = isalnum((unsigned char)from[n]) ? (char)toupper((unsigned char)from[n]) : '_';
	out[n] = '\0';
}

/* "0,3" */
static const char *unit_names(struct arena *a, const struct resource *x, const struct unit_share *s)
{
	char *out = NULL;

	for (unsigned i = 0; i < x->n_units && !a->failed; i++)
		if ((s->whole >> i & 1) != 0 || s->shared == i + 1)
			out = out == NULL ? x->units[i].name : arena_printf(a, "%s,%s", out, x->units[i].name);
	return out != NULL ? out : "";
}

static const char *show_amount(const struct request_part *part, char *buf, size_t cap)
{
	if (part->resource != RESOURCE_AT_MEMORY)
		return text_show_amount(part->amount, buf, cap);
	snprintf(buf, cap, "%" PRIu64, part->amount);
	return buf;
}

char **resource_env(struct arena *a, const struct resources *r, const struct request *q, const struct unit_share *units)
{
	char **out = arena_alloc(a, (RESOURCE_ENV_MAX * q->n + 1) * sizeof(char *));
	char amount[40], name[RESOURCE_NAME_MAX + 1];
	size_t n = 0;

	if (out == NULL)
		return NULL;
	for (size_t i = 0; i < q->n; i++) {
		const struct resource *x = &r->v[q->v[i].resource];
		const char *ids;

		show_amount(&q->v[i], amount, sizeof(amount));
		if (x == &r->v[RESOURCE_AT_CPUS])
			out[n++] = arena_printf(a, "SCHED_CPUS=%s", amount);
		variable_part(x->name, name);
		out[n++] = arena_printf(a, "SCHED_RESOURCE_%s=%s", name, amount);
		if (units == NULL || x->n_units == 0)
			continue;
		ids = unit_names(a, x, &units[i]);
		out[n++] = arena_printf(a, "SCHED_RESOURCE_%s_IDS=%s", name, ids);
		for (size_t k = 0; k < sizeof(device_variables) / sizeof(device_variables[0]); k++)
			if (strcmp(device_variables[k].resource, x->name) == 0)
				out[n++] = arena_printf(a, "%s=%s", device_variables[k].variable, ids);
	}
	out[n] = NULL;
	return a->failed ? NULL : out;
}

static int is_usual(const struct request *q)
{
	return q->n == 1 && q->v[0].resource == RESOURCE_AT_CPUS && q->v[0].amount == TEXT_AMOUNT_ONE;
}

sc_err resource_words(struct arena *a, const struct resources *r, const struct request *q,
		      const struct unit_share *units, struct slices *out)
{
	struct slice *v;
	char amount[40];

	*out = (struct slices){NULL, 0};
	if (is_usual(q))
		return SC_OK;
	v = arena_alloc(a, (RESOURCE_WORDS * q->n + 1) * sizeof(*v));
	for (size_t i = 0; v != NULL && i < q->n; i++) {
		const struct resource *x = &r->v[q->v[i].resource];
		struct slice *words = v + RESOURCE_WORDS * i;

		show_amount(&q->v[i], amount, sizeof(amount));
		words[0] = slice_of(x->name);
		words[1] = (struct slice){arena_copy(a, amount, strlen(amount)), strlen(amount)};
		words[2] = slice_of(units == NULL ? "" : unit_names(a, x, &units[i]));
	}
	if (a->failed)
		return SC_NOMEM;
	*out = (struct slices){v, RESOURCE_WORDS * q->n};
	return SC_OK;
}
