/*
 * gang.c - tasks that start together: what becomes of the others when one cannot go on.
 *
 * When a member has to start again (its worker was lost, it is retried, an input was not there), the others that are
 * out are called back: they are told to stop, and as long as nothing else ends them first they become ready again with
 * their answer.  When the last of them is ready, all that have not ended start together once more (ready.c).  What has
 * succeeded stays so.  When a member fails for good, so do the others.
 */
#include <stdio.h>

#include "scheduler/core/core_internal.h"

static struct group *gang_of(const struct job *j, uint32_t task)
{
	struct group *g = &j->groups[j->tasks[task].group];

	return g->class->gang_size > 0 ? g : NULL;
}

void gang_call_back(struct core *c, struct job *j, uint32_t task)
{
	struct group *g = gang_of(j, task);

	/* Their own answers come here as well.  Nobody starts before all have answered, so nobody is missed. */
	if (g == NULL || g->called_back)
		return;
	g->called_back = 1;
	for (uint32_t k = 0; k < g->n_tasks; k++) {
		uint32_t other = g->first_task + k;

		if (other != task && task_state_in_flight(j->tasks[other].state))
			core_act(c, ACTION_CANCEL, j->tasks[other].worker, j, other);
	}
}

void gang_fail(struct core *c, struct job *j, uint32_t task)
{
	const struct group *g = gang_of(j, task);
	char key[JOB_KEY_MAX], text[JOB_KEY_MAX + 64];

	if (g == NULL)
		return;
	snprintf(text, sizeof(text), "task %s, which it runs together with, failed",
		 job_key(j, task, key, sizeof(key)));
	for (uint32_t k = 0; k < g->n_tasks; k++) {
		uint32_t other = g->first_task + k;
		struct task *t = &j->tasks[other];

		if (other == task || task_state_ended(t->state))
			continue;
		if (task_state_in_flight(t->state))
			core_act(c, ACTION_CANCEL, t->worker, j, other);
		task_set_failure(j, other, FAIL_INPUT, 0, task, slice_of(text));
		task_fail_one(c, j, other, task_state_in_flight(t->state) ? EV_FAIL : EV_INPUT_FAILED);
	}
}

void gang_ended_one(struct core *c, struct job *j, uint32_t task)
{
	const struct group *g = gang_of(j, task);

	for (uint32_t k = 0; g != NULL && k < g->n_tasks; k++) {
		if (j->tasks[g->first_task + k].state != TASK_READY)
			continue;
		if (ready_push(j, g->first_task + k) != SC_OK) /* the others may be complete without it */
			c->rescan = 1;
		c->stamp++;
		return;
	}
}
