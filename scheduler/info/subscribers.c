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
#define FIRST_GUESS_US	  50.0	   /* what a first update costs, or an encoding, until it was measured */
#define AGAIN_US	  1000000u /* before one that was passed over is looked at again */

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
	for (size_t i = 0; i < INFO_ASKED_MAX; i++)
		info_filter_drop(&h->encoder, h->asked[i].filter);
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

static void set_due(struct info_hub *h, struct info_subscriber *s)
{
	s->due_us = s->update_us;
	settle(h, s->at);
}

/* It is told now; the next time. */
static void reschedule(struct info_hub *h, struct info_subscriber *s, uint64_t now_us)
{
	s->granted_us = interval_grant(&h->governor, s->asked_us);
	s->update_us = next_due(h, s, now_us);
	if (s->is_late && s->update_us - now_us < s->granted_us / 4 * 3) /* it was not in its phase */
		s->update_us += s->granted_us;
	s->is_late = 0;
}

/* The base interval has become shorter: nobody waits for what was granted before. */
static void narrow(struct info_hub *h, uint64_t now_us)
{
	for (size_t i = 0; i < h->n_subscribers; i++) { /* whoever moves moves up, and only those seen move down */
		struct info_subscriber *s = h->heap[i];
		uint64_t granted_us = interval_grant(&h->governor, s->asked_us), next_us;

		if (s->is_first || granted_us >= s->granted_us)
			continue;
		s->granted_us = granted_us;
		next_us = next_due(h, s, now_us);
		if (next_us >= s->update_us)
			continue;
		s->update_us = next_us;
		if (next_us < s->due_us)
			set_due(h, s);
	}
}

static void judge(struct info_hub *h, uint64_t now_us)
{
	uint64_t before_us = h->governor.base_us;

	if (interval_judge(&h->governor, 0, now_us) && h->governor.base_us < before_us)
		narrow(h, now_us);
}

/* The share of a core that newcomers may take, and so may questions. */
static double first_share(const struct info_hub *h)
{
	double share = h->options.budget.cpu_share * FIRST_TIMES;

	return share < 1.0 ? share : 1.0;
}

/* How far apart newcomers are told when there are many. */
static uint64_t first_spacing_us(const struct info_hub *h)
{
	const struct interval_budget *b = &h->options.budget;
	double share = first_share(h);
	double cpu = share > 0.0 ? h->first_cost_us / share : 0.0, bytes = 0.0;

	if (b->bytes_per_s > 0.0)
		bytes = h->first_cost_bytes / (b->bytes_per_s * FIRST_TIMES) * 1e6;
	return (uint64_t)(cpu > bytes ? cpu : bytes);
}

/* A pace that was not used may be made up for, up to FIRST_BURST_US of it. */
static void begin_pace(uint64_t *pace_us, uint64_t now_us)
{
	if (*pace_us + FIRST_BURST_US < now_us)
		*pace_us = now_us - FIRST_BURST_US;
}

/* When a newcomer is told everything; 0: at once. */
static uint64_t first_due(struct info_hub *h, struct info_subscriber *s, uint64_t now_us)
{
	uint64_t due_us;

	if (s->is_first) /* it has a place already */
		return s->due_us;
	begin_pace(&h->first_us, now_us);
	s->is_first = 1;
	s->paid_us = first_spacing_us(h);
	h->first_us += s->paid_us;
	due_us = h->first_us;
	if (s->first_us != 0 && due_us < s->first_us + FIRST_AGAIN_US)
		due_us = s->first_us + FIRST_AGAIN_US;
	return due_us > now_us ? due_us : 0;
}

/* It leaves its place among the newcomers to others. */
static void give_back(struct info_hub *h, struct info_subscriber *s)
{
	if (s->is_first)
		h->first_us -= s->paid_us;
	s->is_first = 0;
}

