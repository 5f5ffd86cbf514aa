/* batch.c - short tasks go out in batches that are worth a message, and a few of an unknown group go first. */
#include "scheduler/core/core_internal.h"
#include "tests/unit/scheduler/core/world.h"

#define MS 1000u

static void add_workers(struct world *w, uint32_t n)
{
	char name[16];

	for (uint32_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "w%u", i);
		world_worker(w, name, "cpus=1");
	}
}

/* To how many workers something was given in this round. */
static uint32_t n_given_to(struct world *w)
{
	char seen[256] = {0};
	uint32_t count = 0;
	size_t n;
	const struct action *a = core_actions(w->core, &n);

	for (size_t i = 0; i < n; i++) {
		if (a[i].kind != ACTION_ASSIGN || seen[a[i].worker])
			continue;
		seen[a[i].worker] = 1;
		count++;
	}
	return count;
}

static void finish(struct world *w, struct job *j, uint32_t task, uint64_t elapsed_us)
{
	struct task_outcome o = {.elapsed_us = elapsed_us, .result_bytes = 20};

	cr_assert_eq(core_task_done(w->core, j->tasks[task].worker, j, task, &o, w->now_us), SC_OK);
}

/* The first tasks of a job are done, after so long; what is given out then. */
static struct job *learn(struct world *w, uint32_t n_workers, uint32_t n_tasks, uint64_t elapsed_us)
{
	struct job *j;
	size_t n;

	world_init(w);
	add_workers(w, n_workers);
	j = world_array(w, n_tasks);
	world_round(w, &n);
	cr_assert_eq(world_count(w, ACTION_ASSIGN), n_workers, "one each, as nothing is known");
	for (uint32_t t = 0; t < n_workers; t++)
		finish(w, j, t, elapsed_us);
	world_round(w, &n);
	return j;
}

Test(batch, short_tasks_go_to_few_workers_in_batches)
{
	struct world w;

	learn(&w, 200, 600, 10); /* 400 are left: 20 are worth a message */
	cr_expect_eq(world_count(&w, ACTION_ASSIGN), 400);
	cr_expect_geq(n_given_to(&w), 20);
	cr_expect_leq(n_given_to(&w), 60, "%u workers", n_given_to(&w));
	world_fini(&w);
}

Test(batch, long_tasks_go_to_all)
{
	struct world w;

	learn(&w, 200, 500, 50 * MS);
	cr_expect_eq(world_count(&w, ACTION_ASSIGN), 200);
	cr_expect_eq(n_given_to(&w), 200);
	world_fini(&w);
}

/* Those that take the result of one task follow it, as long as a message is worth more than waiting. */
Test(batch, short_consumers_stay_together)
{
	struct group_spec g[] = {{.name = slice_of("a"), .n_tasks = 2}, {.name = slice_of("b"), .n_tasks = 20}};
	struct world w;
	struct job *j;
	size_t n;

	world_init(&w);
	add_workers(&w, 20);
	j = world_submit(&w, g, 2,
			 "0>2 0>3 0>4 0>5 0>6 0>7 0>8 0>9 0>10 0>11 1>12 1>13 1>14 1>15 1>16 1>17 1>18 1>19 1>20 1>21");
	world_round(&w, &n);
	finish(&w, j, 0, 10);
	j->groups[1].mean_us = 10.0f;
	world_round(&w, &n);
	cr_expect_eq(world_count(&w, ACTION_ASSIGN), 10);
	cr_expect_leq(n_given_to(&w), 4, "%u workers", n_given_to(&w));
	world_fini(&w);
}

/* Pairs of a task at each of a hundred workers and one that takes its result, when such a one takes so long; what is
 * given out when all the first are done. */
static struct job *pairs(struct world *w, float mean_us)
{
	struct group_spec g[] = {{.name = slice_of("a"), .n_tasks = 100}, {.name = slice_of("b"), .n_tasks = 100}};
	struct job *j;
	char edges[2000];
	size_t n, at = 0;

