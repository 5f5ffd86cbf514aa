/* share.c - who gets the next place: namespaces by weight and quota, large requests, gangs. */
#include "scheduler/core/core_internal.h"
#include "tests/unit/scheduler/core/world.h"

#define SECOND 1000000u

static struct job *array_of(struct world *w, const char *namespace, uint32_t n, const char *request)
{
	struct group_spec g = {.name = slice_of("t"), .n_tasks = n, .flags = GROUP_ARRAY, .request = slice_of(request)};

	w->namespace = namespace;
	return world_submit(w, &g, 1, NULL);
}

static struct job *gang_of(struct world *w, uint32_t n, const char *request)
{
	struct group_spec g = {
		.name = slice_of("g"), .n_tasks = n, .flags = GROUP_ARRAY | GROUP_GANG, .request = slice_of(request)};

	return world_submit(w, &g, 1, NULL);
}

static size_t given(struct world *w, const struct job *j)
{
	size_t n, count = 0;
	const struct action *a = core_actions(w->core, &n);

	for (size_t i = 0; i < n; i++)
		count += a[i].kind == ACTION_ASSIGN && a[i].job == j;
	return count;
}

static void limits(struct world *w, const char *name, uint32_t weight, uint64_t tasks, uint64_t cpus)
{
	struct namespace_limits l = {weight, tasks, cpus};

	cr_assert_eq(core_namespace_set(w->core, slice_of(name), &l), SC_OK);
}

/* A task of the job that is in flight, started and ended. */
static void end_one(struct world *w, struct job *j)
{
	for (uint32_t t = 0; t < j->n_tasks; t++) {
		if (!task_state_in_flight(j->tasks[t].state))
			continue;
		world_done(w, j->tasks[t].worker, j, t, 0);
		return;
	}
	cr_assert_fail("nothing of it is in flight");
}

Test(share, namespaces_share_by_weight_whoever_came_first)
{
	struct world w;
	struct job *a, *b;
	size_t n;

	world_init(&w);
	limits(&w, "b", 3 * NAMESPACE_WEIGHT_ONE, UINT64_MAX, UINT64_MAX);
	world_worker(&w, "w1", "cpus=40");
	a = array_of(&w, "a", 1000, "");
	world_round(&w, &n);
	cr_assert_eq(given(&w, a), 40, "nobody else was there");
	b = array_of(&w, "b", 1000, "");
	for (int i = 0; i < 200; i++) { /* whoever ends, the place goes to who has less than its share */
		end_one(&w, i % 2 == 0 || b->counts[TASK_ASSIGNED] == 0 ? a : b);
		world_round(&w, &n);
	}
	cr_expect_eq(a->counts[TASK_ASSIGNED], 10, "%d", (int)a->counts[TASK_ASSIGNED]);
	cr_expect_eq(b->counts[TASK_ASSIGNED], 30, "%d", (int)b->counts[TASK_ASSIGNED]);
	world_fini(&w);
}

Test(share, many_namespaces_have_the_same)
{
	enum { N = 300 };
	struct job *jobs[N];
	struct world w;
	char name[16];
	size_t n;

	world_init(&w);
	world_worker(&w, "w1", "cpus=600");
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		limits(&w, name, i % 3 == 0 ? 2 * NAMESPACE_WEIGHT_ONE : NAMESPACE_WEIGHT_ONE, UINT64_MAX, UINT64_MAX);
		jobs[i] = array_of(&w, name, 10, i % 2 == 0 ? "" : "cpus=1,memory=1MiB");
	}
	world_round(&w, &n);
	for (int i = 0; i < N; i++) { /* 600 for 400 shares: one for each, and 200 more */
		size_t least = i % 3 == 0 ? 2 : 1, has = given(&w, jobs[i]);

		cr_expect(has == least || has == least + 1, "%d: %zu", i, has);
	}
	core_actions_done(w.core);
	for (int round = 0; round < 20; round++) {
		for (int i = round; i < N; i += 7) {
			if (task_state_in_flight(jobs[i]->tasks[0].state))
				end_one(&w, jobs[i]);
		}
		world_round(&w, &n);
		world_check(&w);
	}
	world_fini(&w);
}

Test(share, priorities_count_within_a_namespace_only)
{
	struct group_spec low = {.name = slice_of("l"), .n_tasks = 10, .flags = GROUP_ARRAY, .priority = -5};
	struct group_spec high = {.name = slice_of("h"), .n_tasks = 10, .flags = GROUP_ARRAY, .priority = 5};
	struct world w;
	struct job *a_low, *a_high, *b_low;
	size_t n;

	world_init(&w);
	w.namespace = "a";
	a_low = world_submit(&w, &low, 1, NULL);
	a_high = world_submit(&w, &high, 1, NULL);
	w.namespace = "b";
	b_low = world_submit(&w, &low, 1, NULL);
	world_worker(&w, "w1", "cpus=8");
	world_round(&w, &n);
	cr_expect_eq(given(&w, a_low), 0);
	cr_expect_eq(given(&w, a_high), 4);
	cr_expect_eq(given(&w, b_low), 4, "its priority is its own affair");
	world_fini(&w);
}

