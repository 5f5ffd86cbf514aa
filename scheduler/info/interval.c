/* interval.c - see interval.h. */
#include "scheduler/info/interval.h"

#include <string.h>

#define WINDOW_US  1000000u
#define WEIGHT	   0.3	     /* of the newest window in the moving averages */
#define CALM_US	   5000000u  /* for which a shorter interval has to do before it is taken */
#define CALM_SHARE 0.7	     /* of the budget that a shorter interval may take to be thought of */
#define COUNT_US   10000000u /* encodings are counted for so long at least ... */
#define SURGE_US   5000000u  /* ... and taken for more than before after this */

void interval_init(struct interval_governor *g, const struct interval_budget *budget)
{
	memset(g, 0, sizeof(*g));
	g->budget = *budget;
	g->base_us = INTERVAL_MIN_US;
}

/* The series by number, 0 is the shortest; none is longer than INTERVAL_MAX_US. */
static uint64_t step_us(size_t step)
{
	static const uint64_t in_a_decade[] = {1, 2, 5};
	uint64_t us = INTERVAL_MIN_US * in_a_decade[step % 3];

	for (size_t i = 0; i < step / 3; i++)
		us *= 10;
	return us < INTERVAL_MAX_US ? us : INTERVAL_MAX_US;
}

static size_t step_of(uint64_t us)
{
	size_t step = 0;

	while (step + 1 < INTERVAL_STEPS && step_us(step) < us)
		step++;
	return step;
}

uint64_t interval_round_up(uint64_t us)
{
	return step_us(step_of(us));
}

void interval_join(struct interval_governor *g, uint64_t asked_us)
{
	g->n_asked[step_of(asked_us)]++;
}

void interval_leave(struct interval_governor *g, uint64_t asked_us)
{
	g->n_asked[step_of(asked_us)]--;
}

void interval_spent(struct interval_governor *g, uint64_t n_updates, double cpu_us, double bytes)
{
	g->window_updates += n_updates;
	g->window_cpu_us += cpu_us;
	g->window_bytes += bytes;
}

void interval_spent_rounds(struct interval_governor *g, uint64_t n_rounds, double cpu_us)
{
	g->window_rounds += n_rounds;
	g->rounds += n_rounds;
	g->window_round_us += cpu_us;
}

void interval_average(double *mean, double value)
{
	*mean = *mean == 0.0 ? value : *mean + WEIGHT * (value - *mean);
}

/* Whether all receivers together take no more than `share` of the budget at this base interval. */
static int is_affordable(const struct interval_governor *g, uint64_t base_us, uint64_t n_more, double share)
{
	double updates = (double)n_more / (double)base_us; /* a microsecond */

	for (size_t i = 0; i < INTERVAL_STEPS; i++) {
		uint64_t us = step_us(i) > base_us ? step_us(i) : base_us;

		updates += (double)g->n_asked[i] / (double)us;
	}
	if (g->budget.bytes_per_s > 0.0 && updates * g->cost_bytes > g->budget.bytes_per_s * share / 1e6)
		return 0;
	if (g->budget.cpu_share <= 0.0)
		return 1;
	return updates * g->cost_us + g->n_rounds * g->round_us / (double)base_us <= g->budget.cpu_share * share;
}

static uint64_t at_least(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/*
 * Encodings are counted for a whole interval, in which each phase comes once; what is already more than there were in
 * the last one is taken for what it is.
 */
static void judge_rounds(struct interval_governor *g, uint64_t now_us)
{
	uint64_t us = g->rounds_start_us != 0 ? now_us - g->rounds_start_us : 0;
	uint64_t surge_us = at_least(at_least(us, SURGE_US), g->base_us);
	double per_interval = (double)g->rounds * (double)g->base_us / (double)surge_us;
	int is_whole = us >= at_least(COUNT_US, g->base_us);

	if (is_whole || per_interval > g->n_rounds)
		g->n_rounds = per_interval;
	if (!is_whole && g->rounds_start_us != 0)
		return;
	g->rounds = 0;
	g->rounds_start_us = now_us;
}

static void close_window(struct interval_governor *g, uint64_t now_us)
{
	g->window_start_us = now_us;
	if (g->window_updates > 0) {
		interval_average(&g->cost_us, g->window_cpu_us / (double)g->window_updates);
		interval_average(&g->cost_bytes, g->window_bytes / (double)g->window_updates);
	}
	if (g->window_rounds > 0)
		interval_average(&g->round_us, g->window_round_us / (double)g->window_rounds);
	g->window_updates = g->window_rounds = 0;
	g->window_cpu_us = g->window_bytes = g->window_round_us = 0.0;
	judge_rounds(g, now_us);
}

/* Whether one step less is affordable, with something to spare. */
static int may_narrow(const struct interval_governor *g, uint64_t n_more)
{
	size_t step = step_of(g->base_us);

	return step > 0 && is_affordable(g, step_us(step - 1), n_more, CALM_SHARE);
}

static void set_base(struct interval_governor *g, size_t step)
{
	g->base_us = step_us(step);
	g->rounds = 0; /* counted in intervals of another length */
	g->rounds_start_us = g->window_start_us;
}

int interval_judge(struct interval_governor *g, uint64_t n_more, uint64_t now_us)
{
	uint64_t before = g->base_us, us = now_us - g->window_start_us;
	size_t step;

	if (us < WINDOW_US)
		return 0;
	close_window(g, now_us);
	if (!is_affordable(g, g->base_us, n_more, 1.0)) {
		step = step_of(g->base_us);
		while (step + 1 < INTERVAL_STEPS && !is_affordable(g, step_us(step), n_more, 1.0))
			step++;
		set_base(g, step);
		g->calm_us = 0;
		return g->base_us != before;
	}
	/* By the time that has passed, not by how often it is looked at: with few receivers that is seldom. */
	g->calm_us += us;
	while (may_narrow(g, n_more) && g->calm_us >= CALM_US) {
		set_base(g, step_of(g->base_us) - 1);
		g->calm_us -= CALM_US;
	}
	if (!may_narrow(g, n_more))
		g->calm_us = 0;
	return g->base_us != before;
}

uint64_t interval_judge_us(const struct interval_governor *g)
{
	return may_narrow(g, 0) ? g->window_start_us + WINDOW_US : UINT64_MAX;
}

uint64_t interval_grant(const struct interval_governor *g, uint64_t asked_us)
{
	return interval_round_up(asked_us > g->base_us ? asked_us : g->base_us);
}
