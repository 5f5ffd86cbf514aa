/*
 * pattern.h - {item} {index} {key} {job} {attempt} in arguments and file names.  Any other brace is left as it is: awk
 * programs and shell code are full of them.
 */
#ifndef WORKER_PATTERN_H
#define WORKER_PATTERN_H

#include <stdint.h>

#include "base/slice.h"
#include "worker/arena.h"

#define PATTERN_MAX_BYTES ((size_t)4 * 1024 * 1024) /* of one expanded text */

struct pattern_values {
	struct slice item;
	struct slice key;
	uint64_t index;
	uint64_t job;
	uint64_t attempt; /* how often it was tried before */
};

/*
 * The text with its placeholders replaced, terminated, in the arena.  *n_bytes, if given, is its length.  NULL when out
 * of memory or over PATTERN_MAX_BYTES (the arena is failed then).
 */
char *pattern_expand(struct arena *a, struct slice text, const struct pattern_values *v, size_t *n_bytes);

#endif
