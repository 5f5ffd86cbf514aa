/* gang.c - tasks that need each other run again together, and succeed or fail as one. */
#include "scheduler/core/core_internal.h"
#include "tests/unit/scheduler/core/world.h"

static struct world w;
static uint32_t workers[4];

static void start(void)
{
	world_init(&w);
	for (int i = 0; i < 4; i++)
		workers[i] = world_worker(&w, (const char[]){(char)('a' + i), '\0'}, "cpus=1");
}

static void stop(void)
{
	world_fini(&w);
}

TestSuite(gang, .init = start, .fini = stop);

/* Task 0 makes what the gang takes (tasks 1 to 3), tasks 4 and 5 take from the first and the second of it. */
static struct job *gang_between(uint32_t retries)
{
	struct group_spec g[] = {{.name = slice_of("in"), .n_tasks = 1},
				 {.name = slice_of("g"),
				  .n_tasks = 3,
				  .index_step = 1,
				  .flags = GROUP_ARRAY | GROUP_GANG,
				  .retries = retries},
				 {.name = slice_of("out"), .n_tasks = 2, .index_step = 1, .flags = GROUP_ARRAY}};
	struct job *j = world_submit(&w, g, 3, "0>1 0>2 0>3 1>4 2>5");
	size_t n;

	world_round(&w, &n);
	world_done(&w, j->tasks[0].worker, j, 0, 10);
	world_round(&w, &n);
	cr_assert_eq(j->counts[TASK_ASSIGNED], 3);
	core_actions_done(w.core);
	return j;
}

static void done(struct job *j, uint32_t task)
{
	world_done(&w, j->tasks[task].worker, j, task, 100);
}

static void failed(struct job *j, uint32_t task)
{
	world_failed(&w, j->tasks[task].worker, j, task);
}

static void stopped(struct job *j, uint32_t task)
{
	cr_assert_eq(core_task_stopped(w.core, j->tasks[task].worker, j, task, w.now_us), SC_OK);
	world_check(&w);
}

/* The gang is given out, all of it. */
static void starts_anew(struct job *j)
{
	size_t n;

	w.now_us += 10000000; /* whatever delay there was */
	world_round(&w, &n);
	cr_assert_eq(world_count(&w, ACTION_ASSIGN), 3, "%zu", world_count(&w, ACTION_ASSIGN));
	for (uint32_t t = 1; t <= 3; t++)
		cr_assert_eq(j->tasks[t].state, TASK_ASSIGNED);
	core_actions_done(w.core);
}

Test(gang, those_that_are_done_run_again_when_one_is_tried_again)
{
	struct job *j = gang_between(1);
	uint32_t was_at = j->tasks[1].worker;
	const struct action *a;
	size_t n, dropped = 0;

	done(j, 1);
	cr_expect_eq(j->tasks[1].state, TASK_DONE);
	cr_expect_eq(j->tasks[4].state, TASK_WAITING, "what takes from it waits for the others");
	failed(j, 2);
	cr_expect_eq(world_count(&w, ACTION_CANCEL), 1, "the third one");
	a = core_actions(w.core, &n);
	for (size_t i = 0; i < n; i++)
		dropped += a[i].kind == ACTION_DROP && a[i].worker == was_at && a[i].task == 1;
	cr_expect_eq(dropped, 1, "what the first one made is void");
	cr_expect_eq(j->tasks[1].state, TASK_READY);
	stopped(j, 3);
	starts_anew(j);
	for (uint32_t t = 1; t <= 3; t++) {
		cr_expect_eq(j->counts[TASK_READY], 0);
		done(j, t);
	}
	cr_expect_eq(j->counts[TASK_READY], 2, "all of it is there now");
	cr_expect_eq(j->tasks[3].state, TASK_DONE);
	cr_expect_eq(j->tasks[0].state, TASK_RELEASED, "and what it was made from is needed no more");
}

