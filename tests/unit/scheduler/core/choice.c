/* choice.c - what a task is given when there are several ways and places: alternatives, labels, memory. */
#include "scheduler/core/core_internal.h"
#include "tests/unit/scheduler/core/world.h"

#define MIB ((uint64_t)1 << 20)

static struct job *array_of(struct world *w, uint32_t n, const char *request)
{
	struct group_spec g = {.name = slice_of("t"), .n_tasks = n, .flags = GROUP_ARRAY, .request = slice_of(request)};

	return world_submit(w, &g, 1, NULL);
}

static uint32_t n_with(const struct job *j, uint32_t worker, uint32_t alternative)
{
	uint32_t n = 0;

	for (uint32_t t = 0; t < j->n_tasks; t++)
		n += j->tasks[t].worker == worker && task_alternative(&j->tasks[t]) == alternative;
	return n;
}

Test(choice, the_first_alternative_that_fits_is_taken)
{
	struct world w;
	uint32_t gpus, cpus;
	struct job *j;
	size_t n;

	world_init(&w);
	gpus = world_worker(&w, "g", "cpus=2,gpu=2");
	cpus = world_worker(&w, "c", "cpus=17");
	j = array_of(&w, 8, "gpu=1,cpus=1|cpus=8");
	world_round(&w, &n);
	cr_expect_eq(n_with(j, gpus, 0), 2);
	cr_expect_eq(n_with(j, cpus, 1), 2);
	cr_expect_eq(j->counts[TASK_READY], 4);
	for (uint32_t t = 0; t < 8; t++)
		if (j->tasks[t].worker == cpus) {
			world_done(&w, cpus, j, t, 0);
			break;
		}
	world_round(&w, &n);
	cr_expect_eq(n_with(j, cpus, 1), 2, "what the first way took is not what the second gives back");
	world_lose(&w, gpus);
	world_lose(&w, cpus);
	world_fini(&w);
}

Test(choice, a_quota_of_cpus_leaves_the_alternative_without)
{
	struct namespace_limits l = {NAMESPACE_WEIGHT_ONE, UINT64_MAX, 8 * (uint64_t)AMOUNT_ONE};
	struct world w;
	uint32_t one;
	struct job *j;
	size_t n;

	world_init(&w);
	cr_assert_eq(core_namespace_set(w.core, slice_of("default"), &l), SC_OK);
	one = world_worker(&w, "w", "cpus=100,gpu=3");
	j = array_of(&w, 9, "cpus=4|gpu=1,cpus=0");
	world_round(&w, &n);
	cr_expect_eq(n_with(j, one, 0), 2);
	cr_expect_eq(n_with(j, one, 1), 3);
	world_done(&w, one, j, 0, 0);
	world_round(&w, &n);
	cr_expect_eq(j->counts[TASK_ASSIGNED], 5);
	world_fini(&w);
}

Test(choice, labels_are_required_or_preferred)
{
	struct world w;
	uint32_t a, b;
	struct job *must, *rather;
	size_t n;

	world_init(&w);
	b = world_labelled(&w, "b", "cpus=4", "zone=b", 0);
	a = world_labelled(&w, "a", "cpus=4", "zone=a", 0);
	must = array_of(&w, 3, "cpus=1,label:zone=b");
	world_round(&w, &n);
	cr_expect_eq(n_with(must, b, 0), 3);
	rather = array_of(&w, 4, "cpus=1,prefer:zone=b");
	world_round(&w, &n);
	cr_expect_eq(n_with(rather, b, 0), 1, "as long as there is room");
	cr_expect_eq(n_with(rather, a, 0), 3);
	must = array_of(&w, 1, "cpus=1,label:zone=c");
	world_round(&w, &n);
	cr_expect_eq(must->counts[TASK_READY], 1);
	world_labelled(&w, "c", "cpus=1", "zone=c", 0);
	world_round(&w, &n);
	cr_expect_eq(must->counts[TASK_ASSIGNED], 1);
	world_fini(&w);
}

Test(choice, a_preferred_label_comes_before_inputs_nearby)
{
	struct group_spec g[] = {{.name = slice_of("in"), .n_tasks = 1, .request = slice_of("cpus=1,label:zone=a")},
				 {.name = slice_of("out"), .n_tasks = 1, .request = slice_of("cpus=1,prefer:zone=b")}};
	struct world w;
	uint32_t a, b;
	struct job *j;
	size_t n;

	world_init(&w);
	a = world_labelled(&w, "a", "cpus=4", "zone=a", 0);
	b = world_labelled(&w, "b", "cpus=4", "zone=b", 0);
	j = world_submit(&w, g, 2, "0>1");
	world_round(&w, &n);
	world_done(&w, a, j, 0, 100);
	world_round(&w, &n);
	cr_expect_eq(j->tasks[1].worker, b);
	world_fini(&w);
}

Test(choice, memory_is_bounded_by_the_limit_of_the_worker)
{
	struct world w;
	uint32_t small, endless;
	struct job *j;
	size_t n;

	world_init(&w);
	small = world_labelled(&w, "s", "cpus=16", "", 1000 * MIB);
	j = array_of(&w, 10, "cpus=1,memory=300MiB");
	world_round(&w, &n);
	cr_expect_eq(n_with(j, small, 0), 3);
	endless = world_labelled(&w, "e", "cpus=4", "", 0);
	world_round(&w, &n);
	cr_expect_eq(n_with(j, endless, 0), 4, "a worker without a limit has memory for all");
	j = array_of(&w, 2, "memory=100MiB");
	world_round(&w, &n);
	cr_expect_eq(j->counts[TASK_ASSIGNED], 2, "no cpu is free, none is needed");
	world_fini(&w);
}

Test(choice, a_gang_goes_one_way_together)
{
	struct group_spec g = {.name = slice_of("g"),
			       .n_tasks = 3,
			       .flags = GROUP_ARRAY | GROUP_GANG,
			       .request = slice_of("gpu=1|cpus=2")};
	struct world w;
	struct job *j;
	size_t n;

	world_init(&w);
	world_worker(&w, "a", "cpus=2,gpu=1");
	world_worker(&w, "b", "cpus=2,gpu=1");
	world_worker(&w, "c", "cpus=2");
	j = world_submit(&w, &g, 1, NULL);
	world_round(&w, &n);
	for (uint32_t t = 0; t < 3; t++)
		cr_expect_eq(task_alternative(&j->tasks[t]), 1, "there are two gpus only");
	world_fini(&w);
}

Test(choice, the_second_way_does_not_starve_either)
{
	struct world w;
	struct job *small, *large;
	unsigned rounds = 0;
	size_t n;

	world_init(&w);
	world_worker(&w, "w1", "cpus=4");
	small = array_of(&w, 1000, "");
	world_round(&w, &n);
	large = array_of(&w, 1, "gpu=1|cpus=4");
	large->groups[0].queue->priority = 1;
	for (; large->counts[TASK_READY] > 0 && rounds < 100; rounds++) {
		w.now_us += 500000;
		for (uint32_t t = 0; t < small->n_tasks; t++)
			if (task_state_in_flight(small->tasks[t].state)) {
				world_done(&w, small->tasks[t].worker, small, t, 0);
				break;
			}
		world_round(&w, &n);
	}
	cr_expect_leq(rounds, 10, "%u", rounds);
	world_fini(&w);
}
