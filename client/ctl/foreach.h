/*
 * foreach.h - what a group of a graph file runs over: files, a list, a range, the lines of a file.
 */
#ifndef CLIENT_CTL_FOREACH_H
#define CLIENT_CTL_FOREACH_H

#include "base/buf.h"
#include "base/yaml_doc.h"
#include "client/ctl/graph.h"
#include "proto/sched_error.h"

#define FOREACH_ITEMS_MAX 16777216u

/* Fill in the group's items or range from the value of `foreach`.  SC_INVALID with *error, SC_NOMEM. */
sc_err foreach_read(struct graph *g, struct graph_task *t, const struct yaml_item *v, struct buf *error);

#endif
