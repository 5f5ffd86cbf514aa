/* subscribers.c - see subscribers.h. */
#include "scheduler/info/subscribers.h"

#include <assert.h>

#include "base/mem.h"

#define PHASES_MAX	  32u
#define ASKED_LATELY_US	  2000000u
#define COHORT_OF_A_PHASE 250u	   /* subscribers told in one go, before another phase is opened */
#define FIRST_BURST_US	  1000000u /* of the pace of newcomers that may be used at once */
#define FIRST_TIMES	  10.0	   /* the budget, for newcomers */
#define FIRST_AGAIN_US	  1000000u /* before the same connection is a newcomer again */
#define FIRST_GUESS_US	  50.0	   /* what a first update costs, until it was measured */

void info_hub_init(struct info_hub *h, const struct info_hub_options *o)
{
	memset(h, 0, sizeof(*h));
	h->options = *o;
	info_cluster_init(&h->cluster, o->max_tombstones);
	info_encoder_init(&h->encoder, &h->cluster);
	interval_init(&h->governor, &o->budget);
	h->first_cost_us = FIRST_GUESS_US;
}

void info_hub_fini(struct info_hub *h)
{
	info_encoder_fini(&h->encoder);
	info_cluster_fini(&h->cluster);
	mem_free(h->heap);
}

/* ---- the heap --------------------------------------------------------------------------------------------------- */

static void place(struct info_hub *h, size_t i, struct info_subscriber *s)
{
	h->heap[i] = s;
	s->at = i;
}

