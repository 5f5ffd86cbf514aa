/*
 * data_server.h - the data port: serves the results of the store to other workers and to clients.
 *
 * Who connects shows the data secret of the scheduler (role peer).  A peer that does not read what it asked for waits;
 * nobody else does.  Loop thread only.
 */
#ifndef WORKER_DATA_SERVER_H
#define WORKER_DATA_SERVER_H

#include <stdint.h>

#include "base/buf.h"
#include "base/options.h"
#include "net/address.h"
#include "net/loop.h"
#include "worker/spool.h"
#include "worker/store.h"

struct data_server;

/* Not listening yet.  Borrows all.  SC_NOMEM. */
sc_err data_server_new(struct loop *l, struct store *s, const struct spool *spool, const struct options *o,
		       struct data_server **out);
void data_server_free(struct data_server *d); /* closes its connections; NULL is fine */

/* The secret peers have to show from now on. */
void data_server_set_secret(struct data_server *d, const char *secret);

/*
 * Listen, once: later calls do nothing, unless a socket was removed meanwhile.  scheduler_fd is the connection to the
 * scheduler, from which the address is taken unless worker.data-listen gives one.  Errors as server_listen(), with
 * *error naming the address.
 */
sc_err data_server_listen(struct data_server *d, int scheduler_fd, struct buf *error);

/* Where it listens, as others reach it; "" before. */
const char *data_server_address(const struct data_server *d);

/* Bytes of results sent since start. */
uint64_t data_server_sent_bytes(const struct data_server *d);

#endif
