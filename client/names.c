/*
 * names.c - the numbers of the public header and their names.
 *
 * The header repeats proto/constants.def, because it is installed and that is not; a row that is missing there or has
 * another value does not compile here.
 */
#include "client/sched_client.h"
#include "proto/message.h"

#define SAME_TASK(name) _Static_assert((int)SC_TASK_##name == (int)TASK_##name, "sched_client.h: sc_task_state")
#define SAME_JOB(name)	_Static_assert((int)SC_JOB_##name == (int)JOB_##name, "sched_client.h: sc_job_state")
#define SAME_WORKER(name)                                                                                              \
	_Static_assert((int)SC_WORKER_##name == (int)WORKER_##name, "sched_client.h: sc_worker_status")
#define SAME_KIND(name)		_Static_assert((int)SC_KIND_##name == (int)KIND_##name, "sched_client.h: sc_kind")
#define SAME_FAIL(name)		_Static_assert((int)SC_FAIL_##name == (int)FAIL_##name, "sched_client.h: sc_fail")
#define SAME_NAMESPACE(name)	/* not in the public header */
#define SAME_GROUP(name)	_Static_assert((int)SC_GROUP_##name == (int)GROUP_##name, "sched_client.h: sc_group_flag")
#define SAME_JOB_FLAG(name)	_Static_assert((int)SC_JOB_##name == (int)JOB_FLAG_##name, "sched_client.h: sc_job_flag")
#define SAME_FEATURE(name)	_Static_assert(1, "of no concern to programs")
#define SAME_INFO_SECTION(name) _Static_assert(1, "of no concern to programs")
#define SAME_INFO_KIND(name)	_Static_assert(1, "of no concern to programs")

#define CONST(family, name, value, shown, text) SAME_##family(name);
#include "proto/constants.def"
#undef CONST

_Static_assert(SC_TASK_STATES == TASK_STATES, "sched_client.h: SC_TASK_STATES");

const char *sc_task_state_name(uint64_t state)
{
	return const_name_TASK(state);
}

const char *sc_job_state_name(uint64_t state)
{
	return const_name_JOB(state);
}

const char *sc_worker_status_name(uint64_t status)
{
	return const_name_WORKER(status);
}

const char *sc_kind_name(uint64_t kind)
{
	return const_name_KIND(kind);
}

const char *sc_fail_name(uint64_t cause)
{
	return const_name_FAIL(cause);
}

int sc_job_state_is_final(uint64_t state)
{
	return state == SC_JOB_DONE || state == SC_JOB_FAILED || state == SC_JOB_CANCELLED;
}

int sc_task_state_is_final(uint64_t state)
{
	return state == SC_TASK_DONE || state == SC_TASK_FAILED || state == SC_TASK_CANCELLED ||
	       state == SC_TASK_RELEASED;
}
