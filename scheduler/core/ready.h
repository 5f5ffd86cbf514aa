/*
 * ready.h - tasks that may run now, most urgent first.
 *
 * Per request class a heap of run queues, ordered by (priority, age of the job); a run queue holds the ready tasks of
 * one job, class and priority in the order of their numbers.  A run queue is a range of numbers (an array job of a
 * million tasks is two integers) and a heap for those that become ready out of order.
 *
 * The tasks of a gang have a queue of their own, which counts as empty until all of them are ready.
 *
 * Entries are removed lazily: what is popped and not in state ready any more is skipped.  TASK_QUEUED makes sure that a
 * task has one entry in the heap at most, so stale entries never exceed the number of tasks.
 */
#ifndef SCHEDULER_CORE_READY_H
#define SCHEDULER_CORE_READY_H

#include <stddef.h>
#include <stdint.h>

#include "proto/sched_error.h"
#include "scheduler/core/job.h"

#define NOT_IN_HEAP SIZE_MAX

struct run_queue {
	struct job *job;
	struct request_class *class;
	const struct group *gang;    /* NULL, or the group whose tasks all start together: the queue is that group */
	const struct group *limited; /* NULL, or the only group in it, of which so many may run at the same time */
	int64_t priority;
	uint32_t range_next, range_end;
	uint32_t *heap; /* smallest number first */
	size_t n_heap, cap_heap;
	size_t at;		/* position in the class's heap, NOT_IN_HEAP when it holds nothing */
	struct run_queue *next; /* of the job */
	struct run_queue *heir; /* whose groups it was to be for, while a job grows */
};

/* Make the run queues of a new job and tell its groups theirs.  SC_NOMEM. */
sc_err run_queues_make(struct job *j);

/* Take a job's queues out of their classes, free them. */
void run_queues_free(struct job *j);

/* Enter a task in state ready.  SC_NOMEM (it is then not entered). */
sc_err ready_push(struct job *j, uint32_t task);

/*
 * A task of a group with a limit was given out, or answered for.  At its limit the queue counts as empty.  SC_NOMEM: it
 * is not entered again.
 */
sc_err ready_count_running(struct group *g, int given);
int ready_is_at_limit(const struct run_queue *q);

/* The most urgent run queue of a class that holds a task in state ready, or NULL; stale entries are dropped. */
struct run_queue *ready_top(struct request_class *c);

/* The n-th task of a gang that is ready, or UINT32_MAX; and how many there are. */
uint32_t ready_of_gang(const struct run_queue *q, uint32_t n);
uint32_t ready_gang_size(const struct run_queue *q);

/* Whether all tasks of a gang can start. */
int ready_gang_is_complete(const struct run_queue *q);

/* Whether it holds a task that may start, but for want of a worker; stale entries are dropped. */
int ready_has_any(struct run_queue *q);

/* The next task of a run queue that ready_top returned, without and with taking it out. */
uint32_t ready_peek(const struct run_queue *q);
uint32_t ready_pop(struct run_queue *q);

/* A count of tasks, and how many entries may still be looked at for it; 0: what is beyond was left out. */
struct ready_tally {
	uint64_t n, looks;
};

/*
 * Add those ready tasks of the class that are given out before this one, which is ready and in run queue q (of this
 * class or another): those of run queues that come first, and in its own those with smaller numbers.
 */
void ready_count_before(const struct request_class *c, const struct run_queue *q, uint32_t task, struct ready_tally *t);
/* Whether the next task of a comes before that of b. */
int run_queue_before(const struct run_queue *a, const struct run_queue *b);

#endif
