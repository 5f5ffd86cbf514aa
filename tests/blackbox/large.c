/*
 * large.c - results much larger than the memory of those who have them: made, moved to another agent, used there, and
 * fetched by a client, while all of them stay small; and results in memory that go to disk and come back.
 *
 * $LARGE_RESULT_BYTES is how large; `make soak` takes more than 32 bits can count with a sign.  Contents are numbers in
 * order, of 20 bytes each with the end of their line, so that whatever is in a wrong place shows.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "tests/support/cluster.h"

#define DEFAULT_BYTES "536870912"
#define LINE_BYTES    20u
#define FIRST_LINE    ((uint64_t)1000000000000000000)
/* Nobody is ever larger; the sanitizer keeps 256 MiB of what was freed. */
#ifdef __SANITIZE_ADDRESS__
#define SMALL_KIB (384u * 1024)
#else
#define SMALL_KIB (64u * 1024)
#endif
#define DEADLINE_MS 270000u

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct cluster *c;

/* What is moved is sent: agents of one machine would give each other a name of the file. */
static const char *const sends[] = {"--set", "worker.share-files=no", NULL};

static void start(void)
{
	c = cluster_start(&(struct cluster_spec){.n_workers = 0, .worker_args = sends});
}

static void stop(void)
{
	cluster_stop(c);
}

TestSuite(large, .init = start, .fini = stop, .timeout = 300);

/* The most a program was ever resident. */
static uint64_t peak_kib(const struct proc *p)
{
	char path[64], *text, *at;
	uint64_t kib;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)proc_pid(p));
	text = file_read(path, NULL);
	cr_assert_not_null(text);
	at = strstr(text, "VmHWM:");
	cr_assert_not_null(at);
	kib = strtoull(at + 6, NULL, 10);
	mem_free(text);
	return kib;
}

static void expect_small(const struct proc *p, const char *what, unsigned kib)
{
	uint64_t peak = peak_kib(p);

	fprintf(stderr, "large: %s was at most %" PRIu64 " KiB\n", what, peak);
	cr_expect_lt(peak, kib, "%s took %" PRIu64 " KiB", what, peak);
}

/* What a shell line writes, in the cluster's directory; owned by the caller. */
static char *shell(const char *line)
{
	struct run r =
		run_program(&(struct proc_spec){.program = "sh", .args = ARGS("-c", line), .cwd = c->dir}, DEADLINE_MS);

	cr_assert_eq(r.status, 0, "%s: %s%s", line, r.out, r.err);
	mem_free(r.err);
	return r.out;
}

static void expect_shell(const char *line, const char *wanted)
{
	char *found = shell(line);

	cr_expect_str_eq(found, wanted, "%s", line);
	mem_free(found);
}

/* A graph, to its end. */
static void run_graph(const char *text)
{
	char *path = cluster_file(c, "graph.yaml", text);
	struct run r = run_program(
		&(struct proc_spec){.program = "schedctl",
				    .args = ARGS("--access-file", c->access_file, "run", "--no-progress", path),
				    .cwd = c->dir},
		DEADLINE_MS);

	cr_assert_eq(r.status, 0, "%s", r.err);
	run_free(&r);
	mem_free(path);
}

/* The command that writes n lines. */
static void seq(char out[128], uint64_t first, uint64_t n)
{
	snprintf(out, 128, "seq %" PRIu64 " %" PRIu64, first, first + n - 1);
}

/* What cksum says of what a command writes. */
static char *sum_of(const char *command)
{
	char line[256];

	snprintf(line, sizeof(line), "%s | cksum", command);
	return shell(line);
}

/* `schedctl job cat` of the last job, and what it has to write, are the same. */
static void expect_cat(const char *task, const char *wanted)
{
	char line[4096], *ctl = proc_program("schedctl");

	snprintf(line, sizeof(line),
		 "mkfifo wanted && { %s >wanted & } && ('%s' --access-file '%s' job cat last --task %s || echo failed) "
		 "| "
		 "cmp - wanted && rm wanted && echo same",
		 wanted, ctl, c->access_file, task);
	expect_shell(line, "same\n");
	mem_free(ctl);
}

static uint64_t wanted_lines(void)
{
	const char *text = getenv("LARGE_RESULT_BYTES");
	uint64_t bytes;

	cr_assert_eq(text_u64(text != NULL ? text : DEFAULT_BYTES, &bytes), SC_OK,
		     "LARGE_RESULT_BYTES='%s' is not a number", text);
	return bytes / LINE_BYTES + 1;
}

