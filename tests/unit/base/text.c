/* text.c - numbers with units: what is taken, what is not, and how they are shown. */
#include "base/text.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <string.h>

struct sample {
	const char *text;
	uint64_t value;
};

#define MIN_US ((uint64_t)60 * 1000000)
#define KEEP   ((uint64_t)0xdeadbeef) /* what *out holds when nothing was stored */

static void check(sc_err (*parse)(const char *, uint64_t *), const struct sample *good, size_t n_good,
		  const char *const *bad, size_t n_bad)
{
	uint64_t v;

	for (size_t i = 0; i < n_good; i++) {
		v = KEEP;
		cr_expect_eq(parse(good[i].text, &v), SC_OK, "'%s' is refused", good[i].text);
		cr_expect_eq(v, good[i].value, "'%s' is read as %llu", good[i].text, (unsigned long long)v);
	}
	for (size_t i = 0; i < n_bad; i++) {
		v = KEEP;
		cr_expect_eq(parse(bad[i], &v), SC_INVALID, "'%s' is taken", bad[i]);
		cr_expect_eq(v, KEEP, "'%s' changed *out", bad[i]);
	}
}

#define N(a) (sizeof(a) / sizeof((a)[0]))

Test(text, u64)
{
	static const struct sample good[] = {{"0", 0}, {"42", 42}, {"18446744073709551615", UINT64_MAX}, {"007", 7}};
	static const char *const bad[] = {"",	 "-1", "+1", " 1", "1 ", "1x", "0x10", "18446744073709551616",
					  "1e3", "1.0"};

	check(text_u64, good, N(good), bad, N(bad));
}

Test(text, i64)
{
	int64_t v = 7;

	cr_assert(text_i64("-9223372036854775808", &v) == SC_OK && v == INT64_MIN);
	cr_assert(text_i64("9223372036854775807", &v) == SC_OK && v == INT64_MAX);
	v = 7;
	cr_assert_eq(text_i64("9223372036854775808", &v), SC_INVALID);
	cr_assert_eq(text_i64("--1", &v), SC_INVALID);
	cr_assert_eq(text_i64("-", &v), SC_INVALID);
	cr_assert_eq(text_i64("", &v), SC_INVALID);
	cr_assert_eq(text_i64("+1", &v), SC_INVALID);
	cr_assert_eq(v, 7);
}

Test(text, durations)
{
	static const struct sample good[] = {{"0", 0},
					     {"2", 2000000},
					     {"250us", 250},
					     {"500ms", 500000},
					     {"2s", 2000000},
					     {"1.5h", 90 * MIN_US},
					     {"3m", 3 * MIN_US},
					     {"3min", 3 * MIN_US},
					     {"24h", 24 * 60 * MIN_US},
					     {"3d", 3 * 24 * 60 * MIN_US},
					     {"0.5s", 500000},
					     {"5 s", 5000000},
					     {"off", UINT64_MAX}};
	static const char *const bad[] = {"",	  "s",	 "-1s", "2 x", "2sx",  "1..5s", ".5s",
					  "1e3s", "nan", "inf", "OFF", "0x1s", "2S",	"99999999999999999999d",
					  "1s2s"};

	check(text_duration_us, good, N(good), bad, N(bad));
}

Test(text, sizes)
{
	static const struct sample good[] = {{"0", 0},
					     {"4096", 4096},
					     {"4096B", 4096},
					     {"64KiB", 65536},
					     {"64Ki", 65536},
					     {"1k", 1000},
					     {"1GB", 1000000000},
					     {"1.5G", 1500000000},
					     {"0.5MiB", 524288},
					     {"2TiB", (uint64_t)2 << 40},
					     {"1 GiB", (uint64_t)1 << 30}};
	static const char *const bad[] = {"", "B", "-1", "1kib", "1PB", "1KiBs", "1,5G", "9999999999999TiB", "off"};

	check(text_bytes, good, N(good), bad, N(bad));
}

