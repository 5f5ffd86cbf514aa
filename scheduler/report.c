/*
 * report.c - answers to questions about jobs, tasks, results and workers: columns of rows, at most ROWS_MAX a page.
 *
 * An answer looks at SCAN_MAX tasks at most, so that a filter that matches nothing in a job of millions costs several
 * small turns instead of a long one: `next` says where to go on.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "proto/column.h"
#include "scheduler/info_link.h"
#include "scheduler/rows.h"
#include "scheduler/scheduler.h"

#define PLACES_MAX 65536u
#define SCAN_MAX   1000000u

#define EXPLAIN_COST 100u /* and so is a hundredth of explaining one task */

static size_t limit_of(uint64_t asked, size_t most)
{
	return asked == 0 || asked > most ? most : (size_t)asked;
}

static struct job *find_job(struct scheduler *s, struct conn *c, uint64_t request, uint64_t id)
{
	struct job *j = core_job(s->core, id);

	if (j == NULL)
		conn_send_error(c, request, SC_NOT_FOUND, id == 0 ? "there are no jobs" : "there is no job %" PRIu64,
				id);
	return j;
}

static struct slice text_or_empty(const char *s)
{
	return slice_of(s != NULL ? s : "");
}

/* ---- jobs ----------------------------------------------------------------------------------------------------- */

static void job_row(struct scheduler *s, struct rows *r, const struct job *j, uint64_t *looks)
{
	uint64_t now = loop_now_us(s->loop);
	struct buf waits;
	int is_waiting;

	buf_init(&waits, 0);
	is_waiting = core_job_waits(s->core, j, looks, &waits);
	rows_put(r, 0, j->id);
	rows_put_text(r, 0, slice_of(j->name));
	rows_put_text(r, 1, slice_of(j->namespace));
	rows_put(r, 1, j->state);
	rows_put(r, 2, msg_zigzag(j->priority));
	rows_put(r, 3, now - j->submitted_us);
	rows_put(r, 4, (job_has_ended(j) ? j->ended_us : now) - j->submitted_us);
	for (unsigned i = 0; i < TASK_STATES; i++)
		rows_put(r, 5, j->counts[i]);
	rows_put(r, 6, (j->is_open ? JOB_FLAG_OPEN : 0u) | (is_waiting ? JOB_FLAG_WAITING : 0u));
	rows_put_text(r, 2, text_or_empty(j->text));
	if (waits.len > 0)
		rows_put_copy(r, 3, buf_str(&waits));
	else
		rows_put_text(r, 3, slice_of(""));
	buf_fini(&waits);
}

sc_err report_jobs(struct scheduler *s, struct conn *c, const struct msg_job_list *m)
{
	struct msg_job_rows a = {.request = m->request};
	uint64_t looks = UNMET_LOOKS;
	size_t limit = limit_of(m->limit, ROWS_MAX), n = 0, looked = 0;
	const struct job *j = core_job_last(s->core);
	struct rows r;

	if (m->job != 0) {
		j = find_job(s, c, m->request, m->job);
		if (j == NULL)
			return SC_OK;
		limit = 1;
	}
	rows_init(&r);
	for (; j != NULL; j = core_job_prev(s->core, j), looked++) {
		if ((m->before != 0 && j->id >= m->before) ||
		    (m->namespace.n > 0 && !slice_is(m->namespace, j->namespace)))
			continue;
		if (n == limit) {
			a.more = m->job == 0;
			break;
		}
		job_row(s, &r, j, &looks);
		n++;
	}
	conn_charge(c, (looked + UNMET_LOOKS - looks) / WALK_PER_MESSAGE + n / ROWS_PER_MESSAGE);
	a.job = rows_column(&r, 0);
	a.name = rows_texts(&r, 0);
	a.namespace = rows_texts(&r, 1);
	a.state = rows_column(&r, 1);
	a.priority = rows_column(&r, 2);
	a.submitted_us = rows_column(&r, 3);
	a.elapsed_us = rows_column(&r, 4);
	a.counts = rows_column(&r, 5);
	a.flags = rows_column(&r, 6);
	a.text = rows_texts(&r, 2);
	a.waits = rows_texts(&r, 3);
	return rows_answer(c, &r, m->request, MSG_job_rows, &a);
}

