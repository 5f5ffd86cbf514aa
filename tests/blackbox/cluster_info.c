/* cluster_info.c - what a real scheduler tells of the cluster, one message at a time. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "client/view.h"
#include "net/handshake.h"
#include "tests/support/cluster.h"
#include "tests/support/raw.h"

static struct cluster *c;
static struct raw *r;
static struct view *view;
static char incarnation[64];

static struct raw *join(void)
{
	char *secret = cluster_secret(c, "client-secret");
	struct raw *peer = raw_connect(c->address);

	raw_hello(peer, ROLE_CLIENT, secret);
	mem_free(secret);
	return peer;
}

static void start(void)
{
	static const char *const args[] = {"--set", "scheduler.heartbeat-interval=100ms", NULL};

	c = cluster_start(&(struct cluster_spec){.n_workers = 2, .slots = 2, .sched_args = args});
	r = join();
	cr_assert_eq(view_new(&view), SC_OK);
}

static void stop(void)
{
	raw_free(r);
	view_free(view);
	cluster_stop(c);
}

TestSuite(cluster_info, .init = start, .fini = stop);

static void subscribe(uint64_t request, uint64_t interval_us, const char *of, uint64_t epoch)
{
	struct msg_info_subscribe m = {.request = request, .interval_us = interval_us, .epoch = epoch};

	m.pool = slice_of("");
	m.incarnation = slice_of(of);
	raw_send(r, MSG_info_subscribe, &m);
}

/* The next update, applied to the view. */
static struct msg_info_update update(uint64_t request)
{
	const struct msg *m = raw_expect(r, MSG_info_update);
	struct msg_info_update u = m->u.info_update;

	cr_assert_eq(u.request, request);
	snprintf(incarnation, sizeof(incarnation), "%.*s", (int)u.incarnation.n, u.incarnation.p);
	if (u.kind == INFO_KIND_SNAPSHOT || u.kind == INFO_KIND_DELTA)
		cr_assert_eq(view_apply(view, u.body, u.raw_bytes, u.kind == INFO_KIND_SNAPSHOT), SC_OK);
	return u;
}

/* Whether the view has a worker of this name, with this status. */
static int shows(const char *name, unsigned status)
{
	for (uint32_t i = 1; i < 16; i++) {
		const struct view_record *w = view_worker(view, i);

		if (w != NULL && w->identity != NULL && strcmp(w->identity->name, name) == 0)
			return w->identity->status == status;
	}
	return 0;
}

Test(cluster_info, a_snapshot_then_deltas)
{
	struct msg_info_update u;
	uint64_t epoch;

	subscribe(7, 100000, "", 0);
	u = update(7);
	cr_assert_eq(u.kind, INFO_KIND_SNAPSHOT);
	cr_assert_eq(u.granted_us, 100000);
	cr_assert(shows("w1", WORKER_ACTIVE) && shows("w2", WORKER_ACTIVE));
	cr_assert_eq(view_totals(view)->workers, 2);
	cr_assert_eq(view_totals(view)->slots, 40000);
	epoch = u.to;
	mem_free(cluster_ctl_ok(c, "worker", "drain", "w2", NULL));
	while (!shows("w2", WORKER_DRAINING)) {
		u = update(7);
		cr_assert_eq(u.kind, INFO_KIND_DELTA);
		cr_assert_eq(u.from, epoch, "no gap");
		epoch = u.to;
	}
	cluster_worker_kill(c, 0);
	while (view_n_workers(view) == 2) {
		u = update(7);
		cr_assert_eq(u.kind, INFO_KIND_DELTA);
	}
	cr_assert_not(shows("w1", WORKER_ACTIVE));
}

Test(cluster_info, who_comes_back_is_told_what_changed_meanwhile)
{
	struct msg_info_update u;

	subscribe(1, 100000, "", 0);
	u = update(1);
	raw_free(r);
	r = join();
	mem_free(cluster_ctl_ok(c, "worker", "drain", "w1", NULL));
	subscribe(2, 100000, incarnation, u.to);
	do {
		u = update(2);
		cr_assert_neq(u.kind, INFO_KIND_SNAPSHOT);
	} while (!shows("w1", WORKER_DRAINING));
}

Test(cluster_info, another_incarnation_or_the_future_get_everything)
{
	subscribe(1, 100000, "0123456789abcdef0123456789abcdef", 1);
	cr_assert_eq(update(1).kind, INFO_KIND_SNAPSHOT);
	subscribe(2, 100000, incarnation, 1u << 30);
	cr_assert_eq(update(2).kind, INFO_KIND_SNAPSHOT);
}

Test(cluster_info, a_second_subscription_replaces_the_first)
{
	struct msg_info_unsubscribe stop_it = {.request = 9};

	subscribe(1, 100000, "", 0);
	update(1);
	subscribe(2, 100000, "", 0);
	for (int i = 0; i < 3; i++) { /* what does not change is not told */
		mem_free(cluster_ctl_ok(c, "worker", "drain", "w1", i % 2 == 1 ? "--undo" : NULL, NULL));
		update(2);
	}
	raw_send(r, MSG_info_unsubscribe, &stop_it);
	cr_assert_eq(raw_expect(r, MSG_ok)->u.ok.count, 1);
	raw_send(r, MSG_info_unsubscribe, &stop_it);
	cr_assert_eq(raw_expect(r, MSG_ok)->u.ok.count, 0);
}

