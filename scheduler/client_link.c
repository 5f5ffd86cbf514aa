/* client_link.c - requests of clients: each is carried out or answered with an error that names the request. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "scheduler/info_link.h"
#include "scheduler/namespaces.h"
#include "scheduler/scheduler.h"

/* How each message of the table is taken from a client: FROM_x for the sender x in messages.def. */
#define FROM_ANY(name)                                                                                                 \
	case MSG_##name:                                                                                               \
		return conn_common_message(c, m, "client");
#define FROM_CLIENT(name)                                                                                              \
	case MSG_##name:                                                                                               \
		return on_##name(p, &m->u.name);
#define FROM_SCHEDULER(name)
#define FROM_WORKER(name)
#define FROM_PEER(name)
#define FROM_HOLDER(name)
#define FROM_AGENT(name)
#define FROM_SLOT(name)
#define FROM_BODY(name)

static sc_err answer_ok(struct client_peer *p, uint64_t request, uint64_t count)
{
	struct msg_ok m = {request, count};

	return conn_send(p->conn, MSG_ok, &m);
}

/* The request's error; the connection lives on. */
static sc_err refuse(struct client_peer *p, uint64_t request, sc_err err, const char *text)
{
	conn_send_error(p->conn, request, err, "%s", text != NULL && *text ? text : sc_err_text(err));
	return SC_OK;
}

/* The state of a job does not allow it: a request for several jobs has to know which. */
static sc_err refuse_job(struct client_peer *p, uint64_t request, const struct job *j, const char *text)
{
	conn_send_error(p->conn, request, SC_BAD_STATE, "job %" PRIu64 " %s", j->id, text);
	return SC_OK;
}

/* The job of a request, or NULL when the client has been told that there is none. */
static struct job *job_of(struct client_peer *p, uint64_t request, uint64_t id)
{
	struct job *j = core_job(p->scheduler->core, id);

	if (j == NULL && id == 0)
		conn_send_error(p->conn, request, SC_NOT_FOUND, "there are no jobs");
	else if (j == NULL)
		conn_send_error(p->conn, request, SC_NOT_FOUND,
				"there is no job %" PRIu64 "; 'schedctl job list' shows those there are", id);
	return j;
}

/* The answer, with what no worker can meet of the groups from this one on. */
static void answer_submitted(struct client_peer *p, struct msg_submitted *answer, const struct job *j,
			     uint32_t first_group)
{
	uint64_t looks = UNMET_LOOKS;
	struct buf unmet;

	buf_init(&unmet, 0);
	core_job_unmet(p->scheduler->core, j, first_group, &looks, &unmet);
	conn_charge(p->conn, (UNMET_LOOKS - looks) / WALK_PER_MESSAGE);
	answer->job = j->id;
	answer->unmet = slice_of(buf_str(&unmet));
	conn_send(p->conn, MSG_submitted, answer);
	buf_fini(&unmet);
}

static sc_err on_submit(struct client_peer *p, const struct msg_submit *m)
{
	struct scheduler *s = p->scheduler;
	struct msg_submitted answer = {.request = m->request};
	const struct job *j;
	struct buf error;
	sc_err err;

	buf_init(&error, 4096);
	err = s->stopping ? SC_SHUTDOWN : submit_job(s, m, &answer.job, &error);
	if (err != SC_OK) {
		refuse(p, m->request, err, error.len > 0 ? buf_str(&error) : NULL);
		log_info("client", "submit-refused", "peer=%s error=%s", conn_peer(p->conn), sc_err_name(err));
	} else {
		j = core_job(s->core, answer.job);
		log_debug("client", "submit", "peer=%s job=%" PRIu64 " tasks=%u", conn_peer(p->conn), j->id,
			  j->n_tasks);
		conn_charge(p->conn, j->n_tasks / WALK_PER_MESSAGE);
		answer_submitted(p, &answer, j, 0);
	}
	buf_fini(&error);
	return SC_OK;
}

/*
 * Whether the client may change the job; if not it has been told.  What runs inside a task may change the job of that
 * task, and look at everything.  The role guards against mistakes: its secret is that of all clients.
 */
static int may_change(struct client_peer *p, uint64_t request, const struct job *j)
{
	if (!p->is_worker_client || j->id == p->own_job)
		return 1;
	conn_send_error(p->conn, request, SC_DENIED,
			"a task may change its own job only, which is %" PRIu64 ", not job %" PRIu64, p->own_job,
			j->id);
	return 0;
}

