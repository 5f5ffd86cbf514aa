/* worker_link.c - messages from workers, and workers that fall silent. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "scheduler/info_link.h"
#include "scheduler/scheduler.h"

#define LABELS_MAX_BYTES 16384u

/* How each message of the table is taken from a worker: FROM_x for the sender x in messages.def. */
#define FROM_ANY(name)                                                                                                 \
	case MSG_##name:                                                                                               \
		return conn_common_message(c, m, "worker");
#define FROM_WORKER(name)                                                                                              \
	case MSG_##name:                                                                                               \
		return on_##name(p, &m->u.name);
#define FROM_SCHEDULER(name)
#define FROM_CLIENT(name)
#define FROM_PEER(name)
#define FROM_HOLDER(name)
#define FROM_AGENT(name)
#define FROM_SLOT(name)
#define FROM_BODY(name)

static sc_err wrong(struct worker_peer *p, const char *what, uint64_t job, uint64_t task)
{
	return conn_fail(p->conn, SC_UNEXPECTED, "%s: job %" PRIu64 " task %" PRIu64 " was not given to this worker",
			 what, job, task);
}

/* A job a worker speaks of.  One forgotten meanwhile is no mistake of the worker's. */
static struct job *job_of(struct worker_peer *p, uint64_t id)
{
	return id == 0 ? NULL : core_job(p->scheduler->core, id);
}

static sc_err remember_peer(struct scheduler *s, struct worker_peer *p)
{
	size_t old = s->cap_peers;
	void *m = mem_grow(s->peers, &s->cap_peers, (size_t)p->number + 1, sizeof(struct worker_peer *));

	if (m == NULL)
		return SC_NOMEM;
	s->peers = m;
	for (size_t i = old; i < s->cap_peers; i++)
		s->peers[i] = NULL;
	s->peers[p->number] = p;
	return SC_OK;
}

/* All labels of a page of workers have to fit into one answer. */
static int labels_fit(const struct msg_worker_register *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->labels.n && n <= LABELS_MAX_BYTES; i++)
		n += m->labels.v[i].n + 1;
	return n <= LABELS_MAX_BYTES;
}

static sc_err on_worker_register(struct worker_peer *p, const struct msg_worker_register *m)
{
	struct scheduler *s = p->scheduler;
	struct msg_worker_registered answer = {0};
	struct worker_spec spec = {m->name,   m->pool,		m->data_address,       m->resources,
				   m->labels, (uint32_t)m->pid, m->memory_limit_bytes, m->namespace};
	char name[64];
	struct buf error;
	sc_err err;

	if (p->number != 0)
		return conn_fail(p->conn, SC_UNEXPECTED, "a worker registers once");
	if (!labels_fit(m))
		return conn_fail(p->conn, SC_TOO_BIG, "labels: at most %u bytes in all", LABELS_MAX_BYTES);
	if (m->name.n == 0) {
		do
			snprintf(name, sizeof(name), "worker-%" PRIu64, s->next_name++);
		while (core_worker_by_name(s->core, slice_of(name)) != NULL);
		spec.name = slice_of(name);
	}
	buf_init(&error, 0);
	err = core_worker_add(s->core, &spec, loop_now_us(s->loop), &p->number, &error);
	if (err == SC_OK)
		err = remember_peer(s, p);
	if (err == SC_OK)
		err = info_link_joined(s->info, core_worker(s->core, p->number), m->host);
	if (err != SC_OK) {
		conn_fail(p->conn, err, "%s", error.len > 0 ? buf_str(&error) : sc_err_text(err));
		if (p->number != 0)
			core_worker_lost(s->core, p->number, loop_now_us(s->loop));
		p->number = 0;
		buf_fini(&error);
		return err;
	}
	buf_fini(&error);
	log_info("worker", "registered", "name=%s number=%u peer=%s resources=%s",
		 core_worker(s->core, p->number)->name, p->number, conn_peer(p->conn),
		 core_worker(s->core, p->number)->resources_text);
	answer.worker = p->number;
	answer.name = spec.name;
	answer.heartbeat_ms = info_link_heartbeat_ms(s->info);
	return conn_send(p->conn, MSG_worker_registered, &answer);
}

