/*
 * task_queue.h - the tasks of this worker in the order they came: inputs, resources, start, end, answer.
 *
 * Every task assigned is answered exactly once, unless the connection it came over ends first.  A task starts when its
 * inputs are here and what it asks for is free; nothing overtakes the first that waits for resources, so a large one is
 * not starved by small ones.  Callbacks only change lists; starting happens in queue_turn().  Loop thread only.
 */
#ifndef WORKER_TASK_QUEUE_H
#define WORKER_TASK_QUEUE_H

#include <stdint.h>

#include "proto/message.h"
#include "worker/answers.h"
#include "worker/fetch.h"
#include "worker/jobs.h"
#include "worker/resources.h"
#include "worker/store.h"
#include "worker/task.h"

struct task_queue;

/* What the queue works with; borrowed for its life. */
struct queue_parts {
	struct loop *loop;
	struct deadlines *deadlines;
	struct resources *resources;
	struct jobs *jobs;
	struct store *store;
	struct answers *answers;
};

/* SC_NOMEM. */
sc_err queue_new(const struct queue_parts *parts, struct task_queue **out);
void queue_free(struct task_queue *q); /* tasks still running are forgotten; NULL is fine */

void queue_set_fetcher(struct task_queue *q, struct fetcher *f);

/* Tasks of a kind (KIND_*) run on this.  ops is borrowed. */
void queue_set_executor(struct task_queue *q, unsigned kind, const struct executor *ops, void *x);

/* SC_MALFORMED with *error: the message makes no sense, nothing of it was taken.  SC_NOMEM: part of it may be. */
sc_err queue_assign(struct task_queue *q, const struct msg_tasks_assign *m, struct buf *error);
void queue_cancel(struct task_queue *q, const struct msg_tasks_cancel *m);
void queue_cancel_job(struct task_queue *q, uint64_t job);

/* The scheduler is gone, or we are going: end all tasks and answer for none.  hard: SIGKILL at once. */
void queue_abandon_all(struct task_queue *q, int hard);

/* Start nothing from now on, give back what has not started and tell the scheduler; or go on. */
void queue_pause(struct task_queue *q, int is_paused);

/* From executors: a task that was started has ended.  Takes o->result. */
void queue_ended(struct task_queue *q, struct task *t, struct outcome *o);

/* From executors: a task that was ahead has started, with what it was handed. */
void queue_started(struct task_queue *q, struct task *t);

/* From executors: a task that was ahead was withdrawn, as it would wait for too long, and is the first in the queue. */
void queue_put_back(struct task_queue *q, struct task *t);

/* From executors: `to` goes on with the resources of `from`, which is about to end. */
void queue_hand_on(struct task *from, struct task *to);

/* From the fetcher; arg is the queue. */
void queue_input_settled(struct input *in, void *arg);

/* The end of a turn: start what can be started, tell the scheduler. */
void queue_turn(struct task_queue *q);

/* Whether a task has failed since the last call because the disk is full. */
int queue_found_disk_full(struct task_queue *q);

uint64_t queue_running(const struct task_queue *q); /* tasks that have started and not ended */
uint64_t queue_waiting(const struct task_queue *q); /* not started */

/* Call fn for every task that runs. */
void queue_each_running(struct task_queue *q, void (*fn)(struct task *t, void *arg), void *arg);

#endif
