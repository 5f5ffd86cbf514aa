/* range.h - ranges of indexes, as people write them. */
#ifndef CLIENT_CTL_RANGE_H
#define CLIENT_CTL_RANGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "client/sched_client.h"
#include "proto/sched_error.h"

struct range {
	uint64_t first;
	uint64_t step;
	uint64_t count;
};
#define RANGE_ALLOWED "FIRST-LAST or FIRST-LAST:STEP, like 0-99 or 0-90:10,"

/* A list of such, all indexes once, rising. */
struct ranges {
	struct sc_index_range *v; /* owned */
	size_t n, cap;
	uint64_t count;	      /* indexes in all */
	uint32_t max_running; /* of them at the same time; 0: any number */
};
#define RANGES_ALLOWED                                                                                                 \
	"a list of N, FIRST-LAST and FIRST-LAST:STEP, like 0-99 or 1,5,9-20:2, with %%K at its end or not,"

/* "0-99", "0-90:10", "7".  SC_INVALID: not of that form, last before first, step 0, or more than 2^32 - 2. */
sc_err range_parse(const char *text, struct range *out);

/*
 * "0-99", "1,5,9-20:2", "0-999%8".  SC_INVALID: not of that form, more than 2^32 - 2 indexes, or more than 16,777,216
 * of a list whose ranges overlap.  SC_NOMEM.
 */
sc_err ranges_parse(const char *text, struct ranges *out);
void ranges_fini(struct ranges *r);

#endif
