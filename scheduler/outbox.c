/*
 * outbox.c - the core's actions become messages.
 *
 * Actions are first dealt out to the workers they concern, in order; then each worker's are written, neighbours of one
 * kind, job and group sharing one columnar message.  A group is described to a worker before its first task or
 * dependant.
 *
 * What a client submits decides how large a description is.  A task whose description no worker would accept fails;
 * the worker it was meant for has done nothing wrong and stays.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "proto/column.h"
#include "scheduler/scheduler.h"

#define NO_ACTION    UINT32_MAX
#define BATCH_BYTES  ((size_t)1024 * 1024) /* one message grows to about this much, unless one task takes more */
#define INPUT_BYTES  20u		   /* an input in a tasks_assign, at most */
#define HOLDERS_TOLD 3u			   /* of an input that several hold */

/* A task that could not be described to its worker. */
struct refusal {
	uint64_t job;
	uint32_t worker, task;
};

struct outbox {
	uint32_t *next; /* per action: the next one of its worker */
	size_t cap_next;
	STAILQ_HEAD(, worker_peer) touched; /* those that have actions in this turn */
	/* the message being put together */
	struct column_writer task, attempt, n_inputs, input, input_bytes, input_holder, alternative, n_more,
		more_holder;
	struct column_writer stderr_bytes; /* of a results_fetch */
	struct slice *items;
	size_t n_items, cap_items;
	struct slice *holders;
	uint32_t *holder_numbers;
	size_t n_holders, cap_holders, cap_numbers;
	uint32_t *holder_place; /* by worker number: 1 + place in holders, 0: not in it */
	size_t cap_place;
	size_t batch_bytes; /* items and inputs in it, roughly */
	int any_attempt, any_input, any_alternative, any_more;
	sc_err err;		 /* the first thing that went wrong with it */
	struct refusal *refused; /* in this turn */
	size_t n_refused, cap_refused;
};

sc_err outbox_new(struct outbox **out)
{
	struct outbox *o = mem_calloc(1, sizeof(*o));

	if (o == NULL)
		return SC_NOMEM;
	STAILQ_INIT(&o->touched);
	column_writer_init(&o->task);
	column_writer_init(&o->attempt);
	column_writer_init(&o->n_inputs);
	column_writer_init(&o->input);
	column_writer_init(&o->input_bytes);
	column_writer_init(&o->input_holder);
	column_writer_init(&o->alternative);
	column_writer_init(&o->n_more);
	column_writer_init(&o->more_holder);
	column_writer_init(&o->stderr_bytes);
	*out = o;
	return SC_OK;
}

void outbox_free(struct outbox *o)
{
	if (o == NULL)
		return;
	column_writer_fini(&o->task);
	column_writer_fini(&o->attempt);
	column_writer_fini(&o->n_inputs);
	column_writer_fini(&o->input);
	column_writer_fini(&o->input_bytes);
	column_writer_fini(&o->input_holder);
	column_writer_fini(&o->alternative);
	column_writer_fini(&o->n_more);
	column_writer_fini(&o->more_holder);
	column_writer_fini(&o->stderr_bytes);
	mem_free(o->next);
	mem_free(o->items);
	mem_free(o->holders);
	mem_free(o->holder_numbers);
	mem_free(o->holder_place);
	mem_free(o->refused);
	mem_free(o);
}

static void reset(struct outbox *o)
{
	column_writer_reset(&o->task);
	column_writer_reset(&o->attempt);
	column_writer_reset(&o->n_inputs);
	column_writer_reset(&o->input);
	column_writer_reset(&o->input_bytes);
	column_writer_reset(&o->input_holder);
	column_writer_reset(&o->alternative);
	column_writer_reset(&o->n_more);
	column_writer_reset(&o->more_holder);
	column_writer_reset(&o->stderr_bytes);
	for (size_t i = 0; i < o->n_holders; i++)
		o->holder_place[o->holder_numbers[i]] = 0;
	o->n_holders = o->n_items = 0;
	o->batch_bytes = 0;
	o->any_attempt = o->any_input = o->any_alternative = o->any_more = 0;
	o->err = SC_OK;
}

static void batch_failed(struct outbox *o, sc_err err)
{
	if (o->err == SC_OK)
		o->err = err;
}

/* ---- what a worker knows of groups ---------------------------------------------------------------------------- */

