/*
 * index_list.h - the indexes of an array's tasks when they are not one arithmetic series: ranges, one after the other.
 */
#ifndef BASE_INDEX_LIST_H
#define BASE_INDEX_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "proto/sched_error.h"

#define INDEX_RANGES_MAX 65536u

/* first, first + step, ... n of them. */
struct index_range {
	uint64_t first, step, n;
};

/* Rising: each range begins after the end of the one before. */
struct index_list {
	size_t n_ranges;
	struct index_list_part {
		struct index_range range;
		uint64_t before; /* indexes in the ranges before this one */
	} v[];
};

/* *out is new, freed with mem_free.  SC_INVALID: empty, not rising, beyond 2^64 or more than 2^32 - 1 indexes. */
sc_err index_list_new(const struct index_range *ranges, size_t n, struct index_list **out);

uint64_t index_list_count(const struct index_list *l);
/* The k-th, k below their number. */
uint64_t index_list_at(const struct index_list *l, uint64_t k);
/* Whether the index is one of them; *k is then its place. */
int index_list_find(const struct index_list *l, uint64_t index, uint64_t *k);

#endif
