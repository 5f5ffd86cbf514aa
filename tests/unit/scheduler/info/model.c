/*
 * model.c - random workers, random changes, random subscribers (slow, absent, resuming, filtered), on virtual time.
 *
 * The model keeps the true state of every worker as it was at the end of the epoch.  After every step, each subscriber
 * that was told something is compared with it, field by field: what its view shows has to be the truth at the version
 * it was told, no more and no less.  At least a million steps.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/view.h"
#include "scheduler/info/subscribers.h"

#define WORKERS	    40u
#define SUBSCRIBERS 12u
#define STEPS	    1000000u
#define POOLS	    3u
#define NAMESPACES  3u

struct truth {
	int there;
	char name[16], pool[8], labels[32], namespace[8]; /* "": reserved for none */
	unsigned status;
	uint64_t cpu, memory_mib, running;
};

struct receiver {
	struct info_subscriber sub;
	struct view *view;
	int pool, namespace; /* what it wants to see, -1: any */
	int told, taken;
	uint64_t epoch; /* what it was told, as it knows */
	uint32_t sections;
};

struct model {
	struct info_hub hub;
	struct truth now[WORKERS], at_epoch[WORKERS];
	struct receiver receivers[SUBSCRIBERS];
	uint64_t random, now_us, serial, pushes, snapshots, deltas, checked;
};

