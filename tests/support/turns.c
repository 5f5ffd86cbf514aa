/* turns.c - see turns.h. */
#include "tests/support/turns.h"

#include <criterion/criterion.h>

struct wait {
	struct loop *loop;
	int (*is_so)(void *arg);
	void *arg;
	unsigned turns_left;
	int was_so;
};

static void on_turn(void *arg)
{
	struct wait *w = arg;

	if (w->is_so == NULL) {
		loop_wake(w->loop);
		if (--w->turns_left == 0)
			loop_stop(w->loop);
		return;
	}
	loop_end_turn(w->loop); /* what is closed counts as closed now, not when something else happens */
	if (w->is_so(w->arg)) {
		w->was_so = 1;
		loop_stop(w->loop);
	}
}

static void on_deadline(void *arg)
{
	loop_stop(((struct wait *)arg)->loop);
}

int turns_until(struct loop *l, int (*is_so)(void *arg), void *arg, unsigned deadline_ms)
{
	struct wait w = {.loop = l, .is_so = is_so, .arg = arg};
	struct loop_timer *deadline;

	if (is_so(arg))
		return 1;
	cr_assert_eq(loop_timer_new(l, on_deadline, &w, &deadline), SC_OK);
	loop_timer_set(deadline, (uint64_t)deadline_ms * 1000);
	loop_set_turn_hook(l, on_turn, &w);
	loop_wake(l);
	loop_run(l);
	loop_set_turn_hook(l, NULL, NULL);
	loop_timer_free(deadline);
	return w.was_so;
}

void turns_take(struct loop *l, unsigned n)
{
	struct wait w = {.loop = l, .turns_left = n};

	loop_set_turn_hook(l, on_turn, &w);
	loop_wake(l);
	loop_run(l);
	loop_set_turn_hook(l, NULL, NULL);
}
