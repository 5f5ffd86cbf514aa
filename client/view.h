/*
 * view.h - what a client knows of the cluster: a table that updates are applied to, and versions of it that any thread
 * may read without a lock.
 *
 * The table belongs to one thread, which applies updates and publishes.  A published version never changes; readers pin
 * the current one with a single atomic addition and unpin it with another.  Records are shared between versions, so a
 * version costs a pointer per worker; and so is the index by name and address (view_index.h), until somebody joins,
 * leaves, or goes by another name or address.
 *
 * Pinning uses a split reference count (A. Williams, "C++ Concurrency in Action", 7.2.4): one word holds the place of
 * the current version and how many readers have taken it from there; the version itself counts how many have given it
 * back.  When another version takes its place, the first count is final; when the two agree, it can go.
 *
 * Only the table's thread retires a version, in the next view_publish() that finds the two counts equal, and only that
 * thread counts what versions share.  So these counts need not be atomic, and what a reader has pinned keeps all it
 * leads to.
 */
#ifndef CLIENT_VIEW_H
#define CLIENT_VIEW_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "client/view_index.h"
#include "proto/frame.h"
#include "proto/message.h"

/* What a worker is; shared by its records. */
struct view_identity {
	size_t n_refs; /* the table's thread */
	char *name, *pool, *address, *host, *resources, *labels;
	char *namespace; /* "": it serves all */
	uint64_t pid, slots, memory_limit_bytes;
	unsigned status;
};

struct view_record {
	size_t n_refs; /* the table's thread */
	uint32_t worker;
	struct view_identity *identity; /* NULL: only its metrics are known */
	uint64_t cpu_percent, memory_mib, spilled_mib, running, queued, held, sent_kib_s, received_kib_s;
};

struct view_totals {
	uint64_t workers, slots, memory_limit_bytes, cpu_percent, memory_mib, spilled_mib, running, queued, held;
};

/* Immutable.  Records in the order of their worker numbers. */
struct view_version {
	atomic_size_t n_given_back;
	uint64_t n_taken; /* final when it is not the current one any more */
	uint32_t slot;
	char incarnation[33]; /* "": nothing has been published yet */
	uint64_t epoch;
	uint64_t granted_us; /* as of view_set_granted() */
	struct view_totals totals;
	size_t n;
	struct view_record **records;
	struct view_index *index; /* shared */
};

struct view;

/* *out is new and shows an empty cluster of no version.  SC_NOMEM. */
sc_err view_new(struct view **out);
void view_free(struct view *v); /* no reader has anything pinned.  NULL is fine */

/* ---- the table's thread ---- */

/*
 * Apply an info_body, compressed when raw_bytes is not 0.  With is_snapshot the table is emptied first.  SC_MALFORMED,
 * SC_BAD_FRAME, SC_TOO_BIG: nothing has changed.  SC_NOMEM: the table may be half changed, and until a snapshot has
 * been applied nothing but SC_BAD_STATE comes of deltas and of publishing; readers keep the version they have.
 */
sc_err view_apply(struct view *v, struct slice body, uint64_t raw_bytes, int is_snapshot);

/*
 * Show what the table holds, as of this version, to readers.  SC_LIMIT: too many old versions are pinned; SC_NOMEM;
 * SC_BAD_STATE: see view_apply().  Costs a pointer per worker, and an index if the last one is not true any more.
 */
sc_err view_publish(struct view *v, const char *incarnation, uint64_t epoch);

/* The interval that versions published from now on are said to come at. */
void view_set_granted(struct view *v, uint64_t granted_us);

size_t view_n_workers(const struct view *v);
const struct view_record *view_worker(const struct view *v, uint32_t worker); /* NULL: no such */
const struct view_totals *view_totals(const struct view *v);

/* ---- any thread ---- */

const struct view_version *view_pin(struct view *v);
void view_unpin(const struct view_version *version);

/* Among the records of a version, the one with the lowest number if there are several; NULL: no such. */
const struct view_record *view_by_name(const struct view_version *version, const char *name);
const struct view_record *view_by_address(const struct view_version *version, const char *address);

#endif