Test(share, a_quota_of_tasks_and_of_cpus)
{
	struct world w;
	struct job *a, *b, *c;
	size_t n;

	world_init(&w);
	limits(&w, "a", NAMESPACE_WEIGHT_ONE, 3, UINT64_MAX);
	limits(&w, "b", NAMESPACE_WEIGHT_ONE, UINT64_MAX, 5 * (uint64_t)AMOUNT_ONE);
	world_worker(&w, "w1", "cpus=100");
	a = array_of(&w, "a", 10, "");
	b = array_of(&w, "b", 10, "cpus=2");
	c = array_of(&w, "c", 10, "");
	world_round(&w, &n);
	cr_expect_eq(given(&w, a), 3);
	cr_expect_eq(given(&w, b), 2, "a third would make six");
	cr_expect_eq(given(&w, c), 10);
	end_one(&w, a);
	world_round(&w, &n);
	cr_expect_eq(given(&w, a), 1);
	limits(&w, "a", NAMESPACE_WEIGHT_ONE, 4, UINT64_MAX);
	world_round(&w, &n);
	cr_expect_eq(given(&w, a), 1, "a larger quota counts at once");
	world_fini(&w);
}

Test(share, a_large_request_does_not_starve_behind_small_ones)
{
	struct world w;
	struct job *small, *large;
	unsigned rounds = 0;
	size_t n;

	world_init(&w);
	world_worker(&w, "w1", "cpus=4");
	world_worker(&w, "w2", "cpus=4");
	small = array_of(&w, "default", 1000, "");
	world_round(&w, &n);
	large = array_of(&w, "default", 1, "cpus=4");
	large->groups[0].queue->priority = 1; /* it comes first, but two workers never are empty at once */
	for (; large->counts[TASK_READY] > 0 && rounds < 100; rounds++) {
		w.now_us += SECOND / 2;
		end_one(&w, small);
		world_round(&w, &n);
	}
	cr_expect_leq(rounds, 12, "%u", rounds);
	cr_expect_eq(large->counts[TASK_ASSIGNED], 1);
	end_one(&w, large);
	world_round(&w, &n);
	cr_expect_eq(given(&w, small), 4, "what was kept free is free for all again");
	world_fini(&w);
}

Test(share, a_gang_starts_together_or_not_at_all)
{
	struct world w;
	struct job *busy, *gang;
	uint32_t seen[4];
	size_t n;

	world_init(&w);
	world_worker(&w, "w1", "cpus=2");
	world_worker(&w, "w2", "cpus=2");
	busy = array_of(&w, "default", 3, "");
	gang = gang_of(&w, 3, "");
	world_round(&w, &n);
	cr_expect_eq(given(&w, gang), 0, "three workers are needed, there are two");
	world_worker(&w, "w3", "cpus=1");
	world_round(&w, &n);
	cr_expect_eq(given(&w, gang), 0, "one of them is full");
	end_one(&w, busy);
	end_one(&w, busy);
	world_round(&w, &n);
	cr_expect_eq(given(&w, gang), 3);
	for (uint32_t t = 0; t < 3; t++)
		seen[t] = gang->tasks[t].worker;
	cr_expect(seen[0] != seen[1] && seen[1] != seen[2] && seen[0] != seen[2], "each at another worker");
	world_fini(&w);
}

Test(share, two_gangs_never_wait_for_each_other)
{
	struct world w;
	struct job *small, *a, *b;
	unsigned rounds = 0;
	size_t n;

	world_init(&w);
	for (int i = 0; i < 4; i++) {
		char name[16];

		snprintf(name, sizeof(name), "w%d", i);
		world_worker(&w, name, "cpus=1");
	}
	small = array_of(&w, "default", 400, "");
	world_round(&w, &n);
	a = gang_of(&w, 3, "");
	b = gang_of(&w, 3, "");
	a->groups[0].queue->priority = b->groups[0].queue->priority = 1;
	for (; (a->counts[TASK_DONE] < 3 || b->counts[TASK_DONE] < 3) && rounds < 200; rounds++) {
		if (a->counts[TASK_ASSIGNED] > 0)
			end_one(&w, a);
		else if (b->counts[TASK_ASSIGNED] > 0)
			end_one(&w, b);
		else
			end_one(&w, small);
		world_round(&w, &n);
	}
	cr_expect_eq(a->state, JOB_DONE);
	cr_expect_eq(b->state, JOB_DONE);
	cr_expect_leq(rounds, 60, "%u", rounds);
	world_fini(&w);
}

