/*
 * schedule.c - one round: ready tasks to workers with room.
 *
 * Once per turn, after everything that arrived has been taken in.  Classes of equal requests are served in the order of
 * their most urgent task; within a class tasks without inputs are dealt out in shares to the workers with room, a task
 * with inputs goes where most of their bytes are.  A first pass fills what is free; a second, only when nothing ready
 * fits anywhere any more, queues some work ahead at each worker so that it need not wait for the next round trip.  The
 * work of a round grows with classes, workers with room and tasks given, never with tasks that wait.  A full cluster is
 * looked through once per request, not once per namespace that makes it.
 */
#include <assert.h>

#include "scheduler/core/core_internal.h"

#define HOLDERS_LOOKED_AT 16u
#define INPUTS_LOOKED_AT  256u

struct pass {
	struct core *c;
	uint64_t ahead_us; /* 0 in the first pass */
};

static uint64_t room_for(const struct pass *p, const struct worker *w, const struct request_class *cl, float mean_us)
{
	if (w->status != WORKER_ACTIVE)
		return 0;
	return worker_room(w, cl, p->ahead_us, mean_us);
}

/* 0 when there is no memory to remember it: it stays ready. */
static int give(struct pass *p, struct worker *w, struct run_queue *q)
{
	struct job *j = q->job;
	uint32_t task = ready_peek(q);
	struct task *t = &j->tasks[task];

	if (task_list_add(&w->in_flight, j, task) != SC_OK)
		return 0;
	ready_pop(q);
	task_event(p->c, j, task, EV_ASSIGN);
	t->worker = w->number;
	j->n_unanswered++;
	if (t->attempts < UINT16_MAX)
		t->attempts++;
	worker_commit(w, q->class);
	core_act(p->c, ACTION_ASSIGN, w->number, j, task);
	return 1;
}

/* The worker with room that holds most bytes of the task's inputs, or NULL. */
static struct worker *nearest(const struct pass *p, const struct run_queue *q, uint32_t task, float mean_us)
{
	const struct job *j = q->job;
	uint32_t n = job_n_inputs(j, task), who[HOLDERS_LOOKED_AT], n_who = 0;
	uint64_t bytes[HOLDERS_LOOKED_AT], best_bytes = 0;
	struct worker *best = NULL;

	for (uint32_t e = 0; e < n && e < INPUTS_LOOKED_AT; e++) {
		const struct task *i = &j->tasks[j->in[j->in_start[task] + e]];
		uint32_t k = 0;

		if (i->holder == NO_WORKER)
			continue;
		while (k < n_who && who[k] != i->holder)
			k++;
		if (k == HOLDERS_LOOKED_AT)
			continue;
		if (k == n_who) {
			who[n_who] = i->holder;
			bytes[n_who++] = 0;
		}
		bytes[k] += i->result_bytes;
	}
	for (uint32_t k = 0; k < n_who; k++) {
		struct worker *w = p->c->workers[who[k]];

		if (bytes[k] > best_bytes && room_for(p, w, q->class, mean_us) > 0) {
			best = w;
			best_bytes = bytes[k];
		}
	}
	return best;
}

/*
 * The next worker with room among those reserved for a namespace (NULL: for none), from where the last search ended;
 * *room is how much.
 */
static struct worker *search(const struct pass *p, const struct request_class *cl, const struct namespace *whose,
			     float mean_us, uint64_t *room)
{
	struct core *c = p->c;

	for (uint32_t i = 0; i < c->workers_end; i++) {
		struct worker *w;

		if (++c->cursor >= c->workers_end)
			c->cursor = 1;
		w = c->workers_end > 1 ? c->workers[c->cursor] : NULL;
		if (w == NULL || w->namespace != whose)
			continue;
		*room = room_for(p, w, cl, mean_us);
		if (*room > 0)
			return w;
	}
	return NULL;
}

/*
 * Whether it is known that no worker that serves all has room for such tasks: the longer they take, the less may be
 * queued, and when that is not known, nothing.
 */
static int is_known_full(const struct pass *p, const struct request *r, float mean_us)
{
	if (r->full_stamp != p->c->stamp)
		return 0;
	return p->ahead_us == 0 || mean_us < 0.0f || (r->full_mean_us >= 0.0f && mean_us >= r->full_mean_us);
}

