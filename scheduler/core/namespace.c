/* namespace.c - see namespace.h. */
#include "scheduler/core/namespace.h"

#include <assert.h>

#include "base/mem.h"
#include "scheduler/core/request.h"

#define USE_OF_A_TASK (AMOUNT_ONE / 100) /* besides its cpus */

void namespaces_init(struct namespaces *all)
{
	*all = (struct namespaces){0};
	TAILQ_INIT(&all->active);
}

void namespaces_fini(struct namespaces *all)
{
	struct namespace *n, *next;

	HASH_ITER (hh, all->by_name, n, next)
		if (n->is_set)
			namespace_drop(n);
}

struct namespace *namespace_find(const struct namespaces *all, struct slice name)
{
	struct namespace *n;

	HASH_FIND(hh, all->by_name, name.p, name.n, n);
	return n;
}

static struct namespace *namespace_new(struct namespaces *all, struct slice name)
{
	struct namespace *n = mem_calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->home = all;
	n->limits = (struct namespace_limits){NAMESPACE_WEIGHT_ONE, UINT64_MAX, UINT64_MAX};
	TAILQ_INIT(&n->classes);
	n->name = slice_dup(name);
	if (n->name != NULL)
		HASH_ADD_KEYPTR(hh, all->by_name, n->name, name.n, n);
	if (n->name == NULL || n->hh.tbl == NULL) {
		mem_free(n->name);
		mem_free(n);
		return NULL;
	}
	return n;
}

sc_err namespace_take(struct namespaces *all, struct slice name, struct namespace **out)
{
	struct namespace *n = namespace_find(all, name);

	if (n == NULL)
		n = namespace_new(all, name);
	if (n == NULL)
		return SC_NOMEM;
	n->n_users++;
	*out = n;
	return SC_OK;
}

void namespace_drop(struct namespace *n)
{
	if (n == NULL || --n->n_users > 0)
		return;
	assert(TAILQ_EMPTY(&n->classes));
	HASH_DELETE(hh, n->home->by_name, n);
	mem_free(n->name);
	mem_free(n);
}

sc_err namespace_set_limits(struct namespaces *all, struct slice name, const struct namespace_limits *limits)
{
	int is_usual = limits->weight == NAMESPACE_WEIGHT_ONE && limits->max_tasks == UINT64_MAX &&
		       limits->max_cpus == UINT64_MAX;
	struct namespace *n = namespace_find(all, name);
	sc_err err = SC_OK;

	if (n != NULL && n->is_set) {
		n->limits = *limits;
		n->is_set = !is_usual;
		if (is_usual) {
			all->n_set--;
			namespace_drop(n);
		}
		return SC_OK;
	}
	if (is_usual)
		return SC_OK;
	if (all->n_set == NAMESPACES_SET_MAX)
		return SC_LIMIT;
	err = namespace_take(all, name, &n);
	if (err != SC_OK)
		return err;
	all->n_set++;
	n->is_set = 1;
	n->limits = *limits;
	return SC_OK;
}

uint64_t namespace_n_ready(const struct namespace *n)
{
	const struct request_class *cl;
	uint64_t sum = 0;

	TAILQ_FOREACH (cl, &n->classes, ready_link)
		sum += cl->n_ready;
	return sum;
}

/* It has no task that is ready any more. */
static void unlink_class(struct request_class *cl)
{
	struct namespace *n = cl->namespace;

	cl->blocked_ways = 0; /* the next one to become ready is looked at afresh */
	TAILQ_REMOVE(&n->classes, cl, ready_link);
	if (TAILQ_EMPTY(&n->classes))
		TAILQ_REMOVE(&n->home->active, n, active_link);
}

void namespace_count_ready(struct request_class *cl, int is_ready)
{
	struct namespace *n = cl->namespace;

	if (is_ready) {
		n->home->n_ready++;
		if (cl->n_ready++ > 0)
			return;
		cl->ready_since = ++n->home->n_entered;
		if (TAILQ_EMPTY(&n->classes))
			TAILQ_INSERT_TAIL(&n->home->active, n, active_link);
		TAILQ_INSERT_TAIL(&n->classes, cl, ready_link);
		return;
	}
	assert(cl->n_ready > 0);
	n->home->n_ready--;
	if (--cl->n_ready == 0)
		unlink_class(cl);
}

void namespace_forget_class(struct request_class *cl)
{
	if (cl->n_ready == 0)
		return;
	cl->namespace->home->n_ready -= cl->n_ready;
	cl->n_ready = 0;
	unlink_class(cl);
}

void namespace_count_used(struct request_class *cl, uint32_t alternative, int is_used)
{
	struct namespace *n = cl->namespace;
	uint64_t cpus = cl->request->v[alternative].cpus;

	if (is_used) {
		n->n_tasks++;
		n->cpus += cpus;
	} else {
		assert(n->n_tasks > 0 && n->cpus >= cpus);
		n->n_tasks--;
		n->cpus -= cpus;
	}
}

uint64_t namespace_room(const struct request_class *cl, uint32_t alternative)
{
	const struct namespace *n = cl->namespace;
	uint64_t tasks = n->limits.max_tasks, cpus = UINT64_MAX, needs = cl->request->v[alternative].cpus;

	tasks = tasks > n->n_tasks ? tasks - n->n_tasks : 0;
	if (needs > 0 && n->limits.max_cpus != UINT64_MAX)
		cpus = n->limits.max_cpus > n->cpus ? (n->limits.max_cpus - n->cpus) / needs : 0;
	return tasks < cpus ? tasks : cpus;
}

int namespace_allows(const struct request_class *cl, uint64_t wanted)
{
	const struct namespace_limits *l = &cl->namespace->limits;

	for (uint32_t k = 0; k < cl->request->n; k++) {
		uint64_t cpus = cl->request->v[k].cpus;

		if (l->max_tasks >= wanted && (cpus == 0 || l->max_cpus / cpus >= wanted))
			return 1;
	}
	return 0;
}

static uint64_t use_of(const struct namespace *n)
{
	return n->cpus + n->n_tasks * USE_OF_A_TASK;
}

int namespace_before(const struct namespace *a, const struct namespace *b)
{
	return (double)use_of(a) * b->limits.weight < (double)use_of(b) * a->limits.weight;
}
