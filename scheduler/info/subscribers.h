/*
 * subscribers.h - who is told what the cluster looks like, when, and from which version on.
 *
 * Each subscriber has an interval granted from the budget and a version, the last epoch it was sent.  When it is due
 * and the cluster has changed, it is sent the encoding from its version to now, which it shares with all who are due
 * from the same version: its cohort.  A large number of subscribers is spread over phases of their interval.  At most
 * one update is under way to each: whoever has not taken the last one is passed over, and gets everything since in one
 * later. Who has nothing new to learn gets the version alone at least every 30 s (a bookmark).
 *
 * Newcomers are told at once, except when very many come together (a scheduler restarted under its clients): then they
 * are told one after the other, at a pace that takes ten times the budget at most.  A connection that subscribes again
 * and again is told once a second.
 *
 * Pure: the time comes in, updates go out through a callback.
 */
#ifndef SCHEDULER_INFO_SUBSCRIBERS_H
#define SCHEDULER_INFO_SUBSCRIBERS_H

#include "scheduler/info/encoding.h"
#include "scheduler/info/interval.h"

#define INFO_BOOKMARK_US 30000000u

struct info_subscriber {
	uint64_t asked_us, granted_us;
	uint32_t sections;
	struct info_filter *filter; /* taken */
	uint64_t epoch;		    /* what it was sent last; 0: nothing yet */
	uint64_t due_us, told_us;
	uint64_t first_us; /* when it was last to be told at once */
	int is_subscribed, in_flight;
	uint32_t serial; /* spreads it over the phases; those who begin at one epoch have the same */
	size_t at;	 /* place in the heap */
	void *owner;
};

/* How updates go out. */
struct info_outlet {
	/*
	 * Send it: INFO_KIND_SNAPSHOT, _DELTA or _BOOKMARK (x is NULL then).  Take a reference to keep x.  The
	 * subscriber is in flight from now on.
	 */
	void (*push)(void *arg, struct info_subscriber *s, unsigned kind, struct info_encoding *x);
	/* Whether it has taken the last update. */
	int (*is_taken)(void *arg, struct info_subscriber *s);
	void *arg;
};

struct info_hub_options {
	uint64_t epoch_interval_us;
	struct interval_budget budget;
	size_t max_tombstones;
};

struct info_hub_counts {
	uint64_t epochs, pushes, bytes, bookmarks, skipped, cohorts;
};

struct info_hub {
	struct info_hub_options options;
	struct info_cluster cluster;
	struct info_encoder encoder;
	struct interval_governor governor;
	struct info_subscriber **heap; /* earliest due first */
	size_t n_subscribers, cap_heap;
	uint32_t serial; /* of those who begin now */
	uint64_t serial_epoch;
	size_t serial_users;
	uint64_t advanced_us;			/* when the epoch advanced last */
	uint64_t asked_us;			/* when somebody asked for everything last (identity) */
	uint64_t first_us;			/* the pace of first updates is used up until then */
	double first_cost_us, first_cost_bytes; /* of a first update, moving averages */
	struct info_hub_counts counts;
};

void info_hub_init(struct info_hub *h, const struct info_hub_options *o);
void info_hub_fini(struct info_hub *h); /* subscribers are gone by then */

/*
 * s is zeroed or was a subscriber before (it then changes what it asks for).  have_epoch: what it has, 0 for nothing.
 * Takes filter (may be NULL) on success.  SC_NOMEM.
 */
sc_err info_subscribe(struct info_hub *h, struct info_subscriber *s, uint64_t asked_us, uint32_t sections,
		      struct info_filter *filter, uint64_t have_epoch, uint64_t now_us);
void info_unsubscribe(struct info_hub *h, struct info_subscriber *s);

/* Do what is due.  Returns the number of updates pushed. */
uint64_t info_hub_tick(struct info_hub *h, uint64_t now_us, const struct info_outlet *out);

/*
 * What a single question is answered with: *x has a reference for the caller, or is NULL when the asker has the newest
 * version.  SC_TIMEOUT: ask again after *wait_us, the epoch in the making is not over.
 */
sc_err info_identity(struct info_hub *h, uint64_t have_epoch, uint32_t sections, const struct info_filter *filter,
		     uint64_t now_us, struct info_encoding **x, uint64_t *wait_us);

/*
 * What the last ticks have cost; the granted intervals follow.  Only what recurs counts: the first update of a
 * newcomer costs the same at any interval, and counts for the pace of newcomers.  info_hub_spent_encoding comes first.
 */
void info_hub_spent_first(struct info_hub *h, uint64_t n_updates, double cpu_us, double bytes);
void info_hub_spent_encoding(struct info_hub *h, uint64_t n_encodings, double cpu_us);
void info_hub_spent(struct info_hub *h, uint64_t n_updates, double cpu_us, double bytes, uint64_t now_us);

/* When to call info_hub_tick next; UINT64_MAX: when something changes or somebody subscribes. */
uint64_t info_hub_due_us(const struct info_hub *h);

#endif
