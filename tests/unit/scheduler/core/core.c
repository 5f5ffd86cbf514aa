/* What the core decides, on virtual time. */
#include "tests/unit/scheduler/core/world.h"

static struct group_spec group(const char *name, uint32_t n, uint32_t flags)
{
	return (struct group_spec){.name = slice_of(name), .n_tasks = n, .flags = flags};
}

Test(core, gives_a_worker_what_fits_and_the_rest_when_it_is_done)
{
	struct world w;
	struct job *j;
	uint32_t a;
	size_t n;

	world_init(&w);
	a = world_worker(&w, "a", "cpus=2");
	j = world_array(&w, 5);
	world_round(&w, &n);
	cr_assert_eq(n, 2, "two slots, no duration known yet: nothing is queued ahead");
	cr_assert_eq(j->counts[TASK_ASSIGNED], 2);
	world_done(&w, a, j, 0, 0);
	world_round(&w, &n);
	cr_assert_eq(n, 1, "tasks of a second: nothing is queued ahead");
	cr_assert_eq(j->tasks[2].state, TASK_ASSIGNED, "in the order of their numbers");
	world_fini(&w);
}

Test(core, queues_work_ahead_when_tasks_are_short)
{
	struct world w;
	struct task_outcome o = {.elapsed_us = 100};
	struct job *j;
	uint32_t a;
	size_t n;

	world_init(&w);
	a = world_worker(&w, "a", "cpus=1");
	j = world_array(&w, 10000);
	world_round(&w, &n);
	cr_assert_eq(n, 1);
	cr_assert_eq(core_task_done(w.core, a, j, 0, &o, w.now_us), SC_OK);
	world_round(&w, &n);
	cr_assert_eq(n, 201, "20 ms of tasks of 0.1 ms beyond the slot, not %zu", n);
	world_fini(&w);
}

Test(core, higher_priority_first_then_the_older_job)
{
	struct world w;
	struct group_spec low = group("low", 1, 0), high = group("high", 1, 0);
	struct job *first, *second, *urgent;
	uint32_t a;
	size_t n;

	high.priority = 5;
	world_init(&w);
	first = world_submit(&w, &low, 1, NULL);
	second = world_submit(&w, &low, 1, NULL);
	urgent = world_submit(&w, &high, 1, NULL);
	a = world_worker(&w, "a", "cpus=1");
	cr_assert_eq(world_round(&w, &n)->job, urgent);
	world_done(&w, a, urgent, 0, 0);
	cr_assert_eq(world_round(&w, &n)->job, first);
	world_done(&w, a, first, 0, 0);
	cr_assert_eq(world_round(&w, &n)->job, second);
	world_fini(&w);
}

Test(core, a_request_no_worker_can_meet_does_not_block_others)
{
	struct world w;
	struct group_spec big = group("big", 1, 0), small = group("small", 1, 0);
	struct job *j, *k;
	struct buf text;
	size_t n;

	big.request = slice_of("cpus=8,gpu=1");
	big.priority = 9;
	world_init(&w);
	world_worker(&w, "a", "cpus=2");
	j = world_submit(&w, &big, 1, NULL);
	k = world_submit(&w, &small, 1, NULL);
	cr_assert_eq(world_round(&w, &n)->job, k);
	cr_assert_eq(n, 1);
	buf_init(&text, 0);
	core_explain(w.core, j, 0, w.now_us, &text);
	cr_assert_not_null(strstr(buf_str(&text), "the only worker does not have what it asks for (cpus=8,gpu=1)"),
			   "%s", buf_str(&text));
	buf_fini(&text);
	world_worker(&w, "b", "cpus=8,gpu=1");
	cr_assert_eq(world_round(&w, &n)->job, j);
	world_fini(&w);
}

Test(core, named_amounts_are_not_given_twice)
{
	struct world w;
	struct group_spec g = group("t", 4, 0);
	uint32_t a;
	struct job *j;
	size_t n;

	g.request = slice_of("cpus=0.5,gpu=1");
	world_init(&w);
	a = world_worker(&w, "a", "cpus=8,gpu=2");
	j = world_submit(&w, &g, 1, NULL);
	world_round(&w, &n);
	cr_assert_eq(n, 2);
	world_done(&w, a, j, 1, 0);
	world_round(&w, &n);
	cr_assert_eq(n, 1);
	world_fini(&w);
}

