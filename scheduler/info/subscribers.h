/*
 * subscribers.h - who is told what the cluster looks like, when, and from which version on.
 *
 * Each subscriber has an interval granted from the budget and a version, the last epoch it was sent.  When it is due
 * and the cluster has changed, it is sent the encoding from its version to now, which it shares with all who are due
 * from the same version: its cohort.  A large number of subscribers is spread over phases of their interval.  At most
 * one update is under way to each: whoever has not taken the last one is passed over, and gets everything since in one
 * later. Who is due and has been told nothing for 30 s because there is nothing gets the version it has alone (a
 * bookmark), so at intervals above 30 s there is a sign of life at each; so does who was granted less than it knows of.
 *
 * Newcomers are told at once, except when very many come together (a scheduler restarted under its clients): then they
 * are told one after the other, at a pace that takes ten times the budget at most; who leaves before gives its place
 * back.  A connection that subscribes again and again is told once a second at most, at the same pace; with a version
 * it can be told from, when it would have been told anyway.  What single questions make necessary to encode has a pace
 * of the same kind.
 *
 * Pure: the time comes in, updates go out through callbacks.
 */
#ifndef SCHEDULER_INFO_SUBSCRIBERS_H
#define SCHEDULER_INFO_SUBSCRIBERS_H

#include "scheduler/info/encoding.h"
#include "scheduler/info/interval.h"

#define INFO_BOOKMARK_US 30000000u
#define INFO_ASKED_MAX	 16u /* kinds of single questions that are remembered */

struct info_subscriber {
	uint64_t asked_us, granted_us;
	uint32_t sections;
	struct info_filter *filter; /* taken */
	uint64_t epoch;		    /* what it was sent last; 0: nothing yet */
	uint64_t due_us;	    /* something may have to be said: an update, or a bookmark before it */
	uint64_t update_us;	    /* the next update */
	uint64_t told_us;	    /* anything */
	uint64_t told_granted_us;   /* the interval it knows of */
	uint64_t first_us;	    /* when it was told as a newcomer last */
	uint64_t paid_us;	    /* its place among the newcomers: what that takes of their pace */
	int is_subscribed, in_flight;
	int is_first;	 /* a newcomer that was not told anything yet */
	int is_late;	 /* was passed over */
	uint32_t serial; /* spreads it over the phases; those who begin at one epoch have the same */
	size_t at;	 /* place in the heap */
	void *owner;
};

/* How updates go out. */
struct info_outlet {
	/*
	 * Send it: INFO_KIND_SNAPSHOT, _DELTA or _BOOKMARK (of s->epoch; x is NULL then).  Take a reference to keep x.
	 * The subscriber is in flight from now on.  On an error the subscription ends.
	 */
	sc_err (*push)(void *arg, struct info_subscriber *s, unsigned kind, struct info_encoding *x);
	/* It has ended, because it could not be told: push failed, or there was no memory to encode. */
	void (*ended)(void *arg, struct info_subscriber *s, sc_err err);
	/* Whether it has taken the last update. */
	int (*is_taken)(void *arg, struct info_subscriber *s);
	void *arg;
};

struct info_hub_options {
	uint64_t epoch_interval_us;
	struct interval_budget budget;
	size_t max_tombstones;
	uint64_t (*cpu_us)(void); /* processor time, to measure what encoding costs; NULL: it is guessed */
};

/* A kind of single question that came lately: it is encoded in advance when an epoch ends. */
struct info_asked {
	uint64_t at_us; /* 0: none */
	uint32_t sections;
	struct info_filter *filter; /* one of its users is this */
};

struct info_hub_counts {
	uint64_t epochs, pushes, bytes, bookmarks, skipped, cohorts; /* pushes: that were sent */
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
	uint64_t advanced_us; /* when the epoch advanced last */
	uint64_t first_us;    /* the pace of first updates is used up until then */
	uint64_t answers_us;  /* that of encodings for single questions */
	struct info_asked asked[INFO_ASKED_MAX];
	double first_encoding_us;		/* spent, not yet counted with first updates */
	double first_cost_us, first_cost_bytes; /* of a first update, moving averages */
	struct info_hub_counts counts;
};

void info_hub_init(struct info_hub *h, const struct info_hub_options *o);
void info_hub_fini(struct info_hub *h); /* subscribers are gone by then */

/*
 * s is zeroed or was a subscriber before (it then changes what it asks for).  have_epoch: what it has, 0 for nothing.
 * Takes filter (may be NULL) on success.  SC_NOMEM.  A newcomer (s->is_first) is told everything at s->due_us.
 */
sc_err info_subscribe(struct info_hub *h, struct info_subscriber *s, uint64_t asked_us, uint32_t sections,
		      struct info_filter *filter, uint64_t have_epoch, uint64_t now_us);
void info_unsubscribe(struct info_hub *h, struct info_subscriber *s);

/* Do what is due.  Returns the number of updates pushed. */
uint64_t info_hub_tick(struct info_hub *h, uint64_t now_us, const struct info_outlet *out);

/*
 * What a single question is answered with: *x has a reference for the caller, or is NULL when the asker has the newest
 * version.  SC_TIMEOUT: ask again after *wait_us, the epoch in the making is not over, or as much was encoded for
 * questions lately as may be.  SC_NOMEM, SC_TOO_BIG.
 */
sc_err info_identity(struct info_hub *h, uint64_t have_epoch, uint32_t sections, struct info_filter *filter,
		     uint64_t now_us, struct info_encoding **x, uint64_t *wait_us);

/*
 * What sending has cost in the last ticks; what encoding has is measured here.  The granted intervals follow.  Only
 * what recurs counts: the first update of a newcomer (s->is_first in push) costs the same at any interval, and counts
 * for the pace of newcomers.
 */
void info_hub_spent_first(struct info_hub *h, uint64_t n_updates, double cpu_us, double bytes);
void info_hub_spent(struct info_hub *h, uint64_t n_updates, double cpu_us, double bytes, uint64_t now_us);

/* When to call info_hub_tick next; UINT64_MAX: when something changes or somebody subscribes. */
uint64_t info_hub_due_us(const struct info_hub *h);

#endif
