/* metrics.c - see metrics.h and metrics.def. */
#include "scheduler/metrics.h"

#include "scheduler/info_link.h"

#define JOB_STATES 5

/* By state. */
struct counts {
	uint64_t jobs[JOB_STATES], tasks[TASK_STATES];
};

static size_t count(const struct scheduler *s, struct counts *n)
{
	size_t n_jobs = 0;

	for (const struct job *j = core_job_first(s->core); j != NULL; j = core_job_next(s->core, j), n_jobs++) {
		n->jobs[j->state]++;
		for (unsigned state = 0; state < TASK_STATES; state++)
			n->tasks[state] += j->counts[state];
	}
	return n_jobs;
}

size_t metrics_each(const struct scheduler *s, metric_fn fn, void *arg)
{
	struct counts counts = {0}, *n = &counts;
	size_t n_jobs = count(s, n);

#define METRIC(name, type, help, value) fn(arg, #name, type, help, NULL, 1, (uint64_t)(value));
#define METRIC_BY_STATE(name, type, help, value, states, name_of)                                                      \
	for (unsigned state = 0; state < (states); state++)                                                            \
		fn(arg, #name, type, help, name_of(state), state == 0, (uint64_t)(value));
#include "scheduler/metrics.def"
#undef METRIC
#undef METRIC_BY_STATE
	return n_jobs;
}
