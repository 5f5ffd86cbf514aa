/* range.c - see range.h. */
#include "client/ctl/range.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define COUNT_MAX ((uint64_t)UINT32_MAX - 1)

static sc_err read_part(const char *p, size_t n, uint64_t *out)
{
	char text[24];

	if (n == 0 || n >= sizeof(text))
		return SC_INVALID;
	memcpy(text, p, n);
	text[n] = '\0';
	return text_u64(text, out);
}

sc_err range_parse(const char *text, struct range *out)
{
	size_t first = strcspn(text, "-:"), last = 0;
	struct range r = {.step = 1};
	uint64_t end;

	if (read_part(text, first, &r.first) != SC_OK)
		return SC_INVALID;
	end = r.first;
	text += first;
	if (*text == '-') {
		text++;
		last = strcspn(text, ":");
		if (read_part(text, last, &end) != SC_OK)
			return SC_INVALID;
		text += last;
		if (*text == ':' && (text_u64(text + 1, &r.step) != SC_OK || r.step == 0))
			return SC_INVALID;
	} else if (*text != '\0') {
		return SC_INVALID;
	}
	if (end < r.first || (end - r.first) / r.step >= COUNT_MAX)
		return SC_INVALID;
	r.count = (end - r.first) / r.step + 1;
	*out = r;
	return SC_OK;
}

/* ---- lists ------------------------------------------------------------------------------------------------------ */

#define EXPAND_MAX 16777216u

void ranges_fini(struct ranges *r)
{
	mem_free(r->v);
	*r = (struct ranges){0};
}

static sc_err add_range(struct ranges *r, uint64_t first, uint64_t step, uint64_t n)
{
	void *p = mem_grow(r->v, &r->cap, r->n + 1, sizeof(*r->v));

	if (p == NULL)
		return SC_NOMEM;
	r->v = p;
	r->v[r->n++] = (struct sc_index_range){first, step, n};
	r->count += n;
	return r->count <= COUNT_MAX ? SC_OK : SC_INVALID;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct sc_index_range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

static int compare_indexes(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int overlap(const struct ranges *r)
{
	for (size_t i = 1; i < r->n; i++)
		if (r->v[i].first <= r->v[i - 1].first + (r->v[i - 1].n - 1) * r->v[i - 1].step)
			return 1;
	return 0;
}

/* Series as long as possible, from the first index on. */
static sc_err compress(struct ranges *r, const uint64_t *v, size_t n)
{
	sc_err err = SC_OK;

	r->n = 0;
	r->count = 0;
	for (size_t i = 0, k; i < n && err == SC_OK; i = k) {
		uint64_t step = i + 1 < n ? v[i + 1] - v[i] : 1;

		for (k = i + 1; k < n && v[k] - v[k - 1] == step; k++)
			;
		if (k == i + 2 && k < n) /* two by chance: the second may begin something longer */
			k = i + 1;
		err = add_range(r, v[i], k > i + 1 ? step : 1, k - i);
	}
	return err;
}

/* All indexes, sorted, each once. */
static sc_err normalise(struct ranges *r)
{
	uint64_t *all;
	size_t n = 0, kept = 0;
	sc_err err;

	qsort(r->v, r->n, sizeof(*r->v), compare_ranges);
	if (!overlap(r))
		return SC_OK;
	if (r->count > EXPAND_MAX)
		return SC_INVALID;
	all = mem_malloc((size_t)r->count * sizeof(*all));
	if (all == NULL)
		return SC_NOMEM;
	for (size_t i = 0; i < r->n; i++)
		for (uint64_t k = 0; k < r->v[i].n; k++)
			all[n++] = r->v[i].first + k * r->v[i].step;
	qsort(all, n, sizeof(*all), compare_indexes);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || all[i] != all[i - 1])
			all[kept++] = all[i];
	err = compress(r, all, kept);
	mem_free(all);
	return err;
}

static sc_err parse_list(char *text, struct ranges *r)
{
	char *rest = text, *part;
	struct range one;
	sc_err err = SC_OK;

	while (err == SC_OK && (part = strsep(&rest, ",")) != NULL) {
		err = range_parse(part, &one);
		if (err == SC_OK)
			err = add_range(r, one.first, one.step, one.count);
	}
	return err;
}

sc_err ranges_parse(const char *text, struct ranges *out)
{
	const char *percent = strchr(text, '%');
	struct ranges r = {0};
	uint64_t k = 0;
	char *copy;
	sc_err err;

	if (percent != NULL && (text_u64(percent + 1, &k) != SC_OK || k == 0 || k > UINT32_MAX))
		return SC_INVALID;
	copy = mem_strndup(text, percent != NULL ? (size_t)(percent - text) : strlen(text));
	if (copy == NULL)
		return SC_NOMEM;
	err = parse_list(copy, &r);
	mem_free(copy);
	if (err == SC_OK)
		err = normalise(&r);
	if (err != SC_OK) {
		ranges_fini(&r);
		return err;
	}
	r.max_running = (uint32_t)k;
	*out = r;
	return SC_OK;
}
