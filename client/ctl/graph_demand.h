/* graph_demand.h - the keys of a graph file that say what a task takes and where it may run. */
#ifndef CLIENT_CTL_GRAPH_DEMAND_H
#define CLIENT_CTL_GRAPH_DEMAND_H

#include "client/ctl/graph.h"

/*
 * cpus, memory, resources, labels, prefer and alternatives of a task's map become t->resources.  SC_INVALID with
 * *error, SC_NOMEM.
 */
sc_err graph_demand_read(struct graph *g, struct graph_task *t, const struct yaml_item *map, struct buf *error);

#endif
