/*
 * transitions.c - what follows from a task changing its state.
 *
 * Two counts carry it all.  n_missing of a waiting task: its inputs whose result is not available, per edge.  n_needed
 * of any task: its consumers that have not ended, per edge; when it falls to zero and nobody asked to keep the result,
 * the result is dropped.  The checker (check.c) recomputes both.
 *
 * Nothing here recurses: what spreads along edges uses the core's stack of (job, task), whose size is bounded by the
 * number of tasks because a task is pushed only when its state changes.
 */
#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "scheduler/core/core_internal.h"

/* For a worker to start it. */
static int waits(unsigned state)
{
	return state == TASK_READY || state == TASK_ASSIGNED;
}

void task_event(struct core *c, struct job *j, uint32_t task, enum task_event ev)
{
	struct task *t = &j->tasks[task];
	struct task_transition tr = task_transition(t->state, ev);
	int had_ended = task_has_ended(t);
	unsigned from = t->state;

	assert(tr.legal && "an event that is not in the table for this state");
	j->counts[from]--;
	j->counts[tr.to]++;
	if (from == TASK_READY)
		namespace_count_ready(j->groups[t->group].class, 0);
	if (tr.to == TASK_READY)
		namespace_count_ready(j->groups[t->group].class, 1);
	if (waits(tr.to) && !waits(from))
		group_times_wait_begins(&j->groups[t->group].times, c->now_us);
	else if (waits(from) && !waits(tr.to))
		group_times_wait_ends(&j->groups[t->group].times, c->now_us);
	t->state = tr.to & 0x1fu;
	t->reason = (uint8_t)ev;
	if (from == TASK_DONE)
		t->withheld = 0;
	if (!had_ended && task_has_ended(t) && job_awaits(j, task))
		core_act(c, ACTION_TASK_ENDED, NO_WORKER, j, task);
	if (c->trace != NULL)
		c->trace(c->trace_arg, j, task, from, ev, tr.to);
}

int task_has_result(const struct task *t)
{
	return t->state == TASK_DONE && (t->result_bytes == 0 || t->holder != NO_WORKER);
}

int task_is_available(const struct task *t)
{
	return task_has_result(t) && !t->withheld;
}

static void push(struct core *c, struct job *j, uint32_t task)
{
	void *p = mem_grow(c->stack, &c->cap_stack, c->n_stack + 1, sizeof(*c->stack));

	if (p == NULL) {
		c->broken = 1;
		return;
	}
	c->stack = p;
	c->stack[c->n_stack++] = (struct task_ref){j, task};
}

static int pop(struct core *c, size_t floor, struct task_ref *out)
{
	if (c->n_stack <= floor)
		return 0;
	*out = c->stack[--c->n_stack];
	return 1;
}

void task_make_ready(struct core *c, struct job *j, uint32_t task)
{
	task_event(c, j, task, EV_INPUTS_MET);
	if (ready_push(j, task) != SC_OK)
		c->rescan = 1;
	c->stamp++;
}

void task_drop_output(struct core *c, struct job *j, uint32_t task, int tell)
{
	struct task *t = &j->tasks[task];
	struct worker *w;

	if (t->holder == NO_WORKER)
		return;
	w = c->workers[t->holder];
	drain_forget_task(c, j, task);
	replicas_drop(c, j, task, tell);
	task_list_remove(&w->held, j, task);
	w->held_bytes -= task_held_bytes(t);
	if (tell)
		core_act(c, ACTION_DROP, t->holder, j, task);
	t->holder = NO_WORKER;
}

/* The consumers' side of an input that nobody waits for any more. */
static void input_not_needed(struct core *c, struct job *j, uint32_t input)
{
	struct task *t = &j->tasks[input];
	const struct group *g = &j->groups[t->group];

	assert(t->n_needed > 0);
	t->n_needed--;
	if (t->n_needed > 0 || t->state != TASK_DONE || t->holder == NO_WORKER || t->result_bytes == 0 || t->withheld)
		return;
	if ((g->flags & (GROUP_KEEP | GROUP_WANT)) != 0 || (t->flags & TASK_WANTED) != 0)
		return;
	task_drop_output(c, j, input, 1);
	task_event(c, j, input, EV_RELEASE);
}

void task_close(struct core *c, struct job *j, uint32_t task)
{
	if (j->in_start == NULL)
		return;
	for (uint32_t e = j->in_start[task]; e < j->in_start[task + 1]; e++)
		input_not_needed(c, j, j->in[e]);
}

