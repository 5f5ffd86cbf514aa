/*
 * deadlines.h - many points in time on one timer of the loop: ends of sleeps, time limits, kill delays, idle peers.
 *
 * A heap: setting and clearing is O(log n) and allocates only when more deadlines are set at once than ever before.
 * Callbacks run in the loop thread and may set, move and clear any deadline, their own included.
 */
#ifndef WORKER_DEADLINES_H
#define WORKER_DEADLINES_H

#include <stddef.h>
#include <stdint.h>

#include "net/loop.h"

struct deadlines;

/* Embedded in its owner; zeroed memory is a valid, unset deadline once fn and arg are filled in. */
struct deadline {
	uint64_t at_us;
	size_t place; /* in the heap, from 1; 0: not set */
	loop_fn fn;
	void *arg; /* borrowed while set */
};

/* SC_NOMEM. */
sc_err deadlines_new(struct loop *l, struct deadlines **out);
void deadlines_free(struct deadlines *d); /* what is still set never fires; NULL is fine */

/* Fire at the monotonic time at_us (at once, next turn, when it has passed).  Moves one that is set.  SC_NOMEM: it is
 * as it was. */
sc_err deadline_set(struct deadlines *d, struct deadline *x, uint64_t at_us);
void deadline_clear(struct deadlines *d, struct deadline *x); /* fine when it is not set */

static inline int deadline_is_set(const struct deadline *x)
{
	return x->place != 0;
}

#endif
