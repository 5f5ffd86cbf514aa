/* task.c - the table of task states.  An empty cell is illegal: the event leaves the task alone. */
#include "scheduler/core/task.h"

#define TO(state)                                                                                                      \
	{                                                                                                              \
		1, TASK_##state                                                                                        \
	}

static const struct task_transition table[TASK_STATES][TASK_EVENTS] = {
	[TASK_WAITING] =
		{
			[EV_INPUTS_MET] = TO(READY),
			[EV_INPUT_FAILED] = TO(FAILED),
			[EV_GANG_FAILED] = TO(FAILED),
			[EV_CANCEL] = TO(CANCELLED),
		},
	[TASK_READY] =
		{
			[EV_ASSIGN] = TO(ASSIGNED),
			[EV_INPUT_LOST] = TO(WAITING),
			[EV_INPUT_FAILED] = TO(FAILED),
			[EV_GANG_FAILED] = TO(FAILED),
			[EV_CANCEL] = TO(CANCELLED),
		},
	[TASK_ASSIGNED] =
		{
			[EV_WITHDRAWN] = TO(WAITING),
			[EV_START] = TO(RUNNING),
			[EV_DONE] = TO(DONE),
			[EV_FAIL] = TO(FAILED),
			[EV_RETRY_LATER] = TO(WAITING),
			[EV_INPUT_LOST] = TO(WAITING),
			[EV_WORKER_LOST] = TO(WAITING),
			[EV_CRASH_LIMIT] = TO(FAILED),
			[EV_GANG_ANEW] = TO(WAITING),
			[EV_GANG_FAILED] = TO(FAILED),
			[EV_CANCEL] = TO(CANCELLED),
		},
	[TASK_RUNNING] =
		{
			[EV_DONE] = TO(DONE),
			[EV_FAIL] = TO(FAILED),
			[EV_RETRY_LATER] = TO(WAITING),
			[EV_INPUT_LOST] = TO(WAITING),
			[EV_WORKER_LOST] = TO(WAITING),
			[EV_CRASH_LIMIT] = TO(FAILED),
			[EV_GANG_ANEW] = TO(WAITING),
			[EV_GANG_FAILED] = TO(FAILED),
			[EV_CANCEL] = TO(CANCELLED),
		},
	[TASK_DONE] =
		{
			[EV_RELEASE] = TO(RELEASED),
			[EV_RECOMPUTE] = TO(WAITING),
			[EV_GANG_ANEW] = TO(WAITING),
			[EV_GANG_FAILED] = TO(FAILED),
		},
	[TASK_FAILED] =
		{
			[EV_TRY_AGAIN] = TO(WAITING),
		},
	[TASK_CANCELLED] =
		{
			[EV_TRY_AGAIN] = TO(WAITING),
		},
	[TASK_RELEASED] =
		{
			[EV_RECOMPUTE] = TO(WAITING),
		},
};

static const char *const texts[TASK_EVENTS] = {
#define X(name, text) text,
	TASK_EVENTS_TABLE(X)
#undef X
};

static const char *const names[TASK_EVENTS] = {
#define X(name, text) #name,
	TASK_EVENTS_TABLE(X)
#undef X
};

struct task_transition task_transition(unsigned state, unsigned event)
{
	if (state >= TASK_STATES || event >= TASK_EVENTS)
		return (struct task_transition){0, 0};
	return table[state][event];
}

const char *task_event_text(unsigned event)
{
	return event < TASK_EVENTS ? texts[event] : "?";
}

const char *task_event_name(unsigned event)
{
	return event < TASK_EVENTS ? names[event] : "?";
}