Test(core, a_task_runs_when_its_inputs_are_there_and_where_they_are)
{
	struct world w;
	struct group_spec g[] = {group("in", 2, 0), group("out", 1, 0)};
	struct job *j;
	uint32_t a, b;
	const struct action *act;
	size_t n;

	world_init(&w);
	a = world_worker(&w, "a", "cpus=1");
	b = world_worker(&w, "b", "cpus=1");
	j = world_submit(&w, g, 2, "0>2 1>2");
	world_round(&w, &n);
	cr_assert_eq(n, 2);
	cr_assert_neq(j->tasks[0].worker, j->tasks[1].worker, "one each");
	cr_assert_eq(j->tasks[2].state, TASK_WAITING);
	world_done(&w, j->tasks[0].worker, j, 0, 10);
	cr_assert_eq(j->tasks[2].n_missing, 1);
	world_done(&w, j->tasks[1].worker, j, 1, 1000);
	act = world_round(&w, &n);
	cr_assert_eq(n, 1);
	cr_assert_eq(act->worker, j->tasks[1].holder, "where most of its input is");
	world_done(&w, act->worker, j, 2, 5);
	cr_assert_eq(j->state, JOB_DONE);
	cr_assert_eq(j->counts[TASK_RELEASED], 2, "nobody needs the inputs any more");
	cr_assert_eq(world_count(&w, ACTION_DROP), 2);
	cr_assert_eq(world_count(&w, ACTION_JOB_ENDED), 1);
	(void)a;
	(void)b;
	world_fini(&w);
}

Test(core, results_to_be_kept_are_kept)
{
	struct world w;
	struct group_spec g[] = {group("in", 1, GROUP_KEEP), group("out", 1, 0)};
	struct job *j;
	uint32_t a;
	size_t n;

	world_init(&w);
	a = world_worker(&w, "a", "cpus=1");
	j = world_submit(&w, g, 2, "0>1");
	world_round(&w, &n);
	world_done(&w, a, j, 0, 10);
	world_round(&w, &n);
	world_done(&w, a, j, 1, 0);
	cr_assert_eq(j->tasks[0].state, TASK_DONE);
	cr_assert_eq(j->tasks[0].holder, a);
	world_fini(&w);
}

Test(core, a_lost_workers_tasks_run_elsewhere_and_needed_results_again)
{
	struct world w;
	struct group_spec g[] = {group("source", 1, 0), group("mid", 1, 0), group("end", 1, 0)};
	struct job *j;
	uint32_t a, b;
	size_t n;

	world_init(&w);
	a = world_worker(&w, "a", "cpus=1");
	j = world_submit(&w, g, 3, "0>1 1>2");
	world_round(&w, &n);
	world_done(&w, a, j, 0, 10);
	world_round(&w, &n);
	world_done(&w, a, j, 1, 10);
	cr_assert_eq(j->tasks[0].state, TASK_RELEASED);
	world_round(&w, &n);
	cr_assert_eq(j->tasks[2].state, TASK_ASSIGNED);
	world_lose(&w, a);
	cr_assert_eq(j->tasks[2].state, TASK_WAITING);
	cr_assert_eq(j->tasks[1].state, TASK_WAITING, "its result is gone and needed");
	cr_assert_eq(j->tasks[0].state, TASK_READY, "released, but needed for that");
	b = world_worker(&w, "b", "cpus=1");
	for (uint32_t t = 0; t < 3; t++) {
		world_round(&w, &n);
		world_done(&w, b, j, t, 10);
	}
	cr_assert_eq(j->state, JOB_DONE);
	world_fini(&w);
}