static sc_err on_heartbeat(struct worker_peer *p, const struct msg_heartbeat *m)
{
	p->cpu_percent = m->cpu_percent;
	p->memory_bytes = m->memory_bytes;
	p->running = m->running;
	p->queued = m->queued;
	p->held = m->held;
	p->held_bytes = m->held_bytes;
	p->spilled_bytes = m->spilled_bytes;
	if (m->received_bytes > p->received_bytes && m->receiving_us > p->receiving_us && p->heartbeat_us != 0)
		core_transferred(p->scheduler->core, m->received_bytes - p->received_bytes,
				 m->receiving_us - p->receiving_us);
	p->receiving_us = m->receiving_us;
	info_link_heartbeat(p->scheduler->info, p, m);
	return SC_OK;
}

static sc_err on_tasks_running(struct worker_peer *p, const struct msg_tasks_running *m)
{
	struct job *j = job_of(p, m->job);
	struct column_reader r;

	column_read(&r, &m->task);
	for (size_t i = 0; j != NULL && i < m->task.count; i++) {
		uint64_t task = column_next(&r);

		if (task >= j->n_tasks || core_task_started(p->scheduler->core, p->number, j, (uint32_t)task) != SC_OK)
			return wrong(p, "tasks_running", m->job, task);
	}
	return SC_OK;
}

static sc_err on_tasks_fetching(struct worker_peer *p, const struct msg_tasks_fetching *m)
{
	struct job *j = job_of(p, m->job);
	struct column_reader r;

	column_read(&r, &m->task);
	for (size_t i = 0; j != NULL && i < m->task.count; i++) {
		uint64_t task = column_next(&r);

		if (task >= j->n_tasks || core_task_fetches(p->scheduler->core, p->number, j, (uint32_t)task) != SC_OK)
			return wrong(p, "tasks_fetching", m->job, task);
	}
	return SC_OK;
}

/* A column may be left out; otherwise it is as long as the first. */
static int fits(const struct column *c, size_t n)
{
	return c->count == 0 || c->count == n;
}

static sc_err on_tasks_done(struct worker_peer *p, const struct msg_tasks_done *m)
{
	struct scheduler *s = p->scheduler;
	struct job *j = job_of(p, m->job);
	struct column_reader task, result, errs, elapsed, cpu, rss;
	size_t n = m->task.count;

	if (!fits(&m->result_bytes, n) || !fits(&m->stderr_bytes, n) || !fits(&m->elapsed_us, n) ||
	    !fits(&m->cpu_us, n) || !fits(&m->rss_bytes, n))
		return conn_fail(p->conn, SC_MALFORMED, "tasks_done: columns of different lengths");
	column_read(&task, &m->task);
	column_read(&result, &m->result_bytes);
	column_read(&errs, &m->stderr_bytes);
	column_read(&elapsed, &m->elapsed_us);
	column_read(&cpu, &m->cpu_us);
	column_read(&rss, &m->rss_bytes);
	for (size_t i = 0; j != NULL && i < n; i++) {
		uint64_t t = column_next(&task);
		struct task_outcome o = {column_next(&result), column_next(&errs), column_next(&elapsed),
					 column_next(&cpu), column_next(&rss)};

		if (t >= j->n_tasks ||
		    core_task_done(s->core, p->number, j, (uint32_t)t, &o, loop_now_us(s->loop)) != SC_OK)
			return wrong(p, "tasks_done", m->job, t);
	}
	return SC_OK;
}

static sc_err on_task_failed(struct worker_peer *p, const struct msg_task_failed *m)
{
	struct scheduler *s = p->scheduler;
	struct job *j = job_of(p, m->job);
	struct task_failure f = {
		.cause = (uint32_t)m->cause,
		.status = (uint32_t)m->status,
		.text = m->text,
		.stderr_tail = m->stderr_tail,
		.outcome = {m->result_bytes, m->stderr_bytes, m->elapsed_us, m->cpu_us, m->rss_bytes},
	};

	if (j == NULL)
		return SC_OK;
	if (m->task >= j->n_tasks ||
	    core_task_failed(s->core, p->number, j, (uint32_t)m->task, &f, loop_now_us(s->loop)) != SC_OK)
		return wrong(p, "task_failed", m->job, m->task);
	return SC_OK;
}

