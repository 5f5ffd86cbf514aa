/* drain.c - a worker that drains: what others may take goes, and where nobody may take anything that is known. */
#include "tests/unit/scheduler/core/world.h"

#define RESULTS 600u /* more than are looked at in a turn */

static struct world w;

/* A job of the namespace whose n tasks have each made 100 bytes at the worker, which is the only one so far. */
static struct job *results_at(uint32_t worker, const char *namespace, uint32_t n)
{
	struct group_spec g = {.name = slice_of("t"), .n_tasks = n, .flags = GROUP_ARRAY | GROUP_KEEP};
	struct job *j;
	size_t n_actions;

	w.namespace = namespace;
	j = world_submit(&w, &g, 1, NULL);
	world_round(&w, &n_actions);
	for (uint32_t t = 0; t < n; t++) {
		struct task_outcome o = {.result_bytes = 100, .elapsed_us = 1};

		cr_assert_eq(core_task_done(w.core, worker, j, t, &o, w.now_us), SC_OK);
		if (j->counts[TASK_READY] > 0 && j->counts[TASK_ASSIGNED] == 0)
			world_round(&w, &n_actions);
	}
	cr_assert_eq(j->counts[TASK_DONE], n);
	return j;
}

/* Rounds until nothing more is begun; whoever is asked to take a result has it.  How many were moved. */
static size_t move_all(void)
{
	size_t moved = 0, n;
	uint64_t due;

	do {
		const struct action *v = world_round(&w, &n);
		struct action fetch[256];
		size_t n_fetch = 0;

		for (size_t i = 0; i < n; i++)
			if (v[i].kind == ACTION_REPLICATE && n_fetch < 256)
				fetch[n_fetch++] = v[i];
		for (size_t i = 0; i < n_fetch; i++)
			cr_assert_eq(core_replica_added(w.core, fetch[i].worker, fetch[i].job, fetch[i].task, 100, 0),
				     SC_OK);
		world_check(&w);
		moved += n_fetch;
		due = core_next_due_us(w.core);
		cr_assert_lt(moved, 10 * RESULTS);
	} while (n > 0 || due <= w.now_us);
	return moved;
}

static void start(void)
{
	world_init(&w);
}

static void stop(void)
{
	world_fini(&w);
}

TestSuite(drain, .init = start, .fini = stop);

Test(drain, stuck_until_somebody_may_take_what_it_holds)
{
	uint32_t a = world_worker(&w, "a", "cpus=4");
	const struct worker *of_a = core_worker(w.core, a);

	results_at(a, "default", RESULTS);
	cr_expect_not(core_worker_is_stuck(of_a), "it does not drain");
	core_worker_set_status(w.core, a, WORKER_DRAINING);
	cr_expect_eq(move_all(), 0);
	cr_expect(core_worker_is_stuck(of_a));
	world_reserved(&w, "x", "cpus=1", "x");
	cr_expect_eq(move_all(), 0);
	cr_expect(core_worker_is_stuck(of_a), "the other one is not for them");
	cr_expect_eq(core_next_due_us(w.core), UINT64_MAX, "nothing is done in vain, over and over");
	world_worker(&w, "b", "cpus=1");
	cr_expect_not(core_worker_is_stuck(of_a));
	cr_expect_eq(move_all(), RESULTS);
	cr_expect(of_a->is_drained);
	cr_expect_not(core_worker_is_stuck(of_a));
}

Test(drain, what_nobody_may_take_is_in_no_others_way)
{
	uint32_t a = world_worker(&w, "a", "cpus=4");
	const struct worker *of_a = core_worker(w.core, a);

	results_at(a, "default", RESULTS);
	results_at(a, "x", RESULTS);
	results_at(a, "default", 1);
	world_reserved(&w, "x", "cpus=1", "x");
	core_worker_set_status(w.core, a, WORKER_DRAINING);
	cr_expect_eq(move_all(), RESULTS);
	cr_expect_eq(of_a->held.n, RESULTS + 1);
	cr_expect(core_worker_is_stuck(of_a));
	core_worker_set_status(w.core, a, WORKER_ACTIVE);
	cr_expect_not(core_worker_is_stuck(of_a));
}

/* A worker drains while a task of another namespace runs there; *taker may take what that makes, and nothing else. */
static struct job *late_one(uint32_t worker, uint32_t *taker)
{
	struct job *j;
	size_t n;

	w.namespace = "x";
	j = world_array(&w, 1);
	world_round(&w, &n);
	*taker = world_reserved(&w, "x", "cpus=1", "x");
	core_worker_set_status(w.core, worker, WORKER_DRAINING);
	return j;
}

Test(drain, a_result_that_goes_or_comes_meanwhile_is_not_overlooked)
{
	uint32_t a = world_worker(&w, "a", "cpus=4"), x;
	const struct worker *of_a = core_worker(w.core, a);
	struct job *first = results_at(a, "default", RESULTS), *late;

	late = late_one(a, &x);
	cr_expect_eq(move_all(), 0);
	world_done(&w, a, late, 0, 100);
	cr_expect_eq(move_all(), 1, "it came when all others had been looked at");
	cr_expect_eq(late->tasks[0].holder, x);
	cr_expect(core_worker_is_stuck(of_a));
	cr_assert_eq(core_job_forget(w.core, first), SC_OK);
	cr_expect_eq(move_all(), 0);
	cr_expect(of_a->is_drained, "nobody needed the rest");
}

Test(drain, who_could_not_take_it_is_asked_again)
{
	uint32_t a = world_worker(&w, "a", "cpus=4"), b = world_worker(&w, "b", "cpus=4");
	struct job *j;
	size_t n;

	core_worker_set_status(w.core, b, WORKER_STOPPING);
	j = results_at(a, "default", 1);
	core_worker_set_status(w.core, b, WORKER_ACTIVE);
	core_worker_set_status(w.core, a, WORKER_DRAINING);
	world_round(&w, &n);
	cr_assert_eq(world_count(&w, ACTION_REPLICATE), 1);
	cr_assert_eq(core_replica_dropped(w.core, b, j, 0, w.now_us), SC_OK);
	world_round(&w, &n);
	cr_expect_not(core_worker_is_stuck(core_worker(w.core, a)), "it is tried again");
	w.now_us = core_next_due_us(w.core);
	cr_expect_eq(move_all(), 1);
	world_lose(&w, b);
	cr_expect_eq(j->counts[TASK_DONE], 1);
}

/* As many, of the same size: that there is another one is not to be seen by the numbers. */
Test(drain, one_that_takes_the_place_of_another_is_not_overlooked)
{
	uint32_t a = world_worker(&w, "a", "cpus=4"), x;
	struct job *first = results_at(a, "default", 1), *late;

	late = late_one(a, &x);
	cr_expect_eq(move_all(), 0);
	cr_expect(core_worker_is_stuck(core_worker(w.core, a)));
	cr_assert_eq(core_job_forget(w.core, first), SC_OK);
	world_done(&w, a, late, 0, 100);
	cr_expect_eq(move_all(), 1);
	cr_expect_eq(late->tasks[0].holder, x);
}