Test(gang, what_it_was_made_from_is_kept_until_all_are_done)
{
	struct job *j = gang_between(1);

	done(j, 1);
	done(j, 2);
	cr_expect_eq(j->tasks[0].state, TASK_DONE);
	cr_expect_eq(j->tasks[0].n_needed, 3);
	failed(j, 3);
	cr_expect_eq(j->tasks[0].n_needed, 3);
	starts_anew(j);
}

Test(gang, what_is_answered_after_it_was_called_back_counts_for_nothing)
{
	struct job *j = gang_between(1);

	failed(j, 1);
	core_actions_done(w.core);
	done(j, 2); /* it was, when it was told to stop */
	cr_expect_eq(world_count(&w, ACTION_DROP), 1);
	cr_expect_eq(j->tasks[2].state, TASK_READY);
	failed(j, 3); /* without the others it cannot go on */
	cr_expect_eq(j->tasks[3].state, TASK_READY);
	starts_anew(j);
	failed(j, 3);
	cr_expect_eq(j->tasks[3].state, TASK_WAITING, "this is the first failure of its own");
	stopped(j, 1);
	stopped(j, 2);
	starts_anew(j);
	failed(j, 3);
	cr_expect_eq(j->state, JOB_FAILED);
	cr_expect_eq(j->n_fails, 1);
}

Test(gang, one_that_fails_for_good_takes_along_those_that_are_done)
{
	struct job *j = gang_between(0);
	uint32_t task = 2;
	uint64_t n;

	core_await(w.core, j, ALL_TASKS);
	done(j, 1);
	cr_expect_eq(world_count(&w, ACTION_TASK_ENDED), 0);
	failed(j, 2);
	cr_expect_eq(j->state, JOB_FAILED);
	cr_expect_eq(j->counts[TASK_FAILED], 5);
	cr_expect_eq(world_count(&w, ACTION_TASK_ENDED), 5);
	cr_expect_eq(j->tasks[1].detail->culprit, 2);
	cr_expect(strstr(j->tasks[4].detail->text, "g-0") != NULL, "%s", j->tasks[4].detail->text);
	cr_expect_eq(core_tasks_retry(w.core, j, &task, w.now_us, &n), SC_BAD_STATE, "the third is being stopped");
	stopped(j, 3);
	cr_assert_eq(core_tasks_retry(w.core, j, &task, w.now_us, &n), SC_OK);
	cr_expect_eq(n, 5, "the gang, and what takes from it");
	world_check(&w);
	for (uint32_t t = 0; t < 2 && j->tasks[0].state != TASK_DONE; t++) { /* it had been dropped */
		size_t n_actions;

		world_round(&w, &n_actions);
		done(j, 0);
	}
	starts_anew(j);
	for (uint32_t t = 1; t <= 3; t++)
		done(j, t);
	cr_expect_eq(j->counts[TASK_READY], 2);
}

Test(gang, they_end_together)
{
	struct job *j = gang_between(0);

	core_await(w.core, j, ALL_TASKS);
	done(j, 1);
	done(j, 3);
	cr_expect_eq(world_count(&w, ACTION_TASK_ENDED), 0);
	done(j, 2);
	cr_expect_eq(world_count(&w, ACTION_TASK_ENDED), 3);
}

Test(gang, a_result_that_is_lost_before_all_are_done_takes_the_others_along)
{
	struct job *j = gang_between(0);
	size_t n;

	done(j, 1);
	world_worker(&w, "e", "cpus=1");
	world_lose(&w, j->tasks[1].holder);
	cr_expect_eq(world_count(&w, ACTION_CANCEL), 2);
	stopped(j, 2);
	stopped(j, 3);
	cr_assert_eq(j->tasks[1].state, TASK_WAITING, "that worker had what it takes as well");
	world_round(&w, &n);
	done(j, 0);
	starts_anew(j);
}

