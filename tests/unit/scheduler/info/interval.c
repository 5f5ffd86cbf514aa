/* interval.c - the interval granted from a budget: it widens at once, narrows slowly, and does not swing. */
#include <criterion/criterion.h>

#include "scheduler/info/interval.h"

#define SECOND 1000000u

static const struct interval_budget one_percent = {0.01, 0.0};

/* One second in which n receivers were each told once per base interval, at cost_us. */
static int pass_second(struct interval_governor *g, uint64_t *now, uint64_t n, double cost_us, double bytes)
{
	double updates = (double)n * SECOND / (double)g->base_us;
	uint64_t k = updates < 1.0 ? 1 : (uint64_t)updates;

	interval_spent(g, k, cost_us * (double)k, bytes * (double)k);
	*now += SECOND;
	return interval_judge(g, n, *now);
}

Test(info_interval, series_is_1_2_5)
{
	static const uint64_t ms[][2] = {{1, 100},     {100, 100},    {101, 200},     {200, 200},
					 {201, 500},   {501, 1000},   {1001, 2000},   {2000, 2000},
					 {2001, 5000}, {5001, 10000}, {10001, 20000}, {40000, 50000}};

	for (size_t i = 0; i < sizeof(ms) / sizeof(ms[0]); i++)
		cr_expect_eq(interval_round_up(ms[i][0] * 1000), ms[i][1] * 1000, "%d", (int)ms[i][0]);
}

Test(info_interval, what_is_asked_is_granted_while_it_is_cheap)
{
	struct interval_governor g;
	uint64_t now = 0;

	interval_init(&g, &one_percent);
	for (int i = 0; i < 20; i++)
		pass_second(&g, &now, 10, 10.0, 0.0); /* 10 x 10 us / 1 % = 10 ms */
	cr_expect_eq(interval_grant(&g, 2 * SECOND), 2 * SECOND);
	cr_expect_eq(interval_grant(&g, SECOND / 2), SECOND / 2);
	cr_expect_eq(interval_grant(&g, 1), INTERVAL_MIN_US);
	cr_expect_eq(interval_grant(&g, UINT64_MAX), INTERVAL_MAX_US);
}

Test(info_interval, widens_at_once_and_narrows_after_calm_windows)
{
	struct interval_governor g;
	uint64_t now = 0;
	unsigned calm = 0;

	interval_init(&g, &one_percent);
	cr_expect(pass_second(&g, &now, 10000, 30.0, 0.0)); /* 10000 x 30 us / 1 % = 30 s */
	cr_expect_eq(g.base_us, 50 * SECOND);
	while (g.base_us == 50 * SECOND && calm < 100) {
		pass_second(&g, &now, 100, 30.0, 0.0);
		calm++;
	}
	cr_expect_eq(g.base_us, 20 * SECOND, "a step at a time");
	cr_expect_geq(calm, 5u, "only after it could have for a while");
	for (int i = 0; i < 100; i++)
		pass_second(&g, &now, 100, 30.0, 0.0);
	cr_expect_eq(g.base_us, SECOND / 2, "100 x 30 us / 1 % = 300 ms");
}

Test(info_interval, does_not_swing_at_the_edge)
{
	struct interval_governor g;
	uint64_t now = 0;
	int changes = 0;

	interval_init(&g, &one_percent);
	for (int i = 0; i < 200; i++) /* costs 5 % more or less around what 1 s allows */
		changes += pass_second(&g, &now, 1000, i % 2 ? 9.5 : 10.5, 0.0);
	cr_expect_leq(changes, 2);
}

Test(info_interval, bytes_have_a_budget_of_their_own)
{
	struct interval_governor g;
	uint64_t now = 0;

	interval_init(&g, &(struct interval_budget){0.01, 1e6});
	pass_second(&g, &now, 100, 1.0, 30e3); /* 3 MB for all of them, 1 MB/s allowed */
	cr_expect_eq(g.base_us, 5 * SECOND);
}

Test(info_interval, who_asks_for_a_day_weighs_next_to_nothing)
{
	struct interval_governor g;
	uint64_t now = 0;

	interval_init(&g, &one_percent);
	for (int i = 0; i < 9000; i++)
		interval_join(&g, 24 * 3600 * (uint64_t)SECOND);
	interval_join(&g, 2 * SECOND);
	for (int i = 0; i < 20; i++)
		pass_second(&g, &now, 0, 30.0, 0.0);
	cr_expect_leq(g.base_us, 2 * SECOND);
	for (int i = 0; i < 9000; i++) {
		interval_leave(&g, 24 * 3600 * (uint64_t)SECOND);
		interval_join(&g, 2 * SECOND);
	}
	pass_second(&g, &now, 0, 30.0, 0.0);
	cr_expect_eq(g.base_us, 50 * SECOND, "9001 x 30 us / 1 %");
}

Test(info_interval, calm_is_counted_in_time_and_not_in_looks)
{
	struct interval_governor g;
	uint64_t now = 0;

	interval_init(&g, &one_percent);
	pass_second(&g, &now, 10000, 30.0, 0.0);
	cr_expect_eq(g.base_us, 50 * SECOND);
	cr_expect_eq(interval_judge_us(&g), now + SECOND);
	now += 50 * SECOND;
	cr_expect(interval_judge(&g, 1, now));
	cr_expect_eq(g.base_us, INTERVAL_MIN_US, "it was calm for as long as nine steps take");
	cr_expect_eq(interval_judge_us(&g), UINT64_MAX);
}

Test(info_interval, encodings_are_counted_and_not_assumed)
{
	struct interval_governor g;
	uint64_t now = 0;

	interval_init(&g, &one_percent);
	for (int i = 0; i < 30; i++) { /* one subscriber each of a hundred filters, 300 us for each of them */
		uint64_t n = 100 * (uint64_t)SECOND / g.base_us;

		interval_spent_rounds(&g, n, 300.0 * (double)n);
		pass_second(&g, &now, 100, 1.0, 0.0);
	}
	cr_expect_eq(g.base_us, 5 * SECOND, "100 x 300 us / 1 % = 3 s");
}
