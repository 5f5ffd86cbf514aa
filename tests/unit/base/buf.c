/* buf.c - the growing buffer: contents, bound, failure that sticks. */
#include "base/buf.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"

Test(buf, appends_in_order)
{
	struct buf b;

	buf_init(&b, 0);
	buf_append(&b, "ab", 2);
	buf_append_byte(&b, 'c');
	buf_append_str(&b, "de");
	buf_printf(&b, "%d%s", 42, "!");
	cr_assert_eq(buf_err(&b), SC_OK);
	cr_assert_str_eq(buf_str(&b), "abcde42!");
	cr_assert_eq(b.len, 8);
	buf_fini(&b);
	cr_assert_eq(b.len, 0);
}

Test(buf, printf_longer_than_any_local_array)
{
	char long_text[5000];
	struct buf b;

	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	buf_init(&b, 0);
	buf_printf(&b, "<%s>", long_text);
	cr_assert_eq(b.len, sizeof(long_text) + 1);
	cr_assert(b.data[0] == '<' && b.data[b.len - 1] == '>');
	buf_fini(&b);
}

Test(buf, the_bound_is_exact_and_failure_sticks)
{
	struct buf b;

	buf_init(&b, 4);
	buf_append(&b, "abcd", 4);
	cr_assert_eq(buf_err(&b), SC_OK);
	buf_append_byte(&b, 'e');
	cr_assert_eq(buf_err(&b), SC_TOO_BIG);
	buf_append(&b, "", 0);
	cr_assert_eq(buf_err(&b), SC_TOO_BIG);
	cr_assert_str_eq(buf_str(&b), "", "a failed buffer has no text");
	buf_reset(&b);
	cr_assert_eq(buf_err(&b), SC_OK);
	buf_append(&b, "xyz", 3);
	cr_assert_str_eq(buf_str(&b), "xyz");
	buf_fini(&b);
}

Test(buf, a_size_that_overflows_is_too_big)
{
	struct buf b;

	buf_init(&b, 0);
	buf_append(&b, "a", 1);
	cr_assert_null(buf_reserve(&b, SIZE_MAX));
	cr_assert_eq(buf_err(&b), SC_TOO_BIG);
	buf_fini(&b);
}

Test(buf, no_memory_is_reported_once_at_the_end)
{
	struct buf b;

	buf_init(&b, 0);
	mem_fail_nth(0);
	buf_append(&b, "a", 1);
	buf_append(&b, "b", 1);
	cr_assert_eq(buf_err(&b), SC_NOMEM);
	cr_assert_eq(b.len, 0);
	buf_fini(&b);
}

Test(buf, appending_nothing_from_nowhere)
{
	struct buf b;

	buf_init(&b, 0);
	buf_append(&b, NULL, 0);
	cr_assert_eq(buf_err(&b), SC_OK);
	cr_assert_str_eq(buf_str(&b), "");
	buf_fini(&b);
}

Test(buf, room_for_nothing_is_not_a_failure)
{
	struct buf b;

	buf_init(&b, 0);
	cr_assert_not_null(buf_reserve(&b, 0));
	cr_assert_eq(buf_err(&b), SC_OK);
	buf_fini(&b);
}
