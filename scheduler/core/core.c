/* core.c - the core's tables: workers, jobs, actions; and what clients ask of jobs.  See core.h. */
#include "scheduler/core/core.h"

#include <assert.h>
#include <inttypes.h>

#include "base/mem.h"
#include "base/text.h"
#include "scheduler/core/core_internal.h"

#define WORKERS_MAX 1000000u

/* Of a turn: there is room for so many from the beginning, so that the list does not leave a trail of smaller ones. */
#define ACTIONS_USUAL 1024u

sc_err core_new(const struct core_options *o, struct core **out)
{
	struct core *c = mem_calloc(1, sizeof(*c));

	if (c == NULL)
		return SC_NOMEM;
	c->options = *o;
	c->next_job = 1;
	c->probe_due_us = UINT64_MAX;
	c->stamp = c->workers_stamp = 1;
	c->workers_end = 1;
	TAILQ_INIT(&c->jobs);
	TAILQ_INIT(&c->ended);
	TAILQ_INIT(&c->graves);
	c->actions = mem_grow(NULL, &c->cap_actions, ACTIONS_USUAL, sizeof(*c->actions));
	if (c->actions == NULL || requests_init(&c->requests) != SC_OK) {
		core_free(c);
		return SC_NOMEM;
	}
	*out = c;
	return SC_OK;
}

static void bury(struct core *c)
{
	struct job *j;

	while ((j = TAILQ_FIRST(&c->graves)) != NULL) {
		TAILQ_REMOVE(&c->graves, j, ended_link);
		job_free(j);
	}
}

void core_free(struct core *c)
{
	struct job *j;

	if (c == NULL)
		return;
	bury(c);
	HASH_CLEAR(hh, c->jobs_by_id);
	HASH_CLEAR(hh, c->workers_by_name);
	for (uint32_t i = 1; i < c->workers_end; i++) {
		if (c->workers[i] != NULL)
			replicas_lose(c, c->workers[i]);
	}
	while ((j = TAILQ_FIRST(&c->jobs)) != NULL) {
		TAILQ_REMOVE(&c->jobs, j, link);
		job_free(j);
	}
	for (uint32_t i = 1; i < c->workers_end; i++)
		worker_free(c->workers[i]);
	mem_free(c->workers);
	bits_fini(&c->active);
	bits_fini(&c->idle);
	bits_fini(&c->touched);
	bits_fini(&c->queued);
	bits_fini(&c->reserved);
	bits_fini(&c->draining);
	requests_fini(&c->requests);
	mem_free(c->delays);
	mem_free(c->moves);
	mem_free(c->actions);
	mem_free(c->stack);
	mem_free(c);
}

void core_set_trace(struct core *c, core_trace_fn fn, void *arg)
{
	c->trace = fn;
	c->trace_arg = arg;
}

void core_set_now(struct core *c, uint64_t now_us)
{
	c->now_us = now_us;
}

/* ---- actions -------------------------------------------------------------------------------------------------- */

void core_act(struct core *c, enum action_kind kind, uint32_t worker, struct job *j, uint32_t task)
{
	void *p = mem_grow(c->actions, &c->cap_actions, c->n_actions + 1, sizeof(*c->actions));

	if (p == NULL) {
		c->broken = 1;
		return;
	}
	c->actions = p;
	c->actions[c->n_actions++] = (struct action){kind, worker, task, j};
}

const struct action *core_actions(const struct core *c, size_t *n)
{
	*n = c->n_actions;
	return c->actions;
}

void core_actions_done(struct core *c)
{
	c->n_actions = 0;
	bury(c);
}

int core_is_broken(const struct core *c)
{
	return c->broken;
}

/* ---- workers -------------------------------------------------------------------------------------------------- */

struct worker *core_worker(const struct core *c, uint32_t number)
{
	return number > 0 && number < c->workers_end ? c->workers[number] : NULL;
}

struct worker *core_worker_by_name(const struct core *c, struct slice name)
{
	struct worker *w;

	HASH_FIND(hh, c->workers_by_name, name.p, name.n, w);
	return w;
}

uint32_t core_workers_end(const struct core *c)
{
	return c->workers_end;
}

size_t core_n_workers(const struct core *c)
{
	return c->n_workers;
}

/* The smallest number not in use: numbers stay small, and arrays over them short. */
static sc_err worker_number(struct core *c, uint32_t *out)
{
	uint32_t n = 1;
	void *p;

	if (c->n_workers + 1 < c->workers_end) {
		while (c->workers[n] != NULL)
			n++;
		*out = n;
		return SC_OK;
	}
	if (c->workers_end == WORKERS_MAX)
		return SC_LIMIT;
	p = mem_grow(c->workers, &c->cap_workers, (size_t)c->workers_end + 1, sizeof(struct worker *));
	if (p == NULL)
		return SC_NOMEM;
	c->workers = p;
	c->workers[0] = NULL;
	c->workers[c->workers_end] = NULL;
	*out = c->workers_end++;
	return SC_OK;
}

sc_err core_worker_add(struct core *c, const struct worker_spec *spec, uint64_t now_us, uint32_t *number,
		       struct buf *error)
{
	struct worker *w;
	sc_err err;

