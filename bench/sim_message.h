/* sim_message.h - what core and workers of the simulator tell each other, and what a worker has. */
#ifndef BENCH_SIM_MESSAGE_H
#define BENCH_SIM_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

enum sim_event {
	TO_ASSIGN,
	TO_CANCEL,
	TO_WITHDRAW,
	TO_DROP,
	TO_FORGET,
	TO_DROP_COPY,
	TO_KEEP,
	TO_FETCH,
	SAY_STARTED,
	SAY_FETCHES,
	SAY_DONE,
	SAY_FAILED,
	SAY_STOPPED,
	SAY_MISSING,
	SAY_ADDED,
	SAY_DROPPED
};

/* A message under way. */
struct sim_msg {
	enum sim_event kind;
	uint64_t job;
	uint32_t task;
	uint32_t holder, input; /* of SAY_MISSING */
	uint64_t result_bytes, stderr_bytes;
};

struct sim_queue {
	struct sim_msg *v;
	size_t n, cap;
};

/* A task at a worker, or an output it holds. */
struct sim_task {
	uint64_t job;
	uint32_t task;
	int started, cancelled;
	int is_copy;   /* of an output: fetched, and nobody has said since that it is to be kept */
	int is_pinned; /* of a copy: the core has asked for it */
	uint64_t result_bytes, stderr_bytes;
};

struct sim_set {
	struct sim_task *v;
	size_t n, cap;
};

#endif
