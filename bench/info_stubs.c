/*
 * info_stubs.c - peers that only pretend: workers that send heartbeats and run nothing, clients that say nothing.
 *
 * A worker's heartbeat leaves at the interval granted to it.  Its metrics are drawn anew when it changes: as much noise
 * as a busy machine has, which is the worst for compression.  The number of the change travels as the metric `held`, so
 * that whoever sees it can look up when it was made.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bench/info.h"
#include "net/handshake.h"

#define CONNECTING_MAX 64u /* at the same time: the queue of a listening socket is short */
#define SLOW_ROOM      2048

uint64_t stubs_random(struct stubs *s, uint64_t n)
{
	uint64_t z = (s->random += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (z ^ (z >> 31)) % n;
}

/* ---- workers ---------------------------------------------------------------------------------------------------- */

static void register_worker(struct stub *p)
{
	struct msg_worker_register m = {.pid = 1000 + p->index, .memory_limit_bytes = (uint64_t)8 << 30};
	char name[32], host[32], address[64];
	unsigned i = p->index;

	snprintf(name, sizeof(name), "w%u", i);
	snprintf(host, sizeof(host), "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255, i & 255);
	snprintf(address, sizeof(address), "tcp://%s:%u", host, 20000 + i % 30000);
	m.name = slice_of(name);
	m.pool = slice_of("");
	m.host = slice_of(host);
	m.data_address = slice_of(address);
	m.resources = slice_of("cpus=2");
	conn_send(p->conn, MSG_worker_register, &m);
}

static void remember_change(struct stub *p, uint64_t now)
{
	struct marker_times *t = p->index < INFO_MARKERS ? &p->all->markers[p->index] : NULL;

	if (t == NULL)
		return;
	t->number = p->number;
	t->last = p->marker;
	t->sent_us[p->marker % INFO_SENT_RING] = now;
}

/* Whether the worker has changed since its last heartbeat, so that so many percent of all change a second. */
static int has_changed(struct stub *p)
{
	struct stubs *s = p->all;
	uint64_t per_million = s->change_percent * p->heartbeat_us / 100;

	return per_million >= US_PER_S || stubs_random(s, US_PER_S) < per_million;
}

static void beat(void *arg)
{
	struct stub *p = arg;
	struct stubs *s = p->all;
	struct msg_heartbeat m = {0};

	if (has_changed(p)) {
		p->marker++;
		p->memory_bytes = stubs_random(s, (uint64_t)1 << 30);
		p->sent_bytes += stubs_random(s, 1000000) * p->heartbeat_us / US_PER_S;
		p->received_bytes += stubs_random(s, 1000000) * p->heartbeat_us / US_PER_S;
		m.cpu_percent = stubs_random(s, 100);
		s->tally.changes++;
		remember_change(p, clock_monotonic_us());
	} else {
		m.cpu_percent = p->marker % 100;
	}
	m.memory_bytes = p->memory_bytes;
	m.running = p->marker & 1;
	m.held = p->marker;
	m.sent_bytes = p->sent_bytes;
	m.received_bytes = p->received_bytes;
	s->tally.heartbeats++;
	if (conn_send(p->conn, MSG_heartbeat, &m) == SC_OK)
		loop_timer_set(p->timer, p->heartbeat_us);
}

/* ---- becoming ready --------------------------------------------------------------------------------------------- */

static void ready(struct stub *p)
{
	if (p->is_ready)
		return;
	p->is_ready = 1;
	p->all->n_ready++;
}

static void welcomed(struct stub *p)
{
	p->is_welcome = 1;
	p->all->n_connecting--;
	switch (p->role) {
	case INFO_WORKER:
		register_worker(p);
		return;
	case INFO_SUBSCRIBER:
		stub_subscribe(p);
		return;
	case INFO_POLLER:
		loop_timer_set(p->timer, stubs_random(p->all, p->all->interval_us) + 1);
		break;
	default:
		break;
	}
	ready(p);
}

static sc_err first_message(struct stub *p, const struct msg *m)
{
	char text[256];
	sc_err err = handshake_welcomed(p->conn, m, 0, text, sizeof(text));

	if (err != SC_OK) {
		fprintf(stderr, "sched-bench: refused: %s\n", text);
		return err;
	}
	if (p->all->incarnation[0] == '\0')
		snprintf(p->all->incarnation, sizeof(p->all->incarnation), "%.*s", (int)m->u.welcome.incarnation.n,
			 m->u.welcome.incarnation.p);
	welcomed(p);
	return SC_OK;
}

static sc_err on_message(struct conn *c, const struct msg *m, void *arg)
{
	struct stub *p = arg;

	if (!p->is_welcome)
		return first_message(p, m);
	switch (m->type) {
	case MSG_worker_registered:
		p->number = (uint32_t)m->u.worker_registered.worker;
		p->heartbeat_us = m->u.worker_registered.heartbeat_ms * US_PER_MS;
		loop_timer_set(p->timer, stubs_random(p->all, p->heartbeat_us) + 1);
		ready(p);
		return SC_OK;
	case MSG_heartbeat_granted:
		p->heartbeat_us = m->u.heartbeat_granted.heartbeat_ms * US_PER_MS;
		loop_timer_set(p->timer, stubs_random(p->all, p->heartbeat_us) + 1);
		return SC_OK;
	case MSG_info_update:
		if (p->role == INFO_SUBSCRIBER)
			ready(p);
		return stub_updated(p, &m->u.info_update);
	case MSG_stats_rows:
		stubs_take_stats(p->all, &m->u.stats_rows);
		return SC_OK;
	default:
		return conn_common_message(c, m, "bench");
	}
}

static void on_connect(struct conn *c, void *arg)
{
	static const char *const roles[INFO_ROLES] = {ROLE_WORKER, ROLE_CLIENT, ROLE_WORKER_CLIENT, ROLE_CLIENT,
						      ROLE_CLIENT};
	struct stub *p = arg;
	const struct access *a = &p->all->access;
	int room = SLOW_ROOM;

	if (p->is_slow)
		setsockopt(conn_fd(c), SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	handshake_hello(c, roles[p->role], p->role == INFO_WORKER ? a->worker_secret : a->client_secret, "sched-bench");
}

static void on_close(struct conn *c, sc_err why, const char *text, void *arg)
{
	struct stub *p = arg;

	(void)c;
	if (why != SC_CLOSED || strstr(text, "this side") == NULL) {
		if (p->all->tally.disconnected++ == 0)
			fprintf(stderr, "sched-bench: a connection ended: %s\n", text);
	}
	if (!p->is_welcome)
		p->all->n_connecting--;
	p->conn = NULL;
	loop_timer_free(p->timer);
	p->timer = NULL;
}

static const struct conn_handlers handlers = {on_connect, on_message, on_close};

static void on_timer(void *arg)
{
	struct stub *p = arg;

	if (p->conn == NULL)
		return;
	if (p->role == INFO_WORKER)
		beat(p);
	else
		stub_poll(p);
}

sc_err stubs_connect(struct stubs *s)
{
	while (s->n_started < s->n && s->n_connecting < CONNECTING_MAX) {
		struct stub *p = &s->stubs[s->n_started];
		sc_err err = SC_OK;

		if (p->role == INFO_WORKER || p->role == INFO_POLLER || p->role == INFO_CONTROL)
			err = loop_timer_new(s->loop, on_timer, p, &p->timer);
		if (err == SC_OK)
			err = conn_connect(s->loop, s->access.addresses[0], &conn_limits_default, &handlers, p,
					   &p->conn);
		if (err != SC_OK)
			return err;
		s->n_started++;
		s->n_connecting++;
	}
	return SC_OK;
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

static sc_err make_view(struct stub *p)
{
	p->seen = mem_calloc(INFO_MARKERS, sizeof(*p->seen));
	if (p->seen == NULL)
		return SC_NOMEM;
	return view_new(&p->view);
}

sc_err stubs_new(struct stubs *s, const size_t counts[INFO_ROLES])
{
	size_t at = 0;

	s->random = 20261121;
	for (int r = 0; r < INFO_ROLES; r++)
		s->n += counts[r];
	s->stubs = mem_calloc(s->n, sizeof(*s->stubs));
	s->markers = mem_calloc(INFO_MARKERS, sizeof(*s->markers));
	if (s->stubs == NULL || s->markers == NULL || loop_new(&s->loop) != SC_OK ||
	    view_new(&s->identity_view) != SC_OK)
		return SC_NOMEM;
	for (int r = 0; r < INFO_ROLES; r++) {
		for (size_t i = 0; i < counts[r]; i++, at++) {
			struct stub *p = &s->stubs[at];

			*p = (struct stub){.all = s, .role = (enum info_role)r, .index = (uint32_t)i};
			p->is_slow = r == INFO_SUBSCRIBER && i < s->n_slow;
			/* views are those of receivers that read */
			if (r == INFO_SUBSCRIBER && i >= s->n_slow && i < s->n_slow + s->n_views &&
			    make_view(p) != SC_OK)
				return SC_NOMEM;
			if (r == INFO_CONTROL)
				s->control = p;
		}
	}
	return SC_OK;
}

void stubs_free(struct stubs *s)
{
	loop_free(s->loop);
	for (size_t i = 0; i < s->n && s->stubs != NULL; i++) {
		loop_timer_free(s->stubs[i].timer);
		view_free(s->stubs[i].view);
		mem_free(s->stubs[i].seen);
	}
	view_free(s->identity_view);
	mem_free(s->stubs);
	mem_free(s->markers);
	mem_free(s->tally.stale_us);
	mem_free(s->tally.poll_us);
}
