/* outputs.h - the results of a graph's tasks, written to the files it names. */
#ifndef CLIENT_CTL_OUTPUTS_H
#define CLIENT_CTL_OUTPUTS_H

#include <jansson.h>

#include "client/ctl/ctl.h"
#include "client/ctl/graph.h"

/*
 * Fetch and write every `output`; each file appears whole or not at all.  What was written is appended to `json`.  Lost
 * results are computed again.  Returns the exit status, having said what went wrong.
 */
int outputs_write(struct ctl *c, const struct graph *g, const struct sc_job *job, uint64_t id, json_t *json);

/* Print the results of task `which` of the graph on standard output, or append them to `json` if that is not NULL. */
int outputs_print(struct ctl *c, const struct graph *g, const struct sc_job *job, uint64_t id, size_t which,
		  json_t *json);

#endif
