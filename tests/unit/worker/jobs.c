/* jobs.c - tests of worker/jobs.h: groups, keys, which group has a task. */
#include "worker/jobs.h"

#include <criterion/criterion.h>

static struct jobs *j;
static struct resources r;
static struct buf error;

static void begin(void)
{
	cr_assert_eq(jobs_new(&j), SC_OK);
	resources_init(&r, 2);
	buf_init(&error, 0);
}

static void end(void)
{
	jobs_free(j);
	buf_fini(&error);
}

TestSuite(jobs, .init = begin, .fini = end);

static sc_err define(uint64_t job, uint64_t number, const char *name, uint64_t first, uint64_t n)
{
	struct msg_group_define m = {
		.job = job,
		.group = number,
		.name = slice_of(name),
		.first_task = first,
		.n_tasks = n,
		.index_first = 100,
		.index_step = 10,
		.body = {"body", 4},
		.job_name = slice_of("job"),
	};

	buf_reset(&error);
	return jobs_define(j, &m, &r, &error);
}

static const char *key(uint64_t task)
{
	static char out[KEY_MAX];
	const struct job *job = jobs_find(j, 1);

	group_key(job_group_of(job, task), task, out);
	return out;
}

Test(jobs, tasks_and_their_keys)
{
	const struct job *job;

	cr_assert_eq(define(1, 2, "last", 14, 3), SC_OK); /* in any order */
	cr_assert_eq(define(1, 0, "first", 0, 10), SC_OK);
	cr_assert_eq(define(1, 1, "single", 10, 1), SC_OK);
	cr_assert_str_eq(key(0), "first-100");
	cr_assert_str_eq(key(9), "first-190");
	cr_assert_str_eq(key(10), "single");
	cr_assert_str_eq(key(16), "last-120");
	job = jobs_find(j, 1);
	cr_assert_null(job_group_of(job, 11)); /* in no group we know */
	cr_assert_null(job_group_of(job, 17));
	cr_assert_null(jobs_find(j, 2));
}

Test(jobs, definitions_that_make_no_sense)
{
	cr_assert_eq(define(1, 0, "../etc", 0, 1), SC_MALFORMED);
	cr_assert_eq(define(1, 0, "", 0, 1), SC_MALFORMED);
	cr_assert_eq(define(1, 0, "a", 0, 0), SC_MALFORMED);
	cr_assert_eq(define(1, 0, "a", UINT32_MAX, 2), SC_MALFORMED);
	cr_assert(error.len > 0);
}

Test(jobs, a_task_outlives_its_job)
{
	struct group *g;
	char out[KEY_MAX];

	define(1, 0, "a", 0, 5);
	g = group_ref(job_group(jobs_find(j, 1), 0));
	jobs_drop(j, 1);
	cr_assert_null(jobs_find(j, 1));
	group_key(g, 3, out);
	cr_assert_str_eq(out, "a-130");
	cr_assert_str_eq(g->job->name, "job");
	cr_assert_null(job_group_of(g->job, 3)); /* its neighbours are gone */
	group_unref(g);
}

Test(jobs, the_same_group_twice_is_the_first)
{
	define(1, 0, "a", 0, 5);
	define(1, 0, "b", 0, 9);
	cr_assert_str_eq(job_group(jobs_find(j, 1), 0)->name, "a");
}

Test(jobs, survives_any_failed_allocation)
{
	sc_err err = SC_NOMEM;

	for (long n = 0; err != SC_OK; n++) {
		mem_fail_nth(n);
		err = define(1, 0, "a", 0, 5);
		mem_fail_nth(-1);
		cr_assert(err == SC_OK || err == SC_NOMEM);
	}
	cr_assert_not_null(job_group(jobs_find(j, 1), 0));
}
