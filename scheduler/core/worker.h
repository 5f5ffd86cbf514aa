/*
 * worker.h - a worker as the core sees it: what it has, what it was given, what it holds.
 */
#ifndef SCHEDULER_CORE_WORKER_H
#define SCHEDULER_CORE_WORKER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/hash.h"
#include "base/slice.h"
#include "proto/sched_error.h"
#include "scheduler/core/request.h"
#include "scheduler/core/task.h"

struct replica;

/* Entries of task_refs know their place: task->pos. */
struct task_list {
	struct task_ref *v;
	size_t n, cap;
};

struct worker {
	uint32_t number; /* from 1; reused when a worker is gone */
	uint8_t status;	 /* WORKER_* */
	char *name, *pool, *address;
	struct namespace *namespace; /* the one it is reserved for; counted.  NULL: it serves all */
	struct slice *labels;	     /* terminated strings; owned */
	struct label **interned;     /* the same, as requests have them; counted */
	size_t n_labels;
	char *resources_text;
	uint32_t pid;
	uint64_t memory_limit_bytes;
	uint64_t capacity[RESOURCES_MAX];
	uint64_t committed[RESOURCES_MAX]; /* what the tasks in flight ask for */
	struct request_class *reserved;	   /* what this class needs is kept free; NULL: nothing is ... */
	uint32_t reserved_alternative;	   /* ... in this way */
	struct task_list in_flight;	   /* has to be answered for by this worker */
	struct task_list held;		   /* outputs of which it is the first holder */
	uint64_t held_bytes;
	LIST_HEAD(, replica) copies; /* results of which it holds a copy (replica.h) */
	uint8_t is_paused;	     /* short of memory: active again when that is over */
	uint8_t is_drained;	     /* it drains and has nothing left */
	uint32_t n_moving;	     /* outputs on their way to another, while it drains */
	uint64_t move_after_us;	     /* the last was not to be moved: go on then */
	uint64_t move_pause_us;
	size_t move_at;	       /* which of its outputs is looked at next ... */
	size_t n_looked;       /* ... and how many were in vain, one after the other */
	size_t looked_n;       /* how many it held then ... */
	uint64_t looked_bytes; /* ... and of what size */
	uint64_t n_ended;      /* tasks it has answered for */
	uint64_t answered_us;  /* when it answered last, or got something after it had nothing */
	float mean_us;	       /* run time of its tasks, moving average; negative: it has run none */
	uint64_t given_round;  /* the last round in which it was given something */
	uint64_t ran_on_job;   /* the job it ended a task of last ... */
	uint16_t ran_on_index; /* ... and its place in that job's names */
	UT_hash_handle hh;     /* by name */
};

struct worker_spec {
	struct slice name, pool, address, resources;
	struct slices labels;
	uint32_t pid;
	uint64_t memory_limit_bytes;
	struct slice namespace; /* empty: it serves all */
};

/* *out is new.  SC_NOMEM, or what requests_parse says. */
sc_err worker_new(struct requests *r, const struct worker_spec *spec, struct worker **out, struct buf *error);
void worker_free(struct worker *w); /* NULL is fine */

/* Whether it may run tasks of the class's namespace. */
static inline int worker_serves(const struct worker *w, const struct request_class *c)
{
	return w->namespace == NULL || w->namespace == c->namespace;
}

/* Whether the worker could ever run a task of the class. */
int worker_can(const struct worker *w, const struct request_class *c);
/* The same for one alternative of the request. */
int worker_can_meet(const struct worker *w, const struct request_class *c, uint32_t alternative);

int worker_has_label(const struct worker *w, const struct label *l);
/* How many of the labels that are preferred it has. */
uint32_t worker_n_preferred(const struct worker *w, const struct alternative *a);

/*
 * How many more tasks of the class it may be given with this alternative: what fits beside what it has, plus, when
 * ahead_us of work may be queued (0: none) and tasks take mean_us (negative: not known, no queue), that much more.
 */
uint64_t worker_room(const struct worker *w, const struct request_class *c, uint32_t alternative, uint64_t ahead_us,
		     float mean_us);
#define WORKER_QUEUE_MAX 4096u /* tasks queued ahead at one worker, at most */

void worker_commit(struct worker *w, const struct alternative *a);
void worker_uncommit(struct worker *w, const struct alternative *a);

/* Enter and take out in O(1); the task's pos is kept.  SC_NOMEM. */
sc_err task_list_add(struct task_list *l, struct job *j, uint32_t task);
void task_list_remove(struct task_list *l, struct job *j, uint32_t task);

#endif
