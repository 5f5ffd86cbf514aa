/*
 * request.h - what tasks ask for and workers have: named amounts, and classes of equal requests.
 *
 * Names of resources are interned into small numbers; a request text ("cpus=1,gpu=2") is interned into a class, so that
 * the scheduling round compares numbers and its work grows with classes, not with tasks.  Amounts are ten-thousandths.
 * Requests of different namespaces are different classes: there may be workers only one of them may use.
 */
#ifndef SCHEDULER_CORE_REQUEST_H
#define SCHEDULER_CORE_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "proto/sched_error.h"
#include "scheduler/core/namespace.h"

#define RESOURCES_MAX 32u   /* distinct names in a scheduler; 0 is "cpus" */
#define CLASSES_MAX   4096u /* distinct requests, of all namespaces */
#define AMOUNT_ONE    10000u

struct amount {
	uint32_t resource;
	uint64_t amount;
};

struct amounts {
	size_t n;
	struct amount v[RESOURCES_MAX]; /* rising by resource, none twice, none 0 */
};

struct run_queue;

struct request_class {
	uint32_t number;
	struct namespace *namespace; /* counted */
	const char *text;	     /* canonical; a part of the key */
	char *key;		     /* namespace, newline, text; owned */
	struct amounts needs;
	/* The ready queue of the class: run queues that are not empty, most urgent first (ready.c). */
	struct run_queue **heap;
	size_t n_heap, cap_heap;
	uint64_t n_ready; /* tasks in state ready */
	/* No worker had room when last looked at, and none has got any since (core's stamp). */
	uint64_t blocked_stamp;
};

struct requests {
	char *names[RESOURCES_MAX];
	size_t n_names;
	struct request_class **classes;
	size_t n_classes, cap_classes;
	void *by_key; /* hash over classes */
	struct namespaces namespaces;
};

/* *r must not move from now on. */
sc_err requests_init(struct requests *r);
void requests_fini(struct requests *r);

/* What there was before something that was refused in the end: its names and classes go again. */
struct requests_mark {
	size_t n_names, n_classes;
};

struct requests_mark requests_mark(const struct requests *r);
void requests_undo(struct requests *r, struct requests_mark m);

/* "cpus=4,gpu=2" -> amounts.  Names not seen before are added.  SC_INVALID, SC_LIMIT with *error; SC_NOMEM. */
sc_err requests_parse(struct requests *r, struct slice text, struct amounts *out, struct buf *error);

/* The class of a request of a namespace; "" is cpus=1.  Lives as long as *r.  Errors as requests_parse. */
sc_err requests_class(struct requests *r, struct slice namespace, struct slice text, struct request_class **out,
		      struct buf *error);

#endif
