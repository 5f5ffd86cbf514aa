/*
 * pattern.h - {item} {index} {key} {job} {attempt} in arguments and file names.  Any other brace is left as it is: awk
 * programs and shell code are full of them.
 */
#ifndef BASE_PATTERN_H
#define BASE_PATTERN_H

#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

#define PATTERN_MAX_BYTES ((size_t)4 * 1024 * 1024) /* of one expanded text */

struct pattern_values {
	struct slice item;
	struct slice key;
	uint64_t index;
	uint64_t job;
	uint64_t attempt; /* how often it was tried before ... */
	int no_attempt;	  /* ... unless that is not known here: {attempt} then stays */
};

/* Append the text with its placeholders replaced.  out->max bounds it: see buf.h. */
void pattern_write(struct buf *out, struct slice text, const struct pattern_values *v);

/* Whether it has any placeholder; one that differs from task to task. */
int pattern_is(const char *text);
int pattern_varies(const char *text);

#endif