/* ---- tasks ---------------------------------------------------------------------------------------------------- */

/* The worker a person would connect with the task: who has it, or had it last. */
static struct slice worker_of(const struct scheduler *s, const struct job *j, uint32_t task)
{
	const struct worker *w = core_worker(s->core, j->tasks[task].worker);

	return slice_of(w != NULL ? w->name : job_ran_on(j, task));
}

static void task_row(struct scheduler *s, struct rows *r, const struct job *j, uint32_t task)
{
	const struct task *t = &j->tasks[task];
	char key[JOB_KEY_MAX];

	rows_put(r, 0, task);
	rows_put_copy(r, 0, job_key(j, task, key, sizeof(key)));
	rows_put(r, 1, t->state);
	rows_put_text(r, 1, worker_of(s, j, task));
	rows_put(r, 2, t->attempts);
	rows_put(r, 3, t->elapsed_us);
	rows_put(r, 4, t->result_bytes);
}

sc_err report_tasks(struct scheduler *s, struct conn *c, const struct msg_task_list *m)
{
	struct msg_task_rows a = {.request = m->request};
	const struct job *j = find_job(s, c, m->request, m->job);
	size_t limit = limit_of(m->limit, ROWS_MAX), n = 0, looked = 0;
	uint64_t at = m->from, end;
	struct rows r;
	uint32_t only;

	if (j == NULL)
		return SC_OK;
	end = j->n_tasks;
	if (m->key.n > 0) {
		conn_charge(c, j->n_groups / WALK_PER_MESSAGE);
		if (job_find_task(j, m->key, &only) != SC_OK) {
			conn_send_error(c, m->request, SC_NOT_FOUND, "job %" PRIu64 " has no task '%.*s'", j->id,
					(int)m->key.n, m->key.p);
			return SC_OK;
		}
		at = only;
		end = at + 1;
	}
	rows_init(&r);
	a.job = j->id;
	for (; at < end && n < limit && looked < SCAN_MAX; at++, looked++) {
		if (m->states != 0 && (m->states >> j->tasks[at].state & 1) == 0)
			continue;
		task_row(s, &r, j, (uint32_t)at);
		n++;
	}
	conn_charge(c, looked / WALK_PER_MESSAGE + n / ROWS_PER_MESSAGE);
	a.next = at < end ? at : 0;
	a.task = rows_column(&r, 0);
	a.key = rows_texts(&r, 0);
	a.state = rows_column(&r, 1);
	a.worker = rows_texts(&r, 1);
	a.attempts = rows_column(&r, 2);
	a.elapsed_us = rows_column(&r, 3);
	a.result_bytes = rows_column(&r, 4);
	return rows_answer(c, &r, m->request, MSG_task_rows, &a);
}

#define INPUTS_SHOWN 100u

static void fill_failure(struct msg_task_info *a, const struct task *t)
{
	const struct task_detail *d = t->detail;

	if (d == NULL)
		return;
	a->cause = d->cause;
	a->status = d->status;
	a->text = text_or_empty(d->text);
	if (a->text.n > 4096)
		a->text.n = 4096;
	a->stderr_tail = (struct slice){d->stderr_tail, d->stderr_tail_bytes};
	a->stderr_bytes = d->stderr_bytes;
}

