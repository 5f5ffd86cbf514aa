/* noop.c - many tasks that do nothing, through real agents: what the machinery itself costs. */
#include "base/clock.h"
#include "bench/bench.h"

static int run(const struct scenario *s)
{
	struct sc_group_spec g = {.name = "noop", .kind = SC_KIND_NOOP, .count = param(s, "tasks")};
	uint64_t best = UINT64_MAX, us = 0, cpu = 0;
	struct bench_cluster c;
	int failed = 0;

	if (bench_cluster_start(&c, param(s, "agents"), (unsigned)param(s, "slots")) != 0)
		return 1;
	for (uint64_t i = 0; i < param(s, "rounds") && !failed; i++) {
		uint64_t before = process_cpu_us(c.sched);

		failed = bench_run_group(&c, &g, &us) != 0;
		if (us < best) {
			best = us;
			cpu = process_cpu_us(c.sched) - before;
		}
	}
	bench_cluster_stop(&c);
	if (failed)
		return 1;
	emit(s, "tasks_per_s", (double)g.count * US_PER_S / (double)best, "1/s");
	emit(s, "us_per_task", (double)best / (double)g.count, "us");
	emit(s, "scheduler_cpu_us_per_task", (double)cpu / (double)g.count, "us");
	return 0;
}

struct scenario scenario_noop = {"noop",
				 "many noops through real agents; the best round counts",
				 run,
				 {{"tasks", 1000000, "in one array job", PARAM_COUNT, NULL},
				  {"agents", 2, "worker processes", PARAM_COUNT, NULL},
				  {"slots", 2, "of each", PARAM_COUNT, NULL},
				  {"rounds", 3, "times", PARAM_COUNT, NULL}}};
