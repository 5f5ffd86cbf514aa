/*
 * core.h - the scheduler's decisions, pure: events and the time go in, actions come out.
 *
 * No I/O, no clock, no threads, no wire format: bodies and items are opaque bytes.  The same core runs in the daemon,
 * in unit tests on virtual time and in the simulator.  Times are microseconds of any clock that does not step back.
 *
 * A turn: call the event functions for all that has arrived, then core_schedule(), then carry out core_actions() in
 * their order and call core_actions_done().  Pointers to jobs in actions are good until then, even if a job was
 * forgotten meanwhile.
 *
 * Event functions about a task return SC_UNEXPECTED, and change nothing, when the worker does not have that task: the
 * shell treats it as the worker's mistake.
 */
#ifndef SCHEDULER_CORE_CORE_H
#define SCHEDULER_CORE_CORE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "proto/sched_error.h"
#include "scheduler/core/job.h"
#include "scheduler/core/worker.h"

struct core;

struct core_options {
	uint64_t max_tasks;
	uint64_t jobs_kept;
	uint32_t crash_limit;
	uint64_t retry_delay_us, retry_delay_max_us;
	uint64_t prefetch_us;	/* work to keep queued at each worker */
	uint64_t move_after_us; /* queued tasks move from a worker that has not answered for this long to idle ones; 0:
				   never */
	uint32_t probe_tasks;	/* of a new group so many go first, when there are many more workers ... */
	uint64_t probe_us;	/* ... for so long at most; 0: all go at once */
	uint64_t reserve_after_us; /* a request passed over for this long has a worker kept free for it */
};

enum action_kind {
	ACTION_ASSIGN,	   /* give job.task to worker */
	ACTION_CANCEL,	   /* tell worker to stop job.task */
	ACTION_WITHDRAW,   /* tell worker to give job.task back unless it has started */
	ACTION_DROP,	   /* tell worker to drop the output of job.task */
	ACTION_DROP_COPY,  /* the same, unless the worker has produced it itself since */
	ACTION_KEEP,	   /* tell worker that its copy of the output of job.task is the output */
	ACTION_REPLICATE,  /* tell worker to fetch the output of job.task */
	ACTION_DRAINED,	   /* worker number `task` is drained, or not any more (no job) */
	ACTION_TASK_ENDED, /* job.task, which is awaited, has; unless it runs again by now */
	ACTION_JOB_ENDED,  /* all tasks of job have ended */
	ACTION_JOB_FORGET, /* the job is gone: workers may forget it */
};

struct action {
	enum action_kind kind;
	uint32_t worker;
	uint32_t task;
	struct job *job;
};

/* How a task ended well. */
struct task_outcome {
	uint64_t result_bytes, stderr_bytes;
	uint64_t elapsed_us, cpu_us, rss_bytes;
};

/* How a task ended badly.  Borrowed for the call. */
struct task_failure {
	uint32_t cause, status;
	struct slice text, stderr_tail;
	struct task_outcome outcome; /* sizes of what it wrote before */
};

/* A transition that happened, for traces. */
typedef void (*core_trace_fn)(void *arg, const struct job *j, uint32_t task, unsigned from, unsigned event,
			      unsigned to);

sc_err core_new(const struct core_options *o, struct core **out);
void core_free(struct core *c); /* NULL is fine */
/* What follows happens now; the functions that take a time need not be told twice. */
void core_set_now(struct core *c, uint64_t now_us);
void core_set_trace(struct core *c, core_trace_fn fn, void *arg);

/* ---- workers -- */

/* *number is the new worker's.  SC_EXISTS (the name), SC_INVALID, SC_LIMIT, with *error; SC_NOMEM. */
sc_err core_worker_add(struct core *c, const struct worker_spec *spec, uint64_t now_us, uint32_t *number,
		       struct buf *error);
/* It is gone: its tasks go back, results only it held are computed again if needed. */
void core_worker_lost(struct core *c, uint32_t number, uint64_t now_us);
/* WORKER_ACTIVE, WORKER_DRAINING, WORKER_STOPPING.  One that is active may count as paused. */
void core_worker_set_status(struct core *c, uint32_t number, unsigned status);
/* It is short of memory and wants nothing new for now, or that is over. */
void core_worker_set_paused(struct core *c, uint32_t number, int is_paused);

/* It drains, and nobody is there who may take any of the outputs it still holds. */
int core_worker_is_stuck(const struct worker *w);

struct worker *core_worker(const struct core *c, uint32_t number); /* NULL: no such worker */
struct worker *core_worker_by_name(const struct core *c, struct slice name);
uint32_t core_workers_end(const struct core *c); /* numbers are below this */
size_t core_n_workers(const struct core *c);

/*
 * What a namespace may have in flight, and its share of the room.  SC_INVALID (the name, the weight), SC_LIMIT (too
 * many that differ from the usual), SC_NOMEM.
 */
sc_err core_namespace_set(struct core *c, struct slice name, const struct namespace_limits *limits);
const struct namespace *core_namespace(const struct core *c, struct slice name); /* NULL: nobody uses it */
const struct namespace *core_namespace_first(const struct core *c);
const struct namespace *core_namespace_next(const struct namespace *n);

/* ---- jobs -- */

