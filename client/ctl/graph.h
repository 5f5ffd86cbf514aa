/*
 * graph.h - a graph file, read and checked.  Knows nothing of the scheduler: graph_job.h makes a job of it.
 *
 * Every mistake is reported as "FILE:LINE: what; what is allowed".  Strings belong to the graph.
 */
#ifndef CLIENT_CTL_GRAPH_H
#define CLIENT_CTL_GRAPH_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/yaml_doc.h"
#include "client/ctl/range.h"
#include "proto/sched_error.h"

#define GRAPH_FILE_MAX	((size_t)64 * 1024 * 1024)
#define GRAPH_TASKS_MAX 100000u

enum graph_kind { GRAPH_NONE, GRAPH_RUN, GRAPH_CALL, GRAPH_SLEEP, GRAPH_NOOP };

struct graph_input {
	size_t task; /* index into graph.tasks */
	int each;    /* one to one, by index; else all of it */
	unsigned line;
};

struct graph_text {
	const char *p;
	size_t n;
};

/* A task of the file: one task, or with foreach a group. */
struct graph_task {
	const char *name;
	unsigned line;
	enum graph_kind kind;

	int is_group;
	struct range range;   /* count is that of the items, if there are any, or of the ranges */
	struct ranges ranges; /* of a list of them; else empty */
	uint32_t max_running; /* 0: any number */
	struct graph_text *items;
	size_t n_items, cap_items;

	const char **argv; /* ends with NULL */
	const char *module;
	const char *function;
	struct graph_text *args;
	size_t n_args, cap_args;
	uint64_t sleep_us;

	struct graph_input *inputs;
	size_t n_inputs, cap_inputs;
	size_t stdin_task; /* 1 + index of the task whose results are standard input; 0: none */
	const char *stdin_file;
	const char *stdout_path, *stderr_path;
	const char *output; /* pattern of the file for the result, or NULL */
	unsigned output_line;

	const char *resources; /* "cpus=1,gpu=2,label:zone=a|cpus=8,label:zone=a", or NULL */
	const char **env;      /* NAME=VALUE, ends with NULL; or NULL */
	const char *cwd;
	unsigned retries;
	uint64_t time_limit_us; /* 0: none */
	int64_t priority;
	int keep;
	int gang;    /* its tasks start together */
	int is_sink; /* no task takes its result */
};

struct graph {
	const char *path;
	const char *name;
	const char *name_space; /* NULL: default */
	int64_t priority;
	uint64_t max_fails; /* UINT64_MAX: no limit */
	struct graph_task *tasks;
	size_t n_tasks;
	/* private */
	struct yaml_doc *doc;
	void **owned; /* strings made while reading */
	size_t n_owned, cap_owned;
};

/*
 * Read a file; paths in it are relative to the current directory.  *out is new.  SC_INVALID with *error (also for a
 * file that is not there), SC_NOMEM.
 */
sc_err graph_load(const char *path, struct graph **out, struct buf *error);
void graph_free(struct graph *g); /* NULL is fine */

/* For graph_checks.c. */
sc_err graph_error(const struct graph *g, unsigned line, struct buf *error, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
sc_err graph_check(struct graph *g, struct buf *error);

/* A string or memory that lives as long as the graph; takes p.  NULL when out of memory (p is freed then). */
void *graph_own(struct graph *g, void *p);

#endif
