/*
 * exec.c - N times /bin/true, through scheduler and agent, and as a bare loop of posix_spawn and wait of the same
 * width.
 *
 * The two are run in turn, several times, and compared round by round, so that a machine whose speed drifts does not
 * decide the ratio.  Where others have a share of the machine, too, the processor time that either takes, children and
 * scheduler included, says more than the time that went by.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/bench.h"

#define ROUNDS_MAX 64u
#define PROGRAM	   "/bin/true"

/* What a round took. */
struct cost {
	uint64_t us, cpu_us;
};

static uint64_t used_us(int who)
{
	struct rusage r;

	getrusage(who, &r);
	return (uint64_t)r.ru_utime.tv_sec * US_PER_S + (uint64_t)r.ru_utime.tv_usec +
	       (uint64_t)r.ru_stime.tv_sec * US_PER_S + (uint64_t)r.ru_stime.tv_usec;
}

/* 0 and *cost, or -1. */
static int bare_loop(uint64_t n, uint64_t width, struct cost *cost)
{
	char *argv[] = {(char *)PROGRAM, NULL};
	uint64_t start = clock_monotonic_us(), started = 0, ended = 0;
	uint64_t cpu_us = used_us(RUSAGE_SELF) + used_us(RUSAGE_CHILDREN);

	while (ended < n) {
		while (started < n && started - ended < width) {
			pid_t pid;
			int error = posix_spawn(&pid, PROGRAM, NULL, NULL, argv, environ);

			if (error != 0) {
				fprintf(stderr, "sched-bench: posix_spawn: %s\n", strerror(error));
				return -1;
			}
			started++;
		}
		if (wait(NULL) < 0 && errno != EINTR)
			return -1;
		ended++;
	}
	cost->us = clock_monotonic_us() - start;
	cost->cpu_us = used_us(RUSAGE_SELF) + used_us(RUSAGE_CHILDREN) - cpu_us;
	return 0;
}

static uint64_t cluster_cpu_us(const struct bench_cluster *c)
{
	return process_cpu_us(c->sched) + process_cpu_us(c->workers[0]) + process_children_cpu_us(c->workers[0]);
}

static int our_loop(struct bench_cluster *c, const struct sc_group_spec *g, struct cost *cost)
{
	uint64_t cpu_us = cluster_cpu_us(c);

	if (bench_run_group(c, g, &cost->us) != 0)
		return -1;
	cost->cpu_us = cluster_cpu_us(c) - cpu_us;
	return 0;
}

static int run(const struct scenario *s)
{
	static const char *const argv[] = {PROGRAM, NULL};
	uint64_t n = param(s, "tasks"), width = param(s, "slots"), rounds = param(s, "rounds");
	struct sc_group_spec g = {.name = "true", .kind = SC_KIND_EXEC, .argv = argv, .cwd = "/", .count = n};
	uint64_t ours[ROUNDS_MAX], bare[ROUNDS_MAX], ratio[ROUNDS_MAX], our_cpu = 0, bare_cpu = 0;
	struct cost a, b;
	struct bench_cluster c;
	int failed;

	if (rounds == 0 || rounds > ROUNDS_MAX)
		rounds = ROUNDS_MAX;
	if (bench_cluster_start(&c, 1, (unsigned)width) != 0)
		return 1;
	failed = our_loop(&c, &g, &a) != 0; /* warms up both */
	for (uint64_t i = 0; i < rounds && !failed; i++) {
		failed = bare_loop(n, width, &b) != 0 || our_loop(&c, &g, &a) != 0;
		if (failed)
			break;
		ours[i] = a.us;
		bare[i] = b.us;
		ratio[i] = b.us * 1000000 / a.us;
		our_cpu += a.cpu_us;
		bare_cpu += b.cpu_us;
	}
	bench_cluster_stop(&c);
	if (failed)
		return 1;
	sort_u64(ours, rounds);
	sort_u64(bare, rounds);
	sort_u64(ratio, rounds);
	emit(s, "tasks_per_s", (double)n * US_PER_S / quantile(ours, rounds, 0.5), "1/s");
	emit(s, "bare_per_s", (double)n * US_PER_S / quantile(bare, rounds, 0.5), "1/s");
	emit(s, "ratio", quantile(ratio, rounds, 0.5) / 1e6, "1");
	emit(s, "ratio_min", quantile(ratio, rounds, 0.0) / 1e6, "1");
	emit(s, "ratio_max", quantile(ratio, rounds, 1.0) / 1e6, "1");
	emit(s, "cpu_us_per_task", (double)our_cpu / (double)(n * rounds), "us");
	emit(s, "bare_cpu_us_per_task", (double)bare_cpu / (double)(n * rounds), "us");
	emit(s, "cpu_ratio", (double)bare_cpu / (double)our_cpu, "1");
	return 0;
}

struct scenario scenario_exec = {"exec",
				 PROGRAM " through one agent against a bare posix_spawn loop; medians of rounds",
				 run,
				 {{"tasks", 3000, "a round", PARAM_COUNT, NULL},
				  {"slots", 2, "width of both", PARAM_COUNT, NULL},
				  {"rounds", 7, "of both, in turn", PARAM_COUNT, NULL}}};
