/* graph.c - graph files: what is made of them, and every mistake with its line. */
#include "client/ctl/graph.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/ctl/graph_job.h"

/* In a directory of its own, with three files to run over. */
struct place {
	char dir[64];
	char before[4096];
};

static void enter(struct place *p)
{
	static const char *const files[] = {"t/b.txt", "t/a.txt", "t/c.dat"};

	snprintf(p->dir, sizeof(p->dir), "/tmp/sched-graph-test-XXXXXX");
	cr_assert(mkdtemp(p->dir) != NULL && getcwd(p->before, sizeof(p->before)) != NULL && chdir(p->dir) == 0);
	cr_assert(mkdir("t", 0700) == 0 && mkdir("t/d.txt", 0700) == 0 && symlink("a.txt", "t/l.txt") == 0);
	cr_assert(symlink("nowhere", "t/x.txt") == 0);
	for (size_t i = 0; i < 3; i++) {
		FILE *f = fopen(files[i], "w");

		fputs("one\n\ntwo", f);
		fclose(f);
	}
}

static void leave(const struct place *p)
{
	static const char *const names[] = {"t/b.txt", "t/a.txt", "t/c.dat", "t/l.txt", "t/x.txt", "g.yaml"};

	for (size_t i = 0; i < 6; i++)
		unlink(names[i]);
	rmdir("t/d.txt");
	rmdir("t");
	cr_assert(chdir(p->before) == 0);
	rmdir(p->dir);
}

static sc_err load(const char *text, struct graph **g, char *error, size_t cap)
{
	FILE *f = fopen("g.yaml", "w");
	struct buf said;
	sc_err err;

	fputs(text, f);
	fclose(f);
	buf_init(&said, 0);
	err = graph_load("g.yaml", g, &said);
	snprintf(error, cap, "%s", buf_str(&said));
	buf_fini(&said);
	return err;
}

static struct graph *load_good(const char *text)
{
	struct graph *g;
	char error[1024];

	cr_assert_eq(load(text, &g, error, sizeof(error)), SC_OK, "%s", error);
	return g;
}

Test(graph, what_a_task_takes_is_one_text)
{
	struct place p;
	struct graph *g;

	enter(&p);
	g = load_good("tasks:\n"
		      "  a: {run: x, resources: {gpu: 2}, labels: {zone: a}, prefer: {kind: fast, disk: ssd},\n"
		      "      alternatives: [{cpus: 8, memory: 2GiB}, {fpga: 1}]}\n"
		      "  b: {run: x, foreach: 0-3, gang: true, memory: 512MiB}\n"
		      "  c: {run: x}\n"
		      "  d: {run: x, labels: {zone: b}}\n");
	cr_expect_str_eq(g->tasks[0].resources, "cpus=1,gpu=2,label:zone=a,prefer:kind=fast,prefer:disk=ssd"
						"|cpus=8,memory=2GiB,label:zone=a,prefer:kind=fast,prefer:disk=ssd"
						"|cpus=1,fpga=1,label:zone=a,prefer:kind=fast,prefer:disk=ssd");
	cr_expect_str_eq(g->tasks[1].resources, "cpus=1,memory=512MiB");
	cr_expect(g->tasks[1].gang && !g->tasks[0].gang);
	cr_expect_null(g->tasks[2].resources);
	cr_expect_str_eq(g->tasks[3].resources, "cpus=1,label:zone=b");
	graph_free(g);
	leave(&p);
}

