/*
 * reports.c - what workers say: started, done, failed, stopped, inputs missing; and what follows when one is lost.
 *
 * Every assignment is answered exactly once, and until then the task belongs to that worker even if it was cancelled
 * meanwhile: only the answer frees the worker's room.  So a late answer is never mistaken for one to a later attempt.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "scheduler/core/core_internal.h"

#define MEAN_WEIGHT	   0.125f
#define FETCH_FAILURES_MAX 100u /* two workers that cannot reach each other must not go on for ever */

/* The worker that has to answer for the task, or NULL when it is not this one. */
static struct worker *asked(struct core *c, uint32_t worker, const struct job *j, uint32_t task)
{
	if (worker == NO_WORKER || task >= j->n_tasks || j->tasks[task].worker != worker)
		return NULL;
	return core_worker(c, worker);
}

/* A task of the group is not out any more. */
static void count_out(struct core *c, struct group *g)
{
	if (g->max_running > 0 && ready_count_running(g, 0) != SC_OK)
		c->rescan = 1;
}

/* The answer is here: the worker has room again. */
static struct worker *answered(struct core *c, uint32_t worker, struct job *j, uint32_t task)
{
	struct worker *w = asked(c, worker, j, task);

	if (w == NULL)
		return NULL;
	task_list_remove(&w->in_flight, j, task);
	room_uncommit(c, w, j, task);
	j->tasks[task].worker = NO_WORKER;
	j->tasks[task].flags &= (uint8_t)~TASK_MOVING;
	j->tasks[task].fetches = 0;
	count_out(c, &j->groups[j->tasks[task].group]);
	j->n_unanswered--;
	w->n_ended++;
	w->answered_us = c->now_us;
	job_set_ran_on(j, task, w);
	return w;
}

sc_err core_task_fetches(struct core *c, uint32_t worker, struct job *j, uint32_t task)
{
	if (asked(c, worker, j, task) == NULL)
		return SC_UNEXPECTED;
	j->tasks[task].fetches = 1;
	return SC_OK;
}

sc_err core_task_started(struct core *c, uint32_t worker, struct job *j, uint32_t task)
{
	if (asked(c, worker, j, task) == NULL)
		return SC_UNEXPECTED;
	if (j->tasks[task].state == TASK_ASSIGNED)
		task_event(c, j, task, EV_START);
	return SC_OK;
}

/* Remember who holds the output.  Without memory for that it is dropped, and counts as lost. */
static void hold(struct core *c, struct worker *w, struct job *j, uint32_t task, const struct task_outcome *o)
{
	struct task *t = &j->tasks[task];
	struct task_detail *d = t->detail;

	t->result_bytes = o->result_bytes;
	t->elapsed_us = o->elapsed_us;
	t->cpu_us = (float)o->cpu_us;
	t->rss_kib = o->rss_bytes / 1024 < UINT32_MAX ? (uint32_t)(o->rss_bytes / 1024) : UINT32_MAX;
	if (o->stderr_bytes > 0)
		d = job_task_detail(j, task);
	if (d != NULL)
		d->stderr_bytes = o->stderr_bytes;
	if (o->result_bytes == 0 && o->stderr_bytes == 0)
		return;
	if ((o->stderr_bytes > 0 && d == NULL) || task_list_add(&w->held, j, task) != SC_OK) {
		core_act(c, ACTION_DROP, w->number, j, task);
		return;
	}
	t->holder = w->number;
	w->held_bytes += o->result_bytes + o->stderr_bytes;
	w->n_looked = 0; /* as it drains: by their number and size alone this one may not be noticed */
}

/* The answer to a task that was cancelled meanwhile: whatever it produced is not wanted. */
static sc_err stale_answer(struct core *c, uint32_t worker, struct job *j, uint32_t task, const struct task_outcome *o)
{
	if (o != NULL && (o->result_bytes > 0 || o->stderr_bytes > 0))
		core_act(c, ACTION_DROP, worker, j, task);
	return SC_OK;
}

