/*
 * job.h - a job: its groups, its tasks and the edges between them, in arrays.
 *
 * Tasks are numbered group after group from 0.  Edges are kept in compressed sparse rows in both directions: the inputs
 * of task t are in[in_start[t] .. in_start[t+1]), its consumers out[out_start[t] .. out_start[t+1]).  A job without
 * edges has none of the four arrays.  Everything here is the core's; others may read it between two calls into the
 * core.
 *
 * A job can grow (grow.c): further tasks are appended to all arrays, which may move.  Inputs of a task never change,
 * but consumers can come later: those are in chains beside `out`, see job_consumers().
 */
#ifndef SCHEDULER_CORE_JOB_H
#define SCHEDULER_CORE_JOB_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/bits.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/index_list.h"
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
	struct index_list *indexes; /* instead of these two, or NULL; owned */
	uint32_t flags;		    /* GROUP_* */
	uint32_t kind;		    /* opaque, as the body */
	uint32_t body;		    /* index into the job's bodies */
	uint32_t retries;
	uint64_t time_limit_ms;	     /* 0: none; kept by the worker */
	int64_t priority;	     /* job's plus its own */
	struct request_class *class; /* counted */
	struct run_queue *queue;
	uint64_t first_item;  /* of a group with GROUP_ITEMS: index into the job's items */
	float mean_us;	      /* run time of its tasks, moving average; negative: not known */
	uint32_t n_probes;    /* given out before anything was known of it (probe.c) */
	uint64_t probe_round; /* in which the first of them were; 0: another has begun since */
	uint64_t probe_end_us;
	struct group_times times;
	uint32_t first_group; /* number of the first group that was submitted together with it */
	uint32_t max_running; /* so many of its tasks are given out at the same time; 0: any number */
	uint32_t n_running;   /* and so many are, if there is such a limit */
	uint8_t called_back;  /* a gang: those that are out have been told to stop, until it starts anew */
	uint8_t is_unsettled; /* a gang: some wait because another has to run again, and were not settled yet */
};

/* A consumer that was submitted after the task it takes from. */
struct late_edge {
	uint32_t task;
	uint32_t next; /* of the same input: 1 + its place, 0: none */
};

/* A group by its name, in a job that has grown. */
struct group_name {
	UT_hash_handle hh;
	uint32_t group;
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
	uint32_t *late_first; /* per task: 1 + the place in `late` of its newest late consumer, 0: none.  NULL: no task
				 has */
	struct late_edge *late;
	size_t n_late;
	size_t n_bodies, n_items;
	struct slice *bodies; /* owned bytes, all in one block */
	char *body_bytes;
	struct slice *items; /* likewise */
	char *item_bytes;
	char **more_bytes; /* blocks of later submissions */
	size_t n_more_bytes;
	struct group_name *by_name; /* NULL until it grows */
	/* how much is allocated, once it has grown */
	size_t cap_tasks, cap_groups, cap_in_start, cap_in, cap_out_start, cap_out, cap_late_first, cap_late,
		cap_bodies, cap_items, cap_more_bytes;
	uint8_t is_open;       /* more tasks may come: it does not end before it is closed */
	uint8_t was_cancelled; /* as a whole */
	uint8_t gave_up;       /* too many of its tasks have failed */
	uint8_t is_awaited;    /* ACTION_TASK_ENDED is wanted: AWAIT_* */
	struct bits awaited;   /* for these tasks */
	uint64_t max_fails;    /* as submitted; 0: no limit */
	uint64_t n_fails;      /* tasks that have failed by themselves */
	uint64_t fails_limit;  /* with so many it gives up */
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
	int64_t priority;		  /* added to the job's */
	const struct index_range *ranges; /* the indexes, instead of first and step; borrowed */
	size_t n_ranges;		  /* 0: first and step */
	uint32_t max_running;		  /* 0: any number */
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
	/*
	 * n_tasks + 1 and in_start[n_tasks] elements, or both NULL; from mem_malloc, taken on success.  Inputs below
	 * first_task are tasks the job has already; the others are numbered from there.
	 */
	uint32_t *in_start, *in;
	uint32_t first_task;
	int is_open;	    /* more will follow: it may begin without any task */
	uint64_t max_fails; /* 1 + how many tasks may fail by themselves; with one more the rest is cancelled.  0: any
			       number */
};

