/*
 * metrics.h - the values of metrics.def, one after the other: for /metrics and for `schedctl stats`.
 */
#ifndef SCHEDULER_METRICS_H
#define SCHEDULER_METRICS_H

#include "scheduler/scheduler.h"

/* state is NULL for a metric without one; `first` marks the first value of a metric. */
typedef void (*metric_fn)(void *arg, const char *name, const char *type, const char *help, const char *state, int first,
			  uint64_t value);

/* Returns how many jobs it had to walk over, once: what it costs grows with them. */
size_t metrics_each(const struct scheduler *s, metric_fn fn, void *arg);

#endif
