/* choices.c - what tasks ask for, with real agents: alternatives, labels, memory, units of a resource, gangs. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "tests/support/cluster.h"

static struct cluster *c;

static void start(void)
{
	c = cluster_start(&(struct cluster_spec){.n_workers = 0, .slots = 4});
}

static void stop(void)
{
	cluster_stop(c);
}

TestSuite(choices, .init = start, .fini = stop, .timeout = 60);

#define CTL(...)    cluster_ctl_ok(c, __VA_ARGS__, NULL)
#define WORKER(...) ((const char *const[]){__VA_ARGS__, NULL})

/* How many tasks a worker has ended. */
static json_int_t n_done(const char *name)
{
	char *text = CTL("--json", "worker", "list");
	json_t *o = json_loads(text, 0, NULL), *w;
	json_int_t n = -1;
	size_t i;

	json_array_foreach(json_object_get(o, "workers"), i, w)
	{
		if (strcmp(json_string_value(json_object_get(w, "name")), name) == 0)
			n = json_integer_value(json_object_get(w, "done"));
	}
	json_decref(o);
	mem_free(text);
	return n;
}

static void prints(const char *expected, char *found)
{
	cr_expect_str_eq(found, expected);
	mem_free(found);
}

Test(choices, the_first_alternative_that_fits)
{
	cluster_worker_start(c, 0, NULL);
	mem_free(CTL("submit", "--wait", "--resource", "gpu=1", "--alternative", "cpus=3", "--", "sh", "-c",
		     "echo $SCHED_CPUS ${SCHED_RESOURCE_GPU-none}"));
	prints("3 none\n", CTL("job", "cat", "last"));
	cluster_worker_start(c, 1, WORKER("--resource", "gpu=1"));
	mem_free(CTL("submit", "--wait", "--resource", "gpu=1", "--alternative", "cpus=3", "--", "sh", "-c",
		     "echo $SCHED_CPUS ${SCHED_RESOURCE_GPU-none}"));
	prints("1 1\n", CTL("job", "cat", "last"));
	cr_expect_eq(n_done("w2"), 1);
}

Test(choices, labels)
{
	cluster_worker_start(c, 0, WORKER("--label", "zone=a"));
	cluster_worker_start(c, 1, WORKER("--label", "zone=b", "--label", "disk=ssd"));
	mem_free(CTL("submit", "--wait", "--array", "0-9", "--label", "zone=b", "--", "true"));
	cr_expect_eq(n_done("w2"), 10);
	mem_free(CTL("submit", "--wait", "--prefer", "zone=a", "--", "true"));
	cr_expect_eq(n_done("w1"), 1);
	mem_free(CTL("submit", "--label", "zone=c", "--", "true"));
	cluster_until(c, "ready", 10000, "task", "list", "last", NULL);
	mem_free(CTL("job", "cancel", "last"));
}

/* Each task writes down which units it has while it runs; two that overlap in time must not overlap in units. */
Test(choices, units_belong_to_one_task_at_a_time)
{
	static const char script[] = "set -e; test \"$CUDA_VISIBLE_DEVICES\" = \"$SCHED_RESOURCE_GPU_IDS\"; "
				     "for u in $(echo $CUDA_VISIBLE_DEVICES | tr , ' '); do mkdir unit-$u; done; "
				     "for u in $(echo $CUDA_VISIBLE_DEVICES | tr , ' '); do rmdir unit-$u; done; "
				     "echo $CUDA_VISIBLE_DEVICES | tr -cd , | wc -c | tr -d ' '";

	cluster_worker_start(c, 0, WORKER("--resource", "gpu=[0,1,2,GPU-7f]"));
	mem_free(CTL("submit", "--wait", "--array", "0-39", "--cpus", "0.1", "--resource", "gpu=2", "--", "sh", "-c",
		     script));
	mem_free(CTL("submit", "--wait", "--cpus", "0", "--resource", "gpu=4", "--", "sh", "-c",
		     "echo $CUDA_VISIBLE_DEVICES $SCHED_RESOURCE_GPU"));
	prints("0,1,2,GPU-7f 4\n", CTL("job", "cat", "last"));
	mem_free(CTL("submit", "--wait", "--resource", "gpu=0.5", "--", "sh", "-c", "echo $SCHED_RESOURCE_GPU_IDS"));
	prints("0\n", CTL("job", "cat", "last"));
}

