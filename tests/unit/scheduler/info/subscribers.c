/* subscribers.c - who is told, when and how often: newcomers, phases, receivers that do not read.  On virtual time. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "scheduler/info/subscribers.h"

#define SECOND	    1000000u
#define SUBSCRIBERS 2000u

struct world {
	struct info_hub hub;
	struct info_subscriber subs[SUBSCRIBERS];
	unsigned told[SUBSCRIBERS], snapshots[SUBSCRIBERS], bookmarks[SUBSCRIBERS];
	int stuck[SUBSCRIBERS]; /* has not taken its last update */
	uint64_t now, last_from[SUBSCRIBERS];
	unsigned in_tick;
};

static void push(void *arg, struct info_subscriber *s, unsigned kind, struct info_encoding *x)
{
	struct world *w = arg;
	size_t i = (size_t)(s - w->subs);

	w->told[i]++;
	w->in_tick++;
	w->snapshots[i] += kind == INFO_KIND_SNAPSHOT;
	w->bookmarks[i] += kind == INFO_KIND_BOOKMARK;
	w->last_from[i] = x != NULL ? x->key.from : 0;
}

static int is_taken(void *arg, struct info_subscriber *s)
{
	struct world *w = arg;

	return !w->stuck[s - w->subs];
}

static struct world *world_new(double cpu_share)
{
	struct world *w = calloc(1, sizeof(*w));
	struct info_hub_options o = {SECOND / 10, {cpu_share, 0.0}, 100};
	struct info_identity id = {.slots = 10000};

	w->now = 100 * (uint64_t)SECOND;
	info_hub_init(&w->hub, &o);
	id.name = slice_of("w1");
	id.pool = id.labels = id.resources = slice_of("");
	id.address = slice_of("tcp://10.0.0.1:1");
	cr_assert_eq(info_join(&w->hub.cluster, 1, &id), SC_OK);
	return w;
}

static void world_free(struct world *w)
{
	for (size_t i = 0; i < SUBSCRIBERS; i++)
		info_unsubscribe(&w->hub, &w->subs[i]);
	info_hub_fini(&w->hub);
	free(w);
}

static void subscribe(struct world *w, size_t i, uint64_t epoch)
{
	cr_assert_eq(info_subscribe(&w->hub, &w->subs[i], 2 * SECOND, INFO_ALL, NULL, epoch, w->now), SC_OK);
}

static void tick(struct world *w)
{
	struct info_outlet out = {push, is_taken, w};

	w->in_tick = 0;
	info_hub_tick(&w->hub, w->now, &out);
}

static void change(struct world *w)
{
	struct info_metrics m = {.running = w->now};

	info_set_metrics(&w->hub.cluster, 1, &m);
}

/* Ticks when they are due, a change every 100 ms. */
static void pass(struct world *w, uint64_t us)
{
	uint64_t end = w->now + us;

	while (w->now < end) {
		change(w);
		tick(w);
		w->now += SECOND / 10;
	}
}

Test(info_subscribers, newcomers_are_told_at_once)
{
	struct world *w = world_new(0.01);

	for (size_t i = 0; i < 100; i++)
		subscribe(w, i, 0);
	tick(w);
	cr_expect_eq(w->in_tick, 100u);
	cr_expect_eq(w->hub.encoder.counts.snapshots_encoded, 1u, "one encoding for all of them");
	world_free(w);
}

Test(info_subscribers, a_storm_of_newcomers_is_told_at_a_pace)
{
	struct world *w = world_new(0.01);
	unsigned told = 0;

	info_hub_spent_first(&w->hub, 1, 100.0, 1000.0);
	for (int i = 0; i < 40; i++) /* the average gets there */
		info_hub_spent_first(&w->hub, 1, 100.0, 1000.0);
	for (size_t i = 0; i < SUBSCRIBERS; i++)
		subscribe(w, i, 0);
	tick(w);
	/* 100 us each, ten percent of a core: 1000 a second, and as many at once */
	cr_expect_leq(w->in_tick, 1010u);
	cr_expect_geq(w->in_tick, 900u);
	for (int i = 0; i < 11; i++) {
		w->now += SECOND / 10;
		tick(w);
		cr_expect_leq(w->in_tick, 110u);
	}
	for (size_t i = 0; i < SUBSCRIBERS; i++)
		told += w->snapshots[i] == 1;
	cr_expect_eq(told, SUBSCRIBERS, "%u", told);
	world_free(w);
}