	(void)now_us;
	if (!text_is_name(spec->name.p, spec->name.n)) {
		buf_printf(error, "worker name '%.*s': allowed are %s", (int)(spec->name.n < 80 ? spec->name.n : 80),
			   spec->name.p, TEXT_NAME_ALLOWED);
		return SC_INVALID;
	}
	if (spec->namespace.n > 0 && !text_is_name(spec->namespace.p, spec->namespace.n)) {
		buf_printf(error, "worker reserved for namespace '%.*s': allowed are %s",
			   (int)(spec->namespace.n < 80 ? spec->namespace.n : 80), spec->namespace.p,
			   TEXT_NAME_ALLOWED);
		return SC_INVALID;
	}
	if (core_worker_by_name(c, spec->name) != NULL) {
		buf_printf(error, "there is a worker named '%.*s' already", (int)spec->name.n, spec->name.p);
		return SC_EXISTS;
	}
	err = worker_new(&c->requests, spec, &w, error);
	if (err != SC_OK)
		return err;
	err = worker_number(c, &w->number);
	if (err == SC_OK &&
	    (bits_reserve(&c->active, w->number + 1) != 0 || bits_reserve(&c->idle, w->number + 1) != 0 ||
	     bits_reserve(&c->touched, w->number + 1) != 0 || bits_reserve(&c->reserved, w->number + 1) != 0 ||
	     bits_reserve(&c->queued, w->number + 1) != 0 || bits_reserve(&c->draining, w->number + 1) != 0))
		err = SC_NOMEM;
	if (err != SC_OK) {
		worker_free(w);
		return err;
	}
	w->hh.tbl = NULL;
	HASH_ADD_KEYPTR(hh, c->workers_by_name, w->name, strlen(w->name), w);
	if (w->hh.tbl == NULL) {
		worker_free(w);
		return SC_NOMEM;
	}
	c->workers[w->number] = w;
	c->n_workers++;
	room_update(c, w);
	*number = w->number;
	return SC_OK;
}

void core_worker_set_status(struct core *c, uint32_t number, unsigned status)
{
	struct worker *w = core_worker(c, number);

	if (w == NULL)
		return;
	if (status == WORKER_ACTIVE && w->is_paused)
		status = WORKER_PAUSED;
	w->status = (uint8_t)status;
	bits_set(&c->draining, number, status == WORKER_DRAINING);
	w->move_after_us = w->move_pause_us = 0;
	w->n_looked = 0;
	w->is_drained = 0;
	room_update(c, w);
}

void core_worker_set_paused(struct core *c, uint32_t number, int is_paused)
{
	struct worker *w = core_worker(c, number);

	if (w == NULL)
		return;
	w->is_paused = is_paused != 0;
	if (w->status == WORKER_ACTIVE || w->status == WORKER_PAUSED)
		core_worker_set_status(c, number, WORKER_ACTIVE);
}

sc_err core_namespace_set(struct core *c, struct slice name, const struct namespace_limits *limits)
{
	if (!text_is_name(name.p, name.n) || limits->weight == 0 || limits->weight > NAMESPACE_WEIGHT_MAX)
		return SC_INVALID;
	c->stamp++; /* more may be given now */
	c->workers_stamp++;
	return namespace_set_limits(&c->requests.namespaces, name, limits);
}

const struct namespace *core_namespace(const struct core *c, struct slice name)
{
	return namespace_find(&c->requests.namespaces, name);
}

const struct namespace *core_namespace_first(const struct core *c)
{
	return c->requests.namespaces.by_name;
}

const struct namespace *core_namespace_next(const struct namespace *n)
{
	return n->hh.next;
}

/* ---- jobs ----------------------------------------------------------------------------------------------------- */

struct job *core_job(const struct core *c, uint64_t id)
{
	struct job *j;

	if (id == 0)
		return TAILQ_LAST(&c->jobs, job_list);
	HASH_FIND(hh, c->jobs_by_id, &id, sizeof(id), j);
	return j;
}

struct job *core_job_first(const struct core *c)
{
	return TAILQ_FIRST(&c->jobs);
}

struct job *core_job_next(const struct core *c, const struct job *j)
{
	(void)c;
	return TAILQ_NEXT(j, link);
}

struct job *core_job_last(const struct core *c)
{
	return TAILQ_LAST(&c->jobs, job_list);
}

struct job *core_job_prev(const struct core *c, const struct job *j)
{
	(void)c;
	return TAILQ_PREV(j, job_list, link);
}

uint64_t core_n_tasks(const struct core *c)
{
	return c->n_tasks;
}

static sc_err check_after(const struct core *c, const struct job_spec *spec, struct buf *error)
{
	for (size_t i = 0; i < spec->n_after; i++) {
		const struct job *p = core_job(c, spec->after[i]);

		if (p == NULL || spec->after[i] == 0) {
			buf_printf(error, "job %" PRIu64 ", which this one is to follow, is not known", spec->after[i]);
			return SC_NOT_FOUND;
		}
		if (p->state == JOB_FAILED || p->state == JOB_CANCELLED) {
			buf_printf(error, "job %" PRIu64 ", which this one is to follow, has %s", p->id,
				   p->state == JOB_FAILED ? "failed" : "been cancelled");
			return SC_BAD_STATE;
		}
	}
	return SC_OK;
}

