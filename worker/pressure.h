/*
 * pressure.h - keeps the agent and its tasks below the memory limit of the worker, and from a disk that is full.
 *
 * Looks at what they take, several times a second: above worker.memory-spill results go to disk though their own share
 * is not used up; above worker.memory-pause nothing new is started, and the scheduler is told, until it is less again
 * or there is nothing left here that could free any.  Without a memory limit that is left alone.
 *
 * A task that found the disk full has failed; the next one would as well, and so quickly that this worker would look
 * like one with room.  So nothing is started for a while then.  Loop thread only.
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
	uint64_t disk_pause_us;			     /* how long a full disk is a reason to start nothing */
	void (*paused)(int is_paused, void *arg);    /* that has changed */
	void *arg;
};

/* Borrows all; looks for the first time after a moment.  SC_NOMEM. */
sc_err pressure_new(struct loop *l, struct deadlines *d, struct store *s, const struct pressure_config *config,
		    struct pressure **out);
void pressure_free(struct pressure *p); /* NULL is fine */

/* A task has failed because the disk is full. */
void pressure_disk_full(struct pressure *p);

/* Look now. */
void pressure_check(struct pressure *p);

int pressure_is_paused(const struct pressure *p);

#endif
