/* constants.c - shown names of the numbers inside messages; codes that are wire format. */
#include "proto/constants.h"

#include <criterion/criterion.h>
#include <string.h>

Test(constants, shown_names)
{
	cr_assert_str_eq(const_name_TASK(TASK_RUNNING), "running");
	cr_assert_str_eq(const_name_JOB(JOB_HELD), "held");
	cr_assert_str_eq(const_name_WORKER(WORKER_DRAINING), "draining");
	cr_assert_str_eq(const_name_KIND(KIND_EXEC), "exec");
	cr_assert_str_eq(const_name_FAIL(FAIL_TIMEOUT), "timeout");
	cr_assert_str_eq(const_name_FAIL(0), "?");
	cr_assert_str_eq(const_name_TASK(UINT64_MAX), "?");
}

Test(constants, no_value_occurs_twice_in_a_family)
{
	static const struct {
		const char *family;
		unsigned long long value;
	} rows[] = {
#define CONST(family, name, value, shown, text) {#family, value},
#include "proto/constants.def"
#undef CONST
	};
	size_t n = sizeof(rows) / sizeof(rows[0]);

	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++)
			cr_expect(rows[i].value != rows[k].value || strcmp(rows[i].family, rows[k].family) != 0);
}
