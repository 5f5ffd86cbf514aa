/*
 * retry.c - running again what has ended: asked for by a person, or because a result is wanted that is gone.
 */
#include "base/mem.h"
#include "scheduler/core/core_internal.h"

struct selection {
	uint32_t *v;
	size_t n, cap;
};

static sc_err add(struct selection *s, uint32_t task)
{
	void *p = mem_grow(s->v, &s->cap, s->n + 1, sizeof(*s->v));

	if (p == NULL)
		return SC_NOMEM;
	s->v = p;
	s->v[s->n++] = task;
	return SC_OK;
}

static int may_run_again(const struct task *t)
{
	return t->state == TASK_FAILED || t->state == TASK_CANCELLED;
}

/* Failed because of another task: it goes with that one. */
static int failed_with_input(const struct task *t)
{
	return t->state == TASK_FAILED && t->detail != NULL && t->detail->cause == FAIL_INPUT;
}

static sc_err select_all(const struct job *j, struct selection *s)
{
	sc_err err = SC_OK;

	for (uint32_t t = 0; t < j->n_tasks && err == SC_OK; t++)
		if (may_run_again(&j->tasks[t]))
			err = add(s, t);
	return err;
}

/* Of the task's gang, those that may run again: they do so together. */
static sc_err select_gang(const struct job *j, uint32_t task, uint8_t *seen, struct selection *s)
{
	const struct group *g = &j->groups[j->tasks[task].group];
	sc_err err = SC_OK;

	if (g->class->gang_size == 0)
		return SC_OK;
	for (uint32_t k = g->first_task; k < g->first_task + g->n_tasks && err == SC_OK; k++) {
		if (!seen[k] && may_run_again(&j->tasks[k])) {
			seen[k] = 1;
			err = add(s, k);
		}
	}
	return err;
}

/*
 * The task, ended tasks it takes input from, those that failed because of any of them, and the gangs of all these.  s
 * is also the work list.
 */
static sc_err select_around(const struct job *j, uint32_t task, struct selection *s)
{
	uint8_t *seen = mem_calloc(j->n_tasks, 1);
	sc_err err = seen == NULL ? SC_NOMEM : add(s, task);

	if (seen != NULL)
		seen[task] = 1;
	for (size_t at = 0; at < s->n && err == SC_OK; at++) {
		uint32_t t = s->v[at], k;
		struct consumers of = job_consumers(j, t);

		err = select_gang(j, t, seen, s);
		for (uint32_t e = 0; e < job_n_inputs(j, t) && err == SC_OK; e++) {
			uint32_t i = j->in[j->in_start[t] + e];

			if (!seen[i] && may_run_again(&j->tasks[i])) {
				seen[i] = 1;
				err = add(s, i);
			}
		}
		while (err == SC_OK && consumers_next(&of, &k)) {
			if (!seen[k] && failed_with_input(&j->tasks[k])) {
				seen[k] = 1;
				err = add(s, k);
			}
		}
	}
	mem_free(seen);
	return err;
}

/* A cancelled task whose worker has not answered yet cannot be given away again. */
static int still_stopping(const struct job *j, const struct selection *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (j->tasks[s->v[i]].worker != NO_WORKER)
			return 1;
	return 0;
}

sc_err core_tasks_retry(struct core *c, struct job *j, const uint32_t *task, uint64_t now_us, uint64_t *n)
{
	struct selection s = {0};
	sc_err err;

	*n = 0;
	if (task != NULL && !may_run_again(&j->tasks[*task]))
		return SC_BAD_STATE;
	err = task == NULL ? select_all(j, &s) : select_around(j, *task, &s);
	if (err == SC_OK && still_stopping(j, &s))
		err = SC_BAD_STATE;
	if (err == SC_OK) {
		for (size_t i = 0; i < s.n; i++) {
			j->tasks[s.v[i]].crashes = 0;
			task_revive(c, j, s.v[i], EV_TRY_AGAIN);
		}
		j->fails_limit = j->max_fails == 0 ? 0 : j->max_fails + j->n_fails; /* those left are forgiven */
		for (size_t i = 0; i < s.n; i++)
			task_settle(c, j, s.v[i]);
		*n = s.n;
		job_update(c, j, now_us);
	}
	mem_free(s.v);
	return err;
}

sc_err core_result_want(struct core *c, struct job *j, uint32_t task, uint64_t now_us)
{
	struct task *t = &j->tasks[task];

	if (j->forgotten || may_run_again(t)) /* forgotten: in this turn, as too many others have ended */
		return SC_BAD_STATE;
	t->flags |= TASK_WANTED;
	if (t->state == TASK_RELEASED || (t->state == TASK_DONE && !task_has_result(t)))
		task_recompute(c, j, task);
	job_update(c, j, now_us);
	return SC_OK;
}
