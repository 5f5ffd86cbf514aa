/*
 * interval.h - how often receivers may be told, so that telling them stays within a budget.
 *
 * What a round of updates costs is measured; the base interval is the shortest of the series 1-2-5 (100 ms, 200 ms,
 * 500 ms, 1 s ...) at which all receivers together cost no more than the budget.  It widens at once when it has to, and
 * narrows by a step only after it could have for some while, so that it does not swing.  Pure; times in microseconds.
 *
 * What is sent to each receiver and what is encoded once for many are measured apart: the first grows with the
 * receivers, the second with the rounds in which they are told, of which there are a few per interval.
 */
#ifndef SCHEDULER_INFO_INTERVAL_H
#define SCHEDULER_INFO_INTERVAL_H

#include <stdint.h>

#define INTERVAL_MIN_US 100000u
#define INTERVAL_MAX_US ((uint64_t)86400 * 1000000u)

struct interval_budget {
	double cpu_share;   /* of one core: 0.01 is one percent */
	double bytes_per_s; /* 0: no limit */
};

struct interval_governor {
	struct interval_budget budget;
	uint64_t base_us;
	double cost_us, cost_bytes; /* of one update, moving averages; 0: not known */
	double round_us;	    /* of one encoding */
	double n_rounds;	    /* encodings in an interval */
	uint64_t window_start_us;
	double window_cpu_us, window_bytes;
	double window_round_us;
	uint64_t window_updates, window_rounds;
	unsigned calm_windows; /* in which a shorter interval would have done */
};

void interval_init(struct interval_governor *g, const struct interval_budget *budget);

/* n_updates have cost this much. */
void interval_spent(struct interval_governor *g, uint64_t n_updates, double cpu_us, double bytes);

/* n_rounds encodings have cost this much; there are per_interval of them in an interval. */
void interval_spent_rounds(struct interval_governor *g, uint64_t n_rounds, double cpu_us, double per_interval);

/* Judge what was spent, once a second at most.  1 when the base interval has changed. */
int interval_judge(struct interval_governor *g, uint64_t n_receivers, uint64_t now_us);

/* Take a value into a moving average; 0 is "not known". */
void interval_average(double *mean, double value);

/* The smallest of the series that is not below us. */
uint64_t interval_round_up(uint64_t us);

/* What is granted to one that asks for asked_us. */
uint64_t interval_grant(const struct interval_governor *g, uint64_t asked_us);

#endif
