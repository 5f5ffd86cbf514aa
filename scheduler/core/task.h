/*
 * task.h - a task and the table of its states.
 *
 * A task has no pointer to its job: it is always named by (job, number).  64 bytes, one cache line, so that a million
 * of them are 64 MB and a pass over them is a stream.
 */
#ifndef SCHEDULER_CORE_TASK_H
#define SCHEDULER_CORE_TASK_H

#include <stddef.h>
#include <stdint.h>

#include "proto/constants.h"

struct job;

/* What can happen to a task.  EVENT(name, text): the text is the reason shown to people. */
#define TASK_EVENTS_TABLE(EVENT)                                                                                       \
	EVENT(SUBMIT, "submitted")                                                                                     \
	EVENT(INPUTS_MET, "all it waited for is there")                                                                \
	EVENT(INPUT_LOST, "an input was lost")                                                                         \
	EVENT(ASSIGN, "a worker has room")                                                                             \
	EVENT(START, "its worker started it")                                                                          \
	EVENT(DONE, "its worker reported success")                                                                     \
	EVENT(FAIL, "it failed")                                                                                       \
	EVENT(RETRY_LATER, "it failed and will be tried again")                                                        \
	EVENT(WITHDRAWN, "another worker can run it sooner")                                                           \
	EVENT(WORKER_LOST, "its worker went away")                                                                     \
	EVENT(CRASH_LIMIT, "too many workers went away under it")                                                      \
	EVENT(INPUT_FAILED, "a task it takes input from failed")                                                       \
	EVENT(CANCEL, "cancelled")                                                                                     \
	EVENT(RELEASE, "nobody needs its result any more")                                                             \
	EVENT(RECOMPUTE, "its result was lost and is needed")                                                          \
	EVENT(TRY_AGAIN, "asked to run again")                                                                         \
	EVENT(GANG_ANEW, "its gang starts anew")                                                                       \
	EVENT(GANG_FAILED, "a task of its gang failed")

enum task_event {
#define X(name, text) EV_##name,
	TASK_EVENTS_TABLE(X)
#undef X
		TASK_EVENTS
};

/* Static; "?" for no event. */
const char *task_event_text(unsigned event);
const char *task_event_name(unsigned event);

#define TASK_QUEUED   0x01u /* has an entry in the heap of its ready queue, perhaps a stale one */
#define TASK_DELAYED  0x02u /* waits for its retry delay */
#define TASK_MOVING   0x08u /* its worker was asked to give it back */
#define TASK_WANTED   0x04u /* its result shall be there: compute it again when lost before the job ends */
#define TASK_DRAINING 0x40u /* a worker was asked to take its output from one that drains */
#define TASK_COPIED   0x80u /* more than one worker holds its result: replica.h */

/* Two bits of the flags: which alternative of its request the worker was given it with. */
#define TASK_ALTERNATIVE_SHIFT 4u
#define TASK_ALTERNATIVE_MASK  (3u << TASK_ALTERNATIVE_SHIFT)

#define NO_WORKER 0u /* workers are numbered from 1 */

struct task {
	uint8_t state : 5;    /* TASK_*; assigned by task_event() alone */
	uint8_t withheld : 1; /* done, but others of its gang are not yet: it has not ended (gang.c) */
	uint8_t counted : 1;  /* has failed by itself, and is among its job's n_fails */
	uint8_t fetches : 1;  /* its worker has begun to fetch its inputs */
	uint8_t reason;	      /* the event that led there */
	uint8_t flags;	      /* TASK_QUEUED ... */
	uint8_t crashes;      /* workers that went away while it ran */
	uint16_t attempts;    /* times given to a worker; stays at its maximum */
	uint16_t ran_on;      /* 1 + index in the job's names of workers: who ran it last; 0: nobody */
	uint32_t group;	      /* number in its job */
	uint32_t n_missing;   /* while waiting: inputs whose result is not there */
	uint32_t n_needed;    /* consumers that have not ended, counted per edge */
	uint32_t worker;      /* number of the worker that has to answer for it, or NO_WORKER */
	uint32_t holder;      /* number of the worker that holds its output, or NO_WORKER */
	uint32_t pos;	      /* where it stands in that worker's list (in flight, or held) */
	uint64_t result_bytes;
	uint64_t elapsed_us;
	float cpu_us;
	uint32_t rss_kib;
	struct task_detail *detail; /* what few tasks have; NULL for the others; owned */
};

struct task_detail {
	uint64_t stderr_bytes;
	uint8_t cause;		 /* FAIL_* of the last failure, 0: none */
	uint32_t status;	 /* exit code, signal or errno, as the cause says */
	uint32_t culprit;	 /* of FAIL_INPUT: the task that failed first */
	uint32_t failures;	 /* times it failed by itself */
	uint32_t fetch_failures; /* times its inputs were not where they should be */
	char *text;		 /* owned, may be NULL */
	char *stderr_tail;	 /* owned, may be NULL */
	size_t stderr_tail_bytes;
};

struct task_ref {
	struct job *job;
	uint32_t task;
};

struct task_transition {
	uint8_t legal;
	uint8_t to;
};

/* The cell of the table. */
struct task_transition task_transition(unsigned state, unsigned event);

static inline uint32_t task_alternative(const struct task *t)
{
	return (t->flags & TASK_ALTERNATIVE_MASK) >> TASK_ALTERNATIVE_SHIFT;
}

/* The states after which nothing happens by itself. */
static inline int task_state_ended(unsigned state)
{
	return state >= TASK_DONE;
}

/* Whether that is so of the task. */
static inline int task_has_ended(const struct task *t)
{
	return task_state_ended(t->state) && !t->withheld;
}

static inline int task_state_in_flight(unsigned state)
{
	return state == TASK_ASSIGNED || state == TASK_RUNNING;
}

#endif
