/*
 * namespace.h - names of namespaces, interned: equal names are one object, so that the scheduling round compares
 * pointers.
 *
 * Counted: classes of requests and workers that are reserved hold a reference each, and with the last the name goes.
 * Names nobody uses any more therefore take no memory, however many there have been.
 */
#ifndef SCHEDULER_CORE_NAMESPACE_H
#define SCHEDULER_CORE_NAMESPACE_H

#include <stddef.h>

#include "base/hash.h"
#include "base/slice.h"
#include "proto/sched_error.h"

/* All zero: none.  Must not move while there are any. */
struct namespaces {
	struct namespace *by_name;
};

struct namespace
{
	char *name;
	size_t n_users;
	size_t n_workers; /* that are reserved for it */
	struct namespaces *home;
	UT_hash_handle hh;
};

/* The one of this name, with one more user.  SC_NOMEM. */
sc_err namespace_take(struct namespaces *all, struct slice name, struct namespace **out);
void namespace_drop(struct namespace *n); /* NULL is fine */

#endif