static struct known_job *known_job(struct worker_peer *p, const struct job *j)
{
	struct known_job *k;

	HASH_FIND(hh, p->known, &j->id, sizeof(j->id), k);
	if (k != NULL)
		return k;
	k = mem_calloc(1, sizeof(*k));
	if (k == NULL)
		return NULL;
	k->job = j->id;
	HASH_ADD(hh, p->known, job, sizeof(k->job), k);
	if (k->hh.tbl == NULL) {
		mem_free(k);
		return NULL;
	}
	return k;
}

/* With its ranges of indexes, if it has such. */
static sc_err send_definition(struct worker_peer *p, const struct group *g, struct msg_group_define *m)
{
	struct column_writer first, step, n;
	sc_err err;

	if (g->indexes == NULL)
		return conn_send(p->conn, MSG_group_define, m);
	column_writer_init(&first);
	column_writer_init(&step);
	column_writer_init(&n);
	for (size_t i = 0; i < g->indexes->n_ranges; i++) {
		column_put(&first, g->indexes->v[i].range.first);
		column_put(&step, g->indexes->v[i].range.step);
		column_put(&n, g->indexes->v[i].range.n);
	}
	m->range_first = column_of(&first);
	m->range_step = column_of(&step);
	m->range_n = column_of(&n);
	err = buf_err(&first.bytes) != SC_OK || buf_err(&step.bytes) != SC_OK || buf_err(&n.bytes) != SC_OK
		      ? SC_NOMEM
		      : conn_send(p->conn, MSG_group_define, m);
	column_writer_fini(&first);
	column_writer_fini(&step);
	column_writer_fini(&n);
	return err;
}

static sc_err define_group(struct worker_peer *p, struct known_job *k, const struct job *j, uint32_t group)
{
	const struct group *g = &j->groups[group];
	struct msg_group_define m = {0};
	sc_err err;

	if (bits_has(&k->defined, group))
		return SC_OK;
	if (bits_reserve(&k->defined, j->n_groups) != 0)
		return SC_NOMEM;
	m.job = j->id;
	m.group = group;
	m.name = slice_of(g->name);
	m.first_task = g->first_task;
	m.n_tasks = g->n_tasks;
	m.index_first = g->index_first;
	m.index_step = g->index_step;
	m.flags = g->flags;
	m.kind = g->kind;
	m.body = job_body(j, g);
	m.request = slice_of(g->class->request->text);
	m.time_limit_ms = g->time_limit_ms;
	m.job_name = slice_of(j->name);
	m.namespace = slice_of(j->namespace);
	m.first_group = g->first_group;
	m.unawaited = j->in_start == NULL;
	err = send_definition(p, g, &m);
	if (err == SC_OK)
		bits_set(&k->defined, group, 1);
	return err;
}

/* ---- putting a tasks_assign together -------------------------------------------------------------------------- */

/* 1 + the place of a holder's address in the message, 0 when there is nobody. */
static uint32_t holder_place(struct scheduler *s, uint32_t number)
{
	struct outbox *o = s->outbox;
	const struct worker *w = core_worker(s->core, number);
	size_t old = o->cap_place;
	void *p;

	if (w == NULL)
		return 0;
	p = mem_grow(o->holder_place, &o->cap_place, (size_t)number + 1, sizeof(*o->holder_place));
	if (p == NULL) {
		batch_failed(o, SC_NOMEM);
		return 0;
	}
	o->holder_place = p;
	for (size_t i = old; i < o->cap_place; i++)
		o->holder_place[i] = 0;
	if (o->holder_place[number] != 0)
		return o->holder_place[number];
	p = mem_grow(o->holders, &o->cap_holders, o->n_holders + 1, sizeof(*o->holders));
	if (p != NULL)
		o->holders = p;
	else
		batch_failed(o, SC_NOMEM);
	p = mem_grow(o->holder_numbers, &o->cap_numbers, o->n_holders + 1, sizeof(*o->holder_numbers));
	if (p != NULL)
		o->holder_numbers = p;
	else
		batch_failed(o, SC_NOMEM);
	if (o->err != SC_OK)
		return 0;
	o->holders[o->n_holders] = slice_of(w->address);
	o->holder_numbers[o->n_holders++] = number;
	o->holder_place[number] = (uint32_t)o->n_holders;
	return (uint32_t)o->n_holders;
}

