/*
 * info.c - what it costs to tell many clients what the cluster looks like.
 *
 * A real scheduler in a process of its own; workers, subscribers and pollers are stubs in this one.  When all have
 * connected, and the intervals granted have had time to settle, the scheduler is watched for so many seconds: its
 * processor time, its counters from `stats`, and what arrives here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bench/bench.h"
#include "bench/info.h"

#define TICK_US	      (50u * US_PER_MS)
#define CONNECT_US    (120 * (uint64_t)US_PER_S)
#define ANSWER_US     (10 * (uint64_t)US_PER_S)
#define BYTES_PER_MIB (1024.0 * 1024.0)

enum phase { CONNECTING, SETTLING, ASKED_BEFORE, MEASURING, ASKED_AFTER, FINISHED, FAILED };

struct run {
	const struct scenario *scenario;
	struct bench_cluster cluster;
	struct stubs stubs;
	struct loop_timer *timer;
	enum phase phase;
	uint64_t since_us; /* of the phase */
	uint64_t cpu_us, began_us, measured_us, first_epoch;
	uint64_t rss_before_bytes;
	struct info_stats before;
	struct info_tally tally;
	uint64_t snapshot_bytes, snapshot_raw_bytes;
};

static void enter(struct run *r, enum phase p)
{
	r->phase = p;
	r->since_us = clock_monotonic_us();
}

static void fail(struct run *r, const char *what)
{
	fprintf(stderr, "sched-bench: %s (%zu of %zu peers are ready)\n", what, r->stubs.n_ready, r->stubs.n);
	enter(r, FAILED);
}

/* Ask for the counters and for everything there is; the answer opens or ends the measured time. */
static void ask(struct run *r, enum phase next, uint64_t epoch)
{
	r->stubs.stats_serial = r->stubs.identity_serial = 0;
	stubs_ask_stats(&r->stubs);
	stubs_ask_identity(&r->stubs, epoch);
	enter(r, next);
}

static int is_answered(const struct run *r)
{
	return r->stubs.stats_serial > 0 && r->stubs.identity_serial > 0;
}

static void begin_measuring(struct run *r)
{
	r->snapshot_bytes = r->stubs.identity_bytes;
	r->snapshot_raw_bytes = r->stubs.identity_raw_bytes;
	r->first_epoch = r->stubs.identity_epoch;
	r->before = r->stubs.stats;
	r->rss_before_bytes = process_rss_bytes(r->cluster.sched);
	stubs_reset_tally(&r->stubs);
	r->cpu_us = process_cpu_us(r->cluster.sched);
	r->began_us = clock_monotonic_us();
	enter(r, MEASURING);
}

static void end_measuring(struct run *r)
{
	r->cpu_us = process_cpu_us(r->cluster.sched) - r->cpu_us;
	r->measured_us = clock_monotonic_us() - r->began_us;
	r->tally = r->stubs.tally;
	ask(r, ASKED_AFTER, r->first_epoch);
}

static void on_tick(void *arg)
{
	struct run *r = arg;
	uint64_t in_phase_us = clock_monotonic_us() - r->since_us;

	switch (r->phase) {
	case CONNECTING:
		if (r->stubs.n_ready == r->stubs.n)
			enter(r, SETTLING);
		else if (stubs_connect(&r->stubs) != SC_OK || r->stubs.tally.disconnected > 0)
			fail(r, "cannot connect");
		else if (in_phase_us > CONNECT_US)
			fail(r, "connecting takes too long");
		break;
	case SETTLING:
		if (in_phase_us >= param(r->scenario, "settle") * US_PER_S)
			ask(r, ASKED_BEFORE, 0);
		break;
	case ASKED_BEFORE:
		if (is_answered(r))
			begin_measuring(r);
		break;
	case MEASURING:
		if (in_phase_us >= param(r->scenario, "seconds") * US_PER_S)
			end_measuring(r);
		break;
	case ASKED_AFTER:
		if (is_answered(r))
			enter(r, FINISHED);
		break;
	default:
		break;
	}
	if ((r->phase == ASKED_BEFORE || r->phase == ASKED_AFTER) && clock_monotonic_us() - r->since_us > ANSWER_US)
		fail(r, "the scheduler does not answer");
	if (r->phase >= FINISHED)
		loop_stop(r->stubs.loop);
	else
		loop_timer_set(r->timer, r->phase == CONNECTING ? TICK_US / 25 : TICK_US);
}

