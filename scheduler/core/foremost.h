/*
 * foremost.h - the namespaces, and the classes of each, in the order in which a pass of the scheduling round serves
 * them.
 *
 * First comes the namespace that uses least for its weight (namespace_before()).  It is taken out while it is served,
 * and returned with what it uses by then; what others use does not change meanwhile.
 *
 * First comes the class whose next task is of the highest priority, then of the oldest job, then the class that has had
 * tasks ready for longest.  A pass enters all classes that have something to give out, takes the first again and again,
 * and sets aside what found no room; so it ends when none is left, and between passes there is nothing here.  A class
 * can only become less urgent while a pass lasts, as its most urgent tasks are given out and none becomes ready, so
 * nothing but the first ever has to move.
 */
#ifndef SCHEDULER_CORE_FOREMOST_H
#define SCHEDULER_CORE_FOREMOST_H

#include <stddef.h>

#include "scheduler/core/request.h"

static inline struct request_class *class_of_place(const struct pairing *place)
{
	return place == NULL ? NULL : (struct request_class *)((char *)place - offsetof(struct request_class, place));
}

static inline struct namespace *namespace_of_place(const struct pairing *place)
{
	return place == NULL ? NULL : (struct namespace *)((char *)place - offsetof(struct namespace, place));
}

/* Enter the classes of the namespace that have a task that may be given out.  O(classes). */
void foremost_begin(struct namespace *n);

/* The most urgent one that is not set aside, or NULL. */
static inline struct request_class *foremost(const struct namespace *n)
{
	return class_of_place(n->foremost);
}

/*
 * The first was served, and what it has left begins with its `front` (NULL: nothing): it goes where it belongs.
 * O(log classes).
 */
void foremost_settle(struct namespace *n);

/* The first found no room: it is out until the next pass.  O(log classes). */
void foremost_set_aside(struct namespace *n);

/* Enter all namespaces that have something ready, with their classes.  O(classes). */
void foremost_namespaces_begin(struct namespaces *all);

/* Whose turn it is, or NULL. */
static inline struct namespace *foremost_namespace(const struct namespaces *all)
{
	return namespace_of_place(all->foremost);
}

/* The same, and it is out.  O(log namespaces). */
struct namespace *foremost_namespace_take(struct namespaces *all);

/* One that was taken goes where it belongs; nowhere, until the next pass, if it has no class left.  O(1). */
void foremost_namespace_return(struct namespace *n);

#endif
