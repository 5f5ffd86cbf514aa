/*
 * resources.h - what this worker has (cpus, memory, gpu, ...), how much of it is free, and what a task asks for.
 *
 * A resource may be indexed: its units have names ("gpu=[0,1,2,3]"), and a task is told which of them it has for as
 * long as it runs.  Whole units belong to one task alone; parts of units (gpu=0.5) share one as long as they fit.
 *
 * Amounts are ten-thousandths (text.h), of memory bytes.  No I/O; loop thread only.
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
#define RESOURCE_UNITS	  64 /* of one resource that have names */
#define ALTERNATIVES_MAX  4

struct unit {
	char *name; /* owned */
	uint64_t free;
};

struct resource {
	char name[RESOURCE_NAME_MAX + 1];
	uint64_t total;
	uint64_t free;
	struct unit *units; /* owned; NULL: it is not indexed */
	unsigned n_units;
};

#define RESOURCE_AT_CPUS   0
#define RESOURCE_AT_MEMORY 1

struct resources {
	struct resource v[RESOURCES_MAX]; /* cpus and memory are always there */
	size_t n;
};

/* What one task takes. */
struct request {
	size_t n;
	struct request_part {
		unsigned resource; /* index into resources.v */
		uint64_t amount;
	} * v;	       /* owned */
	int has_units; /* something of it is indexed */
	char *problem; /* why this worker cannot meet it, or NULL; owned */
};

/* What a task has of one part of its request. */
struct unit_share {
	uint64_t whole;	 /* bits: units of its own */
	unsigned shared; /* 1 + unit it has a part of, 0: none */
};

/* With "cpus", and memory without a limit. */
void resources_init(struct resources *r, uint64_t cpus);
void resources_fini(struct resources *r);

/* Add "name=amount" or "name=[unit,unit,...]".  SC_INVALID with *error saying what is wrong and what is allowed. */
sc_err resources_add(struct resources *r, const char *pair, struct buf *error);

/* Tasks that say how much memory they take get this much in all; 0: no limit. */
void resources_limit_memory(struct resources *r, uint64_t bytes);

/* Append "cpus=4,gpu=2", as the worker registers; memory is told apart from the others. */
void resources_show(const struct resources *r, struct buf *out);

/*
 * Read "cpus=1,gpu=2" (empty: cpus=1), leaving out labels.  What is not of that form, or more than this worker has in
 * all, becomes the request's problem.  SC_NOMEM.
 */
sc_err request_parse(const struct resources *r, struct slice text, struct request *out);
void request_fini(struct request *q);

/*
 * Take what q asks for, if all of it is free; 0 when it is not.  *units is new, one share per part of q, or NULL when
 * nothing of it is indexed; given back with the rest.
 */
int resources_take(struct resources *r, const struct request *q, struct unit_share **units);
void resources_give_back(struct resources *r, const struct request *q, struct unit_share *units);

/* Bits, by index: the resources of which q asks for units with names. */
uint64_t resources_by_unit(const struct resources *r, const struct request *q);

/* What q asks for is free in all, so that only the units it would be made of are in the way. */
int resources_lack_units(const struct resources *r, const struct request *q);

#endif
