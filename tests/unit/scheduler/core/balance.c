/* balance.c - tasks queued behind slow ones move to workers that are idle, and never run twice because of it. */
#include "scheduler/core/core_internal.h"
#include "tests/unit/scheduler/core/world.h"

#define MS 1000u

/* One worker with a queue, made of tasks that looked short; another comes when it is full. */
static struct job *queue_up(struct world *w, uint32_t *busy, uint32_t *idle)
{
	struct task_outcome quick = {.elapsed_us = 100};
	struct job *j;
	size_t n;

	*busy = world_worker(w, "busy", "cpus=1");
	j = world_array(w, 50);
	world_round(w, &n);
	cr_assert_eq(core_task_done(w->core, *busy, j, 0, &quick, w->now_us), SC_OK);
	world_round(w, &n);
	cr_assert_eq(j->counts[TASK_ASSIGNED], 49, "short tasks are queued ahead");
	cr_assert_eq(core_task_started(w->core, *busy, j, 1), SC_OK);
	*idle = world_worker(w, "idle", "cpus=2");
	return j;
}

static uint32_t withdrawn(struct world *w, uint32_t *tasks, uint32_t max)
{
	size_t n;
	const struct action *a = core_actions(w->core, &n);
	uint32_t found = 0;

	for (size_t i = 0; i < n; i++)
		if (a[i].kind == ACTION_WITHDRAW && found < max)
			tasks[found++] = a[i].task;
	return found;
}

Test(balance, what_waits_behind_a_slow_task_moves_to_an_idle_worker)
{
	uint32_t busy, idle, tasks[64], found;
	struct world w;
	struct job *j;
	size_t n;

	world_init(&w);
	j = queue_up(&w, &busy, &idle);
	world_round(&w, &n);
	cr_expect_eq(withdrawn(&w, tasks, 64), 0, "not at once: it may be done in a moment");
	cr_expect_leq(core_next_due_us(w.core), w.now_us + 20 * MS, "but somebody has to look again");
	w.now_us += 25 * MS;
	world_round(&w, &n);
	found = withdrawn(&w, tasks, 64);
	cr_assert_eq(found, 2, "as many as the idle one can run: %u", found);
	for (uint32_t i = 0; i < found; i++) {
		cr_expect_eq(j->tasks[tasks[i]].worker, busy, "it is that worker's until it has answered");
		cr_expect_neq(tasks[i], 1, "what runs stays");
		cr_assert_eq(core_task_stopped(w.core, busy, j, tasks[i], w.now_us), SC_OK);
	}
	world_round(&w, &n);
	for (uint32_t i = 0; i < found; i++) {
		cr_expect_eq(j->tasks[tasks[i]].worker, idle);
		cr_expect_eq(j->tasks[tasks[i]].attempts, 1, "moving is no attempt");
	}
	world_fini(&w);
}

Test(balance, one_that_started_meanwhile_is_not_moved)
{
	uint32_t busy, idle, tasks[64], found;
	struct world w;
	struct job *j;
	size_t n;

	world_init(&w);
	j = queue_up(&w, &busy, &idle);
	w.now_us += 25 * MS;
	world_round(&w, &n);
	found = withdrawn(&w, tasks, 64);
	cr_assert_gt(found, 0);
	cr_assert_eq(core_task_started(w.core, busy, j, tasks[0]), SC_OK); /* crossed with our question */
	world_done(&w, busy, j, tasks[0], 0);
	cr_expect_eq(j->tasks[tasks[0]].state, TASK_DONE);
	cr_expect_eq(core_task_stopped(w.core, busy, j, tasks[0], w.now_us), SC_UNEXPECTED);
	world_fini(&w);
}

Test(balance, nothing_moves_to_a_worker_that_cannot_run_it)
{
	struct task_outcome quick = {.elapsed_us = 100};
	struct group_spec g = {
		.name = slice_of("t"), .n_tasks = 20, .flags = GROUP_ARRAY, .request = slice_of("cpus=1,gpu=1")};
	uint32_t busy, tasks[64];
	struct world w;
	struct job *j;
	size_t n;

	world_init(&w);
	busy = world_worker(&w, "busy", "cpus=1,gpu=1");
	j = world_submit(&w, &g, 1, NULL);
	world_round(&w, &n);
	cr_assert_eq(core_task_done(w.core, busy, j, 0, &quick, w.now_us), SC_OK);
	world_round(&w, &n);
	world_worker(&w, "idle", "cpus=2");
	w.now_us += 25 * MS;
	world_round(&w, &n);
	cr_expect_eq(withdrawn(&w, tasks, 64), 0);
	world_fini(&w);
}

Test(balance, a_slow_network_makes_a_task_wait_for_the_worker_that_has_its_input)
{
	struct group_spec groups[2] = {{.name = slice_of("in"), .n_tasks = 1},
				       {.name = slice_of("out"), .n_tasks = 6, .flags = GROUP_ARRAY}};
	struct task_outcome large = {.result_bytes = 1000000, .elapsed_us = 2000};
	struct task_outcome quick = {.elapsed_us = 2000};

	for (int is_slow = 0; is_slow < 2; is_slow++) {
		uint32_t a, there = 0;
		struct world w;
		struct job *j;
		size_t n;

		world_init(&w);
		a = world_worker(&w, "a", "cpus=1");
		j = world_submit(&w, groups, 2, "0>1 0>2 0>3 0>4 0>5 0>6");
		world_round(&w, &n);
		cr_assert_eq(core_task_done(w.core, a, j, 0, &large, w.now_us), SC_OK);
		world_round(&w, &n);
		cr_assert_eq(j->tasks[1].worker, a, "how long these take is not known: one at a time");
		cr_assert_eq(core_task_done(w.core, a, j, 1, &quick, w.now_us), SC_OK);
		world_worker(&w, "b", "cpus=1");
		for (int i = 0; i < 200; i++) /* 1 MB/s, or 100 GB/s */
			core_transferred(w.core, 10000000, is_slow ? 10000000 : 100);
		world_round(&w, &n);
		for (uint32_t t = 2; t <= 6; t++)
			there += j->tasks[t].worker != a && j->tasks[t].worker != NO_WORKER;
		if (is_slow)
			cr_expect_eq(there, 0, "a second to move it, some milliseconds to wait: %u went", there);
		else
			cr_expect_gt(there, 0, "nothing to move, and nobody there");
		world_fini(&w);
	}
}
