/* info_link.c - see info_link.h. */
#include "scheduler/info_link.h"

#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "scheduler/core/request.h"

#define IDENTITY_BURST	    10u /* questions a connection may ask at once */
#define JUDGE_US	    1000000u
#define HEARTBEAT_GUESS_US  12.0	 /* what one costs, until a turn with nothing else in it was measured */
#define FAR_US		    5000000u	 /* a newcomer that has to wait longer is told so */
#define KERNEL_BUFFER_BYTES (128 * 1024) /* to a subscriber; the kernel doubles it */

struct info_link {
	struct scheduler *scheduler;
	struct info_hub hub;
	struct loop_timer *timer;
	struct interval_governor heartbeats;
	uint64_t heartbeat_us; /* granted to the workers */
	uint64_t judged_us;
	uint64_t worker_client_pushes;
	uint64_t turn_heartbeats; /* in this turn */
	int turn_ticked;	  /* in this turn updates went out */
	struct info_link_spent spent;
	/* of the tick at hand; the first update of a newcomer costs the same at any interval */
	struct pushed {
		uint64_t n, us, bytes;
	} firsts, updates;
};

static uint64_t thread_cpu_us(void)
{
	return clock_us(CLOCK_THREAD_CPUTIME_ID);
}

/* ---- updates go out --------------------------------------------------------------------------------------------- */

static void release_encoding(void *arg)
{
	info_encoding_unref(arg);
}

/* x: NULL when there is no body; then the version is that of `to`. */
static sc_err send_update(struct info_link *l, struct client_peer *p, uint64_t request, unsigned kind,
			  uint64_t granted_us, struct info_encoding *x, uint64_t to)
{
	struct msg_info_update m = {.request = request, .kind = kind, .granted_us = granted_us};
	sc_err err;

	m.incarnation = slice_of(l->scheduler->access.incarnation);
	m.to = to;
	if (x == NULL)
		return conn_send(p->conn, MSG_info_update, &m);
	m.from = x->key.from;
	m.to = x->to;
	m.raw_bytes = x->raw_bytes;
	info_encoding_ref(x);
	err = conn_send_shared(p->conn, MSG_info_update, &m, x->bytes, x->n_bytes, release_encoding, x);
	if (err != SC_OK)
		info_encoding_unref(x);
	return err;
}

/* An answer to `identity` without a body. */
static sc_err send_word(struct info_link *l, struct client_peer *p, uint64_t request, unsigned kind, uint64_t wait_us)
{
	return send_update(l, p, request, kind, wait_us, NULL, l->hub.cluster.epoch);
}

static sc_err push(void *arg, struct info_subscriber *sub, unsigned kind, struct info_encoding *x)
{
	struct info_link *l = arg;
	struct client_peer *p = sub->owner;
	uint64_t before = thread_cpu_us();
	struct pushed *sum = sub->is_first ? &l->firsts : &l->updates;
	sc_err err = send_update(l, p, p->info_request, kind, sub->granted_us, x, sub->epoch);

	if (err != SC_OK)
		return err;
	conn_flush(p->conn); /* now, so that it is counted */
	if (p->is_worker_client)
		l->worker_client_pushes++;
	if (x == NULL) /* cheaper, and no more frequent than updates would be */
		return SC_OK;
	sum->n++;
	sum->us += thread_cpu_us() - before;
	sum->bytes += x->n_bytes;
	return SC_OK;
}

/* A connection that closes hears nothing more; another is told why, and may ask again. */
static void ended(void *arg, struct info_subscriber *sub, sc_err err)
{
	struct client_peer *p = sub->owner;

	(void)arg;
	if (err == SC_CLOSED)
		return;
	log_warn("info", "subscription-ended", "peer=%s error=%s", conn_peer(p->conn), sc_err_name(err));
	conn_send_error(p->conn, p->info_request, err, "the subscription to cluster info has ended: %s%s",
			sc_err_text(err), err == SC_TOO_BIG ? "; accept larger frames, or ask for less" : "");
}

static int is_taken(void *arg, struct info_subscriber *sub)
{
	const struct client_peer *p = sub->owner;

	(void)arg;
	return conn_output_bytes(p->conn) == 0;
}

static void arm(struct info_link *l)
{
	uint64_t due = info_hub_due_us(&l->hub), now = loop_now_us(l->scheduler->loop);

	if (due == UINT64_MAX)
		loop_timer_clear(l->timer);
	else
		loop_timer_set(l->timer, due > now ? due - now : 0);
}

