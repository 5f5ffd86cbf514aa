/*
 * transfers.c - the holder of a large result is killed, or stopped, while it is being fetched: at a certain byte, see
 * tests/support/tap.h.  With another holder the transfer goes on from there, without one the result is computed again;
 * what comes of it is the same.  And the result goes from memory to disk under a transfer.
 *
 * `make` runs at one of two agents behind taps; `use` at a third, which has to fetch what `make` has made.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/support/cluster.h"
#include "tests/support/tap.h"

#define TOTAL	 25165824u
#define CUT	 10500000u /* so many bytes pass before it happens */
#define PART	 1048576u  /* what is in memory comes in parts; one that is not complete is worth nothing */
#define OVERHEAD 65536u	   /* of frames, at most */

#define BYTES "seq 1 4000000 | head -c 25165824"
#define MAKE  "echo made >> made; " BYTES

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct cluster *c;
static struct tap *taps[2];

static void stop(void)
{
	tap_free(taps[0]);
	tap_free(taps[1]);
	cluster_stop(c);
}

TestSuite(transfers, .fini = stop, .timeout = 120);

/* What is moved is sent: agents of one machine would give each other a name of the file. */
static const char *const sends[] = {"--set", "worker.share-files=no", NULL};

/* Three agents; the first two, which make and hold, are behind taps. */
static void start(const char *const *sched_args, const char *output_memory)
{
	c = cluster_start(&(struct cluster_spec){.sched_args = sched_args, .worker_args = sends});
	for (size_t i = 0; i < 2; i++) {
		char listen[600], memory[64], side[] = "a=1", path[512];

		side[0] = (char)('a' + i);
		snprintf(path, sizeof(path), "%s/w%zu.sock", c->dir, i + 1);
		snprintf(listen, sizeof(listen), "worker.data-listen=unix://%s", path);
		snprintf(memory, sizeof(memory), "worker.output-memory=%s", output_memory);
		cluster_worker_start(c, i,
				     ARGS("--resource", "make=1", "--resource", side, "--set", listen, "--set", memory,
					  "--set", "worker.result-memory=32MiB"));
		taps[i] = tap_new(path);
	}
	/* a holder that says nothing is slow after a second, and given up after four */
	cluster_worker_start(c, 2, ARGS("--resource", "use=1", "--set", "worker.fetch-timeout=4s"));
}

static void limit_both(void)
{
	tap_limit(taps[0], CUT);
	tap_limit(taps[1], CUT);
}

static struct proc *run_graph(const char *text)
{
	char *path = cluster_file(c, "graph.yaml", text);
	struct proc *ctl = cluster_ctl_start(c, "run", "--no-progress", path, NULL);

	mem_free(path);
	return ctl;
}

static void expect_file(const char *name, const char *text)
{
	char path[600], *found;

	snprintf(path, sizeof(path), "%s/%s", c->dir, name);
	found = file_read(path, NULL);
	cr_assert_not_null(found, "%s is not there", path);
	cr_expect_str_eq(found, text, "%s", name);
	mem_free(found);
}

/* What a shell line writes. */
static char *shell(const char *line)
{
	struct run r =
		run_program(&(struct proc_spec){.program = "sh", .args = ARGS("-c", line), .cwd = c->dir}, 20000);

	cr_assert_eq(r.status, 0, "%s", r.err);
	mem_free(r.err);
	return r.out;
}

/* It was made so often, and the sum of it, or the copy of it, that the graph has written, is right. */
static void expect_done(struct proc *ctl, int is_copy, const char *made)
{
	char *wanted = shell(BYTES " | sha256sum"), *found;

	cr_assert_eq(proc_wait_exit(ctl, 2 * PROC_DEADLINE_MS), 0, "%s\n%s", proc_stderr(ctl),
		     proc_stderr(c->workers[2]));
	proc_free(ctl);
	found = shell(is_copy ? "sha256sum < out" : "cat out");
	cr_expect_str_eq(found, wanted);
	expect_file("made", made);
	mem_free(found);
	mem_free(wanted);
}

