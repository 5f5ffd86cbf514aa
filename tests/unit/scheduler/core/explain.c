/* explain.c - why a task waits, in words; how groups fare, in numbers. */
#include "scheduler/core/core_internal.h"
#include "tests/unit/scheduler/core/world.h"

static struct job *tasks_of(struct world *w, uint32_t n, const char *request, uint32_t flags)
{
	struct group_spec g = {
		.name = slice_of("t"), .n_tasks = n, .flags = GROUP_ARRAY | flags, .request = slice_of(request)};

	return world_submit(w, &g, 1, NULL);
}

static void says(struct world *w, const struct job *j, uint32_t task, const char *expected)
{
	struct buf said;
	size_t n;

	world_round(w, &n);
	buf_init(&said, 0);
	core_explain(w->core, j, task, w->now_us, &said);
	cr_expect(strstr(buf_str(&said), expected) != NULL, "'%s' is not in:\n%s", expected, buf_str(&said));
	buf_fini(&said);
}

Test(explain, quotas)
{
	struct namespace_limits l = {NAMESPACE_WEIGHT_ONE, 2, UINT64_MAX};
	struct world w;
	struct job *j;

	world_init(&w);
	world_worker(&w, "w1", "cpus=8");
	cr_assert_eq(core_namespace_set(w.core, slice_of("default"), &l), SC_OK);
	j = tasks_of(&w, 3, "cpus=1.5", 0);
	says(&w, j, 2, "quota of namespace 'default' is reached: 2 of its tasks are at workers, max-tasks is 2");
	l = (struct namespace_limits){NAMESPACE_WEIGHT_ONE, UINT64_MAX, 4 * (uint64_t)AMOUNT_ONE};
	cr_assert_eq(core_namespace_set(w.core, slice_of("default"), &l), SC_OK);
	says(&w, j, 2, "its tasks at workers take 3 cpus, max-cpus is 4");
	l.max_cpus = UINT64_MAX;
	cr_assert_eq(core_namespace_set(w.core, slice_of("default"), &l), SC_OK);
	says(&w, j, 2, "is at worker w1");
	world_fini(&w);
}

Test(explain, what_each_worker_lacks_for_each_alternative)
{
	struct world w;
	struct job *j;

	world_init(&w);
	world_labelled(&w, "w1", "cpus=2", "zone=a", (uint64_t)1 << 30);
	world_labelled(&w, "w2", "cpus=8", "zone=b", 0);
	j = tasks_of(&w, 1, "gpu=1|cpus=4,label:zone=c|memory=2GiB,label:zone=a", 0);
	says(&w, j, 0, "none of the 2 workers has what it asks for");
	says(&w, j, 0, "; no worker has label zone=c");
	says(&w, j, 0, "\n  w1 has gpu=0, it needs 1\n    or, alternative 2: it does not have label zone=c");
	says(&w, j, 0, "\n    or, alternative 3: it has memory=1GiB, it needs 2GiB\n  w2");
	for (int i = 3; i <= 8; i++) {
		char name[16];

		snprintf(name, sizeof(name), "w%d", i);
		world_worker(&w, name, "cpus=1");
	}
	says(&w, j, 0, "and 3 more workers");
	world_fini(&w);
}

Test(explain, gangs_and_what_is_kept_free)
{
	struct world w;
	struct job *busy, *gang, *small;
	size_t n;

	world_init(&w);
	world_worker(&w, "w1", "cpus=2");
	world_worker(&w, "w2", "cpus=2");
	busy = tasks_of(&w, 2, "cpus=2", 0);
	world_round(&w, &n);
	gang = tasks_of(&w, 2, "cpus=2", GROUP_GANG);
	gang->groups[0].queue->priority = 1;
	says(&w, gang, 0, "a gang of 2 tasks that start together, each at another worker; 0 of the 2 workers needed");
	world_done(&w, busy->tasks[0].worker, busy, 0, 0);
	small = tasks_of(&w, 1, "", 0);
	says(&w, gang, 1, "1 of the 2 workers needed could take one (cpus=2) now");
	says(&w, small, 0, "is kept free for a gang that comes first (cpus=2 of namespace 'default')");
	world_fini(&w);
}

Test(explain, what_can_never_run)
{
	struct namespace_limits l = {NAMESPACE_WEIGHT_ONE, 2, UINT64_MAX};
	struct world w;
	struct job *big, *gang;

	world_init(&w);
	world_worker(&w, "w1", "cpus=8");
	world_worker(&w, "w2", "cpus=2");
	gang = tasks_of(&w, 3, "cpus=4", GROUP_GANG);
	says(&w, gang, 0, "can never start: 3 workers are needed, each for one task (cpus=4), 1 could take one");
	says(&w, gang, 0, " has room for one of them");
	cr_assert_eq(core_namespace_set(w.core, slice_of("default"), &l), SC_OK);
	says(&w, gang, 0,
	     "can never run so: 3 tasks that start together ask for cpus=4 each, and the quota of "
	     "namespace 'default' is max-tasks 2");
	l = (struct namespace_limits){NAMESPACE_WEIGHT_ONE, UINT64_MAX, 3 * (uint64_t)AMOUNT_ONE};
	cr_assert_eq(core_namespace_set(w.core, slice_of("default"), &l), SC_OK);
	big = tasks_of(&w, 1, "cpus=4", 0);
	says(&w, big, 0, "can never run so: it asks for cpus=4, and the quota of namespace 'default' is max-cpus 3");
	world_fini(&w);
}

