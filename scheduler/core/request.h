/*
 * request.h - what tasks ask for and workers have: named amounts, labels, and classes of equal requests.
 *
 * A request is up to four alternatives, the one liked best first, separated by |.  Each is a list separated by commas:
 *
 *   NAME=AMOUNT        so much of a resource: cpus=0.5, gpu=2; amounts are kept in ten-thousandths
 *   memory=SIZE        so much memory: 2GiB; kept in bytes.  A worker has as much as its memory limit
 *   label:KEY=VALUE    only workers that have this label
 *   prefer:KEY=VALUE   workers that have this label first
 *
 * Names of resources are interned into small numbers; a request text is interned into a class, so that the scheduling
 * round compares numbers and its work grows with classes, not with tasks.  Requests of different namespaces are
 * different classes: there may be workers only one of them may use.
 */
#ifndef SCHEDULER_CORE_REQUEST_H
#define SCHEDULER_CORE_REQUEST_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/slice.h"
#include "proto/sched_error.h"
#include "scheduler/core/label.h"
#include "scheduler/core/namespace.h"

#define RESOURCES_MAX	 32u   /* distinct names in a scheduler; 0 is "cpus", 1 "memory" */
#define CLASSES_MAX	 4096u /* distinct requests of namespaces, in use at the same time */
#define AMOUNT_ONE	 10000u
#define RESOURCE_CPUS	 0u
#define RESOURCE_MEMORY	 1u
#define MEMORY_UNLIMITED ((uint64_t)1 << 60) /* what a worker without a limit has, bytes */
#define ALTERNATIVES_MAX 4u
#define LABELS_MAX	 16u /* of an alternative, required and preferred */

struct amount {
	uint32_t resource;
	uint64_t amount;
};

struct amounts {
	size_t n;
	struct amount v[RESOURCES_MAX]; /* rising by resource, none twice, none 0 */
};

struct run_queue;

/* One way to meet a request. */
struct alternative {
	struct amounts needs;
	uint64_t cpus;			  /* of these */
	int is_memory;			  /* and nothing else */
	struct label *labels[LABELS_MAX]; /* counted; those required, then those preferred */
	uint32_t n_required, n_labels;
	/*
	 * In this pass of the scheduling round no worker that serves all had room for it when tasks take full_mean_us.
	 * Room only shrinks during a pass, so the other namespaces need not look again.
	 */
	uint64_t full_pass;
	float full_mean_us;
};

/* What is asked for, by whomever; shared by the classes of all namespaces that ask for it. */
struct request {
	char *text; /* canonical; owned */
	size_t n_users;
	UT_hash_handle hh;
	uint32_t n; /* alternatives */
	struct alternative v[];
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
	/* Its place in a pass of the scheduling round (foremost.c). */
	struct run_queue *front; /* where its next task is; good for the pass */
	uint64_t ready_since;	 /* rises from each class that got tasks to the next */
	int64_t front_priority;
	uint64_t front_job;
	struct pairing place;
	/* Of the scheduling round (schedule.c). */
	uint64_t blocked_pass;	/* the last in which no worker had room */
	uint64_t probing_round; /* the last in which its next task had to wait for others of its group (probe.c) */
	uint64_t starved_round; /* the last in which there was no memory to give out its next task */
	uint8_t blocked_ways;	/* bits: after the last round no worker had room for this alternative */
	uint32_t blocked_gang;	/* of so many tasks, if it is of gangs */
	uint64_t blocked_us;	/* since when it was never served though there were workers that could; 0: it was */
	uint32_t n_reserved;	/* workers that are kept free for it */
	/* Whether there are workers that can run it (unmet.c), and as of when that is known. */
	uint64_t met_stamp;
	uint8_t is_met;
	char *unmet_why;	 /* in words, if it is not and somebody has asked why; owned */
	const char *unmet_until; /* what has to come */
	UT_hash_handle hh;
};

struct requests {
	char *names[RESOURCES_MAX];
	size_t n_names;
	struct request_class **classes; /* in use, in no order */
	size_t n_classes, cap_classes;
	struct request_class *by_key;
	struct request *by_text;
	struct label *labels; /* of workers and requests */
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

/*
 * "cpus=4,gpu=2,memory=16GiB" -> amounts: what a worker has.  Names not seen before are added.  SC_INVALID, SC_LIMIT
 * with *error; SC_NOMEM.
 */
sc_err requests_parse(struct requests *r, struct slice text, struct amounts *out, struct buf *error);

/* As requests_parse, of a whole request; *out is new, has no text and is in no table. */
sc_err request_read(struct requests *r, struct slice text, struct request **out, struct buf *error);
void request_free(struct request *q); /* NULL is fine */

/* Append the request as all that are equal are written.  SC_TOO_BIG with *error. */
sc_err request_write(const struct requests *r, const struct request *q, struct buf *out, struct buf *error);

/* An amount as it is written, and read back: "0.5", "2GiB".  Returns buf. */
const char *amount_show(uint32_t resource, uint64_t amount, char *buf, size_t cap);

/*
 * The class of a request of a namespace, with one more user; "" is cpus=1, gang_size 0 is for tasks that run each for
 * itself.  With its last user it goes, so that those
 * nobody uses any more cost neither room nor time.  Errors as requests_parse.
 */
sc_err requests_class(struct requests *r, struct slice namespace, struct slice text, uint32_t gang_size,
		      struct request_class **out, struct buf *error);
void request_class_drop(struct request_class *c); /* NULL is fine */

#endif
