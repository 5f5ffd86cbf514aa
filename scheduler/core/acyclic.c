/*
 * gang_check.c - whether the gangs of a job could ever start, before it is accepted.
 *
 * The members of a gang start together, and what they make is there for others when all have succeeded.  So a gang is
 * like one task that takes what any of them takes: if it depends on itself that way, through other tasks or other
 * gangs, none of it ever starts.  Kahn's algorithm (CACM 5(11), 1962) finds that out in the time of one walk over the
 * edges.
 */
#include "base/mem.h"
#include "scheduler/core/job.h"

/* Every task by itself, a gang by its first one. */
static void find_units(const struct job *j, uint32_t *unit)
{
	for (uint32_t i = 0; i < j->n_groups; i++) {
		const struct group *g = &j->groups[i];

		for (uint32_t k = g->first_task; k < g->first_task + g->n_tasks; k++)
			unit[k] = g->class->gang_size > 0 ? g->first_task : k;
	}
}

/* Tasks of the unit that begins with t, which are neighbours. */
static uint32_t unit_end(const struct job *j, const uint32_t *unit, uint32_t t)
{
	uint32_t end = t + 1;

	while (end < j->n_tasks && unit[end] == unit[t])
		end++;
	return end;
}

/* left: inputs of each unit that are not free yet.  Frees what can be; how many units that were. */
static uint32_t free_units(const struct job *j, const uint32_t *unit, uint32_t *left, uint32_t *queue)
{
	uint32_t head = 0, tail = 0;

	for (uint32_t t = 0; t < j->n_tasks; t++)
		if (unit[t] == t && left[t] == 0)
			queue[tail++] = t;
	while (head < tail) {
		uint32_t u = queue[head++], end = unit_end(j, unit, u);

		for (uint32_t e = j->out_start[u]; e < j->out_start[end]; e++)
			if (--left[unit[j->out[e]]] == 0)
				queue[tail++] = unit[j->out[e]];
	}
	return tail;
}

sc_err gang_check(const struct job *j, uint32_t first_task, struct buf *error)
{
	uint32_t *unit = mem_malloc((size_t)j->n_tasks * sizeof(*unit)), n_units = 0;
	uint32_t *left = mem_calloc(j->n_tasks, sizeof(*left));
	uint32_t *queue = mem_malloc((size_t)j->n_tasks * sizeof(*queue));
	sc_err err = SC_OK;

	if (unit == NULL || left == NULL || queue == NULL) {
		err = SC_NOMEM;
		goto out;
	}
	find_units(j, unit);
	for (uint32_t t = 0; t < j->n_tasks; t++) {
		n_units += unit[t] == t;
		for (uint32_t e = j->in_start[t]; e < j->in_start[t + 1]; e++)
			left[unit[t]] += j->in[e] - first_task < j->n_tasks;
	}
	if (free_units(j, unit, left, queue) == n_units)
		goto out;
	for (uint32_t i = 0; i < j->n_groups && err == SC_OK; i++) {
		const struct group *g = &j->groups[i];

		if (g->class->gang_size == 0 || left[g->first_task] == 0)
			continue;
		buf_printf(error,
			   "gang '%s' could never start: through other tasks it waits for itself, or for a gang that "
			   "waits for itself; what a gang makes is there when all of it has succeeded",
			   g->name);
		err = SC_CYCLE;
	}
out:
	mem_free(unit);
	mem_free(left);
	mem_free(queue);
	return err;
}