void task_revive(struct core *c, struct job *j, uint32_t task, enum task_event ev)
{
	struct task *t = &j->tasks[task];

	task_drop_output(c, j, task, 1);
	task_event(c, j, task, ev);
	t->result_bytes = 0;
	j->n_fails -= t->counted;
	t->counted = 0;
	t->flags &= (uint8_t)~TASK_DELAYED;
	job_task_detail_clear(j, task);
	for (uint32_t e = 0; e < job_n_inputs(j, task); e++)
		j->tasks[j->in[j->in_start[task] + e]].n_needed++;
	job_reopen(c, j);
}

void task_result_gone(struct core *c, struct job *j, uint32_t task)
{
	struct consumers of = job_consumers(j, task);
	uint32_t consumer;

	while (consumers_next(&of, &consumer)) {
		struct task *k = &j->tasks[consumer];

		if (k->state == TASK_READY) {
			task_event(c, j, consumer, EV_INPUT_LOST);
			k->n_missing = 0;
		}
		if (k->state == TASK_WAITING)
			k->n_missing++;
	}
}

/* ---- failing -------------------------------------------------------------------------------------------------- */

void task_set_failure(struct job *j, uint32_t task, uint32_t cause, uint32_t status, uint32_t culprit,
		      struct slice text)
{
	struct task_detail *d = job_task_detail(j, task);

	if (d == NULL)
		return; /* it fails all the same, with less to say */
	d->cause = (uint8_t)cause;
	d->status = status;
	d->culprit = culprit;
	mem_free(d->text);
	d->text = slice_dup(text);
}

/* `task` shares in the failure of `culprit`, on which it depends. */
static void set_input_failure(struct job *j, uint32_t task, uint32_t culprit)
{
	char key[JOB_KEY_MAX], text[JOB_KEY_MAX + 64];

	snprintf(text, sizeof(text), "task %s, which it depends on, %s", job_key(j, culprit, key, sizeof(key)),
		 j->tasks[culprit].state == TASK_CANCELLED ? "was cancelled" : "failed");
	task_set_failure(j, task, FAIL_INPUT, 0, culprit, slice_of(text));
}

static void note_first_failure(struct job *j, uint32_t task)
{
	const struct task_detail *d = j->tasks[task].detail;
	char key[JOB_KEY_MAX], line[1024];

	if (j->text != NULL)
		return;
	snprintf(line, sizeof(line), "task %s: %s", job_key(j, task, key, sizeof(key)),
		 d != NULL && d->text != NULL ? d->text : "failed");
	j->text = mem_strdup(line);
}

/* The others of a gang one of whose members has just failed for want of an input share in that. */
static void fail_gang_of_consumer(struct core *c, struct job *j, uint32_t task)
{
	struct group *g = &j->groups[j->tasks[task].group];

	for (uint32_t k = g->first_task; k < g->first_task + g->n_tasks; k++) {
		if (task_has_ended(&j->tasks[k]))
			continue;
		if (task_state_in_flight(j->tasks[k].state))
			core_act(c, ACTION_CANCEL, j->tasks[k].worker, j, k);
		task_event(c, j, k, EV_GANG_FAILED);
		set_input_failure(j, k, task);
		task_close(c, j, k);
		push(c, j, k);
	}
	g->is_unsettled = 0;
}

static void fail_consumers(struct core *c, struct job *j, uint32_t task)
{
	size_t floor = c->n_stack;
	struct task_ref at;

	if (j->out_start == NULL)
		return;
	push(c, j, task);
	while (pop(c, floor, &at)) {
		struct consumers of = job_consumers(j, at.task);
		uint32_t k;

		while (consumers_next(&of, &k)) {
			if (j->tasks[k].state != TASK_WAITING && j->tasks[k].state != TASK_READY)
				continue;
			task_event(c, j, k, EV_INPUT_FAILED);
			set_input_failure(j, k, task);
			task_close(c, j, k);
			push(c, j, k);
			if (j->groups[j->tasks[k].group].class->gang_size > 0)
				fail_gang_of_consumer(c, j, k);
		}
	}
}

void task_fail_one(struct core *c, struct job *j, uint32_t task, enum task_event ev)
{
	task_event(c, j, task, ev);
	note_first_failure(j, task);
	task_close(c, j, task);
	fail_consumers(c, j, task);
}

