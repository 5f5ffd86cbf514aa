/*
 * interval.h - how often receivers may be told, so that telling them stays within a budget.
 *
 * What a round of updates costs is measured; the base interval is the shortest of the series 1-2-5 (100 ms, 200 ms,
 * 500 ms, 1 s ...) at which all receivers together cost no more than the budget.  It widens at once when it has to, and
 * narrows by a step only after it could have for some while, so that it does not swing.  Pure; times in microseconds.
 *
 * What is sent to each receiver and what is encoded once for many are measured apart: the first grows with the
 * receivers, the second with the encodings in an interval, which are counted.  A receiver that asks for more than the
 * base interval weighs as much less as it is told less often.
 */
#ifndef SCHEDULER_INFO_INTERVAL_H
#define SCHEDULER_INFO_INTERVAL_H

#include <stdint.h>

#define INTERVAL_MIN_US 100000u
#define INTERVAL_MAX_US ((uint64_t)86400 * 1000000u)
#define INTERVAL_STEPS	19u /* of the series, from the least to the first that is not below the most */

struct interval_budget {
	double cpu_share;   /* of one core: 0.01 is one percent */
	double bytes_per_s; /* 0: no limit */
};

struct interval_governor {
	struct interval_budget budget;
	uint64_t base_us;
	uint64_t n_asked[INTERVAL_STEPS]; /* receivers by what they ask for */
	double cost_us, cost_bytes;	  /* of one update, moving averages; 0: not known */
	double round_us;		  /* of one encoding */
	double n_rounds;		  /* encodings in an interval, as counted in the last one */
	uint64_t rounds_start_us, rounds; /* being counted */
	uint64_t window_start_us;
	double window_cpu_us, window_bytes;
	double window_round_us;
	uint64_t window_updates, window_rounds;
	uint64_t calm_us; /* for which a shorter interval would have done */
};

void interval_init(struct interval_governor *g, const struct interval_budget *budget);

/* A receiver has come, or gone. */
void interval_join(struct interval_governor *g, uint64_t asked_us);
void interval_leave(struct interval_governor *g, uint64_t asked_us);

/* n_updates have cost this much. */
void interval_spent(struct interval_governor *g, uint64_t n_updates, double cpu_us, double bytes);

/* n_rounds encodings have cost this much. */
void interval_spent_rounds(struct interval_governor *g, uint64_t n_rounds, double cpu_us);

/*
 * Judge what was spent, once a second at most.  n_more receivers take the shortest that is granted, besides those that
 * have joined.  1 when the base interval has changed.
 */
int interval_judge(struct interval_governor *g, uint64_t n_more, uint64_t now_us);

/* When to judge again, because the interval may soon become shorter; UINT64_MAX: when something was spent. */
uint64_t interval_judge_us(const struct interval_governor *g);

/* Take a value into a moving average; 0 is "not known". */
void interval_average(double *mean, double value);

/* The smallest of the series that is not below us. */
uint64_t interval_round_up(uint64_t us);

/* What is granted to one that asks for asked_us. */
uint64_t interval_grant(const struct interval_governor *g, uint64_t asked_us);

#endif
