/*
 * slot_task.h - what is behind an sc_task, inside a function slot.
 */
#ifndef WORKER_SLOT_TASK_H
#define WORKER_SLOT_TASK_H

#include "proto/message.h"
#include "worker/arena.h"
#include "worker/sched_task.h"

#define SLOT_INLINE_MAX	   ((size_t)64 * 1024) /* inputs and results up to this travel in messages */
#define SLOT_FUNCTION_FAIL 1		       /* what sc_task_fail() returns */

struct slot_input {
	const void *p; /* its bytes, terminated path, or the mapping */
	size_t n;
	const char *key;
	int is_path; /* not mapped yet */
	int is_mapped;
};

struct sc_task {
	struct arena *memory; /* of all that is handed out */
	const struct msg_slot_call *call;
	const char *key, *item;
	struct slice *args; /* terminated */
	struct slot_input *inputs;
	size_t n_inputs;
	const char **granted; /* of each resource RESOURCE_WORDS: name, amount, units; terminated */
	size_t n_granted;
	void *result; /* in memory, or the mapping of the result file */
	size_t result_bytes;
	int result_in_file;
	int output_error; /* errno: the result could not be kept */
	char reason[4096];
};

/* Copy what the message holds, terminated where the interface promises it.  SC_NOMEM; SC_MALFORMED. */
sc_err slot_task_init(sc_task *t, const struct msg_slot_call *call, struct arena *memory);

/* Unmap; a result file that is not to be kept is removed. */
void slot_task_fini(sc_task *t, int keep_result);

#endif
