/*
 * pairing.h - a pairing heap (Fredman, Sedgewick, Sleator, Tarjan, "The pairing heap: a new form of self-adjusting
 * heap", Algorithmica 1, 1986) in links of its members: entering cannot fail, and takes one comparison.
 *
 * Entering makes the one that comes first of two trees the parent of the other; taking the root out joins its children
 * in pairs, and the pairs from the last to the first: O(log n) on average.  What is entered in reverse order becomes a
 * chain, and then taking one out compares nothing.
 */
#ifndef BASE_PAIRING_H
#define BASE_PAIRING_H

#include <stddef.h>

/* Embedded in its owner. */
struct pairing {
	struct pairing *child, *sibling;
};

/* Whether a comes before b. */
typedef int (*pairing_before)(const struct pairing *a, const struct pairing *b);

/* One of two trees that have no siblings becomes the child of the other. */
static inline struct pairing *pairing_join(struct pairing *a, struct pairing *b, pairing_before before)
{
	struct pairing *first, *other;

	if (a == NULL || b == NULL)
		return a != NULL ? a : b;
	first = before(a, b) ? a : b;
	other = first == a ? b : a;
	other->sibling = first->child;
	first->child = other;
	return first;
}

/* The head of a list of siblings, alone; the list goes on with the next. */
static inline struct pairing *pairing_cut(struct pairing **list)
{
	struct pairing *first = *list;

	if (first != NULL) {
		*list = first->sibling;
		first->sibling = NULL;
	}
	return first;
}

/* *root: the first of all, NULL when there is none. */
static inline void pairing_enter(struct pairing **root, struct pairing *x, pairing_before before)
{
	*x = (struct pairing){NULL, NULL};
	*root = pairing_join(*root, x, before);
}

/* Take the first out; there has to be one. */
static inline void pairing_leave(struct pairing **root, pairing_before before)
{
	struct pairing *children = (*root)->child, *pairs = NULL;

	*root = children;
	if (children == NULL || children->sibling == NULL)
		return;
	while (children != NULL) {
		struct pairing *a = pairing_cut(&children), *pair = pairing_join(a, pairing_cut(&children), before);

		pair->sibling = pairs;
		pairs = pair;
	}
	*root = NULL;
	while (pairs != NULL)
		*root = pairing_join(pairing_cut(&pairs), *root, before);
}

#endif
