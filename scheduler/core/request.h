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
#include <sys/queue.h>

#include "base/buf.h"
#include "base/slice.h"
#include "proto/sched_error.h"
#include "scheduler/core/namespace.h"

#define RESOURCES_MAX 32u   /* distinct names in a scheduler; 0 is "cpus" */
#define CLASSES_MAX   4096u /* distinct requests of namespaces, in use at the same time */
#define AMOUNT_ONE    10000u
#define RESOURCE_CPUS 0u

struct amount {
	uint32_t resource;
	uint64_t amount;
};

struct amounts {
	size_t n;
	struct amount v[RESOURCES_MAX]; /* rising by resource, none twice, none 0 */
};

struct run_queue;

/* What is asked for, by whomever; shared by the classes of all namespaces that ask for it. */
struct request {
	char *text; /* canonical; owned */
	struct amounts needs;
	uint64_t cpus; /* of these */
	size_t n_users;
	/*
	 * In this pass of the scheduling round no worker that serves all had room for it when tasks take full_mean_us.
	 * Room only shrinks during a pass, so the other namespaces need not look again.
	 */
	uint64_t full_pass;
	float full_mean_us;
	UT_hash_handle hh;
};

struct class_key {
	struct namespace *namespace;
	struct request *request;
	uint64_t gang_size; /* so many tasks start together or not at all; 0: each for itself */
};

/* A request of a namespace; counted. */
struct request_class {
	uint32_t number; /* its place among the classes; another when one before it goes */
	union {
		struct class_key key;
		struct {
			struct namespace *namespace;
			struct request *request;
			uint64_t gang_size;
		};
	};		/* counted, the first two */
	size_t n_users; /* groups */
	struct requests *home;
	/* The ready queue of the class: run queues that are not empty, most urgent first (ready.c). */
	struct run_queue **heap;
	size_t n_heap, cap_heap;
	uint64_t n_ready;		       /* tasks in state ready */
	TAILQ_ENTRY(request_class) ready_link; /* of its namespace, while there are any */
	/* Of the scheduling round (schedule.c). */
	uint64_t blocked_pass; /* the last in which no worker had room */
	int is_blocked;	       /* after the last round no worker had room: only those that got some since can have */
	uint64_t blocked_us;   /* since when it was never served though there were workers that could; 0: it was */
	uint32_t n_reserved;   /* workers that are kept free for it */
	UT_hash_handle hh;
};

struct requests {
	char *names[RESOURCES_MAX];
	size_t n_names;
	struct request_class **classes; /* in use, in no order */
	size_t n_classes, cap_classes;
	struct request_class *by_key;
	struct request *by_text;
	struct namespaces namespaces;
};

/* *r must not move from now on. */
sc_err requests_init(struct requests *r);
void requests_fini(struct requests *r);

/* What there was before something that was refused in the end: its names go again; its classes are dropped by then. */
struct requests_mark {
	size_t n_names;
};

struct requests_mark requests_mark(const struct requests *r);
void requests_undo(struct requests *r, struct requests_mark m);

/* "cpus=4,gpu=2" -> amounts.  Names not seen before are added.  SC_INVALID, SC_LIMIT with *error; SC_NOMEM. */
sc_err requests_parse(struct requests *r, struct slice text, struct amounts *out, struct buf *error);

/*
 * The class of a request of a namespace, with one more user; "" is cpus=1, gang_size 0 is for tasks that run each for
 * itself.  With its last user it goes, so that those
 * nobody uses any more cost neither room nor time.  Errors as requests_parse.
 */
sc_err requests_class(struct requests *r, struct slice namespace, struct slice text, uint32_t gang_size,
		      struct request_class **out, struct buf *error);
void request_class_drop(struct request_class *c); /* NULL is fine */

#endif
