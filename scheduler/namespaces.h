/* namespaces.h - weights and quotas of namespaces: from the configuration, and as clients ask for them. */
#ifndef SCHEDULER_NAMESPACES_H
#define SCHEDULER_NAMESPACES_H

#include "base/buf.h"
#include "proto/message.h"
#include "scheduler/core/core.h"

struct conn;
struct scheduler;

/*
 * Set what a text says like "team-a: weight=3 max-cpus=10; team-b: max-tasks=none" (option scheduler.namespaces).
 * SC_INVALID with *error: which part is wrong and what is allowed; SC_LIMIT, SC_NOMEM.  Namespaces before the mistake
 * are set.
 */
sc_err namespaces_configure(struct core *c, const char *text, struct buf *error);

/* Answer a client. */
sc_err namespaces_report(struct scheduler *s, struct conn *c, const struct msg_namespace_list *m);
sc_err namespaces_change(struct scheduler *s, struct conn *c, const struct msg_namespace_set *m);

#endif
