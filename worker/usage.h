/* usage.h - processor time and memory of the agent and of what it runs, from /proc. */
#ifndef WORKER_USAGE_H
#define WORKER_USAGE_H

#include <stdint.h>
#include <sys/types.h>

struct usage {
	uint64_t cpu_us;       /* used so far, ended children included */
	uint64_t memory_bytes; /* resident now */
	unsigned left;	       /* processes that may still be looked at: bounds the work */
};

/* Begin with the agent itself and its children that have ended. */
void usage_begin(struct usage *u);

/* Add a running process and those below it. */
void usage_add_tree(struct usage *u, pid_t pid);

#endif
