/*
 * delays.c - tasks that wait for their retry delay: a heap by due time.
 *
 * An entry is never removed early.  When it is due the job may be gone or the task cancelled: then nothing happens.
 */
#include "base/mem.h"
#include "scheduler/core/core_internal.h"

static void up(struct delayed *h, size_t i)
{
	struct delayed d = h[i];

	while (i > 0 && d.due_us < h[(i - 1) / 2].due_us) {
		h[i] = h[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	h[i] = d;
}

static void down(struct delayed *h, size_t n)
{
	struct delayed d = h[0];
	size_t i = 0;

	for (;;) {
		size_t kid = 2 * i + 1;

		if (kid >= n)
			break;
		if (kid + 1 < n && h[kid + 1].due_us < h[kid].due_us)
			kid++;
		if (d.due_us <= h[kid].due_us)
			break;
		h[i] = h[kid];
		i = kid;
	}
	h[i] = d;
}

sc_err core_delay(struct core *c, struct job *j, uint32_t task, uint64_t due_us)
{
	void *p = mem_grow(c->delays, &c->cap_delays, c->n_delays + 1, sizeof(*c->delays));

	if (p == NULL)
		return SC_NOMEM;
	c->delays = p;
	c->delays[c->n_delays] = (struct delayed){due_us, j->id, task};
	up(c->delays, c->n_delays++);
	j->tasks[task].flags |= TASK_DELAYED;
	return SC_OK;
}

void core_wake_delayed(struct core *c, uint64_t now_us)
{
	while (c->n_delays > 0 && c->delays[0].due_us <= now_us) {
		struct delayed d = c->delays[0];
		struct job *j = core_job(c, d.job);

		c->delays[0] = c->delays[--c->n_delays];
		if (c->n_delays > 0)
			down(c->delays, c->n_delays);
		if (j == NULL || (j->tasks[d.task].flags & TASK_DELAYED) == 0)
			continue;
		j->tasks[d.task].flags &= (uint8_t)~TASK_DELAYED;
		if (j->tasks[d.task].state == TASK_WAITING)
			task_settle(c, j, d.task);
		job_update(c, j, now_us);
	}
}

uint64_t core_next_due_us(const struct core *c)
{
	uint64_t moving_us = core_balance_due_us(c), delayed_us = c->n_delays == 0 ? UINT64_MAX : c->delays[0].due_us;
	uint64_t draining_us = drain_due_us(c), due_us = moving_us < delayed_us ? moving_us : delayed_us;

	if (c->probe_due_us < due_us)
		due_us = c->probe_due_us;
	return draining_us < due_us ? draining_us : due_us;
}