sc_err report_task(struct scheduler *s, struct conn *c, const struct msg_task_show *m)
{
	struct msg_task_info a = {.request = m->request};
	const struct job *j = find_job(s, c, m->request, m->job);
	char key[JOB_KEY_MAX], input[JOB_KEY_MAX];
	const struct task *t;
	const struct group *g;
	struct buf explain;
	struct rows r;
	uint32_t task;

	if (j == NULL)
		return SC_OK;
	conn_charge(c, EXPLAIN_COST + j->n_groups / WALK_PER_MESSAGE);
	if (job_find_task(j, m->key, &task) != SC_OK) {
		conn_send_error(c, m->request, SC_NOT_FOUND, "job %" PRIu64 " has no task '%.*s'", j->id, (int)m->key.n,
				m->key.p);
		return SC_OK;
	}
	t = &j->tasks[task];
	g = &j->groups[t->group];
	rows_init(&r);
	buf_init(&explain, 8192);
	core_explain(s->core, j, task, loop_now_us(s->loop), &explain);
	for (uint32_t e = 0; e < job_n_inputs(j, task) && e < INPUTS_SHOWN; e++)
		rows_put_copy(&r, 0, job_key(j, j->in[j->in_start[task] + e], input, sizeof(input)));
	a.job = j->id;
	a.task = task;
	a.key = slice_of(job_key(j, task, key, sizeof(key)));
	a.group = slice_of(g->name);
	a.state = t->state;
	a.reason = slice_of(task_event_text(t->reason));
	a.explain = (struct slice){(const char *)explain.data, explain.len};
	a.worker = worker_of(s, j, task);
	a.attempts = t->attempts;
	a.crashes = t->crashes;
	fill_failure(&a, t);
	a.elapsed_us = t->elapsed_us;
	a.cpu_us = (uint64_t)t->cpu_us;
	a.rss_bytes = (uint64_t)t->rss_kib * 1024;
	a.result_bytes = t->result_bytes;
	a.request_text = slice_of(g->class->request->text);
	a.inputs = rows_texts(&r, 0);
	a.n_inputs = job_n_inputs(j, task);
	a.n_consumers = job_n_consumers(j, task);
	a.item = job_item(j, task);
	if (a.item.n > 65536)
		a.item.n = 65536;
	rows_answer(c, &r, m->request, MSG_task_info, &a);
	buf_fini(&explain);
	return SC_OK;
}

/* ---- results -------------------------------------------------------------------------------------------------- */

/* Places are by worker number; the message names each address once. */
static uint64_t place_of(struct scheduler *s, struct rows *r, uint32_t number, uint64_t **places, sc_err *err)
{
	const struct worker *w = core_worker(s->core, number);

	if (w == NULL)
		return 0;
	if (*places == NULL)
		*places = mem_calloc(core_workers_end(s->core), sizeof(**places));
	if (*places == NULL) {
		*err = SC_NOMEM;
		return 0;
	}
	if ((*places)[number] == 0) {
		rows_put_text(r, 0, slice_of(w->address));
		(*places)[number] = r->n_texts[0];
	}
	return (*places)[number];
}

static void place_row(struct scheduler *s, struct rows *r, struct job *j, uint32_t task, int recompute,
		      uint64_t **places)
{
	const struct task *t = &j->tasks[task];

	if (recompute)
		(void)core_result_want(s->core, j, task, loop_now_us(s->loop));
	rows_put(r, 0, task);
	rows_put(r, 1, t->state);
	rows_put(r, 2, t->result_bytes);
	rows_put(r, 3, t->detail != NULL ? t->detail->stderr_bytes : 0);
	rows_put(r, 4, place_of(s, r, t->holder, places, &r->err));
	rows_put(r, 5, t->attempts);
}

sc_err report_places(struct scheduler *s, struct conn *c, const struct msg_result_locate *m)
{
	struct msg_result_places a = {.request = m->request};
	struct job *j = find_job(s, c, m->request, m->job);
	size_t limit = limit_of(m->limit, PLACES_MAX);
	uint64_t *places = NULL, at = m->from;
	struct column_reader ids;
	struct rows r;

	if (j == NULL)
		return SC_OK;
	conn_charge(c, (m->task.count > 0    ? m->task.count
			: limit < j->n_tasks ? limit
					     : j->n_tasks) /
			       ROWS_PER_MESSAGE);
	rows_init(&r);
	a.job = j->id;
	column_read(&ids, &m->task);
	for (size_t i = 0; i < m->task.count; i++) {
		uint64_t t = column_next(&ids);

		if (t >= j->n_tasks) {
			conn_send_error(c, m->request, SC_NOT_FOUND, "job %" PRIu64 " has no task number %" PRIu64,
					j->id, t);
			rows_fini(&r);
			mem_free(places);
			return SC_OK;
		}
		place_row(s, &r, j, (uint32_t)t, m->recompute != 0, &places);
	}
	if (m->task.count == 0) {
		for (size_t n = 0; at < j->n_tasks && n < limit; at++, n++)
			place_row(s, &r, j, (uint32_t)at, m->recompute != 0, &places);
		a.next = at < j->n_tasks ? at : 0;
	}
	mem_free(places);
	a.task = rows_column(&r, 0);
	a.state = rows_column(&r, 1);
	a.result_bytes = rows_column(&r, 2);
	a.stderr_bytes = rows_column(&r, 3);
	a.holder = rows_column(&r, 4);
	a.holders = rows_texts(&r, 0);
	a.attempt = rows_column(&r, 5);
	return rows_answer(c, &r, m->request, MSG_result_places, &a);
}

