/* replica.c - see replica.h; and what workers report of copies. */
#include "scheduler/core/replica.h"

#include <assert.h>

#include "base/mem.h"
#include "scheduler/core/core_internal.h"

uint64_t task_held_bytes(const struct task *t)
{
	return t->result_bytes + (t->detail != NULL ? t->detail->stderr_bytes : 0);
}

static struct copies *find(const struct core *c, const struct job *j, uint32_t task)
{
	struct copies_key key = {(struct job *)(uintptr_t)j, task};
	struct copies *k;

	if ((j->tasks[task].flags & TASK_COPIED) == 0)
		return NULL;
	HASH_FIND(hh, c->copies, &key, sizeof(key), k);
	return k;
}

static struct copies *find_or_make(struct core *c, struct job *j, uint32_t task)
{
	struct copies *k = find(c, j, task);

	if (k != NULL)
		return k;
	k = mem_calloc(1, sizeof(*k));
	if (k == NULL)
		return NULL;
	k->key = (struct copies_key){j, task};
	HASH_ADD(hh, c->copies, key, sizeof(k->key), k);
	if (k->hh.tbl == NULL) {
		mem_free(k);
		return NULL;
	}
	j->tasks[task].flags |= TASK_COPIED;
	return k;
}

static void free_if_empty(struct core *c, struct copies *k)
{
	if (!LIST_EMPTY(&k->holders))
		return;
	k->key.job->tasks[k->key.task].flags &= (uint8_t)~TASK_COPIED;
	HASH_DELETE(hh, c->copies, k);
	mem_free(k);
}

sc_err replica_add(struct core *c, struct worker *w, struct job *j, uint32_t task, int is_whole)
{
	struct copies *k = find_or_make(c, j, task);
	struct replica *r = k == NULL ? NULL : mem_calloc(1, sizeof(*r));

	if (r == NULL) {
		if (k != NULL)
			free_if_empty(c, k);
		return SC_NOMEM;
	}
	r->result = k;
	r->worker = w->number;
	r->is_whole = is_whole != 0;
	LIST_INSERT_HEAD(&k->holders, r, of_result);
	LIST_INSERT_HEAD(&w->copies, r, of_worker);
	return SC_OK;
}

struct replica *replica_first(const struct core *c, const struct job *j, uint32_t task)
{
	struct copies *k = find(c, j, task);

	return k == NULL ? NULL : LIST_FIRST(&k->holders);
}

struct replica *replica_at(const struct core *c, const struct job *j, uint32_t task, uint32_t worker)
{
	struct replica *r = replica_first(c, j, task);

	while (r != NULL && r->worker != worker)
		r = LIST_NEXT(r, of_result);
	return r;
}

void replica_remove(struct core *c, struct replica *r)
{
	struct copies *k = r->result;

	LIST_REMOVE(r, of_worker);
	LIST_REMOVE(r, of_result);
	mem_free(r);
	free_if_empty(c, k);
}

/* ---- the first holder ------------------------------------------------------------------------------------------- */

/* Make the holder of a copy the first one; there is none.  SC_NOMEM: the list of what it holds cannot grow. */
static sc_err become_first(struct core *c, struct replica *r)
{
	struct job *j = r->result->key.job;
	uint32_t task = (uint32_t)r->result->key.task;
	struct task *t = &j->tasks[task];
	struct worker *w = c->workers[r->worker];

	assert(t->holder == NO_WORKER);
	if (task_list_add(&w->held, j, task) != SC_OK)
		return SC_NOMEM;
	if (!r->is_whole && t->detail != NULL)
		t->detail->stderr_bytes = 0; /* went with the one that was the first holder */
	t->holder = w->number;
	w->held_bytes += task_held_bytes(t);
	w->n_looked = 0;
	core_act(c, ACTION_KEEP, w->number, j, task);
	replica_remove(c, r);
	return SC_OK;
}

/* One that takes tasks rather than one that is going. */
static struct replica *best_replica(const struct core *c, const struct job *j, uint32_t task)
{
	struct replica *first = replica_first(c, j, task), *r = first;

	for (; r != NULL; r = LIST_NEXT(r, of_result))
		if (c->workers[r->worker]->status == WORKER_ACTIVE)
			return r;
	return first;
}

void replica_promote(struct core *c, struct job *j, uint32_t task)
{
	struct replica *r = best_replica(c, j, task);

	if (r != NULL && become_first(c, r) != SC_OK)
		replicas_drop(c, j, task, 1); /* as good as lost */
}

sc_err replica_take_over(struct core *c, struct replica *r)
{
	struct job *j = r->result->key.job;
	uint32_t task = (uint32_t)r->result->key.task;
	struct task *t = &j->tasks[task];
	struct worker *old = c->workers[t->holder];
	uint64_t bytes = task_held_bytes(t);
	sc_err err;

	if (replica_add(c, old, j, task, 1) != SC_OK)
		return SC_NOMEM;
	task_list_remove(&old->held, j, task);
	t->holder = NO_WORKER;
	err = become_first(c, r);
	if (err == SC_OK) {
		old->held_bytes -= bytes;
		return SC_OK;
	}
	(void)task_list_add(&old->held, j, task); /* there was room for it a moment ago */
	t->holder = old->number;
	replica_remove(c, replica_at(c, j, task, old->number));
	return err;
}