static void tell_consumers(struct core *c, struct job *j, uint32_t task)
{
	struct consumers of = job_consumers(j, task);
	uint32_t consumer;

	while (consumers_next(&of, &consumer)) {
		struct task *k = &j->tasks[consumer];

		if (k->state != TASK_WAITING)
			continue;
		assert(k->n_missing > 0);
		if (--k->n_missing == 0 && (k->flags & TASK_DELAYED) == 0)
			task_make_ready(c, j, consumer);
	}
}

/* Computed again for a consumer that has ended since: nobody will ask for it. */
static void release_if_unneeded(struct core *c, struct job *j, uint32_t task)
{
	struct task *t = &j->tasks[task];
	const struct group *g = &j->groups[t->group];

	if (!job_has_consumers(j, task) || t->n_needed > 0 || t->holder == NO_WORKER || t->result_bytes == 0)
		return;
	if ((g->flags & (GROUP_KEEP | GROUP_WANT)) != 0 || (t->flags & TASK_WANTED) != 0)
		return;
	task_drop_output(c, j, task, 1);
	task_event(c, j, task, EV_RELEASE);
}

/* A moving average; negative: of nothing yet. */
static void learn_mean(float *mean_us, uint64_t us)
{
	*mean_us = *mean_us < 0.0f ? (float)us : *mean_us + MEAN_WEIGHT * ((float)us - *mean_us);
}

/* Consumers know of what is there by now: what is not is computed again if they need it, and what they do not, goes. */
static void look_after(struct core *c, struct job *j, uint32_t task)
{
	if (!task_is_available(&j->tasks[task]) && j->tasks[task].n_needed > 0)
		task_recompute(c, j, task);
	release_if_unneeded(c, j, task);
}

/* It has succeeded, and others may have what it made. */
static void publish(struct core *c, struct job *j, uint32_t task)
{
	if (task_is_available(&j->tasks[task]))
		tell_consumers(c, j, task);
	look_after(c, j, task);
}

/*
 * If it was the last of its gang, all are published.  One whose result is lost takes the others with it again: by then
 * their consumers have to know of them, as they are told that these are gone.
 */
static void publish_gang(struct core *c, struct job *j, uint32_t task)
{
	const struct group *g = &j->groups[j->tasks[task].group];
	uint32_t end = g->first_task + g->n_tasks;

	if (!gang_is_whole(c, j, task) || j->in_start == NULL)
		return;
	for (uint32_t k = g->first_task; k < end; k++)
		if (task_is_available(&j->tasks[k]))
			tell_consumers(c, j, k);
	for (uint32_t k = g->first_task; k < end; k++)
		if (j->tasks[k].state == TASK_DONE)
			look_after(c, j, k);
}

/* A task that is called back has answered: whatever that was, its gang starts anew.  0: it is not. */
static int goes_back(struct core *c, struct job *j, uint32_t task)
{
	if (!gang_is_called_back(j, task))
		return 0;
	task_event(c, j, task, EV_GANG_ANEW);
	j->tasks[task].n_missing = 0;
	task_settle(c, j, task);
	return 1;
}

sc_err core_task_done(struct core *c, uint32_t worker, struct job *j, uint32_t task, const struct task_outcome *o,
		      uint64_t now_us)
{
	struct worker *w = answered(c, worker, j, task);
	struct group *g;

	if (w == NULL)
		return SC_UNEXPECTED;
	if (!task_state_in_flight(j->tasks[task].state))
		return stale_answer(c, worker, j, task, o);
	g = &j->groups[j->tasks[task].group];
	if (goes_back(c, j, task)) {
		job_update(c, j, now_us);
		return stale_answer(c, worker, j, task, o);
	}
	learn_mean(&w->mean_us, o->elapsed_us);
	learn_mean(&g->mean_us, o->elapsed_us);
	group_times_ran(&g->times, o->elapsed_us);
	if (j->tasks[task].detail != NULL)
		job_task_detail_settle(j, task);
	j->tasks[task].withheld = g->class->gang_size > 0;
	task_event(c, j, task, EV_DONE);
	hold(c, w, j, task, o);
	if (j->tasks[task].withheld) {
		publish_gang(c, j, task);
	} else if (j->in_start != NULL) {
		task_close(c, j, task);
		publish(c, j, task);
	}
	job_update(c, j, now_us);
	return SC_OK;
}

