/* column.c - extremes of values and counts, and bytes that lie. */
#include "proto/column.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static void round_trip(const uint64_t *values, size_t n)
{
	struct column_writer w;
	struct column_reader r;
	struct column c, checked;

	column_writer_init(&w);
	for (size_t i = 0; i < n; i++)
		column_put(&w, values[i]);
	c = column_of(&w);
	cr_assert_eq(c.count, n);
	cr_assert_eq(column_check(c.p, c.size_bytes, &checked), SC_OK);
	cr_assert_eq(checked.count, n);
	column_read(&r, &checked);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(column_next(&r), values[i], "value %zu", i);
	cr_assert_eq(column_next(&r), 0, "nothing is left");
	column_writer_fini(&w);
}

Test(column, extremes)
{
	static const uint64_t values[] = {0, UINT64_MAX, 0, 1, UINT64_MAX / 2, UINT64_MAX / 2 + 1, 0, 127, 128, 1};

	round_trip(values, sizeof(values) / sizeof(values[0]));
	round_trip(values, 1);
	round_trip(values + 1, 1);
	round_trip(NULL, 0);
}

Test(column, random_values_of_every_size)
{
	uint64_t values[1000], seed = 42;

	for (size_t i = 0; i < 1000; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		values[i] = seed >> (seed % 64);
	}
	round_trip(values, 1000);
}

Test(column, rising_numbers_cost_a_byte_each)
{
	struct column_writer w;
	struct column c;

	column_writer_init(&w);
	for (uint64_t i = 1000000; i < 1010000; i++)
		column_put(&w, i);
	c = column_of(&w);
	cr_assert_leq(c.size_bytes, 10000 + 6);
	column_writer_fini(&w);
}

Test(column, a_writer_goes_on_after_a_look_and_again_after_a_reset)
{
	struct column_writer w;
	struct column_reader r;
	struct column c;

	column_writer_init(&w);
	column_put(&w, 5);
	c = column_of(&w);
	cr_assert_eq(c.count, 1);
	for (int i = 0; i < 200; i++)
		column_put(&w, 6);
	c = column_of(&w);
	cr_assert_eq(c.count, 201);
	column_read(&r, &c);
	cr_assert_eq(column_next(&r), 5);
	cr_assert_eq(column_next(&r), 6);
	column_writer_reset(&w);
	cr_assert_eq(column_of(&w).count, 0);
	column_put(&w, 7);
	c = column_of(&w);
	column_read(&r, &c);
	cr_assert_eq(column_next(&r), 7);
	column_writer_fini(&w);
}

Test(column, no_bytes_is_an_empty_column)
{
	struct column c = {(const uint8_t *)"x", 1, 1};
	struct column_reader r;

	cr_assert_eq(column_check(NULL, 0, &c), SC_OK);
	cr_assert(c.p == NULL && c.count == 0);
	column_read(&r, &c);
	cr_assert_eq(column_next(&r), 0);
}

Test(column, lies_are_refused)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *why;
	} bad[] = {
		{"\x01", 1, "a value is missing"},
		{"\x01\x80", 2, "a value is cut"},
		{"\x01\x02\x02", 3, "a byte too many"},
		{"\x80", 1, "the count is cut"},
		{"\xff\xff\xff\xff\x0f", 5, "2^32 - 1 values in no bytes"},
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", 11, "2^64 - 1 values in one byte"},
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x00", 11, "a count over 64 bits"},
		{"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11, "a value over 64 bits"},
		{"\x01\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 12, "a value of eleven bytes"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct column c;

		cr_expect_eq(column_check((const uint8_t *)bad[i].bytes, bad[i].n, &c), SC_MALFORMED, "%s", bad[i].why);
	}
}

Test(column, cut_anywhere_it_is_refused)
{
	struct column_writer w;
	struct column c, out;
	uint8_t *copy;

	column_writer_init(&w);
	for (uint64_t i = 0; i < 300; i++)
		column_put(&w, i * i * i);
	c = column_of(&w);
	for (size_t n = 1; n < c.size_bytes; n++) {
		copy = mem_malloc(n); /* exactly as long, so that a sanitizer sees a read beyond */
		memcpy(copy, c.p, n);
		cr_assert_eq(column_check(copy, n, &out), SC_MALFORMED, "%zu of %zu bytes", n, c.size_bytes);
		mem_free(copy);
	}
	column_writer_fini(&w);
}

Test(column, no_memory_yields_an_empty_column_and_an_error)
{
	struct column_writer w;

	column_writer_init(&w);
	mem_fail_nth(0);
	column_put(&w, 1);
	column_put(&w, 2);
	cr_assert_eq(buf_err(&w.bytes), SC_NOMEM);
	cr_assert_eq(column_of(&w).count, 0);
	column_writer_fini(&w);
}
