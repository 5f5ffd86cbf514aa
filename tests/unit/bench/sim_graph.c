/* sim_graph.c - published graphs in worlds of many workers that die, drain, are slow and lose things. */
#include "bench/sim_graph.h"

#include <criterion/criterion.h>

#define SEEDS 4u /* the job of every fourth is cancelled */

static void run(const char *graph, uint32_t workers)
{
	struct sim_counts counts = {0};
	struct buf why;

	buf_init(&why, 0);
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sim_graph_options o = {
			.seed = seed, .graph = graph, .workers = workers, .deaths = workers / 10, .check_every = 200};

		cr_assert_eq(sim_graph_run(&o, &counts, &why), SC_OK, "%s", buf_str(&why));
	}
	cr_assert_gt(counts.lost_workers, 0);
	cr_assert_gt(counts.faults, counts.lost_workers);
	buf_fini(&why);
}

Test(sim_graph, merge)
{
	run("merge-10k", 200);
}

Test(sim_graph, tree)
{
	run("tree-12", 200);
}

Test(sim_graph, bag)
{
	run("bag-50k-50", 100);
}

Test(sim_graph, numpy)
{
	run("numpy-50k-50", 100);
}

Test(sim_graph, groupby)
{
	run("groupby-90-1s-1h", 300);
}

Test(sim_graph, join)
{
	run("join-1-1s-1h", 50);
}

Test(sim_graph, xarray)
{
	run("xarray-25", 50);
}

Test(sim_graph, nobody_dies)
{
	struct sim_counts counts = {0};
	struct sim_graph_options o = {.seed = 1, .graph = "tree-12", .workers = 20, .check_every = 200};
	struct buf why;

	buf_init(&why, 0);
	cr_assert_eq(sim_graph_run(&o, &counts, &why), SC_OK, "%s", buf_str(&why));
	cr_assert_eq(counts.lost_workers, 0);
	buf_fini(&why);
}

Test(sim_graph, a_graph_there_is_not)
{
	struct sim_graph_options o = {.seed = 1, .graph = "nosuch-1", .workers = 1, .check_every = 1};
	struct sim_counts counts = {0};
	struct buf why;

	buf_init(&why, 0);
	cr_assert_eq(sim_graph_run(&o, &counts, &why), SC_INVALID);
	cr_assert(strstr(buf_str(&why), "nosuch-1") != NULL);
	buf_fini(&why);
}