Test(core, a_lost_result_nobody_needs_is_not_computed_again)
{
	struct world w;
	struct group_spec keep = group("t", 1, GROUP_KEEP);
	struct job *j;
	uint32_t a;
	size_t n;

	world_init(&w);
	a = world_worker(&w, "a", "cpus=1");
	j = world_submit(&w, &keep, 1, NULL);
	world_round(&w, &n);
	world_done(&w, a, j, 0, 10);
	world_lose(&w, a);
	cr_assert_eq(j->tasks[0].state, TASK_DONE);
	cr_assert_eq(j->tasks[0].holder, NO_WORKER);
	cr_assert_eq(core_result_want(w.core, j, 0, w.now_us), SC_OK, "until somebody asks");
	cr_assert_eq(j->tasks[0].state, TASK_READY);
	cr_assert_eq(j->state, JOB_RUNNING);
	world_fini(&w);
}

Test(core, a_job_that_is_done_stays_so_when_a_result_is_lost_that_was_wanted)
{
	struct world w;
	struct group_spec keep = group("t", 1, GROUP_KEEP);
	struct job *j;
	uint32_t a;
	size_t n;

	world_init(&w);
	a = world_worker(&w, "a", "cpus=1");
	j = world_submit(&w, &keep, 1, NULL);
	cr_assert_eq(core_result_want(w.core, j, 0, w.now_us), SC_OK);
	world_round(&w, &n);
	world_done(&w, a, j, 0, 10);
	world_lose(&w, a);
	cr_expect_eq(j->state, JOB_DONE);
	cr_expect_eq(j->tasks[0].state, TASK_DONE);
	a = world_worker(&w, "b", "cpus=1");
	cr_assert_eq(core_result_want(w.core, j, 0, w.now_us), SC_OK, "it is wanted again");
	world_round(&w, &n);
	world_done(&w, a, j, 0, 10);
	cr_expect_eq(j->state, JOB_DONE);
	cr_expect_eq(j->tasks[0].holder, a);
	world_fini(&w);
}

Test(core, a_task_that_takes_workers_down_fails)
{
	struct world w;
	struct job *j;
	size_t n;

	world_init(&w);
	j = world_array(&w, 1);
	for (int i = 0; i < 3; i++) {
		uint32_t a = world_worker(&w, "a", "cpus=1");

		cr_assert_eq(j->tasks[0].state, TASK_READY);
		world_round(&w, &n);
		cr_assert_eq(core_task_started(w.core, a, j, 0), SC_OK);
		world_lose(&w, a);
	}
	cr_assert_eq(j->tasks[0].state, TASK_FAILED);
	cr_assert_eq(j->tasks[0].detail->cause, FAIL_WORKERS);
	cr_assert_eq(j->state, JOB_FAILED);
	world_fini(&w);
}

Test(core, a_task_only_queued_at_lost_workers_is_not_blamed)
{
	struct world w;
	struct job *j;
	size_t n;

	world_init(&w);
	j = world_array(&w, 1);
	for (int i = 0; i < 10; i++) {
		uint32_t a = world_worker(&w, "a", "cpus=1");

		world_round(&w, &n);
		world_lose(&w, a);
	}
	cr_assert_eq(j->tasks[0].state, TASK_READY);
	world_fini(&w);
}

Test(core, retries_wait_longer_each_time)
{
	struct world w;
	struct group_spec g = group("t", 1, 0);
	uint64_t delays[] = {1000000, 2000000, 4000000, 4000000};
	struct job *j;
	uint32_t a;
	size_t n;

	g.retries = 4;
	world_init(&w);
	a = world_worker(&w, "a", "cpus=1");
	j = world_submit(&w, &g, 1, NULL);
	for (int i = 0; i < 4; i++) {
		world_round(&w, &n);
		cr_assert_eq(n, 1);
		world_failed(&w, a, j, 0);
		cr_assert_eq(j->tasks[0].state, TASK_WAITING);
		cr_assert_eq(core_next_due_us(w.core), w.now_us + delays[i]);
		w.now_us += delays[i] - 1;
		world_round(&w, &n);
		cr_assert_eq(n, 0, "not before its time");
		w.now_us += 1;
	}
	world_round(&w, &n);
	world_failed(&w, a, j, 0);
	cr_assert_eq(j->tasks[0].state, TASK_FAILED);
	cr_assert_eq(j->tasks[0].attempts, 5);
	cr_assert_eq(j->tasks[0].detail->status, 7);
	cr_assert_str_eq(j->text, "task t: exit code 7");
	world_fini(&w);
}

