/* link.c - see link.h. */
#include "worker/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/access.h"
#include "net/handshake.h"

#define FIRST_DELAY_US	  (100u * US_PER_MS)
#define START_PATIENCE_US (2000u * US_PER_MS)
#define SOFTWARE	  "sched-worker " SCHED_VERSION

/* How far the connection is.  Every step has to be taken within net.hello-timeout. */
enum link_step { STEP_NONE, STEP_CONNECT, STEP_HELLO, STEP_REGISTER, STEP_LINKED, STEP_LEFT };

struct link {
	struct loop *loop;
	const struct settings *settings;
	const struct link_handlers *handlers;
	void *arg;
	enum link_step step;
	struct conn *conn;
	struct access access; /* as read for this round of attempts */
	size_t next_address;
	char name[208];	    /* asked for, or given to us once */
	int has_registered; /* once at least */
	uint64_t lost_us;   /* since when there is no connection */
	uint64_t delay_us;  /* before the next attempt */
	uint64_t heartbeat_us;
	struct loop_timer *timer; /* next attempt, time for a step, or next heartbeat */
	sc_err refused;		  /* what the scheduler said to hello or register; SC_OK: nothing */
	char problem[512];	  /* why the last attempt failed */
};

static void on_timer(void *arg);
static void on_connect(struct conn *c, void *arg);
static sc_err on_message(struct conn *c, const struct msg *m, void *arg);
static void on_close(struct conn *c, sc_err why, const char *text, void *arg);

static const struct conn_handlers handlers = {on_connect, on_message, on_close};

sc_err link_new(struct loop *l, const struct settings *s, const struct link_handlers *h, void *arg, struct link **out)
{
	struct link *k = mem_calloc(1, sizeof(*k));

	if (k == NULL)
		return SC_NOMEM;
	k->loop = l;
	k->settings = s;
	k->handlers = h;
	k->arg = arg;
	k->delay_us = FIRST_DELAY_US;
	snprintf(k->name, sizeof(k->name), "%s", s->name);
	if (loop_timer_new(l, on_timer, k, &k->timer) != SC_OK) {
		mem_free(k);
		return SC_NOMEM;
	}
	*out = k;
	return SC_OK;
}

/* The connection goes, and nothing of it is heard any more. */
static void detach(struct link *k)
{
	static const struct conn_handlers nobody = {NULL, on_message, NULL};

	if (k->conn == NULL)
		return;
	conn_set_handlers(k->conn, &nobody, NULL);
	conn_close(k->conn, SC_OK, NULL);
	k->conn = NULL;
}

void link_free(struct link *k)
{
	if (k == NULL)
		return;
	detach(k);
	loop_timer_free(k->timer);
	mem_free(k);
}

/* ---- attempts ------------------------------------------------------------------------------------------------- */

static void give_up(struct link *k)
{
	k->step = STEP_LEFT;
	loop_timer_clear(k->timer);
	k->handlers->on_given_up(k->problem, k->arg);
}

/* Half to all of the delay, so that many workers do not all come back in the same moment. */
static uint64_t jittered(uint64_t delay_us)
{
	uint32_t r = 0;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = (uint32_t)getpid() * 2654435761u;
	return delay_us / 2 + delay_us / 2 * (r >> 8) / (UINT32_MAX >> 8);
}

/*
 * No address worked.  A worker that was never let in gives up at once when it is refused, and soon when nobody is
 * there: a scheduler that was started together with it may need a moment for its access file, a mistake is to be seen.
 */
static void round_failed(struct link *k)
{
	uint64_t patience_us = k->settings->options.worker_give_up_after;
	uint64_t max_us = k->settings->options.worker_reconnect_delay_max;
	int is_first = !k->has_registered;

	k->step = STEP_NONE;
	if (is_first && patience_us == UINT64_MAX)
		patience_us = START_PATIENCE_US;
	if (is_first && k->refused != SC_OK) {
		give_up(k);
		return;
	}
	if (patience_us != UINT64_MAX && loop_now_us(k->loop) - k->lost_us >= patience_us) {
		give_up(k);
		return;
	}
	log_info("link", "not-connected", "retry_ms=%llu reason=%s", (unsigned long long)(k->delay_us / US_PER_MS),
		 log_quote(k->problem));
	loop_timer_set(k->timer, jittered(k->delay_us));
	k->delay_us = k->delay_us * 2 < max_us ? k->delay_us * 2 : max_us;
}

