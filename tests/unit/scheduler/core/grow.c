/* grow.c - jobs that get more tasks, give up after failures, and run so many of an array at a time. */
#include "scheduler/core/core_internal.h"
#include "tests/unit/scheduler/core/world.h"

#define NONE UINT32_MAX

/* n tasks more; each takes the results of `a` and `b` (NONE: not), numbers in the job. */
static sc_err try_grow(struct world *w, struct job *j, const char *name, uint32_t n, uint32_t a, uint32_t b,
		       struct buf *error)
{
	struct slice body = slice_of("more");
	struct group_spec g = {.name = slice_of(name), .n_tasks = n, .body = 0};
	struct job_spec s = {.groups = &g, .n_groups = 1, .bodies = {&body, 1}, .first_task = j->n_tasks};
	uint32_t e = 0;
	sc_err err;

	if (a != NONE || b != NONE) {
		s.in_start = mem_malloc((n + 1) * sizeof(uint32_t));
		s.in = mem_malloc((size_t)n * 2 * sizeof(uint32_t));
		for (uint32_t t = 0; t < n; t++) {
			s.in_start[t] = e;
			if (a != NONE)
				s.in[e++] = a;
			if (b != NONE)
				s.in[e++] = b;
		}
		s.in_start[n] = e;
	}
	err = core_submit_more(w->core, j, &s, w->now_us, error);
	if (err != SC_OK) {
		mem_free(s.in_start);
		mem_free(s.in);
	}
	world_check(w);
	return err;
}

static void grow(struct world *w, struct job *j, const char *name, uint32_t n, uint32_t a, uint32_t b)
{
	struct buf error;

	buf_init(&error, 0);
	cr_assert_eq(try_grow(w, j, name, n, a, b, &error), SC_OK, "%s", buf_str(&error));
	buf_fini(&error);
}

static void refused(struct world *w, struct job *j, const char *name, uint32_t input, sc_err err, const char *text)
{
	uint64_t tasks = core_n_tasks(w->core);
	uint32_t groups = j->n_groups;
	struct buf error;

	buf_init(&error, 0);
	cr_expect_eq(try_grow(w, j, name, 2, input, NONE, &error), err);
	cr_expect_not_null(strstr(buf_str(&error), text), "%s", buf_str(&error));
	cr_expect_eq(core_n_tasks(w->core), tasks);
	cr_expect_eq(j->n_groups, groups);
	buf_fini(&error);
}

static struct job *open_job(struct world *w, uint32_t n, uint64_t max_fails)
{
	struct slice body = slice_of("body");
	struct group_spec g = {.name = slice_of("t"), .n_tasks = n, .flags = GROUP_ARRAY};
	struct job_spec s = {.name = slice_of("job"),
			     .namespace = slice_of("default"),
			     .groups = &g,
			     .n_groups = n > 0,
			     .bodies = {&body, 1},
			     .is_open = 1,
			     .max_fails = max_fails};
	struct buf error;
	uint64_t id;

	buf_init(&error, 0);
	cr_assert_eq(core_submit(w->core, &s, w->now_us, &id, &error), SC_OK, "%s", buf_str(&error));
	buf_fini(&error);
	world_check(w);
	return core_job(w->core, id);
}

static void is_key(const struct job *j, uint32_t task, const char *wanted)
{
	char key[JOB_KEY_MAX];
	uint32_t found;

	cr_expect_str_eq(job_key(j, task, key, sizeof(key)), wanted);
	cr_expect_eq(job_find_task(j, slice_of(wanted), &found), SC_OK);
	cr_expect_eq(found, task);
}

