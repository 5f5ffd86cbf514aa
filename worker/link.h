/*
 * link.h - the connection to the scheduler: made, registered, kept alive, made again when it is lost.
 *
 * The access file is read before every attempt, as the scheduler may have been started anew meanwhile.  Loop thread
 * only.
 */
#ifndef WORKER_LINK_H
#define WORKER_LINK_H

#include "base/options.h"
#include "net/conn.h"
#include "worker/settings.h"

struct link;

struct link_handlers {
	/* Welcomed: the data secret is known (c is the connection).  Says where the data port is, or fails. */
	sc_err (*on_welcome)(struct conn *c, const char *data_secret, const char **data_address, struct buf *error,
			     void *arg);
	/* Registered; tasks will come over c. */
	void (*on_registered)(struct conn *c, const char *name, void *arg);
	/* Heartbeat is due, tell what there is to tell. */
	void (*on_heartbeat)(struct msg_heartbeat *m, void *arg);
	/* Anything else the scheduler sends. */
	sc_err (*on_message)(struct conn *c, const struct msg *m, void *arg);
	/* It is gone: all tasks of it are. */
	void (*on_lost)(void *arg);
	/* There will be no connection any more; text says why. */
	void (*on_given_up)(const char *text, void *arg);
};

/* Borrows all.  SC_NOMEM. */
sc_err link_new(struct loop *l, const struct settings *s, const struct link_handlers *h, void *arg, struct link **out);
void link_free(struct link *k); /* NULL is fine */

/* Begin to connect. */
void link_start(struct link *k);

/* Give the connection up and make another, if there is one: on_lost is called, what is here counts as lost. */
void link_rejoin(struct link *k, const char *reason);

/* Say goodbye and do not connect again.  on_lost is not called any more. */
void link_leave(struct link *k, const char *reason);

#endif
