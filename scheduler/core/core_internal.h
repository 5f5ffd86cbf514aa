/* core_internal.h - the inside of the core, for the files of scheduler/core/ alone. */
#ifndef SCHEDULER_CORE_CORE_INTERNAL_H
#define SCHEDULER_CORE_CORE_INTERNAL_H

#include <sys/queue.h>

#include "base/bits.h"
#include "scheduler/core/core.h"
#include "scheduler/core/ready.h"
#include "scheduler/core/replica.h"

TAILQ_HEAD(job_list, job);

/* A task that waits for its retry delay.  The job may be gone by then: it is looked up. */
struct delayed {
	uint64_t due_us;
	uint64_t job;
	uint32_t task;
};

/* An output on its way from a worker that drains. */
struct move {
	struct job *job;
	uint32_t task, from, to;
};

struct core {
	struct core_options options;
	struct requests requests;

	struct worker **workers; /* by number; [0] is never used */
	uint32_t workers_end;
	size_t cap_workers, n_workers;
	struct worker *workers_by_name;
	uint32_t cursor;	/* where the next round begins to look for room */
	uint64_t workers_stamp; /* rises when one comes, goes, takes tasks or does not, and with a quota that changes */
	struct bits active;	/* workers that take tasks */
	struct bits idle;	/* of those: with something that no task in flight asks for */
	struct bits touched;	/* with more room than after the last round */
	struct bits queued;	/* with tasks beyond what they can run at once */
	struct bits reserved;	/* kept free for a class */
	struct bits draining;	/* or drained */
	uint64_t n_passes, n_rounds;
	uint64_t probe_due_us; /* a group that must wait need not any more; UINT64_MAX: none does */
	uint64_t now_us;       /* of the last round: what is reported belongs to about then */
	uint64_t moved_us;     /* when tasks were called back last */
	double bytes_per_us;   /* that move from worker to worker, moving average; 0: not known */

	struct job_list jobs;	/* oldest first */
	struct job_list ended;	/* first ended first; remembered */
	struct job_list graves; /* forgotten in this turn */
	uint64_t n_ended;
	struct job *jobs_by_id;
	uint64_t next_job;
	uint64_t n_tasks;

	struct delayed *delays; /* heap, earliest first */
	size_t n_delays, cap_delays;

	struct copies *copies; /* of results that more than one worker holds */
	struct move *moves;
	uint32_t n_moves;
	size_t cap_moves;
	uint32_t move_cursor; /* who was asked last to take an output */

	struct action *actions;
	size_t n_actions, cap_actions;

	uint64_t stamp;	      /* rises whenever a task or room may have appeared */
	uint64_t round_stamp; /* what it was after the last round */
	int rescan;	      /* a ready task could not be entered in its queue */
	int broken;

	struct job *to_release; /* ended jobs whose followers are still to be told */
	int releasing;

	struct task_ref *stack; /* of the propagation at hand */
	size_t n_stack, cap_stack;

	core_trace_fn trace;
	void *trace_arg;
};

void core_act(struct core *c, enum action_kind kind, uint32_t worker, struct job *j, uint32_t task);

/* Whether so many tasks more are allowed. */
sc_err core_check_limit(const struct core *c, const struct job_spec *spec, struct buf *error);

/* transitions.c */
/* The one place where a state changes.  Illegal events are bugs of ours: asserted. */
void task_event(struct core *c, struct job *j, uint32_t task, enum task_event ev);
/* Whether this task's result is there; and whether a consumer could have it now. */
int task_has_result(const struct task *t);
int task_is_available(const struct task *t);
/* After a task has become waiting: compute missing inputs again, count them; ready, or failed, when nothing is missing.
 */
void task_settle(struct core *c, struct job *j, uint32_t task);
/* A task that had ended will run (again): its inputs are needed again. */
void task_revive(struct core *c, struct job *j, uint32_t task, enum task_event ev);
/* It has ended for now: inputs nobody else needs are dropped, the job may be over. */
void task_close(struct core *c, struct job *j, uint32_t task);
/* Fail for good, and all that depend on it.  The detail of the task is filled by the caller or with task_set_failure.
 */
void task_fail(struct core *c, struct job *j, uint32_t task, enum task_event ev);
/* The same without what follows for its gang. */
void task_fail_one(struct core *c, struct job *j, uint32_t task, enum task_event ev);
void task_set_failure(struct job *j, uint32_t task, uint32_t cause, uint32_t status, uint32_t culprit,
		      struct slice text);
