/*
 * resources.h - what this worker has (cpus, gpu, ...), how much of it is free, and what a task asks for.
 *
 * Amounts are ten-thousandths (text.h).  No I/O; loop thread only.
 */
#ifndef WORKER_RESOURCES_H
#define WORKER_RESOURCES_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "proto/sched_error.h"

#define RESOURCES_MAX	  64
#define RESOURCE_NAME_MAX 200

struct resource {
	char name[RESOURCE_NAME_MAX + 1];
	uint64_t total;
	uint64_t free;
};

struct resources {
	struct resource v[RESOURCES_MAX]; /* v[0] is cpus */
	size_t n;
};

/* What one task takes. */
struct request {
	size_t n;
	struct request_part {
		unsigned resource; /* index into resources.v */
		uint64_t amount;
	} * v; /* owned */
};

/* With "cpus" alone. */
void resources_init(struct resources *r, uint64_t cpus);

/* Add "name=amount".  SC_INVALID with *error saying what is wrong and what is allowed. */
sc_err resources_add(struct resources *r, const char *pair, struct buf *error);

/* Append "cpus=4,gpu=2", as the worker registers. */
void resources_show(const struct resources *r, struct buf *out);

/*
 * Read "cpus=1,gpu=2" (empty: cpus=1).  SC_INVALID: not of that form, or more than this worker has in all; *error says
 * which.  SC_NOMEM.
 */
sc_err request_parse(const struct resources *r, struct slice text, struct request *out, struct buf *error);
void request_fini(struct request *q);

/* Take what q asks for, if all of it is free; 0 when it is not. */
int resources_take(struct resources *r, const struct request *q);
void resources_give_back(struct resources *r, const struct request *q);

#endif