static void on_timer(void *arg)
{
	struct info_link *l = arg;
	struct info_outlet out = {push, ended, is_taken, l};
	uint64_t now = loop_now_us(l->scheduler->loop), before = thread_cpu_us();

	l->turn_ticked = 1;
	l->firsts = l->updates = (struct pushed){0};
	info_hub_tick(&l->hub, now, &out);
	info_hub_spent_first(&l->hub, l->firsts.n, (double)l->firsts.us, (double)l->firsts.bytes);
	info_hub_spent(&l->hub, l->updates.n, (double)l->updates.us, (double)l->updates.bytes, now);
	arm(l);
	l->spent.info_us += thread_cpu_us() - before;
}

/* ---- workers ---------------------------------------------------------------------------------------------------- */

sc_err info_link_joined(struct info_link *l, const struct worker *w, struct slice host)
{
	struct info_identity id = {
		.name = slice_of(w->name),
		.pool = slice_of(w->pool),
		.address = slice_of(w->address),
		.resources = slice_of(w->resources_text),
		.pid = w->pid,
		.slots = w->capacity[0],
		.memory_limit_bytes = w->memory_limit_bytes,
		.status = w->status,
		.namespace = slice_of(w->namespace != NULL ? w->namespace->name : ""),
		.host = host,
	};
	struct buf labels;
	sc_err err;

	buf_init(&labels, 0);
	for (size_t i = 0; i < w->n_labels; i++)
		buf_printf(&labels, "%s%s", i > 0 ? "," : "", w->labels[i].p);
	id.labels = slice_of(buf_str(&labels));
	err = info_join(&l->hub.cluster, w->number, &id);
	buf_fini(&labels);
	arm(l);
	return err;
}

const char *info_link_host(const struct info_link *l, uint32_t worker)
{
	const struct info_record *r = info_find(&l->hub.cluster, worker);

	return r != NULL ? r->host->name : "";
}

void info_link_left(struct info_link *l, uint32_t worker)
{
	info_leave(&l->hub.cluster, worker);
	arm(l);
}

void info_link_status(struct info_link *l, uint32_t worker, unsigned status)
{
	info_set_status(&l->hub.cluster, worker, status);
	arm(l);
}

/* The interval granted to workers follows from what their heartbeats cost. */
static void judge_heartbeats(struct info_link *l, uint64_t now)
{
	struct msg_heartbeat_granted m;
	struct worker_peer *p;
	uint64_t granted;

	if (now - l->judged_us < JUDGE_US)
		return;
	l->judged_us = now;
	interval_judge(&l->heartbeats, core_n_workers(l->scheduler->core), now);
	granted = interval_grant(&l->heartbeats, l->scheduler->options->scheduler_heartbeat_interval);
	if (granted > l->scheduler->options->scheduler_worker_timeout / 3) /* none may look lost because of it */
		granted = l->scheduler->options->scheduler_worker_timeout / 3;
	if (granted == l->heartbeat_us)
		return;
	l->heartbeat_us = granted;
	m.heartbeat_ms = granted / US_PER_MS;
	log_info("info", "heartbeat-interval", "ms=%llu", (unsigned long long)m.heartbeat_ms);
	TAILQ_FOREACH (p, &l->scheduler->workers, link) {
		if (p->number != 0)
			conn_send(p->conn, MSG_heartbeat_granted, &m);
	}
}

/* us is not 0.  Counters that go back began anew. */
static uint64_t rate(uint64_t now_bytes, uint64_t before_bytes, uint64_t us)
{
	double rate = now_bytes < before_bytes ? 0.0 : (double)(now_bytes - before_bytes) / (double)us * US_PER_S;

	return rate < (double)INFO_VALUE_MAX ? (uint64_t)rate : INFO_VALUE_MAX;
}

/* Two heartbeats in one turn have no time between them: the second is counted with the next. */
static void measure_rates(struct worker_peer *p, const struct msg_heartbeat *m, uint64_t now)
{
	if (now == p->heartbeat_us)
		return;
	if (p->heartbeat_us != 0) {
		p->sent_bytes_s = rate(m->sent_bytes, p->sent_bytes, now - p->heartbeat_us);
		p->received_bytes_s = rate(m->received_bytes, p->received_bytes, now - p->heartbeat_us);
	}
	p->heartbeat_us = now;
	p->sent_bytes = m->sent_bytes;
	p->received_bytes = m->received_bytes;
}

