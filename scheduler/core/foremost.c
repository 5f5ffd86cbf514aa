/*
 * foremost.c - see foremost.h.
 *
 * A pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986) in links of the classes themselves: entering cannot fail,
 * and with one class there is nothing to do.  Entering makes the more urgent of two trees the parent of the other;
 * taking the root out joins its children in pairs, and the pairs from the last to the first.
 *
 * What waits in one round mostly waits in the next, and in the same order.  So a class that is set aside goes to the
 * end of its namespace's list, which thereby is in order when the pass ends, and the next pass enters it from the back:
 * each becomes the parent of all before it, the heap is a chain, and taking one out compares nothing.
 */
#include "scheduler/core/foremost.h"

#include "scheduler/core/ready.h"

static int is_before(const struct request_class *a, const struct request_class *b)
{
	if (a->front_priority != b->front_priority)
		return a->front_priority > b->front_priority;
	if (a->front_job != b->front_job)
		return a->front_job < b->front_job;
	return a->ready_since < b->ready_since;
}

/* One of two trees that have no siblings becomes the child of the other. */
static struct request_class *join(struct request_class *a, struct request_class *b)
{
	struct request_class *first, *other;

	if (a == NULL || b == NULL)
		return a != NULL ? a : b;
	first = is_before(a, b) ? a : b;
	other = first == a ? b : a;
	other->sibling = first->child;
	first->child = other;
	return first;
}

/* The head of a list of siblings, alone; the list goes on with the next. */
static struct request_class *cut_first(struct request_class **list)
{
	struct request_class *first = *list;

	if (first != NULL) {
		*list = first->sibling;
		first->sibling = NULL;
	}
	return first;
}

static void enter(struct namespace *n, struct request_class *cl)
{
	cl->front_priority = cl->front->priority;
	cl->front_job = cl->front->job->id;
	cl->child = cl->sibling = NULL;
	n->foremost = join(n->foremost, cl);
}

static void leave(struct namespace *n)
{
	struct request_class *children = n->foremost->child, *pairs = NULL, *root = NULL;

	if (children == NULL || children->sibling == NULL) { /* as it mostly is: see the top */
		n->foremost = children;
		return;
	}
	while (children != NULL) {
		struct request_class *a = cut_first(&children), *pair = join(a, cut_first(&children));

		pair->sibling = pairs;
		pairs = pair;
	}
	while (pairs != NULL)
		root = join(cut_first(&pairs), root);
	n->foremost = root;
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
	struct request_class *cl = n->foremost;

	if (cl->front != NULL && cl->front->priority == cl->front_priority && cl->front->job->id == cl->front_job)
		return;
	leave(n);
	if (cl->front != NULL)
		enter(n, cl);
}

void foremost_set_aside(struct namespace *n)
{
	struct request_class *cl = n->foremost;

	leave(n);
	if (TAILQ_NEXT(cl, ready_link) == NULL)
		return;
	TAILQ_REMOVE(&n->classes, cl, ready_link);
	TAILQ_INSERT_TAIL(&n->classes, cl, ready_link);
}
