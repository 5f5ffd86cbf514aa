/* wordcount.c - the main job: a graph over real text, its result held against coreutils, also when a worker dies. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/support/cluster.h"

#define N_FILES 12

#define COUNT "tr -cs A-Za-z '\\\\n' < {item} | tr A-Z a-z | sort | uniq -c"
#define MERGE "awk '{n[$2] += $1} END {for (w in n) print n[w], w}' | sort -k1,1rn -k2 | head -20"

static const char plain_pipeline[] =
	"for f in corpus/*; do tr -cs A-Za-z '\\n' < $f | tr A-Z a-z | sort | uniq -c; done | "
	"awk '{n[$2] += $1} END {for (w in n) print n[w], w}' | sort -k1,1rn -k2 | head -20";

static char *in_shell(const char *dir, const char *line)
{
	struct run r = run_program(
		&(struct proc_spec){.program = "sh", .args = (const char *const[]){"-c", line, NULL}, .cwd = dir},
		PROC_DEADLINE_MS);
	char *out = r.out;

	cr_assert_eq(r.status, 0, "%s", r.err);
	r.out = NULL;
	run_free(&r);
	return out;
}

/* A corpus of our own sources: always there, always the same within a run. */
static void make_corpus(const char *dir)
{
	char line[4096];

	snprintf(line, sizeof(line),
		 "mkdir corpus && i=0 && for f in %s/proto/*.[ch] %s/net/*.[ch]; do i=$((i+1)); [ $i -gt %d ] || "
		 "cp $f corpus/text-$i; done",
		 source_dir(), source_dir(), N_FILES);
	mem_free(in_shell(dir, line));
}

static void expect_same(struct cluster *c)
{
	char path[4200], *ours, *plain = in_shell(c->dir, plain_pipeline);

	snprintf(path, sizeof(path), "%s/top20.txt", c->dir);
	ours = file_read(path, NULL);
	cr_assert_not_null(ours);
	cr_assert_str_eq(ours, plain);
	mem_free(ours);
	mem_free(plain);
}

static char *graph_file(struct cluster *c, const char *before_count)
{
	char text[2048];

	snprintf(text, sizeof(text),
		 "name: wordcount\n"
		 "tasks:\n"
		 "  count:\n"
		 "    foreach: corpus/*\n"
		 "    run: \"%s " COUNT "\"\n"
		 "  merge:\n"
		 "    inputs: [count]\n"
		 "    stdin: count\n"
		 "    run: \"" MERGE "\"\n"
		 "    output: top20.txt\n",
		 before_count);
	return cluster_file(c, "graph.yaml", text);
}

Test(wordcount, equals_coreutils)
{
	struct cluster *c = cluster_start(&(struct cluster_spec){.n_workers = 2, .slots = 2});
	char *graph;

	make_corpus(c->dir);
	graph = graph_file(c, "");
	mem_free(cluster_ctl_ok(c, "run", graph, NULL));
	expect_same(c);
	mem_free(graph);
	cluster_stop(c);
}

Test(wordcount, runs_without_a_scheduler)
{
	struct cluster here = {.dir = dir_new()};
	const char *args[] = {"run", "--local=2", "--no-progress", "graph.yaml", NULL};
	struct proc_spec spec = {.program = "schedctl", .args = args, .cwd = here.dir};
	struct run r;

	make_corpus(here.dir);
	mem_free(graph_file(&here, ""));
	r = run_program(&spec, PROC_DEADLINE_MS);
	cr_assert_eq(r.status, 0, "%s", r.err);
	run_free(&r);
	expect_same(&here);
	dir_remove(here.dir);
	mem_free(here.dir);
}

/* A shell that holds the lock the second half of the counts waits for, until it is freed. */
static struct proc *hold_gate(struct cluster *c)
{
	static const char *const args[] = {"-x", "gate", "sh", "-c", "echo locked; exec sleep 1000", NULL};
	struct proc *lock = proc_start(&(struct proc_spec){.program = "flock", .args = args, .cwd = c->dir});

	proc_wait_line(lock, "locked", PROC_DEADLINE_MS);
	return lock;
}

/*
 * The first half of the counts is done and held, `running` of the second half wait; then worker w1 is killed.  What it
 * ran and what it held has to be computed again, by another that is there or comes later, with the same outcome.
 */
static void kill_in_the_middle(size_t n_workers, const char *running, int another_comes)
{
	struct cluster *c = cluster_start(&(struct cluster_spec){.n_workers = n_workers, .slots = 2});
	struct proc *lock, *run;
	char *graph;

	make_corpus(c->dir);
	graph = graph_file(c, "[ {index} -lt 6 ] || flock -s gate true;");
	lock = hold_gate(c);
	run = cluster_ctl_start(c, "run", graph, NULL);
	cluster_until(c, "\"done\": 6", PROC_DEADLINE_MS, "--json", "job", "show", "1", NULL);
	cluster_until(c, running, PROC_DEADLINE_MS, "--json", "job", "show", "1", NULL);
	cluster_worker_kill(c, 0);
	proc_free(lock); /* kills the group: the lock is free */
	if (another_comes)
		cluster_worker_start(c, 1, NULL);
	cr_assert_eq(proc_wait_exit(run, PROC_DEADLINE_MS), 0, "%s", proc_stderr(run));
	proc_free(run);
	expect_same(c);
	mem_free(graph);
	cluster_stop(c);
}

Test(wordcount, is_right_although_a_worker_is_killed)
{
	kill_in_the_middle(2, "\"running\": 4", 0);
}

Test(wordcount, is_right_although_everything_was_lost)
{
	kill_in_the_middle(1, "\"running\": 2", 1);
}
