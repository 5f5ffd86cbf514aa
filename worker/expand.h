/* expand.h - placeholders (base/pattern.h) replaced, into an arena. */
#ifndef WORKER_EXPAND_H
#define WORKER_EXPAND_H

#include "base/pattern.h"
#include "worker/arena.h"

/*
 * The text with its placeholders replaced, terminated, in the arena.  *n_bytes, if given, is its length.  NULL when out
 * of memory or over PATTERN_MAX_BYTES (the arena is failed then).
 */
char *pattern_expand(struct arena *a, struct slice text, const struct pattern_values *v, size_t *n_bytes);

#endif
