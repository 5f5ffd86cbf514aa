/*
 * exec.c - N times /bin/true, through scheduler and agent, and as a bare loop of posix_spawn and wait of the same
 * width.
 *
 * The two are run in turn, several times, and compared round by round, so that a machine whose speed drifts does not
 * decide the ratio.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/bench.h"

#define ROUNDS_MAX 64u
#define PROGRAM	   "/bin/true"

/* 0 and *us, or -1. */
static int bare_loop(uint64_t n, uint64_t width, uint64_t *us)
{
	char *argv[] = {(char *)PROGRAM, NULL};
	uint64_t start = clock_monotonic_us(), started = 0, ended = 0;

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
	*us = clock_monotonic_us() - start;
	return 0;
}

static int run(const struct scenario *s)
{
	static const char *const argv[] = {PROGRAM, NULL};
	uint64_t n = param(s, "tasks"), width = param(s, "slots"), rounds = param(s, "rounds");
	struct sc_group_spec g = {.name = "true", .kind = SC_KIND_EXEC, .argv = argv, .cwd = "/", .count = n};
	uint64_t ours[ROUNDS_MAX], bare[ROUNDS_MAX], ratio[ROUNDS_MAX];
	struct bench_cluster c;
	int failed;

	if (rounds == 0 || rounds > ROUNDS_MAX)
		rounds = ROUNDS_MAX;
	if (bench_cluster_start(&c, 1, (unsigned)width) != 0)
		return 1;
	failed = bench_run_group(&c, &g, &ours[0]) != 0; /* warms up both */
	for (uint64_t i = 0; i < rounds && !failed; i++) {
		failed = bare_loop(n, width, &bare[i]) != 0 || bench_run_group(&c, &g, &ours[i]) != 0;
		if (!failed)
			ratio[i] = bare[i] * 1000000 / ours[i];
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
	return 0;
}

struct scenario scenario_exec = {"exec",
				 PROGRAM " through one agent against a bare posix_spawn loop; medians of rounds",
				 run,
				 {{"tasks", 3000, "a round", PARAM_COUNT, NULL},
				  {"slots", 2, "width of both", PARAM_COUNT, NULL},
				  {"rounds", 7, "of both, in turn", PARAM_COUNT, NULL}}};
