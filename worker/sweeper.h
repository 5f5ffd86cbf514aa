/*
 * sweeper.h - removes directories that are too full to be removed between two turns, in processes of their own.
 */
#ifndef WORKER_SWEEPER_H
#define WORKER_SWEEPER_H

#include "worker/watch.h"

struct sweeper;

/* Borrows w.  SC_NOMEM. */
sc_err sweeper_new(struct watch *w, struct sweeper **out);
void sweeper_free(struct sweeper *s); /* what is being removed goes on; NULL is fine */

/* Remove a directory and all below it, some time.  arg is the sweeper. */
void sweeper_remove(const char *path, void *arg);

/* What such a process runs: sched-worker --remove-tree PATH. */
int sweeper_main(int argc, char **argv);

#endif