/* Not a newcomer: it asks for something else, and has a version.  It is told when it would have been. */
static void ask_again(struct info_hub *h, struct info_subscriber *s, uint64_t now_us)
{
	uint64_t next_us;

	s->granted_us = interval_grant(&h->governor, s->asked_us);
	next_us = next_due(h, s, now_us);
	if (next_us < s->update_us)
		s->update_us = next_us;
	set_due(h, s);
}

static sc_err join(struct info_hub *h, struct info_subscriber *s)
{
	void *p = mem_grow(h->heap, &h->cap_heap, h->n_subscribers + 1, sizeof(struct info_subscriber *));

	if (p == NULL)
		return SC_NOMEM;
	h->heap = p;
	place(h, h->n_subscribers++, s);
	s->is_subscribed = 1;
	s->is_late = 0;
	return SC_OK;
}

sc_err info_subscribe(struct info_hub *h, struct info_subscriber *s, uint64_t asked_us, uint32_t sections,
		      struct info_filter *filter, uint64_t have_epoch, uint64_t now_us)
{
	int was_told = s->is_subscribed && !s->is_first;

	judge(h, now_us); /* those who have left since are not held against who comes now */
	if (s->is_subscribed) {
		info_filter_drop(&h->encoder, s->filter);
		interval_leave(&h->governor, s->asked_us);
	} else if (join(h, s) != SC_OK) {
		return SC_NOMEM;
	}
	interval_join(&h->governor, asked_us);
	s->asked_us = asked_us;
	s->sections = sections;
	s->filter = filter;
	s->epoch = info_can_delta(&h->cluster, have_epoch) ? have_epoch : 0;
	if (was_told && s->epoch != 0) {
		s->told_granted_us = 0; /* the next time it is told something, whatever it is */
		ask_again(h, s, now_us);
		return SC_OK;
	}
	s->granted_us = interval_grant(&h->governor, asked_us);
	s->told_us = now_us;
	s->update_us = s->due_us = first_due(h, s, now_us);
	settle(h, s->at);
	return SC_OK;
}

