/*
 * room.c - which workers have room, kept up to date so that a round need not look at all of them.
 *
 * Sets of worker numbers: those that take tasks, those of them with something to spare, and those that got more room
 * since the last round, which are all that a class has to look at that found no room then; also those with tasks
 * queued, and those of which something is kept free.
 */
#include "scheduler/core/core_internal.h"

/*
 * Whether anything it has is not asked for by the tasks it was given.  Memory does not count: most have some to spare
 * however busy they are, and few tasks ask for nothing else.
 */
static int has_spare(const struct core *c, const struct worker *w)
{
	for (size_t r = 0; r < c->requests.n_names; r++)
		if (r != RESOURCE_MEMORY && w->committed[r] < w->capacity[r])
			return 1;
	return 0;
}

static void touch(struct core *c, struct worker *w)
{
	bits_set(&c->touched, w->number, 1);
	c->stamp++;
}

void room_update(struct core *c, struct worker *w)
{
	int is_active = w->status == WORKER_ACTIVE;

	c->workers_stamp++;
	bits_set(&c->active, w->number, is_active);
	bits_set(&c->idle, w->number, is_active && has_spare(c, w));
	if (is_active)
		drain_look_anew(c);
	else
		room_release(c, w);
	touch(c, w);
}

void room_commit(struct core *c, struct worker *w, const struct job *j, uint32_t task)
{
	struct request_class *cl = j->groups[j->tasks[task].group].class;
	uint32_t alternative = task_alternative(&j->tasks[task]);

	worker_commit(w, &cl->request->v[alternative]);
	namespace_count_used(cl, alternative, 1);
	if (!has_spare(c, w))
		bits_set(&c->idle, w->number, 0);
	if (w->committed[RESOURCE_CPUS] > w->capacity[RESOURCE_CPUS])
		bits_set(&c->queued, w->number, 1);
	if (w->in_flight.n == 1)
		w->answered_us = c->now_us;
	cl->blocked_us = 0;
}

void room_uncommit(struct core *c, struct worker *w, const struct job *j, uint32_t task)
{
	struct request_class *cl = j->groups[j->tasks[task].group].class;
	uint32_t alternative = task_alternative(&j->tasks[task]);

	worker_uncommit(w, &cl->request->v[alternative]);
	namespace_count_used(cl, alternative, 0);
	if (bits_has(&c->active, w->number) && has_spare(c, w))
		bits_set(&c->idle, w->number, 1);
	if (w->committed[RESOURCE_CPUS] <= w->capacity[RESOURCE_CPUS])
		bits_set(&c->queued, w->number, 0);
	touch(c, w);
}

void room_reserve(struct core *c, struct worker *w, struct request_class *cl, uint32_t alternative)
{
	if (w->reserved == cl && w->reserved_alternative == alternative)
		return;
	room_release(c, w);
	w->reserved = cl;
	w->reserved_alternative = alternative;
	cl->n_reserved++;
	bits_set(&c->reserved, w->number, 1);
}

void room_release(struct core *c, struct worker *w)
{
	if (w->reserved == NULL)
		return;
	w->reserved->n_reserved--;
	w->reserved = NULL;
	bits_set(&c->reserved, w->number, 0);
	touch(c, w); /* others may have what was kept from them */
}

void room_forget(struct core *c, struct worker *w)
{
	c->workers_stamp++;
	room_release(c, w);
	bits_set(&c->active, w->number, 0);
	bits_set(&c->idle, w->number, 0);
	bits_set(&c->touched, w->number, 0);
	bits_set(&c->queued, w->number, 0);
	bits_set(&c->draining, w->number, 0);
}
