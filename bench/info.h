/*
 * info.h - the parts of the `info` scenario: stub peers of a real scheduler, and what they have seen.
 *
 * All peers live in one loop of this process, over TCP.  Loop thread only; times are monotonic microseconds.
 */
#ifndef BENCH_INFO_H
#define BENCH_INFO_H

#include <stddef.h>
#include <stdint.h>

#include "client/view.h"
#include "net/access.h"
#include "net/conn.h"

#define INFO_MARKERS   256u /* workers whose changes are timed */
#define INFO_SENT_RING 64u  /* changes of one worker that may be under way */

enum info_role { INFO_WORKER, INFO_SUBSCRIBER, INFO_SILENT, INFO_POLLER, INFO_CONTROL, INFO_ROLES };

/* What happened since it was reset; the measured seconds only. */
struct info_tally {
	uint64_t updates, snapshots, bookmarks;
	uint64_t delta_bytes, delta_raw_bytes, deltas;
	uint64_t gaps, disconnected;
	uint64_t heartbeats, changes;
	uint64_t polls, polls_put_off;
	uint64_t *stale_us, *poll_us; /* samples; owned */
	size_t n_stale, cap_stale, n_poll, cap_poll;
};

/* An answer to `stats`, as far as this scenario needs it. */
struct info_stats {
	uint64_t snapshots_encoded, deltas_encoded, hosts_parsed, worker_client_pushes, heartbeat_ms, skipped, epochs;
	uint64_t pushes, info_cpu_us, heartbeat_cpu_us, heartbeats;
	uint64_t at_us; /* when the answer came */
};

struct stub {
	struct stubs *all;
	struct conn *conn;
	enum info_role role;
	uint8_t is_welcome, is_ready, is_slow;
	/* a worker */
	uint32_t index, number;
	uint64_t memory_bytes, sent_bytes, received_bytes, heartbeat_us;
	uint64_t marker; /* number of its last change, told as the metric `held` */
	struct loop_timer *timer;
	/* a receiver */
	uint64_t epoch, asked_us;
	struct view *view;
	uint64_t *seen; /* by marker worker: the last change its view has shown */
};

/* When the changes of a worker were sent. */
struct marker_times {
	uint32_t number; /* of the worker */
	uint64_t last;
	uint64_t sent_us[INFO_SENT_RING]; /* by change modulo INFO_SENT_RING */
};

struct stubs {
	struct loop *loop;
	struct access access; /* of the scheduler */
	char incarnation[40];
	struct stub *stubs;
	size_t n, n_started, n_connecting, n_ready;
	uint64_t interval_us, change_percent; /* workers that change, percent a second */
	size_t n_views, n_slow;
	struct marker_times *markers;
	uint64_t random;
	uint64_t granted_us, snapshot_bytes, snapshot_raw_bytes;
	struct info_tally tally;
	/* what the control connection asked for */
	struct stub *control;
	struct info_stats stats;
	uint64_t stats_serial; /* answers so far */
	uint64_t identity_serial, identity_epoch, identity_bytes, identity_raw_bytes, identity_workers;
	struct view *identity_view;
	unsigned identity_kind;
};

/* counts: how many of each role.  Nothing is connected yet.  SC_NOMEM. */
sc_err stubs_new(struct stubs *s, const size_t counts[INFO_ROLES]);
void stubs_free(struct stubs *s); /* also what was only begun */

/* Begin to connect some more, so that only so many are on their way; again and again until all are ready. */
sc_err stubs_connect(struct stubs *s);

void stubs_ask_stats(struct stubs *s);
/* Everything, or what has changed since `epoch`. */
void stubs_ask_identity(struct stubs *s, uint64_t epoch);
void stubs_reset_tally(struct stubs *s);

/* ---- between info_stubs.c and info_receive.c ---- */

uint64_t stubs_random(struct stubs *s, uint64_t n);
void stub_subscribe(struct stub *p);
void stub_poll(struct stub *p);
sc_err stub_updated(struct stub *p, const struct msg_info_update *u);
void stubs_take_stats(struct stubs *s, const struct msg_stats_rows *m);

#endif