void task_fail(struct core *c, struct job *j, uint32_t task, enum task_event ev)
{
	if (ev != EV_INPUT_FAILED) {
		j->tasks[task].counted = 1;
		j->n_fails++;
	}
	task_fail_one(c, j, task, ev);
	gang_fail(c, j, task);
}

/* ---- waiting -------------------------------------------------------------------------------------------------- */

/* The task because of which this one has failed: itself, unless it shares in another's failure. */
static uint32_t first_cause(const struct job *j, uint32_t task)
{
	const struct task_detail *d = j->tasks[task].detail;

	return d != NULL && d->cause == FAIL_INPUT && d->culprit < j->n_tasks ? d->culprit : task;
}

/* The first cause of the failure of an input, in which a task has to share, or UINT32_MAX. */
static uint32_t failed_input(const struct job *j, uint32_t task)
{
	for (uint32_t e = 0; e < job_n_inputs(j, task); e++) {
		uint32_t i = j->in[j->in_start[task] + e];

		if (j->tasks[i].state == TASK_FAILED || j->tasks[i].state == TASK_CANCELLED)
			return first_cause(j, i);
	}
	return UINT32_MAX;
}

/* To be settled: the task, and those of its gang that have to run again because of it. */
static void push_waiting(struct core *c, struct job *j, uint32_t task)
{
	struct group *g = &j->groups[j->tasks[task].group];

	push(c, j, task);
	if (!g->is_unsettled)
		return;
	g->is_unsettled = 0;
	for (uint32_t k = g->first_task; k < g->first_task + g->n_tasks; k++)
		if (k != task && j->tasks[k].state == TASK_WAITING)
			push(c, j, k);
}

/* It has succeeded, and its result is lost or was dropped: it runs again, and so does its gang. */
static void run_again(struct core *c, struct job *j, uint32_t task)
{
	if (!gang_run_again(c, j, task))
		task_revive(c, j, task, EV_RECOMPUTE);
	push_waiting(c, j, task);
}

static int is_lost(const struct task *t)
{
	return t->state == TASK_RELEASED || (t->state == TASK_DONE && !task_has_result(t));
}

/* Have computed again what was lost or dropped, and count what is missing.  One input may take others with it. */
static void count_missing(struct core *c, struct job *j, uint32_t task)
{
	uint32_t n = job_n_inputs(j, task), n_missing = 0, n_lost = 0;

	for (uint32_t e = 0; e < n; e++) {
		uint32_t i = j->in[j->in_start[task] + e];

		if (is_lost(&j->tasks[i])) {
			run_again(c, j, i);
			n_lost++;
		}
		n_missing += !task_is_available(&j->tasks[i]);
	}
	if (n_lost > 0) { /* those counted before may be gone as well by now */
		n_missing = 0;
		for (uint32_t e = 0; e < n; e++)
			n_missing += !task_is_available(&j->tasks[j->in[j->in_start[task] + e]]);
	}
	j->tasks[task].n_missing = n_missing;
}

/* All that was pushed since. */
static void settle_down_to(struct core *c, size_t floor)
{
	struct task_ref at;

	while (pop(c, floor, &at)) {
		struct job *j = at.job;
		struct task *t = &j->tasks[at.task];
		uint32_t culprit;

		if (t->state != TASK_WAITING)
			continue; /* failed together with something else meanwhile */
		culprit = failed_input(j, at.task);
		if (culprit != UINT32_MAX) {
			set_input_failure(j, at.task, culprit);
			task_fail(c, j, at.task, EV_INPUT_FAILED);
			continue;
		}
		count_missing(c, j, at.task);
		if (t->n_missing == 0 && (t->flags & TASK_DELAYED) == 0 && j->state != JOB_HELD)
			task_make_ready(c, j, at.task);
	}
}

void task_settle(struct core *c, struct job *j, uint32_t task)
{
	size_t floor = c->n_stack;

	push_waiting(c, j, task);
	settle_down_to(c, floor);
}

void task_recompute(struct core *c, struct job *j, uint32_t task)
{
	size_t floor = c->n_stack;

	run_again(c, j, task);
	settle_down_to(c, floor);
}

/* ---- jobs ----------------------------------------------------------------------------------------------------- */

