/*
 * assignment.h - a tasks_assign message, checked as a whole and then read task by task.
 */
#ifndef WORKER_ASSIGNMENT_H
#define WORKER_ASSIGNMENT_H

#include "base/buf.h"
#include "proto/message.h"
#include "worker/jobs.h"
#include "worker/task.h"

/* Readers over its columns.  Borrows the message. */
struct assignment {
	const struct msg_tasks_assign *m;
	struct group *group;	 /* borrowed */
	struct holders *holders; /* shared with the tasks; NULL: no task has inputs */
	struct column_reader task, attempt, n_inputs, input, input_bytes, input_holder, alternative, n_more,
		more_holder;
	size_t n_read;
};

/* job may be NULL.  SC_MALFORMED with *error: it makes no sense, nothing has to be closed. */
sc_err assignment_open(struct assignment *a, const struct msg_tasks_assign *m, struct job *job, struct buf *error);
void assignment_close(struct assignment *a);

static inline size_t assignment_left(const struct assignment *a)
{
	return a->task.left;
}

/* Fill a zeroed task with the next: group, key, attempt, alternative, item, inputs.  SC_NOMEM: with a part of it. */
sc_err assignment_next(struct assignment *a, struct task *t);

#endif
