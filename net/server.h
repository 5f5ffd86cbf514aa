/*
 * server.h - listens, lets in who shows the right secret in time, hands the connection to its owner.
 *
 * Used by the scheduler and by the data port of workers.  A peer that is refused, silent or talks garbage costs one log
 * line and nobody else anything.  Loop thread only.
 */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include "net/conn.h"
#include "net/handshake.h"

struct server;

struct server_config {
	const char *module; /* for log lines; borrowed for the server's life */
	struct handshake_rules rules;
	struct conn_limits limits;
	uint64_t hello_timeout_us;
	size_t max_connections;
	/*
	 * A peer is in.  Take the connection over with conn_set_handlers() and, when it is over, call server_left().
	 * An error closes it.
	 */
	sc_err (*on_peer)(struct conn *c, const char *role, const struct msg_hello *hello, void *arg);
	/*
	 * Somebody who is not in makes work: was accepted, spoke or left.  For who accounts for it.  May be NULL.
	 */
	void (*on_guest)(void *arg);
	void *arg;
};

/* SC_NOMEM. */
sc_err server_new(struct loop *l, const struct server_config *config, struct server **out);
void server_free(struct server *s); /* stops listening; connections handed over live on.  NULL is fine */

/* Listen on one more address; what it became (port 0) is written to shown.  Errors as address_parse, address_listen. */
sc_err server_listen(struct server *s, const char *address, char *shown, size_t cap);

/* A connection that was handed over is gone. */
void server_left(struct server *s);

#endif