/* ---- failing -------------------------------------------------------------------------------------------------- */

static uint64_t retry_delay_us(const struct core *c, uint32_t failures)
{
	uint64_t delay = c->options.retry_delay_us;

	for (uint32_t i = 1; i < failures && delay > 0 && delay < c->options.retry_delay_max_us; i++)
		delay *= 2;
	return delay < c->options.retry_delay_max_us ? delay : c->options.retry_delay_max_us;
}

static void note_failure(struct job *j, uint32_t task, const struct task_failure *f)
{
	struct task_detail *d;

	task_set_failure(j, task, f->cause, f->status, task, f->text);
	d = j->tasks[task].detail;
	if (d == NULL)
		return;
	d->failures++;
	job_set_stderr_tail(j, task, f->stderr_tail);
}

static int may_retry(const struct job *j, uint32_t task)
{
	const struct task *t = &j->tasks[task];

	return t->detail != NULL && t->detail->cause != FAIL_BODY && t->detail->failures <= j->groups[t->group].retries;
}

static void retry_later(struct core *c, struct job *j, uint32_t task, uint64_t now_us)
{
	uint64_t delay = retry_delay_us(c, j->tasks[task].detail->failures);

	gang_call_back(c, j, task);
	task_event(c, j, task, EV_RETRY_LATER);
	if (delay > 0)
		(void)core_delay(c, j, task, now_us + delay); /* no memory: it is tried again at once */
	task_settle(c, j, task);
}

sc_err core_task_failed(struct core *c, uint32_t worker, struct job *j, uint32_t task, const struct task_failure *f,
			uint64_t now_us)
{
	struct worker *w = answered(c, worker, j, task);

	if (w == NULL)
		return SC_UNEXPECTED;
	if (!task_state_in_flight(j->tasks[task].state))
		return stale_answer(c, worker, j, task, &f->outcome);
	if (goes_back(c, j, task)) { /* the others were gone: that is no failure of its own */
		job_update(c, j, now_us);
		return stale_answer(c, worker, j, task, &f->outcome);
	}
	note_failure(j, task, f);
	if (may_retry(j, task)) {
		stale_answer(c, worker, j, task, &f->outcome);
		retry_later(c, j, task, now_us);
	} else {
		task_fail(c, j, task, EV_FAIL);
		hold(c, w, j, task, &f->outcome);
	}
	job_update(c, j, now_us);
	return SC_OK;
}

/* One more worker or attempt came to nothing; 1 when that was one too many and the task has failed. */
static int count_crash(struct core *c, struct job *j, uint32_t task, enum task_event ev, const char *what)
{
	struct task *t = &j->tasks[task];
	char text[128];

	if (t->crashes < UINT8_MAX)
		t->crashes++;
	if (t->crashes < c->options.crash_limit)
		return 0;
	snprintf(text, sizeof(text), "%s %u times (scheduler.crash-limit)", what, t->crashes);
	task_set_failure(j, task, FAIL_WORKERS, t->crashes, task, slice_of(text));
	task_fail(c, j, task, ev);
	return 1;
}

sc_err core_task_stopped(struct core *c, uint32_t worker, struct job *j, uint32_t task, uint64_t now_us)
{
	const struct worker *w = asked(c, worker, j, task);
	int moving, is_given_back;

	if (w == NULL)
		return SC_UNEXPECTED;
	is_given_back = w->is_paused && j->tasks[task].state == TASK_ASSIGNED;
	moving = (j->tasks[task].flags & TASK_MOVING) != 0;
	answered(c, worker, j, task);
	if (j->tasks[task].state == TASK_ASSIGNED && moving) { /* it was no attempt */
		if (j->tasks[task].attempts < UINT16_MAX)
			j->tasks[task].attempts--;
		task_event(c, j, task, EV_WITHDRAWN);
		task_settle(c, j, task);
	} else if (task_state_in_flight(j->tasks[task].state)) { /* nobody asked for it: somebody else may run it */
		gang_call_back(c, j, task);
		if (!goes_back(c, j, task) &&
		    (is_given_back || !count_crash(c, j, task, EV_CRASH_LIMIT, "its worker stopped it unasked"))) {
			task_event(c, j, task, EV_WORKER_LOST);
			task_settle(c, j, task);
		}
	}
	job_update(c, j, now_us);
	return SC_OK;
}