/* A namespace's own workers come first: what it leaves free of the others, everybody can use. */
static struct worker *next_with_room(const struct pass *p, const struct request_class *cl, float mean_us,
				     uint64_t *room)
{
	struct worker *w = NULL;

	if (cl->namespace->n_workers > 0)
		w = search(p, cl, cl->namespace, mean_us, room);
	if (w != NULL || is_known_full(p, cl->request, mean_us))
		return w;
	w = search(p, cl, NULL, mean_us, room);
	if (w == NULL) {
		cl->request->full_stamp = p->c->stamp;
		cl->request->full_mean_us = mean_us;
	}
	return w;
}

static float mean_of_next(const struct run_queue *q)
{
	return q->job->groups[q->job->tasks[ready_peek(q)].group].mean_us;
}

enum served { SERVED_ALL, SERVED_TURN, SERVED_BLOCKED };

/* Deal tasks without inputs from the front of the class to one worker, at most n. */
static enum served deal(struct pass *p, struct request_class *cl, struct worker *w, uint64_t n)
{
	struct run_queue *q = ready_top(cl), *first = q;

	for (uint64_t i = 0; i < n; i++) {
		if (!give(p, w, q))
			return SERVED_BLOCKED;
		q = ready_top(cl);
		if (q == NULL)
			return SERVED_ALL;
		if (q != first || job_n_inputs(q->job, ready_peek(q)) > 0)
			break;
	}
	return SERVED_TURN;
}

/* Serve the front of one class; SERVED_BLOCKED: no worker has room for it. */
static enum served serve(struct pass *p, struct request_class *cl)
{
	struct run_queue *q = ready_top(cl);
	uint32_t task = ready_peek(q);
	const struct job *j = q->job;
	float mean_us = mean_of_next(q);
	struct worker *w = NULL;
	uint64_t room = 1, share = 1;

	if (job_n_inputs(j, task) > 0)
		w = nearest(p, q, task, mean_us);
	if (w == NULL) {
		w = next_with_room(p, cl, mean_us, &room);
		if (w == NULL)
			return SERVED_BLOCKED;
		if (job_n_inputs(j, task) == 0)
			share = cl->n_ready / p->c->n_workers + 1;
	}
	return deal(p, cl, w, room < share ? room : share);
}

/* The class whose most urgent task comes first, among those that are not blocked in this pass. */
static struct request_class *most_urgent(const struct pass *p)
{
	const struct core *c = p->c;
	struct request_class *best = NULL;
	struct run_queue *best_q = NULL;

	for (size_t i = 0; i < c->requests.n_classes; i++) {
		struct request_class *cl = c->requests.classes[i];
		struct run_queue *q;

		if (cl->n_ready == 0 || cl->blocked_stamp == c->stamp)
			continue;
		q = ready_top(cl);
		if (q != NULL && cl->namespace->n_workers == 0 && is_known_full(p, cl->request, mean_of_next(q)))
			cl->blocked_stamp = c->stamp;
		else if (q != NULL && (best == NULL || run_queue_before(q, best_q))) {
			best = cl;
			best_q = q;
		}
	}
	return best;
}

static void run_pass(struct pass *p)
{
	struct request_class *cl;

	p->c->stamp++;
	while ((cl = most_urgent(p)) != NULL)
		if (serve(p, cl) == SERVED_BLOCKED)
			cl->blocked_stamp = p->c->stamp;
}

/* Memory ran out when a task became ready: enter what is missing now. */
static void enter_again(struct core *c)
{
	struct job *j;

	c->rescan = 0;
	TAILQ_FOREACH (j, &c->jobs, link) {
		for (uint32_t t = 0; t < j->n_tasks; t++)
			if (j->tasks[t].state == TASK_READY && ready_push(j, t) != SC_OK)
				c->rescan = 1;
	}
}

static uint64_t n_ready(const struct core *c)
{
	uint64_t n = 0;

	for (size_t i = 0; i < c->requests.n_classes; i++)
		n += c->requests.classes[i]->n_ready;
	return n;
}

void core_schedule(struct core *c, uint64_t now_us)
{
	struct pass p = {.c = c};

	core_wake_delayed(c, now_us);
	if (c->rescan)
		enter_again(c);
	if (c->stamp == c->round_stamp || c->n_workers == 0 || n_ready(c) == 0)
		return;
	run_pass(&p);
	if (c->options.prefetch_us > 0 && n_ready(c) > 0) {
		p.ahead_us = c->options.prefetch_us;
		run_pass(&p);
	}
	c->round_stamp = c->stamp;
}
