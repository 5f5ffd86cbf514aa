/*
 * guard.h - the guardian: a small process that outlives the agent, however that ends, and cleans up after it.
 *
 * It waits for the agent's end on a pipe.  Then it kills every process whose environment has the agent's cookie - also
 * those that have left their process group and session - and removes the agent's spool.  A child that clears its
 * environment AND leaves its group is beyond it.
 */
#ifndef WORKER_GUARD_H
#define WORKER_GUARD_H

#include "net/loop.h"
#include "worker/deadlines.h"
#include "worker/watch.h"

#define GUARD_COOKIE_NAME "SCHED_WORKER_COOKIE"
#define GUARD_COOKIE_HEX  32u

struct guard;

/* Start it.  cookie and spool_dir are borrowed for the guard's life.  SC_NOMEM, SC_IO (it is logged). */
sc_err guard_new(const char *cookie, const char *spool_dir, struct guard **out);

/* From now on start another one should it die. */
void guard_watch(struct guard *g, struct loop *l, struct watch *w, struct deadlines *d);

/* The agent ends: let it clean up, wait for it (for a few seconds at most), free.  NULL is fine. */
void guard_free(struct guard *g);

/* What the guardian process runs: sched-worker --guard COOKIE SPOOL, the pipe being descriptor 3. */
int guard_main(int argc, char **argv);

#endif