Test(core, dependants_of_a_failed_task_fail_with_its_name)
{
	struct world w;
	struct group_spec g[] = {group("a", 1, 0), group("b", 1, 0), group("c", 1, 0), group("free", 1, 0)};
	struct job *j;
	uint32_t a;
	size_t n;

	world_init(&w);
	a = world_worker(&w, "a", "cpus=1");
	j = world_submit(&w, g, 4, "0>1 1>2");
	world_round(&w, &n);
	world_failed(&w, a, j, 0);
	cr_assert_eq(j->tasks[1].state, TASK_FAILED);
	cr_assert_eq(j->tasks[2].state, TASK_FAILED);
	cr_assert_str_eq(j->tasks[2].detail->text, "task a, which it depends on, failed");
	cr_assert_eq(j->tasks[2].detail->cause, FAIL_INPUT);
	cr_assert_eq(j->state, JOB_RUNNING, "the rest goes on");
	world_round(&w, &n);
	world_done(&w, a, j, 3, 0);
	cr_assert_eq(j->state, JOB_FAILED);
	world_fini(&w);
}

Test(core, retry_by_hand_takes_dependants_along)
{
	struct world w;
	struct group_spec g[] = {group("a", 1, 0), group("b", 1, 0), group("c", 1, 0)};
	struct job *j;
	uint32_t a, task = 2;
	uint64_t count;
	size_t n;

	world_init(&w);
	a = world_worker(&w, "a", "cpus=1");
	j = world_submit(&w, g, 3, "0>1 1>2");
	world_round(&w, &n);
	world_failed(&w, a, j, 0);
	cr_assert_eq(j->state, JOB_FAILED);
	cr_assert_eq(core_tasks_retry(w.core, j, &task, w.now_us, &count), SC_OK);
	cr_assert_eq(count, 3, "the culprit and what failed because of it");
	world_check(&w);
	for (uint32_t t = 0; t < 3; t++) {
		world_round(&w, &n);
		world_done(&w, a, j, t, 1);
	}
	cr_assert_eq(j->state, JOB_DONE);
	task = 0;
	cr_assert_eq(core_tasks_retry(w.core, j, &task, w.now_us, &count), SC_BAD_STATE);
	world_fini(&w);
}

Test(core, cancel_waits_for_the_worker_and_ignores_a_late_success)
{
	struct world w;
	struct task_outcome late = {.result_bytes = 100};
	struct job *j;
	uint32_t a;
	uint64_t count;
	size_t n;

	world_init(&w);
	a = world_worker(&w, "a", "cpus=1");
	j = world_array(&w, 3);
	world_round(&w, &n);
	core_actions_done(w.core);
	cr_assert_eq(core_job_cancel(w.core, j, w.now_us, &count), SC_OK);
	world_check(&w);
	cr_assert_eq(count, 3);
	cr_assert_eq(j->state, JOB_CANCELLED);
	cr_assert_eq(world_count(&w, ACTION_CANCEL), 1);
	cr_assert_eq(core_job_cancel(w.core, j, w.now_us, &count), SC_BAD_STATE);
	cr_assert_eq(core_job_forget(w.core, j), SC_BAD_STATE, "its worker still has a task of it");
	cr_assert_eq(core_tasks_retry(w.core, j, NULL, w.now_us, &count), SC_BAD_STATE);
	core_actions_done(w.core);
	cr_assert_eq(core_task_done(w.core, a, j, 0, &late, w.now_us), SC_OK);
	world_check(&w);
	cr_assert_eq(j->tasks[0].state, TASK_CANCELLED);
	cr_assert_eq(world_count(&w, ACTION_DROP), 1);
	cr_assert_eq(core_task_done(w.core, a, j, 0, &late, w.now_us), SC_UNEXPECTED, "only one answer");
	cr_assert_eq(core_job_forget(w.core, j), SC_OK);
	world_check(&w);
	cr_assert_null(core_job(w.core, 1));
	world_fini(&w);
}

