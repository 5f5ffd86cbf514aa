/* subscribers.c - who is told, when and how often: newcomers, phases, receivers that do not read.  On virtual time. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	sc_err refuse[SUBSCRIBERS]; /* what comes of telling it */
	sc_err ended[SUBSCRIBERS];
};

/* Each encoding takes 500 us. */
static uint64_t cpu_us(void)
{
	static uint64_t us;

	return us += 500;
}

static sc_err push(void *arg, struct info_subscriber *s, unsigned kind, struct info_encoding *x)
{
	struct world *w = arg;
	size_t i = (size_t)(s - w->subs);

	if (w->refuse[i] != SC_OK)
		return w->refuse[i];
	w->told[i]++;
	w->in_tick++;
	w->snapshots[i] += kind == INFO_KIND_SNAPSHOT;
	w->bookmarks[i] += kind == INFO_KIND_BOOKMARK;
	w->last_from[i] = x != NULL ? x->key.from : 0;
	return SC_OK;
}

static void ended(void *arg, struct info_subscriber *s, sc_err err)
{
	struct world *w = arg;

	w->ended[s - w->subs] = err;
}

static int is_taken(void *arg, struct info_subscriber *s)
{
	struct world *w = arg;

	return !w->stuck[s - w->subs];
}

static struct world *world_new(double cpu_share)
{
	struct world *w = calloc(1, sizeof(*w));
	struct info_hub_options o = {SECOND / 10, {cpu_share, 0.0}, 100, cpu_us};
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
	struct info_outlet out = {push, ended, is_taken, w};

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

Test(info_subscribers, who_cannot_be_told_is_a_subscriber_no_more)
{
	struct world *w = world_new(0.01);

	subscribe(w, 0, 0);
	subscribe(w, 1, 0);
	w->refuse[0] = SC_TOO_BIG;
	pass(w, 20 * SECOND);
	cr_expect_eq(w->ended[0], SC_TOO_BIG);
	cr_expect_not(w->subs[0].is_subscribed);
	cr_expect_eq(w->hub.counts.pushes, w->told[1], "what was sent is counted");
	cr_expect_eq(w->hub.encoder.counts.snapshots_encoded, 1u);
	world_free(w);
}

/* The timer fires when it is due, and nothing else does. */
static uint64_t pass_due(struct world *w, uint64_t us)
{
	uint64_t end = w->now + us, ticks = 0;

	for (;;) {
		uint64_t due = info_hub_due_us(&w->hub);

		if (due > end)
			break;
		w->now = due > w->now ? due : w->now;
		tick(w);
		info_hub_spent(&w->hub, w->in_tick, 30.0 * w->in_tick, 0.0, w->now);
		change(w);
		ticks++;
	}
	w->now = end;
	return ticks;
}

Test(info_subscribers, the_interval_narrows_soon_after_the_others_left)
{
	struct world *w = world_new(0.001);

	w->hub.options.cpu_us = NULL;
	for (size_t i = 0; i < SUBSCRIBERS; i++)
		subscribe(w, i, 0);
	pass_due(w, 200 * SECOND);
	cr_assert_eq(w->hub.governor.base_us, 100 * SECOND, "2000 x 30 us / 0.1 %");
	for (size_t i = 1; i < SUBSCRIBERS; i++)
		info_unsubscribe(&w->hub, &w->subs[i]);
	pass_due(w, 45 * SECOND);
	cr_expect_eq(w->subs[0].granted_us, 2 * SECOND);
	w->told[0] = 0;
	pass_due(w, 20 * SECOND);
	cr_expect_geq(w->told[0], 9u, "%u", w->told[0]);
	world_free(w);
}

/* It was told just now, and would be told nothing for 30 s. */
Test(info_subscribers, nobody_waits_for_what_was_granted_before_the_load_went)
{
	struct world *w = world_new(0.01);

	w->hub.governor.base_us = 100 * SECOND;
	w->hub.governor.window_start_us = w->now;
	w->hub.governor.cost_us = 30.0;
	subscribe(w, 0, 0);
	tick(w);
	cr_assert_eq(w->subs[0].granted_us, 100 * SECOND);
	w->told[0] = 0;
	pass_due(w, 28 * SECOND);
	cr_expect_eq(w->subs[0].granted_us, 2 * SECOND);
	cr_expect_geq(w->told[0] - w->bookmarks[0], 1u);
	world_free(w);
}

Test(info_subscribers, subscribing_again_does_not_make_it_more_often)
{
	struct world *w = world_new(0.01);
	unsigned told = 0;

	for (size_t i = 0; i < SUBSCRIBERS; i++)
		subscribe(w, i, 0);
	pass(w, 10 * SECOND);
	w->hub.governor.cost_us = 200.0; /* 2000 x 200 us / 1 % = 40 s */
	pass(w, 3 * SECOND);
	cr_assert_eq(w->hub.governor.base_us, 50 * SECOND);
	for (size_t i = 0; i < SUBSCRIBERS; i++)
		w->told[i] = 0;
	for (int k = 0; k < 20; k++) {
		for (size_t i = 0; i < SUBSCRIBERS; i++)
			subscribe(w, i, w->subs[i].epoch);
		pass(w, SECOND);
	}
	for (size_t i = 0; i < SUBSCRIBERS; i++)
		told += w->told[i];
	cr_expect_leq(told, 40u * 25, "%u", told);
	for (size_t i = 0; i < SUBSCRIBERS; i++)
		w->snapshots[i] = 0;
	told = 0;
	w->hub.first_cost_us = 100.0; /* 1000 a second */
	for (int k = 0; k < 10; k++) {
		for (size_t i = 0; i < SUBSCRIBERS; i++)
			subscribe(w, i, 0);
		pass(w, SECOND);
	}
	for (size_t i = 0; i < SUBSCRIBERS; i++)
		told += w->snapshots[i];
	cr_expect_leq(told, 11500u, "with nothing: at the pace of newcomers: %u", told);
	world_free(w);
}

Test(info_subscribers, who_leaves_gives_its_place_back)
{
	struct world *w = world_new(0.01);

	w->hub.first_cost_us = 100.0;
	for (size_t i = 0; i < 20000; i++) {
		w->now += SECOND / 2000;
		memset(&w->subs[0], 0, sizeof(w->subs[0]));
		subscribe(w, 0, 0);
		info_unsubscribe(&w->hub, &w->subs[0]);
	}
	subscribe(w, 1, 0);
	cr_expect_eq(w->subs[1].due_us, 0u);
	world_free(w);
}

Test(info_subscribers, at_long_intervals_a_sign_of_life_at_each)
{
	struct world *w = world_new(0.01);

	cr_assert_eq(info_subscribe(&w->hub, &w->subs[0], 500 * (uint64_t)SECOND, INFO_ALL, NULL, 0, w->now), SC_OK);
	tick(w);
	for (int i = 0; i < 2500; i++) {
		w->now += SECOND;
		tick(w);
	}
	cr_expect_geq(w->bookmarks[0], 4u, "%u", w->bookmarks[0]);
	cr_expect_leq(w->bookmarks[0], 5u, "its interval is what it was told to expect: %u", w->bookmarks[0]);
	world_free(w);
}

Test(info_subscribers, an_idle_receiver_is_told_that_its_interval_has_grown)
{
	struct world *w = world_new(0.01);

	subscribe(w, 0, 0);
	tick(w);
	w->now += 5 * SECOND;
	tick(w);
	cr_expect_eq(w->bookmarks[0], 0u);
	w->hub.governor.base_us = 20 * SECOND;
	w->now += 2 * SECOND;
	tick(w);
	cr_expect_eq(w->bookmarks[0], 1u);
	cr_expect_eq(w->subs[0].told_granted_us, 20 * SECOND);
	world_free(w);
}

Test(info_subscribers, who_was_passed_over_is_looked_at_again_soon)
{
	struct world *w = world_new(0.01);

	cr_assert_eq(info_subscribe(&w->hub, &w->subs[0], 50 * (uint64_t)SECOND, INFO_ALL, NULL, 0, w->now), SC_OK);
	tick(w);
	w->stuck[0] = 1;
	pass(w, 55 * SECOND);
	w->stuck[0] = 0;
	w->told[0] = 0;
	pass(w, 2 * SECOND);
	cr_expect_eq(w->told[0], 1u);
	world_free(w);
}

static sc_err ask(struct world *w, const char *pool, uint64_t *wait_us)
{
	struct info_filter *f;
	struct info_encoding *x = NULL;
	sc_err err;

	cr_assert_eq(info_filter_take(&w->hub.encoder, slice_of(""), slice_of(pool), (struct slices){0}, &f), SC_OK);
	err = info_identity(&w->hub, 0, INFO_ALL, f, w->now, &x, wait_us);
	info_filter_drop(&w->hub.encoder, f);
	if (x != NULL)
		info_encoding_unref(x);
	return err;
}

Test(info_subscribers, questions_that_need_encodings_have_a_pace)
{
	struct world *w = world_new(0.01);
	uint64_t wait_us = 0;
	unsigned answered = 0;
	char pool[32];

	for (int i = 0; i < 10000; i++) {
		snprintf(pool, sizeof(pool), "pool-%d", i);
		w->now += SECOND / 10000;
		answered += ask(w, pool, &wait_us) == SC_OK;
	}
	/* 500 us each, ten percent of a core: 200 a second, and as many at once */
	cr_expect_leq(answered, 410u, "%u", answered);
	cr_expect_geq(answered, 190u, "%u", answered);
	cr_expect_leq(w->hub.encoder.counts.snapshots_encoded, answered + 1);
	cr_expect_gt(wait_us, 0u);
	world_free(w);
}

Test(info_subscribers, a_filtered_question_is_answered_in_the_middle_of_an_epoch)
{
	struct world *w = world_new(0.01);
	uint64_t wait_us = 0;

	cr_expect_eq(ask(w, "p", &wait_us), SC_OK);
	change(w);
	w->now += SECOND / 10;
	tick(w); /* another epoch, for which it is encoded in advance */
	change(w);
	w->now += SECOND / 100;
	cr_expect_eq(ask(w, "p", &wait_us), SC_OK);
	cr_expect_eq(ask(w, "q", &wait_us), SC_TIMEOUT, "a new one");
	world_free(w);
}

Test(info_subscribers, the_encoding_counts_for_the_pace_of_newcomers_and_for_the_interval)
{
	struct world *w = world_new(0.01);

	subscribe(w, 0, 0);
	tick(w);
	info_hub_spent_first(&w->hub, 1, 50.0, 1000.0);
	cr_expect_geq(w->hub.first_cost_us, 150.0, "%g", w->hub.first_cost_us); /* 50 + 0.3 x 500 */
	pass(w, 10 * SECOND);
	info_hub_spent(&w->hub, 0, 0.0, 0.0, w->now);
	cr_expect_float_eq(w->hub.governor.round_us, 500.0, 1.0);
	cr_expect_leq(w->hub.governor.n_rounds, 1.0, "%g", w->hub.governor.n_rounds);
	cr_expect_gt(w->hub.governor.n_rounds, 0.0);
	world_free(w);
}