Test(share, a_gang_that_loses_a_worker_starts_again_together)
{
	struct world w;
	struct job *gang;
	uint32_t lost, kept;
	size_t n;

	world_init(&w);
	world_worker(&w, "w1", "cpus=1");
	world_worker(&w, "w2", "cpus=1");
	gang = gang_of(&w, 2, "");
	world_round(&w, &n);
	cr_assert_eq(given(&w, gang), 2);
	lost = gang->tasks[0].worker;
	kept = gang->tasks[1].worker;
	core_actions_done(w.core);
	world_lose(&w, lost);
	world_worker(&w, "w3", "cpus=1");
	cr_expect_eq(world_count(&w, ACTION_CANCEL), 1, "the other one is called back");
	world_round(&w, &n);
	cr_expect_eq(given(&w, gang), 0, "it has not answered yet");
	cr_assert_eq(core_task_stopped(w.core, kept, gang, 1, w.now_us), SC_OK);
	world_round(&w, &n);
	cr_expect_eq(given(&w, gang), 2);
	world_fini(&w);
}

Test(share, a_gang_is_called_back_once)
{
	struct world w;
	struct job *gang;
	size_t n;

	world_init(&w);
	for (int i = 0; i < 5; i++) {
		char name[16];

		snprintf(name, sizeof(name), "w%d", i);
		world_worker(&w, name, "cpus=1");
	}
	gang = gang_of(&w, 4, "");
	for (int start = 0; start < 2; start++) { /* and once more after the next start */
		world_round(&w, &n);
		cr_assert_eq(given(&w, gang), 4);
		core_actions_done(w.core);
		for (uint32_t t = 0; t < 4; t++)
			cr_assert_eq(core_task_stopped(w.core, gang->tasks[t].worker, gang, t, w.now_us), SC_OK);
		cr_expect_eq(world_count(&w, ACTION_CANCEL), 3, "their own answers call nobody back");
		world_check(&w);
	}
	world_round(&w, &n);
	cr_expect_eq(given(&w, gang), 4);
	world_fini(&w);
}

Test(share, what_found_no_room_is_not_looked_for_again)
{
	struct world w;
	struct job *busy, *gang, *either;
	size_t n;

	world_init(&w);
	limits(&w, "default", NAMESPACE_WEIGHT_ONE, UINT64_MAX, 3 * (uint64_t)AMOUNT_ONE);
	world_worker(&w, "w1", "cpus=1,gpu=1");
	world_worker(&w, "w2", "cpus=1,gpu=1");
	busy = array_of(&w, NULL, 2, "cpus=1,gpu=1");
	world_round(&w, &n);
	cr_assert_eq(given(&w, busy), 2);
	either = array_of(&w, NULL, 1, "cpus=2,gpu=1|gpu=1");
	w.namespace = "other";
	gang = gang_of(&w, 2, "");
	world_round(&w, &n);
	cr_expect_eq(either->groups[0].class->blocked_ways, 2, "the quota leaves the second way alone");
	cr_expect_eq(gang->groups[0].class->blocked_ways, 1);
	end_one(&w, busy);
	world_round(&w, &n);
	cr_expect_eq(given(&w, either), 1);
	cr_expect_eq(given(&w, gang), 0, "one of two");
	cr_expect_eq(gang->groups[0].class->blocked_ways, 1);
	end_one(&w, busy);
	world_round(&w, &n);
	cr_expect_eq(given(&w, gang), 2);
	world_fini(&w);
}

Test(share, a_gang_fails_as_one)
{
	struct world w;
	struct job *gang;
	uint32_t other;
	size_t n;

	world_init(&w);
	world_worker(&w, "w1", "cpus=1");
	world_worker(&w, "w2", "cpus=1");
	gang = gang_of(&w, 2, "");
	world_round(&w, &n);
	other = gang->tasks[1].worker;
	core_actions_done(w.core);
	world_failed(&w, gang->tasks[0].worker, gang, 0);
	cr_expect_eq(gang->tasks[1].state, TASK_FAILED);
	cr_expect_eq(world_count(&w, ACTION_CANCEL), 1);
	cr_expect_eq(gang->state, JOB_FAILED);
	cr_expect(strstr(gang->tasks[1].detail->text, "g-0") != NULL, "%s", gang->tasks[1].detail->text);
	cr_assert_eq(core_task_stopped(w.core, other, gang, 1, w.now_us), SC_OK);
	world_check(&w);
	world_fini(&w);
}

Test(share, a_gang_takes_no_input_from_itself)
{
	struct group_spec g = {.name = slice_of("g"), .n_tasks = 3, .flags = GROUP_ARRAY | GROUP_GANG};
	struct world w;
	struct buf error;

	world_init(&w);
	buf_init(&error, 0);
	cr_expect_eq(world_try_submit(&w, &g, 1, "0>2", 0, NULL, &error), SC_INVALID);
	cr_expect(strstr(buf_str(&error), "'g-2'") != NULL, "%s", buf_str(&error));
	buf_fini(&error);
	world_fini(&w);
}