/* ---- results ---------------------------------------------------------------------------------------------------- */

static void emit_times(const struct scenario *s, const char *p50, const char *p99, uint64_t *v, size_t n)
{
	sort_u64(v, n);
	emit(s, p50, quantile(v, n, 0.50) / 1e3, "ms");
	emit(s, p99, quantile(v, n, 0.99) / 1e3, "ms");
}

static void emit_received(const struct run *r)
{
	const struct scenario *s = r->scenario;
	const struct info_tally *t = &r->tally;
	double seconds = (double)r->measured_us / US_PER_S;

	emit(s, "updates_per_s", (double)t->updates / seconds, "1/s");
	emit(s, "delta_bytes_mean", t->deltas == 0 ? 0 : (double)t->delta_bytes / (double)t->deltas, "B");
	emit(s, "delta_raw_bytes_mean", t->deltas == 0 ? 0 : (double)t->delta_raw_bytes / (double)t->deltas, "B");
	if (t->n_stale > 0)
		emit_times(s, "staleness_p50_ms", "staleness_p99_ms", t->stale_us, t->n_stale);
	emit(s, "interval_granted_ms", (double)r->stubs.granted_us / 1e3, "ms");
	emit(s, "changes_per_s", (double)t->changes / seconds, "1/s");
	emit(s, "gaps", (double)t->gaps, "1");
	emit(s, "disconnected", (double)t->disconnected, "1");
	if (t->n_poll > 0) {
		emit(s, "polls_per_s", (double)t->polls / seconds, "1/s");
		emit_times(s, "poll_p50_ms", "poll_p99_ms", t->poll_us, t->n_poll);
		emit(s, "polls_put_off", (double)t->polls_put_off, "1");
	}
}

static double rate(uint64_t before, uint64_t after, const struct info_stats *a, const struct info_stats *b)
{
	return (double)(after - before) * US_PER_S / (double)(b->at_us - a->at_us);
}

/* Of one core, between two answers to `stats`. */
static double share_percent(uint64_t before_us, uint64_t after_us, const struct info_stats *a,
			    const struct info_stats *b)
{
	return 100.0 * rate(before_us, after_us, a, b) / US_PER_S;
}

static void emit_all(const struct run *r)
{
	const struct scenario *s = r->scenario;
	const struct info_stats *a = &r->before, *b = &r->stubs.stats;
	double cpu = (double)r->cpu_us, updates = (double)(r->tally.updates + r->tally.polls);

	emit(s, "scheduler_cpu_percent", 100.0 * cpu / (double)r->measured_us, "%");
	emit(s, "info_cpu_percent", share_percent(a->info_cpu_us, b->info_cpu_us, a, b), "%");
	emit(s, "heartbeat_cpu_percent", share_percent(a->heartbeat_cpu_us, b->heartbeat_cpu_us, a, b), "%");
	emit(s, "heartbeats_per_s", rate(a->heartbeats, b->heartbeats, a, b), "1/s");
	emit(s, "info_cpu_us_per_update",
	     b->pushes == a->pushes ? 0 : (double)(b->info_cpu_us - a->info_cpu_us) / (double)(b->pushes - a->pushes),
	     "us");
	emit(s, "cpu_us_per_update", updates == 0 ? 0 : cpu / updates, "us");
	emit(s, "rss_mib", (double)process_rss_bytes(r->cluster.sched) / BYTES_PER_MIB, "MiB");
	emit(s, "rss_before_mib", (double)r->rss_before_bytes / BYTES_PER_MIB, "MiB");
	emit(s, "snapshot_bytes", (double)r->snapshot_bytes, "B");
	emit(s, "snapshot_raw_bytes", (double)r->snapshot_raw_bytes, "B");
	if (r->stubs.identity_kind ==
	    INFO_KIND_DELTA) { /* in the middle of an epoch a snapshot may be at hand instead */
		emit(s, "delta_bytes_all_changed", (double)r->stubs.identity_bytes, "B");
		emit(s, "delta_raw_bytes_all_changed", (double)r->stubs.identity_raw_bytes, "B");
	}
	emit_received(r);
	emit(s, "snapshots_encoded", (double)(b->snapshots_encoded - a->snapshots_encoded), "1");
	emit(s, "deltas_encoded", (double)(b->deltas_encoded - a->deltas_encoded), "1");
	emit(s, "host_parses", (double)(b->hosts_parsed - a->hosts_parsed), "1");
	emit(s, "worker_client_pushes", (double)b->worker_client_pushes, "1");
	emit(s, "skipped", (double)(b->skipped - a->skipped), "1");
	emit(s, "heartbeat_ms", (double)b->heartbeat_ms, "ms");
}

