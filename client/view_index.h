/*
 * view_index.h - who is in a version of the view, and who goes by which name and address.
 *
 * An index says at which place among the records of a version a worker is; it holds no record and no text.  So it is
 * true of every version that shows the same workers under the same names and addresses, and these share it by count:
 * while only metrics change, none is built.
 *
 * Immutable once built.  Counted by the thread of the table alone, as records are: a reader gets at an index only by a
 * version it has pinned, whose count keeps the index until the version is retired.
 */
#ifndef CLIENT_VIEW_INDEX_H
#define CLIENT_VIEW_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "proto/sched_error.h"

struct view_record;
struct view_index;

enum view_key { VIEW_NAME, VIEW_ADDRESS, VIEW_KEYS };

/* *out is new, counted once, and describes these records, which it does not keep.  O(n).  SC_NOMEM. */
sc_err view_index_new(struct view_record *const *records, size_t n, struct view_index **out);
struct view_index *view_index_ref(struct view_index *x);
void view_index_unref(struct view_index *x); /* NULL is fine */

/* The worker numbers of the records, in their order; as many as there were. */
const uint32_t *view_index_workers(const struct view_index *x);

/*
 * Among the records of a version that has this index, the first whose name or address it is; NULL: none.  O(1) unless
 * somebody chose texts that collide.  A record without identity has none of either.  Any thread that has pinned it.
 */
const struct view_record *view_index_find(const struct view_index *x, struct view_record *const *records,
					  enum view_key key, const char *text);

#endif