static sc_err on_inputs_missing(struct worker_peer *p, const struct msg_inputs_missing *m)
{
	struct scheduler *s = p->scheduler;
	struct job *j = job_of(p, m->job);
	size_t n = m->input.count;
	uint32_t *inputs, *holders;
	struct column_reader r;
	sc_err err;

	if (j == NULL)
		return SC_OK;
	if (m->holders.n != n)
		return conn_fail(p->conn, SC_MALFORMED, "inputs_missing: columns of different lengths");
	inputs = mem_malloc(n * sizeof(*inputs));
	holders = mem_calloc(n, sizeof(*holders));
	if (inputs == NULL || holders == NULL) {
		mem_free(inputs);
		mem_free(holders);
		return SC_NOMEM;
	}
	column_read(&r, &m->input);
	for (size_t i = 0; i < n; i++) {
		uint64_t t = column_next(&r);

		inputs[i] = t < j->n_tasks ? (uint32_t)t : UINT32_MAX;
		if (t < j->n_tasks)
			holders[i] = core_holder_at(s->core, j, (uint32_t)t, m->holders.v[i]);
	}
	err = m->task >= j->n_tasks ? SC_UNEXPECTED
				    : core_inputs_missing(s->core, p->number, j, (uint32_t)m->task, inputs, holders, n,
							  loop_now_us(s->loop));
	mem_free(inputs);
	mem_free(holders);
	return err == SC_OK ? SC_OK : wrong(p, "inputs_missing", m->job, m->task);
}

static sc_err on_tasks_cancelled(struct worker_peer *p, const struct msg_tasks_cancelled *m)
{
	struct scheduler *s = p->scheduler;
	struct job *j = job_of(p, m->job);
	struct column_reader r;

	column_read(&r, &m->task);
	for (size_t i = 0; j != NULL && i < m->task.count; i++) {
		uint64_t t = column_next(&r);

		if (t >= j->n_tasks ||
		    core_task_stopped(s->core, p->number, j, (uint32_t)t, loop_now_us(s->loop)) != SC_OK)
			return wrong(p, "tasks_cancelled", m->job, t);
	}
	return SC_OK;
}

static sc_err on_replicas_added(struct worker_peer *p, const struct msg_replicas_added *m)
{
	struct job *j = job_of(p, m->job);
	struct column_reader task, result, errs;
	size_t n = m->task.count;

	if (!fits(&m->result_bytes, n) || !fits(&m->stderr_bytes, n))
		return conn_fail(p->conn, SC_MALFORMED, "replicas_added: columns of different lengths");
	column_read(&task, &m->task);
	column_read(&result, &m->result_bytes);
	column_read(&errs, &m->stderr_bytes);
	for (size_t i = 0; j != NULL && i < n; i++) {
		uint64_t t = column_next(&task), bytes = column_next(&result);

		if (t >= j->n_tasks || core_replica_added(p->scheduler->core, p->number, j, (uint32_t)t, bytes,
							  column_next(&errs)) != SC_OK)
			return wrong(p, "replicas_added", m->job, t);
	}
	return SC_OK;
}

static sc_err on_replicas_dropped(struct worker_peer *p, const struct msg_replicas_dropped *m)
{
	struct job *j = job_of(p, m->job);
	struct column_reader r;

	column_read(&r, &m->task);
	for (size_t i = 0; j != NULL && i < m->task.count; i++) {
		uint64_t t = column_next(&r);

		if (t >= j->n_tasks || core_replica_dropped(p->scheduler->core, p->number, j, (uint32_t)t,
							    loop_now_us(p->scheduler->loop)) != SC_OK)
			return wrong(p, "replicas_dropped", m->job, t);
	}
	return SC_OK;
}

static sc_err on_worker_paused(struct worker_peer *p, const struct msg_worker_paused *m)
{
	struct scheduler *s = p->scheduler;
	const struct worker *w = core_worker(s->core, p->number);

	core_worker_set_paused(s->core, p->number, m->paused != 0);
	info_link_status(s->info, p->number, w->status);
	log_info("worker", m->paused ? "paused" : "resumed", "name=%s memory_bytes=%" PRIu64, w->name, p->memory_bytes);
	return SC_OK;
}

