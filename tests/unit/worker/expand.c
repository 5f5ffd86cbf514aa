/* expand.c - tests of worker/expand.h. */
#include "worker/expand.h"

#include <criterion/criterion.h>

static struct arena a;

static void end(void)
{
	arena_fini(&a);
}

TestSuite(expand, .fini = end);

static const char *expand(const char *text)
{
	struct pattern_values v = {.item = {"an item", 7}, .key = {"name-5", 6}, .index = 5, .job = 12, .attempt = 2};

	return pattern_expand(&a, slice_of(text), &v, NULL);
}

Test(expand, replaces_what_it_knows)
{
	cr_assert_str_eq(expand("{item}"), "an item");
	cr_assert_str_eq(expand("{job}/{key}.{index}-{attempt}"), "12/name-5.5-2");
	cr_assert_str_eq(expand("x{index}{index}y"), "x55y");
}

Test(expand, leaves_other_braces_alone)
{
	cr_assert_str_eq(expand("awk '{n[$2] += $1} END {print}'"), "awk '{n[$2] += $1} END {print}'");
	cr_assert_str_eq(expand("${index} {{index}} {inde {"), "$5 {5} {inde {");
	cr_assert_str_eq(expand(""), "");
}

Test(expand, bounds_the_result)
{
	struct pattern_values v = {.item = {"", 0}, .key = {"", 0}};
	static char big[1024 * 1024], text[6 * 6 + 1];

	v.item = (struct slice){big, sizeof(big)};
	for (int i = 0; i < 6; i++)
		memcpy(text + 6 * i, "{item}", 6);
	cr_assert_null(pattern_expand(&a, slice_of(text), &v, NULL));
	cr_assert(a.failed);
	arena_reset(&a);
	cr_assert_not_null(pattern_expand(&a, slice_of("{item}{item}"), &v, NULL));
}

Test(expand, says_how_long_it_is)
{
	struct pattern_values v = {.item = {"a\0b", 3}, .key = {"", 0}};
	size_t n;
	char *out = pattern_expand(&a, slice_of("<{item}>"), &v, &n);

	cr_assert_eq(n, 5);
	cr_assert_eq(memcmp(out, "<a\0b>", 6), 0);
}
