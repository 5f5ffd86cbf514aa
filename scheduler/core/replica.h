/*
 * replica.h - who else holds a result: workers that fetched it and kept their copy.
 *
 * A task names the worker that holds its output (task->holder, the first holder).  Most results have no other; those
 * that have are marked (TASK_COPIED) and their further holders are kept here, in a table by (job, task).  When the
 * first holder goes another takes its place.  A task without a first holder has no further ones.
 */
#ifndef SCHEDULER_CORE_REPLICA_H
#define SCHEDULER_CORE_REPLICA_H

#include <stdint.h>
#include <sys/queue.h>

#include "base/hash.h"
#include "proto/sched_error.h"
#include "scheduler/core/task.h"

struct core;
struct worker;

/*
 * Of a result, besides the first holder's.  A worker whose copy is refused drops it, and fetches again what it needs
 * again: so it is many, and only what somebody claims without end is refused.
 */
#define COPIES_MAX 1000u

/* A copy at one worker. */
struct replica {
	LIST_ENTRY(replica) of_worker;
	LIST_ENTRY(replica) of_result;
	struct copies *result;
	uint32_t worker;
	uint8_t is_whole; /* standard error as well */
};

struct copies_key {
	struct job *job;
	uint64_t task; /* 64 bits wide, so that there is no padding in a key */
};

/* All copies of one result. */
struct copies {
	UT_hash_handle hh;
	struct copies_key key;
	LIST_HEAD(, replica) holders;
};

/* The worker has a copy as well; it has none yet.  SC_NOMEM. */
sc_err replica_add(struct core *c, struct worker *w, struct job *j, uint32_t task, int is_whole);

/* The copy of this worker, the first of all, the next; NULL: none. */
struct replica *replica_at(const struct core *c, const struct job *j, uint32_t task, uint32_t worker);
struct replica *replica_first(const struct core *c, const struct job *j, uint32_t task);

void replica_remove(struct core *c, struct replica *r);

/* The first holder shall be the one of this copy; the one that was it has a copy from now on, if it is there. SC_NOMEM:
 * nothing has changed. */
sc_err replica_take_over(struct core *c, struct replica *r);

/*
 * The worker holds the output no more, or never did: another takes its place if it was the first holder.  1 when it was
 * one of the holders.  tell: it is to drop what it has.
 */
int replica_gone(struct core *c, struct job *j, uint32_t task, uint32_t worker, int tell);

/* The first holder of the task is lost with all it held, and is out of its list: let another be it. */
void replica_promote(struct core *c, struct job *j, uint32_t task);

/* Nobody needs the copies any more. */
void replicas_drop(struct core *c, struct job *j, uint32_t task, int tell);

/* The worker is lost, and its copies with it. */
void replicas_lose(struct core *c, struct worker *w);

/* What a task's output takes at its first holder, bytes. */
uint64_t task_held_bytes(const struct task *t);

#endif
