/* idle.c - see idle.h. */
#include "worker/idle.h"

#include "base/mem.h"

/* A task does nothing while it sleeps, so when it is stopped it is gone at once. */

static int noop_start(void *x, struct task *t, struct outcome *o)
{
	(void)x;
	(void)t;
	(void)o;
	return 0;
}

static void noop_stop(void *x, struct task *t, int hard)
{
	(void)x;
	(void)t;
	(void)hard;
}

const struct executor noop_executor = {noop_start, noop_stop, NULL, NULL};

/* A sleeping task ends: after its time, at its time limit, or when it is told to. */
static void wake(struct sleeper *s, struct task *t, int at_limit)
{
	struct outcome o;

	outcome_init(&o);
	o.elapsed_us = loop_now_us(s->loop) - t->started_us;
	if (at_limit)
		outcome_fail(&o, FAIL_TIMEOUT, 0, "ran longer than its time limit");
	queue_ended(s->queue, t, &o);
}

static void on_slept(void *arg)
{
	struct task *t = arg;

	wake(t->run, t, 0);
}

static void on_limit(void *arg)
{
	struct task *t = arg;

	wake(t->run, t, 1);
}

/* The duration, read once per group. */
static sc_err plan(struct sleeper *s, struct group *g)
{
	struct msg m;
	uint64_t *duration_us;

	if (g->plan != NULL)
		return SC_OK;
	if (msg_decode_one(s->decoder, g->body, MSG_body_sleep, &m, NULL) != SC_OK)
		return SC_MALFORMED;
	duration_us = mem_malloc(sizeof(*duration_us));
	if (duration_us == NULL)
		return SC_NOMEM;
	*duration_us = m.u.body_sleep.duration_us;
	g->plan = duration_us;
	g->plan_free = mem_free;
	group_drop_body(g);
	return SC_OK;
}

static int sleep_start(void *x, struct task *t, struct outcome *o)
{
	struct sleeper *s = x;
	uint64_t limit_us = t->group->time_limit_us, duration_us;
	sc_err err = plan(s, t->group);

	if (err != SC_OK) {
		outcome_fail(o, FAIL_BODY, 0, "the body cannot be understood: %s", sc_err_text(err));
		return 0;
	}
	duration_us = *(uint64_t *)t->group->plan;
	if (duration_us == 0)
		return 0;
	t->run = s;
	t->deadline.arg = t;
	t->deadline.fn = limit_us > 0 && limit_us < duration_us ? on_limit : on_slept;
	if (t->deadline.fn == on_limit)
		duration_us = limit_us;
	if (duration_us > UINT64_MAX / 4)
		duration_us = UINT64_MAX / 4;
	if (deadline_set(s->deadlines, &t->deadline, t->started_us + duration_us) != SC_OK) {
		outcome_fail(o, FAIL_SPAWN, 0, "out of memory");
		return 0;
	}
	return 1;
}

static void sleep_stop(void *x, struct task *t, int hard)
{
	(void)hard;
	wake(x, t, 0);
}

const struct executor sleep_executor = {sleep_start, sleep_stop, NULL, NULL};