Test(grow, edges_across_submissions)
{
	struct world w;
	struct job *j;
	uint32_t n, worker;
	size_t n_actions;

	world_init(&w);
	worker = world_worker(&w, "w", "cpus=8");
	j = open_job(&w, 2, 0);
	grow(&w, j, "u", 2, 0, 1);    /* 2, 3 */
	grow(&w, j, "v", 1, 0, NONE); /* 4 */
	grow(&w, j, "x", 1, 2, 4);    /* 5 */
	is_key(j, 1, "t-1");
	is_key(j, 3, "u-1");
	is_key(j, 4, "v");
	n = job_n_consumers(j, 0);
	cr_expect_eq(n, 3, "%u", n);
	world_round(&w, &n_actions);
	world_done(&w, worker, j, 0, 10);
	cr_expect_eq(j->tasks[4].state, TASK_READY);
	cr_expect_eq(j->tasks[2].state, TASK_WAITING);
	world_done(&w, worker, j, 1, 10);
	cr_expect_eq(j->tasks[2].state, TASK_READY);
	world_round(&w, &n_actions);
	for (uint32_t t = 2; t < 5; t++)
		world_done(&w, worker, j, t, 10);
	cr_expect_eq(j->tasks[0].state, TASK_RELEASED, "all that needed it have ended");
	grow(&w, j, "y", 1, 0, NONE); /* 6: computed again for it */
	cr_expect_eq(j->tasks[0].state, TASK_READY);
	world_round(&w, &n_actions);
	world_done(&w, worker, j, 0, 10);
	world_done(&w, worker, j, 5, 0);
	world_round(&w, &n_actions);
	cr_expect_eq(core_job_close(w.core, j, w.now_us), SC_OK);
	cr_expect_eq(j->state, JOB_RUNNING);
	world_done(&w, worker, j, 6, 0);
	cr_expect_eq(j->state, JOB_DONE);
	world_check(&w);
	refused(&w, j, "z", NONE, SC_BAD_STATE, "it takes no more tasks");
	world_fini(&w);
}

Test(grow, what_is_wrong_changes_nothing)
{
	struct world w;
	struct job *j;

	world_init(&w);
	j = open_job(&w, 2, 0);
	refused(&w, j, "t", NONE, SC_EXISTS, "named 't' already");
	refused(&w, j, "u", 9, SC_INVALID, "there are only 4");
	refused(&w, j, "no name", NONE, SC_INVALID, "is not a name");
	grow(&w, j, "a-7", 1, NONE, NONE);
	grow(&w, j, "b", 1, NONE, NONE);
	cr_expect_eq(j->n_tasks, 4);
	world_fini(&w);
}

Test(grow, keys_are_told_apart)
{
	struct world w;
	struct job *j;
	struct buf error;

	world_init(&w);
	j = open_job(&w, 2, 0); /* t-0, t-1 */
	buf_init(&error, 0);
	cr_expect_eq(try_grow(&w, j, "t-1", 1, NONE, NONE, &error), SC_EXISTS);
	buf_reset(&error);
	grow(&w, j, "t-2", 1, NONE, NONE);
	grow(&w, j, "u-1", 1, NONE, NONE);
	cr_expect_eq(try_grow(&w, j, "u", 3, NONE, NONE, &error), SC_EXISTS, "u-1 is there");
	buf_fini(&error);
	world_fini(&w);
}

Test(grow, survives_any_failed_allocation)
{
	struct world w;
	struct job *j;
	struct buf error;
	sc_err err = SC_NOMEM;

	world_init(&w);
	j = open_job(&w, 1, 0);
	buf_init(&error, 0);
	for (long n = 0; err != SC_OK; n++) {
		struct slice body = slice_of("more");
		struct group_spec g = {.name = slice_of("u"), .n_tasks = 9, .request = slice_of("cpus=3")};
		struct job_spec s = {.groups = &g, .n_groups = 1, .bodies = {&body, 1}, .first_task = 1};

		s.in_start = mem_calloc(10, sizeof(uint32_t));
		s.in = mem_calloc(1, sizeof(uint32_t));
		for (uint32_t t = 5; t < 10; t++)
			s.in_start[t] = 1;
		mem_fail_nth(n);
		err = core_submit_more(w.core, j, &s, w.now_us, &error);
		mem_fail_nth(-1);
		cr_assert(err == SC_OK || err == SC_NOMEM);
		if (core_is_broken(w.core))
			break; /* in the middle of a step: nothing more can be said */
		world_check(&w);
		cr_assert_eq(j->n_tasks, err == SC_OK ? 10 : 1);
		if (err != SC_OK) {
			mem_free(s.in_start);
			mem_free(s.in);
		}
	}
	buf_fini(&error);
	world_fini(&w);
}