/* ---- another one has it ----------------------------------------------------------------------------------------- */

/*
 * Both agents with a tap have the result when this returns, and what comes after `opened` is about to fetch it from one
 * of them.  `opened` waits for us, and has not started before the copy was there.
 */
static struct proc *begin_with_a_copy(const char *more)
{
	char path[600], graph[2048];
	struct proc *ctl;
	int fd;

	snprintf(path, sizeof(path), "%s/pipe", c->dir);
	cr_assert_eq(mkfifo(path, 0600), 0);
	snprintf(graph, sizeof(graph),
		 "tasks:\n"
		 "  copy:\n    resources: {b: 1}\n    inputs: [make]\n    run: \"wc -c < $SCHED_INPUTS/make\"\n"
		 "  opened:\n    resources: {use: 1}\n    inputs: [copy]\n    run: cat pipe\n"
		 "  make:\n    resources: {a: 1}\n    run: \"" MAKE "\"\n%s",
		 more);
	ctl = run_graph(graph);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	cr_assert(fd >= 0, "%s", strerror(errno));
	limit_both();
	close(fd);
	return ctl;
}

static struct proc *begin_use_with_a_copy(void)
{
	return begin_with_a_copy("  use:\n    resources: {use: 1}\n    inputs: [make, opened]\n    output: out\n"
				 "    run: \"sha256sum < $SCHED_INPUTS/make\"\n");
}

/* Who is being asked, once it has sent what it may; nobody else is. */
static size_t victim_of_two(void)
{
	size_t victim = tap_wait(taps, 2);

	cr_assert_eq(tap_passed(taps[!victim]), 0);
	return victim;
}

/* It dies there, and from the other one everything may come. */
static void kill_and_open_other(size_t victim)
{
	tap_open(taps[!victim]);
	cluster_worker_kill(c, victim);
	tap_cut(taps[victim]);
}

/* The rest, and not more, came from the other one. */
static void expect_rest_from(size_t other, uint64_t wasted)
{
	uint64_t n = tap_passed(taps[other]);

	cr_expect(n >= TOTAL - CUT && n <= TOTAL - CUT + OVERHEAD + wasted, "it sent %llu bytes",
		  (unsigned long long)n);
}

static void kill_one_of_two(const char *output_memory, uint64_t wasted)
{
	struct proc *ctl;
	size_t victim;

	start(NULL, output_memory);
	ctl = begin_use_with_a_copy();
	victim = victim_of_two();
	kill_and_open_other(victim);
	expect_done(ctl, 0, "made\n");
	expect_rest_from(!victim, wasted);
}

Test(transfers, holder_killed_another_has_it)
{
	kill_one_of_two("64KiB", 0);
}

Test(transfers, holder_killed_another_has_it_in_memory)
{
	kill_one_of_two("64MiB", PART);
}

/* The one that was stopped goes on, too late, while the other one sends the rest. */
static void stop_one_of_two(const char *output_memory, uint64_t wasted)
{
	struct proc *ctl;
	size_t victim;

	start(NULL, output_memory);
	ctl = begin_use_with_a_copy();
	victim = victim_of_two();
	proc_signal(c->workers[victim], SIGSTOP);
	tap_wait(&taps[!victim], 1);
	proc_signal(c->workers[victim], SIGCONT);
	tap_open(taps[victim]);
	tap_open(taps[!victim]);
	expect_done(ctl, 0, "made\n");
	expect_rest_from(!victim, wasted);
}

Test(transfers, holder_stopped_another_has_it)
{
	stop_one_of_two("64KiB", 0);
}

Test(transfers, holder_stopped_another_has_it_in_memory)
{
	stop_one_of_two("64MiB", PART);
}

/* ---- nobody else has it ----------------------------------------------------------------------------------------- */