/* ---- workers -------------------------------------------------------------------------------------------------- */

static void worker_row(struct scheduler *s, struct rows *r, const struct worker *w)
{
	static const struct worker_peer unknown;
	const struct worker_peer *p = worker_link_of(s, w->number);
	struct buf labels;

	if (p == NULL)
		p = &unknown;
	rows_put(r, 0, w->number);
	rows_put_text(r, 0, slice_of(w->name));
	rows_put_text(r, 1, slice_of(w->pool));
	rows_put_text(r, 2, slice_of(info_link_host(s->info, w->number)));
	rows_put_text(r, 3, slice_of(w->address));
	rows_put(r, 1, w->pid);
	rows_put(r, 2, w->status);
	rows_put_text(r, 4, slice_of(w->resources_text));
	buf_init(&labels, 0);
	for (size_t i = 0; i < w->n_labels; i++)
		buf_printf(&labels, "%s%s", i > 0 ? "," : "", w->labels[i].p);
	rows_put_copy(r, 5, buf_str(&labels));
	buf_fini(&labels);
	rows_put_text(r, 6, slice_of(w->namespace != NULL ? w->namespace->name : ""));
	rows_put(r, 3, w->in_flight.n);
	rows_put(r, 4, p->running);
	rows_put(r, 5, w->n_ended);
	rows_put(r, 6, w->held.n);
	rows_put(r, 7, w->held_bytes);
	rows_put(r, 8, p->cpu_percent);
	rows_put(r, 9, p->memory_bytes);
	rows_put(r, 10, w->memory_limit_bytes);
	rows_put(r, 12, w->is_drained);
	rows_put(r, 13, (uint64_t)core_worker_is_stuck(w));
	rows_put(r, 11, p->seen_us != 0 ? loop_now_us(s->loop) - p->seen_us : 0);
}

sc_err report_workers(struct scheduler *s, struct conn *c, const struct msg_worker_list *m)
{
	struct msg_worker_rows a = {.request = m->request};
	size_t limit = limit_of(m->limit, ROWS_MAX), n = 0;
	uint64_t at = m->from, end = core_workers_end(s->core);
	struct rows r;

	rows_init(&r);
	for (; at < end && n < limit; at++) {
		const struct worker *w = core_worker(s->core, (uint32_t)at);

		if (w == NULL)
			continue;
		worker_row(s, &r, w);
		n++;
	}
	conn_charge(c, n / ROWS_PER_MESSAGE);
	a.next = at < end ? at : 0;
	a.worker = rows_column(&r, 0);
	a.name = rows_texts(&r, 0);
	a.pool = rows_texts(&r, 1);
	a.host = rows_texts(&r, 2);
	a.address = rows_texts(&r, 3);
	a.pid = rows_column(&r, 1);
	a.status = rows_column(&r, 2);
	a.resources = rows_texts(&r, 4);
	a.labels = rows_texts(&r, 5);
	a.namespace = rows_texts(&r, 6);
	a.assigned = rows_column(&r, 3);
	a.running = rows_column(&r, 4);
	a.done = rows_column(&r, 5);
	a.held = rows_column(&r, 6);
	a.held_bytes = rows_column(&r, 7);
	a.cpu_percent = rows_column(&r, 8);
	a.memory_bytes = rows_column(&r, 9);
	a.memory_limit_bytes = rows_column(&r, 10);
	a.seen_us = rows_column(&r, 11);
	a.drained = rows_column(&r, 12);
	a.stuck = rows_column(&r, 13);
	return rows_answer(c, &r, m->request, MSG_worker_rows, &a);
}