/* As job_of, NULL also when the client may not change it. */
static struct job *job_to_change(struct client_peer *p, uint64_t request, uint64_t id)
{
	struct job *j = job_of(p, request, id);

	return j != NULL && may_change(p, request, j) ? j : NULL;
}

/* Workers, all jobs at once, the scheduler: nothing for what runs inside a task; if so it has been told. */
static int is_forbidden(struct client_peer *p, uint64_t request)
{
	if (!p->is_worker_client)
		return 0;
	conn_send_error(p->conn, request, SC_DENIED, "a task may change its own job, and nothing else");
	return 1;
}

static sc_err on_submit_more(struct client_peer *p, const struct msg_submit_more *m)
{
	struct scheduler *s = p->scheduler;
	struct job *j = job_to_change(p, m->request, m->job);
	struct msg_submitted answer = {.request = m->request};
	struct buf error;
	uint32_t first, first_group;
	sc_err err;

	if (j == NULL)
		return SC_OK;
	first_group = j->n_groups;
	buf_init(&error, 4096);
	err = s->stopping ? SC_SHUTDOWN : submit_more_tasks(s, m, j, &first, &error);
	if (err != SC_OK) {
		refuse(p, m->request, err, error.len > 0 ? buf_str(&error) : NULL);
	} else {
		log_debug("client", "submit-more", "peer=%s job=%" PRIu64 " tasks=%u", conn_peer(p->conn), j->id,
			  j->n_tasks - first);
		conn_charge(p->conn, (j->n_tasks - first) / WALK_PER_MESSAGE);
		answer.first_task = first;
		answer_submitted(p, &answer, j, first_group);
	}
	buf_fini(&error);
	return SC_OK;
}

static sc_err on_job_close(struct client_peer *p, const struct msg_job_close *m)
{
	struct scheduler *s = p->scheduler;
	struct job *j = job_to_change(p, m->request, m->job);

	if (j == NULL)
		return SC_OK;
	if (core_job_close(s->core, j, loop_now_us(s->loop)) != SC_OK)
		return refuse_job(p, m->request, j, "is not open");
	return answer_ok(p, m->request, 1);
}

static sc_err on_tasks_await(struct client_peer *p, const struct msg_tasks_await *m)
{
	struct buf error;
	sc_err err;

	conn_charge(p->conn, m->job.count);
	buf_init(&error, 4096);
	err = await_add(p, m, &error);
	if (err != SC_OK)
		refuse(p, m->request, err, error.len > 0 ? buf_str(&error) : NULL);
	buf_fini(&error);
	return SC_OK;
}

static sc_err on_await_stop(struct client_peer *p, const struct msg_await_stop *m)
{
	return answer_ok(p, m->request, (uint64_t)await_stop(p, m->await));
}

static sc_err on_job_watch(struct client_peer *p, const struct msg_job_watch *m)
{
	struct job *j = job_of(p, m->request, m->job);
	sc_err err;

	if (j == NULL)
		return SC_OK;
	err = watch_add(p, j, m->request, m->interval_ms * US_PER_MS);
	return err == SC_OK ? SC_OK : refuse(p, m->request, err, "a connection may watch 1000 jobs at the same time");
}

static sc_err on_job_list(struct client_peer *p, const struct msg_job_list *m)
{
	return report_jobs(p->scheduler, p->conn, m);
}

static sc_err on_task_list(struct client_peer *p, const struct msg_task_list *m)
{
	return report_tasks(p->scheduler, p->conn, m);
}

static sc_err on_task_show(struct client_peer *p, const struct msg_task_show *m)
{
	return report_task(p->scheduler, p->conn, m);
}

static sc_err on_result_locate(struct client_peer *p, const struct msg_result_locate *m)
{
	return report_places(p->scheduler, p->conn, m);
}

static sc_err on_worker_list(struct client_peer *p, const struct msg_worker_list *m)
{
	return report_workers(p->scheduler, p->conn, m);
}

static sc_err on_job_cancel(struct client_peer *p, const struct msg_job_cancel *m)
{
	struct scheduler *s = p->scheduler;
	struct job *j = job_to_change(p, m->request, m->job);
	uint64_t n;

	if (j == NULL)
		return SC_OK;
	conn_charge(p->conn, j->n_tasks / WALK_PER_MESSAGE);
	if (core_job_cancel(s->core, j, loop_now_us(s->loop), &n) != SC_OK)
		return refuse_job(p, m->request, j, "has ended already");
	log_info("client", "cancelled", "peer=%s job=%" PRIu64 " tasks=%" PRIu64, conn_peer(p->conn), j->id, n);
	return answer_ok(p, m->request, n);
}

