/* jobs.c - see jobs.h. */
#include "worker/jobs.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"

struct jobs {
	struct job *table;
	struct job *last; /* found last: messages about one job come together */
};

sc_err jobs_new(struct jobs **out)
{
	*out = mem_calloc(1, sizeof(**out));
	return *out == NULL ? SC_NOMEM : SC_OK;
}

void jobs_free(struct jobs *j)
{
	if (j == NULL)
		return;
	jobs_clear(j);
	mem_free(j);
}

/* ---- groups --------------------------------------------------------------------------------------------------- */

struct group *group_ref(struct group *g)
{
	g->refs++;
	return g;
}

void group_note_run(struct group *g, uint64_t elapsed_us)
{
	g->average_us = g->n_runs++ == 0 ? elapsed_us : (g->average_us * 7 + elapsed_us) / 8;
}

void group_drop_body(struct group *g)
{
	mem_free((void *)g->body.p);
	g->body = (struct slice){NULL, 0};
}

void group_unref(struct group *g)
{
	if (g == NULL || --g->refs > 0)
		return;
	if (g->plan != NULL)
		g->plan_free(g->plan);
	group_drop_body(g);
	for (unsigned i = 0; i < g->n_requests; i++)
		request_fini(&g->requests[i]);
	job_unref(g->job);
	mem_free(g->indexes);
	mem_free(g->name);
	mem_free(g);
}

size_t group_key(const struct group *g, uint64_t task, char out[KEY_MAX])
{
	int n;

	if (g->n_tasks == 1 && (g->flags & GROUP_ARRAY) == 0)
		n = snprintf(out, KEY_MAX, "%s", g->name);
	else
		n = snprintf(out, KEY_MAX, "%s-%" PRIu64, g->name, group_index(g, task));
	return (size_t)n;
}

static sc_err check_definition(const struct msg_group_define *m, struct buf *error)
{
	if (!text_is_name(m->name.p, m->name.n)) {
		buf_printf(error, "group %" PRIu64 ": its name is not allowed; it has to be " TEXT_NAME_ALLOWED,
			   m->group);
		return SC_MALFORMED;
	}
	if (m->n_tasks == 0 || m->first_task + m->n_tasks > (uint64_t)UINT32_MAX + 1) {
		buf_printf(error, "group %" PRIu64 ": %" PRIu64 " tasks from %" PRIu64 " on are not possible", m->group,
			   m->n_tasks, m->first_task);
		return SC_MALFORMED;
	}
	return SC_OK;
}

/* Alternatives this worker has nothing for are no mistake: it is not given them. */
static sc_err read_requests(struct group *g, struct slice text, const struct resources *r)
{
	sc_err err = SC_OK;
	size_t at = 0;

	while (err == SC_OK && at <= text.n && g->n_requests < ALTERNATIVES_MAX) {
		const char *bar = at < text.n ? memchr(text.p + at, '|', text.n - at) : NULL;
		size_t n = bar == NULL ? text.n - at : (size_t)(bar - text.p) - at;

		err = request_parse(r, (struct slice){text.p + at, n}, &g->requests[g->n_requests++]);
		at += n + 1;
	}
	return err;
}

/* Its ranges of indexes, if it has such. */
static sc_err read_indexes(struct group *g, const struct msg_group_define *m)
{
	struct index_range *ranges;
	size_t n = m->range_first.count;
	struct column_reader first, step, count;
	sc_err err;

	if (n == 0)
		return SC_OK;
	if (m->range_step.count != n || m->range_n.count != n)
		return SC_MALFORMED;
	ranges = mem_malloc(n * sizeof(*ranges));
	if (ranges == NULL)
		return SC_NOMEM;
	column_read(&first, &m->range_first);
	column_read(&step, &m->range_step);
	column_read(&count, &m->range_n);
	for (size_t i = 0; i < n; i++)
		ranges[i] = (struct index_range){column_next(&first), column_next(&step), column_next(&count)};
	err = index_list_new(ranges, n, &g->indexes);
	mem_free(ranges);
	if (err == SC_OK && index_list_count(g->indexes) != g->n_tasks)
		err = SC_INVALID;
	return err == SC_INVALID ? SC_MALFORMED : err;
}

static sc_err group_new(struct job *job, const struct msg_group_define *m, const struct resources *r,
			struct group **out)
{
	struct group *g = mem_calloc(1, sizeof(*g));
	sc_err err;