Test(grow, an_empty_job_and_ten_thousand_submissions)
{
	struct world w;
	struct job *j;
	char name[32];

	world_init(&w);
	j = open_job(&w, 0, 0);
	cr_expect_eq(j->state, JOB_RUNNING);
	for (uint32_t i = 0; i < 10000; i++) {
		struct slice body = slice_of("b");
		struct group_spec g = {.n_tasks = 1};
		struct job_spec s = {.groups = &g, .n_groups = 1, .bodies = {&body, 1}, .first_task = i};

		snprintf(name, sizeof(name), "g%u", i);
		g.name = slice_of(name);
		if (i > 0) {
			s.in_start = mem_calloc(2, sizeof(uint32_t));
			s.in = mem_malloc(sizeof(uint32_t));
			s.in_start[1] = 1;
			s.in[0] = i / 2;
		}
		cr_assert_eq(core_submit_more(w.core, j, &s, w.now_us, NULL), SC_OK);
	}
	world_check(&w);
	is_key(j, 9999, "g9999");
	cr_expect_eq(core_job_close(w.core, j, w.now_us), SC_OK);
	cr_expect_eq(core_job_close(w.core, j, w.now_us), SC_BAD_STATE);
	world_fini(&w);
}

Test(grow, workers_lost_and_tasks_retried_in_a_job_that_grew)
{
	struct world w;
	struct job *j;
	uint32_t worker;
	uint64_t n_retried;
	size_t n;

	world_init(&w);
	worker = world_worker(&w, "w1", "cpus=4");
	j = open_job(&w, 1, 0);
	world_round(&w, &n);
	world_done(&w, worker, j, 0, 100);
	grow(&w, j, "u", 2, 0, NONE);
	grow(&w, j, "v", 1, 1, NONE);
	world_round(&w, &n);
	world_lose(&w, worker); /* with the only result */
	cr_expect_eq(j->tasks[0].state, TASK_READY);
	cr_expect_eq(j->tasks[1].state, TASK_WAITING);
	worker = world_worker(&w, "w2", "cpus=4");
	world_round(&w, &n);
	world_failed(&w, worker, j, 0);
	for (uint32_t t = 1; t < 4; t++) {
		cr_expect_eq(j->tasks[t].state, TASK_FAILED);
		cr_expect_eq(j->tasks[t].detail->culprit, 0, "the first cause");
	}
	grow(&w, j, "x", 1, 3, NONE);
	cr_expect_eq(j->tasks[4].state, TASK_FAILED);
	cr_expect_eq(j->tasks[4].detail->culprit, 0);
	cr_expect_eq(core_tasks_retry(w.core, j, &(uint32_t){4}, w.now_us, &n_retried), SC_OK);
	cr_expect_eq(n_retried, 5, "%d", (int)n_retried);
	world_check(&w);
	cr_expect_eq(core_job_cancel(w.core, j, w.now_us, &n_retried), SC_OK);
	cr_expect_eq(j->state, JOB_CANCELLED);
	world_check(&w);
	world_fini(&w);
}

Test(grow, an_open_job_whose_tasks_are_done_can_be_cancelled)
{
	struct world w;
	struct job *j;
	uint64_t n;

	world_init(&w);
	j = open_job(&w, 0, 0);
	cr_expect_eq(core_job_cancel(w.core, j, w.now_us, &n), SC_OK);
	cr_expect_eq(n, 0);
	cr_expect_eq(j->state, JOB_CANCELLED);
	world_fini(&w);
}

