/* idle.h - the executors of tasks that do nothing: noop, and sleep on the deadlines of the loop.  For benchmarks. */
#ifndef WORKER_IDLE_H
#define WORKER_IDLE_H

#include "proto/message.h"
#include "worker/deadlines.h"
#include "worker/task_queue.h"

/* What sleeping needs; borrowed. */
struct sleeper {
	struct loop *loop;
	struct deadlines *deadlines;
	struct task_queue *queue;
	struct msg_decoder *decoder;
};

extern const struct executor noop_executor;  /* its object is not used */
extern const struct executor sleep_executor; /* its object is a struct sleeper */

#endif