int replica_gone(struct core *c, struct job *j, uint32_t task, uint32_t worker, int tell)
{
	struct task *t = &j->tasks[task];
	struct worker *w = core_worker(c, worker);
	struct replica *r;

	if (w == NULL || t->holder == NO_WORKER)
		return 0;
	r = t->holder == worker ? NULL : replica_at(c, j, task, worker);
	if (t->holder != worker && r == NULL)
		return 0;
	if (tell)
		core_act(c, ACTION_DROP, worker, j, task);
	if (r != NULL) {
		replica_remove(c, r);
		return 1;
	}
	drain_forget_task(c, j, task);
	task_list_remove(&w->held, j, task);
	w->held_bytes -= task_held_bytes(t);
	t->holder = NO_WORKER;
	replica_promote(c, j, task);
	return 1;
}

/* ---- all of them ------------------------------------------------------------------------------------------------ */

void replicas_drop(struct core *c, struct job *j, uint32_t task, int tell)
{
	struct replica *r;

	while ((r = replica_first(c, j, task)) != NULL) {
		if (tell)
			core_act(c, ACTION_DROP, r->worker, j, task);
		replica_remove(c, r);
	}
}

void replicas_lose(struct core *c, struct worker *w)
{
	struct replica *r;

	while ((r = LIST_FIRST(&w->copies)) != NULL)
		replica_remove(c, r);
}

size_t core_holders(const struct core *c, const struct job *j, uint32_t task, uint32_t *out, size_t cap)
{
	const struct replica *r = replica_first(c, j, task);
	size_t n = 0;

	if (j->tasks[task].holder == NO_WORKER)
		return 0;
	if (n < cap)
		out[n++] = j->tasks[task].holder;
	for (; r != NULL && n < cap; r = LIST_NEXT(r, of_result))
		out[n++] = r->worker;
	return n;
}

uint32_t core_holder_at(const struct core *c, const struct job *j, uint32_t task, struct slice address)
{
	const struct worker *w = core_worker(c, j->tasks[task].holder);
	const struct replica *r = replica_first(c, j, task);

	if (w != NULL && slice_is(address, w->address))
		return w->number;
	for (; r != NULL; r = LIST_NEXT(r, of_result))
		if (slice_is(address, c->workers[r->worker]->address))
			return r->worker;
	return NO_WORKER;
}

static int has_enough(const struct core *c, const struct job *j, uint32_t task)
{
	const struct replica *r = replica_first(c, j, task);
	uint32_t n = 0;

	for (; r != NULL && n < COPIES_MAX; r = LIST_NEXT(r, of_result))
		n++;
	return n == COPIES_MAX;
}

/* ---- reports ---------------------------------------------------------------------------------------------------- */

sc_err core_replica_added(struct core *c, uint32_t worker, struct job *j, uint32_t task, uint64_t result_bytes,
			  uint64_t stderr_bytes)
{
	struct worker *w = core_worker(c, worker);
	struct replica *r;
	struct task *t;
	int was_asked, is_whole;

	if (w == NULL || task >= j->n_tasks)
		return SC_UNEXPECTED;
	t = &j->tasks[task];
	was_asked = drain_arrived(c, j, task, worker);
	is_whole = was_asked || t->detail == NULL || t->detail->stderr_bytes == stderr_bytes;
	r = replica_at(c, j, task, worker);
	if (r != NULL) {
		r->is_whole |= is_whole != 0;
		(void)drain_take_over(c, j, task);
	}
	if (r != NULL || t->holder == worker)
		return SC_OK;
	if (t->holder != NO_WORKER &&
	    (was_asked || (t->state == TASK_DONE && result_bytes > 0 && result_bytes == t->result_bytes &&
			   !has_enough(c, j, task))) &&
	    replica_add(c, w, j, task, is_whole) == SC_OK) {
		(void)drain_take_over(c, j, task);
		return SC_OK;
	}
	/* Dropped or computed anew meanwhile, or one too many.  What the worker produced itself since then is not what
	 * is meant. */
	core_act(c, ACTION_DROP_COPY, worker, j, task);
	return SC_OK;
}

sc_err core_replica_dropped(struct core *c, uint32_t worker, struct job *j, uint32_t task, uint64_t now_us)
{
	struct task *t;
	int was_there, was_available;

	if (core_worker(c, worker) == NULL || task >= j->n_tasks)
		return SC_UNEXPECTED;
	/* Be it the answer to a move, or a copy that went before that was asked for: it has none. */
	(void)drain_failed(c, j, task, worker, now_us);
	t = &j->tasks[task];
	was_there = task_has_result(t);
	was_available = task_is_available(t);
	if (!replica_gone(c, j, task, worker, 0) || !was_there || task_has_result(t))
		return SC_OK;
	if (was_available)
		task_result_gone(c, j, task);
	task_recompute_if_needed(c, j, task);
	job_update(c, j, now_us);
	return SC_OK;
}
