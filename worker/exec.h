/*
 * exec.h - the executor of command lines: one child process per task, in a process group of its own.
 *
 * The end of a task is the end of the process it started; whatever else is left of its group is killed then.  Processes
 * that left the group (daemons) live on until the worker ends, when the guardian finds them.
 */
#ifndef WORKER_EXEC_H
#define WORKER_EXEC_H

#include "base/options.h"
#include "proto/message.h"
#include "worker/deadlines.h"
#include "worker/plan.h"
#include "worker/resources.h"
#include "worker/spool.h"
#include "worker/store.h"
#include "worker/task_queue.h"
#include "worker/watch.h"

struct exec;

/* What it works with; borrowed for its life. */
struct exec_parts {
	struct loop *loop;
	struct watch *watch;
	struct deadlines *deadlines;
	struct spool *spool;
	struct store *store;
	struct resources *resources;
	struct task_queue *queue;
	struct msg_decoder *decoder;
	const struct base_env *env;
	const struct options *options;
	/* Remove a directory that is too full to be removed here and now.  Takes nothing. */
	void (*remove_later)(const char *path, void *arg);
	void *remove_arg;
};

extern const struct executor exec_executor; /* its object is a struct exec */

/* SC_NOMEM. */
sc_err exec_new(const struct exec_parts *parts, struct exec **out);
void exec_free(struct exec *x); /* nothing may be running any more; NULL is fine */

/* The process of a running task; 0 when it has none yet. */
pid_t exec_pid(const struct task *t);

#endif
