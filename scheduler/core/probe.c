/*
 * probe.c - of a group nobody knows anything of, some tasks go first.
 *
 * What is worth a message depends on how long tasks take (schedule.c), and of a new group that is not known: one task
 * would go to each of a thousand workers, a message each, though all of them together may be done sooner than these are
 * written.  So at first only a few are given out.  When the first of them is done the rest follows; if that takes
 * longer than options.probe_us, they are not so short that messages matter, and the rest follows as well.  A turn
 * that takes in a large job may be longer than that, so some of it has to pass after the round they were given in.
 */
#include "scheduler/core/core_internal.h"

#define WORKERS_A_PROBE 4u /* with fewer workers their messages are few anyway */

/* Whether this group is of interest. */
static int is_new(const struct core *c, const struct group *g)
{
	return c->options.probe_us > 0 && g->mean_us < 0.0f && c->n_workers > WORKERS_A_PROBE * c->options.probe_tasks;
}

void probe_given(struct core *c, struct group *g)
{
	if (!is_new(c, g) || g->n_probes >= c->options.probe_tasks)
		return;
	if (g->n_probes++ > 0)
		return;
	g->probe_round = c->n_rounds;
	g->probe_end_us = c->now_us + c->options.probe_us;
}

int probe_must_wait(struct core *c, struct group *g)
{
	if (!is_new(c, g) || g->n_probes < c->options.probe_tasks)
		return 0;
	if (g->probe_round != 0 && g->probe_round != c->n_rounds) {
		uint64_t least_us = c->now_us + c->options.probe_us / 4;

		g->probe_round = 0;
		g->probe_end_us = g->probe_end_us > least_us ? g->probe_end_us : least_us;
	}
	if (c->now_us >= g->probe_end_us)
		return 0;
	if (g->probe_end_us < c->probe_due_us)
		c->probe_due_us = g->probe_end_us;
	return 1;
}

void core_wake_probed(struct core *c)
{
	if (c->now_us < c->probe_due_us)
		return;
	c->probe_due_us = UINT64_MAX;
	c->stamp++;
}
