/* metrics.c - see metrics.h and metrics.def. */
#include "scheduler/metrics.h"

#include "scheduler/info_link.h"

#define JOB_STATES 5

static uint64_t count_jobs(const struct scheduler *s, unsigned state)
{
	uint64_t n = 0;

	for (const struct job *j = core_job_first(s->core); j != NULL; j = core_job_next(s->core, j))
		n += j->state == state;
	return n;
}

static uint64_t count_tasks(const struct scheduler *s, unsigned state)
{
	uint64_t n = 0;

	for (const struct job *j = core_job_first(s->core); j != NULL; j = core_job_next(s->core, j))
		n += j->counts[state];
	return n;
}

void metrics_each(const struct scheduler *s, metric_fn fn, void *arg)
{
#define METRIC(name, type, help, value) fn(arg, #name, type, help, NULL, 1, (uint64_t)(value));
#define METRIC_BY_STATE(name, type, help, value, states, name_of)                                                      \
	for (unsigned state = 0; state < (states); state++)                                                            \
		fn(arg, #name, type, help, name_of(state), state == 0, (uint64_t)(value));
#include "scheduler/metrics.def"
#undef METRIC
#undef METRIC_BY_STATE
}