Test(grow, more_failures_than_allowed_cancel_the_rest)
{
	struct world w;
	struct job *j;
	uint64_t n_retried;
	uint32_t worker;
	size_t n;

	world_init(&w);
	worker = world_worker(&w, "w", "cpus=3");
	j = open_job(&w, 10, 2); /* one may fail */
	world_round(&w, &n);
	world_failed(&w, worker, j, 0);
	cr_expect_eq(j->state, JOB_RUNNING);
	world_failed(&w, worker, j, 1);
	cr_expect_eq(j->state, JOB_FAILED);
	cr_expect_eq(j->counts[TASK_CANCELLED], 8);
	cr_expect_not_null(strstr(j->text, "max-fails=1"), "%s", j->text);
	cr_assert_eq(core_task_stopped(w.core, worker, j, 2, w.now_us), SC_OK);
	cr_expect_eq(core_tasks_retry(w.core, j, NULL, w.now_us, &n_retried), SC_OK);
	cr_expect_eq(n_retried, 10);
	world_round(&w, &n);
	world_failed(&w, worker, j, 0);
	cr_expect_eq(j->state, JOB_RUNNING, "it counts anew");
	world_fini(&w);
}

Test(grow, so_many_of_a_group_are_out_at_a_time)
{
	struct group_spec g[] = {{.name = slice_of("a"), .n_tasks = 5, .flags = GROUP_ARRAY, .max_running = 2},
				 {.name = slice_of("b"), .n_tasks = 3, .flags = GROUP_ARRAY}};
	struct world w;
	struct job *j;
	uint32_t worker;
	size_t n;

	world_init(&w);
	worker = world_worker(&w, "w", "cpus=8");
	j = world_submit(&w, g, 2, NULL);
	world_round(&w, &n);
	cr_expect_eq(j->counts[TASK_ASSIGNED], 5, "two of a, all of b");
	cr_expect_eq(j->groups[0].n_running, 2);
	world_done(&w, worker, j, 0, 0);
	world_round(&w, &n);
	cr_expect_eq(world_count(&w, ACTION_ASSIGN), 1);
	world_lose(&w, worker);
	cr_expect_eq(j->groups[0].n_running, 0);
	worker = world_worker(&w, "w2", "cpus=8");
	world_round(&w, &n);
	cr_expect_eq(j->groups[0].n_running, 2);
	world_fini(&w);
}

Test(grow, an_agent_that_dies_fetching_counts_as_a_crash)
{
	struct world w;
	struct job *j;
	size_t n;

	world_init(&w);
	j = world_array(&w, 1);
	for (int i = 0; i < 3; i++) {
		uint32_t worker = world_worker(&w, "w", "cpus=1");

		world_round(&w, &n);
		cr_assert_eq(core_task_fetches(w.core, worker, j, 0), SC_OK);
		world_lose(&w, worker);
	}
	cr_expect_eq(j->state, JOB_FAILED);
	cr_expect_not_null(strstr(j->text, "fetched its inputs"), "%s", j->text);
	world_fini(&w);
}

Test(grow, ends_of_tasks_that_are_awaited_are_told)
{
	struct world w;
	struct job *j;
	uint32_t worker;
	size_t n;

	world_init(&w);
	worker = world_worker(&w, "w", "cpus=4");
	j = world_array(&w, 3);
	core_await(w.core, j, 1);
	world_round(&w, &n);
	core_actions_done(w.core);
	world_done(&w, worker, j, 0, 0);
	cr_expect_eq(world_count(&w, ACTION_TASK_ENDED), 0);
	world_done(&w, worker, j, 1, 0);
	cr_expect_eq(world_count(&w, ACTION_TASK_ENDED), 1);
	core_await(w.core, j, ALL_TASKS);
	world_done(&w, worker, j, 2, 0);
	cr_expect_eq(world_count(&w, ACTION_TASK_ENDED), 2);
	world_fini(&w);
}