	world_init(w);
	add_workers(w, 100);
	for (unsigned i = 0; i < 100; i++)
		at += (size_t)snprintf(edges + at, sizeof(edges) - at, "%u>%u ", i, i + 100);
	edges[at - 1] = '\0';
	j = world_submit(w, g, 2, edges);
	world_round(w, &n);
	cr_assert_eq(n_given_to(w), 100);
	for (uint32_t i = 0; i < 100; i++)
		finish(w, j, i, 10);
	j->groups[1].mean_us = mean_us;
	world_round(w, &n);
	cr_assert_eq(world_count(w, ACTION_ASSIGN), 100);
	return j;
}

/* As many as there are inputs all over the place: moving those is less than as many messages. */
Test(batch, short_tasks_gather_though_their_inputs_are_everywhere)
{
	struct world w;

	pairs(&w, 10.0f); /* seventeen are worth a message, then fewer */
	cr_expect_geq(n_given_to(&w), 6, "%u workers", n_given_to(&w));
	cr_expect_leq(n_given_to(&w), 20, "%u workers", n_given_to(&w));
	world_fini(&w);
}

/* Where messages are not what everything waits for, a task goes where its input is. */
Test(batch, long_tasks_follow_their_inputs)
{
	struct world w;
	struct job *j = pairs(&w, 2.0f * MS);

	cr_expect_eq(n_given_to(&w), 100);
	for (uint32_t i = 0; i < 100; i++)
		cr_expect_eq(j->tasks[i + 100].worker, j->tasks[i].holder);
	world_fini(&w);
}

static void probing_world(struct world *w, uint32_t n_workers)
{
	world_init(w);
	w->core->options.probe_tasks = 4;
	w->core->options.probe_us = 2 * MS;
	add_workers(w, n_workers);
}

Test(probe, a_few_go_first_and_the_rest_when_one_of_them_is_done)
{
	struct world w;
	struct job *j;
	size_t n;

	probing_world(&w, 50);
	j = world_array(&w, 1000);
	world_round(&w, &n);
	cr_expect_eq(world_count(&w, ACTION_ASSIGN), 4);
	cr_expect_eq(core_next_due_us(w.core), w.now_us + 2 * MS, "but not for ever");
	world_round(&w, &n);
	cr_expect_eq(world_count(&w, ACTION_ASSIGN), 0);
	finish(&w, j, 0, 10);
	world_round(&w, &n);
	cr_expect_eq(world_count(&w, ACTION_ASSIGN), 996);
	world_fini(&w);
}

Test(probe, the_rest_does_not_wait_for_long)
{
	struct world w;
	uint64_t begun_us;
	size_t n;

	probing_world(&w, 50);
	begun_us = w.now_us;
	world_array(&w, 1000);
	world_round(&w, &n);
	cr_expect_eq(world_count(&w, ACTION_ASSIGN), 4);
	w.now_us = core_next_due_us(w.core);
	world_round(&w, &n);
	cr_expect_eq(world_count(&w, ACTION_ASSIGN), 0, "the turn before may have been as long as that");
	w.now_us = core_next_due_us(w.core);
	world_round(&w, &n);
	cr_expect_eq(w.now_us, begun_us + 2 * MS + MS / 2);
	cr_expect_eq(world_count(&w, ACTION_ASSIGN), 46, "to all that are free");
	world_fini(&w);
}

/* Whoever has room takes what is known, and a new worker is not overlooked because of it. */
Test(probe, others_are_not_held_up_for_longer)
{
	struct world w;
	struct job *j;
	size_t n;

	probing_world(&w, 50);
	world_array(&w, 1000);
	world_round(&w, &n);
	j = world_array(&w, 3);
	world_round(&w, &n);
	w.now_us = core_next_due_us(w.core);
	world_round(&w, &n);
	cr_expect_eq(world_count(&w, ACTION_ASSIGN), 46);
	cr_expect_eq(j->counts[TASK_READY], 3, "the older job goes first");
	world_fini(&w);
}

Test(probe, few_workers_need_none)
{
	struct world w;
	size_t n;

	probing_world(&w, 4);
	world_array(&w, 1000);
	world_round(&w, &n);
	cr_expect_eq(world_count(&w, ACTION_ASSIGN), 4);
	cr_expect_eq(core_next_due_us(w.core), UINT64_MAX);
	world_fini(&w);
}