sc_err core_check_limit(const struct core *c, const struct job_spec *spec, struct buf *error)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < spec->n_groups; i++)
		n += spec->groups[i].n_tasks;
	if (n <= c->options.max_tasks && c->n_tasks <= c->options.max_tasks - n)
		return SC_OK;
	buf_printf(error,
		   "%" PRIu64 " tasks more than the %" PRIu64 " there are would exceed "
		   "scheduler.max-tasks=%" PRIu64 "; 'schedctl job forget --all' drops those of ended jobs",
		   n, c->n_tasks, c->options.max_tasks);
	return SC_LIMIT;
}

/* Make j one of p's followers. */
static sc_err follow(struct job *p, struct job *j)
{
	void *m = mem_grow(p->followers, &p->cap_followers, p->n_followers + 1, sizeof(*p->followers));

	if (m == NULL)
		return SC_NOMEM;
	p->followers = m;
	p->followers[p->n_followers++] = j->id;
	j->n_after++;
	return SC_OK;
}

static sc_err follow_all(struct core *c, const struct job_spec *spec, struct job *j)
{
	sc_err err = SC_OK;

	for (size_t i = 0; i < spec->n_after && err == SC_OK; i++) {
		struct job *p = core_job(c, spec->after[i]);

		if (!job_has_ended(p))
			err = follow(p, j); /* on failure the id stays behind: nobody else will get it */
	}
	return err;
}

sc_err core_submit(struct core *c, const struct job_spec *spec, uint64_t now_us, uint64_t *id, struct buf *error)
{
	struct requests_mark before = requests_mark(&c->requests);
	struct job *j;
	sc_err err = check_after(c, spec, error);

	c->now_us = now_us;
	if (err == SC_OK)
		err = core_check_limit(c, spec, error);
	if (err == SC_OK)
		err = job_new(&c->requests, spec, &j, error);
	if (err != SC_OK) {
		requests_undo(&c->requests, before);
		return err;
	}
	j->id = c->next_job++;
	j->submitted_us = now_us;
	err = follow_all(c, spec, j);
	if (err == SC_OK) {
		j->hh.tbl = NULL;
		HASH_ADD(hh, c->jobs_by_id, id, sizeof(j->id), j);
		err = j->hh.tbl == NULL ? SC_NOMEM : SC_OK;
	}
	if (err != SC_OK) {
		j->in_start = j->in = NULL; /* still the caller's */
		job_free(j);
		requests_undo(&c->requests, before);
		return err;
	}
	TAILQ_INSERT_TAIL(&c->jobs, j, link);
	c->n_tasks += j->n_tasks;
	*id = j->id;
	if (j->n_after == 0)
		job_start(c, j);
	else
		j->state = JOB_HELD;
	return SC_OK;
}

void core_await(struct core *c, struct job *j, uint32_t task)
{
	(void)c;
	if (task == ALL_TASKS || bits_reserve(&j->awaited, j->n_tasks) != 0) {
		j->is_awaited = AWAIT_ALL; /* without memory more is told than was asked for */
		return;
	}
	bits_set(&j->awaited, task, 1);
	if (j->is_awaited == AWAIT_NONE)
		j->is_awaited = AWAIT_SOME;
}

sc_err core_job_cancel(struct core *c, struct job *j, uint64_t now_us, uint64_t *n)
{
	*n = 0;
	if (job_has_ended(j))
		return SC_BAD_STATE;
	j->is_open = 0;
	j->was_cancelled = 1;
	for (uint32_t t = 0; t < j->n_tasks; t++) {
		struct task *k = &j->tasks[t];

		if (task_has_ended(k))
			continue;
		if (k->withheld)
			gang_withdraw(c, j, t);
		if (task_state_in_flight(k->state))
			core_act(c, ACTION_CANCEL, k->worker, j, t);
		task_event(c, j, t, EV_CANCEL);
		task_close(c, j, t);
		(*n)++;
	}
	job_update(c, j, now_us);
	return SC_OK;
}

sc_err core_job_forget(struct core *c, struct job *j)
{
	if (!job_has_ended(j))
		return SC_BAD_STATE;
	if (j->n_unanswered > 0)
		return SC_BAD_STATE; /* cancelled tasks their workers have not stopped yet */
	for (uint32_t t = 0; t < j->n_tasks; t++)
		task_drop_output(c, j, t, 0);
	core_act(c, ACTION_JOB_FORGET, NO_WORKER, j, 0);
	HASH_DELETE(hh, c->jobs_by_id, j);
	TAILQ_REMOVE(&c->jobs, j, link);
	TAILQ_REMOVE(&c->ended, j, ended_link);
	c->n_ended--;
	c->n_tasks -= j->n_tasks;
	j->forgotten = 1;
	TAILQ_INSERT_TAIL(&c->graves, j, ended_link);
	return SC_OK;
}
