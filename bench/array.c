/* array.c - one array job of very many tasks: how long submitting takes and what the scheduler keeps for each task. */
#include <stdio.h>

#include "base/clock.h"
#include "bench/bench.h"

static int submit(struct bench_cluster *c, const struct sc_group_spec *g, uint64_t *id, uint64_t *us)
{
	struct sc_job *job = NULL;
	uint64_t start = clock_monotonic_us();
	sc_err err = sc_job_new("array", &job);

	if (err == SC_OK)
		err = sc_job_add_group(job, g, NULL);
	if (err == SC_OK)
		err = sc_client_submit(c->client, job, id);
	*us = clock_monotonic_us() - start;
	sc_job_free(job);
	if (err != SC_OK)
		fprintf(stderr, "sched-bench: %s\n", sc_client_error_text(c->client));
	return err == SC_OK ? 0 : -1;
}

static int run(const struct scenario *s)
{
	static const char *const argv[] = {"/bin/true", NULL};
	uint64_t n = param(s, "tasks"), before, after, us, id;
	struct sc_group_spec g = {.name = "true", .kind = SC_KIND_EXEC, .argv = argv, .cwd = "/", .count = n};
	struct sc_group_spec one = g;
	struct bench_cluster c;
	int failed;

	one.count = 1;
	if (bench_cluster_start(&c, 0, 1) != 0)
		return 1;
	failed = submit(&c, &one, &id, &us) != 0; /* the connection is up, the code is in memory */
	before = process_rss_bytes(c.sched);
	failed = failed || submit(&c, &g, &id, &us) != 0;
	after = process_rss_bytes(c.sched);
	bench_cluster_stop(&c);
	if (failed)
		return 1;
	emit(s, "submit_ms", (double)us / US_PER_MS, "ms");
	emit(s, "bytes_per_task", (double)(after - before) / (double)n, "bytes");
	return 0;
}

struct scenario scenario_array = {"array",
				  "one array job: time to submit it, memory of the scheduler per task",
				  run,
				  {{"tasks", 1000000, "in the job", PARAM_COUNT, NULL}}};
