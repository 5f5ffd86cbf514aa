/*
 * group_times.h - how long the tasks of a group ran, how long they waited for a worker, what was moved for them.
 *
 * Sums, so that a task needs nothing of its own: a wait that begins takes the time off the sum and one that ends adds
 * it, which leaves the waits that are over and, with as many times the present added, those that go on.
 */
#ifndef SCHEDULER_CORE_GROUP_TIMES_H
#define SCHEDULER_CORE_GROUP_TIMES_H

#include <stdint.h>

struct group_times {
	uint64_t run_us;      /* of all runs that ended well */
	uint64_t wait_us;     /* see above; from ready to started */
	uint64_t moved_bytes; /* inputs that were not where their task was given to */
	uint32_t n_runs, n_waits, n_waiting;
	float run_min_us, run_max_us;
};

static inline void group_times_wait_begins(struct group_times *t, uint64_t now_us)
{
	t->wait_us -= now_us;
	t->n_waits++;
	t->n_waiting++;
}

static inline void group_times_wait_ends(struct group_times *t, uint64_t now_us)
{
	t->wait_us += now_us;
	t->n_waiting--;
}

static inline void group_times_ran(struct group_times *t, uint64_t elapsed_us)
{
	float us = (float)elapsed_us;

	if (t->n_runs == 0 || us < t->run_min_us)
		t->run_min_us = us;
	if (t->n_runs == 0 || us > t->run_max_us)
		t->run_max_us = us;
	t->run_us += elapsed_us;
	t->n_runs++;
}

static inline uint64_t group_times_mean_run_us(const struct group_times *t)
{
	return t->n_runs == 0 ? 0 : t->run_us / t->n_runs;
}

static inline uint64_t group_times_mean_wait_us(const struct group_times *t, uint64_t now_us)
{
	return t->n_waits == 0 ? 0 : (t->wait_us + t->n_waiting * now_us) / t->n_waits;
}

#endif
