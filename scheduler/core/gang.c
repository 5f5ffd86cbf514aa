/*
 * gang.c - tasks that need each other: they start together, run again together, and succeed or fail as one.
 *
 * When a member has to start again (its worker was lost, it is retried, an input was not there), the others that are
 * out are called back: they are told to stop, and whatever their workers answer they wait.  Those that were done run
 * again as well.  When the last of them is ready, all start together once more (ready.c).
 *
 * So what a member has made is of use only when all have succeeded.  Until then it is done but withheld: it has not
 * ended, its inputs are still needed, and its consumers wait.  (A client may look at what it has made.)  When the last
 * one is done all end together.  When one fails for good they all have failed, and no task has taken anything from
 * them.
 *
 * A result that is lost later, and needed, takes all of them as well.  Consumers that have ended by then stay so.
 */
#include <assert.h>
#include <stdio.h>

#include "scheduler/core/core_internal.h"

static struct group *gang_of(const struct job *j, uint32_t task)
{
	struct group *g = &j->groups[j->tasks[task].group];

	return g->class->gang_size > 0 ? g : NULL;
}

void gang_withdraw(struct core *c, struct job *j, uint32_t task)
{
	struct task *t = &j->tasks[task];

	assert(t->withheld && "nobody has it yet");
	task_drop_output(c, j, task, 1);
	task_event(c, j, task, EV_GANG_ANEW);
	t->result_bytes = 0;
	t->n_missing = 0;
	job_task_detail_settle(j, task);
}

void gang_call_back(struct core *c, struct job *j, uint32_t task)
{
	struct group *g = gang_of(j, task);

	/* Their own answers come here as well.  Nobody starts before all have answered, so nobody is missed. */
	if (g == NULL || g->called_back)
		return;
	g->called_back = 1;
	for (uint32_t k = g->first_task; k < g->first_task + g->n_tasks; k++) {
		if (k != task && task_state_in_flight(j->tasks[k].state))
			core_act(c, ACTION_CANCEL, j->tasks[k].worker, j, k);
		if (j->tasks[k].withheld) {
			gang_withdraw(c, j, k);
			g->is_unsettled = 1;
		}
	}
}

int gang_is_called_back(const struct job *j, uint32_t task)
{
	return j->groups[j->tasks[task].group].called_back;
}

int gang_run_again(struct core *c, struct job *j, uint32_t task)
{
	struct group *g = gang_of(j, task);

	if (g == NULL)
		return 0;
	if (j->tasks[task].withheld) {
		gang_call_back(c, j, task);
		return 1;
	}
	g->is_unsettled = 1;
	for (uint32_t k = g->first_task; k < g->first_task + g->n_tasks; k++) {
		int was_available = task_is_available(&j->tasks[k]);

		task_revive(c, j, k, EV_RECOMPUTE);
		if (was_available)
			task_result_gone(c, j, k);
	}
	return 1;
}

void gang_fail(struct core *c, struct job *j, uint32_t task)
{
	struct group *g = gang_of(j, task);
	char key[JOB_KEY_MAX], text[JOB_KEY_MAX + 64];

	if (g == NULL)
		return;
	snprintf(text, sizeof(text), "task %s, which it runs together with, failed",
		 job_key(j, task, key, sizeof(key)));
	for (uint32_t k = g->first_task; k < g->first_task + g->n_tasks; k++) {
		if (task_has_ended(&j->tasks[k]))
			continue;
		if (task_state_in_flight(j->tasks[k].state))
			core_act(c, ACTION_CANCEL, j->tasks[k].worker, j, k);
		task_set_failure(j, k, FAIL_INPUT, 0, task, slice_of(text));
		task_fail_one(c, j, k, EV_GANG_FAILED);
	}
	g->is_unsettled = 0;
}

int gang_is_whole(struct core *c, struct job *j, uint32_t task)
{
	const struct group *g = gang_of(j, task);
	uint32_t end = g->first_task + g->n_tasks;

	for (uint32_t k = g->first_task; k < end; k++)
		if (j->tasks[k].state != TASK_DONE)
			return 0;
	for (uint32_t k = g->first_task; k < end; k++) {
		j->tasks[k].withheld = 0;
		if (j->tasks[k].detail != NULL)
			j->tasks[k].detail->failures = 0;
		if (job_awaits(j, k))
			core_act(c, ACTION_TASK_ENDED, NO_WORKER, j, k);
	}
	for (uint32_t k = g->first_task; k < end; k++)
		task_close(c, j, k);
	return 1;
}