Test(graph, every_key_is_read)
{
	struct place p;
	struct graph *g;
	const struct graph_task *t;

	enter(&p);
	g = load_good("name: n\nnamespace: ns\npriority: -3\ntasks:\n"
		      "  a: {foreach: 't/*.txt', run: 'echo {item}', keep: true}\n"
		      "  b:\n    inputs: a\n    stdin: a\n    run: [cat, -n]\n    cpus: 0.5\n    resources: {gpu: 2, "
		      "mem: 1}\n"
		      "    retries: 3\n    time-limit: 1.5h\n    env: {A: x, B: ''}\n    cwd: sub\n    priority: 7\n"
		      "    output: 'o/{job}.txt'\n    stderr: err.txt\n"
		      "  c: {foreach: 5-9:2, inputs: [{task: b}], sleep: 200ms}\n"
		      "  d: {foreach: {range: 0-2}, inputs: [{task: c, each: true}], noop: true}\n"
		      "  e: {foreach: [x, y], call: {module: t/c.dat, function: f, args: [1, '{item}']}}\n"
		      "  f: {foreach: {lines: t/a.txt}, run: 'true', stdin-file: in.txt, stdout: '{index}.txt'}\n");
	cr_expect_str_eq(g->name, "n");
	cr_expect_str_eq(g->name_space, "ns");
	cr_expect_eq(g->priority, -3);
	cr_assert_eq(g->n_tasks, 6u);
	t = &g->tasks[0];
	cr_assert_eq(t->n_items, 3u, "two files and a link; a directory and a dangling link are not files");
	cr_expect_str_eq(t->items[0].p, "t/a.txt");
	cr_expect_str_eq(t->items[2].p, "t/l.txt");
	cr_expect(t->keep && !t->is_sink);
	t = &g->tasks[1];
	cr_expect_str_eq(t->argv[1], "-n");
	cr_expect_str_eq(t->resources, "cpus=0.5,gpu=2,mem=1");
	cr_expect(t->retries == 3 && t->time_limit_us == 5400000000u && t->priority == 7);
	cr_expect_str_eq(t->env[0], "A=x");
	cr_expect_str_eq(t->env[1], "B=");
	cr_expect_eq(t->stdin_task, 1u);
	t = &g->tasks[2];
	cr_expect(t->range.first == 5 && t->range.count == 3 && t->sleep_us == 200000);
	cr_expect(g->tasks[3].inputs[0].each && g->tasks[3].is_sink);
	t = &g->tasks[4];
	cr_expect(t->module[0] == '/' && t->n_args == 2);
	cr_expect_eq(g->tasks[5].n_items, 3u, "an empty line is a line");
	graph_free(g);
	leave(&p);
}

Test(graph, becomes_a_job)
{
	struct place p;
	struct graph *g;
	struct sc_job *job;
	char key[64];

	enter(&p);
	g = load_good("tasks:\n  a: {foreach: 5-9:2, run: 'true'}\n  b: {inputs: [a], stdin: a, run: cat}\n"
		      "  c: {foreach: 0-2, inputs: [{task: a, each: true}, b], run: 'true'}\n");
	cr_expect_str_eq(g->name, "g", "the name of the file");
	cr_assert_eq(graph_job_new(g, NULL, &job), SC_OK, "%s", sc_client_error_text(NULL));
	cr_expect_eq(sc_job_n_tasks(job), 7u);
	cr_expect_eq(sc_job_first_task(job, 2), 4u);
	cr_expect_str_eq(graph_key(&g->tasks[0], 2, key, sizeof(key)), "a-9");
	cr_expect_str_eq(graph_key(&g->tasks[1], 0, key, sizeof(key)), "b");
	sc_job_free(job);
	graph_free(g);
	leave(&p);
}