static uint64_t draw(struct model *m)
{
	uint64_t z = (m->random += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint32_t roll(struct model *m, uint32_t n)
{
	return (uint32_t)(draw(m) % n);
}

/* ---- the world -------------------------------------------------------------------------------------------------- */

static void join(struct model *m, uint32_t w)
{
	struct truth *t = &m->now[w];
	struct info_identity id = {.pid = w, .slots = 10000};
	char address[64];

	snprintf(t->name, sizeof(t->name), "w%llu", (unsigned long long)++m->serial);
	snprintf(t->pool, sizeof(t->pool), "p%u", roll(m, POOLS));
	t->namespace[0] = '\0';
	if (roll(m, 2) == 0)
		snprintf(t->namespace, sizeof(t->namespace), "n%u", roll(m, NAMESPACES));
	snprintf(t->labels, sizeof(t->labels), "k=%u", roll(m, 3));
	snprintf(address, sizeof(address), "tcp://10.0.0.%u:%u", roll(m, 5), 1000 + w);
	t->there = 1;
	t->status = 0;
	t->cpu = t->memory_mib = t->running = 0;
	id.name = slice_of(t->name);
	id.pool = slice_of(t->pool);
	id.namespace = slice_of(t->namespace);
	id.labels = slice_of(t->labels);
	id.address = slice_of(address);
	id.resources = slice_of("cpus=1");
	cr_assert_eq(info_join(&m->hub.cluster, w + 1, &id), SC_OK);
}

static void change(struct model *m)
{
	uint32_t w = roll(m, WORKERS);
	struct truth *t = &m->now[w];
	struct info_metrics metrics = {0};

	if (!t->there) {
		if (roll(m, 4) == 0)
			join(m, w);
		return;
	}
	switch (roll(m, 20)) {
	case 0:
		info_leave(&m->hub.cluster, w + 1);
		t->there = 0;
		break;
	case 1:
		t->status = roll(m, 3);
		info_set_status(&m->hub.cluster, w + 1, t->status);
		break;
	default:
		t->cpu = roll(m, 5);
		t->memory_mib = roll(m, 1000);
		t->running = roll(m, 3);
		metrics.cpu_percent = t->cpu;
		metrics.memory_bytes = t->memory_mib * INFO_MIB + roll(m, INFO_MIB / 4); /* noise */
		metrics.running = t->running;
		info_set_metrics(&m->hub.cluster, w + 1, &metrics);
		break;
	}
}

/* ---- receivers -------------------------------------------------------------------------------------------------- */

static sc_err on_push(void *arg, struct info_subscriber *s, unsigned kind, struct info_encoding *x)
{
	struct model *m = arg;
	struct receiver *r = s->owner;
	struct slice body;

	r->told = 1;
	r->taken = 0;
	m->pushes++;
	if (kind == INFO_KIND_BOOKMARK) {
		cr_assert_eq(r->epoch, s->epoch, "a bookmark for a version it does not have");
		return SC_OK;
	}
	m->snapshots += kind == INFO_KIND_SNAPSHOT;
	m->deltas += kind == INFO_KIND_DELTA;
	if (kind == INFO_KIND_DELTA)
		cr_assert_eq(x->key.from, r->epoch, "a gap");
	body = (struct slice){(const char *)x->bytes, x->n_bytes};
	cr_assert_eq(view_apply(r->view, body, x->raw_bytes, kind == INFO_KIND_SNAPSHOT), SC_OK);
	r->epoch = x->to;
	return SC_OK;
}

static void on_ended(void *arg, struct info_subscriber *s, sc_err err)
{
	(void)arg;
	(void)s;
	cr_assert_fail("a subscription ended: %s", sc_err_name(err));
}

static int is_taken(void *arg, struct info_subscriber *s)
{
	(void)arg;
	return ((struct receiver *)s->owner)->taken;
}

static void subscribe(struct model *m, struct receiver *r)
{
	static const uint64_t asked[] = {100000, 150000, 500000, 2000000};
	struct info_filter *f = NULL;
	char pool[16] = "", namespace[16] = "";
	int by_pool = roll(m, 3) == 0 ? (int)roll(m, POOLS) : -1;
	int by_namespace = roll(m, 3) == 0 ? (int)roll(m, NAMESPACES + 1) : -1; /* the last one nobody has */

	/* A view that was filtered differently cannot be brought forward: it begins again. */
	if (by_pool != r->pool || by_namespace != r->namespace || r->epoch == 0) {
		r->epoch = 0;
		r->pool = by_pool;
		r->namespace = by_namespace;
	}
	if (r->pool >= 0)
		snprintf(pool, sizeof(pool), "p%d", r->pool);
	if (r->namespace >= 0)
		snprintf(namespace, sizeof(namespace), "n%d", r->namespace);
	if (r->pool >= 0 || r->namespace >= 0)
		cr_assert_eq(
			info_filter_take(&m->hub.encoder, slice_of(namespace), slice_of(pool), (struct slices){0}, &f),
			SC_OK);
	r->sub.owner = r;
	cr_assert_eq(info_subscribe(&m->hub, &r->sub, asked[roll(m, 4)], INFO_ALL, f, r->epoch, m->now_us), SC_OK);
}

static void receiver_step(struct model *m)
{
	struct receiver *r = &m->receivers[roll(m, SUBSCRIBERS)];

	switch (roll(m, 12)) {
	case 0: /* goes away, keeps what it has */
		info_unsubscribe(&m->hub, &r->sub);
		r->sub.in_flight = 0;
		break;
	case 1: /* comes (back), or asks for something else */
	case 2:
		subscribe(m, r);
		break;
	case 3: /* comes back from nowhere: another incarnation, garbage, the future */
		if (!r->sub.is_subscribed) {
			r->epoch = 0;
			subscribe(m, r);
		}
		break;
	default:
		r->taken = 1;
		break;
	}
}

/* ---- comparing -------------------------------------------------------------------------------------------------- */

static int visible(const struct receiver *r, const struct truth *t)
{
	char pool[16], namespace[16];

	snprintf(pool, sizeof(pool), "p%d", r->pool);
	snprintf(namespace, sizeof(namespace), "n%d", r->namespace);
	if (r->namespace >= 0 && t->namespace[0] != '\0' && strcmp(namespace, t->namespace) != 0)
		return 0;
	return t->there && (r->pool < 0 || strcmp(pool, t->pool) == 0);
}

static void compare(struct model *m, struct receiver *r)
{
	struct view_totals sum = {0};
	size_t n = 0;

	for (uint32_t w = 0; w < WORKERS; w++) {
		const struct truth *t = &m->at_epoch[w];
		const struct view_record *v = view_worker(r->view, w + 1);

		cr_assert_eq(v != NULL, visible(r, t), "worker %u", w);
		if (v == NULL)
			continue;
		n++;
		cr_assert_not_null(v->identity);
		cr_assert_str_eq(v->identity->name, t->name);
		cr_assert_str_eq(v->identity->pool, t->pool);
		cr_assert_str_eq(v->identity->namespace, t->namespace);
		cr_assert_eq(v->identity->status, t->status);
		cr_assert_eq(v->cpu_percent, t->cpu);
		cr_assert_eq(v->memory_mib, t->memory_mib);
		cr_assert_eq(v->running, t->running);
		sum.cpu_percent += t->cpu;
		sum.memory_mib += t->memory_mib;
	}
	cr_assert_eq(view_n_workers(r->view), n);
	cr_assert_eq(view_totals(r->view)->workers, n);
	cr_assert_eq(view_totals(r->view)->cpu_percent, sum.cpu_percent);
	cr_assert_eq(view_totals(r->view)->memory_mib, sum.memory_mib);
	m->checked++;
}

static void tick(struct model *m)
{
	uint64_t epoch = m->hub.cluster.epoch;
	int pending = m->hub.cluster.changed;

	info_hub_tick(&m->hub, m->now_us, &(struct info_outlet){on_push, on_ended, is_taken, m});
	if (m->hub.cluster.epoch != epoch)
		memcpy(m->at_epoch, m->now, sizeof(m->now));
	else if (!pending)
		cr_assert_eq(memcmp(m->at_epoch, m->now, sizeof(m->now)), 0);
	for (uint32_t i = 0; i < SUBSCRIBERS; i++) {
		struct receiver *r = &m->receivers[i];

		if (r->told && r->epoch == m->hub.cluster.epoch)
			compare(m, r);
		r->told = 0;
	}
}

Test(info_model, every_view_is_the_truth_at_its_version, .timeout = 120)
{
	struct info_hub_options o = {100000, {0.01, 0.0}, 30, NULL};
	struct model *m = calloc(1, sizeof(*m));

	m->random = 20261121;
	m->now_us = 1000000;
	info_hub_init(&m->hub, &o);
	for (uint32_t i = 0; i < SUBSCRIBERS; i++) {
		m->receivers[i].pool = m->receivers[i].namespace = -1;
		cr_assert_eq(view_new(&m->receivers[i].view), SC_OK);
	}
	for (uint32_t step = 0; step < STEPS; step++) {
		uint32_t what = roll(m, 100);

		if (what < 70)
			change(m);
		else if (what < 85)
			receiver_step(m);
		m->now_us += roll(m, 20000);
		tick(m);
		if (step % 100000 == 0)
			info_hub_spent(&m->hub, 1, roll(m, 2000), 100, m->now_us);
	}
	fprintf(stderr, "model: %u steps, %llu updates (%llu snapshots, %llu deltas), %llu views compared\n", STEPS,
		(unsigned long long)m->pushes, (unsigned long long)m->snapshots, (unsigned long long)m->deltas,
		(unsigned long long)m->checked);
	cr_assert_gt(m->deltas, 10000);
	cr_assert_gt(m->snapshots, 100);
	cr_assert_gt(m->hub.counts.skipped, 100);
	cr_assert_gt(m->hub.encoder.counts.cache_hits, 100);
	for (uint32_t i = 0; i < SUBSCRIBERS; i++) {
		info_unsubscribe(&m->hub, &m->receivers[i].sub);
		view_free(m->receivers[i].view);
	}
	info_hub_fini(&m->hub);
	free(m);
}
