/*
 * demand.h - what tasks ask for, put together from options or a graph file and written as one text for the library:
 * "cpus=1,gpu=2,label:zone=a|cpus=8,label:zone=a".
 *
 * Amounts belong to one alternative, labels to all of them.  Who names no cpus takes one.
 */
#ifndef CLIENT_CTL_DEMAND_H
#define CLIENT_CTL_DEMAND_H

#include <stddef.h>

#include "base/buf.h"
#include "proto/sched_error.h"

#define DEMAND_ALTERNATIVES 4u

struct demand {
	struct buf ways[DEMAND_ALTERNATIVES]; /* amounts */
	unsigned has_cpus;		      /* bits */
	size_t n;			      /* alternatives, 1 at least */
	struct buf labels;
};

void demand_init(struct demand *d);
void demand_fini(struct demand *d);

/* So much of a resource, in the last alternative.  SC_INVALID with *error: what is allowed. */
sc_err demand_amount(struct demand *d, const char *name, const char *amount, struct buf *error);
/* "NAME=AMOUNT,NAME=AMOUNT", as above. */
sc_err demand_amounts(struct demand *d, const char *list, struct buf *error);
/* A label its workers have to have, or had better have.  SC_INVALID with *error. */
sc_err demand_label(struct demand *d, const char *key, const char *value, int is_required, struct buf *error);
/* The amounts that follow are another alternative.  SC_LIMIT with *error. */
sc_err demand_another(struct demand *d, struct buf *error);

/* All of it; nothing when nothing was asked for.  SC_NOMEM, SC_TOO_BIG. */
sc_err demand_write(const struct demand *d, struct buf *out);

#endif