/* The whole job is taken or nothing of it.  *error says what is wrong. */
sc_err core_submit(struct core *c, const struct job_spec *spec, uint64_t now_us, uint64_t *id, struct buf *error);
/*
 * More tasks for a job that has not ended, numbered from spec->first_task, which is its n_tasks; they may take input
 * from those it has (job_grow).  Name, namespace, priority and the jobs to follow are those of the job.  All is taken
 * or nothing.  SC_BAD_STATE: it has ended.
 */
sc_err core_submit_more(struct core *c, struct job *j, const struct job_spec *spec, uint64_t now_us, struct buf *error);
/* No more tasks come by themselves: it ends with the last one.  SC_BAD_STATE: it is not open. */
sc_err core_job_close(struct core *c, struct job *j, uint64_t now_us);
/* *n is how many tasks were stopped.  SC_BAD_STATE: it has ended. */
sc_err core_job_cancel(struct core *c, struct job *j, uint64_t now_us, uint64_t *n);
/* SC_BAD_STATE: it has not ended. */
sc_err core_job_forget(struct core *c, struct job *j);
/* Failed and cancelled tasks, one or (task NULL) all, and what failed because of them.  *n is how many run again. */
sc_err core_tasks_retry(struct core *c, struct job *j, const uint32_t *task, uint64_t now_us, uint64_t *n);
/* From now on ACTION_TASK_ENDED tells when the task (ALL_TASKS: any of the job) ends. */
void core_await(struct core *c, struct job *j, uint32_t task);
#define ALL_TASKS UINT32_MAX
/* The result of this task is wanted: if it is lost it is computed again.  SC_BAD_STATE: failed or cancelled. */
sc_err core_result_want(struct core *c, struct job *j, uint32_t task, uint64_t now_us);

struct job *core_job(const struct core *c, uint64_t id); /* NULL: no such job; id 0 is the newest */
struct job *core_job_first(const struct core *c);	 /* oldest */
struct job *core_job_next(const struct core *c, const struct job *j);
struct job *core_job_last(const struct core *c);
struct job *core_job_prev(const struct core *c, const struct job *j);
uint64_t core_n_tasks(const struct core *c);

/* ---- what workers report -- */

/* The worker begins to fetch its inputs: if that takes it down, the task has had to do with it. */
sc_err core_task_fetches(struct core *c, uint32_t worker, struct job *j, uint32_t task);
sc_err core_task_started(struct core *c, uint32_t worker, struct job *j, uint32_t task);
sc_err core_task_done(struct core *c, uint32_t worker, struct job *j, uint32_t task, const struct task_outcome *o,
		      uint64_t now_us);
sc_err core_task_failed(struct core *c, uint32_t worker, struct job *j, uint32_t task, const struct task_failure *f,
			uint64_t now_us);
sc_err core_task_stopped(struct core *c, uint32_t worker, struct job *j, uint32_t task, uint64_t now_us);
/* The task could not start: these inputs are not at the workers they were said to be at (NO_WORKER: gone by now). */
sc_err core_inputs_missing(struct core *c, uint32_t worker, struct job *j, uint32_t task, const uint32_t *inputs,
			   const uint32_t *holders, size_t n, uint64_t now_us);

/*
 * The worker has fetched the output of a task and keeps it; or holds it no more, or could not fetch what it was asked
 * to.  Whatever the state of the task is by now.  SC_UNEXPECTED: no such task or worker.
 */
sc_err core_replica_added(struct core *c, uint32_t worker, struct job *j, uint32_t task, uint64_t result_bytes,
			  uint64_t stderr_bytes);
sc_err core_replica_dropped(struct core *c, uint32_t worker, struct job *j, uint32_t task, uint64_t now_us);

/* So many bytes took a worker so long to fetch: placement weighs moving against waiting by what it learns from this. */
void core_transferred(struct core *c, uint64_t bytes, uint64_t us);

/* Who holds the output of a task, the first holder first; at most cap.  Their number. */
size_t core_holders(const struct core *c, const struct job *j, uint32_t task, uint32_t *out, size_t cap);
/* The one of them with this data address, or NO_WORKER. */
uint32_t core_holder_at(const struct core *c, const struct job *j, uint32_t task, struct slice address);

/* ---- the turn -- */

/* Give ready tasks to workers with room; wake delayed ones that are due. */
void core_schedule(struct core *c, uint64_t now_us);
const struct action *core_actions(const struct core *c, size_t *n);
void core_actions_done(struct core *c);
/* When core_schedule has to be called again though nothing happens; UINT64_MAX: never. */
uint64_t core_next_due_us(const struct core *c);
/* Memory ran out in the middle of a step and an action is lost: the process cannot go on. */
int core_is_broken(const struct core *c);

/* ---- looking -- */

/*
 * What its groups from this one on ask for that no worker can meet: a line for each request that is so, nothing when
 * all can be met.  *looks is how many workers may be looked at, and becomes less; at 0 not all is known.
 */
void core_job_unmet(struct core *c, const struct job *j, uint32_t first_group, uint64_t *looks, struct buf *out);
/*
 * 1: nothing of it runs, and no worker can run any task of it that is ready.  *out is why, also when that is so of some
 * of these tasks only.
 */
int core_job_waits(struct core *c, const struct job *j, uint64_t *looks, struct buf *out);

/* In words, why a task is where it is. */
void core_explain(const struct core *c, const struct job *j, uint32_t task, uint64_t now_us, struct buf *out);
/* Walk all structures; SC_OK, or SC_BAD_STATE and *error says what does not hold. */
sc_err core_check(const struct core *c, struct buf *error);

#endif
