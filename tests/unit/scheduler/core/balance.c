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
