/*
 * spawn.h - start a child process without copying the agent's memory: clone with CLONE_VM and CLONE_VFORK, as
 * posix_spawn does, but with a process group of its own, death with its parent, and the reason when it cannot be
 * started.
 *
 * Every descriptor of the agent is close-on-exec; a child has those it is given.  Any thread, which waits until the
 * child has become another program.
 */
#ifndef WORKER_SPAWN_H
#define WORKER_SPAWN_H

#include <stddef.h>
#include <sys/types.h>

#include "worker/arena.h"

#define SPAWN_FDS_MAX 8

enum spawn_step { SPAWN_RUN, SPAWN_ENTER, SPAWN_SETUP };

enum {
	SPAWN_DIES_WITH_US = 1, /* SIGKILL when the thread that starts it ends, and so when the agent does */
	SPAWN_NEW_GROUP = 2,	/* leads a process group */
	SPAWN_PIDFD = 4,	/* a descriptor of the process */
};

struct spawn_request {
	/* Candidates for execve, in order, NULL at the end; from spawn_candidates(). */
	char *const *programs;
	/* Index of the candidate that worked last time, tried first; updated.  May be NULL. */
	unsigned *hint;
	/* Terminated by NULL.  argv[-1] exists and is free for use: "/bin/sh" for a script without #!. */
	char **argv;
	char *const *envp;
	const char *cwd;	/* NULL: the agent's */
	int fds[SPAWN_FDS_MAX]; /* become the child's 0, 1, 2 ... */
	size_t n_fds;
	unsigned flags;
};

struct spawn_child {
	pid_t pid;
	int pidfd;	      /* with SPAWN_PIDFD, else -1; the caller's to close */
	int error;	      /* errno, when it could not be started */
	enum spawn_step step; /* what failed */
};

/* Once, before the first child.  0, or -1 with errno set. */
int spawn_init(void);

/* 0, or -1 with out->error and out->step set; no child is left then. */
int spawn_start(const struct spawn_request *q, struct spawn_child *out);

/*
 * Where to look for a program: itself when it has a slash, else in every directory of PATH in envp (or the usual ones).
 * In the arena; NULL when out of memory.
 */
char **spawn_candidates(struct arena *a, const char *program, char *const *envp);

#endif