	if (g == NULL)
		return SC_NOMEM;
	g->refs = 1;
	g->job = job;
	job->refs++;
	g->number = (uint32_t)m->group;
	g->first_task = (uint32_t)m->first_task;
	g->n_tasks = (uint32_t)m->n_tasks;
	g->index_first = m->index_first;
	g->index_step = m->index_step;
	g->flags = (unsigned)m->flags;
	g->is_unawaited = m->unawaited != 0;
	g->kind = (unsigned)m->kind;
	g->time_limit_us = m->time_limit_ms < UINT64_MAX / 4 / US_PER_MS ? m->time_limit_ms * US_PER_MS : 0;
	g->name = slice_dup(m->name);
	g->body = (struct slice){slice_dup(m->body), m->body.n};
	g->first_group = (uint32_t)m->first_group;
	err = g->name == NULL || g->body.p == NULL ? SC_NOMEM : read_indexes(g, m);
	if (err == SC_OK)
		err = read_requests(g, m->request, r);
	if (err != SC_OK) {
		group_unref(g);
		return err;
	}
	*out = g;
	return SC_OK;
}

/* Groups come in order, as a rule. */
static void insert_by_first(struct job *job, struct group *g)
{
	size_t i = job->n_groups++;

	for (; i > 0 && job->by_first[i - 1]->first_task > g->first_task; i--)
		job->by_first[i] = job->by_first[i - 1];
	job->by_first[i] = g;
}

static sc_err add_group(struct job *job, struct group *g)
{
	struct group **grown = mem_grow(job->by_first, &job->cap_groups, job->n_groups + 1, sizeof(struct group *));

	if (grown == NULL)
		return SC_NOMEM;
	job->by_first = grown;
	HASH_ADD(hh, job->by_number, number, sizeof(g->number), g);
	if (!table_has_added(g))
		return SC_NOMEM;
	insert_by_first(job, g);
	return SC_OK;
}

struct group *job_group(struct job *job, uint64_t number)
{
	uint32_t key = (uint32_t)number;
	struct group *g = NULL;

	if (number <= UINT32_MAX)
		HASH_FIND(hh, job->by_number, &key, sizeof(key), g);
	return g;
}

struct group *job_group_of(const struct job *job, uint64_t task)
{
	size_t from = 0, to = job->n_groups;

	while (to - from > 1) {
		size_t middle = (from + to) / 2;

		if (job->by_first[middle]->first_task <= task)
			from = middle;
		else
			to = middle;
	}
	return from < to && group_has(job->by_first[from], task) ? job->by_first[from] : NULL;
}

/* ---- jobs ----------------------------------------------------------------------------------------------------- */

void job_unref(struct job *job)
{
	if (job == NULL || --job->refs > 0)
		return;
	mem_free(job->by_first);
	mem_free(job->name);
	mem_free(job);
}

struct job *jobs_find(struct jobs *j, uint64_t id)
{
	if (j->last != NULL && j->last->id == id)
		return j->last;
	HASH_FIND(hh, j->table, &id, sizeof(id), j->last);
	return j->last;
}

static sc_err make_job(struct jobs *j, uint64_t id, struct slice name, struct job **out)
{
	struct job *job = mem_calloc(1, sizeof(*job));

	if (job == NULL)
		return SC_NOMEM;
	job->id = id;
	job->refs = 1;
	job->name = slice_dup(name);
	if (job->name != NULL)
		HASH_ADD(hh, j->table, id, sizeof(job->id), job);
	if (job->name == NULL || !table_has_added(job)) {
		job_unref(job);
		return SC_NOMEM;
	}
	*out = job;
	return SC_OK;
}

sc_err jobs_define(struct jobs *j, const struct msg_group_define *m, const struct resources *r, struct buf *error)
{
	struct job *job = jobs_find(j, m->job);
	struct group *g;
	sc_err err = check_definition(m, error);

	if (err == SC_OK && job == NULL)
		err = make_job(j, m->job, m->job_name, &job);
	if (err != SC_OK || job_group(job, m->group) != NULL)
		return err;
	err = group_new(job, m, r, &g);
	if (err == SC_MALFORMED)
		buf_printf(error, "group %" PRIu64 ": its ranges of indexes make no sense", m->group);
	if (err != SC_OK)
		return err;
	err = add_group(job, g);
	if (err != SC_OK)
		group_unref(g);
	return err;
}

/* Forget a job's groups; those that tasks still hold live on, without their neighbours. */
static void forget(struct jobs *j, struct job *job)
{
	if (j->last == job)
		j->last = NULL;
	HASH_DEL(j->table, job);
	HASH_CLEAR(hh, job->by_number);
	while (job->n_groups > 0)
		group_unref(job->by_first[--job->n_groups]);
	job_unref(job);
}

void jobs_drop(struct jobs *j, uint64_t id)
{
	struct job *job = jobs_find(j, id);

	if (job != NULL)
		forget(j, job);
}

void jobs_clear(struct jobs *j)
{
	struct job *job, *next;

	HASH_ITER (hh, j->table, job, next) {
		forget(j, job);
	}
}