/* Nobody can take them yet; then one result is lost. */
Test(gang, a_result_that_is_lost_later_takes_the_others_along)
{
	struct job *j = gang_between(0);
	size_t n;

	for (uint32_t t = 1; t <= 3; t++)
		done(j, t);
	cr_assert_eq(j->tasks[4].state, TASK_READY);
	cr_assert_eq(j->tasks[5].state, TASK_READY);
	world_lose(&w, j->tasks[1].holder);
	cr_expect_eq(j->counts[TASK_DONE], 0);
	cr_expect_eq(j->tasks[5].state, TASK_WAITING, "what it was to take is computed anew");
	cr_expect_eq(j->tasks[5].n_missing, 1);
	world_round(&w, &n);
	done(j, 0);
	starts_anew(j);
	for (uint32_t t = 1; t <= 3; t++)
		done(j, t);
	cr_expect_eq(j->counts[TASK_READY], 2);
}

Test(gang, cancelled_with_some_done_and_asked_to_run_again)
{
	struct job *j = gang_between(0);
	uint64_t n;
	size_t n_actions;

	done(j, 1);
	core_actions_done(w.core);
	cr_assert_eq(core_job_cancel(w.core, j, w.now_us, &n), SC_OK);
	world_check(&w);
	cr_expect_eq(n, 5);
	cr_expect_eq(world_count(&w, ACTION_DROP), 2, "what it made, and what it was made from");
	cr_expect_eq(j->tasks[1].state, TASK_CANCELLED);
	stopped(j, 2);
	stopped(j, 3);
	cr_assert_eq(core_tasks_retry(w.core, j, NULL, w.now_us, &n), SC_OK);
	world_round(&w, &n_actions);
	done(j, 0);
	starts_anew(j);
}

Test(gang, it_is_explained)
{
	struct job *j = gang_between(0);
	struct buf said;

	done(j, 1);
	buf_init(&said, 0);
	core_explain(w.core, j, 1, w.now_us, &said);
	cr_expect_str_eq(buf_str(&said), "succeeded; it ends, and its result is of use, when all of its gang have");
	buf_reset(&said);
	core_explain(w.core, j, 4, w.now_us, &said);
	cr_expect_str_eq(buf_str(&said), "waits for 1 of its 1 inputs: g-0 (done, not all of its gang)");
	buf_fini(&said);
}

/* Without memory for one of them none stays out. */
Test(gang, half_a_start_is_none)
{
	struct group_spec g = {.name = slice_of("g"),
			       .n_tasks = 3,
			       .index_step = 1,
			       .flags = GROUP_ARRAY | GROUP_GANG,
			       .request = slice_of("gpu=1")};
	struct job *j;
	size_t n;

	world_worker(&w, "busy", "cpus=64");
	world_array(&w, 64); /* there is room for actions after that */
	world_round(&w, &n);
	cr_assert_eq(world_count(&w, ACTION_ASSIGN), 64);
	for (int i = 0; i < 3; i++)
		world_worker(&w, (const char[]){(char)('k' + i), '\0'}, "gpu=1");
	j = world_submit(&w, &g, 1, NULL);
	core_actions_done(w.core);
	mem_fail_nth(2); /* who is chosen; what the first has in flight; what the second has */
	core_schedule(w.core, w.now_us);
	mem_fail_nth(-1);
	cr_assert_not(core_is_broken(w.core));
	cr_assert_eq(j->counts[TASK_ASSIGNED], 1);
	cr_expect_eq(world_count(&w, ACTION_CANCEL), 1);
	world_check(&w);
	stopped(j, 0);
	world_round(&w, &n);
	cr_expect_eq(j->counts[TASK_ASSIGNED], 3);
}

/* ---- gangs that wait for themselves ------------------------------------------------------------------------------ */

/* Groups g (two tasks, 0 and 1), p (one, 2), h (two, 3 and 4); which of g and h are gangs. */
static sc_err submit_two(unsigned gangs, const char *edges, struct buf *error)
{
	struct group_spec g[] = {{.name = slice_of("g"), .n_tasks = 2, .index_step = 1, .flags = GROUP_ARRAY},
				 {.name = slice_of("p"), .n_tasks = 1},
				 {.name = slice_of("h"), .n_tasks = 2, .index_step = 1, .flags = GROUP_ARRAY}};

	g[0].flags |= (gangs & 1) != 0 ? GROUP_GANG : 0;
	g[2].flags |= (gangs & 2) != 0 ? GROUP_GANG : 0;
	return world_try_submit(&w, g, 3, edges, 0, NULL, error);
}