Test(core, a_job_follows_another)
{
	struct world w;
	struct group_spec g = group("t", 1, 0);
	struct job *first, *second, *third;
	struct buf error;
	uint32_t a;
	size_t n;

	world_init(&w);
	buf_init(&error, 0);
	a = world_worker(&w, "a", "cpus=4");
	first = world_submit(&w, &g, 1, NULL);
	cr_assert_eq(world_try_submit(&w, &g, 1, NULL, first->id, &second, &error), SC_OK);
	cr_assert_eq(world_try_submit(&w, &g, 1, NULL, second->id, &third, &error), SC_OK);
	cr_assert_eq(second->state, JOB_HELD);
	world_round(&w, &n);
	cr_assert_eq(n, 1);
	world_done(&w, a, first, 0, 0);
	world_round(&w, &n);
	cr_assert_eq(second->tasks[0].state, TASK_ASSIGNED);
	world_failed(&w, a, second, 0);
	cr_assert_eq(third->state, JOB_CANCELLED);
	cr_assert_str_eq(third->text, "job 2, which it was to follow, failed");
	cr_assert_eq(world_try_submit(&w, &g, 1, NULL, second->id, NULL, &error), SC_BAD_STATE);
	cr_assert_eq(world_try_submit(&w, &g, 1, NULL, 99, NULL, &error), SC_NOT_FOUND);
	buf_fini(&error);
	world_fini(&w);
}

Test(core, a_long_chain_of_followers_ends_without_recursion)
{
	struct world w;
	struct group_spec g = group("t", 1, 0);
	struct core_options o = {.max_tasks = 1000000, .jobs_kept = 1000000, .crash_limit = 3};
	struct job *first = NULL, *j = NULL;
	struct buf error;
	uint64_t count;

	w.now_us = 1;
	cr_assert_eq(core_new(&o, &w.core), SC_OK);
	buf_init(&error, 0);
	for (int i = 0; i < 3000; i++) {
		struct slice body = slice_of("");
		struct job_spec s = {.name = slice_of("j"), .namespace = slice_of("n"), .groups = &g, .n_groups = 1};
		uint64_t after = j == NULL ? 0 : j->id, id;

		s.bodies = (struct slices){&body, 1};
		s.after = &after;
		s.n_after = j != NULL;
		cr_assert_eq(core_submit(w.core, &s, 1, &id, &error), SC_OK);
		j = core_job(w.core, id);
		if (first == NULL)
			first = j;
	}
	core_job_cancel(w.core, first, 1, &count);
	cr_assert_eq(j->state, JOB_CANCELLED);
	world_check(&w);
	buf_fini(&error);
	world_fini(&w);
}

Test(core, ended_jobs_are_forgotten_when_there_are_too_many)
{
	struct world w;
	uint32_t a;
	size_t n;

	world_init(&w);
	a = world_worker(&w, "a", "cpus=1");
	for (int i = 0; i < 150; i++) {
		struct job *j = world_array(&w, 1);

		world_round(&w, &n);
		world_done(&w, a, j, 0, 5);
	}
	core_actions_done(w.core);
	cr_assert_null(core_job(w.core, 50));
	cr_assert_not_null(core_job(w.core, 51));
	cr_assert_eq(core_n_tasks(w.core), 100);
	world_check(&w);
	world_fini(&w);
}

Test(core, a_draining_worker_gets_nothing_new)
{
	struct world w;
	uint32_t a;
	struct job *j;
	size_t n;

	world_init(&w);
	a = world_worker(&w, "a", "cpus=2");
	core_worker_set_status(w.core, a, WORKER_DRAINING);
	j = world_array(&w, 3);
	world_round(&w, &n);
	cr_assert_eq(world_count(&w, ACTION_ASSIGN), 0);
	cr_assert(core_worker(w.core, a)->is_drained); /* it holds nothing */
	core_worker_set_status(w.core, a, WORKER_ACTIVE);
	world_round(&w, &n);
	cr_assert_eq(world_count(&w, ACTION_ASSIGN), 2);
	(void)j;
	world_fini(&w);
}