void info_link_heartbeat(struct info_link *l, struct worker_peer *p, const struct msg_heartbeat *m)
{
	uint64_t now = loop_now_us(l->scheduler->loop);
	struct info_metrics metrics = {
		.cpu_percent = m->cpu_percent,
		.memory_bytes = m->memory_bytes,
		.spilled_bytes = m->spilled_bytes,
		.running = m->running,
		.queued = m->queued,
		.held = m->held,
	};

	measure_rates(p, m, now);
	metrics.sent_bytes_s = p->sent_bytes_s;
	metrics.received_bytes_s = p->received_bytes_s;
	l->turn_heartbeats++;
	if (info_set_metrics(&l->hub.cluster, p->number, &metrics) && !loop_timer_is_set(l->timer))
		arm(l);
	judge_heartbeats(l, now);
}

void info_link_turn(struct info_link *l, uint64_t cpu_us, int was_shared)
{
	l->spent.turns_us += cpu_us;
	l->spent.heartbeats += l->turn_heartbeats;
	if (l->turn_heartbeats > 0 && !was_shared && !l->turn_ticked) {
		interval_spent(&l->heartbeats, l->turn_heartbeats, (double)cpu_us, 0.0);
		l->spent.heartbeats_us += (double)cpu_us;
	} else {
		l->spent.heartbeats_us += (double)l->turn_heartbeats * l->heartbeats.cost_us;
	}
	l->turn_heartbeats = 0;
	l->turn_ticked = 0;
}

/* ---- clients ---------------------------------------------------------------------------------------------------- */

/* The epoch a receiver has; 0 when its version is not of this scheduler. */
static uint64_t epoch_of(const struct info_link *l, struct slice incarnation, uint64_t epoch)
{
	return slice_is(incarnation, l->scheduler->access.incarnation) ? epoch : 0;
}

/* NULL in *f: no filter was asked for. */
static sc_err take_filter(struct info_link *l, struct slice namespace, struct slice pool, struct slices labels,
			  struct info_filter **f)
{
	*f = NULL;
	if (namespace.n == 0 && pool.n == 0 && labels.n == 0)
		return SC_OK;
	return info_filter_take(&l->hub.encoder, namespace, pool, labels, f);
}

static void refuse_filter(struct client_peer *p, uint64_t request, sc_err err)
{
	if (err == SC_INVALID)
		conn_send_error(p->conn, request, err, "%u labels of at most %u bytes each can be asked for",
				INFO_LABELS_MAX, INFO_LABEL_BYTES);
	else
		conn_send_error(p->conn, request, err, "%s",
				err == SC_LIMIT ? "too many different filters are in use: ask for one that others use, "
						  "for everything, or again later"
						: sc_err_text(err));
}

/* The client has been told what failed. */
static sc_err subscribe(struct info_link *l, struct client_peer *p, const struct msg_info_subscribe *m)
{
	uint64_t now = loop_now_us(l->scheduler->loop);
	struct info_filter *f;
	sc_err err;

	if (m->interval_us < INTERVAL_MIN_US) {
		conn_send_error(p->conn, m->request, SC_INVALID, "an interval of %llu us: 100 ms is the shortest",
				(unsigned long long)m->interval_us);
		return SC_INVALID;
	}
	err = take_filter(l, m->namespace, m->pool, m->labels, &f);
	if (err != SC_OK) {
		refuse_filter(p, m->request, err);
		return err;
	}
	p->subscription.owner = p;
	err = info_subscribe(&l->hub, &p->subscription, m->interval_us,
			     m->sections == 0 ? INFO_ALL : (uint32_t)m->sections, f,
			     epoch_of(l, m->incarnation, m->epoch), now);
	if (err != SC_OK) {
		info_filter_drop(&l->hub.encoder, f);
		conn_send_error(p->conn, m->request, err, "%s", sc_err_text(err));
		return err;
	}
	p->info_request = m->request;
	if (p->subscription.is_first && p->subscription.due_us > now + FAR_US)
		send_update(l, p, m->request, INFO_KIND_LATER, p->subscription.due_us - now, NULL, 0);
	conn_limit_kernel_buffer(p->conn, KERNEL_BUFFER_BYTES);
	arm(l);
	return SC_OK;
}

sc_err info_link_subscribe(struct info_link *l, struct client_peer *p, const struct msg_info_subscribe *m)
{
	/* Not what was asked for, then nothing: nobody listens for the number of the request before. */
	if (subscribe(l, p, m) != SC_OK)
		info_link_unsubscribe(l, p);
	return SC_OK;
}

