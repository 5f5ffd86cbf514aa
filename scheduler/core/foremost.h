/*
 * foremost.h - the classes of a namespace in the order in which a pass of the scheduling round serves them.
 *
 * First comes the class whose next task is of the highest priority, then of the oldest job, then the class that has had
 * tasks ready for longest.  A pass enters all classes that have something to give out, takes the first again and again,
 * and sets aside what found no room; so it ends when none is left, and between passes there is nothing here.  A class
 * can only become less urgent while a pass lasts, as its most urgent tasks are given out and none becomes ready, so
 * nothing but the first ever has to move.
 */
#ifndef SCHEDULER_CORE_FOREMOST_H
#define SCHEDULER_CORE_FOREMOST_H

#include "scheduler/core/request.h"

/* Enter the classes of the namespace that have a task that may be given out.  O(classes). */
void foremost_begin(struct namespace *n);

/* The most urgent one that is not set aside, or NULL. */
static inline struct request_class *foremost(const struct namespace *n)
{
	return n->foremost;
}

/*
 * The first was served, and what it has left begins with its `front` (NULL: nothing): it goes where it belongs.
 * O(log classes).
 */
void foremost_settle(struct namespace *n);

/* The first found no room: it is out until the next pass.  O(log classes). */
void foremost_set_aside(struct namespace *n);

#endif
