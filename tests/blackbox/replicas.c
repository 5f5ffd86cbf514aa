/*
 * replicas.c - results of real workers: lost in the middle of a graph, moved away from one that drains; and agents that
 * are short of memory.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "tests/support/cluster.h"

#define PARTS	   10
#define PART_TASKS 1000

static struct cluster *c;

static void stop(void)
{
	cluster_stop(c);
}

TestSuite(replicas, .fini = stop);

static void has(char *text, const char *wanted)
{
	cr_assert_not_null(strstr(text, wanted), "'%s' is not in:\n%s", wanted, text);
	mem_free(text);
}

static void has_not(char *text, const char *unwanted)
{
	cr_assert_null(strstr(text, unwanted), "'%s' is in:\n%s", unwanted, text);
	mem_free(text);
}

/* What nothing waits for begins to be waited for. */
static void open_gate(void)
{
	mem_free(cluster_file(c, "gate", ""));
}

/* 10,000 tasks that make data, joins of a thousand each that wait for the gate, and one of all. */
static char *graph_file(void)
{
	struct buf b;
	char *path;

	buf_init(&b, 0);
	buf_printf(&b,
		   "name: graph\ntasks:\n"
		   "  gate:\n    run: \"while [ ! -e %s/gate ]; do sleep 0.01; done; echo open\"\n",
		   c->dir);
	for (int i = 0; i < PARTS; i++)
		buf_printf(&b,
			   "  a%d:\n    foreach: 0-%d\n    call: {module: %s/modules/probe.so, function: echo, "
			   "args: [\"part %d item {index};\"]}\n"
			   "  j%d:\n    inputs: [gate, a%d]\n    stdin: a%d\n    run: \"cat\"\n",
			   i, PART_TASKS - 1, getenv("SCHED_TESTS"), i, i, i, i);
	buf_printf(&b, "  all:\n    inputs: [j0, j1, j2, j3, j4, j5, j6, j7, j8, j9]\n"
		       "    run: \"cat $SCHED_INPUTS/j*\"\n    output: result.txt\n");
	path = cluster_file(c, "graph.yaml", buf_str(&b));
	buf_fini(&b);
	return path;
}

/* The result of the graph; the caller frees it. */
static char *run_graph(int kill_one, size_t *n)
{
	char *graph = graph_file(), path[4200], *result;
	struct proc *ctl = cluster_ctl_start(c, "run", "--no-progress", graph, NULL);

	cluster_until(c, "\"done\": 10000", PROC_DEADLINE_MS, "--json", "job", "show", "1", NULL);
	if (kill_one)
		cluster_worker_kill(c, 0);
	open_gate();
	cr_assert_eq(proc_wait_exit(ctl, 2 * PROC_DEADLINE_MS), 0, "%s", proc_stderr(ctl));
	proc_free(ctl);
	snprintf(path, sizeof(path), "%s/result.txt", c->dir);
	result = file_read(path, n);
	cr_assert_not_null(result);
	mem_free(graph);
	return result;
}

Test(replicas, a_worker_with_sole_results_is_killed_in_the_middle_of_a_graph)
{
	char *disturbed, *undisturbed;
	size_t n, m;

	c = cluster_start(&(struct cluster_spec){.n_workers = 2, .slots = 2});
	undisturbed = run_graph(0, &m);
	cluster_stop(c);
	c = cluster_start(&(struct cluster_spec){.n_workers = 2, .slots = 2});
	disturbed = run_graph(1, &n);
	cr_assert_eq(n, m);
	cr_assert_gt(n, PARTS * PART_TASKS * 10);
	cr_assert_eq(memcmp(disturbed, undisturbed, n), 0);
	mem_free(disturbed);
	mem_free(undisturbed);
}

Test(replicas, what_a_drained_worker_held_is_not_computed_again)
{
	c = cluster_start(&(struct cluster_spec){.n_workers = 2, .slots = 2});
	mem_free(cluster_ctl_ok(c, "submit", "--wait", "--array", "0-19", "--", "sh", "-c",
				"head -c 200000 /dev/zero | tr '\\0' x; echo $SCHED_INDEX; echo error $SCHED_INDEX >&2",
				NULL));
	mem_free(cluster_ctl_ok(c, "worker", "drain", "--wait", "w1", NULL));
	has(cluster_ctl_ok(c, "--json", "worker", "list", NULL), "\"drained\": true");
	mem_free(cluster_ctl_ok(c, "worker", "stop", "w1", NULL));
	cr_assert_eq(proc_wait_exit(c->workers[0], PROC_DEADLINE_MS), 0);
	proc_free(c->workers[0]);
	c->workers[0] = NULL;
	has(cluster_ctl_ok(c, "job", "cat", "1", NULL), "x19\n");
	has(cluster_ctl_ok(c, "job", "cat", "--stderr", "1", NULL), "error 0\n");
	has_not(cluster_ctl_ok(c, "--json", "task", "list", "1", NULL), "\"attempts\": 2");
	has_not(cluster_ctl_ok(c, "--json", "task", "list", "1", NULL), "\"state\": \"released\"");
}

/* A task takes more than the agent may: what else is there waits, at the scheduler, until it has ended. */
Test(replicas, a_worker_short_of_memory_pauses)
{
	static const char *const args[] = {"--memory-limit", "100MiB", NULL};
	struct proc *ctl;

	c = cluster_start(&(struct cluster_spec){.n_workers = 0});
	cluster_worker_start(c, 0, args);
	ctl = cluster_ctl_start(c, "submit", "--wait", "--", "sh", "-c",
				"dd if=/dev/zero bs=120M count=1 | (while [ ! -e gate ]; do sleep 0.01; done; wc -c)",
				NULL);
	cluster_until(c, "paused", PROC_DEADLINE_MS, "worker", "list", NULL);
	mem_free(cluster_ctl_ok(c, "submit", "--", "true", NULL));
	has(cluster_ctl_ok(c, "task", "explain", "2", "0", NULL), "is paused");
	open_gate();
	cr_assert_eq(proc_wait_exit(ctl, PROC_DEADLINE_MS), 0, "%s", proc_stderr(ctl));
	proc_free(ctl);
	mem_free(cluster_ctl_ok(c, "job", "wait", "2", NULL));
	cluster_until(c, "active", PROC_DEADLINE_MS, "worker", "list", NULL);
}
