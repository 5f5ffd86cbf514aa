/* range.h - ranges of indexes, as people write them. */
#ifndef CLIENT_CTL_RANGE_H
#define CLIENT_CTL_RANGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "proto/sched_error.h"

struct range {
	uint64_t first;
	uint64_t step;
	uint64_t count;
};
#define RANGE_ALLOWED "FIRST-LAST or FIRST-LAST:STEP, like 0-99 or 0-90:10,"

/* "0-99", "0-90:10", "7".  SC_INVALID: not of that form, last before first, step 0, or more than 2^32 - 2. */
sc_err range_parse(const char *text, struct range *out);

#endif