Test(core, inputs_that_are_not_where_they_should_be_are_computed_again)
{
	struct world w;
	struct group_spec g[] = {group("in", 1, 0), group("out", 1, 0)};
	uint32_t a, b, input = 0, holder, not_input = 1;
	struct job *j;
	size_t n;

	world_init(&w);
	a = world_worker(&w, "a", "cpus=1");
	j = world_submit(&w, g, 2, "0>1");
	world_round(&w, &n);
	world_done(&w, a, j, 0, 10);
	core_worker_set_status(w.core, a, WORKER_DRAINING);
	b = world_worker(&w, "b", "cpus=1");
	world_round(&w, &n);
	cr_assert_eq(j->tasks[1].worker, b);
	holder = a;
	cr_assert_eq(core_inputs_missing(w.core, b, j, 1, &not_input, &holder, 1, w.now_us), SC_UNEXPECTED);
	cr_assert_eq(core_inputs_missing(w.core, b, j, 1, &input, &holder, 1, w.now_us), SC_OK);
	world_check(&w);
	cr_assert_eq(j->tasks[0].state, TASK_READY);
	cr_assert_eq(j->tasks[1].state, TASK_WAITING);
	world_fini(&w);
}

Test(core, an_answer_from_the_wrong_worker_changes_nothing)
{
	struct world w;
	struct task_outcome o = {0};
	struct task_failure f = {0};
	uint32_t a, b;
	struct job *j;
	size_t n;

	world_init(&w);
	a = world_worker(&w, "a", "cpus=1");
	j = world_array(&w, 1);
	world_round(&w, &n);
	b = world_worker(&w, "b", "cpus=1");
	cr_assert_eq(core_task_done(w.core, b, j, 0, &o, w.now_us), SC_UNEXPECTED);
	cr_assert_eq(core_task_failed(w.core, b, j, 0, &f, w.now_us), SC_UNEXPECTED);
	cr_assert_eq(core_task_stopped(w.core, b, j, 0, w.now_us), SC_UNEXPECTED);
	cr_assert_eq(core_task_started(w.core, b, j, 0), SC_UNEXPECTED);
	cr_assert_eq(core_task_done(w.core, a, j, 1, &o, w.now_us), SC_UNEXPECTED, "no such task");
	cr_assert_eq(core_task_done(w.core, 77, j, 0, &o, w.now_us), SC_UNEXPECTED, "no such worker");
	cr_assert_eq(core_task_done(w.core, a, j, 0, &o, w.now_us), SC_OK);
	world_fini(&w);
}

Test(core, a_name_belongs_to_one_worker)
{
	struct world w;
	struct worker_spec s = {.name = slice_of("a"), .resources = slice_of("cpus=1")};
	struct buf error;
	uint32_t number;

	world_init(&w);
	buf_init(&error, 0);
	world_worker(&w, "a", "cpus=1");
	cr_assert_eq(core_worker_add(w.core, &s, 0, &number, &error), SC_EXISTS);
	s.name = slice_of("bad name");
	cr_assert_eq(core_worker_add(w.core, &s, 0, &number, &error), SC_INVALID);
	s.name = slice_of("b");
	s.resources = slice_of("cpus=x");
	cr_assert_eq(core_worker_add(w.core, &s, 0, &number, &error), SC_INVALID);
	s.resources = slice_of("cpus=1");
	s.namespace = slice_of("not a name");
	cr_assert_eq(core_worker_add(w.core, &s, 0, &number, &error), SC_INVALID);
	buf_fini(&error);
	world_fini(&w);
}

Test(core, a_million_tasks_cost_little_to_submit)
{
	struct world w;
	struct job *j;

	world_init(&w);
	j = world_array(&w, 1000000);
	cr_assert_eq(j->counts[TASK_READY], 1000000);
	cr_assert_leq(j->bytes / j->n_tasks, 80, "bytes a task: %zu", j->bytes / j->n_tasks);
	world_fini(&w);
}

