/* server.c - see server.h. */
#include "net/server.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/address.h"

#define ACCEPTS_PER_TURN 64
#define ACCEPT_PAUSE_US	 (100u * US_PER_MS) /* when out of descriptors */

struct listener {
	struct server *server;
	struct listener *next;
	int fd;
	struct event *ev;
	char unix_path[ADDRESS_MAX]; /* to remove at the end */
};

/* A peer that has not identified itself yet. */
struct guest {
	TAILQ_ENTRY(guest) link;
	struct server *server;
	struct conn *conn;
	uint64_t since_us;
};

struct server {
	struct loop *loop;
	struct server_config config;
	struct listener *listeners;
	TAILQ_HEAD(, guest) guests; /* oldest first */
	struct loop_timer *guest_timer;
	struct loop_timer *accept_timer;
	size_t n_connections;
};

static sc_err guest_message(struct conn *c, const struct msg *m, void *arg);
static void guest_closed(struct conn *c, sc_err why, const char *text, void *arg);

static const struct conn_handlers guest_handlers = {NULL, guest_message, guest_closed};

static void guest_makes_work(const struct server *s)
{
	if (s->config.on_guest != NULL)
		s->config.on_guest(s->config.arg);
}

static void guest_forget(struct guest *g)
{
	TAILQ_REMOVE(&g->server->guests, g, link);
	mem_free(g);
}

static sc_err guest_message(struct conn *c, const struct msg *m, void *arg)
{
	struct guest *g = arg;
	struct server *s = g->server;
	char role[32];
	sc_err err = handshake_accept(c, m, &s->config.rules, role);

	guest_makes_work(s);
	if (err == SC_OK)
		err = s->config.on_peer(c, role, &m->u.hello, s->config.arg);
	if (conn_arg(c) != g) /* somebody else's now, even if it is to be closed */
		guest_forget(g);
	return err;
}

static void guest_closed(struct conn *c, sc_err why, const char *text, void *arg)
{
	struct guest *g = arg;

	log_warn(g->server->config.module, "refused", "peer=%s error=%s reason=%s", conn_peer(c), sc_err_name(why),
		 log_quote(text));
	guest_makes_work(g->server);
	server_left(g->server);
	guest_forget(g);
}

static void guest_schedule(struct server *s)
{
	const struct guest *oldest = TAILQ_FIRST(&s->guests);
	uint64_t now = loop_now_us(s->loop), due;

	if (oldest == NULL || loop_timer_is_set(s->guest_timer))
		return;
	due = oldest->since_us + s->config.hello_timeout_us;
	loop_timer_set(s->guest_timer, due > now ? due - now : 0);
}

static void on_guest_timer(void *arg)
{
	struct server *s = arg;
	uint64_t now = loop_now_us(s->loop);
	struct guest *g;

	while ((g = TAILQ_FIRST(&s->guests)) != NULL && g->since_us + s->config.hello_timeout_us <= now) {
		conn_fail(g->conn, SC_TIMEOUT, "no hello within %llu ms",
			  (unsigned long long)(s->config.hello_timeout_us / US_PER_MS));
		/* It goes when it is closed; until then it waits its turn again. */
		TAILQ_REMOVE(&s->guests, g, link);
		g->since_us = now;
		TAILQ_INSERT_TAIL(&s->guests, g, link);
	}
	guest_schedule(s);
}

static void welcome_guest(struct server *s, int fd)
{
	struct guest *g;

	guest_makes_work(s);
	if (s->n_connections >= s->config.max_connections) {
		log_warn(s->config.module, "refused", "reason=\"net.max-connections=%zu reached\"",
			 s->config.max_connections);
		close(fd);
		return;
	}
	g = mem_calloc(1, sizeof(*g));
	if (g == NULL || conn_new(s->loop, fd, &s->config.limits, &guest_handlers, g, &g->conn) != SC_OK) {
		log_warn(s->config.module, "refused", "reason=\"out of memory\"");
		mem_free(g);
		close(fd);
		return;
	}
	conn_set_max_frame(g->conn, HANDSHAKE_FRAME_BYTES);
	g->server = s;
	g->since_us = loop_now_us(s->loop);
	TAILQ_INSERT_TAIL(&s->guests, g, link);
	s->n_connections++;
	guest_schedule(s);
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
	struct listener *li = arg;

	(void)what;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (peer >= 0) {
			welcome_guest(li->server, peer);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			log_warn(li->server->config.module, "accept-paused", "reason=%s", log_quote(strerror(errno)));
			for (struct listener *l = li->server->listeners; l != NULL; l = l->next)
				event_del(l->ev);
			loop_timer_set(li->server->accept_timer, ACCEPT_PAUSE_US);
		}
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

static void on_accept_timer(void *arg)
{
	struct server *s = arg;

	for (struct listener *l = s->listeners; l != NULL; l = l->next)
		event_add(l->ev, NULL);
}

sc_err server_new(struct loop *l, const struct server_config *config, struct server **out)
{
	struct server *s = mem_calloc(1, sizeof(*s));

	if (s == NULL)
		return SC_NOMEM;
	s->loop = l;
	s->config = *config;
	TAILQ_INIT(&s->guests);
	if (loop_timer_new(l, on_guest_timer, s, &s->guest_timer) != SC_OK ||
	    loop_timer_new(l, on_accept_timer, s, &s->accept_timer) != SC_OK) {
		server_free(s);
		return SC_NOMEM;
	}
	*out = s;
	return SC_OK;
}

void server_free(struct server *s)
{
	struct listener *li;
	struct guest *g;

	if (s == NULL)
		return;
	while ((li = s->listeners) != NULL) {
		s->listeners = li->next;
		event_free(li->ev);
		close(li->fd);
		if (li->unix_path[0] != '\0')
			unlink(li->unix_path);
		mem_free(li);
	}
	while ((g = TAILQ_FIRST(&s->guests)) != NULL) {
		static const struct conn_handlers nobody = {NULL, NULL, NULL};

		conn_set_handlers(g->conn, &nobody, NULL);
		conn_close(g->conn, SC_SHUTDOWN, NULL);
		guest_forget(g);
	}
	loop_timer_free(s->guest_timer);
	loop_timer_free(s->accept_timer);
	mem_free(s);
}

sc_err server_listen(struct server *s, const char *address, char *shown, size_t cap)
{
	struct address a;
	struct listener *li;
	sc_err err = address_parse(address, &a);

	if (err != SC_OK)
		return err;
	li = mem_calloc(1, sizeof(*li));
	if (li == NULL)
		return SC_NOMEM;
	err = address_listen(&a, &li->fd);
	if (err != SC_OK) {
		mem_free(li);
		return err;
	}
	if (a.sa.ss_family == AF_UNIX)
		snprintf(li->unix_path, sizeof(li->unix_path), "%s", ((struct sockaddr_un *)&a.sa)->sun_path);
	li->server = s;
	li->ev = event_new(loop_base(s->loop), li->fd, EV_READ | EV_PERSIST, on_acceptable, li);
	if (li->ev == NULL || event_add(li->ev, NULL) != 0) {
		if (li->ev != NULL)
			event_free(li->ev);
		close(li->fd);
		mem_free(li);
		return SC_NOMEM;
	}
	li->next = s->listeners;
	s->listeners = li;
	address_of_socket(li->fd, shown, cap);
	return SC_OK;
}

void server_left(struct server *s)
{
	s->n_connections--;
}