Test(large, made_moved_used_and_fetched_in_little_memory)
{
	uint64_t lines = wanted_lines(), bytes = lines * LINE_BYTES, last = FIRST_LINE + lines - 1;
	char graph[4096], make[128], *sum, wanted[512];

	cluster_worker_start(c, 0, ARGS("--resource", "left=1", "--set", "worker.result-memory=32MiB"));
	cluster_worker_start(
		c, 1,
		ARGS("--resource", "right=1", "--set", "worker.result-memory=32MiB", "--set", "worker.copies=8GiB"));
	seq(make, FIRST_LINE, lines);
	snprintf(graph, sizeof(graph),
		 "name: large\ntasks:\n"
		 "  make:\n    keep: true\n    resources: {left: 1}\n    run: %s\n"
		 "  vast:\n    resources: {left: 1}\n"
		 "    call: {module: %s/modules/probe.so, function: vast, args: [\"%" PRIu64 "\"]}\n"
		 "  use:\n    inputs: [make]\n    stdin: make\n    resources: {right: 1}\n    output: use.txt\n"
		 "    run: \"cksum; %s | cmp - $SCHED_INPUTS/make && echo same\"\n"
		 "  ends:\n    inputs: [make, vast]\n    resources: {right: 1}\n    output: ends.txt\n"
		 "    call: {module: %s/modules/probe.so, function: ends}\n",
		 make, getenv("SCHED_TESTS"), bytes, make, getenv("SCHED_TESTS"));
	run_graph(graph);

	sum = sum_of(make);
	snprintf(wanted, sizeof(wanted), "%ssame\n", sum);
	cr_assert_not_null(strchr(sum, ' '));
	cr_expect_eq(strtoull(strchr(sum, ' '), NULL, 10), bytes);
	expect_shell("cat use.txt", wanted);
	snprintf(wanted, sizeof(wanted), "%" PRIu64 " %04u\n%" PRIu64 "\n\n%" PRIu64 " the end of something vast\n",
		 bytes, (unsigned)((last - 1) % 10000), last, bytes);
	expect_shell("cat ends.txt", wanted);
	expect_cat("make", make);
	expect_small(c->workers[0], "the agent that made it", SMALL_KIB);
	expect_small(c->workers[1], "the agent that used it", SMALL_KIB);
	expect_small(c->sched, "the scheduler", SMALL_KIB);
	mem_free(sum);
}

/* Six of 20 MiB where two can stay in memory: four are on disk, and it makes no difference to anybody. */
Test(large, results_in_memory_go_to_disk_and_come_back)
{
	static const char use[] = "cat $SCHED_INPUTS/part-* | cksum";
	uint64_t lines = 20971520 / LINE_BYTES;
	char graph[2048], all[128], third[128], *sum;

	cluster_worker_start(c, 0,
			     ARGS("--resource", "left=1", "--set", "worker.output-memory=32MiB", "--set",
				  "worker.result-memory=48MiB"));
	cluster_worker_start(c, 1, ARGS("--resource", "right=1"));
	snprintf(graph, sizeof(graph),
		 "tasks:\n"
		 "  part:\n    keep: true\n    foreach: 0-5\n    resources: {left: 1}\n"
		 "    run: \"first=$((%" PRIu64 " + SCHED_INDEX * %" PRIu64 ")); seq $first $((first + %" PRIu64
		 "))\"\n"
		 "  here:\n    inputs: [part]\n    resources: {left: 1}\n    output: here.txt\n    run: \"%s\"\n"
		 "  there:\n    inputs: [part]\n    resources: {right: 1}\n    output: there.txt\n    run: \"%s\"\n",
		 FIRST_LINE, lines, lines - 1, use, use);
	run_graph(graph);
	cluster_until(c, "\"spilled_bytes\": 83886080", PROC_DEADLINE_MS, "--json", "info", NULL);
	seq(all, FIRST_LINE, 6 * lines);
	sum = sum_of(all);
	expect_shell("cat here.txt", sum);
	expect_shell("cat there.txt", sum);
	seq(third, FIRST_LINE + 2 * lines, lines);
	expect_cat("part-2", third);
	expect_small(c->workers[0], "an agent with 48 MiB of results in memory", 2 * SMALL_KIB);
	mem_free(sum);
}
