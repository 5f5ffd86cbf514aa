/* replica.c - results held more than once: lost holders, placement, workers that drain or are short of memory. */
#include "scheduler/core/replica.h"
#include "tests/unit/scheduler/core/world.h"

static struct world w;
static uint32_t a, b;
static struct job *j;

/* Task 0 has made 1000 bytes at worker a; task 1 takes them. */
static void start(void)
{
	struct group_spec g[] = {
		{.name = slice_of("in"), .n_tasks = 1, .index_step = 1},
		{.name = slice_of("out"), .n_tasks = 1, .index_step = 1, .request = slice_of("gpu=1")}};
	size_t n;

	world_init(&w);
	a = world_worker(&w, "a", "cpus=1");
	b = world_worker(&w, "b", "cpus=1");
	core_worker_set_status(w.core, b, WORKER_STOPPING);
	j = world_submit(&w, g, 2, "0>1");
	world_round(&w, &n);
	world_done(&w, a, j, 0, 1000);
	core_worker_set_status(w.core, b, WORKER_ACTIVE);
	cr_assert_eq(j->tasks[0].holder, a);
}

static void stop(void)
{
	world_fini(&w);
}

TestSuite(replica, .init = start, .fini = stop);

static void copy_to_b(void)
{
	cr_assert_eq(core_replica_added(w.core, b, j, 0, 1000, 0), SC_OK);
	world_check(&w);
}

Test(replica, a_lost_result_lives_on_in_its_copy)
{
	copy_to_b();
	world_lose(&w, a);
	cr_assert_eq(j->tasks[0].state, TASK_DONE);
	cr_assert_eq(j->tasks[0].holder, b);
	cr_assert_eq(world_count(&w, ACTION_KEEP), 1);
	cr_assert_eq(j->tasks[1].state, TASK_READY);
	world_lose(&w, b);
	cr_assert_eq(j->tasks[0].state, TASK_READY); /* nobody has it now: once more */
}

Test(replica, a_copy_of_what_nobody_needs_is_dropped)
{
	size_t n;

	copy_to_b();
	cr_assert_eq(core_replica_added(w.core, a, j, 1, 10, 0), SC_OK); /* it has not even run */
	cr_assert_eq(world_count(&w, ACTION_DROP_COPY), 1);
	core_actions_done(w.core);
	world_worker(&w, "c", "gpu=1");
	world_round(&w, &n);
	world_done(&w, j->tasks[1].worker, j, 1, 0);
	cr_assert_eq(j->tasks[0].state, TASK_RELEASED);
	cr_assert_eq(world_count(&w, ACTION_DROP), 2); /* at both */
	cr_assert_eq(core_replica_added(w.core, 77, j, 0, 1, 0), SC_UNEXPECTED);
	cr_assert_eq(core_replica_added(w.core, a, j, 99, 1, 0), SC_UNEXPECTED);
}

Test(replica, a_copy_given_up_is_no_loss)
{
	uint32_t who[4];

	copy_to_b();
	cr_assert_eq(core_holders(w.core, j, 0, who, 4), 2);
	cr_assert_eq(who[0], a);
	cr_assert_eq(core_holder_at(w.core, j, 0, slice_of("b")), b);
	cr_assert_eq(core_replica_dropped(w.core, b, j, 0, w.now_us), SC_OK);
	world_check(&w);
	cr_assert_eq(core_holders(w.core, j, 0, who, 4), 1);
	cr_assert_eq(core_replica_dropped(w.core, a, j, 0, w.now_us), SC_OK);
	world_check(&w);
	cr_assert_eq(j->tasks[0].state, TASK_READY);
}

Test(replica, missing_at_one_holder_it_is_still_at_another)
{
	uint32_t input = 0, c = world_worker(&w, "c", "gpu=1");
	size_t n;

	copy_to_b();
	world_round(&w, &n);
	cr_assert_eq(j->tasks[1].worker, c);
	cr_assert_eq(core_inputs_missing(w.core, c, j, 1, &input, &a, 1, w.now_us), SC_OK);
	world_check(&w);
	cr_assert_eq(j->tasks[0].holder, b);
	cr_assert_eq(j->tasks[1].state, TASK_READY);
}

Test(replica, a_draining_worker_hands_on_what_only_it_holds)
{
	size_t n;

	core_worker_set_status(w.core, a, WORKER_DRAINING);
	world_round(&w, &n);
	cr_assert_eq(world_count(&w, ACTION_REPLICATE), 1);
	cr_assert_not(core_worker(w.core, a)->is_drained);
	cr_assert_eq(core_replica_dropped(w.core, b, j, 0, w.now_us), SC_OK); /* it could not */
	world_round(&w, &n);
	cr_assert_eq(world_count(&w, ACTION_REPLICATE), 0);
	w.now_us = core_next_due_us(w.core);
	world_round(&w, &n);
	cr_assert_eq(world_count(&w, ACTION_REPLICATE), 1);
	copy_to_b();
	cr_assert_eq(j->tasks[0].holder, b);
	world_round(&w, &n);
	cr_assert(core_worker(w.core, a)->is_drained);
	world_lose(&w, a);
	cr_assert_eq(j->tasks[0].state, TASK_DONE);
}

Test(replica, a_paused_worker_gets_nothing_until_it_goes_on)
{
	size_t n;

	core_worker_set_paused(w.core, a, 1);
	core_worker_set_paused(w.core, b, 1);
	cr_assert_eq(core_worker(w.core, a)->status, WORKER_PAUSED);
	world_array(&w, 3);
	world_round(&w, &n);
	cr_assert_eq(world_count(&w, ACTION_ASSIGN), 0);
	core_worker_set_status(w.core, a, WORKER_DRAINING);
	core_worker_set_status(w.core, a, WORKER_ACTIVE); /* that does not make it more memory */
	cr_assert_eq(core_worker(w.core, a)->status, WORKER_PAUSED);
	core_worker_set_paused(w.core, a, 0);
	world_round(&w, &n);
	cr_assert_eq(world_count(&w, ACTION_ASSIGN), 1);
}

Test(replica, copies_beyond_what_is_of_use_are_refused)
{
	static uint32_t who[2 * COPIES_MAX];

	copy_to_b();
	for (unsigned i = 0; i < COPIES_MAX + 4; i++) {
		char name[16];

		snprintf(name, sizeof(name), "w%u", i);
		cr_assert_eq(core_replica_added(w.core, world_worker(&w, name, "cpus=1"), j, 0, 1000, 0), SC_OK);
	}
	world_check(&w);
	cr_expect_eq(core_holders(w.core, j, 0, who, 2 * COPIES_MAX), COPIES_MAX + 1, "the first holder and those");
	cr_expect_eq(world_count(&w, ACTION_DROP_COPY), 5);
	world_lose(&w, b);
	cr_assert_eq(core_replica_added(w.core, world_worker(&w, "late", "cpus=1"), j, 0, 1000, 0), SC_OK);
	cr_expect_eq(core_holders(w.core, j, 0, who, 2 * COPIES_MAX), COPIES_MAX + 1, "there was place for one more");
}
