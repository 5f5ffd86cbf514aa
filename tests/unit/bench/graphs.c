/* graphs.c - the graphs of the `graph` scenario have what is printed of them, and are graphs. */
#include "bench/graphs.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* Groups and tasks are numbered without gaps, inputs come before those that take them, none twice. */
static void check_shape(const char *name, const struct graph *g)
{
	size_t edge = 0, task = 0;

	for (size_t i = 0; i < g->n_groups; i++) {
		cr_assert_eq(g->groups[i].first_task, task, "%s: %s", name, g->groups[i].name);
		cr_assert_gt(g->groups[i].n_tasks, 0, "%s: %s", name, g->groups[i].name);
		task += g->groups[i].n_tasks;
		for (size_t k = 0; k < i; k++)
			cr_assert_str_neq(g->groups[i].name, g->groups[k].name, "%s", name);
	}
	cr_assert_eq(task, g->n_tasks, "%s", name);
	for (size_t t = 0; t < g->n_tasks; t++) {
		for (uint32_t k = 0; k < g->counts[t]; k++, edge++) {
			cr_assert_lt(g->inputs[edge], t, "%s: task %zu", name, t);
			for (uint32_t i = 1; i <= k && g->counts[t] < 100; i++)
				cr_assert_neq(g->inputs[edge], g->inputs[edge - i], "%s: task %zu", name, t);
		}
	}
	cr_assert_eq(edge, g->n_edges, "%s", name);
}

/* Tasks nobody takes the result of. */
static size_t n_ends(const struct graph *g)
{
	char *is_taken = calloc(g->n_tasks, 1);
	size_t n = 0;

	for (size_t e = 0; e < g->n_edges; e++)
		is_taken[g->inputs[e]] = 1;
	for (size_t t = 0; t < g->n_tasks; t++)
		n += !is_taken[t];
	free(is_taken);
	return n;
}

Test(graphs, have_what_is_printed, .timeout = 30)
{
	struct graph g;

	for (const struct graph_printed *p = graphs_printed; p->name != NULL; p++) {
		cr_assert_eq(graph_make(p->name, &g), SC_OK, "%s: %zu tasks, %zu edges", p->name, g.n_tasks, g.n_edges);
		cr_expect_eq(g.n_tasks, p->n_tasks, "%s has %zu tasks", p->name, g.n_tasks);
		cr_expect_eq(g.n_edges, p->n_edges, "%s has %zu edges", p->name, g.n_edges);
		check_shape(p->name, &g);
		graph_fini(&g);
	}
}

/* Edges of the longest path. */
static uint32_t depth(const struct graph *g)
{
	uint32_t *at = calloc(g->n_tasks, sizeof(*at)), deepest = 0;
	size_t edge = 0;

	for (size_t t = 0; t < g->n_tasks; t++) {
		for (uint32_t k = 0; k < g->counts[t]; k++, edge++)
			at[t] = at[g->inputs[edge]] + 1 > at[t] ? at[g->inputs[edge]] + 1 : at[t];
		deepest = at[t] > deepest ? at[t] : deepest;
	}
	free(at);
	return deepest;
}

/* Of numpy and groupby, and of the larger join, it is one or two off what is printed; their numbers are not. */
Test(graphs, are_as_deep_as_is_printed, .timeout = 30)
{
	static const struct {
		const char *name;
		uint32_t longest_path;
	} printed[] = {{"merge-10k", 1},  {"merge_slow-5k-0.1", 1}, {"tree-15", 14},	    {"bag-25k-10", 6},
		       {"bag-25k-50", 7}, {"bag-25k-100", 8},	    {"bag-25k-200", 9},	    {"join-1-1s-1h", 5},
		       {"xarray-25", 10}, {"xarray-5", 10},	    {"wordbag-100k-50", 2}, {"vectorizer-1m-300", 0}};
	struct graph g;

	for (size_t i = 0; i < sizeof(printed) / sizeof(printed[0]); i++) {
		cr_assert_eq(graph_make(printed[i].name, &g), SC_OK, "%s", printed[i].name);
		cr_expect_eq(depth(&g), printed[i].longest_path, "%s: %u", printed[i].name, depth(&g));
		graph_fini(&g);
	}
}

/* Any size of chunks: each ends in its last step, all in what closes, and 47 pieces of the index in themselves. */
Test(graphs, xarray_of_any_chunks)
{
	static const struct {
		const char *name;
		size_t n_chunks;
	} of[] = {{"xarray-1", 1325}, {"xarray-5", 55}, {"xarray-24", 6},
		  {"xarray-25", 3},   {"xarray-53", 1}, {"xarray-1m", 1}};
	struct graph g;

	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		cr_assert_eq(graph_make(of[i].name, &g), SC_OK, "%s", of[i].name);
		cr_expect_eq(n_ends(&g), of[i].n_chunks + 48, "%s has %zu ends", of[i].name, n_ends(&g));
		check_shape(of[i].name, &g);
		graph_fini(&g);
	}
}

Test(graphs, end_in_one_task_where_they_are_reductions)
{
	static const char *const names[] = {"merge-10",	   "tree-5",	   "bag-1k-20",
					    "numpy-1k-10", "join-1-1s-1h", "join-1-1s-1t"};
	struct graph g;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		cr_assert_eq(graph_make(names[i], &g), SC_OK, "%s", names[i]);
		if (i < 5) /* the last one has lanes that nothing comes from */
			cr_expect_eq(n_ends(&g), 1, "%s has %zu ends", names[i], n_ends(&g));
		graph_fini(&g);
	}
}

Test(graphs, of_any_size)
{
	struct graph g;

	cr_assert_eq(graph_make("independent-1m", &g), SC_OK);
	cr_expect_eq(g.n_tasks, 1000000);
	cr_expect_eq(g.n_edges, 0);
	graph_fini(&g);
	cr_assert_eq(graph_make("merge_slow-10-20ms", &g), SC_OK);
	cr_expect_eq(g.groups[0].sleep_us, 20000);
	cr_expect_eq(g.groups[1].sleep_us, 0);
	graph_fini(&g);
	cr_assert_eq(graph_make("groupby-1-1s-12h", &g), SC_OK);
	check_shape("groupby-1-1s-12h", &g);
	graph_fini(&g);
}

Test(graphs, names_there_are_not)
{
	static const char *const names[] = {"",
					    "merge",
					    "merge-",
					    "merge-0",
					    "merge-x",
					    "tree-40",
					    "numpy-50k-5",
					    "groupby-1-1s-24h",
					    "join-1-1s-1y",
					    "merge-1-1",
					    "xarray-0",
					    "xarray-1-1",
					    "nothing-10",
					    "merge-100000000000000000000k"};
	struct graph g;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		cr_expect_eq(graph_make(names[i], &g), SC_INVALID, "%s", names[i]);
		graph_fini(&g);
	}
}