/* ---- start and end ---------------------------------------------------------------------------------------------- */

/* Connections of each role, fewer of all when there are not descriptors for that many. */
static void fit(struct scenario *s, size_t counts[INFO_ROLES])
{
	static const char *const names[INFO_CONTROL] = {"workers", "subscribers", "worker-clients", "polls"};
	uint64_t total = 0, allowed = descriptors_raise(), room;

	room = allowed > DESCRIPTORS_SPARE ? allowed - DESCRIPTORS_SPARE : 1;
	for (size_t i = 0; i < INFO_CONTROL; i++)
		total += param(s, names[i]);
	for (size_t i = 0; i < INFO_CONTROL; i++) {
		for (struct param *p = s->params; p->name != NULL; p++) {
			if (strcmp(p->name, names[i]) != 0)
				continue;
			if (total > room)
				p->value = p->value * room / total;
			counts[i] = p->value;
		}
	}
	if (total > room)
		fprintf(stderr, "sched-bench: %llu descriptors are allowed: fewer peers of each kind, see params\n",
			(unsigned long long)allowed);
	counts[INFO_CONTROL] = 1;
}

static int prepare(struct run *r, const size_t counts[INFO_ROLES])
{
	struct buf error;
	sc_err err;

	buf_init(&error, 0);
	err = access_read(r->cluster.access_file, &r->stubs.access, &error);
	if (err != SC_OK)
		fprintf(stderr, "sched-bench: %s\n", buf_str(&error));
	buf_fini(&error);
	r->stubs.interval_us = param(r->scenario, "interval") * US_PER_MS;
	r->stubs.change_percent = param(r->scenario, "change-rate");
	r->stubs.n_views = param(r->scenario, "views");
	r->stubs.n_slow = param(r->scenario, "slow");
	if (err == SC_OK)
		err = stubs_new(&r->stubs, counts);
	if (err == SC_OK)
		err = loop_timer_new(r->stubs.loop, on_tick, r, &r->timer);
	return err == SC_OK ? 0 : -1;
}

static int run(const struct scenario *s)
{
	struct run *r = mem_calloc(1, sizeof(*r));
	size_t counts[INFO_ROLES] = {0};
	int failed;

	if (r == NULL)
		return 1;
	r->scenario = s;
	fit(&scenario_info, counts);
	setenv("SCHED_CLIENT__SCHEDULER_INFO_INTERVAL", "off", 1); /* our own client is not to be counted */
	failed = bench_cluster_start(&r->cluster, 0, 1) != 0;
	if (!failed) {
		failed = prepare(r, counts) != 0;
		if (!failed) {
			enter(r, CONNECTING);
			loop_timer_set(r->timer, 0);
			loop_run(r->stubs.loop);
			failed = r->phase != FINISHED;
		}
		if (!failed)
			emit_all(r);
		loop_timer_free(r->timer);
		stubs_free(&r->stubs);
		bench_cluster_stop(&r->cluster);
	}
	mem_free(r);
	return failed;
}

struct scenario scenario_info = {
	"info",
	"telling subscribers what the cluster looks like: stub workers and clients against a real scheduler",
	run,
	{{"workers", 800, "stubs that register and send heartbeats", PARAM_COUNT, NULL},
	 {"subscribers", 800, "clients that are told of changes", PARAM_COUNT, NULL},
	 {"interval", 2000, "that they ask for", PARAM_DURATION, NULL},
	 {"seconds", 10, "measured", PARAM_COUNT, NULL},
	 {"settle", 5, "seconds before that, after all have connected", PARAM_COUNT, NULL},
	 {"change-rate", 100, "percent of the workers whose metrics change in a second, as heartbeats allow",
	  PARAM_COUNT, NULL},
	 {"worker-clients", 0, "clients from inside tasks, which do not subscribe", PARAM_COUNT, NULL},
	 {"slow", 0, "of the subscribers: they stop reading after the first update", PARAM_COUNT, NULL},
	 {"polls", 0, "clients that ask for everything every interval, instead of subscribing", PARAM_COUNT, NULL},
	 {"views", 50, "of the subscribers: they keep a real view, by which staleness is measured", PARAM_COUNT,
	  NULL}}};
