/*
 * probe.c - of a group nobody knows anything of, some tasks go first.
 *
 * What is worth a message depends on how long tasks take (schedule.c), and of a new group that is not known: one task
 * would go to each of a thousand workers, a message each, though all of them together may be done sooner than these are
 * written.  So at first only a few are given out.  When the first of them is done the rest follows; if that takes
 * longer than options.probe_us, they are not so short that messages matter, and the rest follows as well.
 */
#include "scheduler/core/core_internal.h"

/* Whether this group is of interest: there are more workers than probes. */
static int is_new(const struct core *c, const struct group *g)
{
	return c->options.probe_us > 0 && g->mean_us < 0.0f && c->n_workers > c->options.probe_tasks;
}

void probe_given(struct core *c, struct group *g)
{
	if (!is_new(c, g) || g->n_probes >= c->options.probe_tasks)
		return;
	if (g->n_probes++ == 0)
		g->probe_end_us = c->now_us + c->options.probe_us;
}

int probe_must_wait(struct core *c, const struct group *g)
{
	if (!is_new(c, g) || g->n_probes < c->options.probe_tasks || c->now_us >= g->probe_end_us)
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
