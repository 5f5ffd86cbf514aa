/*
 * sim.h - the pure core in a world of imaginary workers, on virtual time, with faults.
 *
 * Messages between core and workers take time, in order per connection, so that a cancel and the answer to the task it
 * is for can cross.  Everything is drawn from one seed: the same seed gives the same run.  After every step
 * core_check() holds, and the world checks what the core cannot see: no task runs at two workers at once, a task is
 * only given out when its inputs are where the core says and its worker is not reserved for another namespace, and
 * workers hold nothing the core has forgotten.
 */
#ifndef BENCH_SIM_H
#define BENCH_SIM_H

#include <stdint.h>

#include "base/buf.h"
#include "proto/sched_error.h"

struct sim_options {
	uint64_t seed;
	unsigned steps;	      /* random steps before everything is left to finish */
	unsigned max_workers; /* alive at the same time */
	unsigned max_jobs;    /* submitted in all */
	unsigned max_tasks;   /* of one job */
};

extern const struct sim_options sim_options_default;

struct sim_counts {
	uint64_t steps, faults, jobs, tasks, assigned, lost_workers, crossings, gangs, withdrawn, copies, growths;
};

/* SC_OK, or SC_BAD_STATE with *why saying what did not hold and at which step.  Counts are added to. */
sc_err sim_run(const struct sim_options *o, struct sim_counts *counts, struct buf *why);

#endif
