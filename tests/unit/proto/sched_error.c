/* sched_error.c - codes are wire format: none is used twice, each has a name and a text. */
#include "proto/sched_error.h"

#include <criterion/criterion.h>
#include <string.h>

Test(sched_error, codes_names_and_texts)
{
	static const int codes[] = {
#define CODE(name, code, text) code,
		SC_ERRORS(CODE)};
	size_t n = sizeof(codes) / sizeof(codes[0]);

	for (size_t i = 0; i < n; i++) {
		cr_expect_eq(codes[i], (int)i, "appended, in order, without gaps");
		cr_expect(strlen(sc_err_text((sc_err)codes[i])) > 0);
	}
	cr_assert_str_eq(sc_err_name(SC_NOT_FOUND), "NOT_FOUND");
	cr_assert_str_eq(sc_err_text(SC_OK), "success");
	cr_assert_str_eq(sc_err_text((sc_err)9999), "unknown error");
	cr_assert_str_eq(sc_err_name((sc_err)9999), "UNKNOWN");
}
