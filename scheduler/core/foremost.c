/*
 * foremost.c - see foremost.h.
 *
 * What waits in one round mostly waits in the next, and in the same order.  So a class that is set aside goes to the
 * end of its namespace's list, which thereby is in order when the pass ends, and the next pass enters it from the back:
 * each becomes the parent of all before it, the heap is a chain, and taking one out compares nothing (base/pairing.h).
 * The same with namespaces, and the list of those that have something ready.
 */
#include "scheduler/core/foremost.h"

#include "scheduler/core/ready.h"

/* ---- classes of a namespace ----------------------------------------------------------------------------------- */

static int class_before(const struct pairing *x, const struct pairing *y)
{
	const struct request_class *a = class_of_place(x), *b = class_of_place(y);

	if (a->front_priority != b->front_priority)
		return a->front_priority > b->front_priority;
	if (a->front_job != b->front_job)
		return a->front_job < b->front_job;
	return a->ready_since < b->ready_since;
}

static void enter(struct namespace *n, struct request_class *cl)
{
	cl->front_priority = cl->front->priority;
	cl->front_job = cl->front->job->id;
	pairing_enter(&n->foremost, &cl->place, class_before);
}

void foremost_begin(struct namespace *n)
{
	struct request_class *cl;

	n->foremost = NULL;
	TAILQ_FOREACH_REVERSE (cl, &n->classes, class_list, ready_link) {
		cl->front = ready_top(cl);
		if (cl->front != NULL)
			enter(n, cl);
	}
}

void foremost_settle(struct namespace *n)
{
	struct request_class *cl = foremost(n);

	if (cl->front != NULL && cl->front->priority == cl->front_priority && cl->front->job->id == cl->front_job)
		return;
	pairing_leave(&n->foremost, class_before);
	if (cl->front != NULL)
		enter(n, cl);
}

void foremost_set_aside(struct namespace *n)
{
	struct request_class *cl = foremost(n);

	pairing_leave(&n->foremost, class_before);
	if (TAILQ_NEXT(cl, ready_link) == NULL)
		return;
	TAILQ_REMOVE(&n->classes, cl, ready_link);
	TAILQ_INSERT_TAIL(&n->classes, cl, ready_link);
}

/* ---- namespaces ----------------------------------------------------------------------------------------------- */

static int turn_before(const struct pairing *x, const struct pairing *y)
{
	return namespace_before(namespace_of_place(x), namespace_of_place(y));
}

void foremost_namespaces_begin(struct namespaces *all)
{
	struct namespace *n;

	all->foremost = NULL;
	TAILQ_FOREACH_REVERSE (n, &all->active, namespace_list, active_link) {
		foremost_begin(n);
		if (foremost(n) != NULL)
			pairing_enter(&all->foremost, &n->place, turn_before);
	}
}

struct namespace *foremost_namespace_take(struct namespaces *all)
{
	struct namespace *n = foremost_namespace(all);

	if (n != NULL)
		pairing_leave(&all->foremost, turn_before);
	return n;
}

void foremost_namespace_return(struct namespace *n)
{
	struct namespaces *all = n->home;

	if (foremost(n) != NULL) {
		pairing_enter(&all->foremost, &n->place, turn_before);
	} else if (!TAILQ_EMPTY(&n->classes) && TAILQ_NEXT(n, active_link) != NULL) { /* else it is in no list */
		TAILQ_REMOVE(&all->active, n, active_link);
		TAILQ_INSERT_TAIL(&all->active, n, active_link);
	}
}