static void try_next_address(struct link *k)
{
	struct conn_limits limits = {(uint32_t)k->settings->options.net_max_frame,
				     (size_t)k->settings->options.net_output_limit,
				     (size_t)k->settings->options.net_output_hard_limit};

	while (k->next_address < k->access.n_addresses) {
		const char *address = k->access.addresses[k->next_address++];
		sc_err err = conn_connect(k->loop, address, &limits, &handlers, k, &k->conn);

		if (err == SC_OK) {
			k->step = STEP_CONNECT;
			loop_timer_set(k->timer, k->settings->options.net_hello_timeout);
			return;
		}
		snprintf(k->problem, sizeof(k->problem), "%s: %s", address, sc_err_text(err));
	}
	round_failed(k);
}

static void attempt(struct link *k)
{
	struct buf error;
	sc_err err;

	k->refused = SC_OK;
	k->next_address = 0;
	buf_init(&error, sizeof(k->problem));
	err = access_read(k->settings->access_path, &k->access, &error);
	if (err == SC_OK && k->access.worker_secret[0] == '\0') {
		buf_printf(&error, "access file %s has no worker-secret", k->settings->access_path);
		err = SC_DENIED;
	}
	if (err != SC_OK)
		snprintf(k->problem, sizeof(k->problem), "%s", buf_str(&error));
	buf_fini(&error);
	if (err == SC_OK)
		try_next_address(k);
	else
		round_failed(k);
}

void link_start(struct link *k)
{
	k->lost_us = loop_now_us(k->loop);
	attempt(k);
}

/* ---- the connection ------------------------------------------------------------------------------------------- */

static void on_connect(struct conn *c, void *arg)
{
	struct link *k = arg;

	k->step = STEP_HELLO;
	handshake_hello(c, ROLE_WORKER, k->access.worker_secret, SOFTWARE);
}

static void on_close(struct conn *c, sc_err why, const char *text, void *arg)
{
	struct link *k = arg;
	enum link_step step = k->step;

	k->conn = NULL;
	loop_timer_clear(k->timer);
	snprintf(k->problem, sizeof(k->problem), "%s: %s", conn_peer(c),
		 text != NULL && *text ? text : sc_err_text(why));
	if (step == STEP_LEFT)
		return;
	if (step != STEP_LINKED) {
		if (k->refused == SC_OK)
			try_next_address(k);
		else
			round_failed(k);
		return;
	}
	log_warn("link", "scheduler-lost", "peer=%s reason=%s", conn_peer(c), log_quote(k->problem));
	k->step = STEP_NONE;
	k->lost_us = loop_now_us(k->loop);
	k->delay_us = FIRST_DELAY_US;
	k->handlers->on_lost(k->arg);
	if (k->step != STEP_LEFT)
		loop_timer_set(k->timer, jittered(k->delay_us));
}

/* What the scheduler does not want now it may want later: the file may be written anew, a name become free. */
static sc_err refused(struct link *k, struct conn *c, sc_err err, const char *text)
{
	k->refused = err;
	if (k->has_registered && (err == SC_EXISTS || err == SC_IN_USE) && k->settings->name[0] == '\0')
		k->name[0] = '\0'; /* our own former self, not buried yet: come back under a new name */
	conn_close(c, err, text);
	return SC_OK;
}

static sc_err send_registration(struct link *k, struct conn *c, const char *data_address)
{
	const struct settings *s = k->settings;
	struct slice labels[LABELS_MAX];
	struct buf resources;
	char host[256] = "";
	struct msg_worker_register m = {
		.name = slice_of(k->name),
		.pool = slice_of(s->pool),
		.data_address = slice_of(data_address),
		.pid = (uint64_t)getpid(),
		.labels = {labels, s->n_labels},
		.memory_limit_bytes = s->memory_limit_bytes,
		.namespace = slice_of(s->namespace),
	};
	sc_err err;

	for (size_t i = 0; i < s->n_labels; i++)
		labels[i] = slice_of(s->labels[i]);
	gethostname(host, sizeof(host) - 1);
	m.host = slice_of(host);
	buf_init(&resources, 0);
	resources_show(&s->resources, &resources);
	m.resources = slice_of(buf_str(&resources));
	err = conn_send(c, MSG_worker_register, &m);
	buf_fini(&resources);
	return err;
}

