/*
 * pressure.h - keeps the agent and its tasks below the memory limit of the worker.
 *
 * Looks at what they take, several times a second: above worker.memory-spill results go to disk though their own share
 * is not used up; above worker.memory-pause nothing new is started, and the scheduler is told, until it is less again
 * or there is nothing left here that could free any.  Without a memory limit nothing happens.  Loop thread only.
 */
#ifndef WORKER_PRESSURE_H
#define WORKER_PRESSURE_H

#include <stdint.h>

#include "worker/deadlines.h"
#include "worker/store.h"

struct pressure;

struct pressure_config {
	uint64_t limit_bytes;			     /* 0: none */
	uint64_t spill_millionths, pause_millionths; /* of it */
	uint64_t (*memory_bytes)(void *arg);	     /* what the agent and its tasks take now */
	uint64_t (*running)(void *arg);		     /* tasks that run */
	void (*paused)(int is_paused, void *arg);    /* that has changed */
	void *arg;
};

/* Borrows all; looks for the first time after a moment.  SC_NOMEM. */
sc_err pressure_new(struct loop *l, struct deadlines *d, struct store *s, const struct pressure_config *config,
		    struct pressure **out);
void pressure_free(struct pressure *p); /* NULL is fine */

/* Look now. */
void pressure_check(struct pressure *p);

int pressure_is_paused(const struct pressure *p);

#endif
