/*
 * info_receive.c - receivers of cluster info: what they ask for, whether what comes has no gap, and how old it is.
 *
 * A sample of the subscribers keeps a real view; the others check that each update leads on from the last one.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bench/info.h"

#define SAMPLES_MAX 4000000u

void stubs_reset_tally(struct stubs *s)
{
	struct info_tally old = s->tally;

	memset(&s->tally, 0, sizeof(s->tally));
	s->tally.stale_us = old.stale_us;
	s->tally.cap_stale = old.cap_stale;
	s->tally.poll_us = old.poll_us;
	s->tally.cap_poll = old.cap_poll;
}

static void add_sample(uint64_t **v, size_t *n, size_t *cap, uint64_t us)
{
	void *p = *n < SAMPLES_MAX ? mem_grow(*v, cap, *n + 1, sizeof(**v)) : NULL;

	if (p == NULL)
		return;
	*v = p;
	(*v)[(*n)++] = us;
}

/* ---- asking ----------------------------------------------------------------------------------------------------- */

void stub_subscribe(struct stub *p)
{
	struct msg_info_subscribe m = {.request = 1, .interval_us = p->all->interval_us};

	m.pool = slice_of("");
	m.incarnation = slice_of("");
	conn_send(p->conn, MSG_info_subscribe, &m);
}

static void ask(struct stub *p, uint64_t epoch)
{
	struct msg_identity m = {.request = 1, .epoch = epoch};

	m.pool = slice_of("");
	m.incarnation = slice_of(p->all->incarnation);
	p->asked_us = clock_monotonic_us();
	conn_send(p->conn, MSG_identity, &m);
}

void stub_poll(struct stub *p)
{
	ask(p, p->epoch);
}

void stubs_ask_identity(struct stubs *s, uint64_t epoch)
{
	s->control->epoch = epoch;
	if (s->control->conn != NULL)
		ask(s->control, epoch);
}

