/*
 * balance.c - tasks queued at a worker that is busy for longer than was thought move to workers that have nothing to
 * do.
 *
 * Work is queued ahead by how long such tasks took before.  When that was wrong, some workers sit on queues while
 * others are idle.  So when something stays idle after a round, workers that are behind are asked to give back part of
 * what they have queued.  A worker gives back only what it has not started, and answers for each task as ever, so no
 * task is ever run twice at once because of a move: it becomes ready with the answer, and is given out like any other.
 */
#include <math.h>

#include "scheduler/core/core_internal.h"

#define MOVES_MAX   1000u /* tasks called back in a round */
#define LOOKED_AT   4096u /* tasks at one worker */
#define VICTIMS_MAX 64u	  /* workers looked at in a round */

/* Whether one of the idle workers could run it now. */
static int is_wanted(const struct core *c, const struct request_class *cl)
{
	uint32_t left = VICTIMS_MAX;

	for (uint32_t i = bits_next(&c->idle, NULL, 1, c->workers_end); i != BITS_NONE && left > 0;
	     i = bits_next(&c->idle, NULL, i + 1, c->workers_end), left--)
		for (uint32_t k = 0; k < cl->request->n; k++)
			if (worker_room(c->workers[i], cl, k, 0, -1.0f) > 0 && c->workers[i]->reserved == NULL)
				return 1;
	return 0;
}

/* How many tasks are worth asking for: a few for each idle worker. */
static uint64_t places(const struct core *c)
{
	uint64_t n = 0;

	for (uint32_t i = bits_next(&c->idle, NULL, 1, c->workers_end); i != BITS_NONE && n < MOVES_MAX;
	     i = bits_next(&c->idle, NULL, i + 1, c->workers_end)) {
		const struct worker *w = c->workers[i];

		if (w->capacity[RESOURCE_CPUS] > w->committed[RESOURCE_CPUS])
			n += (w->capacity[RESOURCE_CPUS] - w->committed[RESOURCE_CPUS] + AMOUNT_ONE - 1) / AMOUNT_ONE;
	}
	return n < MOVES_MAX ? n : MOVES_MAX;
}

/* Ask for up to n of its queued tasks, the last given first, but for half of them at most.  How many. */
static uint64_t call_back(struct core *c, struct worker *w, uint64_t n)
{
	const struct request_class *last = NULL;
	uint64_t called = 0, queued = 0;
	int last_wanted = 0;

	for (size_t i = 0; i < w->in_flight.n; i++)
		queued += w->in_flight.v[i].job->tasks[w->in_flight.v[i].task].state == TASK_ASSIGNED;
	if (n > (queued + 1) / 2)
		n = (queued + 1) / 2;
	for (size_t i = w->in_flight.n, looked = 0; i > 0 && called < n && looked < LOOKED_AT; i--, looked++) {
		struct task_ref r = w->in_flight.v[i - 1];
		struct task *t = &r.job->tasks[r.task];
		const struct request_class *cl = r.job->groups[t->group].class;

		if (t->state != TASK_ASSIGNED || (t->flags & TASK_MOVING) != 0 || cl->gang_size > 0)
			continue;
		if (cl != last) {
			last = cl;
			last_wanted = is_wanted(c, cl);
		}
		if (!last_wanted)
			continue;
		t->flags |= TASK_MOVING;
		core_act(c, ACTION_WITHDRAW, w->number, r.job, r.task);
		called++;
	}
	return called;
}

static int may_move(const struct core *c)
{
	return c->options.move_after_us > 0 && c->queued.n > 0 && c->idle.n > 0;
}

/* Whether what it was given last has to wait there for long, by what is known or by its silence. */
static int is_behind(const struct core *c, const struct worker *w, uint64_t now_us)
{
	double slots = (double)w->capacity[RESOURCE_CPUS] / AMOUNT_ONE, wait_us;

	wait_us = (double)w->in_flight.n * fmax(0.0, (double)w->mean_us) / (slots < 1.0 ? 1.0 : slots);
	return now_us - w->answered_us >= c->options.move_after_us || wait_us >= 2.0 * (double)c->options.move_after_us;
}

uint64_t core_balance_due_us(const struct core *c)
{
	return may_move(c) ? c->moved_us + c->options.move_after_us : UINT64_MAX;
}

void core_balance(struct core *c, uint64_t now_us)
{
	uint32_t looked = 0;
	uint64_t n;

	if (!may_move(c) || now_us < c->moved_us + c->options.move_after_us)
		return;
	c->moved_us = now_us;
	n = places(c);
	for (uint32_t i = bits_next(&c->queued, NULL, 1, c->workers_end);
	     i != BITS_NONE && n > 0 && looked < VICTIMS_MAX; i = bits_next(&c->queued, NULL, i + 1, c->workers_end)) {
		struct worker *w = c->workers[i];

		if (!is_behind(c, w, now_us))
			continue;
		looked++;
		n -= call_back(c, w, n);
	}
}
