/* scenario_sim.c - the simulator (sim.h) from the command line: many seeds, or one that failed. */
#include <stdio.h>

#include "base/clock.h"
#include "bench/bench.h"
#include "bench/sim.h"
#include "bench/sim_graph.h"

#define VIOLATIONS_SHOWN 20u /* then it is enough */

/* One seed: random small worlds, or one of a large graph. */
static sc_err run_seed(const struct scenario *s, uint64_t seed, struct sim_counts *counts, struct buf *why)
{
	const char *graph = param_text(s, "graph");
	struct sim_options o = sim_options_default;
	struct sim_graph_options g = {
		.seed = seed,
		.graph = graph,
		.workers = (uint32_t)param(s, "workers"),
		.deaths = (uint32_t)param(s, "deaths"),
		.check_every = (uint32_t)param(s, "check-every"),
	};

	if (graph != NULL && graph[0] != '\0')
		return sim_graph_run(&g, counts, why);
	o.steps = (unsigned)param(s, "steps");
	o.seed = seed;
	return sim_run(&o, counts, why);
}

static int run(const struct scenario *s)
{
	struct sim_counts counts = {0};
	uint64_t n = 0, violations = 0, first = param(s, "seed"), seconds = param(s, "seconds");
	uint64_t start = clock_monotonic_us();
	struct buf why;

	if (param(s, "workers") == 0 || param(s, "check-every") == 0) {
		fprintf(stderr, "sched-bench: --workers and --check-every are at least 1\n");
		return 2;
	}
	buf_init(&why, 0);
	do {
		buf_reset(&why);
		if (run_seed(s, first + n++, &counts, &why) != SC_OK) {
			violations++;
			fprintf(stderr, "%s\n", buf_str(&why));
		}
	} while ((n < param(s, "seeds") || clock_monotonic_us() - start < seconds * US_PER_S) &&
		 violations < VIOLATIONS_SHOWN);
	buf_fini(&why);
	emit(s, "seeds", (double)n, "1");
	emit(s, "steps", (double)counts.steps, "1");
	emit(s, "faults", (double)counts.faults, "1");
	emit(s, "gang_tasks", (double)counts.gangs, "1");
	emit(s, "growths", (double)counts.growths, "1");
	emit(s, "withdrawn", (double)counts.withdrawn, "1");
	emit(s, "copies", (double)counts.copies, "1");
	emit(s, "violations", (double)violations, "1");
	emit(s, "runs_per_s", (double)n * US_PER_S / (double)(clock_monotonic_us() - start), "1/s");
	return violations > 0;
}

struct scenario scenario_sim = {
	"sim",
	"the core in a simulated world with faults; fails when anything does not hold",
	run,
	{{"seed", 1, "of the first run; a failed one is repeated with --seed N --seeds 1", PARAM_COUNT, NULL},
	 {"seeds", 1000, "runs at least", PARAM_COUNT, NULL},
	 {"seconds", 0, "go on for at least this long", PARAM_COUNT, NULL},
	 {"steps", 150, "random steps of a run", PARAM_COUNT, NULL},
	 {"graph", 0, "one of the graph scenario, in a large world, instead of random small ones", PARAM_TEXT, ""},
	 {"workers", 1000, "with --graph", PARAM_COUNT, NULL},
	 {"deaths", 100, "with --graph: workers that die, and as many that drain and return", PARAM_COUNT, NULL},
	 {"check-every", 1000, "with --graph: turns between two walks over everything", PARAM_COUNT, NULL}}};
