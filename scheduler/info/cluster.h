/*
 * cluster.h - what the cluster looks like: one record per worker, ordered by last change, versioned by epochs.
 *
 * A change stamps its record with the epoch in the making and moves it to the head of a list; a worker that leaves
 * becomes a tombstone with its epoch.  What has changed since epoch v is therefore a walk from the head down to v: its
 * cost is the number of changes, never the size of the cluster, and no history is kept.  Metrics are quantised, so that
 * noise changes nothing.  Tombstones are kept up to a number; whoever is older than the last one dropped (the horizon)
 * needs everything.
 *
 * Pure: no I/O, no clock.  One thread.
 */
#ifndef SCHEDULER_INFO_CLUSTER_H
#define SCHEDULER_INFO_CLUSTER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/hash.h"
#include "base/slice.h"
#include "proto/sched_error.h"

#define INFO_MIB ((uint64_t)1 << 20)

/*
 * What a worker says of itself is not taken to be more than this: the sums of 65,536 workers still fit, and in bytes it
 * is more than any machine has.
 */
#define INFO_VALUE_MAX ((uint64_t)1 << 48)

/* What a worker is; changes rarely. */
struct info_identity {
	struct slice name, pool, address, resources, labels; /* labels joined by commas */
	struct slice namespace;				     /* it is reserved for; empty: for none */
	struct slice host; /* what it calls its host, for when the address names none */
	uint64_t pid, slots, memory_limit_bytes;
	unsigned status; /* WORKER_* */
};

/* How it is; changes all the time.  As reported, before quantising. */
struct info_metrics {
	uint64_t cpu_percent;
	uint64_t memory_bytes, spilled_bytes;
	uint64_t running, queued, held;
	uint64_t sent_bytes_s, received_bytes_s; /* transfer rates */
};

/*
 * A host: as the address names it, parsed once when a worker joins, and shared by its workers.  Whoever shows the host
 * of a worker shows this.
 */
struct info_host {
	char *name;
	size_t n_workers;
	UT_hash_handle hh;
};

struct info_record {
	TAILQ_ENTRY(info_record) link; /* last changed first */
	uint32_t worker;
	uint8_t is_gone; /* a tombstone: only worker and changed mean anything */
	uint64_t born;	 /* epoch in which it joined */
	uint64_t changed, identity_changed;
	char *name, *pool, *address, *resources, *labels, *namespace;
	struct info_host *host;
	uint64_t pid, slots, memory_limit_bytes;
	unsigned status;
	/* quantised */
	uint64_t cpu_percent, memory_mib, spilled_mib, running, queued, held, sent_kib_s, received_kib_s;
};

/* Sums over all workers that are there. */
struct info_totals {
	uint64_t workers, slots, memory_limit_bytes;
	uint64_t cpu_percent, memory_mib, spilled_mib, running, queued, held;
};

struct info_cluster {
	TAILQ_HEAD(info_changes, info_record) changes;
	struct info_record **by_worker; /* by number; NULL or the living record */
	size_t cap_workers;
	struct info_host *hosts;
	struct info_totals totals;
	uint64_t epoch;	  /* the last one that is complete; changes belong to epoch + 1 */
	uint64_t horizon; /* whoever has an epoch below this needs everything */
	size_t n_tombstones, max_tombstones;
	int changed;	       /* since the last epoch */
	uint64_t hosts_parsed; /* addresses that had to be looked into */
};

void info_cluster_init(struct info_cluster *c, size_t max_tombstones);
void info_cluster_fini(struct info_cluster *c);

/* A worker joins; numbers may be reused once it has left.  SC_EXISTS, SC_NOMEM. */
sc_err info_join(struct info_cluster *c, uint32_t worker, const struct info_identity *identity);
void info_leave(struct info_cluster *c, uint32_t worker);
void info_set_status(struct info_cluster *c, uint32_t worker, unsigned status);
/* 1 when anything but noise has changed. */
int info_set_metrics(struct info_cluster *c, uint32_t worker, const struct info_metrics *m);

/* The record of a worker that is there, or NULL. */
const struct info_record *info_find(const struct info_cluster *c, uint32_t worker);

/* End the epoch in the making, if there is anything in it; 1 then. */
int info_advance(struct info_cluster *c);

/* Whether what changed since `epoch` is still known. */
int info_can_delta(const struct info_cluster *c, uint64_t epoch);

#endif
