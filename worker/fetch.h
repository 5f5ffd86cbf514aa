/*
 * fetch.h - brings the inputs of tasks here: from the own store, or from the data port of a worker that holds them.
 *
 * Tasks that want the same input share one transfer.  When a holder does not have it any more, goes away or is slow,
 * the next one is asked for the rest.  At most worker.fetch-parallel inputs travel at the same time, over one
 * connection per holder.  What has come is handed to `arrived`, which may keep it for later tasks.  Loop thread only.
 */
#ifndef WORKER_FETCH_H
#define WORKER_FETCH_H

#include <stdint.h>

#include "net/conn.h"
#include "worker/deadlines.h"
#include "worker/store.h"
#include "worker/task.h"

struct fetcher;

struct fetch_config {
	size_t parallel;
	uint64_t timeout_us;   /* a holder that sends nothing for this long is given up */
	uint64_t memory_bytes; /* inputs up to this size are put into memory, larger ones into a file */
	int share_files;       /* a file of a holder on this machine is not copied (worker/share.h) */
	struct conn_limits limits;
	size_t compress_min_bytes;
	/* An input that was coming is here or, with input->failed set, is not to be had: there, or for want of
	 * something here (input->problem).  Called once, never from fetcher_want(). */
	void (*settled)(struct input *in, void *arg);
	/* A result has come that only tasks wanted: borrowed.  May be NULL. */
	void (*arrived)(uint64_t job, uint32_t task, struct result *r, void *arg);
	void *arg;
};

enum fetch_state { FETCH_HERE, FETCH_COMING, FETCH_FAILED };

/* Borrows all it is given.  SC_NOMEM. */
sc_err fetcher_new(struct loop *l, struct deadlines *d, struct store *s, struct spool *spool,
		   const struct fetch_config *config, struct fetcher **out);
void fetcher_free(struct fetcher *f); /* no input may be wanted any more; NULL is fine */

/* The secret of data ports, and our own data address (its results are in the store). */
void fetcher_identify(struct fetcher *f, const char *secret, const char *own_address);

/* Want an input: in->result is set when it is here (NULL when it is empty). */
enum fetch_state fetcher_want(struct fetcher *f, struct input *in);

/* The task does not need it any more; releases in->result. */
void fetcher_forget(struct fetcher *f, struct input *in);

/* Before the end of a turn: ask for what was wanted in it. */
void fetcher_turn(struct fetcher *f);

/* Bytes fetched since start. */
uint64_t fetcher_received_bytes(const struct fetcher *f);
/* For how long, since start, there was something on its way here. */
uint64_t fetcher_busy_us(const struct fetcher *f);

#endif
