/*
 * graphs.h - the graphs of the `graph` scenario: groups of tasks and the edges between them, in arrays.
 *
 * They are those of "Runtime vs Scheduler: Analyzing Dask's Overheads" (RSDS) and of the thesis on HyperQueue, made
 * anew from their shapes.  Where the number of tasks and edges is printed there, the graph has exactly these.  A graph
 * is pure: it knows nothing of jobs and schedulers.
 */
#ifndef BENCH_GRAPHS_H
#define BENCH_GRAPHS_H

#include <stddef.h>
#include <stdint.h>

#include "proto/sched_error.h"

#define GRAPH_NAME_MAX 32

/* Tasks of one kind; numbered on from the group before. */
struct graph_group {
	char name[GRAPH_NAME_MAX];
	uint32_t first_task, n_tasks;
	uint64_t sleep_us; /* 0: they do nothing */
};

struct graph {
	struct graph_group *groups;
	size_t n_groups, cap_groups;
	uint32_t *counts; /* inputs of each task */
	size_t n_tasks, cap_tasks;
	uint32_t *inputs; /* task numbers, smaller than that of the task; task after task */
	size_t n_edges, cap_edges;
	sc_err err; /* the first thing that went wrong, so that generators need not look */
};

/*
 * *out is the graph of that name; graph_fini() it, also after a failure.  SC_INVALID: there is no such graph; SC_LIMIT:
 * it would be too large; SC_BAD_STATE: it has not the tasks and edges that are printed for it, a bug; SC_NOMEM.
 */
sc_err graph_make(const char *name, struct graph *out);
void graph_fini(struct graph *g);

/* The names there are, for people. */
extern const char graph_names[];

/* What is printed of a graph; the table ends with a name of NULL. */
struct graph_printed {
	const char *name;
	size_t n_tasks, n_edges;
};
extern const struct graph_printed graphs_printed[];

/* ---- for the generators ---- */

void graph_group(struct graph *g, const char *name);	 /* the tasks that follow are of a new group */
uint32_t graph_task(struct graph *g);			 /* one more; its number */
void graph_input(struct graph *g, uint32_t input);	 /* that one takes the result of this one */
uint32_t graph_task_on(struct graph *g, uint32_t input); /* both */
uint32_t *graph_numbers(struct graph *g, size_t n);	 /* room for n task numbers; NULL: see g->err */

/* What remains of a level of a tree that is alone. */
enum graph_single { GRAPH_SINGLE_FUSED, GRAPH_SINGLE_KEPT };

/*
 * Reduce `rows` times n values each to one: every k of them are the inputs of a task, again and again.  One that is
 * alone in the end of a level adds a task only if it is kept.  v holds the values row after row, and then the results
 * in its first `rows` places.  Each level is a group, NAME0, NAME1 ...
 */
void graph_reduce(struct graph *g, const char *name, uint32_t *v, size_t rows, size_t n, uint32_t k,
		  enum graph_single single);

/* Shapes, each in its own way; the parameters have been checked. */
void graph_bag(struct graph *g, uint32_t p);
void graph_numpy(struct graph *g, uint32_t p);
void graph_groupby(struct graph *g, uint32_t n_partitions);
void graph_join(struct graph *g);
void graph_join_shuffled(struct graph *g);
void graph_xarray(struct graph *g, uint32_t side);

#endif
