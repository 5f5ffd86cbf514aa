/*
 * label.h - labels of workers, "key=value", interned: equal ones are one object, so that a request's are found among a
 * worker's by comparing pointers.  Counted: with the last worker and request that has it a label goes.
 */
#ifndef SCHEDULER_CORE_LABEL_H
#define SCHEDULER_CORE_LABEL_H

#include <stddef.h>

#include "base/hash.h"
#include "base/slice.h"
#include "proto/sched_error.h"

struct label {
	char *text;
	size_t n_users;
	struct label **home;
	UT_hash_handle hh;
};

/* The one of this text, with one more user; *all is the table, NULL when empty, and must not move.  SC_NOMEM. */
sc_err label_take(struct label **all, struct slice text, struct label **out);
void label_drop(struct label *l); /* NULL is fine */

#endif
