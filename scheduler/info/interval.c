/* interval.c - see interval.h. */
#include "scheduler/info/interval.h"

#include <string.h>

#define WINDOW_US    1000000u
#define WEIGHT	     0.3 /* of the newest window in the moving averages */
#define CALM_WINDOWS 5u
#define CALM_SHARE   0.7 /* of the budget that a shorter interval may take to be thought of */

void interval_init(struct interval_governor *g, const struct interval_budget *budget)
{
	memset(g, 0, sizeof(*g));
	g->budget = *budget;
	g->base_us = INTERVAL_MIN_US;
}

uint64_t interval_round_up(uint64_t us)
{
	uint64_t decade = INTERVAL_MIN_US;

	for (;;) {
		if (us <= decade)
			return decade;
		if (us <= 2 * decade)
			return 2 * decade;
		if (us <= 5 * decade)
			return 5 * decade;
		if (decade >= INTERVAL_MAX_US)
			return decade;
		decade *= 10;
	}
}

static uint64_t round_down_below(uint64_t us)
{
	uint64_t best = INTERVAL_MIN_US, next;

	while ((next = interval_round_up(best + 1)) < us)
		best = next;
	return best;
}

void interval_spent(struct interval_governor *g, uint64_t n_updates, double cpu_us, double bytes)
{
	g->window_updates += n_updates;
	g->window_cpu_us += cpu_us;
	g->window_bytes += bytes;
}

void interval_spent_rounds(struct interval_governor *g, uint64_t n_rounds, double cpu_us, double per_interval)
{
	g->window_rounds += n_rounds;
	g->window_round_us += cpu_us;
	g->n_rounds = per_interval;
}

void interval_average(double *mean, double value)
{
	*mean = *mean == 0.0 ? value : *mean + WEIGHT * (value - *mean);
}

/* The interval at which all receivers together take `share` of the budget. */
static double needed_us(const struct interval_governor *g, uint64_t n_receivers, double share)
{
	double n = (double)n_receivers, cpu = 0.0, bytes = 0.0;

	if (g->budget.cpu_share > 0.0)
		cpu = (n * g->cost_us + g->n_rounds * g->round_us) / (g->budget.cpu_share * share);
	if (g->budget.bytes_per_s > 0.0)
		bytes = n * g->cost_bytes / (g->budget.bytes_per_s * share) * 1e6;
	return cpu > bytes ? cpu : bytes;
}

int interval_judge(struct interval_governor *g, uint64_t n_receivers, uint64_t now_us)
{
	uint64_t before = g->base_us, shorter;
	double needed;

	if (now_us - g->window_start_us < WINDOW_US)
		return 0;
	g->window_start_us = now_us;
	if (g->window_updates > 0) {
		interval_average(&g->cost_us, g->window_cpu_us / (double)g->window_updates);
		interval_average(&g->cost_bytes, g->window_bytes / (double)g->window_updates);
	}
	if (g->window_rounds > 0)
		interval_average(&g->round_us, g->window_round_us / (double)g->window_rounds);
	g->window_updates = g->window_rounds = 0;
	g->window_round_us = 0.0;
	g->window_cpu_us = g->window_bytes = 0.0;
	needed = needed_us(g, n_receivers, 1.0);
	if (needed > (double)g->base_us) {
		g->base_us = needed < (double)INTERVAL_MAX_US ? interval_round_up((uint64_t)needed) : INTERVAL_MAX_US;
		g->calm_windows = 0;
		return g->base_us != before;
	}
	shorter = round_down_below(g->base_us);
	if (shorter < g->base_us && needed_us(g, n_receivers, CALM_SHARE) <= (double)shorter) {
		if (++g->calm_windows >= CALM_WINDOWS) {
			g->base_us = shorter;
			g->calm_windows = 0;
		}
	} else {
		g->calm_windows = 0;
	}
	return g->base_us != before;
}

uint64_t interval_grant(const struct interval_governor *g, uint64_t asked_us)
{
	uint64_t us = asked_us > g->base_us ? asked_us : g->base_us;

	return us >= INTERVAL_MAX_US ? INTERVAL_MAX_US : interval_round_up(us);
}
