/*
 * info_link.h - cluster info (scheduler/info/) connected: workers' changes go in, updates to subscribers go out.
 *
 * What a round of updates costs this thread is measured, and the granted intervals follow from it.  So is what a
 * heartbeat costs: the processor time of turns in which nothing else happened.  Loop thread only.
 */
#ifndef SCHEDULER_INFO_LINK_H
#define SCHEDULER_INFO_LINK_H

#include "scheduler/info/subscribers.h"
#include "scheduler/scheduler.h"

struct info_link;

/* Processor time of the loop's thread, in microseconds. */
struct info_link_spent {
	uint64_t turns_us; /* all */
	uint64_t info_us;  /* encoding and sending updates to subscribers */
	uint64_t heartbeats;
	double heartbeats_us; /* measured when a turn had nothing else in it, else at the mean of those */
};

sc_err info_link_new(struct scheduler *s, struct info_link **out);
void info_link_free(struct info_link *l); /* clients are gone by then; NULL is fine */

/* ---- workers ---- */
/* host: what it calls its own. */
sc_err info_link_joined(struct info_link *l, const struct worker *w, struct slice host);
/* The host of a worker that is there, as everybody is told it. */
const char *info_link_host(const struct info_link *l, uint32_t worker);
void info_link_left(struct info_link *l, uint32_t worker);
void info_link_status(struct info_link *l, uint32_t worker, unsigned status);
/* What a heartbeat tells; it counts for the interval granted to workers. */
void info_link_heartbeat(struct info_link *l, struct worker_peer *p, const struct msg_heartbeat *m);
/* A turn is over; was_shared: something else than heartbeats was in it. */
void info_link_turn(struct info_link *l, uint64_t cpu_us, int was_shared);

/* ---- clients ---- */
/* Instead of the subscription there was.  One that is refused, with an error to the client, ends that as well. */
sc_err info_link_subscribe(struct info_link *l, struct client_peer *p, const struct msg_info_subscribe *m);
/* 1 when there was a subscription. */
int info_link_unsubscribe(struct info_link *l, struct client_peer *p);
sc_err info_link_identity(struct info_link *l, struct client_peer *p, const struct msg_identity *m);

/* For metrics.def. */
const struct info_hub *info_link_hub(const struct info_link *l);
const struct info_link_spent *info_link_spent(const struct info_link *l);
uint64_t info_link_worker_client_pushes(const struct info_link *l);
uint64_t info_link_heartbeat_ms(const struct info_link *l);

#endif
