/*
 * call.c - very many calls of a C function that does nothing, through one agent: what passing a call to a function slot
 * and its return back costs.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/bench.h"

#define MODULE "nothing.so" /* beside sched-bench */

/* What the rounds took, of the best. */
struct cost {
	uint64_t us, scheduler_us, agent_us;
};

static int measure(const struct scenario *s, struct bench_cluster *c, const struct sc_group_spec *g, struct cost *best)
{
	*best = (struct cost){.us = UINT64_MAX};
	for (uint64_t i = 0; i < param(s, "rounds"); i++) {
		uint64_t scheduler_us = process_cpu_us(c->sched), agent_us = process_cpu_us(c->workers[0]), us;

		if (bench_run_group(c, g, &us) != 0)
			return -1;
		if (us < best->us)
			*best = (struct cost){us, process_cpu_us(c->sched) - scheduler_us,
					      process_cpu_us(c->workers[0]) - agent_us};
	}
	return 0;
}

static int run(const struct scenario *s)
{
	struct sc_group_spec g = {.name = "call", .kind = SC_KIND_CALL, .function = "nothing"};
	struct bench_cluster c;
	char module[4200];
	struct cost best;
	int failed;

	bench_path(MODULE, module, sizeof(module));
	if (access(module, R_OK) != 0) {
		fprintf(stderr, "sched-bench: %s is not there; it is built with the programs\n", module);
		return 1;
	}
	g.module = module;
	g.count = param(s, "tasks");
	if (bench_cluster_start(&c, 1, (unsigned)param(s, "slots")) != 0)
		return 1;
	failed = measure(s, &c, &g, &best) != 0;
	bench_cluster_stop(&c);
	if (failed)
		return 1;
	emit(s, "tasks_per_s", (double)g.count * US_PER_S / (double)best.us, "1/s");
	emit(s, "us_per_task", (double)best.us / (double)g.count, "us");
	emit(s, "scheduler_cpu_us_per_task", (double)best.scheduler_us / (double)g.count, "us");
	emit(s, "agent_cpu_us_per_task", (double)best.agent_us / (double)g.count, "us");
	return 0;
}

struct scenario scenario_call = {"call",
				 "many calls of an empty C function through one agent; the best round counts",
				 run,
				 {{"tasks", 1000000, "in one array job", PARAM_COUNT, NULL},
				  {"slots", 2, "of the agent", PARAM_COUNT, NULL},
				  {"rounds", 3, "times", PARAM_COUNT, NULL}}};
