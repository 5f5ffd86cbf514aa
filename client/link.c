/*
 * link.c - see link.h.
 *
 * A call is in one of two lists of its link: `waiting` until the link is up, then `in_flight`, in the order of sending,
 * and in the hash by its number.  Late answers, to calls that are over, find nothing there and are dropped.
 *
 * A connection that is given up is detached: it gets handlers that ignore everything, and goes its own way.
 */
#include "client/link.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/access.h"
#include "net/handshake.h"

#define HOLDERS_MAX    64u		/* connections to data ports kept at the same time */
#define HOLDER_IDLE_US (20u * US_PER_S) /* and how long one is kept that is not used */

TAILQ_HEAD(calls, call);

enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_UP };

struct link {
	struct sc_client *client;
	UT_hash_handle hh;	   /* among the holders */
	char address[ADDRESS_MAX]; /* of a data port; "" for the scheduler */
	enum link_state state;
	struct conn *conn;
	struct access access; /* where the scheduler is, as last read */
	size_t next_address;  /* to try */
	uint64_t give_up_us;  /* connecting */
	uint64_t used_us;     /* last time a call was given to it */
	uint64_t n_heard;     /* messages, after welcome */
	struct loop_timer *timer;
	struct calls waiting;
	struct calls in_flight;
	struct call *by_number;
	char why[768]; /* last thing that went wrong in connecting, or what the other side said before closing */
};

static void link_connect(struct link *l);
static void link_arm(struct link *l);
static void on_connect(struct conn *c, void *arg);
static sc_err on_message(struct conn *c, const struct msg *m, void *arg);
static void on_close(struct conn *c, sc_err why, const char *text, void *arg);

static const struct conn_handlers handlers = {on_connect, on_message, on_close};

static sc_err ignore_message(struct conn *c, const struct msg *m, void *arg)
{
	(void)c;
	(void)m;
	(void)arg;
	return SC_OK;
}

static const struct conn_handlers detached = {NULL, ignore_message, NULL};

static const char *link_name(const struct link *l)
{
	return l->address[0] != '\0' ? "the data port" : "the scheduler";
}

/* ---- the end of a call ------------------------------------------------------------------------------------------ */

static void call_unlink(struct call *c)
{
	struct link *l = c->link;

	if (l == NULL)
		return;
	TAILQ_REMOVE(c->is_sent ? &l->in_flight : &l->waiting, c, list);
	if (c->is_sent)
		HASH_DELETE(hh, l->by_number, c);
	c->link = NULL;
}

/* Afterwards c may be gone. */
static void call_end(struct call *c, sc_err err, const char *text, size_t text_bytes)
{
	struct sc_client *client = c->client;

	call_unlink(c);
	buf_reset(&c->text);
	if (err != SC_OK)
		buf_append(&c->text, text, text_bytes);
	c->err = err;
	if (c->on_end != NULL) {
		c->on_end(c);
		return;
	}
	pthread_mutex_lock(&client->lock);
	c->is_over = 1;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&client->lock);
}

static void call_fail(struct call *c, sc_err err, const char *text)
{
	call_end(c, err, text, strlen(text));
}

static void calls_fail(struct calls *calls, sc_err err, const char *text)
{
	struct call *c;

	while ((c = TAILQ_FIRST(calls)) != NULL)
		call_fail(c, err, text);
}

/* ---- the end of a connection ------------------------------------------------------------------------------------ */

static void link_detach(struct link *l, sc_err why, const char *text)
{
	if (l->conn != NULL) {
		conn_set_handlers(l->conn, &detached, NULL);
		conn_close(l->conn, why, text);
	}
	l->conn = NULL;
	l->state = LINK_DOWN;
	loop_timer_clear(l->timer);
}

/* Nobody could be reached: what waited for it has failed. */
static void link_unreachable(struct link *l, sc_err err, const char *text)
{
	char copy[sizeof(l->why) + 256];

	snprintf(copy, sizeof(copy), "%s", text);
	link_detach(l, err, NULL);
	calls_fail(&l->waiting, err, copy);
}