/*
 * *out is a new job, not in any list, its tasks waiting; SC_INVALID, SC_CYCLE, SC_LIMIT with *error saying what is
 * wrong.
 */
sc_err job_new(struct requests *r, const struct job_spec *spec, struct job **out, struct buf *error);
void job_free(struct job *j); /* NULL is fine */

/*
 * Append what spec describes, whose groups and tasks come after those j has (spec->first_task is j->n_tasks, its name,
 * namespace and priority are ignored).  The new tasks wait, and count as consumers of their inputs; whether these are
 * there is for the caller to see to.  On failure nothing has changed.  Errors as job_new; SC_EXISTS: a name is taken.
 */
sc_err job_grow(struct requests *r, struct job *j, const struct job_spec *spec, struct buf *error);

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

/* The consumers of a task: those submitted with it in the order of their numbers, then later ones, newest first. */
struct consumers {
	const struct job *job;
	uint32_t at, end, late;
};

static inline struct consumers job_consumers(const struct job *j, uint32_t task)
{
	struct consumers c = {j, 0, 0, 0};

	if (j->out_start != NULL) {
		c.at = j->out_start[task];
		c.end = j->out_start[task + 1];
		c.late = j->late_first == NULL ? 0 : j->late_first[task];
	}
	return c;
}

/* 0: there are no more. */
static inline int consumers_next(struct consumers *c, uint32_t *task)
{
	if (c->at < c->end) {
		*task = c->job->out[c->at++];
		return 1;
	}
	if (c->late == 0)
		return 0;
	*task = c->job->late[c->late - 1].task;
	c->late = c->job->late[c->late - 1].next;
	return 1;
}

static inline int job_has_consumers(const struct job *j, uint32_t task)
{
	return j->out_start != NULL &&
	       (j->out_start[task + 1] > j->out_start[task] || (j->late_first != NULL && j->late_first[task] != 0));
}

/* Counts them, per edge. */
static inline uint32_t job_n_consumers(const struct job *j, uint32_t task)
{
	struct consumers c = job_consumers(j, task);
	uint32_t n = c.end - c.at, k;

	for (c.at = c.end; consumers_next(&c, &k);)
		n++;
	return n;
}

enum { AWAIT_NONE, AWAIT_SOME, AWAIT_ALL };

static inline int job_awaits(const struct job *j, uint32_t task)
{
	return j->is_awaited != AWAIT_NONE && (j->is_awaited == AWAIT_ALL || bits_has(&j->awaited, task));
}

static inline int job_has_ended(const struct job *j)
{
	return j->state >= JOB_DONE;
}

/* The index of the k-th task of a group. */
static inline uint64_t group_index(const struct group *g, uint32_t k)
{
	return g->indexes == NULL ? g->index_first + k * g->index_step : index_list_at(g->indexes, k);
}

/* The key of a task: the group's name, with -INDEX when the group is an array.  Returns buf. */
const char *job_key(const struct job *j, uint32_t task, char *buf, size_t cap);
#define JOB_KEY_MAX 256

/* Whether key names a task of g; *task is then its number. */
int key_in_group(const struct group *g, const char *key, uint32_t *task);
/* Of a job that has grown: the number of the group of this name, or UINT32_MAX. */
uint32_t job_group_named(const struct job *j, struct slice name);

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
/* Of one that has succeeded.  How often it failed before is remembered if it may have to run again with its gang. */
void job_task_detail_settle(struct job *j, uint32_t task);
/* Keep the end of a task's standard error, instead of what was kept before, if there is room for it. */
void job_set_stderr_tail(struct job *j, uint32_t task, struct slice tail);

/*
 * acyclic.c: that no task, or no gang, of a new job waits for itself.  Its edges are there; inputs from first_task on
 * are its own.  For gangs no task may wait for itself.  SC_CYCLE with *error; SC_NOMEM.
 */
sc_err acyclic_check_tasks(const struct job *j, uint32_t first_task, struct buf *error);
sc_err acyclic_check_gangs(const struct job *j, uint32_t first_task, struct buf *error);

#endif