/* Who has an input.  Those that ask for the same one are not all sent to the same holder first. */
static void add_holders(struct scheduler *s, struct worker_peer *p, const struct job *j, uint32_t input)
{
	struct outbox *o = s->outbox;
	uint32_t all[16], n = 0, first;

	if (j->tasks[input].result_bytes > 0 && (j->tasks[input].flags & TASK_COPIED) != 0)
		n = (uint32_t)core_holders(s->core, j, input, all, sizeof(all) / sizeof(all[0]));
	if (n < 2) {
		column_put(&o->input_holder,
			   j->tasks[input].result_bytes == 0 ? 0 : holder_place(s, j->tasks[input].holder));
		column_put(&o->n_more, 0);
		return;
	}
	first = p->number % n;
	column_put(&o->input_holder, holder_place(s, all[first]));
	n = n < HOLDERS_TOLD ? n : HOLDERS_TOLD;
	column_put(&o->n_more, n - 1);
	for (uint32_t k = 1; k < n; k++)
		column_put(&o->more_holder, holder_place(s, all[(first + k) % n]));
	o->any_more = 1;
}

static void add_inputs(struct scheduler *s, struct worker_peer *p, struct known_job *k, const struct job *j,
		       uint32_t task)
{
	struct outbox *o = s->outbox;
	uint32_t n = job_n_inputs(j, task);

	column_put(&o->n_inputs, n);
	for (uint32_t e = 0; e < n; e++) {
		uint32_t i = j->in[j->in_start[task] + e];
		const struct task *t = &j->tasks[i];

		batch_failed(o, define_group(p, k, j, t->group));
		o->any_input = 1;
		column_put(&o->input, i);
		column_put(&o->input_bytes, t->result_bytes);
		add_holders(s, p, j, i);
	}
}

static void add_item(struct outbox *o, const struct job *j, uint32_t task)
{
	void *m = mem_grow(o->items, &o->cap_items, o->n_items + 1, sizeof(*o->items));

	if (m == NULL) {
		batch_failed(o, SC_NOMEM);
		return;
	}
	o->items = m;
	o->items[o->n_items++] = job_item(j, task);
}

static void add_assign(struct scheduler *s, struct worker_peer *p, struct known_job *k, const struct action *a)
{
	const struct job *j = a->job;
	const struct task *t = &j->tasks[a->task];
	struct outbox *o = s->outbox;

	column_put(&o->task, a->task);
	column_put(&o->attempt, t->attempts - 1u);
	if (t->attempts > 1)
		o->any_attempt = 1;
	column_put(&o->alternative, task_alternative(t));
	if (task_alternative(t) > 0)
		o->any_alternative = 1;
	if (j->in_start != NULL)
		add_inputs(s, p, k, j, a->task);
	if ((j->groups[t->group].flags & GROUP_ITEMS) != 0)
		add_item(o, j, a->task);
}

static sc_err send_assign(struct outbox *o, struct worker_peer *p, const struct job *j, uint32_t group)
{
	struct msg_tasks_assign m = {.job = j->id, .group = group, .task = column_of(&o->task)};

	if (o->any_attempt)
		m.attempt = column_of(&o->attempt);
	if (o->any_alternative)
		m.alternative = column_of(&o->alternative);
	if (o->any_input) {
		m.n_inputs = column_of(&o->n_inputs);
		m.input = column_of(&o->input);
		m.input_bytes = column_of(&o->input_bytes);
		m.input_holder = column_of(&o->input_holder);
		m.holders = (struct slices){o->holders, o->n_holders};
	}
	if (o->any_more) {
		m.n_more = column_of(&o->n_more);
		m.more_holder = column_of(&o->more_holder);
	}
	m.item = (struct slices){o->items, o->n_items};
	return conn_send(p->conn, MSG_tasks_assign, &m);
}

static void add_fetch(struct scheduler *s, struct worker_peer *p, struct known_job *k, const struct action *a)
{
	const struct task *t = &a->job->tasks[a->task];
	struct outbox *o = s->outbox;

	batch_failed(o, define_group(p, k, a->job, t->group));
	column_put(&o->task, a->task);
	column_put(&o->input_bytes, t->result_bytes);
	column_put(&o->stderr_bytes, t->detail != NULL ? t->detail->stderr_bytes : 0);
	column_put(&o->input_holder, holder_place(s, t->holder));
}

