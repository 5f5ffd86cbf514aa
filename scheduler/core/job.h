/*
 * job.h - a job: its groups, its tasks and the edges between them, in arrays.
 *
 * Tasks are numbered group after group from 0.  Edges are kept in compressed sparse rows in both directions: the inputs
 * of task t are in[in_start[t] .. in_start[t+1]), its consumers out[out_start[t] .. out_start[t+1]).  A job without
 * edges has none of the four arrays.  Everything here is the core's; others may read it between two calls into the
 * core.
 */
#ifndef SCHEDULER_CORE_JOB_H
#define SCHEDULER_CORE_JOB_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/slice.h"
#include "proto/sched_error.h"
#include "scheduler/core/group_times.h"
#include "scheduler/core/request.h"
#include "scheduler/core/task.h"

struct run_queue;
struct worker;

struct group {
	char *name;
	uint32_t first_task, n_tasks;
	uint64_t index_first, index_step;
	uint32_t flags; /* GROUP_* */
	uint32_t kind;	/* opaque, as the body */
	uint32_t body;	/* index into the job's bodies */
	uint32_t retries;
	uint64_t time_limit_ms;	     /* 0: none; kept by the worker */
	int64_t priority;	     /* job's plus its own */
	struct request_class *class; /* counted */
	struct run_queue *queue;
	uint64_t first_item; /* of a group with GROUP_ITEMS: index into the job's items */
	float mean_us;	     /* run time of its tasks, moving average; negative: not known */
	uint32_t n_probes;   /* given out before anything was known of it (probe.c) */
	uint64_t probe_end_us;
	struct group_times times;
};

struct job {
	uint64_t id;
	char *name, *namespace;
	int64_t priority;
	uint8_t state; /* JOB_* */
	uint8_t forgotten;
	uint32_t n_tasks, n_groups;
	struct task *tasks;
	struct group *groups;
	uint32_t *in_start, *in, *out_start, *out;
	uint32_t n_bodies;
	struct slice *bodies; /* owned bytes, all in one block */
	char *body_bytes;
	struct slice *items; /* likewise */
	char *item_bytes;
	uint64_t counts[TASK_STATES];
	uint32_t n_unanswered;		 /* tasks a worker has to answer for, cancelled ones among them */
	uint64_t submitted_us, ended_us; /* ended_us: 0 until then */
	uint32_t n_after;		 /* jobs that have to succeed first and have not ended */
	uint64_t *followers;		 /* ids of jobs that wait for this one */
	size_t n_followers, cap_followers;
	char *text;    /* why it failed, or NULL */
	char **ran_on; /* names of workers that ended tasks of it; workers come and go, names stay */
	size_t n_ran_on, cap_ran_on;
	size_t stderr_tail_bytes; /* of all its tasks: JOB_TAIL_BYTES at most */
	struct run_queue *queues;
	TAILQ_ENTRY(job) link;	     /* all, oldest first */
	TAILQ_ENTRY(job) ended_link; /* ended ones, first ended first; or the ones to free */
	struct job *release_next;    /* ended; jobs that follow it are still to be told */
	UT_hash_handle hh;	     /* by id */
	size_t bytes;		     /* memory it takes, without details */
};

/* Ends of standard error that are kept: of one task, and of all tasks of a job together. */
#define TASK_TAIL_BYTES 4096u
#define JOB_TAIL_BYTES	((size_t)16 * 1024 * 1024)

struct group_spec {
	struct slice name;
	uint32_t n_tasks;
	uint64_t index_first, index_step;
	uint32_t flags, kind, body, retries;
	struct slice request;
	uint64_t time_limit_ms;
	int64_t priority; /* added to the job's */
};

/* All borrowed for the call, except the edges. */
struct job_spec {
	struct slice name, namespace;
	int64_t priority;
	const uint64_t *after;
	size_t n_after;
	const struct group_spec *groups;
	uint32_t n_groups;
	struct slices bodies, items;
	/* n_tasks + 1 and in_start[n_tasks] elements, or both NULL; from mem_malloc, taken on success. */
	uint32_t *in_start, *in;
};

/*
 * *out is a new job, not in any list, its tasks waiting; SC_INVALID, SC_CYCLE, SC_LIMIT with *error saying what is
 * wrong.
 */
sc_err job_new(struct requests *r, const struct job_spec *spec, struct job **out, struct buf *error);
void job_free(struct job *j); /* NULL is fine */

static inline struct slice job_body(const struct job *j, const struct group *g)
{
	return j->bodies[g->body];
}

static inline struct slice job_item(const struct job *j, uint32_t task)
{
	const struct group *g = &j->groups[j->tasks[task].group];

	if ((g->flags & GROUP_ITEMS) == 0)
		return (struct slice){"", 0};
	return j->items[g->first_item + (task - g->first_task)];
}

static inline uint32_t job_n_inputs(const struct job *j, uint32_t task)
{
	return j->in_start == NULL ? 0 : j->in_start[task + 1] - j->in_start[task];
}

static inline uint32_t job_n_consumers(const struct job *j, uint32_t task)
{
	return j->out_start == NULL ? 0 : j->out_start[task + 1] - j->out_start[task];
}

static inline int job_has_ended(const struct job *j)
{
	return j->state >= JOB_DONE;
}

/* The key of a task: the group's name, with -INDEX when the group is an array.  Returns buf. */
const char *job_key(const struct job *j, uint32_t task, char *buf, size_t cap);
#define JOB_KEY_MAX 256

/* The task of a key, or of a number in decimal.  SC_NOT_FOUND. */
sc_err job_find_task(const struct job *j, struct slice key, uint32_t *out);

/* Remember that the worker of this name ended the task.  O(1) while workers report one job after the other. */
void job_set_ran_on(struct job *j, uint32_t task, struct worker *w);
/* The name, or "". */
static inline const char *job_ran_on(const struct job *j, uint32_t task)
{
	return j->tasks[task].ran_on == 0 ? "" : j->ran_on[j->tasks[task].ran_on - 1];
}

/* The detail of a task, made if it has none; NULL when out of memory. */
struct task_detail *job_task_detail(struct job *j, uint32_t task);
void job_task_detail_clear(struct job *j, uint32_t task);
/* Keep the end of a task's standard error, instead of what was kept before, if there is room for it. */
void job_set_stderr_tail(struct job *j, uint32_t task, struct slice tail);

#endif