Test(core, submitting_survives_any_failed_allocation, .timeout = 60)
{
	struct group_spec g[] = {group("in", 3, 0), group("out", 1, 0)};
	sc_err err = SC_NOMEM;

	for (long nth = 0; err != SC_OK; nth++) {
		struct slice body = slice_of("body");
		struct job_spec s = {
			.name = slice_of("job"), .namespace = slice_of("default"), .groups = g, .n_groups = 2};
		struct world w;
		struct buf error;
		uint64_t id;

		world_init(&w);
		buf_init(&error, 0);
		s.bodies = (struct slices){&body, 1};
		s.in_start = mem_calloc(5, sizeof(uint32_t));
		s.in = mem_calloc(3, sizeof(uint32_t));
		s.in_start[4] = 3;
		s.in[1] = 1;
		s.in[2] = 2;
		mem_fail_nth(nth);
		err = core_submit(w.core, &s, 1, &id, &error);
		mem_fail_nth(-1);
		cr_assert(err == SC_OK || err == SC_NOMEM, "%s", sc_err_name(err));
		if (err != SC_OK) {
			mem_free(s.in_start);
			mem_free(s.in);
			cr_assert_eq(core_n_tasks(w.core), 0);
		}
		buf_fini(&error);
		core_schedule(w.core, 2);
		world_check(&w);
		world_fini(&w);
	}
}

Test(core, ends_of_standard_error_are_kept_within_a_budget)
{
	static char big[3 * TASK_TAIL_BYTES];
	struct task_failure f = {
		.cause = FAIL_EXIT, .text = slice_of("exit code 1"), .stderr_tail = {big, sizeof(big)}};
	const uint32_t n_tasks = JOB_TAIL_BYTES / TASK_TAIL_BYTES + 10;
	struct world w;
	uint64_t count;
	struct job *j;
	uint32_t a;
	size_t n;

	world_init(&w);
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '!';
	a = world_worker(&w, "a", "cpus=100000");
	j = world_array(&w, n_tasks);
	world_round(&w, &n);
	cr_assert_geq(n, n_tasks / 2);
	for (uint32_t t = 0; t < n_tasks; t++) {
		if (j->tasks[t].state != TASK_ASSIGNED)
			core_schedule(w.core, w.now_us);
		cr_assert_eq(core_task_failed(w.core, a, j, t, &f, w.now_us), SC_OK);
	}
	cr_assert_eq(j->tasks[0].detail->stderr_tail_bytes, TASK_TAIL_BYTES);
	cr_assert_eq(j->tasks[0].detail->stderr_tail[TASK_TAIL_BYTES - 1], '!', "the end of it");
	cr_assert_eq(j->tasks[n_tasks - 1].detail->stderr_tail_bytes, 0, "no room any more");
	cr_assert_leq(j->stderr_tail_bytes, JOB_TAIL_BYTES);
	cr_assert_eq(core_tasks_retry(w.core, j, NULL, w.now_us, &count), SC_OK);
	cr_assert_eq(j->stderr_tail_bytes, 0);
	world_fini(&w);
}

/* What a worker gives back unasked it may have begun; only one that is paused gives back what it has not. */
Test(core, a_worker_that_stops_a_task_again_and_again)
{
	struct world w;
	uint32_t number;
	struct job *j;
	size_t n;

	world_init(&w);
	number = world_worker(&w, "w", "cpus=1");
	j = world_array(&w, 1);
	for (int i = 0; i < 10; i++) {
		world_round(&w, &n);
		cr_assert_eq(j->tasks[0].worker, number);
		core_worker_set_paused(w.core, number, 1);
		cr_assert_eq(core_task_stopped(w.core, number, j, 0, w.now_us), SC_OK);
		core_worker_set_paused(w.core, number, 0);
	}
	for (int i = 0; i < 3; i++) {
		world_round(&w, &n);
		cr_assert_eq(j->tasks[0].worker, number);
		if (i > 0)
			cr_assert_eq(core_task_started(w.core, number, j, 0), SC_OK);
		cr_assert_eq(core_task_stopped(w.core, number, j, 0, w.now_us), SC_OK);
	}
	cr_assert_eq(j->tasks[0].state, TASK_FAILED);
	cr_assert_eq(j->state, JOB_FAILED);
	world_check(&w);
	world_fini(&w);
}