void task_recompute_if_needed(struct core *c, struct job *j, uint32_t task)
{
	const struct task *t = &j->tasks[task];
	int wanted = (t->flags & TASK_WANTED) != 0 || (j->groups[t->group].flags & GROUP_WANT) != 0;

	/* What has ended is not begun again for one who may have read the result long ago: who still wants it asks. */
	if (job_has_ended(j))
		return;
	if (t->state == TASK_DONE && !task_has_result(t) && (t->n_needed > 0 || wanted))
		task_recompute(c, j, task);
}

/* Looked for among the consumers of the input, which are in the order of their numbers. */
static int is_input(const struct job *j, uint32_t task, uint32_t input)
{
	uint32_t lo, hi;

	if (j->out_start == NULL || input >= j->n_tasks)
		return 0;
	lo = j->out_start[input];
	hi = j->out_start[input + 1];
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (j->out[mid] == task)
			return 1;
		if (j->out[mid] < task)
			lo = mid + 1;
		else
			hi = mid;
	}
	return 0;
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* In a job that has grown: looked for among the task's inputs, sorted, however many are asked for. */
static sc_err check_inputs_sorted(const struct job *j, uint32_t task, const uint32_t *inputs, size_t n)
{
	uint32_t n_own = job_n_inputs(j, task);
	uint32_t *own = mem_malloc((size_t)n_own * sizeof(*own));
	sc_err err = SC_OK;

	if (own == NULL)
		return SC_NOMEM;
	for (uint32_t e = 0; e < n_own; e++)
		own[e] = j->in[j->in_start[task] + e];
	qsort(own, n_own, sizeof(*own), compare_numbers);
	for (size_t i = 0; i < n && err == SC_OK; i++)
		if (bsearch(&inputs[i], own, n_own, sizeof(*own), compare_numbers) == NULL)
			err = SC_UNEXPECTED;
	mem_free(own);
	return err;
}

static sc_err check_inputs(const struct job *j, uint32_t task, const uint32_t *inputs, size_t n)
{
	if (j->late_first != NULL)
		return check_inputs_sorted(j, task, inputs, n);
	for (size_t i = 0; i < n; i++)
		if (!is_input(j, task, inputs[i]))
			return SC_UNEXPECTED;
	return SC_OK;
}

sc_err core_inputs_missing(struct core *c, uint32_t worker, struct job *j, uint32_t task, const uint32_t *inputs,
			   const uint32_t *holders, size_t n, uint64_t now_us)
{
	struct task_detail *d;

	sc_err err;

	if (asked(c, worker, j, task) == NULL)
		return SC_UNEXPECTED;
	err = check_inputs(j, task, inputs, n);
	if (err != SC_OK)
		return err;
	answered(c, worker, j, task);
	if (!task_state_in_flight(j->tasks[task].state))
		return SC_OK;
	for (size_t i = 0; i < n; i++) {
		struct task *t = &j->tasks[inputs[i]];

		/* Unless it is somewhere else by now. */
		if (t->state != TASK_DONE || !replica_gone(c, j, inputs[i], holders[i], 1))
			continue;
		if (!task_has_result(t) && !t->withheld)
			task_result_gone(c, j, inputs[i]);
	}
	d = job_task_detail(j, task);
	if (d != NULL && ++d->fetch_failures < FETCH_FAILURES_MAX) {
		gang_call_back(c, j, task);
		task_event(c, j, task, EV_INPUT_LOST);
		j->tasks[task].n_missing = 0;
		task_settle(c, j, task);
	} else {
		static const char text[] = "its inputs could not be fetched, again and again";

		task_set_failure(j, task, FAIL_WORKERS, FETCH_FAILURES_MAX, task, slice_of(text));
		task_fail(c, j, task, EV_CRASH_LIMIT);
	}
	for (size_t i = 0; i < n; i++) /* this task may have failed, and others wait for them still */
		task_recompute_if_needed(c, j, inputs[i]);
	job_update(c, j, now_us);
	return SC_OK;
}