static sc_err welcomed(struct link *k, struct conn *c, const struct msg *m)
{
	const char *data_address;
	char text[512], secret[129];
	struct buf error;
	sc_err err = handshake_welcomed(c, m, (size_t)k->settings->options.net_compress_min, text, sizeof(text));

	if (err != SC_OK)
		return refused(k, c, err, text);
	snprintf(secret, sizeof(secret), "%.*s", (int)m->u.welcome.data_secret.n, m->u.welcome.data_secret.p);
	buf_init(&error, 0);
	err = k->handlers->on_welcome(c, secret, &data_address, &error, k->arg);
	if (err != SC_OK) {
		refused(k, c, err, buf_str(&error));
	} else {
		k->step = STEP_REGISTER;
		err = send_registration(k, c, data_address);
		if (err != SC_OK)
			refused(k, c, err, "cannot register");
	}
	buf_fini(&error);
	return SC_OK;
}

static sc_err registered(struct link *k, struct conn *c, const struct msg *m)
{
	const struct msg_worker_registered *r = &m->u.worker_registered;

	if (m->type == MSG_error) {
		char text[512];

		snprintf(text, sizeof(text), "%.*s", (int)m->u.error.text.n, m->u.error.text.p);
		return refused(k, c, m->u.error.code == SC_OK ? SC_UNEXPECTED : (sc_err)m->u.error.code, text);
	}
	if (m->type != MSG_worker_registered)
		return SC_UNEXPECTED;
	snprintf(k->name, sizeof(k->name), "%.*s", (int)r->name.n, r->name.p);
	k->heartbeat_us = (r->heartbeat_ms > 0 ? r->heartbeat_ms : 1000) * US_PER_MS;
	k->step = STEP_LINKED;
	k->has_registered = 1;
	k->delay_us = FIRST_DELAY_US;
	loop_timer_set(k->timer, 0);
	log_info("link", "registered", "name=%s scheduler=%s heartbeat_ms=%llu", k->name, conn_peer(c),
		 (unsigned long long)r->heartbeat_ms);
	k->handlers->on_registered(c, k->name, k->arg);
	return SC_OK;
}

static sc_err linked(struct link *k, struct conn *c, const struct msg *m)
{
	char text[512];

	if (m->type == MSG_ping) {
		conn_send(c, MSG_pong, &(struct msg_pong){m->u.ping.nonce});
		return SC_OK;
	}
	if (m->type == MSG_heartbeat_granted) { /* from the next one on */
		if (m->u.heartbeat_granted.heartbeat_ms > 0)
			k->heartbeat_us = m->u.heartbeat_granted.heartbeat_ms * US_PER_MS;
		return SC_OK;
	}
	if (m->type == MSG_error && m->u.error.request == 0) {
		snprintf(text, sizeof(text), "%.*s", (int)m->u.error.text.n, m->u.error.text.p);
		conn_close(c, (sc_err)m->u.error.code, text);
		return SC_OK;
	}
	return k->handlers->on_message(c, m, k->arg);
}

static sc_err on_message(struct conn *c, const struct msg *m, void *arg)
{
	struct link *k = arg;

	switch (k == NULL ? STEP_LEFT : k->step) {
	case STEP_HELLO:
		return welcomed(k, c, m);
	case STEP_REGISTER:
		return registered(k, c, m);
	case STEP_LINKED:
		return linked(k, c, m);
	case STEP_LEFT:
		return SC_OK;
	case STEP_NONE:
	case STEP_CONNECT:
		break;
	}
	return SC_UNEXPECTED;
}

/* ---- time ----------------------------------------------------------------------------------------------------- */

static void send_heartbeat(struct link *k)
{
	struct msg_heartbeat m = {0};

	k->handlers->on_heartbeat(&m, k->arg);
	conn_send(k->conn, MSG_heartbeat, &m);
	loop_timer_set(k->timer, k->heartbeat_us);
}

static void on_timer(void *arg)
{
	struct link *k = arg;

	switch (k->step) {
	case STEP_NONE:
		attempt(k);
		break;
	case STEP_CONNECT:
	case STEP_HELLO:
	case STEP_REGISTER:
		conn_abort(k->conn, SC_TIMEOUT, "no answer within net.hello-timeout");
		break;
	case STEP_LINKED:
		send_heartbeat(k);
		break;
	case STEP_LEFT:
		break;
	}
}

void link_rejoin(struct link *k, const char *reason)
{
	if (k->step == STEP_LINKED)
		conn_close(k->conn, SC_IO, reason);
}

void link_leave(struct link *k, const char *reason)
{
	struct msg_worker_leaving m = {.reason = slice_of(reason)};

	if (k->step == STEP_LINKED)
		conn_send(k->conn, MSG_worker_leaving, &m);
	k->step = STEP_LEFT;
	loop_timer_clear(k->timer);
}