static void link_lost(struct link *l, sc_err err, const char *text)
{
	char full[sizeof(l->why) + 512];

	snprintf(full, sizeof(full), "the connection to %s was lost: %s", link_name(l),
		 l->why[0] != '\0' ? l->why : text);
	link_detach(l, err, text);
	calls_fail(&l->in_flight, SC_CLOSED, full);
	if (!TAILQ_EMPTY(&l->waiting) && l->state == LINK_DOWN) /* given to it while it was closing */
		link_connect(l);
}

static void on_close(struct conn *c, sc_err why, const char *text, void *arg)
{
	struct link *l = arg;

	l->conn = NULL; /* freed when this returns */
	if (l->client->ended)
		return;
	if (l->state == LINK_UP) {
		link_lost(l, why, text);
		return;
	}
	snprintf(l->why, sizeof(l->why), "cannot connect to %s at %s: %s", link_name(l), conn_peer(c), text);
	link_connect(l);
}

/* ---- connecting ------------------------------------------------------------------------------------------------- */

static sc_err read_access(struct link *l)
{
	const char *path = l->client->access_file;
	struct buf error;
	sc_err err;

	buf_init(&error, 0);
	err = access_read(path, &l->access, &error);
	if (err == SC_NOT_FOUND) {
		snprintf(l->why, sizeof(l->why), "no scheduler: access file %.500s does not exist", path);
		err = SC_UNREACHABLE;
	} else if (err != SC_OK) {
		snprintf(l->why, sizeof(l->why), "access file: %.700s", buf_str(&error));
	}
	buf_fini(&error);
	return err;
}

static sc_err link_begin(struct link *l)
{
	l->next_address = 0;
	l->why[0] = '\0';
	l->give_up_us = loop_now_us(l->client->loop) + l->client->options.client_connect_timeout;
	if (l->address[0] == '\0')
		return read_access(l);
	l->access.n_addresses = 1;
	memcpy(l->access.addresses[0], l->address, ADDRESS_MAX);
	return SC_OK;
}

static void conn_limits_of(const struct options *o, struct conn_limits *limits)
{
	limits->max_frame_bytes = (uint32_t)o->net_max_frame;
	limits->output_soft_bytes = (size_t)o->net_output_limit;
	limits->output_hard_bytes = (size_t)o->net_output_hard_limit;
}

/* Try the addresses that are left, the first of them if the link is down. */
static void link_connect(struct link *l)
{
	struct conn_limits limits;
	sc_err err = SC_OK;

	if (l->state == LINK_DOWN)
		err = link_begin(l);
	if (err != SC_OK) {
		link_unreachable(l, err, l->why);
		return;
	}
	l->state = LINK_CONNECTING;
	conn_limits_of(&l->client->options, &limits);
	while (l->next_address < l->access.n_addresses) {
		const char *address = l->access.addresses[l->next_address++];

		err = conn_connect(l->client->loop, address, &limits, &handlers, l, &l->conn);
		if (err == SC_OK) {
			link_arm(l);
			return;
		}
		snprintf(l->why, sizeof(l->why), "cannot connect to %s at %s: %s", link_name(l), address,
			 err == SC_UNREACHABLE ? "nobody listens there" : sc_err_text(err));
	}
	link_unreachable(l, SC_UNREACHABLE, l->why);
}

static void on_connect(struct conn *c, void *arg)
{
	struct link *l = arg;
	const struct sc_client *client = l->client;

	if (l->address[0] != '\0')
		handshake_hello(c, ROLE_PEER, client->data_secret, client->software);
	else
		handshake_hello_of_job(c, client->role, l->access.client_secret, client->software, client->own_job);
}

