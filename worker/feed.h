/*
 * feed.h - the joined results of inputs as a task's standard input, when they are too much to be copied: written into a
 * pipe as fast as the task reads, straight from where they are.
 */
#ifndef WORKER_FEED_H
#define WORKER_FEED_H

#include <stdint.h>

#include "worker/task.h"
#include "worker/watch.h"

struct feed {
	struct watched ready;
	struct watch *watch;
	int fd;			 /* write end, owned; -1: closed */
	const struct task *task; /* borrowed: its inputs are there as long as it runs */
	struct group *group;	 /* shared, of these inputs: the job may be dropped before the task has ended */
	uint32_t at;		 /* input being written */
	uint64_t offset;	 /* into it */
	int from_fd;		 /* its file, if it is in one; owned */
};

void feed_init(struct feed *f);

/* Make the pipe.  *child_fd is the task's end, the caller's to close.  0, or -1 with errno set. */
int feed_open(struct feed *f, const struct task *t, struct group *g, int *child_fd);

/* The task runs: begin.  Nothing when it is not open.  SC_IO, SC_NOMEM. */
sc_err feed_start(struct feed *f, struct watch *w);

void feed_close(struct feed *f);

#endif