void info_unsubscribe(struct info_hub *h, struct info_subscriber *s)
{
	struct info_subscriber *last;

	if (!s->is_subscribed)
		return;
	assert(s->at < h->n_subscribers && h->heap[s->at] == s);
	give_back(h, s);
	interval_leave(&h->governor, s->asked_us);
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

/* Encode, unless it is done already.  *us: what that took, 0 when it was. */
static sc_err encode(struct info_hub *h, uint64_t from, uint32_t sections, struct info_filter *filter,
		     struct info_encoding **x, double *us)
{
	const struct info_counts *c = &h->encoder.counts;
	uint64_t before = h->options.cpu_us != NULL ? h->options.cpu_us() : 0, hits = c->cache_hits;
	sc_err err = info_encode(&h->encoder, from, sections, filter, x);

	*us = 0.0;
	if (err == SC_OK && c->cache_hits == hits)
		*us = h->options.cpu_us != NULL ? (double)(h->options.cpu_us() - before) : FIRST_GUESS_US;
	return err;
}

/* Who cannot be told is told no more, rather than never and at a cost. */
static void end(struct info_hub *h, struct info_subscriber *s, const struct info_outlet *out, sc_err err)
{
	info_unsubscribe(h, s);
	out->ended(out->arg, s, err);
}

static sc_err push(struct info_hub *h, struct info_subscriber *s, unsigned kind, struct info_encoding *x,
		   uint64_t now_us, const struct info_outlet *out)
{
	sc_err err = out->push(out->arg, s, kind, x);

	if (err != SC_OK) {
		end(h, s, out, err);
		return err;
	}
	if (s->is_first)
		s->first_us = now_us;
	s->is_first = 0;
	s->told_us = now_us;
	s->told_granted_us = s->granted_us;
	s->in_flight = 1;
	set_due(h, s);
	return SC_OK;
}

static void push_bookmark(struct info_hub *h, struct info_subscriber *s, uint64_t now_us, const struct info_outlet *out)
{
	if (push(h, s, INFO_KIND_BOOKMARK, NULL, now_us, out) == SC_OK)
		h->counts.bookmarks++;
}

/* 1 when an update was pushed. */
static int update(struct info_hub *h, struct info_subscriber *s, uint64_t now_us, const struct info_outlet *out)
{
	struct info_encoding *x;
	uint64_t n_bytes;
	double us;
	sc_err err = encode(h, s->epoch, s->sections, s->filter, &x, &us);

	if (err != SC_OK) {
		end(h, s, out, err);
		return 0;
	}
	if (s->is_first)
		h->first_encoding_us += us;
	else if (us > 0.0)
		interval_spent_rounds(&h->governor, 1, us);
	s->epoch = x->to;
	n_bytes = x->n_bytes;
	err = push(h, s, x->key.from == 0 ? INFO_KIND_SNAPSHOT : INFO_KIND_DELTA, x, now_us, out);
	info_encoding_unref(x);
	if (err != SC_OK)
		return 0;
	h->counts.pushes++;
	h->counts.bytes += n_bytes;
	return 1;
}

/* 1 when an update was pushed. */
static int serve(struct info_hub *h, struct info_subscriber *s, uint64_t now_us, const struct info_outlet *out)
{
	if (s->in_flight && !out->is_taken(out->arg, s)) {
		h->counts.skipped++;
		s->is_late = 1;
		s->due_us = now_us + (s->granted_us < AGAIN_US ? s->granted_us : AGAIN_US);
		settle(h, s->at);
		return 0;
	}
	s->in_flight = 0;
	if (s->epoch == 0)
		s->serial = join_phase(h);
	reschedule(h, s, now_us);
	if (s->epoch == 0 || s->epoch != h->cluster.epoch)
		return update(h, s, now_us, out);
	/* Who comes back and has missed nothing is told so at once: until then it cannot know. */
	if (s->is_first || s->granted_us > s->told_granted_us || now_us - s->told_us >= INFO_BOOKMARK_US)
		push_bookmark(h, s, now_us, out);
	else
		set_due(h, s);
	return 0;
}

/* ---- single questions ------------------------------------------------------------------------------------------- */

/* This is asked at present; of those remembered the one asked longest ago gives way. */
static void remember(struct info_hub *h, uint32_t sections, struct info_filter *filter, uint64_t now_us)
{
	struct info_asked *oldest = &h->asked[0];

	for (size_t i = 0; i < INFO_ASKED_MAX; i++) {
		struct info_asked *a = &h->asked[i];

		if (a->at_us != 0 && a->sections == sections && a->filter == filter) {
			a->at_us = now_us;
			return;
		}
		if (a->at_us < oldest->at_us)
			oldest = a;
	}
	info_filter_drop(&h->encoder, oldest->filter);
	info_filter_keep(&h->encoder, filter);
	*oldest = (struct info_asked){now_us, sections, filter};
}

/* As info_encode, for one who asks, if the pace allows it; else SC_TIMEOUT and how long it does not. */
static sc_err encode_answer(struct info_hub *h, uint64_t from, uint32_t sections, struct info_filter *filter,
			    uint64_t now_us, struct info_encoding **x, uint64_t *wait_us)
{
	double us, share = first_share(h);
	sc_err err;

	*x = info_encoded(&h->encoder, from, sections, filter);
	if (*x != NULL)
		return SC_OK;
	begin_pace(&h->answers_us, now_us);
	if (h->answers_us > now_us) {
		*x = from != 0 ? info_encoded(&h->encoder, 0, sections, filter) : NULL;
		*wait_us = h->answers_us - now_us;
		return *x != NULL ? SC_OK : SC_TIMEOUT;
	}
	err = encode(h, from, sections, filter, x, &us);
	if (share > 0.0)
		h->answers_us += (uint64_t)(us / share);
	return err;
}

/* Whoever asks in the middle of the next epoch is answered from this one, if it was encoded when it was whole. */
static void encode_ahead(struct info_hub *h, uint64_t now_us)
{
	struct info_encoding *x;
	uint64_t wait_us;

	for (size_t i = 0; i < INFO_ASKED_MAX; i++) {
		struct info_asked *a = &h->asked[i];

		if (a->at_us == 0)
			continue;
		if (now_us - a->at_us >= ASKED_LATELY_US) {
			info_filter_drop(&h->encoder, a->filter);
			*a = (struct info_asked){0};
		} else if (encode_answer(h, 0, a->sections, a->filter, now_us, &x, &wait_us) == SC_OK) {
			info_encoding_unref(x);
		}
	}
}

/*
 * End the epoch, if it has something in it and the last one is long enough ago.  The first comes even when nobody is
 * there.
 */
static void advance(struct info_hub *h, uint64_t now_us)
{
	if (h->cluster.epoch == 0)
		h->cluster.changed = 1;
	if (!h->cluster.changed || now_us - h->advanced_us < h->options.epoch_interval_us)
		return;
	info_advance(&h->cluster);
	info_encoder_new_epoch(&h->encoder);
	h->advanced_us = now_us;
	h->counts.epochs++;
	encode_ahead(h, now_us);
}

sc_err info_identity(struct info_hub *h, uint64_t have_epoch, uint32_t sections, struct info_filter *filter,
		     uint64_t now_us, struct info_encoding **x, uint64_t *wait_us)
{
	remember(h, sections, filter, now_us);
	advance(h, now_us);
	*x = NULL;
	if (have_epoch != 0 && have_epoch == h->cluster.epoch)
		return SC_OK;
	if (!info_can_delta(&h->cluster, have_epoch))
		have_epoch = 0;
	if (!h->cluster.changed)
		return encode_answer(h, have_epoch, sections, filter, now_us, x, wait_us);
	*x = info_encoded(&h->encoder, have_epoch, sections, filter);
	if (*x == NULL)
		*x = info_encoded(&h->encoder, 0, sections, filter);
	if (*x != NULL)
		return SC_OK;
	*wait_us = h->advanced_us + h->options.epoch_interval_us - now_us;
	return SC_TIMEOUT;
}

/* ---- ticks ------------------------------------------------------------------------------------------------------ */

uint64_t info_hub_tick(struct info_hub *h, uint64_t now_us, const struct info_outlet *out)
{
	uint64_t n = 0, encoded = h->encoder.counts.deltas_encoded + h->encoder.counts.snapshots_encoded;

	judge(h, now_us);
	advance(h, now_us);
	/* While an epoch is in the making nobody can be told what is true at its end. */
	while (!h->cluster.changed && h->n_subscribers > 0 && h->heap[0]->due_us <= now_us)
		n += (uint64_t)serve(h, h->heap[0], now_us, out);
	h->counts.cohorts += h->encoder.counts.deltas_encoded + h->encoder.counts.snapshots_encoded - encoded;
	return n;
}

void info_hub_spent_first(struct info_hub *h, uint64_t n_updates, double cpu_us, double bytes)
{
	if (n_updates == 0)
		return;
	interval_average(&h->first_cost_us, (cpu_us + h->first_encoding_us) / (double)n_updates);
	h->first_encoding_us = 0.0;
	interval_average(&h->first_cost_bytes, bytes / (double)n_updates);
}

void info_hub_spent(struct info_hub *h, uint64_t n_updates, double cpu_us, double bytes, uint64_t now_us)
{
	interval_spent(&h->governor, n_updates, cpu_us, bytes);
	judge(h, now_us);
}

uint64_t info_hub_due_us(const struct info_hub *h)
{
	uint64_t epoch = h->advanced_us + h->options.epoch_interval_us, due, judge;

	if (h->n_subscribers == 0)
		return UINT64_MAX; /* an epoch nobody waits for can wait as well */
	due = h->heap[0]->due_us;
	if (h->cluster.changed && due < epoch)
		due = epoch;
	judge = interval_judge_us(&h->governor);
	return due < judge ? due : judge;
}
