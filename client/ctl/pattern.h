/*
 * pattern.h - ranges of indexes, and {item} {index} {key} {job} in the names of output files.
 */
#ifndef CLIENT_CTL_PATTERN_H
#define CLIENT_CTL_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "proto/sched_error.h"

struct range {
	uint64_t first;
	uint64_t step;
	uint64_t count;
};
#define RANGE_ALLOWED "FIRST-LAST or FIRST-LAST:STEP, like 0-99 or 0-90:10"

/* "0-99", "0-90:10", "7".  SC_INVALID: not of that form, last before first, step 0, or more than 2^32 - 2. */
sc_err range_parse(const char *text, struct range *out);

struct pattern_values {
	const char *item;
	size_t item_bytes;
	uint64_t index;
	const char *key;
	uint64_t job;
};

/* Append the text with its placeholders replaced; any other brace stays. */
void pattern_write(struct buf *out, const char *text, const struct pattern_values *v);

/* Whether it has a placeholder that differs from task to task. */
int pattern_varies(const char *text);

/* Whether it has any placeholder. */
int pattern_is(const char *text);

#endif