/* ---- a worker is lost ----------------------------------------------------------------------------------------- */

/* What it was given goes back to waiting; which of it is ready is seen when all losses are known. */
static void take_back(struct core *c, const struct task_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct job *j = l->v[i].job;
		uint32_t task = l->v[i].task;
		struct task *t = &j->tasks[task];
		int was_running = t->state == TASK_RUNNING, was_fetching = t->fetches;

		t->worker = NO_WORKER;
		t->flags &= (uint8_t)~TASK_MOVING;
		t->fetches = 0;
		count_out(c, &j->groups[t->group]);
		j->n_unanswered--;
		if (!task_state_in_flight(t->state))
			continue; /* cancelled before */
		if (was_running && count_crash(c, j, task, EV_CRASH_LIMIT, "its worker went away while it ran,"))
			continue;
		if (!was_running && was_fetching &&
		    count_crash(c, j, task, EV_CRASH_LIMIT, "its worker went away while it ran or fetched its inputs,"))
			continue;
		gang_call_back(c, j, task);
		task_event(c, j, task, EV_WORKER_LOST);
		t->n_missing = 0;
	}
}

static void lose_outputs(struct core *c, const struct task_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct task *t = &l->v[i].job->tasks[l->v[i].task];
		int was_available = task_is_available(t);

		t->holder = NO_WORKER;
		replica_promote(c, l->v[i].job, l->v[i].task);
		if (was_available && !task_is_available(t))
			task_result_gone(c, l->v[i].job, l->v[i].task);
	}
}

static void recompute_needed(struct core *c, const struct task_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		task_recompute_if_needed(c, l->v[i].job, l->v[i].task);
}

/* Nothing that was decided for it may reach a new worker that gets its number. */
static void void_actions(struct core *c, uint32_t worker, size_t from)
{
	for (size_t i = from; i < c->n_actions; i++)
		if (c->actions[i].worker == worker)
			c->actions[i].worker = NO_WORKER;
}

void core_worker_lost(struct core *c, uint32_t number, uint64_t now_us)
{
	struct worker *w = core_worker(c, number);
	size_t n_before = c->n_actions;

	if (w == NULL)
		return;
	void_actions(c, number, 0);
	HASH_DELETE(hh, c->workers_by_name, w);
	c->workers[number] = NULL;
	c->n_workers--;
	for (size_t i = 0; i < w->in_flight.n; i++)
		room_uncommit(c, w, w->in_flight.v[i].job, w->in_flight.v[i].task);
	room_forget(c, w);
	drain_forget_worker(c, w);
	replicas_lose(c, w);
	lose_outputs(c, &w->held); /* first: what follows may want to drop one */
	take_back(c, &w->in_flight);
	recompute_needed(c, &w->held);
	for (size_t i = 0; i < w->in_flight.n; i++)
		if (w->in_flight.v[i].job->tasks[w->in_flight.v[i].task].state == TASK_WAITING)
			task_settle(c, w->in_flight.v[i].job, w->in_flight.v[i].task);
	for (size_t i = 0; i < w->in_flight.n; i++)
		job_update(c, w->in_flight.v[i].job, now_us);
	for (size_t i = 0; i < w->held.n; i++) /* recomputing may have failed at once, for want of an input */
		job_update(c, w->held.v[i].job, now_us);
	void_actions(c, number, n_before); /* what failed with a task it had may have been there as well */
	worker_free(w);
}
