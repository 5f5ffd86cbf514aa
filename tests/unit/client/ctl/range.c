/* range.c - ranges of indexes. */
#include "client/ctl/range.h"

#include <criterion/criterion.h>

Test(range, takes_what_it_says)
{
	static const struct {
		const char *text;
		uint64_t first, step, count;
	} good[] = {{"0-99", 0, 1, 100},
		    {"0-90:10", 0, 10, 10},
		    {"7", 7, 1, 1},
		    {"5-5", 5, 1, 1},
		    {"1-10:4", 1, 4, 3},
		    {"0-999999", 0, 1, 1000000},
		    {"18446744073709551615", UINT64_MAX, 1, 1}};
	static const char *const bad[] = {"",
					  "-",
					  "a",
					  "1-",
					  "-1",
					  "9-0",
					  "0-9:0",
					  "0-9:",
					  "0-9:x",
					  "0-9-3",
					  "1.5",
					  " 1",
					  "0-18446744073709551615",
					  "99999999999999999999"};
	struct range r;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_expect_eq(range_parse(good[i].text, &r), SC_OK, "'%s' is refused", good[i].text);
		cr_expect(r.first == good[i].first && r.step == good[i].step && r.count == good[i].count, "%s",
			  good[i].text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(range_parse(bad[i], &r), SC_INVALID, "'%s' is taken", bad[i]);
}
