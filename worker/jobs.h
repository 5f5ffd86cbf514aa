/*
 * jobs.h - the jobs this worker has tasks of, and their groups: what a task is, how it is called, what it takes.
 *
 * Groups and jobs are shared (counted): tasks keep theirs when the scheduler drops the job.  Loop thread only.
 */
#ifndef WORKER_JOBS_H
#define WORKER_JOBS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/index_list.h"
#include "proto/message.h"
#include "worker/resources.h"
#include "worker/table.h"

#define KEY_MAX 256 /* NAME-INDEX with its terminator */

struct jobs;
struct answer_batch;

struct job {
	UT_hash_handle hh;
	uint64_t id;
	unsigned refs;
	char *name;
	struct group *by_number; /* table */
	struct group **by_first; /* ordered by first task */
	size_t n_groups, cap_groups;
	struct answer_batch *answers; /* not sent yet, or NULL; owned by answers.c */
};

struct group {
	UT_hash_handle hh;
	unsigned refs;
	struct job *job; /* shared */
	uint32_t number;
	char *name;
	uint32_t first_task;
	uint32_t n_tasks;
	uint64_t index_first, index_step;
	struct index_list *indexes;		   /* instead of these two, or NULL; owned */
	uint32_t first_group;			   /* numbers of groups in the body count from it */
	unsigned flags;				   /* GROUP_* */
	int is_unawaited;			   /* no task takes what these make */
	unsigned kind;				   /* KIND_* */
	uint64_t time_limit_us;			   /* 0: none */
	struct request requests[ALTERNATIVES_MAX]; /* what a task takes: one of these */
	unsigned n_requests;
	struct slice body;   /* owned; given up once a plan was made of it */
	uint64_t n_runs;     /* of its tasks here, that ended well */
	uint64_t average_us; /* these took, the last ones most */
	void *plan;	     /* the body, prepared by the executor of its kind; owned */
	void (*plan_free)(void *plan);
};

/* SC_NOMEM. */
sc_err jobs_new(struct jobs **out);
void jobs_free(struct jobs *j); /* NULL is fine */

/*
 * Remember a group; one that is known already is left alone.  SC_MALFORMED with *error: the message makes no sense.
 * What makes its tasks impossible only here (an unknown resource) is kept as the problem of that request.
 */
sc_err jobs_define(struct jobs *j, const struct msg_group_define *m, const struct resources *r, struct buf *error);

struct job *jobs_find(struct jobs *j, uint64_t id);	   /* NULL: not known */
struct group *job_group(struct job *job, uint64_t number); /* NULL: not known */

/* The group that has this task, or NULL. */
struct group *job_group_of(const struct job *job, uint64_t task);

void jobs_drop(struct jobs *j, uint64_t id);
void jobs_clear(struct jobs *j);

struct group *group_ref(struct group *g);
void group_unref(struct group *g); /* NULL is fine */
void job_unref(struct job *job);   /* NULL is fine */

/* A task of the group has ended well after this long. */
void group_note_run(struct group *g, uint64_t elapsed_us);

/* The body is not needed any more. */
void group_drop_body(struct group *g);

static inline int group_has(const struct group *g, uint64_t task)
{
	return task >= g->first_task && task - g->first_task < g->n_tasks;
}

static inline uint64_t group_index(const struct group *g, uint64_t task)
{
	if (g->indexes != NULL)
		return index_list_at(g->indexes, task - g->first_task);
	return g->index_first + (task - g->first_task) * g->index_step;
}

/* "name-17", or "name" for a single task.  Returns its length. */
size_t group_key(const struct group *g, uint64_t task, char out[KEY_MAX]);

#endif
