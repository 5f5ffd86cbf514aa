/*
 * sim_graph.h - one large graph in a world of thousands of imaginary workers, on virtual time, with faults.
 *
 * Where sim.h looks at everything in a small world after each step, this looks at how the same core fares with a graph
 * of a hundred thousand tasks and ten thousand workers: events of a heap instead of random steps.  Messages take time,
 * in order per connection and in no order across them.  Workers die and come back, are slow, drain and return; results
 * get lost on their way; the job is cancelled at some moment.  All from one seed.
 */
#ifndef BENCH_SIM_GRAPH_H
#define BENCH_SIM_GRAPH_H

#include "bench/sim.h"

struct sim_graph_options {
	uint64_t seed;
	const char *graph; /* as graph_make() knows it */
	uint32_t workers;
	uint32_t deaths;      /* of workers, at most */
	uint32_t check_every; /* turns between two core_check(), which walks everything */
};

/* As sim_run(); also SC_INVALID for a graph there is not. */
sc_err sim_graph_run(const struct sim_graph_options *o, struct sim_counts *counts, struct buf *why);

#endif