static sc_err on_worker_leaving(struct worker_peer *p, const struct msg_worker_leaving *m)
{
	const struct worker *w = core_worker(p->scheduler->core, p->number);
	char reason[256];

	p->leaving = 1;
	core_worker_set_status(p->scheduler->core, p->number, WORKER_STOPPING);
	info_link_status(p->scheduler->info, p->number, WORKER_STOPPING);
	snprintf(reason, sizeof(reason), "%.*s", (int)m->reason.n, m->reason.p);
	log_info("worker", "leaving", "name=%s reason=%s", w != NULL ? w->name : "?", log_quote(reason));
	return SC_OK;
}

static sc_err on_message(struct conn *c, const struct msg *m, void *arg)
{
	struct worker_peer *p = arg;

	p->seen_us = loop_now_us(p->scheduler->loop);
	core_set_now(p->scheduler->core, p->seen_us);
	if (m->type != MSG_heartbeat)
		p->scheduler->turn_shared = 1;
	if (p->number == 0 && m->type != MSG_worker_register)
		return conn_fail(c, SC_UNEXPECTED, "%s before worker_register", msg_name(m->type));
	switch (m->type) {
#define MSG_BEGIN(name, code, from, text) FROM_##from(name)
#define FIELD(msg, type, name, bound, text)
#define MSG_END(name)
#include "proto/messages.def"
#undef MSG_BEGIN
#undef FIELD
#undef MSG_END
	default:
		return conn_fail(c, SC_UNEXPECTED, "%s is nothing a worker sends", msg_name(m->type));
	}
}

static void forget_known(struct worker_peer *p)
{
	struct known_job *k, *next;

	HASH_ITER (hh, p->known, k, next) {
		HASH_DEL(p->known, k);
		bits_fini(&k->defined);
		mem_free(k);
	}
}

static void on_close(struct conn *c, sc_err why, const char *text, void *arg)
{
	struct worker_peer *p = arg;
	struct scheduler *s = p->scheduler;

	if (p->number != 0) {
		const struct worker *w = core_worker(s->core, p->number);

		if (p->leaving || s->stopping)
			log_info("worker", "left", "name=%s peer=%s", w->name, conn_peer(c));
		else
			log_warn("worker", "lost", "name=%s peer=%s error=%s reason=%s tasks=%zu", w->name,
				 conn_peer(c), sc_err_name(why), log_quote(text), w->in_flight.n);
		s->peers[p->number] = NULL;
		info_link_left(s->info, p->number);
		core_worker_lost(s->core, p->number, loop_now_us(s->loop));
		loop_wake(s->loop); /* closed after this turn's round: what it had waits for the next */
	} else {
		log_warn("worker", "refused", "peer=%s error=%s reason=%s", conn_peer(c), sc_err_name(why),
			 log_quote(text));
	}
	TAILQ_REMOVE(&s->workers, p, link);
	if (s->server != NULL)
		server_left(s->server);
	forget_known(p);
	mem_free(p);
}

static const struct conn_handlers handlers = {NULL, on_message, on_close};

sc_err worker_link_new(struct scheduler *s, struct conn *c)
{
	struct worker_peer *p = mem_calloc(1, sizeof(*p));

	if (p == NULL)
		return SC_NOMEM;
	p->scheduler = s;
	p->conn = c;
	p->seen_us = loop_now_us(s->loop);
	s->turn_shared = 1;
	TAILQ_INSERT_TAIL(&s->workers, p, link);
	conn_set_handlers(c, &handlers, p);
	return SC_OK;
}

struct worker_peer *worker_link_of(const struct scheduler *s, uint32_t number)
{
	return number > 0 && number < s->cap_peers ? s->peers[number] : NULL;
}

void worker_link_check_silence(struct scheduler *s)
{
	uint64_t now = loop_now_us(s->loop);
	struct worker_peer *p;

	TAILQ_FOREACH (p, &s->workers, link) {
		if (now - p->seen_us > s->options->scheduler_worker_timeout && !conn_is_closing(p->conn))
			conn_abort(p->conn, SC_TIMEOUT, "not heard of within scheduler.worker-timeout");
	}
}
