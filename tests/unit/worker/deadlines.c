/* deadlines.c - tests of worker/deadlines.h: in order, each once, whatever is set and cleared meanwhile. */
#include "worker/deadlines.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/mem.h"
#include "tests/support/turns.h"

#define N 500

static struct loop *l;
static struct deadlines *d;
static struct deadline x[N];
static size_t fired[N], n_fired;

static void note(void *arg)
{
	fired[n_fired++] = (size_t)((struct deadline *)arg - x);
}

static void begin(void)
{
	cr_assert_eq(loop_new(&l), SC_OK);
	cr_assert_eq(deadlines_new(l, &d), SC_OK);
	for (size_t i = 0; i < N; i++)
		x[i] = (struct deadline){.fn = note, .arg = &x[i]};
}

static void end(void)
{
	deadlines_free(d);
	loop_free(l);
}

TestSuite(deadlines, .init = begin, .fini = end);

static int all_fired(void *arg)
{
	return n_fired == *(size_t *)arg;
}

Test(deadlines, fire_in_order)
{
	uint64_t now = loop_now_us(l);
	size_t wanted = N;

	srand(1);
	for (size_t i = 0; i < N; i++)
		cr_assert_eq(deadline_set(d, &x[i], now + (uint64_t)(rand() % 20000)), SC_OK);
	cr_assert(turns_until(l, all_fired, &wanted, 5000));
	for (size_t i = 1; i < N; i++)
		cr_assert_leq(x[fired[i - 1]].at_us, x[fired[i]].at_us);
	for (size_t i = 0; i < N; i++)
		cr_assert_not(deadline_is_set(&x[i]));
}

Test(deadlines, cleared_and_moved)
{
	uint64_t now = loop_now_us(l);
	size_t wanted = N / 2;

	for (size_t i = 0; i < N; i++)
		deadline_set(d, &x[i], now + 1000 * (i % 7));
	for (size_t i = 0; i < N; i += 2)
		deadline_clear(d, &x[i]);
	for (size_t i = 1; i < N; i += 4)
		deadline_set(d, &x[i], now + 10000 + 10 * i);
	cr_assert(turns_until(l, all_fired, &wanted, 5000));
	for (size_t i = 0; i < wanted; i++)
		cr_assert_eq(fired[i] % 2, 1);
	for (size_t i = 1; i < wanted; i++)
		cr_assert_leq(x[fired[i - 1]].at_us, x[fired[i]].at_us);
}

static void set_again(void *arg)
{
	struct deadline *me = arg;

	note(arg);
	if (n_fired < 5)
		deadline_set(d, me, loop_now_us(l));
}

Test(deadlines, may_be_set_by_itself)
{
	size_t wanted = 5;

	x[0].fn = set_again;
	deadline_set(d, &x[0], 0);
	cr_assert(turns_until(l, all_fired, &wanted, 5000));
}

Test(deadlines, no_memory_leaves_it_unset)
{
	mem_fail_nth(0);
	cr_assert_eq(deadline_set(d, &x[0], 1), SC_NOMEM);
	mem_fail_nth(-1);
	cr_assert_not(deadline_is_set(&x[0]));
	deadline_clear(d, &x[0]);
}
