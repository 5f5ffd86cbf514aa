/* sim_growth.h - more tasks for a job of the simulator. */
#ifndef BENCH_SIM_GROWTH_H
#define BENCH_SIM_GROWTH_H

#include "scheduler/core/core.h"

/*
 * Submit a few tasks more, which take input from any that are there and from each other; serial makes their names new.
 * How many; 0: they were refused.
 */
uint32_t sim_grow(struct core *c, struct job *j, unsigned serial, uint64_t now_us, uint64_t *random);

#endif