static sc_err send_fetch(struct outbox *o, struct worker_peer *p, const struct job *j)
{
	struct msg_results_fetch m = {.job = j->id,
				      .task = column_of(&o->task),
				      .result_bytes = column_of(&o->input_bytes),
				      .stderr_bytes = column_of(&o->stderr_bytes),
				      .holder = column_of(&o->input_holder),
				      .holders = {o->holders, o->n_holders}};

	return conn_send(p->conn, MSG_results_fetch, &m);
}

/* ---- the actions of one worker -------------------------------------------------------------------------------- */

/* Whether b can go into the same message as a. */
static int same_message(const struct action *a, const struct action *b)
{
	return a->kind == b->kind && a->job == b->job &&
	       (a->kind != ACTION_ASSIGN || a->job->tasks[a->task].group == b->job->tasks[b->task].group);
}

static sc_err send_batch(struct scheduler *s, struct worker_peer *p, const struct action *first)
{
	struct outbox *o = s->outbox;
	struct msg_tasks_cancel cancel = {
		.job = first->job->id, .task = column_of(&o->task), .unstarted = first->kind == ACTION_WITHDRAW};
	struct msg_results_drop drop = {
		.job = first->job->id, .task = column_of(&o->task), .copies = first->kind == ACTION_DROP_COPY};
	struct msg_results_keep keep = {.job = first->job->id, .task = column_of(&o->task)};

	if (o->err != SC_OK)
		return o->err;
	if (buf_err(&o->task.bytes) != SC_OK)
		return SC_NOMEM;
	switch (first->kind) {
	case ACTION_ASSIGN:
		return send_assign(o, p, first->job, first->job->tasks[first->task].group);
	case ACTION_CANCEL:
	case ACTION_WITHDRAW:
		return conn_send(p->conn, MSG_tasks_cancel, &cancel);
	case ACTION_DROP:
	case ACTION_DROP_COPY:
		return conn_send_later(p->conn, MSG_results_drop, &drop);
	case ACTION_KEEP:
		return conn_send(p->conn, MSG_results_keep, &keep);
	case ACTION_REPLICATE:
		return send_fetch(o, p, first->job);
	default:
		return SC_OK;
	}
}

/* What an assignment adds to a message besides a few bytes. */
static size_t assign_bytes(const struct action *a)
{
	return job_item(a->job, a->task).n + (size_t)job_n_inputs(a->job, a->task) * INPUT_BYTES;
}

/* Remember that these tasks could not be described: they fail when the turn's actions are carried out. */
static sc_err refuse_batch(struct outbox *o, const struct worker_peer *p, const struct action *actions, uint32_t from,
			   uint32_t end)
{
	for (uint32_t at = from; at != end; at = o->next[at]) {
		void *m = mem_grow(o->refused, &o->cap_refused, o->n_refused + 1, sizeof(*o->refused));

		if (m == NULL)
			return SC_NOMEM;
		o->refused = m;
		o->refused[o->n_refused++] = (struct refusal){actions[at].job->id, p->number, actions[at].task};
	}
	return SC_OK;
}

/* From action `at` on as many as fit into one message; the index of the first that does not. */
static uint32_t write_batch(struct scheduler *s, struct worker_peer *p, const struct action *actions, uint32_t at)
{
	const struct action *first = &actions[at];
	uint32_t from = at;
	struct outbox *o = s->outbox;
	struct known_job *k = known_job(p, first->job);
	sc_err err;

	reset(o);
	if (k == NULL)
		batch_failed(o, SC_NOMEM);
	else if (first->kind == ACTION_ASSIGN)
		batch_failed(o, define_group(p, k, first->job, first->job->tasks[first->task].group));
	for (; at != NO_ACTION && same_message(first, &actions[at]); at = o->next[at]) {
		if (first->kind == ACTION_ASSIGN) {
			size_t more = assign_bytes(&actions[at]);

			if (at != from && o->batch_bytes + more > BATCH_BYTES)
				break;
			o->batch_bytes += more;
		}
		if (o->err != SC_OK)
			continue;
		if (first->kind == ACTION_ASSIGN)
			add_assign(s, p, k, &actions[at]);
		else if (first->kind == ACTION_REPLICATE)
			add_fetch(s, p, k, &actions[at]);
		else
			column_put(&o->task, actions[at].task);
	}
	err = send_batch(s, p, first);
	if (err == SC_TOO_BIG && first->kind == ACTION_ASSIGN)
		err = refuse_batch(o, p, actions, from, at);
	if (err != SC_OK && !conn_is_closing(p->conn))
		/* It would wait for ever for what it was not told: as good as lost. */
		conn_abort(p->conn, SC_NOMEM, "a message for it could not be made");
	return at;
}