int info_link_unsubscribe(struct info_link *l, struct client_peer *p)
{
	int was = p->subscription.is_subscribed;

	info_unsubscribe(&l->hub, &p->subscription);
	arm(l);
	return was;
}

/* A token bucket: `rate` questions a second, IDENTITY_BURST at once.  Not 0: ask again after that many microseconds. */
static uint64_t take_token(struct client_peer *p, uint64_t rate_s, uint64_t now)
{
	uint64_t every = US_PER_S / rate_s, full = every * IDENTITY_BURST, earliest = now > full ? now - full : 0;

	if (p->identity_us < earliest)
		p->identity_us = earliest;
	if (p->identity_us + every > now)
		return p->identity_us + every - now;
	p->identity_us += every;
	return 0;
}

/* It was not answered, for no fault of its own. */
static void return_token(struct client_peer *p, uint64_t rate_s)
{
	p->identity_us -= US_PER_S / rate_s;
}

sc_err info_link_identity(struct info_link *l, struct client_peer *p, const struct msg_identity *m)
{
	uint64_t now = loop_now_us(l->scheduler->loop), wait_us;
	uint64_t have = epoch_of(l, m->incarnation, m->epoch);
	struct info_encoding *x = NULL;
	struct info_filter *f = NULL;
	sc_err err;

	wait_us = take_token(p, l->scheduler->options->info_identity_rate, now);
	if (wait_us > 0)
		return send_word(l, p, m->request, INFO_KIND_LATER, wait_us);
	err = take_filter(l, m->namespace, m->pool, m->labels, &f);
	if (err != SC_OK) {
		refuse_filter(p, m->request, err);
		return SC_OK;
	}
	err = info_identity(&l->hub, have, m->sections == 0 ? INFO_ALL : (uint32_t)m->sections, f, now, &x, &wait_us);
	if (err == SC_TIMEOUT) {
		return_token(p, l->scheduler->options->info_identity_rate);
		err = send_word(l, p, m->request, INFO_KIND_LATER, wait_us);
	} else if (err == SC_OK && x == NULL) {
		err = send_word(l, p, m->request, INFO_KIND_UNCHANGED, 0);
	} else if (err == SC_OK) {
		err = send_update(l, p, m->request, x->key.from == 0 ? INFO_KIND_SNAPSHOT : INFO_KIND_DELTA, 0, x, 0);
	}
	if (x != NULL)
		info_encoding_unref(x);
	info_filter_drop(&l->hub.encoder, f);
	if (err != SC_OK && err != SC_CLOSED)
		conn_send_error(p->conn, m->request, err, "%s", sc_err_text(err));
	return SC_OK;
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

sc_err info_link_new(struct scheduler *s, struct info_link **out)
{
	struct info_link *l = mem_calloc(1, sizeof(*l));
	const struct options *o = s->options;
	struct info_hub_options ho = {o->info_epoch_interval,
				      {(double)o->info_cpu_budget / 1e6, (double)o->info_bandwidth_budget},
				      o->info_horizon,
				      thread_cpu_us};

	if (l == NULL)
		return SC_NOMEM;
	l->scheduler = s;
	l->heartbeat_us = o->scheduler_heartbeat_interval;
	info_hub_init(&l->hub, &ho);
	interval_init(&l->heartbeats, &(struct interval_budget){(double)o->info_heartbeat_budget / 1e6, 0.0});
	l->heartbeats.cost_us = HEARTBEAT_GUESS_US;
	if (loop_timer_new(s->loop, on_timer, l, &l->timer) != SC_OK) {
		info_link_free(l);
		return SC_NOMEM;
	}
	*out = l;
	return SC_OK;
}

void info_link_free(struct info_link *l)
{
	if (l == NULL)
		return;
	loop_timer_free(l->timer);
	info_hub_fini(&l->hub);
	mem_free(l);
}

const struct info_hub *info_link_hub(const struct info_link *l)
{
	return &l->hub;
}

const struct info_link_spent *info_link_spent(const struct info_link *l)
{
	return &l->spent;
}

uint64_t info_link_worker_client_pushes(const struct info_link *l)
{
	return l->worker_client_pushes;
}

uint64_t info_link_heartbeat_ms(const struct info_link *l)
{
	return l->heartbeat_us / US_PER_MS;
}