static void accepted(unsigned gangs, const char *edges)
{
	struct buf error;

	buf_init(&error, 0);
	cr_assert_eq(submit_two(gangs, edges, &error), SC_OK, "%s: %s", edges, buf_str(&error));
	buf_fini(&error);
}

static void refused(unsigned gangs, const char *edges, const char *what)
{
	struct buf error;

	buf_init(&error, 0);
	cr_assert_eq(submit_two(gangs, edges, &error), SC_CYCLE, "%s", edges);
	cr_assert_not_null(strstr(buf_str(&error), what), "%s: %s", edges, buf_str(&error));
	buf_fini(&error);
}

Test(gang, one_that_waits_for_itself_is_refused)
{
	accepted(0, "0>2 2>1");
	refused(1, "0>2 2>1", "gang 'g' could never start");
	accepted(1, "0>2 1>2 2>3 2>4");
	accepted(3, "0>2 2>3 1>4");
	accepted(1, "0>3 4>1");
	refused(3, "0>3 4>1", "gang 'g' could never start");
	refused(2, "0>3 3>2 2>4", "gang 'h' could never start");
}

/* The result of the last one is dropped for want of memory: all run again, and what takes from them waits for that. */
Test(gang, no_memory_for_the_result_of_the_last)
{
	struct group_spec g[] = {
		{.name = slice_of("g"), .n_tasks = 3, .index_step = 1, .flags = GROUP_ARRAY | GROUP_GANG},
		{.name = slice_of("out"), .n_tasks = 2, .index_step = 1, .flags = GROUP_ARRAY}};
	struct task_outcome o = {.result_bytes = 100, .elapsed_us = 1};
	int was_lost = 0;

	for (long at = 0; at < 10; at++) {
		struct job *j;
		sc_err err;
		size_t n;

		stop();
		start();
		j = world_submit(&w, g, 2, "0>3 1>4");
		world_round(&w, &n);
		done(j, 1);
		done(j, 2);
		mem_fail_nth(at);
		err = core_task_done(w.core, j->tasks[0].worker, j, 0, &o, w.now_us);
		mem_fail_nth(-1);
		cr_assert_eq(err, SC_OK);
		if (core_is_broken(w.core) || j->tasks[0].state == TASK_DONE)
			continue;
		was_lost = 1;
		world_check(&w);
		world_round(&w, &n);
		for (uint32_t t = 0; t < 3; t++)
			done(j, t);
		cr_expect_eq(j->counts[TASK_READY], 2);
	}
	cr_expect(was_lost);
}

/* With one member its input is lost, and that cannot be made again: nothing is left to be settled. */
Test(gang, fails_as_a_whole_while_it_goes_back)
{
	struct group_spec g[] = {{.name = slice_of("far"), .n_tasks = 1},
				 {.name = slice_of("in"), .n_tasks = 1},
				 {.name = slice_of("g"),
				  .n_tasks = 3,
				  .index_step = 1,
				  .flags = GROUP_ARRAY | GROUP_GANG,
				  .retries = 1}};
	uint32_t lost, other;
	struct job *j;
	size_t n;

	world_lose(&w, workers[3]);
	j = world_submit(&w, g, 3, "0>1 1>2 1>3 1>4");
	world_round(&w, &n);
	world_done(&w, j->tasks[0].worker, j, 0, 10);
	world_round(&w, &n);
	world_done(&w, j->tasks[1].worker, j, 1, 10);
	world_round(&w, &n);
	lost = j->tasks[1].holder;
	other = j->tasks[2].worker == lost ? 3 : 2;
	done(j, other);
	cr_assert_eq(core_result_want(w.core, j, 0, w.now_us), SC_OK);
	world_round(&w, &n);
	failed(j, 0);
	cr_assert_eq(j->tasks[0].state, TASK_FAILED);
	cr_assert_eq(j->tasks[1].state, TASK_DONE);
	world_lose(&w, lost);
	for (uint32_t t = 1; t <= 4; t++)
		cr_expect_eq(j->tasks[t].state, TASK_FAILED, "%u", t);
}