/* A graph that calls a function of the probe with one argument, for each number of a range. */
static void run_calls(const char *function, const char *range, const char *argument, const char *takes)
{
	char text[2048];
	char *graph;

	snprintf(text, sizeof(text),
		 "tasks:\n  has:\n    foreach: %s\n    cpus: 0.5\n    resources: {%s}\n"
		 "    call: {module: %s/modules/probe.so, function: %s, args: [%s]}\n",
		 range, takes, getenv("SCHED_TESTS"), function, argument);
	graph = cluster_file(c, "calls.yaml", text);
	mem_free(CTL("run", graph));
	mem_free(graph);
}

/* Functions are told as well: two that are known to run at the same time, then many. */
Test(choices, functions_are_told_their_units)
{
	char pipe_path[1024], one[64], two[64];
	char *out;

	cluster_worker_start(c, 0, WORKER("--resource", "gpu=[0,1,2,GPU-7f]"));
	snprintf(pipe_path, sizeof(pipe_path), "%s/pipe", c->dir);
	cr_assert_eq(mkfifo(pipe_path, 0600), 0);
	run_calls("meets", "0-1", pipe_path, "gpu: 2");
	out = CTL("job", "cat", "last");
	cr_assert_eq(sscanf(out, "0.5 2 %60s\n0.5 2 %60s\n", one, two), 2, "%s", out);
	mem_free(out);
	cr_expect((strcmp(one, "0,1") == 0 && strcmp(two, "2,GPU-7f") == 0) ||
			  (strcmp(one, "2,GPU-7f") == 0 && strcmp(two, "0,1") == 0),
		  "%s and %s", one, two);
	run_calls("meets", "0-1", pipe_path, "gpu: 0.5");
	prints("0.5 0.5 0\n0.5 0.5 0\n", CTL("job", "cat", "last"));
	run_calls("holds", "0-199", c->dir, "gpu: 1");
	run_calls("holds", "0-0", c->dir, "gpu: 4");
	prints("0.5 4 0,1,2,GPU-7f\n", CTL("job", "cat", "last"));
}

/* Two that take 600 MB each cannot both be there: the directory would exist already. */
Test(choices, memory_is_shared_out)
{
	cluster_worker_start(c, 0, WORKER("--memory-limit", "1GB"));
	mem_free(CTL("submit", "--wait", "--array", "0-19", "--memory", "600MB", "--", "sh", "-c",
		     "mkdir alone && rmdir alone && test $SCHED_RESOURCE_MEMORY = 600000000"));
}

/* Two gangs of two on two workers of one slot: each could take one and wait for the other. */
Test(choices, gangs_start_together)
{
	static const char *const one[] = {"--slots", "1", NULL};
	static const char meet[] = "touch $SCHED_JOB_ID-$SCHED_INDEX; "
				   "while test ! -e $SCHED_JOB_ID-$((1 - SCHED_INDEX)); do sleep 0.01; done";
	char *ids[4];

	cluster_worker_start(c, 0, one);
	cluster_worker_start(c, 1, one);
	for (int i = 0; i < 4; i++) {
		json_t *o;
		char *text = CTL("--json", "submit", "--gang", "--array", "0-1", "--", "sh", "-c", meet), id[24];

		o = json_loads(text, 0, NULL);
		snprintf(id, sizeof(id), "%lld", (long long)json_integer_value(json_object_get(o, "job")));
		ids[i] = mem_strdup(id);
		json_decref(o);
		mem_free(text);
	}
	for (int i = 0; i < 4; i++) {
		mem_free(CTL("job", "wait", "--timeout", "30s", ids[i]));
		mem_free(ids[i]);
	}
}

