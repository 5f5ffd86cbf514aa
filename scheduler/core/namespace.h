/*
 * namespace.h - namespaces: what each may use, what it uses, which of its requests have tasks that are ready.
 *
 * Interned: equal names are one object, so that the scheduling round compares pointers.  Counted: classes of requests,
 * workers that are reserved and settings that differ from the usual hold a reference each, and with the last the
 * namespace goes.  Names nobody uses any more therefore take no memory, however many there have been.
 *
 * Room is shared by weight: the next task given out is of the namespace that uses least for its weight.  What counts is
 * what its tasks in flight ask for: their cpus, and a little for each task, lest those without any were free.
 */
#ifndef SCHEDULER_CORE_NAMESPACE_H
#define SCHEDULER_CORE_NAMESPACE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/hash.h"
#include "base/pairing.h"
#include "base/slice.h"
#include "proto/sched_error.h"

struct request_class;

#define NAMESPACE_WEIGHT_ONE 1000u
#define NAMESPACE_WEIGHT_MAX 1000000u
#define NAMESPACES_SET_MAX   4096u /* that differ from the usual */

/* How much a namespace may have in flight, and its share. */
struct namespace_limits {
	uint32_t weight;    /* NAMESPACE_WEIGHT_ONE is the usual share */
	uint64_t max_tasks; /* UINT64_MAX: no limit */
	uint64_t max_cpus;  /* ten-thousandths; UINT64_MAX: no limit */
};

TAILQ_HEAD(namespace_list, namespace);
TAILQ_HEAD(class_list, request_class);

/* All zero: none.  Must not move while there are any. */
struct namespaces {
	struct namespace *by_name;
	struct namespace_list active; /* those with tasks that are ready; mostly in the order of the last pass */
	struct pairing *foremost;     /* of those still to be served in it (foremost.h) */
	uint64_t n_ready;	      /* tasks */
	uint64_t n_entered;	      /* times a class has got tasks that are ready */
	size_t n_set;		      /* those that differ from the usual */
};

struct namespace
{
	char *name;
	size_t n_users;
	size_t n_workers; /* that are reserved for it */
	struct namespaces *home;
	struct namespace_limits limits;
	int is_set;		   /* the limits hold a reference */
	uint64_t n_tasks, cpus;	   /* in flight */
	struct pairing place;	   /* in a pass of the scheduling round (foremost.h) */
	struct pairing *foremost;  /* of its classes, those still to be served in it */
	struct class_list classes; /* those with tasks that are ready; mostly in the order of the last pass */
	TAILQ_ENTRY(namespace) active_link;
	UT_hash_handle hh;
};

void namespaces_init(struct namespaces *all);
/* Nobody but settings uses any by then. */
void namespaces_fini(struct namespaces *all);

/* The one of this name, with one more user.  SC_NOMEM. */
sc_err namespace_take(struct namespaces *all, struct slice name, struct namespace **out);
void namespace_drop(struct namespace *n); /* NULL is fine */
struct namespace *namespace_find(const struct namespaces *all, struct slice name);

/* It is remembered from now on, whoever uses it, as long as it differs from the usual.  SC_LIMIT, SC_NOMEM. */
sc_err namespace_set_limits(struct namespaces *all, struct slice name, const struct namespace_limits *limits);

/* A task of the class has become ready (1), or is not any more (0). */
void namespace_count_ready(struct request_class *cl, int is_ready);

/* The class goes. */
void namespace_forget_class(struct request_class *cl);

/* A task of the class is given out with this alternative (1), or has come back (0). */
void namespace_count_used(struct request_class *cl, uint32_t alternative, int is_used);

/* How many more tasks of the class its quota allows, with this alternative. */
uint64_t namespace_room(const struct request_class *cl, uint32_t alternative);

/* Whether the quota lets so many tasks of a class start when nothing else of the namespace is out, in one way or other.
 */
int namespace_allows(const struct request_class *cl, uint64_t wanted);

/* Tasks that are ready. */
uint64_t namespace_n_ready(const struct namespace *n);

/* Whether the next task should rather be one of a than of b. */
int namespace_before(const struct namespace *a, const struct namespace *b);

#endif
