/*
 * local.h - a private scheduler and worker for the length of one command.
 *
 * They live in a directory of their own (0700, under $TMPDIR) that holds the access file, the socket and their logs,
 * and are told to end, by the kernel if need be, when schedctl ends.
 */
#ifndef CLIENT_CTL_LOCAL_H
#define CLIENT_CTL_LOCAL_H

#include "client/ctl/ctl.h"

struct local;

/* slots: 0: as many as there are processors.  *out is new.  EXIT_DONE, or the exit status with a message said. */
int local_start(struct ctl *c, uint64_t slots, struct local **out);

const char *local_access_file(const struct local *l);

/* End both, by way of the scheduler if c has a connection to it, and remove the directory.  NULL is fine. */
void local_stop(struct ctl *c, struct local *l);

/* The same at once, from a signal handler. */
void local_kill(void);

#endif