void stubs_ask_stats(struct stubs *s)
{
	struct msg_stats m = {.request = 1};

	if (s->control->conn != NULL)
		conn_send(s->control->conn, MSG_stats, &m);
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

static void polled(struct stub *p, const struct msg_info_update *u)
{
	struct stubs *s = p->all;
	uint64_t now = clock_monotonic_us(), took_us = now - p->asked_us;

	s->tally.polls++;
	add_sample(&s->tally.poll_us, &s->tally.n_poll, &s->tally.cap_poll, took_us);
	if (u->kind == INFO_KIND_LATER) {
		s->tally.polls_put_off++;
		loop_timer_set(p->timer, u->granted_us);
		return;
	}
	if (u->kind == INFO_KIND_SNAPSHOT || u->kind == INFO_KIND_DELTA)
		p->epoch = u->to;
	loop_timer_set(p->timer, took_us < s->interval_us ? s->interval_us - took_us : 1);
}

/* The control connection's answer; asked again when it was put off. */
static sc_err identified(struct stub *p, const struct msg_info_update *u)
{
	struct stubs *s = p->all;
	uint64_t raw = u->raw_bytes != 0 ? u->raw_bytes : u->body.n;
	sc_err err = SC_OK;

	if (u->kind == INFO_KIND_LATER) {
		loop_timer_set(p->timer, u->granted_us);
		return SC_OK;
	}
	if (u->kind == INFO_KIND_SNAPSHOT || u->kind == INFO_KIND_DELTA)
		err = view_apply(s->identity_view, u->body, u->raw_bytes, u->kind == INFO_KIND_SNAPSHOT);
	s->identity_kind = (unsigned)u->kind;
	s->identity_epoch = u->to;
	s->identity_bytes = u->body.n;
	s->identity_raw_bytes = raw;
	s->identity_workers = view_n_workers(s->identity_view);
	s->identity_serial++;
	return err;
}

/* How old are the changes that this view shows for the first time? */
static void time_changes(struct stub *p)
{
	struct stubs *s = p->all;
	uint64_t now = clock_monotonic_us();

	for (uint32_t i = 0; i < INFO_MARKERS; i++) {
		const struct marker_times *t = &s->markers[i];
		const struct view_record *r = t->number != 0 ? view_worker(p->view, t->number) : NULL;
		uint64_t from = p->seen[i] + 1;

		if (r == NULL || r->held < from)
			continue;
		if (from + INFO_SENT_RING <= t->last)
			from = t->last - INFO_SENT_RING + 1;
		for (uint64_t k = from; k <= r->held && p->seen[i] != 0; k++)
			add_sample(&s->tally.stale_us, &s->tally.n_stale, &s->tally.cap_stale,
				   now - t->sent_us[k % INFO_SENT_RING]);
		p->seen[i] = r->held;
	}
}

static void check_order(struct stub *p, const struct msg_info_update *u)
{
	struct info_tally *t = &p->all->tally;

	switch (u->kind) {
	case INFO_KIND_SNAPSHOT:
		t->snapshots++;
		t->gaps += p->epoch != 0; /* nobody here goes away: the first is the only one */
		break;
	case INFO_KIND_DELTA:
		t->gaps += u->from != p->epoch || u->to <= u->from;
		t->deltas++;
		t->delta_bytes += u->body.n;
		t->delta_raw_bytes += u->raw_bytes != 0 ? u->raw_bytes : u->body.n;
		break;
	default:
		t->bookmarks++;
		t->gaps += u->to != p->epoch;
		break;
	}
}

sc_err stub_updated(struct stub *p, const struct msg_info_update *u)
{
	struct stubs *s = p->all;
	sc_err err = SC_OK;

	if (p->role == INFO_POLLER) {
		polled(p, u);
		return SC_OK;
	}
	if (p->role == INFO_CONTROL)
		return identified(p, u);
	s->tally.updates++;
	s->granted_us = u->granted_us;
	check_order(p, u);
	p->epoch = u->to;
	if (p->view != NULL && (u->kind == INFO_KIND_SNAPSHOT || u->kind == INFO_KIND_DELTA)) {
		err = view_apply(p->view, u->body, u->raw_bytes, u->kind == INFO_KIND_SNAPSHOT);
		if (err == SC_OK)
			err = view_publish(p->view, s->incarnation, u->to);
		time_changes(p);
	}
	if (p->is_slow)
		conn_pause(p->conn, 1); /* and never again */
	return err;
}

void stubs_take_stats(struct stubs *s, const struct msg_stats_rows *m)
{
	const struct {
		const char *name;
		uint64_t *to;
	} wanted[] = {
		{"sched_info_snapshots_encoded_total", &s->stats.snapshots_encoded},
		{"sched_info_deltas_encoded_total", &s->stats.deltas_encoded},
		{"sched_info_hosts_parsed_total", &s->stats.hosts_parsed},
		{"sched_info_worker_client_pushes_total", &s->stats.worker_client_pushes},
		{"sched_heartbeat_interval_ms", &s->stats.heartbeat_ms},
		{"sched_info_skipped_total", &s->stats.skipped},
		{"sched_info_epochs_total", &s->stats.epochs},
		{"sched_info_pushes_total", &s->stats.pushes},
		{"sched_info_cpu_us_total", &s->stats.info_cpu_us},
		{"sched_heartbeat_cpu_us_total", &s->stats.heartbeat_cpu_us},
		{"sched_heartbeats_total", &s->stats.heartbeats},
	};
	struct column_reader r;

	column_read(&r, &m->value);
	for (size_t i = 0; i < m->name.n; i++) {
		uint64_t value = column_next(&r);

		for (size_t k = 0; k < sizeof(wanted) / sizeof(wanted[0]); k++)
			if (slice_is(m->name.v[i], wanted[k].name))
				*wanted[k].to = value;
	}
	s->stats.at_us = clock_monotonic_us();
	s->stats_serial++;
}