/* The first ends at once, the second fails when that is known: both run again, and only then what takes from them. */
Test(choices, a_gang_runs_again_as_a_whole)
{
	char *graph = cluster_file(
		c, "gang.yaml",
		"name: again\ntasks:\n  g:\n    foreach: 0-1\n    gang: true\n    retries: 1\n"
		"    run: |\n"
		"      echo run >> ran.{index}\n"
		"      test {attempt} -gt 0 && exec echo second\n"
		"      test {index} -eq 0 && exec echo first\n"
		"      while test ! -e fail; do sleep 0.01; done\n"
		"      exit 1\n"
		"  all:\n    inputs: [g]\n    stdin: g\n    run: cat\n"
		"  one:\n    inputs: [{task: g, each: true}]\n    foreach: 0-1\n    run: cat $SCHED_INPUTS/*\n");
	struct proc *run;

	cluster_worker_start(c, 0, NULL);
	cluster_worker_start(c, 1, NULL);
	run = cluster_ctl_start(c, "run", "--no-progress", graph, NULL);
	cluster_until(c, "\"done\": 1", PROC_DEADLINE_MS, "--json", "job", "show", "1", NULL);
	prints("one-0: waits for 1 of its 1 inputs: g-0 (done, not all of its gang)\nlast change: submitted\n",
	       CTL("task", "explain", "1", "one-0"));
	mem_free(cluster_file(c, "fail", ""));
	cr_assert_eq(proc_wait_exit(run, PROC_DEADLINE_MS), 0, "%s", proc_stderr(run));
	proc_free(run);
	prints("second\nsecond\n", CTL("job", "cat", "1", "--task", "all"));
	prints("second\n", CTL("job", "cat", "1", "--task", "one-0"));
	for (int i = 0; i < 2; i++) {
		char path[4200];

		snprintf(path, sizeof(path), "%s/ran.%d", c->dir, i);
		prints("run\nrun\n", file_read(path, NULL));
	}
	mem_free(graph);
}

Test(choices, a_graph_says_the_same)
{
	char *graph = cluster_file(c, "g.yaml",
				   "tasks:\n"
				   "  a:\n    run: echo ${SCHED_CPUS-0} $SCHED_RESOURCE_GPU_IDS\n"
				   "    cpus: 8\n    labels: {zone: a}\n"
				   "    alternatives: [{gpu: 2, cpus: 0}, {cpus: 4}]\n"
				   "  b:\n    foreach: 0-1\n    run: hostname\n    gang: true\n    prefer: {zone: b}\n"
				   "    memory: 1MiB\n");

	cluster_worker_start(c, 0, WORKER("--label", "zone=a", "--resource", "gpu=[x,y]"));
	cluster_worker_start(c, 1, WORKER("--label", "zone=b"));
	mem_free(CTL("run", graph));
	prints("0 x,y\n", CTL("job", "cat", "last", "--task", "a"));
	mem_free(graph);
}

Test(choices, mistakes_are_named)
{
	static const struct {
		const char *option, *value, *says;
	} rows[] = {
		{"--memory", "lots", "like 512MiB"},	  {"--label", "zone", "KEY=VALUE"},
		{"--alternative", "cpus", "NAME=AMOUNT"}, {"--resource", "memory=1", "--memory"},
		{"--prefer", "a=b|c", "without , and |"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct run r = cluster_ctl(c, "submit", rows[i].option, rows[i].value, "--", "true", NULL);

		cr_expect_eq(r.status, 2, "%s", rows[i].option);
		cr_expect(strstr(r.err, rows[i].says) != NULL, "%s: %s", rows[i].option, r.err);
		run_free(&r);
	}
}
