/*
 * store.h - results held by this worker: standard output and standard error of tasks, in memory or in files; those
 * produced here, and copies of those of other workers.
 *
 * A result is shared (counted): who reads one keeps it alive although the scheduler has it dropped meanwhile.  Memory
 * is bounded; for what does not fit those not used for the longest time are written to the spool.  Copies are bounded
 * as well: those not used for the longest time go, and the owner of the store is told.  Loop thread only.
 */
#ifndef WORKER_STORE_H
#define WORKER_STORE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "proto/sched_error.h"
#include "worker/spool.h"

struct store;
struct entry;

enum stream { STREAM_RESULT, STREAM_STDERR, STREAMS };

enum blob_place {
	BLOB_EMPTY,
	BLOB_MEMORY,
	BLOB_FILE,    /* in the spool: removed with the blob */
	BLOB_FOREIGN, /* a file the user asked for: only referred to */
};

struct blob {
	enum blob_place place;
	uint64_t bytes;
	char *at;	    /* the bytes, or the path; owned */
	int64_t changed_ns; /* of a file in the spool: when it was last written to */
};

struct result {
	unsigned refs;
	struct store *store;
	struct entry *entry; /* in the table; NULL: not held */
	struct blob stream[STREAMS];
};

struct store_totals {
	uint64_t held; /* results in the table */
	uint64_t held_bytes;
	uint64_t spilled_bytes; /* of these, in the spool */
	uint64_t memory_bytes;	/* in memory, those that are not held any more but used included */
	uint64_t copies_bytes;	/* of held_bytes: copies that may go */
};

struct store_config {
	struct spool *spool;
	uint64_t memory_bytes;				      /* for results in memory */
	uint64_t copies_bytes;				      /* for copies, in memory and in the spool */
	void (*gone)(uint64_t job, uint32_t task, void *arg); /* a copy had to go, or is damaged; may be NULL */
	void *arg;
};

/* Borrows the spool.  SC_NOMEM. */
sc_err store_new(const struct store_config *config, struct store **out);
void store_free(struct store *s); /* every result has to be released before; NULL is fine */

/* *out is an empty result, new. */
sc_err result_new(struct store *s, struct result **out);
struct result *result_ref(struct result *r);
void result_unref(struct result *r); /* NULL is fine */

/*
 * Make the contents of b a stream of r; b is empty afterwards, on failure too.  Goes to a file when memory is full:
 * then SC_IO with errno set is possible.
 */
sc_err result_take_buf(struct result *r, enum stream stream, struct buf *b);

/* Make a stream of `from` one of r, whose own nobody reads; `from` has it no more. */
void result_take_stream(struct result *r, enum stream stream, struct result *from);

/* Refer to a file of n bytes; place is BLOB_FILE (taken) or BLOB_FOREIGN.  SC_NOMEM: an own file is removed. */
sc_err result_take_file(struct result *r, enum stream stream, enum blob_place place, const char *path, uint64_t bytes);

/* See that a stream in memory is in a file.  SC_NOMEM; SC_IO with errno set. */
sc_err result_to_file(struct result *r, enum stream stream);

/* Up to n bytes from an offset: how many, 0 at the end, -1 with errno set. */
ssize_t blob_read(const struct blob *b, uint64_t offset, void *out, size_t n);

/* Write all of it to a descriptor at its position: 0, or -1 with errno set. */
int blob_write_to(const struct blob *b, int fd);

/* Takes r, also on failure (SC_NOMEM); an older result of that task goes. */
sc_err store_put(struct store *s, uint64_t job, uint32_t task, struct result *r);

/*
 * The same for a copy of another worker's.  Unless pinned it may go again when there are too many.  Nothing happens
 * when a result of the task is held already, except that a copy is pinned when this one is.
 */
sc_err store_put_copy(struct store *s, uint64_t job, uint32_t task, struct result *r, int pinned);

/* The copy of a task's result is none any more: it stays until it is dropped. */
void store_keep(struct store *s, uint64_t job, uint32_t task);

/* Write what was not used for the longest time to files, about n bytes; how many were.  Stops at a full disk. */
uint64_t store_spill(struct store *s, uint64_t n_bytes);

/*
 * Borrowed, NULL when it is not held.  A file in the spool that is not as it was written is of no use: then the result
 * is dropped, and the owner of the store told.  (Tasks find their inputs as names of these files, and may write there.)
 */
struct result *store_get(struct store *s, uint64_t job, uint32_t task);

void store_drop(struct store *s, uint64_t job, uint32_t task);

/*
 * Unless it was produced here.  The owner is told when there was one: it may have come, and been told of, after the one
 * that is meant.
 */
void store_drop_copy(struct store *s, uint64_t job, uint32_t task);
void store_drop_job(struct store *s, uint64_t job);
void store_clear(struct store *s);

const struct store_totals *store_totals(const struct store *s);

#endif