Test(graph, a_mistake_is_named_with_its_line)
{
	static const struct {
		const char *text, *error;
	} bad[] = {
		{"tasks:\n  a:\n    runn: x\n", "g.yaml:3: unknown key 'runn' in a task; did you mean 'run'?"},
		{"tasks:\n  a: {run: x}\nfoo: 1\n", "g.yaml:3: unknown key 'foo'; known: name"},
		{"name: n\n", "g.yaml:1: tasks is missing"},
		{"tasks: {}\n", "g.yaml:1: tasks: a map of tasks"},
		{"- a\n", "g.yaml:1: a map with the keys"},
		{"tasks:\n  a: 3\n", "g.yaml:2: task a: a map"},
		{"tasks:\n  a/b: {run: x}\n", "g.yaml:2: 'a/b' cannot be the name of a task; allowed"},
		{"tasks:\n  a: {run: x}\n  a: {run: y}\n", "g.yaml:3: 'a' is there already, in line 2"},
		{"tasks:\n  a: {cpus: 1}\n", "g.yaml:2: task a does nothing"},
		{"tasks:\n  a: {run: x, noop: true}\n", "g.yaml:2: task a: only one of"},
		{"tasks:\n  a: {run: []}\n", "g.yaml:2: run: a shell line"},
		{"tasks:\n  a: {sleep: 5 parsecs}\n", "g.yaml:2: sleep: '5 parsecs' is not allowed; a duration"},
		{"tasks:\n  a: {run: x, time-limit: 0s}\n", "longer than 0"},
		{"tasks:\n  a: {run: x, retries: -1}\n", "a whole number from 0 to 1000000"},
		{"tasks:\n  a: {run: x, cpus: lots}\n", "cpus: 'lots' is not an amount"},
		{"tasks:\n  a: {run: x, resources: {cpus: 1}}\n", "cpus is a key of its own"},
		{"tasks:\n  a: {run: x, resources: {memory: 1}}\n", "memory is a key of its own"},
		{"tasks:\n  a: {run: x, memory: lots}\n", "g.yaml:2: memory: 'lots' is not a size"},
		{"tasks:\n  a: {run: x, labels: [a]}\n", "{KEY: VALUE, ...}"},
		{"tasks:\n  a: {run: x, prefer: {a: 'x|y'}}\n", "without , and |"},
		{"tasks:\n  a: {run: x, alternatives: {cpus: 1}}\n", "[{cpus: 8, ...}, ...]"},
		{"tasks:\n  a: {run: x, alternatives: [{resources: {gpu: 1}}]}\n", "resources are named at once"},
		{"tasks:\n  a: {run: x, alternatives: [{labels: {zone: a}}]}\n", "labels are those of the task"},
		{"tasks:\n  a: {run: x, alternatives: [{a: 1}, {a: 2}, {a: 3}, {a: 4}]}\n", "at most 4 alternatives"},
		{"tasks:\n  a: {run: x, gang: maybe}\n", "true or false"},
		{"tasks:\n  a: {run: x, env: {'A=B': 1}}\n", "cannot be the name of a variable"},
		{"tasks:\n  a: {run: x, keep: maybe}\n", "true or false"},
		{"tasks:\n  a: {run: x, inputs: [b]}\n", "g.yaml:2: there is no task 'b' in this file"},
		{"tasks:\n  count: {run: x}\n  b: {run: x, inputs: [cuont]}\n", "did you mean 'count'?"},
		{"tasks:\n  a: {run: x}\n  b: {run: x, inputs: [a, a]}\n", "among its inputs already"},
		{"tasks:\n  a: {run: x}\n  b:\n    run: x\n    stdin: a\n",
		 "g.yaml:5: stdin: a is not among the inputs"},
		{"tasks:\n  a: {run: x}\n  b: {run: x, inputs: [{task: a, eech: true}]}\n", "known: task, each"},
		{"tasks:\n  a: {run: x, foreach: 0-1}\n  b: {run: x, inputs: [{task: a, each: true}]}\n",
		 "one to one needs two groups"},
		{"tasks:\n  a: {run: x, inputs: [b]}\n  b: {run: x, inputs: [a]}\n", "a -> b -> a"},
		{"tasks:\n  a: {run: x, inputs: [a]}\n", "a -> a"},
		{"tasks:\n  a: {run: x, foreach: 'none/*'}\n", "no file matches 'none/*'"},
		{"tasks:\n  a: {run: x, foreach: []}\n", "the list is empty"},
		{"tasks:\n  a: {run: x, foreach: {range: 9-0}}\n", "'9-0' is not a range"},
		{"tasks:\n  a: {run: x, foreach: {files: x}}\n", "foreach: a pattern of files"},
		{"tasks:\n  a: {run: x, foreach: {lines: none}}\n", "cannot read 'none'"},
		{"tasks:\n  a: {run: x, foreach: 0-1, output: same}\n", "put {item}, {index} or {key} into it"},
		{"tasks:\n  a: {sleep: 1s, output: x}\n", "has no result"},
		{"tasks:\n  a: {run: x, stdout: y, output: x}\n", "use one or the other"},
		{"tasks:\n  a: {run: x, output: o}\n  b: {run: x, output: o}\n", "is written by task a already"},
		{"tasks:\n  a: {noop: true, env: {A: 1}}\n", "are for tasks with run"},
		{"tasks:\n  a: {call: {module: ./none.so, function: f}}\n", "cannot read './none.so'"},
		{"tasks:\n  a: {call: {module: t/a.txt}}\n", "function is missing"},
		{"tasks:\n  a: {run: x, foreach: 0-4}\n  a-3: {run: x}\n", "g.yaml:3: task a-3"},
		{"tasks:\n  a: &x {run: x}\n  b: *x\n", "aliases"},
		{"tasks: [\n", "g.yaml:2:"},
	};
	struct place p;

	enter(&p);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct graph *g = NULL;
		char error[1024];

		cr_expect_eq(load(bad[i].text, &g, error, sizeof(error)), SC_INVALID, "taken: %s", bad[i].text);
		cr_expect(strstr(error, bad[i].error) != NULL, "'%s' does not say '%s'", error, bad[i].error);
		cr_expect(strncmp(error, "g.yaml:", 7) == 0, "no line: %s", error);
	}
	leave(&p);
}
