/* mem.c - allocations that can be made to fail. */
#include "base/mem.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

Test(mem, the_nth_allocation_fails_once)
{
	void *p[3];

	mem_fail_nth(1);
	for (int i = 0; i < 3; i++)
		p[i] = mem_malloc(8);
	cr_assert(p[0] != NULL && p[1] == NULL && p[2] != NULL);
	mem_free(p[0]);
	mem_free(p[2]);
}

Test(mem, no_size_is_an_allocation_too)
{
	void *p = mem_malloc(0), *q = mem_calloc(0, 16);

	cr_assert(p != NULL && q != NULL);
	mem_free(p);
	mem_free(q);
	mem_free(NULL);
}

Test(mem, calloc_refuses_a_product_that_overflows)
{
	volatile size_t many = SIZE_MAX / 2;

	cr_assert_null(mem_calloc(many, 4));
}

Test(mem, strings_are_copied_with_their_end)
{
	char *a = mem_strdup("abc"), *b = mem_strndup("abcdef", 2), *c = mem_strndup(NULL, 0);

	cr_assert_str_eq(a, "abc");
	cr_assert_str_eq(b, "ab");
	cr_assert_str_eq(c, "");
	mem_free(a);
	mem_free(b);
	mem_free(c);
}

Test(mem, grow_doubles_and_keeps_the_array_when_it_cannot)
{
	size_t cap = 0, before;
	int *v = mem_grow(NULL, &cap, 1, sizeof(*v)), *w;

	cr_assert(v != NULL && cap >= 1);
	v[0] = 42;
	before = cap;
	cr_assert(mem_grow(v, &cap, before, sizeof(*v)) == v, "room that is there needs no allocation");
	mem_fail_nth(0);
	cr_assert_null(mem_grow(v, &cap, before + 1, sizeof(*v)));
	cr_assert(cap == before && v[0] == 42);
	mem_fail_nth(-1);
	w = mem_grow(v, &cap, before + 1, sizeof(*v));
	cr_assert(w != NULL && cap == 2 * before && w[0] == 42);
	cr_assert_null(mem_grow(w, &cap, SIZE_MAX / 2, sizeof(*w)), "more than memory can have");
	mem_free(w);
}