static void settle(struct info_hub *h, size_t i)
{
	struct info_subscriber *s = h->heap[i];

	while (i > 0 && s->due_us < h->heap[(i - 1) / 2]->due_us) {
		place(h, i, h->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	for (;;) {
		size_t kid = 2 * i + 1;

		if (kid >= h->n_subscribers)
			break;
		if (kid + 1 < h->n_subscribers && h->heap[kid + 1]->due_us < h->heap[kid]->due_us)
			kid++;
		if (h->heap[kid]->due_us >= s->due_us)
			break;
		place(h, i, h->heap[kid]);
		i = kid;
	}
	place(h, i, s);
}

/* ---- when ------------------------------------------------------------------------------------------------------- */

static uint64_t count_phases(const struct info_hub *h)
{
	uint64_t n = h->n_subscribers / COHORT_OF_A_PHASE + 1;

	return n < PHASES_MAX ? n : PHASES_MAX;
}

/* The next point of the subscriber's phase of its interval. */
static uint64_t next_due(const struct info_hub *h, const struct info_subscriber *s, uint64_t now_us)
{
	uint64_t n_phases = count_phases(h), phase_us;

	phase_us = s->granted_us / n_phases * (s->serial % n_phases);
	return ((now_us + s->granted_us - phase_us) / s->granted_us) * s->granted_us + phase_us;
}

/*
 * The phase of one who begins with everything, at this epoch: whoever else begins at it gets the same, so that they
 * share encodings from the next update on.
 */
static uint32_t join_phase(struct info_hub *h)
{
	if (h->serial_epoch != h->cluster.epoch || h->serial_users >= COHORT_OF_A_PHASE) {
		h->serial++;
		h->serial_epoch = h->cluster.epoch;
		h->serial_users = 0;
	}
	h->serial_users++;
	return h->serial;
}

static void reschedule(struct info_hub *h, struct info_subscriber *s, uint64_t now_us)
{
	s->granted_us = interval_grant(&h->governor, s->asked_us);
	s->due_us = next_due(h, s, now_us);
	settle(h, s->at);
}

/* How far apart newcomers are told when there are many. */
static uint64_t first_spacing_us(const struct info_hub *h)
{
	const struct interval_budget *b = &h->options.budget;
	double share = b->cpu_share * FIRST_TIMES < 1.0 ? b->cpu_share * FIRST_TIMES : 1.0;
	double cpu = share > 0.0 ? h->first_cost_us / share : 0.0, bytes = 0.0;

	if (b->bytes_per_s > 0.0)
		bytes = h->first_cost_bytes / (b->bytes_per_s * FIRST_TIMES) * 1e6;
	return (uint64_t)(cpu > bytes ? cpu : bytes);
}

/* When a newcomer is told everything; 0: at once. */
static uint64_t first_due(struct info_hub *h, struct info_subscriber *s, uint64_t now_us)
{
	if (s->first_us > now_us) /* it has a place already */
		return s->first_us;
	if (s->first_us != 0 && now_us < s->first_us + FIRST_AGAIN_US) {
		s->first_us += FIRST_AGAIN_US;
		return s->first_us;
	}
	if (h->first_us + FIRST_BURST_US < now_us)
		h->first_us = now_us - FIRST_BURST_US;
	h->first_us += first_spacing_us(h);
	s->first_us = h->first_us > now_us ? h->first_us : now_us;
	return h->first_us > now_us ? h->first_us : 0;
}

sc_err info_subscribe(struct info_hub *h, struct info_subscriber *s, uint64_t asked_us, uint32_t sections,
		      struct info_filter *filter, uint64_t have_epoch, uint64_t now_us)
{
	void *p;

	if (!s->is_subscribed) {
		p = mem_grow(h->heap, &h->cap_heap, h->n_subscribers + 1, sizeof(struct info_subscriber *));
		if (p == NULL)
			return SC_NOMEM;
		h->heap = p;
		place(h, h->n_subscribers++, s);
		s->is_subscribed = 1;
	} else {
		info_filter_drop(&h->encoder, s->filter);
	}
	s->asked_us = asked_us;
	s->sections = sections;
	s->filter = filter;
	s->epoch = info_can_delta(&h->cluster, have_epoch) ? have_epoch : 0;
	s->granted_us = interval_grant(&h->governor, asked_us);
	/* Who comes back and has missed nothing is told so at once: until then it cannot know. */
	s->told_us = s->epoch != 0 && now_us > INFO_BOOKMARK_US ? now_us - INFO_BOOKMARK_US : now_us;
	s->due_us = first_due(h, s, now_us);
	settle(h, s->at);
	return SC_OK;
}

void info_unsubscribe(struct info_hub *h, struct info_subscriber *s)
{
	struct info_subscriber *last;

	if (!s->is_subscribed)
		return;
	assert(s->at < h->n_subscribers && h->heap[s->at] == s);
	info_filter_drop(&h->encoder, s->filter);
	s->filter = NULL;
	s->is_subscribed = 0;
	last = h->heap[--h->n_subscribers];
	if (last == s)
		return;
	place(h, s->at, last);
	settle(h, last->at);
}

/* ---- what ------------------------------------------------------------------------------------------------------- */

static void push_bookmark(struct info_hub *h, struct info_subscriber *s, uint64_t now_us, const struct info_outlet *out)
{
	s->told_us = now_us;
	s->in_flight = 1;
	h->counts.bookmarks++;
	out->push(out->arg, s, INFO_KIND_BOOKMARK, NULL);
}

/* 1 when an update was pushed. */
static int serve(struct info_hub *h, struct info_subscriber *s, uint64_t now_us, const struct info_outlet *out)
{
	struct info_encoding *x;

	if (s->in_flight && !out->is_taken(out->arg, s)) {
		h->counts.skipped++;
		return 0;
	}
	s->in_flight = 0;
	if (s->epoch == h->cluster.epoch && s->epoch != 0) {
		if (now_us - s->told_us >= INFO_BOOKMARK_US)
			push_bookmark(h, s, now_us, out);
		return 0;
	}
	if (info_encode(&h->encoder, s->epoch, s->sections, s->filter, &x) != SC_OK)
		return 0; /* no memory now; it is due again */
	s->epoch = x->to;
	s->told_us = now_us;
	s->in_flight = 1;
	h->counts.pushes++;
	h->counts.bytes += x->n_bytes;
	out->push(out->arg, s, x->key.from == 0 ? INFO_KIND_SNAPSHOT : INFO_KIND_DELTA, x);
	info_encoding_unref(x);
	return 1;
}

/* End the epoch, if it has something in it and the last one is long enough ago.  The first comes even when nobody is
 * there. */
static void advance(struct info_hub *h, uint64_t now_us)
{
	struct info_encoding *x;

	if (h->cluster.epoch == 0)
		h->cluster.changed = 1;
	if (!h->cluster.changed || now_us - h->advanced_us < h->options.epoch_interval_us)
		return;
	info_advance(&h->cluster);
	info_encoder_new_epoch(&h->encoder);
	h->advanced_us = now_us;
	h->counts.epochs++;
	/* Whoever asks in the middle of the next epoch is answered from this one, if it was encoded when it was whole.
	 */
	if (h->asked_us != 0 && now_us - h->asked_us < ASKED_LATELY_US &&
	    info_encode(&h->encoder, 0, INFO_ALL, NULL, &x) == SC_OK)
		info_encoding_unref(x);
}

uint64_t info_hub_tick(struct info_hub *h, uint64_t now_us, const struct info_outlet *out)
{
	uint64_t n = 0, encoded = h->encoder.counts.deltas_encoded + h->encoder.counts.snapshots_encoded;

	advance(h, now_us);
	/* While an epoch is in the making nobody can be told what is true at its end. */
	while (!h->cluster.changed && h->n_subscribers > 0 && h->heap[0]->due_us <= now_us) {
		struct info_subscriber *s = h->heap[0];

		if (s->epoch == 0)
			s->serial = join_phase(h);
		reschedule(h, s, now_us);
		n += (uint64_t)serve(h, s, now_us, out);
	}
	h->counts.cohorts += h->encoder.counts.deltas_encoded + h->encoder.counts.snapshots_encoded - encoded;
	return n;
}

sc_err info_identity(struct info_hub *h, uint64_t have_epoch, uint32_t sections, const struct info_filter *filter,
		     uint64_t now_us, struct info_encoding **x, uint64_t *wait_us)
{
	if (sections == INFO_ALL && filter == NULL)
		h->asked_us = now_us;
	advance(h, now_us);
	*x = NULL;
	if (have_epoch != 0 && have_epoch == h->cluster.epoch)
		return SC_OK;
	if (!h->cluster.changed)
		return info_encode(&h->encoder, have_epoch, sections, filter, x);
	*x = info_encoded(&h->encoder, have_epoch, sections, filter);
	if (*x == NULL)
		*x = info_encoded(&h->encoder, 0, sections, filter);
	if (*x != NULL)
		return SC_OK;
	*wait_us = h->advanced_us + h->options.epoch_interval_us - now_us;
	return SC_TIMEOUT;
}

void info_hub_spent_encoding(struct info_hub *h, uint64_t n_encodings, double cpu_us)
{
	/* every filter has encodings of its own */
	double per_interval = (double)(count_phases(h) * (1 + HASH_COUNT(h->encoder.filters)));

	interval_spent_rounds(&h->governor, n_encodings, cpu_us, per_interval);
}

void info_hub_spent_first(struct info_hub *h, uint64_t n_updates, double cpu_us, double bytes)
{
	if (n_updates == 0)
		return;
	interval_average(&h->first_cost_us, cpu_us / (double)n_updates);
	interval_average(&h->first_cost_bytes, bytes / (double)n_updates);
}

void info_hub_spent(struct info_hub *h, uint64_t n_updates, double cpu_us, double bytes, uint64_t now_us)
{
	interval_spent(&h->governor, n_updates, cpu_us, bytes);
	interval_judge(&h->governor, h->n_subscribers, now_us);
}

uint64_t info_hub_due_us(const struct info_hub *h)
{
	uint64_t epoch = h->advanced_us + h->options.epoch_interval_us, due;

	if (h->n_subscribers == 0)
		return UINT64_MAX; /* an epoch nobody waits for can wait as well */
	due = h->heap[0]->due_us;
	return h->cluster.changed && due < epoch ? epoch : due;
}