Test(explain, what_goes_before_a_task)
{
	struct group_spec two[] = {
		{.name = slice_of("a"), .n_tasks = 3, .flags = GROUP_ARRAY, .request = slice_of("cpus=3")},
		{.name = slice_of("b"), .n_tasks = 3, .flags = GROUP_ARRAY, .priority = 5}};
	struct world w;
	struct job *busy, *older, *urgent, *mine, *gang, *other;
	uint64_t n_cancelled;
	size_t n;

	world_init(&w);
	mine = tasks_of(&w, 4, "", 0);
	says(&w, mine, 0,
	     "there is no worker; start one with sched-worker; nothing of namespace 'default' goes before it");
	cr_assert_eq(core_job_cancel(w.core, mine, w.now_us, &n_cancelled), SC_OK);
	world_worker(&w, "w1", "cpus=4");
	busy = tasks_of(&w, 1, "cpus=4", 0);
	world_round(&w, &n);
	cr_assert_eq(busy->counts[TASK_ASSIGNED], 1);
	older = tasks_of(&w, 7, "cpus=2", 0);
	mine = tasks_of(&w, 4, "", 0);
	says(&w, mine, 0,
	     "before it, of higher priority or older: 7 tasks of namespace 'default' (that ask for the same: 0)");
	says(&w, mine, 3, ": 10 tasks of namespace 'default' (that ask for the same: 3)\n  w1");
	urgent = world_submit(&w, two, 2, NULL);
	says(&w, mine, 3, ": 13 tasks of namespace 'default' (that ask for the same: 6)");
	says(&w, urgent, 1, ": 15 tasks of namespace 'default' (that ask for the same: 1)");
	says(&w, urgent, 3, "; nothing of namespace 'default' goes before it");
	w.namespace = "another";
	other = tasks_of(&w, 1, "", 0);
	says(&w, other, 0, "; nothing of namespace 'another' goes before it");
	w.namespace = NULL;
	tasks_of(&w, 1, "cpus=1", GROUP_GANG);
	gang = tasks_of(&w, 1, "cpus=1", GROUP_GANG);
	says(&w, gang, 0, ": 18 tasks of namespace 'default' (that ask for the same: 1)");
	cr_assert_eq(core_job_cancel(w.core, older, w.now_us, &n_cancelled), SC_OK);
	says(&w, mine, 3, ": 6 tasks of namespace 'default' (that ask for the same: 6)");
	older = tasks_of(&w, 60000, "", 0);
	says(&w, older, 59999, ": at least ");
	says(&w, older, 100, "(that ask for the same: 107)");
	gang = tasks_of(&w, 1, "", 0);
	says(&w, gang, 0, ": 60012 tasks of namespace 'default' (that ask for the same: 60007)");
	world_fini(&w);
}

Test(explain, groups_count_runs_waits_and_what_was_moved)
{
	struct group_spec g[] = {{.name = slice_of("in"), .n_tasks = 2, .flags = GROUP_ARRAY},
				 {.name = slice_of("out"), .n_tasks = 1}};
	const struct group_times *t;
	struct world w;
	struct job *j;
	size_t n;

	world_init(&w);
	world_worker(&w, "w1", "cpus=1");
	world_worker(&w, "w2", "cpus=1");
	w.now_us = 2000000;
	core_set_now(w.core, w.now_us);
	j = world_submit(&w, g, 2, "0>2 1>2");
	w.now_us = 5000000;
	world_round(&w, &n);
	t = &j->groups[0].times;
	cr_expect_eq(group_times_mean_wait_us(t, w.now_us), 3000000, "they are there, nobody started them");
	w.now_us = 7000000;
	core_set_now(w.core, w.now_us);
	for (uint32_t i = 0; i < 2; i++) {
		cr_assert_eq(core_task_started(w.core, j->tasks[i].worker, j, i), SC_OK);
		world_done(&w, j->tasks[i].worker, j, i, 100);
	}
	cr_expect_eq(group_times_mean_wait_us(t, 99000000), 5000000);
	cr_expect_eq(t->n_waits, 2);
	cr_expect_eq(t->n_runs, 2);
	cr_expect_eq(group_times_mean_run_us(t), 1000000);
	world_round(&w, &n);
	cr_expect_eq(j->groups[1].times.moved_bytes, 100, "one is where it runs");
	world_fini(&w);
}

Test(explain, what_is_moved_for_a_gang_is_counted)
{
	struct group_spec g[] = {{.name = slice_of("in"), .n_tasks = 1},
				 {.name = slice_of("out"), .n_tasks = 2, .flags = GROUP_ARRAY | GROUP_GANG}};
	struct world w;
	struct job *j;
	size_t n;

	world_init(&w);
	world_worker(&w, "w1", "cpus=1");
	world_worker(&w, "w2", "cpus=1");
	j = world_submit(&w, g, 2, "0>1 0>2");
	world_round(&w, &n);
	world_done(&w, j->tasks[0].worker, j, 0, 100);
	world_round(&w, &n);
	cr_expect_eq(n, 2);
	cr_expect_eq(j->groups[1].times.moved_bytes, 100, "one of the two is where it was made");
	world_fini(&w);
}
