/* million.c - a graph of a million tasks with data, through real agents, to the right result. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/support/cluster.h"

/* Of each of the two large groups; with the two tasks behind them, a million.  With a check after every turn: fewer. */
#ifdef DEBUG_CHECKS
#define N 4999ull
#else
#define N 499999ull
#endif
#define DEADLINE_MS 120000

/* Numbers, each doubled by a task of its own, their sum, and a program that is given it. */
static char *graph_file(struct cluster *c)
{
	static const char format[] = "name: million\n"
				     "tasks:\n"
				     "  number:\n"
				     "    foreach: 1-%llu\n"
				     "    call: {module: %s, function: number}\n"
				     "  twice:\n"
				     "    foreach: 1-%llu\n"
				     "    inputs: [{task: number, each: true}]\n"
				     "    call: {module: %s, function: twice}\n"
				     "  total:\n"
				     "    inputs: [twice]\n"
				     "    call: {module: %s, function: adds}\n"
				     "  report:\n"
				     "    inputs: [total]\n"
				     "    stdin: total\n"
				     "    run: [cat]\n"
				     "    output: total.txt\n";
	char text[8192], module[1024];

	snprintf(module, sizeof(module), "%s/modules/probe.so", getenv("SCHED_TESTS"));
	snprintf(text, sizeof(text), format, N, module, N, module, module);
	return cluster_file(c, "million.yaml", text);
}

Test(million, tasks_with_data_give_the_right_sum, .timeout = 150)
{
	struct cluster *c = cluster_start(&(struct cluster_spec){.n_workers = 2, .slots = 1});
	char *graph = graph_file(c), *total, path[4200], expected[32];
	struct run r =
		run_program(&(struct proc_spec){.program = "schedctl",
						.args = (const char *const[]){"--access-file", c->access_file, "run",
									      "--no-progress", graph, NULL},
						.cwd = c->dir},
			    DEADLINE_MS);

	cr_assert_eq(r.status, 0, "%s", r.err);
	run_free(&r);
	snprintf(path, sizeof(path), "%s/total.txt", c->dir);
	snprintf(expected, sizeof(expected), "%llu", N * (N + 1));
	total = file_read(path, NULL);
	cr_assert_not_null(total);
	cr_assert_str_eq(total, expected);
	mem_free(total);
	mem_free(graph);
	cluster_stop(c);
}
