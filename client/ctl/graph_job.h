/* graph_job.h - a graph file as a job to be submitted. */
#ifndef CLIENT_CTL_GRAPH_JOB_H
#define CLIENT_CTL_GRAPH_JOB_H

#include "base/pattern.h"
#include "client/ctl/graph.h"
#include "client/sched_client.h"

/*
 * *out is new and checked; group i of it is task i of the graph.  name_space: instead of the graph's, or NULL.  On
 * failure the text is sc_client_error_text(NULL).
 */
sc_err graph_job_new(const struct graph *g, const char *name_space, struct sc_job **out);

/* The key of task number i of a group: "NAME-INDEX" or "NAME". */
/* The index of the i-th task of a group. */
uint64_t graph_index(const struct graph_task *t, uint64_t i);
const char *graph_key(const struct graph_task *t, uint64_t i, char *out, size_t cap);

/* What {item}, {index} ... mean for it.  key is borrowed. */
struct pattern_values graph_values(const struct graph_task *t, uint64_t i, const char *key, uint64_t job);

#endif