static struct proc *begin_alone(void)
{
	limit_both();
	return run_graph("tasks:\n  make:\n    resources: {make: 1}\n    run: \"" MAKE "\"\n"
			 "  use:\n    resources: {use: 1}\n    inputs: [make]\n    output: out\n"
			 "    run: \"sha256sum < $SCHED_INPUTS/make\"\n");
}

Test(transfers, sole_holder_killed)
{
	struct proc *ctl;
	size_t victim;

	start(NULL, "64KiB");
	ctl = begin_alone();
	victim = victim_of_two();
	kill_and_open_other(victim);
	expect_done(ctl, 0, "made\nmade\n");
}

/* It may be told to make it again, until it is clear that nothing comes from it any more. */
Test(transfers, sole_holder_stopped)
{
	struct proc *ctl;
	size_t victim;

	start(ARGS("--set", "scheduler.worker-timeout=5s"), "64KiB");
	ctl = begin_alone();
	victim = victim_of_two();
	tap_open(taps[!victim]);
	proc_signal(c->workers[victim], SIGSTOP);
	expect_done(ctl, 0, "made\nmade\n");
	cluster_worker_kill(c, victim);
}

/* ---- it moves away under the transfer --------------------------------------------------------------------------- */

/* From memory to disk, for want of room: what was begun in parts goes on as the file is. */
Test(transfers, result_goes_to_disk_in_the_middle)
{
	char side[] = "a=1", *more;
	struct proc *ctl;
	size_t holder;

	start(NULL, "64MiB");
	ctl = begin_alone();
	holder = victim_of_two();
	side[0] = (char)('a' + holder);
	more = cluster_ctl_ok(c, "submit", "--wait", "--resource", side, "--", "sh", "-c", BYTES, NULL);
	cluster_until(c, "\"spilled_bytes\": 25165824", PROC_DEADLINE_MS, "--json", "info", NULL);
	cr_assert_eq(tap_passed(taps[holder]), CUT);
	tap_open(taps[holder]);
	expect_done(ctl, 0, "made\n");
	cr_expect_leq(tap_passed(taps[holder]), TOTAL + OVERHEAD);
	mem_free(more);
}

/* ---- a client fetches it ---------------------------------------------------------------------------------------- */

Test(transfers, client_sole_holder_killed)
{
	struct proc *ctl;
	size_t victim;

	start(NULL, "64KiB");
	limit_both();
	ctl = run_graph("tasks:\n  make:\n    resources: {make: 1}\n    output: out\n    run: \"" MAKE "\"\n");
	victim = victim_of_two();
	kill_and_open_other(victim);
	expect_done(ctl, 1, "made\nmade\n");
}

Test(transfers, client_another_has_it)
{
	struct proc *ctl;
	size_t victim;

	start(NULL, "64KiB");
	ctl = begin_with_a_copy("    output: out\n");
	victim = victim_of_two();
	kill_and_open_other(victim);
	expect_done(ctl, 1, "made\n");
	expect_rest_from(!victim, PART);
}

/* What is on standard output cannot be taken back: it goes on with the same bytes of the other one. */
Test(transfers, client_writes_it_on_when_another_has_it)
{
	char line[1400];
	struct proc *run, *ctl;
	size_t victim;

	start(NULL, "64KiB");
	run = begin_with_a_copy("    keep: true\n"
				"  hold:\n    resources: {use: 1}\n    inputs: [opened]\n"
				"    run: \"while [ ! -e stop ]; do sleep 0.01; done\"\n");
	snprintf(line, sizeof(line), "exec \"$SCHED_BIN\"/schedctl --access-file '%s' job cat --task make 1 > out",
		 c->access_file);
	ctl = proc_start(&(struct proc_spec){.program = "sh", .args = ARGS("-c", line), .cwd = c->dir});
	victim = victim_of_two();
	kill_and_open_other(victim);
	expect_done(ctl, 1, "made\n");
	expect_rest_from(!victim, PART);
	mem_free(cluster_file(c, "stop", ""));
	cr_assert_eq(proc_wait_exit(run, PROC_DEADLINE_MS), 0, "%s", proc_stderr(run));
	proc_free(run);
}
