/*
 * slots.h - the executor of C functions: as many function slots as there are cpus, started when they are needed.
 *
 * Short calls of one group are given to a slot many at a time, so that neither side waits for a round trip; the
 * resources of the first pass from one to the next.  When a slot dies, the call that was running fails, and the others
 * go to its successor; those of them that had returned without having been heard of run again.
 */
#ifndef WORKER_SLOTS_H
#define WORKER_SLOTS_H

#include "base/options.h"
#include "worker/deadlines.h"
#include "worker/plan.h"
#include "worker/spool.h"
#include "worker/task_queue.h"
#include "worker/watch.h"

struct slots;

/* What it works with; borrowed for its life. */
struct slots_config {
	struct loop *loop;
	struct watch *watch;
	struct deadlines *deadlines;
	struct spool *spool;
	struct store *store;
	struct task_queue *queue;
	const struct resources *resources;
	struct msg_decoder *decoder;
	const struct base_env *env;
	const struct options *options;
	unsigned max; /* slots */
};

extern const struct executor call_executor; /* its object is a struct slots */

/* SC_NOMEM. */
sc_err slots_new(const struct slots_config *config, struct slots **out);
void slots_free(struct slots *x); /* kills all of them; no call may be left.  NULL is fine */

/* Call fn for the process of every slot. */
void slots_each_process(const struct slots *x, void (*fn)(pid_t pid, void *arg), void *arg);

#endif