/* No memory for the first of them: none starts in this round, and all do in the next. */
Test(gang, no_start_is_tried_over_and_over_in_a_round)
{
	struct group_spec g = {.name = slice_of("g"),
			       .n_tasks = 3,
			       .index_step = 1,
			       .flags = GROUP_ARRAY | GROUP_GANG,
			       .request = slice_of("cpus=1")};
	struct job *j = world_submit(&w, &g, 1, NULL);
	size_t n;

	mem_fail_nth(1); /* who is chosen; what the first has in flight */
	core_schedule(w.core, w.now_us);
	mem_fail_nth(-1);
	cr_expect_eq(j->counts[TASK_READY], 3);
	world_check(&w);
	world_round(&w, &n);
	cr_expect_eq(j->counts[TASK_ASSIGNED], 3);
}

static void run_input_at(struct job *j, uint32_t worker)
{
	size_t n;

	world_round(&w, &n);
	core_actions_done(w.core);
	cr_assert_eq(j->tasks[0].worker, worker);
	cr_assert_eq(core_task_started(w.core, worker, j, 0), SC_OK);
}

/* With a worker go the input of a gang, which fails for that, and a member that was called back. */
Test(gang, a_worker_that_is_lost_is_told_nothing)
{
	static const char input[] = "cpus=1,label:big=1";
	struct group_spec g[] = {{.name = slice_of("in"), .n_tasks = 1, .request = slice_of(input)},
				 {.name = slice_of("g"),
				  .n_tasks = 2,
				  .index_step = 1,
				  .flags = GROUP_ARRAY | GROUP_GANG,
				  .request = slice_of("gpu=1")}};
	struct group_spec other = {.name = slice_of("other"), .n_tasks = 1, .request = slice_of("disk=1")};
	struct job *o = world_submit(&w, &other, 1, NULL), *j = world_submit(&w, g, 2, "0>1 0>2");
	uint32_t at, had;
	size_t n;

	for (int i = 0; i < 2; i++) {
		at = world_labelled(&w, "small", "cpus=1", "big=1", 0);
		run_input_at(j, at);
		world_lose(&w, at);
	}
	had = world_labelled(&w, "small", "cpus=1", "big=1", 0);
	run_input_at(j, had);
	world_done(&w, had, j, 0, 10);
	world_worker(&w, "gpu", "gpu=1");
	at = world_labelled(&w, "large", "cpus=1,gpu=1,disk=1", "big=1", 0);
	world_round(&w, &n);
	cr_assert_eq(j->counts[TASK_ASSIGNED], 2);
	cr_assert_eq(o->counts[TASK_ASSIGNED], 1);
	world_lose(&w, had);
	run_input_at(j, at);
	world_done(&w, at, o, 0, 0); /* so the input comes first among what it has */
	for (uint32_t t = 1; t <= 2; t++)
		if (j->tasks[t].worker != at)
			cr_assert_eq(core_inputs_missing(w.core, j->tasks[t].worker, j, t, &(uint32_t){0}, &had, 1,
							 w.now_us),
				     SC_OK);
	cr_assert_eq(j->counts[TASK_ASSIGNED], 1);
	world_lose(&w, at);
	cr_expect_eq(j->counts[TASK_FAILED], 3);
}

/* One fails where the other had succeeded, in turn: each has so many tries, however often the other undoes one. */
Test(gang, tries_do_not_come_back_with_a_success_that_counts_for_nothing)
{
	struct job *j = gang_between(1);
	unsigned starts = 1;

	for (; j->counts[TASK_FAILED] == 0 && starts < 20; starts++) {
		done(j, 1 + starts % 2);
		failed(j, 2 - starts % 2);
		if (j->counts[TASK_FAILED] > 0)
			break;
		stopped(j, 3);
		starts_anew(j);
	}
	cr_expect_eq(starts, 3, "%u", starts);
}
