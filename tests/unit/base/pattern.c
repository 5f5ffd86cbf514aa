/* Placeholders are replaced, other braces stay. */
#include <criterion/criterion.h>

#include "base/pattern.h"

Test(pattern, replaces_placeholders_and_nothing_else)
{
	struct pattern_values v = {.item = {"it em", 5}, .key = {"a-7", 3}, .index = 7, .job = 3, .attempt = 2};
	struct buf out;

	buf_init(&out, 0);
	pattern_write(&out, slice_of("{item}/{index}{key}-{job}.{attempt} {other} {item {}{"), &v);
	cr_expect_str_eq(buf_str(&out), "it em/7a-7-3.2 {other} {item {}{");
	buf_reset(&out);
	v.no_attempt = 1;
	pattern_write(&out, slice_of("{attempt}{job}"), &v);
	cr_expect_str_eq(buf_str(&out), "{attempt}3");
	buf_fini(&out);
}

Test(pattern, knows_whether_it_varies)
{
	cr_expect(pattern_varies("out/{index}.txt"));
	cr_expect(pattern_varies("{{item}}"));
	cr_expect(!pattern_varies("out/{job}.txt"));
	cr_expect(!pattern_varies("awk '{print $1}'"));
	cr_expect(pattern_is("{job}"));
	cr_expect(!pattern_is("{} { item }"));
}