/* All ended jobs; those whose cancelled tasks are still being stopped stay. */
static uint64_t forget_all(struct scheduler *s)
{
	struct job *j = core_job_first(s->core), *next;
	uint64_t n = 0;

	for (; j != NULL; j = next) {
		next = core_job_next(s->core, j);
		n += core_job_forget(s->core, j) == SC_OK;
	}
	return n;
}

static sc_err on_job_forget(struct client_peer *p, const struct msg_job_forget *m)
{
	struct job *j;

	if (m->job == 0) {
		if (is_forbidden(p, m->request))
			return SC_OK;
		conn_charge(p->conn, CONN_TURN_MESSAGES);
		return answer_ok(p, m->request, forget_all(p->scheduler));
	}
	j = job_to_change(p, m->request, m->job);
	if (j == NULL)
		return SC_OK;
	conn_charge(p->conn, j->n_tasks / WALK_PER_MESSAGE);
	if (!job_has_ended(j))
		return refuse_job(p, m->request, j, "has not ended; cancel it first");
	if (core_job_forget(p->scheduler->core, j) != SC_OK)
		return refuse_job(p, m->request, j, "has cancelled tasks that are still being stopped; try again soon");
	return answer_ok(p, m->request, 1);
}

static sc_err on_task_retry(struct client_peer *p, const struct msg_task_retry *m)
{
	struct scheduler *s = p->scheduler;
	struct job *j = job_to_change(p, m->request, m->job);
	uint32_t task;
	uint64_t n;
	sc_err err;

	if (j == NULL)
		return SC_OK;
	conn_charge(p->conn, j->n_tasks / WALK_PER_MESSAGE);
	if (m->key.n > 0 && job_find_task(j, m->key, &task) != SC_OK) {
		conn_send_error(p->conn, m->request, SC_NOT_FOUND, "job %" PRIu64 " has no task '%.*s'", j->id,
				(int)m->key.n, (const char *)m->key.p);
		return SC_OK;
	}
	err = core_tasks_retry(s->core, j, m->key.n > 0 ? &task : NULL, loop_now_us(s->loop), &n);
	if (err != SC_OK)
		return refuse(p, m->request, err,
			      err == SC_BAD_STATE ? "only failed or cancelled tasks that have stopped can be retried"
						  : NULL);
	return answer_ok(p, m->request, n);
}

static struct worker *worker_named(struct client_peer *p, uint64_t request, struct slice name)
{
	struct worker *w = core_worker_by_name(p->scheduler->core, name);

	if (w == NULL)
		conn_send_error(p->conn, request, SC_NOT_FOUND,
				"there is no worker '%.*s'; 'schedctl worker list' shows those there are", (int)name.n,
				(const char *)name.p);
	return w;
}

static sc_err on_worker_drain(struct client_peer *p, const struct msg_worker_drain *m)
{
	struct worker *w = is_forbidden(p, m->request) ? NULL : worker_named(p, m->request, m->name);

	if (w == NULL)
		return SC_OK;
	if (w->status == WORKER_STOPPING)
		return refuse(p, m->request, SC_BAD_STATE, "the worker is stopping");
	core_worker_set_status(p->scheduler->core, w->number, m->undo ? WORKER_ACTIVE : WORKER_DRAINING);
	info_link_status(p->scheduler->info, w->number, w->status);
	log_info("client", m->undo ? "undrained" : "drained", "peer=%s worker=%s", conn_peer(p->conn), w->name);
	return answer_ok(p, m->request, w->in_flight.n);
}

static sc_err on_worker_stop(struct client_peer *p, const struct msg_worker_stop *m)
{
	struct msg_worker_exit exit_ = {.reason = slice_of("stopped by a client")};
	struct worker *w = is_forbidden(p, m->request) ? NULL : worker_named(p, m->request, m->name);
	struct worker_peer *wp;

	if (w == NULL)
		return SC_OK;
	core_worker_set_status(p->scheduler->core, w->number, WORKER_STOPPING);
	info_link_status(p->scheduler->info, w->number, w->status);
	wp = worker_link_of(p->scheduler, w->number);
	if (wp != NULL) {
		wp->leaving = 1;
		conn_send(wp->conn, MSG_worker_exit, &exit_);
	}
	log_info("client", "worker-stopped", "peer=%s worker=%s", conn_peer(p->conn), w->name);
	return answer_ok(p, m->request, w->in_flight.n);
}

