/*
 * spool.h - the worker's directory: results too large for memory, directories of tasks, the socket of the data port.
 *
 * Mode 0700, made under worker.spool-dir (or $TMPDIR, or /tmp), removed at the end; after kill -9 by the guardian.
 */
#ifndef WORKER_SPOOL_H
#define WORKER_SPOOL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "proto/sched_error.h"

#define SPOOL_DIR_PREFIX "sched-worker-"
#define SPOOL_DIR_MAX	 3072
#define SPOOL_PATH_MAX	 (SPOOL_DIR_MAX + 64)

struct spool {
	char dir[SPOOL_DIR_MAX]; /* absolute */
	uint64_t last_number;
};

/* Make the directory.  parent may be "".  SC_INVALID, SC_DENIED with *error naming the directory. */
sc_err spool_init(struct spool *s, const char *parent, struct buf *error);

/* Make it again if somebody else removed it, as what tidies up /tmp may do: 1, with nothing in it now. */
int spool_restore(const struct spool *s);

/* When a file was last written to: with its size, by this it is known again.  Nanoseconds since 1970. */
static inline int64_t spool_changed_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

/* A path nobody has had yet: DIR/KIND-NUMBER. */
void spool_path(struct spool *s, const char *kind, char out[SPOOL_PATH_MAX]);

/*
 * Remove a directory and all below it, at most *budget entries (decremented).  SC_LIMIT: the budget is used up, call
 * again; SC_IO: something cannot be removed.  SC_OK also when it is not there.
 */
sc_err tree_remove(const char *path, size_t *budget);

#endif
