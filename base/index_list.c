/* index_list.c - see index_list.h. */
#include "base/index_list.h"

#include "base/mem.h"

static sc_err check_range(const struct index_range *r)
{
	if (r->n == 0 || r->step == 0 || r->n >= UINT32_MAX)
		return SC_INVALID;
	return (UINT64_MAX - r->first) / r->step < r->n - 1 ? SC_INVALID : SC_OK;
}

static uint64_t last_of(const struct index_range *r)
{
	return r->first + (r->n - 1) * r->step;
}

sc_err index_list_new(const struct index_range *ranges, size_t n, struct index_list **out)
{
	struct index_list *l;
	uint64_t before = 0;

	if (n == 0 || n > INDEX_RANGES_MAX)
		return SC_INVALID;
	l = mem_malloc(sizeof(*l) + n * sizeof(l->v[0]));
	if (l == NULL)
		return SC_NOMEM;
	l->n_ranges = n;
	for (size_t i = 0; i < n; i++) {
		if (check_range(&ranges[i]) != SC_OK || (i > 0 && ranges[i].first <= last_of(&ranges[i - 1])) ||
		    before + ranges[i].n >= UINT32_MAX) {
			mem_free(l);
			return SC_INVALID;
		}
		l->v[i].range = ranges[i];
		l->v[i].before = before;
		before += ranges[i].n;
	}
	*out = l;
	return SC_OK;
}

uint64_t index_list_count(const struct index_list *l)
{
	return l->v[l->n_ranges - 1].before + l->v[l->n_ranges - 1].range.n;
}

uint64_t index_list_at(const struct index_list *l, uint64_t k)
{
	size_t lo = 0, hi = l->n_ranges;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (l->v[mid].before <= k)
			lo = mid;
		else
			hi = mid;
	}
	return l->v[lo].range.first + (k - l->v[lo].before) * l->v[lo].range.step;
}

int index_list_find(const struct index_list *l, uint64_t index, uint64_t *k)
{
	size_t lo = 0, hi = l->n_ranges;
	const struct index_range *r;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (l->v[mid].range.first <= index)
			lo = mid;
		else
			hi = mid;
	}
	r = &l->v[lo].range;
	if (index < r->first || index > last_of(r) || (index - r->first) % r->step != 0)
		return 0;
	*k = l->v[lo].before + (index - r->first) / r->step;
	return 1;
}