static void link_send(struct link *l, struct call *c)
{
	struct sc_client *client = l->client;
	sc_err err;

	c->number = ++client->last_request;
	c->request.u.ok.request = c->number; /* the first field of every request, see below */
	err = conn_send(l->conn, c->request.type, &c->request.u);
	if (err == SC_CLOSED) /* closing: on_close will connect again */
		return;
	if (err != SC_OK) {
		call_fail(c, err,
			  err == SC_TOO_BIG ? "the request is larger than the other side accepts" : sc_err_text(err));
		return;
	}
	HASH_ADD(hh, l->by_number, number, sizeof(c->number), c);
	if (c->hh.tbl == NULL) { /* its answer will find nothing */
		call_fail(c, SC_NOMEM, sc_err_text(SC_NOMEM));
		return;
	}
	TAILQ_REMOVE(&l->waiting, c, list);
	TAILQ_INSERT_TAIL(&l->in_flight, c, list);
	c->is_sent = 1;
	c->deadline_us = c->timeout_us == 0 ? 0 : loop_now_us(client->loop) + c->timeout_us;
	if (c->deadline_us != 0 && !loop_timer_is_set(l->timer))
		loop_timer_set(l->timer, c->timeout_us);
}

#define REQUEST_IS_FIRST(name) _Static_assert(offsetof(struct msg_##name, request) == 0, "the number is written there")
REQUEST_IS_FIRST(ok);
REQUEST_IS_FIRST(error);
REQUEST_IS_FIRST(submit);
REQUEST_IS_FIRST(job_watch);
REQUEST_IS_FIRST(job_list);
REQUEST_IS_FIRST(task_list);
REQUEST_IS_FIRST(task_show);
REQUEST_IS_FIRST(job_cancel);
REQUEST_IS_FIRST(job_forget);
REQUEST_IS_FIRST(task_retry);
REQUEST_IS_FIRST(result_locate);
REQUEST_IS_FIRST(worker_list);
REQUEST_IS_FIRST(worker_drain);
REQUEST_IS_FIRST(worker_stop);
REQUEST_IS_FIRST(shutdown);
REQUEST_IS_FIRST(info_subscribe);
REQUEST_IS_FIRST(info_unsubscribe);
REQUEST_IS_FIRST(identity);
REQUEST_IS_FIRST(stats);
REQUEST_IS_FIRST(data_get);
REQUEST_IS_FIRST(submitted);
REQUEST_IS_FIRST(job_state);
REQUEST_IS_FIRST(tasks_ended);
REQUEST_IS_FIRST(job_rows);
REQUEST_IS_FIRST(task_rows);
REQUEST_IS_FIRST(task_info);
REQUEST_IS_FIRST(result_places);
REQUEST_IS_FIRST(worker_rows);
REQUEST_IS_FIRST(info_update);
REQUEST_IS_FIRST(stats_rows);
REQUEST_IS_FIRST(namespace_rows);
REQUEST_IS_FIRST(group_rows);
REQUEST_IS_FIRST(data_part);

