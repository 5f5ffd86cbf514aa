/* sharing.c - results of agents on one machine: given as a second name of a file, or copied where that is not to be. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "tests/support/cluster.h"

static struct cluster *c;

static void stop(void)
{
	cluster_stop(c);
}

TestSuite(sharing, .fini = stop);

static void start(const char *const *left_args, const char *const *right_args)
{
	c = cluster_start(&(struct cluster_spec){.n_workers = 0});
	cluster_worker_start(c, 0, left_args);
	cluster_worker_start(c, 1, right_args);
}

/* A result of 300,000 bytes is made at the left; at the right, how many names its file has, and what is in it. */
static void run_graph(char out[200])
{
	char *graph = cluster_file(
		     c, "graph.yaml",
		     "name: graph\ntasks:\n"
		     "  make:\n    resources: {left: 1}\n    run: \"head -c 300000 /dev/zero | tr '\\\\0' x\"\n"
		     "  take:\n    inputs: [make]\n    resources: {right: 1}\n"
		     "    run: \"stat -Lc %h $SCHED_INPUTS/make; cat $SCHED_INPUTS/make | md5sum\"\n"
		     "    output: took.txt\n"),
	     *made, path[4200];

	mem_free(cluster_ctl_ok(c, "run", "--no-progress", graph, NULL));
	mem_free(graph);
	snprintf(path, sizeof(path), "%s/took.txt", c->dir);
	made = file_read(path, NULL);
	cr_assert_not_null(made);
	snprintf(out, 200, "%s", made);
	mem_free(made);
}

static const char *const left[] = {"--resource", "left=1", NULL}, *const right[] = {"--resource", "right=1", NULL};

/* The same bytes, whatever way they came. */
static void expect_bytes(const char *out)
{
	static const char *const args[] = {"-c", "head -c 300000 /dev/zero | tr '\\0' x | md5sum", NULL};
	struct run r = run_program(&(struct proc_spec){.program = "sh", .args = args}, PROC_DEADLINE_MS);

	cr_assert_eq(r.status, 0);
	cr_assert_gt(strlen(r.out), 32);
	cr_assert_not_null(strstr(out, r.out), "'%s' is not in '%s'", r.out, out);
	run_free(&r);
}

/* The names: that of the left, that of the right, and the one in the directory of inputs. */
Test(sharing, a_file_gets_a_second_name)
{
	char out[200];

	start(left, right);
	run_graph(out);
	cr_assert_eq(out[0], '0' + 3, "%s", out);
	expect_bytes(out);
}

/* Nobody is left who could make it again: what the last task reads is what the right has a name for. */
Test(sharing, it_outlives_the_worker_that_made_it)
{
	char *graph, *text, path[4200];
	struct proc *ctl;
	struct buf b;

	start(left, right);
	buf_init(&b, 0);
	buf_printf(&b,
		   "name: graph\ntasks:\n"
		   "  make:\n    resources: {left: 1}\n    run: \"head -c 300000 /dev/zero | tr '\\\\0' x\"\n"
		   "  take:\n    inputs: [make]\n    resources: {right: 1}\n    run: \"echo taken\"\n"
		   "  gate:\n    inputs: [take]\n    run: \"while [ ! -e %s/gate ]; do sleep 0.01; done\"\n"
		   "    resources: {right: 1}\n"
		   "  again:\n    inputs: [make, gate]\n    resources: {right: 1}\n    stdin: make\n"
		   "    run: \"md5sum\"\n    output: again.txt\n",
		   c->dir);
	graph = cluster_file(c, "graph.yaml", buf_str(&b));
	buf_fini(&b);
	ctl = cluster_ctl_start(c, "run", "--no-progress", graph, NULL);
	cluster_until(c, "\"done\": 2", PROC_DEADLINE_MS, "--json", "job", "show", "1", NULL);
	cluster_worker_kill(c, 0);
	mem_free(cluster_file(c, "gate", ""));
	cr_assert_eq(proc_wait_exit(ctl, PROC_DEADLINE_MS), 0, "%s", proc_stderr(ctl));
	proc_free(ctl);
	snprintf(path, sizeof(path), "%s/again.txt", c->dir);
	text = file_read(path, NULL);
	cr_assert_not_null(text);
	expect_bytes(text);
	mem_free(text);
	mem_free(graph);
}

Test(sharing, nothing_is_shared_when_one_of_them_says_no)
{
	static const char *const no[] = {"--resource", "left=1", "--set", "worker.share-files=no", NULL};
	char out[200];

	start(no, right);
	run_graph(out);
	cr_assert_eq(out[0], '0' + 2, "%s", out);
	expect_bytes(out);
}

Test(sharing, spools_in_different_directories_are_not_shared)
{
	char dir[4200], *made, out[200];
	const char *args[] = {"--resource", "right=1", "--set", dir, NULL};

	c = cluster_start(&(struct cluster_spec){.n_workers = 0});
	made = dir_new();
	snprintf(dir, sizeof(dir), "worker.spool-dir=%s", made);
	cluster_worker_start(c, 0, left);
	cluster_worker_start(c, 1, args);
	run_graph(out);
	cr_assert_eq(out[0], '0' + 2, "%s", out);
	expect_bytes(out);
	cluster_worker_kill(c, 1);
	dir_remove(made);
	mem_free(made);
}

/* At either worker: what a task has written into is made again for the next one, and not taken for the result. */
Test(sharing, what_a_task_writes_into_its_input_is_nobodys_result)
{
	char *graph, *text, path[4200];

	start(left, right);
	graph = cluster_file(c, "graph.yaml",
			     "name: graph\ntasks:\n"
			     "  make:\n    resources: {left: 1}\n    run: \"head -c 300000 /dev/zero | tr '\\\\0' x\"\n"
			     "  spoil:\n    inputs: [make]\n    resources: {right: 1}\n"
			     "    run: \"echo spoilt >> $SCHED_INPUTS/make\"\n"
			     "  here:\n    inputs: [make, spoil]\n    resources: {right: 1}\n    stdin: make\n"
			     "    run: md5sum\n    output: here.txt\n"
			     "  there:\n    inputs: [make, spoil]\n    resources: {left: 1}\n    stdin: make\n"
			     "    run: md5sum\n    output: there.txt\n");
	mem_free(cluster_ctl_ok(c, "run", "--no-progress", graph, NULL));
	mem_free(graph);
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s.txt", c->dir, i == 0 ? "here" : "there");
		text = file_read(path, NULL);
		cr_assert_not_null(text);
		expect_bytes(text);
		mem_free(text);
	}
}
