/* deadlines.c - see deadlines.h.  A binary heap with the earliest deadline at place 1. */
#include "worker/deadlines.h"

#include "base/mem.h"

struct deadlines {
	struct loop *loop;
	struct loop_timer *timer;
	struct deadline **heap; /* heap[0] is not used */
	size_t n, cap;
	uint64_t timer_at_us; /* what the timer is set to; UINT64_MAX: not set */
};

static void on_timer(void *arg);

sc_err deadlines_new(struct loop *l, struct deadlines **out)
{
	struct deadlines *d = mem_calloc(1, sizeof(*d));

	if (d == NULL)
		return SC_NOMEM;
	d->loop = l;
	d->timer_at_us = UINT64_MAX;
	if (loop_timer_new(l, on_timer, d, &d->timer) != SC_OK) {
		mem_free(d);
		return SC_NOMEM;
	}
	*out = d;
	return SC_OK;
}

void deadlines_free(struct deadlines *d)
{
	if (d == NULL)
		return;
	for (size_t i = 1; i <= d->n; i++)
		d->heap[i]->place = 0;
	loop_timer_free(d->timer);
	mem_free(d->heap);
	mem_free(d);
}

static void put(struct deadlines *d, size_t place, struct deadline *x)
{
	d->heap[place] = x;
	x->place = place;
}

/* Let x, whose place is free, find where it belongs. */
static void settle(struct deadlines *d, size_t place, struct deadline *x)
{
	size_t child;

	while (place > 1 && d->heap[place / 2]->at_us > x->at_us) {
		put(d, place, d->heap[place / 2]);
		place /= 2;
	}
	while ((child = 2 * place) <= d->n) {
		if (child < d->n && d->heap[child + 1]->at_us < d->heap[child]->at_us)
			child++;
		if (d->heap[child]->at_us >= x->at_us)
			break;
		put(d, place, d->heap[child]);
		place = child;
	}
	put(d, place, x);
}

/* A timer that fires too early costs one empty turn, so it is only ever moved forward. */
static void arm(struct deadlines *d)
{
	uint64_t at, now;

	if (d->n == 0 || d->heap[1]->at_us >= d->timer_at_us)
		return;
	at = d->heap[1]->at_us;
	now = loop_now_us(d->loop);
	d->timer_at_us = at;
	loop_timer_set(d->timer, at > now ? at - now : 0);
}

sc_err deadline_set(struct deadlines *d, struct deadline *x, uint64_t at_us)
{
	struct deadline **grown;

	if (x->place == 0) {
		grown = mem_grow(d->heap, &d->cap, d->n + 2, sizeof(struct deadline *));
		if (grown == NULL)
			return SC_NOMEM;
		d->heap = grown;
		x->place = ++d->n;
	}
	x->at_us = at_us;
	settle(d, x->place, x);
	arm(d);
	return SC_OK;
}

void deadline_clear(struct deadlines *d, struct deadline *x)
{
	size_t place = x->place;
	struct deadline *last;

	if (place == 0)
		return;
	x->place = 0;
	last = d->heap[d->n--];
	if (last != x)
		settle(d, place, last);
}

static void on_timer(void *arg)
{
	struct deadlines *d = arg;
	uint64_t now = loop_now_us(d->loop);

	d->timer_at_us = UINT64_MAX;
	while (d->n > 0 && d->heap[1]->at_us <= now) {
		struct deadline *x = d->heap[1];

		deadline_clear(d, x);
		x->fn(x->arg);
	}
	arm(d);
}
