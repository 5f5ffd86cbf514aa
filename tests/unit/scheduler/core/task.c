/* Every cell of the table of task states. */
#include <criterion/criterion.h>

#include "scheduler/core/task.h"

/* What each event may do, written down a second time, the other way round: by event. */
static const struct {
	unsigned event;
	unsigned from[5];
	unsigned n_from, to;
} expected[] = {
	{EV_INPUTS_MET, {TASK_WAITING}, 1, TASK_READY},
	{EV_INPUT_LOST, {TASK_READY, TASK_ASSIGNED, TASK_RUNNING}, 3, TASK_WAITING},
	{EV_ASSIGN, {TASK_READY}, 1, TASK_ASSIGNED},
	{EV_START, {TASK_ASSIGNED}, 1, TASK_RUNNING},
	{EV_DONE, {TASK_ASSIGNED, TASK_RUNNING}, 2, TASK_DONE},
	{EV_FAIL, {TASK_ASSIGNED, TASK_RUNNING}, 2, TASK_FAILED},
	{EV_RETRY_LATER, {TASK_ASSIGNED, TASK_RUNNING}, 2, TASK_WAITING},
	{EV_WITHDRAWN, {TASK_ASSIGNED}, 1, TASK_WAITING},
	{EV_WORKER_LOST, {TASK_ASSIGNED, TASK_RUNNING}, 2, TASK_WAITING},
	{EV_CRASH_LIMIT, {TASK_ASSIGNED, TASK_RUNNING}, 2, TASK_FAILED},
	{EV_INPUT_FAILED, {TASK_WAITING, TASK_READY}, 2, TASK_FAILED},
	{EV_CANCEL, {TASK_WAITING, TASK_READY, TASK_ASSIGNED, TASK_RUNNING}, 4, TASK_CANCELLED},
	{EV_RELEASE, {TASK_DONE}, 1, TASK_RELEASED},
	{EV_RECOMPUTE, {TASK_DONE, TASK_RELEASED}, 2, TASK_WAITING},
	{EV_TRY_AGAIN, {TASK_FAILED, TASK_CANCELLED}, 2, TASK_WAITING},
	{EV_GANG_ANEW, {TASK_ASSIGNED, TASK_RUNNING, TASK_DONE}, 3, TASK_WAITING},
	{EV_GANG_FAILED, {TASK_WAITING, TASK_READY, TASK_ASSIGNED, TASK_RUNNING, TASK_DONE}, 5, TASK_FAILED},
};

static int is_expected(unsigned from, unsigned event, unsigned *to)
{
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		if (expected[i].event != event)
			continue;
		for (unsigned k = 0; k < expected[i].n_from; k++) {
			if (expected[i].from[k] == from) {
				*to = expected[i].to;
				return 1;
			}
		}
	}
	return 0;
}

Test(task, every_cell_of_the_table)
{
	for (unsigned s = 0; s < TASK_STATES; s++) {
		for (unsigned e = 0; e < TASK_EVENTS; e++) {
			struct task_transition t = task_transition(s, e);
			unsigned to = 0;

			cr_assert_eq(t.legal, is_expected(s, e, &to), "%s on %s", task_event_name(e),
				     const_name_TASK(s));
			if (t.legal)
				cr_assert_eq(t.to, to, "%s on %s", task_event_name(e), const_name_TASK(s));
		}
	}
}

Test(task, out_of_range_is_illegal)
{
	cr_assert_not(task_transition(TASK_STATES, EV_DONE).legal);
	cr_assert_not(task_transition(TASK_READY, TASK_EVENTS).legal);
	cr_assert_str_eq(task_event_text(TASK_EVENTS), "?");
	cr_assert_str_eq(task_event_name(TASK_EVENTS), "?");
}

Test(task, fits_a_cache_line)
{
	cr_assert_leq(sizeof(struct task), 64);
}
