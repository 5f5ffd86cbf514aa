/* progress.c - the line that says how far a job is. */
#include "client/ctl/progress.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct sc_progress half = {
	.job = 1,
	.state = SC_JOB_RUNNING,
	.counts = {[SC_TASK_DONE] = 500, [SC_TASK_RELEASED] = 12, [SC_TASK_FAILED] = 3, [SC_TASK_WAITING] = 485},
	.text = "",
};

Test(progress, says_rate_and_time_left)
{
	struct progress p;
	char line[256];

	progress_begin(&p, PROGRESS_NONE);
	progress_write(&p, &half, 0, line, sizeof(line));
	cr_expect_str_eq(line, "512/1000 done, 3 failed");
	progress_sample(&p, 15, 1000000);
	progress_sample(&p, 400, 1100000); /* too soon after the last */
	progress_sample(&p, 515, 11000000);
	cr_expect_float_eq(progress_rate(&p), 50.0, 0.001);
	progress_write(&p, &half, 0, line, sizeof(line));
	cr_expect_str_eq(line, "512/1000 done, 3 failed, 50/s, ETA 10 s");
	progress_write(&p, &half, 60, line, sizeof(line));
	cr_expect_str_eq(line, "[########.........] 512/1000 done, 3 failed, 50/s, ETA 10 s");
}

Test(progress, on_a_narrow_terminal_the_bar_gives_way)
{
	struct progress p;
	char line[256];

	progress_begin(&p, PROGRESS_NONE);
	for (size_t width = 0; width < 200; width++) {
		progress_write(&p, &half, width, line, sizeof(line));
		cr_expect((line[0] == '[') == (width >= 32), "%zu: %s", width, line);
		cr_expect(width < 24 || strlen(line) < width, "%zu: %s", width, line);
		cr_expect_not_null(strstr(line, "512/1000 done, 3 failed"));
	}
}

Test(progress, the_rate_is_that_of_the_last_seconds)
{
	struct progress p;

	progress_begin(&p, PROGRESS_NONE);
	for (uint64_t i = 0; i < 100; i++)
		progress_sample(&p, i < 50 ? 0 : (i - 49) * 1000, (i + 1) * 500000);
	cr_expect_float_eq(progress_rate(&p), 2000.0, 0.001);
}

Test(progress, an_empty_job_has_a_bar_too)
{
	struct sc_progress none = {.state = SC_JOB_HELD, .text = ""};
	struct progress p;
	char line[256];

	progress_begin(&p, PROGRESS_NONE);
	progress_write(&p, &none, 54, line, sizeof(line));
	cr_expect_str_eq(line, "[..........] 0/0 done, held: waits for an earlier job");
}