static sc_err on_namespace_list(struct client_peer *p, const struct msg_namespace_list *m)
{
	return namespaces_report(p->scheduler, p->conn, m);
}

static sc_err on_namespace_set(struct client_peer *p, const struct msg_namespace_set *m)
{
	if (p->is_worker_client)
		return refuse(p, m->request, SC_DENIED, "a task may not change namespaces");
	return namespaces_change(p->scheduler, p->conn, m);
}

static sc_err on_group_list(struct client_peer *p, const struct msg_group_list *m)
{
	return report_groups(p->scheduler, p->conn, m);
}

static sc_err on_shutdown(struct client_peer *p, const struct msg_shutdown *m)
{
	if (is_forbidden(p, m->request))
		return SC_OK;
	log_info("client", "shutdown", "peer=%s", conn_peer(p->conn));
	answer_ok(p, m->request, core_n_workers(p->scheduler->core));
	scheduler_stop(p->scheduler, m->workers != 0);
	return SC_OK;
}

static sc_err on_info_subscribe(struct client_peer *p, const struct msg_info_subscribe *m)
{
	return info_link_subscribe(p->scheduler->info, p, m);
}

static sc_err on_info_unsubscribe(struct client_peer *p, const struct msg_info_unsubscribe *m)
{
	return answer_ok(p, m->request, (uint64_t)info_link_unsubscribe(p->scheduler->info, p));
}

static sc_err on_identity(struct client_peer *p, const struct msg_identity *m)
{
	return info_link_identity(p->scheduler->info, p, m);
}

static sc_err on_stats(struct client_peer *p, const struct msg_stats *m)
{
	return report_stats(p->scheduler, p->conn, m);
}

static sc_err dispatch(struct client_peer *p, struct conn *c, const struct msg *m)
{

	switch (m->type) {
#define MSG_BEGIN(name, code, from, text) FROM_##from(name)
#define FIELD(msg, type, name, bound, text)
#define MSG_END(name)
#include "proto/messages.def"
#undef MSG_BEGIN
#undef FIELD
#undef MSG_END
	default:
		return conn_fail(c, SC_UNEXPECTED, "%s is nothing a client sends", msg_name(m->type));
	}
}

/* Every request is timed: what clients cost is no guess (report_stats). */
static sc_err on_message(struct conn *c, const struct msg *m, void *arg)
{
	struct client_peer *p = arg;
	uint64_t before = clock_ns(), ns;
	sc_err err = dispatch(p, c, m);

	ns = clock_ns() - before;
	p->scheduler->turn_shared = 1;
	p->n_requests++;
	p->requests_ns += ns;
	p->scheduler->requests[m->type].count++;
	p->scheduler->requests[m->type].ns += ns;
	return err;
}

static void on_close(struct conn *c, sc_err why, const char *text, void *arg)
{
	struct client_peer *p = arg;

	if (why == SC_CLOSED)
		log_debug("client", "left", "peer=%s", conn_peer(c));
	else
		log_warn("client", "cut-off", "peer=%s error=%s reason=%s", conn_peer(c), sc_err_name(why),
			 log_quote(text));
	watch_client_gone(p);
	await_client_gone(p);
	info_link_unsubscribe(p->scheduler->info, p);
	TAILQ_REMOVE(&p->scheduler->clients, p, link);
	p->scheduler->n_clients--;
	if (p->scheduler->server != NULL)
		server_left(p->scheduler->server);
	mem_free(p);
}

static const struct conn_handlers handlers = {NULL, on_message, on_close};

sc_err client_link_new(struct scheduler *s, struct conn *c, int is_worker_client, uint64_t own_job)
{
	struct client_peer *p = mem_calloc(1, sizeof(*p));

	if (p == NULL)
		return SC_NOMEM;
	p->scheduler = s;
	p->conn = c;
	p->is_worker_client = is_worker_client;
	s->turn_shared = 1;
	p->own_job = own_job;
	TAILQ_INIT(&p->watches);
	TAILQ_INIT(&p->awaits);
	TAILQ_INSERT_TAIL(&s->clients, p, link);
	s->n_clients++;
	conn_set_handlers(c, &handlers, p);
	return SC_OK;
}