static void on_welcome(struct link *l, const struct msg *m)
{
	struct sc_client *client = l->client;
	struct call *c, *next;
	char text[512], full[sizeof(l->why)];
	sc_err err = handshake_welcomed(l->conn, m, (size_t)client->options.net_compress_min, text, sizeof(text));

	if (err != SC_OK) {
		snprintf(full, sizeof(full), "%s at %s: %s", link_name(l), conn_peer(l->conn), text);
		link_unreachable(l, err, full);
		return;
	}
	if (l->address[0] == '\0')
		snprintf(client->data_secret, sizeof(client->data_secret), "%.*s", (int)m->u.welcome.data_secret.n,
			 m->u.welcome.data_secret.p);
	l->state = LINK_UP;
	l->why[0] = '\0';
	loop_timer_clear(l->timer);
	for (c = TAILQ_FIRST(&l->waiting); c != NULL; c = next) {
		next = TAILQ_NEXT(c, list);
		if (c->request.type == MSG_none)
			call_end(c, SC_OK, "", 0);
		else
			link_send(l, c);
	}
	link_arm(l);
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

static void keep_answer(struct call *c, const struct msg *m)
{
	sc_err err;

	buf_reset(&c->reply);
	err = msg_encode(&c->reply, m->type, &m->u, NULL);
	call_fail(c, err, sc_err_text(err));
}

static void on_answer(struct link *l, const struct msg *m)
{
	const struct msg_error *e = &m->u.error;
	uint64_t number = m->u.ok.request;
	struct call *c;

	HASH_FIND(hh, l->by_number, &number, sizeof(number), c);
	if (c == NULL)
		return; /* to a call that is over */
	if (m->type == MSG_error) {
		call_end(c, e->code == SC_OK ? SC_UNEXPECTED : (sc_err)e->code, e->text.p, e->text.n);
	} else if (m->type != c->answer) {
		char text[128];

		snprintf(text, sizeof(text), "%s answered %s with %s", link_name(l), msg_name(c->request.type),
			 msg_name(m->type));
		call_fail(c, SC_UNEXPECTED, text);
	} else if (c->on_answer == NULL) {
		keep_answer(c, m);
	} else {
		c->deadline_us = 0;
		if (c->on_answer(c, m))
			call_end(c, SC_OK, "", 0);
	}
}

static sc_err on_message(struct conn *conn, const struct msg *m, void *arg)
{
	struct link *l = arg;

	if (l->state == LINK_CONNECTING) {
		on_welcome(l, m);
		return SC_OK;
	}
	l->n_heard++;
	switch (m->type) {
	case MSG_ping:
		return conn_send(conn, MSG_pong, &(struct msg_pong){m->u.ping.nonce});
	case MSG_error:
		if (m->u.error.request == 0) { /* it will close: remember why */
			snprintf(l->why, sizeof(l->why), "%.*s", (int)m->u.error.text.n, m->u.error.text.p);
			return SC_OK;
		}
		on_answer(l, m);
		return SC_OK;
	case MSG_ok:
	case MSG_submitted:
	case MSG_job_state:
	case MSG_tasks_ended:
	case MSG_job_rows:
	case MSG_task_rows:
	case MSG_task_info:
	case MSG_result_places:
	case MSG_worker_rows:
	case MSG_info_update:
	case MSG_stats_rows:
	case MSG_namespace_rows:
	case MSG_group_rows:
	case MSG_data_part:
		on_answer(l, m);
		return SC_OK;
	default:
		return SC_UNEXPECTED;
	}
}

/* ---- time ------------------------------------------------------------------------------------------------------- */

/* When something has to happen next, 0: never. */
static uint64_t link_due(const struct link *l)
{
	uint64_t due = 0;
	const struct call *c;

	if (l->state == LINK_CONNECTING)
		return l->give_up_us;
	if (l->state == LINK_DOWN)
		return 0;
	if (l->address[0] != '\0' && TAILQ_EMPTY(&l->in_flight))
		return l->used_us + HOLDER_IDLE_US;
	TAILQ_FOREACH (c, &l->in_flight, list) {
		if (c->deadline_us != 0 && (due == 0 || c->deadline_us < due))
			due = c->deadline_us;
	}
	return due;
}

static void link_arm(struct link *l)
{
	uint64_t due = link_due(l), now = loop_now_us(l->client->loop);

	if (due == 0)
		loop_timer_clear(l->timer);
	else
		loop_timer_set(l->timer, due > now ? due - now : 0);
}

static void end_late_calls(struct link *l, uint64_t now)
{
	struct call *c, *next;
	char text[160];
	int late = 0;

	for (c = TAILQ_FIRST(&l->in_flight); c != NULL; c = next) {
		next = TAILQ_NEXT(c, list);
		if (c->deadline_us == 0 || c->deadline_us > now)
			continue;
		late = 1;
		snprintf(text, sizeof(text), "%s did not answer %s within %llu ms (client.request-timeout)",
			 link_name(l), msg_name(c->request.type), (unsigned long long)(c->timeout_us / US_PER_MS));
		call_fail(c, SC_TIMEOUT, text);
	}
	if (late && l->address[0] != '\0') /* a data port answers at once or has a problem: begin afresh */
		link_lost(l, SC_TIMEOUT, "it does not answer");
}

static void on_timer(void *arg)
{
	struct link *l = arg;
	uint64_t now = loop_now_us(l->client->loop);

	if (l->state == LINK_CONNECTING && l->give_up_us <= now) {
		snprintf(l->why, sizeof(l->why),
			 "cannot connect to %s at %s: no answer within %llu ms (client.connect-timeout)", link_name(l),
			 conn_peer(l->conn),
			 (unsigned long long)(l->client->options.client_connect_timeout / US_PER_MS));
		link_unreachable(l, SC_UNREACHABLE, l->why);
		return;
	}
	if (l->state == LINK_UP && l->address[0] != '\0' && TAILQ_EMPTY(&l->in_flight) &&
	    l->used_us + HOLDER_IDLE_US <= now) {
		link_detach(l, SC_OK, "idle");
		return;
	}
	end_late_calls(l, now);
	if (l->state == LINK_UP)
		link_arm(l);
}

/* ---- links ------------------------------------------------------------------------------------------------------ */

static sc_err link_new(struct sc_client *client, const char *address, struct link **out)
{
	struct link *l = mem_calloc(1, sizeof(*l));

	if (l == NULL)
		return SC_NOMEM;
	l->client = client;
	TAILQ_INIT(&l->waiting);
	TAILQ_INIT(&l->in_flight);
	snprintf(l->address, sizeof(l->address), "%s", address);
	if (loop_timer_new(client->loop, on_timer, l, &l->timer) != SC_OK) {
		mem_free(l);
		return SC_NOMEM;
	}
	*out = l;
	return SC_OK;
}

static void link_free(struct link *l)
{
	if (l == NULL)
		return;
	link_detach(l, SC_CLOSED, "the client was closed");
	loop_timer_free(l->timer);
	mem_free(l);
}

/* Make room among the holders: the one not used for the longest time that has nothing to do. */
static void drop_idle_holder(struct sc_client *client)
{
	struct link *l, *next, *oldest = NULL;

	HASH_ITER (hh, client->holders, l, next) {
		if (TAILQ_EMPTY(&l->waiting) && TAILQ_EMPTY(&l->in_flight) &&
		    (oldest == NULL || l->used_us < oldest->used_us))
			oldest = l;
	}
	if (oldest == NULL)
		return;
	HASH_DELETE(hh, client->holders, oldest);
	link_free(oldest);
}

static struct link *link_of(struct sc_client *client, const char *address)
{
	struct link *l;

	if (address == NULL)
		return client->scheduler;
	HASH_FIND_STR(client->holders, address, l);
	if (l != NULL)
		return l;
	if (HASH_COUNT(client->holders) >= HOLDERS_MAX)
		drop_idle_holder(client);
	if (strlen(address) >= ADDRESS_MAX || link_new(client, address, &l) != SC_OK)
		return NULL;
	HASH_ADD_STR(client->holders, address, l);
	if (l->hh.tbl == NULL) {
		link_free(l);
		return NULL;
	}
	return l;
}

sc_err links_init(struct sc_client *client)
{
	return link_new(client, "", &client->scheduler);
}

static void link_end(struct link *l)
{
	static const char text[] = "the client was closed";

	calls_fail(&l->waiting, SC_CLOSED, text);
	calls_fail(&l->in_flight, SC_CLOSED, text);
}

void links_end(struct sc_client *client)
{
	struct link *l, *next;

	link_end(client->scheduler);
	HASH_ITER (hh, client->holders, l, next)
		link_end(l);
}

void links_free(struct sc_client *client)
{
	struct link *l, *next;

	HASH_ITER (hh, client->holders, l, next) {
		HASH_DELETE(hh, client->holders, l);
		link_free(l);
	}
	link_free(client->scheduler);
	client->scheduler = NULL;
}

uint64_t link_scheduler_n_heard(const struct sc_client *client)
{
	return client->scheduler->n_heard;
}

void link_scheduler_give_up(struct sc_client *client, const char *why)
{
	if (client->scheduler->state == LINK_UP)
		link_lost(client->scheduler, SC_TIMEOUT, why);
}

/* ---- calls ------------------------------------------------------------------------------------------------------ */

void call_init(struct call *c, struct sc_client *client, msg_type request, msg_type answer)
{
	memset(c, 0, sizeof(*c));
	c->client = client;
	c->request.type = request;
	c->answer = answer;
	c->timeout_us = client->options.client_request_timeout;
	buf_init(&c->reply, 0);
	buf_init(&c->text, 0);
	pthread_cond_init(&c->changed, NULL);
}

void call_fini(struct call *c)
{
	buf_fini(&c->reply);
	buf_fini(&c->text);
	pthread_cond_destroy(&c->changed);
}

static void begin(struct call *c)
{
	struct link *l = link_of(c->client, c->address);

	if (c->client->ended || l == NULL) {
		call_fail(c, l == NULL ? SC_NOMEM : SC_CLOSED, l == NULL ? "out of memory" : "the client was closed");
		return;
	}
	c->link = l;
	l->used_us = loop_now_us(c->client->loop);
	TAILQ_INSERT_TAIL(&l->waiting, c, list);
	if (l->state == LINK_UP && c->request.type == MSG_none)
		call_end(c, SC_OK, "", 0);
	else if (l->state == LINK_UP)
		link_send(l, c);
	else if (l->state == LINK_DOWN)
		link_connect(l);
}

static void begin_posted(struct post *p)
{
	begin((struct call *)((char *)p - offsetof(struct call, post)));
}

void call_begin(struct call *c)
{
	c->is_over = 0;
	c->is_sent = 0;
	c->err = SC_OK;
	begin(c);
}

void call_drop(struct call *c)
{
	call_unlink(c);
}

sc_err call_start(struct call *c)
{
	c->post.fn = begin_posted;
	c->is_over = 0;
	c->is_sent = 0;
	c->err = SC_OK;
	return client_post(c->client, &c->post);
}

sc_err call_wait(struct call *c)
{
	pthread_mutex_lock(&c->client->lock);
	while (!c->is_over)
		pthread_cond_wait(&c->changed, &c->client->lock);
	pthread_mutex_unlock(&c->client->lock);
	return c->err == SC_OK ? SC_OK : client_error(c->err, "%s", buf_str(&c->text));
}

sc_err call_run(struct call *c)
{
	sc_err err = call_start(c);

	return err == SC_OK ? call_wait(c) : client_error(err, "the client was closed");
}

struct abandon_post {
	struct post post; /* first: abandon() gets a pointer to it */
	struct call *call;
	int done; /* under the client's lock */
};

static void abandon(struct post *p)
{
	struct abandon_post *a = (struct abandon_post *)p;
	struct call *c = a->call;
	int is_over;

	pthread_mutex_lock(&c->client->lock);
	is_over = c->is_over;
	pthread_mutex_unlock(&c->client->lock);
	if (!is_over)
		call_fail(c, SC_CLOSED, "no longer wanted");
	pthread_mutex_lock(&c->client->lock);
	a->done = 1;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->client->lock);
}

void call_abandon(struct call *c)
{
	struct abandon_post a = {.post.fn = abandon, .call = c};

	assert(c->on_end == NULL && "asynchronous calls are not waited for");
	if (client_post(c->client, &a.post) != SC_OK) {
		call_wait(c);
		return;
	}
	pthread_mutex_lock(&c->client->lock);
	while (!a.done)
		pthread_cond_wait(&c->changed, &c->client->lock);
	pthread_mutex_unlock(&c->client->lock);
}

sc_err call_decode(const struct call *c, struct msg_decoder *d, struct msg *out)
{
	sc_err err = msg_decode_one(d, (struct slice){(const char *)c->reply.data, c->reply.len}, c->answer, out, NULL);

	return err == SC_OK ? SC_OK : client_error(err, "%s: %s", msg_name(c->answer), sc_err_text(err));
}

sc_err link_reach_scheduler(struct sc_client *client)
{
	struct call c;
	sc_err err;

	call_init(&c, client, MSG_none, MSG_none); /* asks nothing: over as soon as the link is up */
	err = call_run(&c);
	call_fini(&c);
	return err;
}