static void write_worker(struct scheduler *s, struct worker_peer *p, const struct action *actions)
{
	uint32_t at = p->first_action;

	p->is_touched = 0;
	while (at != NO_ACTION)
		at = write_batch(s, p, actions, at);
}

/* ---- all actions ---------------------------------------------------------------------------------------------- */

static void forget_job(struct scheduler *s, const struct job *j)
{
	struct msg_job_drop m = {j->id};
	struct worker_peer *p;

	await_job_forgotten(s, j);
	TAILQ_FOREACH (p, &s->workers, link) {
		struct known_job *k;

		HASH_FIND(hh, p->known, &j->id, sizeof(j->id), k);
		if (k == NULL)
			continue;
		HASH_DEL(p->known, k);
		bits_fini(&k->defined);
		mem_free(k);
		conn_send(p->conn, MSG_job_drop, &m);
	}
}

/* A worker is drained, or is not any more. */
static void log_drained(struct scheduler *s, uint32_t number)
{
	const struct worker *w = core_worker(s->core, number);

	if (w != NULL)
		log_info("worker", w->is_drained ? "drained" : "drains-again", "name=%s", w->name);
}

static void chain(struct scheduler *s, uint32_t i, uint32_t worker)
{
	struct worker_peer *p = worker_link_of(s, worker);
	struct outbox *o = s->outbox;

	if (p == NULL)
		return;
	o->next[i] = NO_ACTION;
	if (!p->is_touched) {
		p->is_touched = 1;
		STAILQ_INSERT_TAIL(&o->touched, p, touched_link);
		p->first_action = i;
	} else {
		o->next[p->last_action] = i;
	}
	p->last_action = i;
}

static void fail_refused(struct scheduler *s)
{
	struct outbox *o = s->outbox;
	struct task_failure f = {.cause = FAIL_BODY,
				 .text = slice_of("its description is larger than a worker accepts")};

	for (size_t i = 0; i < o->n_refused; i++) {
		const struct refusal *r = &o->refused[i];
		struct job *j = core_job(s->core, r->job);

		if (j != NULL)
			(void)core_task_failed(s->core, r->worker, j, r->task, &f, loop_now_us(s->loop));
	}
	if (o->n_refused > 0)
		loop_wake(s->loop); /* what follows from it belongs to the next turn */
	o->n_refused = 0;
}

void outbox_dispatch(struct scheduler *s)
{
	struct outbox *o = s->outbox;
	size_t n;
	const struct action *actions = core_actions(s->core, &n);
	struct worker_peer *p;
	void *m;

	if (n == 0)
		return;
	m = mem_grow(o->next, &o->cap_next, n, sizeof(*o->next));
	if (m == NULL) {
		log_error("sched", "out-of-memory", "actions=%zu", n);
		return; /* they stay for the next turn */
	}
	o->next = m;
	s->n_actions += n;
	for (uint32_t i = 0; i < n; i++)
		if (actions[i].worker != NO_WORKER)
			chain(s, i, actions[i].worker);
	for (uint32_t i = 0; i < n; i++) /* first: somebody waits for it */
		if (actions[i].kind == ACTION_JOB_ENDED)
			watch_job_ended(s, actions[i].job);
	while ((p = STAILQ_FIRST(&o->touched)) != NULL) {
		STAILQ_REMOVE_HEAD(&o->touched, touched_link);
		write_worker(s, p, actions);
	}
	for (uint32_t i = 0; i < n; i++)
		if (actions[i].kind == ACTION_TASK_ENDED)
			await_task_ended(s, actions[i].job, actions[i].task);
		else if (actions[i].kind == ACTION_JOB_ENDED)
			await_job_ended(s, actions[i].job);
		else if (actions[i].kind == ACTION_JOB_FORGET)
			forget_job(s, actions[i].job);
		else if (actions[i].kind == ACTION_DRAINED)
			log_drained(s, actions[i].task);
	core_actions_done(s->core);
	fail_refused(s);
}
