/*
 * mover.h - copies of results the scheduler asks for: all of what another worker holds, so that it may go.
 *
 * Each is answered once, as a copy that is here or (it was not to be had, or there is no room for it) one that is not.
 * Loop thread only.
 */
#ifndef WORKER_MOVER_H
#define WORKER_MOVER_H

#include "base/buf.h"
#include "proto/message.h"
#include "worker/answers.h"
#include "worker/fetch.h"
#include "worker/jobs.h"
#include "worker/store.h"

struct mover;

/* Borrows all.  SC_NOMEM. */
sc_err mover_new(struct jobs *jobs, struct store *store, struct fetcher *f, struct answers *a, struct mover **out);
void mover_free(struct mover *m); /* NULL is fine */

/* SC_MALFORMED with *error: the message makes no sense.  SC_NOMEM: part of it may be under way. */
sc_err mover_fetch(struct mover *m, const struct msg_results_fetch *msg, struct buf *error);

/* From the fetcher: an input without a task. */
void mover_settled(struct input *in);

/* The end of a turn: what has come, or not, is answered. */
void mover_turn(struct mover *m);

/* Nobody waits for the results of this job (0: of any) any more. */
void mover_forget(struct mover *m, uint64_t job);

#endif