Test(info_subscribers, who_subscribes_again_and_again_is_told_once_a_second)
{
	struct world *w = world_new(0.01);

	subscribe(w, 1, 0);
	tick(w);
	for (int i = 0; i < 1000; i++) {
		info_unsubscribe(&w->hub, &w->subs[0]);
		subscribe(w, 0, 0);
		w->now += SECOND / 100;
		tick(w);
	}
	cr_expect_leq(w->told[0], 11u, "%u", w->told[0]);
	cr_expect_geq(w->told[0], 1u);
	subscribe(w, 2, 0);
	tick(w);
	cr_expect_eq(w->told[2], 1u, "nobody else waits for it");
	world_free(w);
}

Test(info_subscribers, one_that_does_not_read_gets_one_merged_delta)
{
	struct world *w = world_new(0.01);
	uint64_t epoch;

	subscribe(w, 0, 0);
	subscribe(w, 1, 0);
	pass(w, 3 * SECOND);
	w->stuck[0] = 1;
	epoch = w->subs[0].epoch;
	w->told[0] = w->told[1] = 0;
	pass(w, 20 * SECOND);
	cr_expect_leq(w->told[0], 1u);
	cr_expect_geq(w->told[1], 9u);
	cr_expect_gt(w->hub.counts.skipped, 5u);
	epoch = w->subs[0].epoch;
	w->stuck[0] = 0;
	w->told[0] = 0;
	pass(w, 2 * SECOND);
	cr_expect_eq(w->told[0], 1u);
	cr_expect_eq(w->last_from[0], epoch, "from what it was sent last");
	world_free(w);
}

Test(info_subscribers, a_bookmark_when_nothing_changes)
{
	struct world *w = world_new(0.01);

	subscribe(w, 0, 0);
	tick(w);
	cr_expect_eq(w->told[0], 1u);
	for (int i = 0; i < 650; i++) {
		w->now += SECOND / 10;
		tick(w);
	}
	cr_expect_eq(w->bookmarks[0], 2u, "65 s: %u", w->bookmarks[0]);
	cr_expect_eq(w->hub.cluster.epoch, 1u);
	world_free(w);
}

Test(info_subscribers, who_comes_back_gets_a_delta_or_is_told_that_it_needs_everything)
{
	struct world *w = world_new(0.01);
	uint64_t epoch;

	subscribe(w, 0, 0);
	pass(w, 3 * SECOND);
	epoch = w->subs[0].epoch;
	info_unsubscribe(&w->hub, &w->subs[0]);
	pass(w, 3 * SECOND);
	w->snapshots[1] = 0;
	subscribe(w, 1, epoch);
	pass(w, SECOND);
	cr_expect_eq(w->snapshots[1], 0u);
	cr_expect_eq(w->last_from[1], epoch);
	subscribe(w, 2, epoch + 1000000); /* from the future */
	pass(w, SECOND);
	cr_expect_eq(w->snapshots[2], 1u);
	world_free(w);
}

Test(info_subscribers, a_large_cohort_is_spread_over_phases)
{
	struct world *w = world_new(1.0);
	unsigned most = 0, ticks = 0;

	for (size_t i = 0; i < SUBSCRIBERS; i++)
		subscribe(w, i, 0);
	pass(w, 4 * SECOND); /* everybody is there */
	for (int i = 0; i < 20; i++) {
		change(w);
		tick(w);
		w->now += SECOND / 10;
		most = w->in_tick > most ? w->in_tick : most;
		ticks += w->in_tick > 0;
	}
	cr_expect_leq(most, SUBSCRIBERS / 3, "%u in one go", most);
	cr_expect_geq(ticks, 6u);
	world_free(w);
}
