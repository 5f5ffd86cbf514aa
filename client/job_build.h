/*
 * job_build.h - inside the library: a job in the making.
 *
 * Groups cost memory, tasks do not: columns over all tasks are written only when the job is submitted.  Which task
 * takes input from which is kept as joins (group to group) and edges (task to task), and read back in one order by
 * job_each_input().
 */
#ifndef CLIENT_JOB_BUILD_H
#define CLIENT_JOB_BUILD_H

#include <stdint.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/index_list.h"
#include "client/sched_client.h"
#include "proto/message.h"

#define JOB_INPUTS_MAX ((uint64_t)200 * 1000 * 1000) /* edges in all, joins multiplied out */

struct job_group {
	char *name;
	UT_hash_handle hh; /* by name; the address of the group must not change while it is hashed */
	uint64_t first_task;
	uint64_t n_tasks;
	uint64_t index_first;
	uint64_t index_step;
	unsigned flags;
	unsigned kind;
	uint32_t body;	  /* number of the body */
	uint32_t request; /* number of the resources text */
	uint32_t retries;
	uint64_t time_limit_ms;
	int64_t priority;
	struct index_list *indexes; /* instead of index_first and index_step, or NULL */
	uint32_t max_running;
	uint32_t stdin_group;	  /* 1 + number, 0: none */
	struct group_join *joins; /* in the order they were added */
	size_t n_joins, cap_joins;
};

struct group_join {
	uint32_t input_group;
	enum sc_join how;
};

struct edge {
	uint32_t task;
	uint32_t input;
};

/* A text that occurs once, however many refer to it. */
struct shared_text {
	UT_hash_handle hh;
	uint32_t number;
	size_t n;
	char bytes[];
};

struct shared_texts {
	struct shared_text *by_bytes;
	struct shared_text **v;
	size_t n, cap;
	size_t size_bytes; /* of all */
};

struct sc_job {
	char *name;
	char *name_space; /* NULL: default */
	int64_t priority;
	unsigned flags;
	uint64_t max_fails; /* 1 + how many; 0: no limit */
	uint64_t *after;
	size_t n_after, cap_after;

	struct job_group **groups;
	size_t n_groups, cap_groups;
	struct job_group *by_name;
	uint64_t n_tasks;
	struct shared_texts bodies;
	struct shared_texts requests;
	struct buf item_bytes; /* one item after the other */
	size_t *item_ends;     /* where each ends in item_bytes */
	size_t n_items, cap_items;

	char *unmet; /* what the scheduler said to that when it was submitted last; NULL: nothing */

	struct edge *edges; /* sorted by task if edges_sorted, else in the order they were added */
	size_t n_edges, cap_edges;
	int edges_sorted;
	struct edge *earlier; /* the same, from tasks of the job it is to be part of; sorted by job_sort_edges() */
	size_t n_earlier, cap_earlier;
};

/* The group a task is in. */
const struct job_group *job_group_of(const struct sc_job *job, uint64_t task);

/* "NAME-INDEX" or "NAME" into out. */
const char *job_key(const struct sc_job *job, uint64_t task, char *out, size_t cap);

/* Sort the edges so that job_each_input() can be used. */
sc_err job_sort_edges(struct sc_job *job);

/*
 * Call fn for each input of each task, tasks in order, inputs in order: those of joins first, then edges.  end_task is
 * called after each task.  Both may be NULL.  An error ends it.
 */
struct job_visitor {
	sc_err (*input)(uint64_t task, uint64_t input, void *arg);
	sc_err (*earlier)(uint64_t task, uint64_t input, void *arg); /* of the job it is to be part of; may be NULL */
	sc_err (*end_task)(uint64_t task, void *arg);
	void *arg;
};
sc_err job_each_input(const struct sc_job *job, const struct job_visitor *v);

/* Inputs of all tasks together; may be over JOB_INPUTS_MAX. */
uint64_t job_count_inputs(const struct sc_job *job);

/* The index of a group's k-th task. */
uint64_t job_group_index(const struct job_group *g, uint64_t k);

/* The message of a checked job.  It borrows the job and *columns, which the caller frees with job_columns_free(). */
struct job_columns;
sc_err job_message(struct sc_job *job, struct msg_submit *out, struct job_columns **columns);
/* The same for what becomes part of a job. */
sc_err job_message_more(struct sc_job *job, struct msg_submit_more *out, struct job_columns **columns);
void job_columns_free(struct job_columns *columns); /* NULL is fine */

#endif
