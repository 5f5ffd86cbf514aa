/* index_list.c - ranges of indexes, one after the other. */
#include <criterion/criterion.h>

#include "base/index_list.h"
#include "base/mem.h"

Test(index_list, there_and_back)
{
	const struct index_range r[] = {{1, 1, 1}, {5, 1, 1}, {9, 2, 6}};
	const uint64_t all[] = {1, 5, 9, 11, 13, 15, 17, 19};
	struct index_list *l;
	uint64_t k;

	cr_assert_eq(index_list_new(r, 3, &l), SC_OK);
	cr_assert_eq(index_list_count(l), 8);
	for (uint64_t i = 0; i < 8; i++) {
		cr_expect_eq(index_list_at(l, i), all[i]);
		cr_expect(index_list_find(l, all[i], &k) && k == i);
	}
	cr_expect_not(index_list_find(l, 0, &k));
	cr_expect_not(index_list_find(l, 10, &k));
	cr_expect_not(index_list_find(l, 21, &k));
	mem_free(l);
}

Test(index_list, what_is_refused)
{
	const struct index_range overlap[] = {{1, 1, 5}, {5, 1, 1}}, beyond[] = {{UINT64_MAX, 2, 2}},
				 none[] = {{1, 1, 0}}, still[] = {{1, 0, 2}};
	struct index_list *l;

	cr_expect_eq(index_list_new(overlap, 2, &l), SC_INVALID);
	cr_expect_eq(index_list_new(beyond, 1, &l), SC_INVALID);
	cr_expect_eq(index_list_new(none, 1, &l), SC_INVALID);
	cr_expect_eq(index_list_new(still, 1, &l), SC_INVALID);
	cr_expect_eq(index_list_new(still, 0, &l), SC_INVALID);
}