Test(text, amounts)
{
	static const struct sample good[] = {{"1", 10000}, {"0.5", 5000}, {"0.0001", 1}, {"2.25", 22500}, {"0", 0}};
	static const char *const bad[] = {"", "0.00001", "1.23456", "-1", "x", "1cpu", "99999999999"};

	check(text_amount, good, N(good), bad, N(bad));
}

Test(text, shown_for_people)
{
	char b[64];

	cr_assert_str_eq(text_show_us(250, b, sizeof(b)), "250 us");
	cr_assert_str_eq(text_show_us(1500, b, sizeof(b)), "1.5 ms");
	cr_assert_str_eq(text_show_us(1200000, b, sizeof(b)), "1.2 s");
	cr_assert_str_eq(text_show_us(200 * (uint64_t)1000000, b, sizeof(b)), "3m 20s");
	cr_assert_str_eq(text_show_us(3 * 60 * MIN_US + 5 * MIN_US, b, sizeof(b)), "3h 05m");
	cr_assert_str_eq(text_show_us(49 * 60 * MIN_US, b, sizeof(b)), "2d 01h");
	cr_assert_str_eq(text_show_bytes(512, b, sizeof(b)), "512 B");
	cr_assert_str_eq(text_show_bytes(1363149, b, sizeof(b)), "1.3 MiB");
	cr_assert_str_eq(text_show_bytes(UINT64_MAX, b, sizeof(b)), "16.0 EiB");
	cr_assert_str_eq(text_show_amount(10000, b, sizeof(b)), "1");
	cr_assert_str_eq(text_show_amount(5000, b, sizeof(b)), "0.5");
	cr_assert_str_eq(text_show_amount(0, b, sizeof(b)), "0");
	cr_assert_str_eq(text_show_amount(100000, b, sizeof(b)), "10");
	cr_assert_str_eq(text_show_amount(12345, b, sizeof(b)), "1.2345");
}

Test(text, what_is_shown_fits_its_buffer)
{
	char b[3];

	cr_assert_eq(strlen(text_show_us(UINT64_MAX, b, sizeof(b))), 2);
	cr_assert_eq(strlen(text_show_bytes(UINT64_MAX, b, sizeof(b))), 2);
	cr_assert_eq(strlen(text_show_amount(123456, b, sizeof(b))), 2);
}

Test(text, secrets)
{
	char a[33], b[33];

	text_random_hex(a, 16);
	text_random_hex(b, 16);
	cr_assert_eq(strlen(a), 32);
	cr_assert_eq(strspn(a, "0123456789abcdef"), 32);
	cr_assert(strcmp(a, b) != 0);
	cr_assert(text_equal_secret(a, a));
	cr_assert(!text_equal_secret(a, b));
	cr_assert(!text_equal_secret("abc", "abcd"));
	cr_assert(!text_equal_secret("abcd", "abc"));
	cr_assert(!text_equal_secret("", "a"));
	cr_assert(text_equal_secret("", ""));
}

Test(text, names)
{
	char long_name[202];

	memset(long_name, 'a', sizeof(long_name));
	cr_assert(text_is_name("w1", 2));
	cr_assert(text_is_name("a.b_c-d+e:f@g", 13));
	cr_assert(text_is_name(long_name, 200));
	cr_assert(!text_is_name(long_name, 201));
	cr_assert(!text_is_name("", 0));
	cr_assert(!text_is_name(".hidden", 7));
	cr_assert(!text_is_name("a/b", 3));
	cr_assert(!text_is_name("a b", 3));
	cr_assert(!text_is_name("a\0b", 3));
	cr_assert(!text_is_name("\xc3\xa4", 2));
}

Test(text, a_slip_leaves_half_of_the_word)
{
	cr_expect_eq(text_slip("jbo", "job"), 2u);
	cr_expect_eq(text_slip("retreis", "retries"), 2u);
	cr_expect_eq(text_slip("ls", "list"), 2u);
	cr_expect_eq(text_slip("bogus", "cpus"), UINT_MAX);
	cr_expect_eq(text_slip("b", "a"), UINT_MAX);
	cr_expect_eq(text_slip("", "a"), UINT_MAX);
	cr_expect_eq(text_slip("anything", ""), UINT_MAX);
}