/* The result was there and is not any more: consumers wait (again). */
void task_result_gone(struct core *c, struct job *j, uint32_t task);
/* Compute a lost or released result again, with whatever that takes. */
void task_recompute(struct core *c, struct job *j, uint32_t task);
/* Forget what is held of its output, telling the holder when tell is set. */
void task_drop_output(struct core *c, struct job *j, uint32_t task, int tell);
/* What was lost is computed again if a task waits for it or a client wants it. */
void task_recompute_if_needed(struct core *c, struct job *j, uint32_t task);
void task_make_ready(struct core *c, struct job *j, uint32_t task);
void job_update(struct core *c, struct job *j, uint64_t now_us);
void job_reopen(struct core *c, struct job *j);
void job_start(struct core *c, struct job *j);

/* room.c - which workers have room */
/* The worker gets a task, or has answered for one; the task knows which alternative of its request it is. */
void room_commit(struct core *c, struct worker *w, const struct job *j, uint32_t task);
void room_uncommit(struct core *c, struct worker *w, const struct job *j, uint32_t task);
/* It joined, or its status changed. */
void room_update(struct core *c, struct worker *w);
/* It is gone, and all it had was uncommitted. */
void room_forget(struct core *c, struct worker *w);
/* Keep what this alternative of the class needs free at the worker, against all that comes after it. */
void room_reserve(struct core *c, struct worker *w, struct request_class *cl, uint32_t alternative);
void room_release(struct core *c, struct worker *w);

/* balance.c - queued tasks move to idle workers */
void core_balance(struct core *c, uint64_t now_us);
/* When to look again though nothing happens; UINT64_MAX: there is nothing to move. */
uint64_t core_balance_due_us(const struct core *c);

/* probe.c */
/* A task of the group is given out. */
void probe_given(struct core *c, struct group *g);
/* Whether the rest of the group has to wait for those. */
int probe_must_wait(struct core *c, struct group *g);
/* If one has waited long enough, there is something to do. */
void core_wake_probed(struct core *c);

/* gang.c; nothing happens when the task is of no gang */
/* The task has to start again: so do the others.  What waits because of that is settled with the task. */
void gang_call_back(struct core *c, struct job *j, uint32_t task);
/* Whether it has been called back: whatever its worker says, it runs again. */
int gang_is_called_back(const struct job *j, uint32_t task);
/* The task has failed for good: so do the others. */
void gang_fail(struct core *c, struct job *j, uint32_t task);
/* The task has succeeded but its result is lost: all run again, and are to be settled.  0: it is of no gang. */
int gang_run_again(struct core *c, struct job *j, uint32_t task);
/* 1: all have succeeded by now, and have ended with that.  It is of a gang. */
int gang_is_whole(struct core *c, struct job *j, uint32_t task);
/* What it made is void; it waits, as if it had not run. */
void gang_withdraw(struct core *c, struct job *j, uint32_t task);

/* drain.c */
/* Move on with what workers that drain hold; say which are drained. */
void drain_step(struct core *c, uint64_t now_us);
/* When to try again what could not be moved; UINT64_MAX: nothing waits for that. */
uint64_t drain_due_us(const struct core *c);
/* 1 when the worker was asked to take this output: it has it, or it has not. */
int drain_arrived(struct core *c, const struct job *j, uint32_t task, uint32_t worker);
int drain_failed(struct core *c, const struct job *j, uint32_t task, uint32_t worker, uint64_t now_us);
/* If the first holder is going and another holds all of it, that one is it from now on: 1. */
int drain_take_over(struct core *c, struct job *j, uint32_t task);
/* There is a worker more that takes tasks, and may take outputs. */
void drain_look_anew(struct core *c);
void drain_forget_task(struct core *c, const struct job *j, uint32_t task);
void drain_forget_worker(struct core *c, const struct worker *w);

/* check.c */
/* In a pass: whether the class that comes next in the namespace is the one that looking at all of them finds. */
int core_check_foremost(const struct namespace *n, uint64_t pass);
/* Whether no other namespace with something left to serve comes before this one, which was taken out. */
int core_check_turn(const struct namespace *n);

/* delays.c */
sc_err core_delay(struct core *c, struct job *j, uint32_t task, uint64_t due_us);
void core_wake_delayed(struct core *c, uint64_t now_us);

#endif
