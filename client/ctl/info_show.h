/* info_show.h - a version of cluster info for people and for programs; shared by `info`, `info --watch` and `top`. */
#ifndef CLIENT_CTL_INFO_SHOW_H
#define CLIENT_CTL_INFO_SHOW_H

#include <jansson.h>

#include "base/buf.h"
#include "client/sched_client.h"

enum info_order { INFO_BY_NAME, INFO_BY_CPU, INFO_BY_MEMORY, INFO_BY_RUNNING };

/* One line: the sums over all workers, how old it may be. */
void info_write_totals(const struct sc_info *info, struct buf *out);

/* A table of workers in this order, max_rows at most, and then how many more there are.  sections: 0: all. */
void info_write_workers(const struct sc_info *info, unsigned sections, enum info_order order, size_t max_rows,
			int with_color, struct buf *out);

/* The fields of both, added to o. */
void info_put_json(json_t *o, const struct sc_info *info, unsigned sections);

/* Cpus, as a number: 2 or 0.5. */
json_t *info_cpus_json(uint64_t slots);

#endif
