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

Test(replicas, who_waits_for_a_drain_is_told_what_for)
{
	struct proc *people, *program;

	c = cluster_start(&(struct cluster_spec){.n_workers = 1, .slots = 2});
	mem_free(cluster_ctl_ok(c, "submit", "--wait", "--array", "0-2", "--", "echo", "kept", NULL));
	mem_free(cluster_ctl_ok(c, "submit", "--", "sh", "-c", "while [ ! -e gate ]; do sleep 0.01; done", NULL));
	cluster_until(c, "running   1", PROC_DEADLINE_MS, "job", "show", "last", NULL);
	people = cluster_ctl_start(c, "worker", "drain", "--wait", "w1", NULL);
	program = cluster_ctl_start(c, "--json", "worker", "drain", "--wait", "w1", NULL);
	proc_wait_log(people,
		      "w1 waits for 1 task to end, and for 3 results to be taken by others; but no other worker", 0,
		      PROC_DEADLINE_MS);
	has(mem_strdup(proc_wait_line(program,
				      "{\"name\":\"w1\",\"assigned\":1,\"held\":3,\"drained\":false,"
				      "\"stuck\":true,\"waits\":",
				      PROC_DEADLINE_MS)),
	    "no other worker that takes tasks");
	open_gate();
	proc_wait_log(people, "w1 waits for 3 results to be taken by others; but no", 0, PROC_DEADLINE_MS);
	cluster_worker_start(c, 1, NULL);
	cr_assert_eq(proc_wait_exit(people, PROC_DEADLINE_MS), 0, "%s", proc_stderr(people));
	cr_assert_eq(proc_wait_exit(program, PROC_DEADLINE_MS), 0, "%s", proc_stderr(program));
	has(mem_strdup(proc_stdout(people, NULL)), "w1 is drained\n");
	has(mem_strdup(proc_stdout(program, NULL)), "\n{\"ok\":true}\n");
	proc_free(people);
	proc_free(program);
}

Test(replicas, a_drain_that_is_undone_is_not_waited_for)
{
	struct proc *ctl;

	c = cluster_start(&(struct cluster_spec){.n_workers = 1});
	mem_free(cluster_ctl_ok(c, "submit", "--wait", "--", "echo", "kept", NULL));
	ctl = cluster_ctl_start(c, "worker", "drain", "--wait", "w1", NULL);
	proc_wait_log(ctl, "no other worker", 0, PROC_DEADLINE_MS);
	mem_free(cluster_ctl_ok(c, "worker", "drain", "--undo", "w1", NULL));
	cr_assert_eq(proc_wait_exit(ctl, PROC_DEADLINE_MS), 1, "%s", proc_stderr(ctl));
	cr_assert_not_null(strstr(proc_stderr(ctl), "somebody has undone the drain"), "%s", proc_stderr(ctl));
	proc_free(ctl);
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