static uint64_t n_open(const struct job *j)
{
	return j->counts[TASK_WAITING] + j->counts[TASK_READY] + j->counts[TASK_ASSIGNED] + j->counts[TASK_RUNNING];
}

void job_reopen(struct core *c, struct job *j)
{
	if (!job_has_ended(j))
		return;
	TAILQ_REMOVE(&c->ended, j, ended_link);
	c->n_ended--;
	j->state = JOB_RUNNING;
	j->was_cancelled = j->gave_up = 0;
	j->fails_limit = j->max_fails == 0 ? 0 : j->max_fails + j->n_fails; /* these are forgiven */
	j->ended_us = 0;
	mem_free(j->text);
	j->text = NULL;
}

/* One job that was to follow j is told how j ended. */
static void tell_follower(struct core *c, struct job *j, struct job *f, uint64_t now_us)
{
	char text[128];
	uint64_t stopped;

	if (j->state == JOB_DONE) {
		if (--f->n_after == 0)
			job_start(c, f);
		return;
	}
	snprintf(text, sizeof(text), "job %llu, which it was to follow, %s", (unsigned long long)j->id,
		 j->state == JOB_FAILED ? "failed" : "was cancelled");
	mem_free(f->text);
	f->text = mem_strdup(text);
	core_job_cancel(c, f, now_us, &stopped);
}

/* Those whose cancelled tasks are still being stopped have to stay for now. */
static void forget_oldest(struct core *c)
{
	struct job *j = TAILQ_FIRST(&c->ended), *next;

	for (; j != NULL && c->n_ended > c->options.jobs_kept; j = next) {
		next = TAILQ_NEXT(j, ended_link);
		core_job_forget(c, j);
	}
}

/* Cancelling a follower ends it, and its own followers come into the list: a chain of any length, no recursion. */
static void release_followers(struct core *c, uint64_t now_us)
{
	struct job *j;

	if (c->releasing)
		return;
	c->releasing = 1;
	while ((j = c->to_release) != NULL) {
		c->to_release = j->release_next;
		for (size_t i = 0; i < j->n_followers; i++) {
			struct job *f = core_job(c, j->followers[i]);

			if (f != NULL && f->state == JOB_HELD)
				tell_follower(c, j, f, now_us);
		}
		mem_free(j->followers);
		j->followers = NULL;
		j->n_followers = j->cap_followers = 0;
	}
	c->releasing = 0;
	forget_oldest(c);
}

/* More of its tasks have failed than was allowed: what is left is stopped.  With the last of it the job ends. */
static void give_up(struct core *c, struct job *j, uint64_t now_us)
{
	char text[1200];
	uint64_t n;

	snprintf(text, sizeof(text), "%llu task%s failed, more than max-fails=%llu allows: the rest was cancelled; %s",
		 (unsigned long long)j->n_fails, j->n_fails == 1 ? "" : "s", (unsigned long long)(j->max_fails - 1),
		 j->text != NULL ? j->text : "");
	mem_free(j->text);
	j->text = mem_strdup(text);
	j->gave_up = 1;
	core_job_cancel(c, j, now_us, &n);
}

void job_update(struct core *c, struct job *j, uint64_t now_us)
{
	if (!job_has_ended(j) && !j->gave_up && j->fails_limit > 0 && j->n_fails >= j->fails_limit &&
	    (j->is_open || n_open(j) > 0))
		give_up(c, j, now_us); /* comes back here */
	if (job_has_ended(j) || j->is_open || n_open(j) > 0)
		return;
	if ((j->counts[TASK_CANCELLED] > 0 || j->was_cancelled) && !j->gave_up)
		j->state = JOB_CANCELLED;
	else
		j->state = j->counts[TASK_FAILED] > 0 ? JOB_FAILED : JOB_DONE;
	j->ended_us = now_us;
	TAILQ_INSERT_TAIL(&c->ended, j, ended_link);
	c->n_ended++;
	core_act(c, ACTION_JOB_ENDED, NO_WORKER, j, 0);
	j->release_next = c->to_release;
	c->to_release = j;
	release_followers(c, now_us);
}

/* What it had to wait for has happened. */
void job_start(struct core *c, struct job *j)
{
	j->state = JOB_RUNNING;
	for (uint32_t t = 0; t < j->n_tasks; t++)
		if (j->tasks[t].state == TASK_WAITING && j->tasks[t].n_missing == 0)
			task_make_ready(c, j, t);
}
