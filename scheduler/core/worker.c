/* worker.c - see worker.h. */
#include "scheduler/core/worker.h"

#include <assert.h>

#include "base/mem.h"
#include "scheduler/core/job.h"

#define EXTRA_MAX ((uint64_t)1 << 62) /* of any resource, queued ahead */

void worker_free(struct worker *w)
{
	if (w == NULL)
		return;
	for (size_t i = 0; i < w->n_labels; i++) {
		mem_free((char *)(uintptr_t)w->labels[i].p);
		label_drop(w->interned[i]);
	}
	mem_free(w->labels);
	mem_free(w->interned);
	if (w->namespace != NULL)
		w->namespace->n_workers--;
	namespace_drop(w->namespace);
	mem_free(w->name);
	mem_free(w->pool);
	mem_free(w->address);
	mem_free(w->resources_text);
	mem_free(w->in_flight.v);
	mem_free(w->held.v);
	mem_free(w);
}

static sc_err copy_labels(struct worker *w, struct requests *r, struct slices labels)
{
	w->labels = mem_calloc(labels.n, sizeof(*w->labels));
	w->interned = mem_calloc(labels.n, sizeof(struct label *));
	if (w->labels == NULL || w->interned == NULL)
		return SC_NOMEM;
	for (size_t i = 0; i < labels.n; i++) {
		char *copy = slice_dup(labels.v[i]);

		if (copy == NULL || label_take(&r->labels, labels.v[i], &w->interned[i]) != SC_OK) {
			mem_free(copy);
			return SC_NOMEM;
		}
		w->labels[w->n_labels++] = (struct slice){copy, labels.v[i].n};
	}
	return SC_OK;
}

static sc_err reserve(struct worker *w, struct namespaces *all, struct slice name)
{
	if (name.n == 0)
		return SC_OK;
	if (namespace_take(all, name, &w->namespace) != SC_OK)
		return SC_NOMEM;
	w->namespace->n_workers++;
	return SC_OK;
}

sc_err worker_new(struct requests *r, const struct worker_spec *spec, struct worker **out, struct buf *error)
{
	struct worker *w = mem_calloc(1, sizeof(*w));
	struct amounts has;
	sc_err err;

	if (w == NULL)
		return SC_NOMEM;
	err = requests_parse(r, spec->resources, &has, error);
	if (err != SC_OK) {
		mem_free(w);
		return err;
	}
	w->mean_us = -1.0f;
	for (size_t i = 0; i < has.n; i++)
		w->capacity[has.v[i].resource] = has.v[i].amount;
	if (w->capacity[RESOURCE_MEMORY] == 0)
		w->capacity[RESOURCE_MEMORY] =
			spec->memory_limit_bytes > 0 && spec->memory_limit_bytes < MEMORY_UNLIMITED
				? spec->memory_limit_bytes
				: MEMORY_UNLIMITED;
	w->name = slice_dup(spec->name);
	w->pool = slice_dup(spec->pool);
	w->address = slice_dup(spec->address);
	w->resources_text = slice_dup(spec->resources);
	w->pid = spec->pid;
	w->memory_limit_bytes = spec->memory_limit_bytes;
	if (w->name == NULL || w->pool == NULL || w->address == NULL || w->resources_text == NULL ||
	    copy_labels(w, r, spec->labels) != SC_OK || reserve(w, &r->namespaces, spec->namespace) != SC_OK) {
		worker_free(w);
		return SC_NOMEM;
	}
	*out = w;
	return SC_OK;
}

int worker_has_label(const struct worker *w, const struct label *l)
{
	for (size_t i = 0; i < w->n_labels; i++)
		if (w->interned[i] == l)
			return 1;
	return 0;
}

uint32_t worker_n_preferred(const struct worker *w, const struct alternative *a)
{
	uint32_t n = 0;

	for (uint32_t i = a->n_required; i < a->n_labels; i++)
		n += worker_has_label(w, a->labels[i]) != 0;
	return n;
}

int worker_can_meet(const struct worker *w, const struct request_class *c, uint32_t alternative)
{
	const struct alternative *a = &c->request->v[alternative];

	if (!worker_serves(w, c))
		return 0;
	for (size_t i = 0; i < a->needs.n; i++)
		if (a->needs.v[i].amount > w->capacity[a->needs.v[i].resource])
			return 0;
	for (uint32_t i = 0; i < a->n_required; i++)
		if (!worker_has_label(w, a->labels[i]))
			return 0;
	return 1;
}

int worker_can(const struct worker *w, const struct request_class *c)
{
	for (uint32_t k = 0; k < c->request->n; k++)
		if (worker_can_meet(w, c, k))
			return 1;
	return 0;
}

uint64_t worker_room(const struct worker *w, const struct request_class *c, uint32_t alternative, uint64_t ahead_us,
		     float mean_us)
{
	const struct amounts *needs = &c->request->v[alternative].needs;
	uint64_t room = WORKER_QUEUE_MAX;
	double ahead = 0.0; /* how many times its capacity may be queued */

	if (w->in_flight.n >= 2 * WORKER_QUEUE_MAX || !worker_can_meet(w, c, alternative))
		return 0;
	if (ahead_us > 0 && mean_us >= 0.0f)
		ahead = (double)ahead_us / (mean_us < 1.0f ? 1.0 : (double)mean_us);
	for (size_t i = 0; i < needs->n; i++) {
		uint32_t r = needs->v[i].resource;
		uint64_t need = needs->v[i].amount;
		double extra = (double)w->capacity[r] * ahead, most = (double)need * WORKER_QUEUE_MAX;
		uint64_t limit, fits;

		most = most < (double)EXTRA_MAX ? most : (double)EXTRA_MAX;
		limit = w->capacity[r] + (uint64_t)(extra < most ? extra : most);
		fits = w->committed[r] >= limit ? 0 : (limit - w->committed[r]) / need;
		if (fits < room)
			room = fits;
	}
	return room;
}

void worker_commit(struct worker *w, const struct alternative *a)
{
	for (size_t i = 0; i < a->needs.n; i++)
		w->committed[a->needs.v[i].resource] += a->needs.v[i].amount;
}

void worker_uncommit(struct worker *w, const struct alternative *a)
{
	for (size_t i = 0; i < a->needs.n; i++) {
		assert(w->committed[a->needs.v[i].resource] >= a->needs.v[i].amount);
		w->committed[a->needs.v[i].resource] -= a->needs.v[i].amount;
	}
}

sc_err task_list_add(struct task_list *l, struct job *j, uint32_t task)
{
	void *p = mem_grow(l->v, &l->cap, l->n + 1, sizeof(*l->v));

	if (p == NULL)
		return SC_NOMEM;
	l->v = p;
	j->tasks[task].pos = (uint32_t)l->n;
	l->v[l->n++] = (struct task_ref){j, task};
	return SC_OK;
}

void task_list_remove(struct task_list *l, struct job *j, uint32_t task)
{
	uint32_t pos = j->tasks[task].pos;
	struct task_ref last;

	assert(pos < l->n && l->v[pos].task == task && l->v[pos].job == j);
	last = l->v[--l->n];
	l->v[pos] = last;
	last.job->tasks[last.task].pos = pos;
}
