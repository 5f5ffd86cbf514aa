/* nothing.c - the function of the `call` scenario, a module of its own as users' functions are. */
#include <sched_task.h>

sc_task_fn nothing;

int nothing(sc_task *t)
{
	(void)t;
	return 0;
}