Test(cluster_info, an_interval_too_short_is_refused)
{
	subscribe(3, 0, "", 0);
	cr_assert_eq(raw_expect(r, MSG_error)->u.error.code, SC_INVALID);
	subscribe(4, 2000000, "", 0); /* the connection lives */
	cr_assert_eq(update(4).granted_us, 2000000);
}

/* Nobody listens for its number any more. */
Test(cluster_info, a_refused_subscription_ends_the_one_there_was)
{
	static char text[1002] = "k=";
	struct slice label = {text, 1001};
	struct msg_info_subscribe long_label = {.request = 3, .interval_us = 100000, .labels = {&label, 1}};
	struct msg_identity question = {.request = 4, .labels = {&label, 1}};
	struct msg_info_unsubscribe stop_it = {.request = 9};

	memset(text + 2, 'x', 999);
	subscribe(1, 100000, "", 0);
	update(1);
	subscribe(2, 99999, "", 0);
	cr_assert_eq(raw_expect(r, MSG_error)->u.error.code, SC_INVALID);
	raw_send(r, MSG_info_unsubscribe, &stop_it);
	cr_assert_eq(raw_expect(r, MSG_ok)->u.ok.count, 0);
	subscribe(1, 100000, "", 0);
	update(1);
	raw_send(r, MSG_info_subscribe, &long_label);
	cr_assert_eq(raw_expect(r, MSG_error)->u.error.code, SC_INVALID);
	raw_send(r, MSG_info_unsubscribe, &stop_it);
	cr_assert_eq(raw_expect(r, MSG_ok)->u.ok.count, 0);
	raw_send(r, MSG_identity, &question);
	cr_assert_eq(raw_expect(r, MSG_error)->u.error.code, SC_INVALID);
}

Test(cluster_info, a_filter_that_names_nothing_shows_nothing)
{
	struct msg_info_subscribe m = {.request = 5, .interval_us = 100000};
	struct msg_info_update u;

	m.pool = slice_of("no-such-pool");
	m.incarnation = slice_of("");
	raw_send(r, MSG_info_subscribe, &m);
	u = update(5);
	cr_assert_eq(u.kind, INFO_KIND_SNAPSHOT);
	cr_assert_eq(view_n_workers(view), 0);
	cr_assert_eq(view_totals(view)->workers, 0);
}

Test(cluster_info, questions_in_a_tight_loop_are_put_off)
{
	struct msg_identity m = {.request = 1};
	unsigned answered = 0, put_off = 0;

	m.pool = slice_of("");
	m.incarnation = slice_of("");
	for (int i = 0; i < 100; i++) {
		const struct msg *a;

		raw_send(r, MSG_identity, &m);
		a = raw_expect(r, MSG_info_update);
		if (a->u.info_update.kind == INFO_KIND_LATER) {
			put_off++;
			cr_assert_gt(a->u.info_update.granted_us, 0);
		} else {
			answered++;
		}
	}
	cr_assert_gt(put_off, 50);
	cr_assert_gt(answered, 0);
}

Test(cluster_info, what_it_costs_can_be_asked)
{
	struct msg_stats m = {.request = 1};
	const struct msg_stats_rows *rows;
	int seen = 0;

	subscribe(1, 100000, "", 0);
	update(1);
	raw_send(r, MSG_stats, &m);
	rows = &raw_expect(r, MSG_stats_rows)->u.stats_rows;
	cr_assert_eq(rows->name.n, rows->value.count);
	cr_assert_eq(rows->kind.n, rows->kind_count.count);
	for (size_t i = 0; i < rows->kind.n; i++)
		seen |= slice_is(rows->kind.v[i], "info_subscribe");
	cr_assert(seen);
	cr_assert_gt(rows->client.n, 0);
}

static uint64_t turns_told(void)
{
	const struct msg_stats_rows *rows = &raw_expect(r, MSG_stats_rows)->u.stats_rows;
	struct column_reader value;

	column_read(&value, &rows->value);
	for (size_t i = 0; i < rows->name.n; i++) {
		uint64_t n = column_next(&value);

		if (slice_is(rows->name.v[i], "sched_turns_total"))
			return n;
	}
	cr_assert_fail("sched_turns_total is not told");
	return 0; /* which the compiler does not know to be out of reach */
}

/* An answer is as much work as a hundred small messages, so a turn has a hundred of them at most. */
Test(cluster_info, who_asks_what_it_costs_without_end_leaves_turns_to_others)
{
	struct buf many;
	uint64_t first, last = 0;

	buf_init(&many, 0);
	for (uint64_t i = 0; i < 500; i++)
		msg_encode(&many, MSG_stats, &(struct msg_stats){.request = i}, NULL);
	cr_assert(raw_send_frame(r, many.data, many.len));
	buf_fini(&many);
	first = turns_told();
	for (int i = 1; i < 500; i++)
		last = turns_told();
	cr_assert_geq(last - first, 4);
}
