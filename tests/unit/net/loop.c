/* loop.c - turns: what is called when, timers, wake-ups from another thread, signals. */
#include "net/loop.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/support/turns.h"

#define SOON_MS 10000u

struct fixture {
	struct loop *loop;
	unsigned n_fired;
	unsigned n_wanted;
	char order[64];
};

static void fire(void *arg)
{
	((struct fixture *)arg)->n_fired++;
}

static int has_fired(void *arg)
{
	struct fixture *f = arg;

	return f->n_fired >= f->n_wanted;
}

static void setup(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->n_wanted = 1;
	cr_assert_eq(loop_new(&f->loop), SC_OK);
}

Test(loop, timers_fire_once_each_time_they_are_set)
{
	struct loop_timer *t;
	struct fixture f;
	uint64_t start;

	setup(&f);
	cr_assert_eq(loop_timer_new(f.loop, fire, &f, &t), SC_OK);
	cr_assert(!loop_timer_is_set(t));
	start = clock_monotonic_us();
	loop_timer_set(t, 20000);
	cr_assert(loop_timer_is_set(t));
	cr_assert(turns_until(f.loop, has_fired, &f, SOON_MS));
	/* libevent reads a coarse clock, which is up to a tick of the kernel behind: 4 ms, or 10 */
	cr_assert_geq(clock_monotonic_us() - start, 10000);
	cr_assert(!loop_timer_is_set(t));
	turns_take(f.loop, 3);
	cr_assert_eq(f.n_fired, 1);
	loop_timer_set(t, 0);
	loop_timer_clear(t);
	turns_take(f.loop, 3);
	cr_assert_eq(f.n_fired, 1);
	loop_timer_set(t, 0);
	f.n_wanted = 2;
	cr_assert(turns_until(f.loop, has_fired, &f, SOON_MS));
	loop_timer_free(t);
	loop_timer_free(NULL);
	loop_free(f.loop);
}

static void *wake_often(void *arg)
{
	struct fixture *f = arg;

	for (int i = 0; i < 1000; i++)
		loop_wake(f->loop);
	return NULL;
}

Test(loop, another_thread_wakes_it)
{
	struct fixture f;
	pthread_t t;

	setup(&f);
	loop_set_wake_hook(f.loop, fire, &f);
	cr_assert_eq(pthread_create(&t, NULL, wake_often, &f), 0);
	cr_assert(turns_until(f.loop, has_fired, &f, SOON_MS));
	pthread_join(t, NULL);
	loop_free(f.loop);
}

Test(loop, signals_are_callbacks)
{
	struct fixture f;

	setup(&f);
	cr_assert_eq(loop_on_signal(f.loop, SIGUSR1, fire, &f), SC_OK);
	raise(SIGUSR1);
	cr_assert(turns_until(f.loop, has_fired, &f, SOON_MS));
	loop_free(f.loop);
}

struct member {
	struct loop_member m;
	struct fixture *f;
	struct member *other;
	char name;
};

static void note(struct fixture *f, char c)
{
	size_t n = strlen(f->order);

	if (n + 1 < sizeof(f->order))
		f->order[n] = c;
}

static void member_turn_end(struct loop_member *m)
{
	struct member *self = (struct member *)(void *)m;

	note(self->f, self->name);
	if (self->other != NULL)
		loop_dirty(self->f->loop, &self->other->m);
}

static void member_destroy(struct loop_member *m)
{
	struct member *self = (struct member *)(void *)m;

	note(self->f, '-');
	loop_leave(self->f->loop, m);
}

static void timer_note(void *arg)
{
	note(arg, 't');
}

static void hook_note(void *arg)
{
	note(arg, 'h');
	loop_stop(((struct fixture *)arg)->loop);
}

/* Callbacks, then the hook, then whoever has something to write, including those made dirty by that. */
Test(loop, the_order_of_a_turn)
{
	struct fixture f;
	struct member b = {{.turn_end = member_turn_end, .destroy = member_destroy}, &f, NULL, 'b'};
	struct member a = {{.turn_end = member_turn_end, .destroy = member_destroy}, &f, &b, 'a'};
	struct loop_timer *t;

	setup(&f);
	loop_join(f.loop, &a.m);
	loop_join(f.loop, &b.m);
	cr_assert_eq(loop_timer_new(f.loop, timer_note, &f, &t), SC_OK);
	loop_timer_set(t, 0);
	loop_set_turn_hook(f.loop, hook_note, &f);
	loop_dirty(f.loop, &a.m);
	loop_dirty(f.loop, &a.m);
	loop_run(f.loop);
	cr_assert_str_eq(f.order, "thab");
	loop_timer_free(t);
	loop_free(f.loop);
	cr_assert_str_eq(f.order, "thab--");
}

Test(loop, time_is_read_once_a_turn)
{
	struct fixture f;
	uint64_t a, b;

	setup(&f);
	a = loop_now_us(f.loop);
	for (uint64_t start = clock_monotonic_us(); clock_monotonic_us() - start < 2000;)
		;
	b = loop_now_us(f.loop);
	cr_assert_eq(a, b);
	turns_take(f.loop, 1);
	cr_assert_gt(loop_now_us(f.loop), a);
	loop_free(f.loop);
}

Test(loop, survives_any_failed_allocation)
{
	sc_err err = SC_NOMEM;

	mem_adopt_libraries();
	for (long n = 0; err != SC_OK; n++) {
		struct loop *l = NULL;

		mem_fail_nth(n);
		err = loop_new(&l);
		mem_fail_nth(-1);
		cr_assert(err == SC_OK || (err == SC_NOMEM && l == NULL));
		loop_free(l);
	}
}
