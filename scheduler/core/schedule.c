/*
 * schedule.c - one round: ready tasks to workers with room.
 *
 * Once per turn, after everything that arrived has been taken in.  The next task is of the namespace that uses least
 * for its weight, and in that of the class whose most urgent task comes first (foremost.h).  Tasks without inputs are
 * dealt out in shares to the workers with room; a task with inputs goes where it can begin first, the time to move its
 * inputs included.  A first pass fills what is free; a second, only when nothing ready fits anywhere any more, queues
 * some work ahead at each worker so that it need not wait for the next round trip.
 *
 * A message costs the scheduler as much as some short tasks take.  When n tasks of m us are left and messages are
 * written one after the other, each worker begins MESSAGE_US after the one before; all end at the same time, and as
 * soon as they can, when the next one is given sqrt(2 * n * MESSAGE_US / m) of them.  So many short tasks go to a
 * worker at once though others are idle, and one with inputs goes where something goes anyway, be it not to one of
 * those that hold them, unless it has to wait there for longer than so many take.  That is so only as long as the
 * workers together run such tasks faster than messages can be written; from milliseconds on it is one, or few enough.
 *
 * A class that is passed over while workers have all it asks for, only never at the same time, would starve behind
 * smaller requests: after a while one worker is reserved for it, which takes nothing less urgent until there is enough.
 * A gang needs many workers at once and reserves them all; one gang does at a time, so two never wait for each other.
 *
 * The work of a round grows with the classes that have ready tasks, the tasks given, and the workers that got room
 * since the last round; never with tasks that wait.
 */
#include <assert.h>
#include <math.h>

#include "scheduler/core/core_internal.h"
#include "scheduler/core/foremost.h"

#define HOLDERS_LOOKED_AT 16u
#define INPUTS_LOOKED_AT  256u
#define QUEUED_IN_TURN	  16u		  /* tasks of a namespace queued ahead before another has its turn */
#define MESSAGE_US	  15.0		  /* what it takes to give something to one more worker and to hear of it */
#define BYTES_PER_US	  1000.0	  /* that move between workers, until it was measured: 1 GB/s */
#define BANDWIDTH_BYTES	  (1024u * 1024u) /* less than this says more about latency than about bandwidth */
#define BANDWIDTH_LEAST	  0.01		  /* bytes a microsecond: whatever anybody tells, moving is possible ... */
#define BANDWIDTH_MOST	  100000.0	  /* ... and takes some time */
#define BANDWIDTH_WEIGHT  0.1

struct pass {
	struct core *c;
	uint64_t now_us;
	uint64_t ahead_us; /* 0 in the first pass */
	uint64_t number;
	struct request_class *reserving; /* the gang that may reserve in this round */
	struct worker *last;		 /* who was given a task with inputs last in this pass; or NULL */
	const struct namespace *rival;	 /* whose turn comes after the one that is served; or NULL */
	int no_memory;			 /* something stayed ready for want of that: the next turn tries again */
};

/* ---- room ------------------------------------------------------------------------------------------------------- */

/* What is looked for. */
struct wish {
	struct request_class *class;
	uint32_t alternative; /* of its request */
	uint32_t n_preferred; /* at a worker that has so many of the labels it prefers */
	float mean_us;	      /* run time of such tasks; negative: not known */
	double batch;	      /* how many of them are worth a message; 1 when that is not known */
	double message_us;    /* how long one may wait where something is given anyway, lest there is a message more */
};

static struct alternative *alternative_of(const struct wish *x)
{
	return &x->class->request->v[x->alternative];
}

/* What is left for others than the class the worker is reserved for. */
static uint64_t room_beside(const struct worker *w, const struct amounts *needs)
{
	const struct amounts *kept = &w->reserved->request->v[w->reserved_alternative].needs;
	uint64_t room = WORKER_QUEUE_MAX;

	for (size_t i = 0; i < needs->n; i++) {
		uint32_t r = needs->v[i].resource;
		uint64_t used = w->committed[r], fits;

		for (size_t k = 0; k < kept->n; k++)
			if (kept->v[k].resource == r)
				used += kept->v[k].amount;
		fits = used >= w->capacity[r] ? 0 : (w->capacity[r] - used) / needs->v[i].amount;
		room = fits < room ? fits : room;
	}
	return room;
}

static uint64_t room_for(const struct pass *p, const struct worker *w, const struct wish *x, uint64_t ahead_us)
{
	uint64_t room, beside;

	if (w->status != WORKER_ACTIVE)
		return 0;
	room = worker_room(w, x->class, x->alternative, ahead_us, x->mean_us);
	/* Reserved for one that came first in this pass and found no room, or (second pass) in the one before. */
	if (room == 0 || w->reserved == NULL || w->reserved == x->class ||
	    (p->ahead_us == 0 && w->reserved->blocked_pass != p->number))
		return room;
	beside = room_beside(w, &alternative_of(x)->needs);
	return room < beside ? room : beside;
}

/* Whether no worker had room after the last round: only those that got some since can have. */
static int is_blocked(const struct wish *x)
{
	return (x->class->blocked_ways & 1u << x->alternative) != 0;
}

/* The workers that may have room for such a task in this pass: members of both sets. */
static const struct bits *candidates(const struct pass *p, const struct wish *x, const struct bits **also)
{
	struct core *c = p->c;

	*also = is_blocked(x) ? &c->touched : NULL;
	return p->ahead_us == 0 && !alternative_of(x)->is_memory ? &c->idle : &c->active;
}

/* The next worker with room among those reserved for a namespace (NULL: for none) after c->cursor, once round. */
static struct worker *search(struct pass *p, const struct wish *x, const struct namespace *whose, uint64_t *room)
{
	struct core *c = p->c;
	const struct bits *also, *set = candidates(p, x, &also);
	uint32_t begun = c->cursor, from = begun + 1, end = c->workers_end;

	for (int lap = 0; lap < 2; lap++) {
		for (uint32_t i = bits_next(set, also, from, end); i != BITS_NONE;
		     i = bits_next(set, also, i + 1, end)) {
			if (c->workers[i]->namespace != whose ||
			    (x->n_preferred > 0 &&
			     worker_n_preferred(c->workers[i], alternative_of(x)) < x->n_preferred))
				continue;
			*room = room_for(p, c->workers[i], x, p->ahead_us);
			if (*room > 0) {
				c->cursor = i;
				return c->workers[i];
			}
		}
		from = 1;
		end = begun + 1 < end ? begun + 1 : end;
	}
	return NULL;
}

/* The same, those with most of the labels it prefers first. */
static struct worker *search_preferred(struct pass *p, const struct wish *x, const struct namespace *whose,
				       uint64_t *room)
{
	uint32_t begun = p->c->cursor, most = alternative_of(x)->n_labels - alternative_of(x)->n_required;
	struct wish level = *x;
	struct worker *w = search(p, &level, whose, room); /* any: mostly there is none, and one look will do */

	if (w == NULL || worker_n_preferred(w, alternative_of(x)) == most)
		return w;
	p->c->cursor = begun;
	level.n_preferred = most;
	while ((w = search(p, &level, whose, room)) == NULL && level.n_preferred > 0)
		level.n_preferred--;
	return w;
}

/*
 * Whether it is known that no worker that serves all has room for such tasks: the longer they take, the less may be
 * queued, and when that is not known, nothing.
 */
static int is_known_full(const struct pass *p, const struct alternative *a, float mean_us)
{
	if (a->full_pass != p->number)
		return 0;
	return p->ahead_us == 0 || mean_us < 0.0f || (a->full_mean_us >= 0.0f && mean_us >= a->full_mean_us);
}

/* A namespace's own workers come first: what it leaves free of the others, everybody can use.  *room is how much. */
static struct worker *next_with_room(struct pass *p, const struct wish *x, uint64_t *room)
{
	const struct request_class *cl = x->class;
	struct alternative *a = alternative_of(x);
	struct worker *w = NULL;

	if (cl->namespace->n_workers > 0)
		w = search_preferred(p, x, cl->namespace, room);
	if (w != NULL || (cl->n_reserved == 0 && is_known_full(p, a, x->mean_us)))
		return w;
	w = search_preferred(p, x, NULL, room);
	if (w == NULL && !is_blocked(x) && cl->n_reserved == 0) { /* all were looked at, for anybody */
		a->full_pass = p->number;
		a->full_mean_us = x->mean_us;
	}
	return w;
}

/* ---- giving ----------------------------------------------------------------------------------------------------- */

/* 0 when there is no memory to remember it: it stays ready. */
static int give(struct pass *p, struct worker *w, struct run_queue *q, uint32_t task, uint32_t alternative)
{
	struct job *j = q->job;
	struct task *t = &j->tasks[task];

	if (task_list_add(&w->in_flight, j, task) != SC_OK) {
		p->no_memory = 1;
		return 0;
	}
	if (q->gang == NULL)
		ready_pop(q);
	task_event(p->c, j, task, EV_ASSIGN);
	t->worker = w->number;
	j->n_unanswered++;
	if (t->attempts < UINT16_MAX)
		t->attempts++;
	t->flags = (uint8_t)((t->flags & ~TASK_ALTERNATIVE_MASK) | alternative << TASK_ALTERNATIVE_SHIFT);
	w->given_round = p->c->n_rounds;
	probe_given(p->c, &j->groups[t->group]);
	room_commit(p->c, w, j, task);
	if (q->limited != NULL)
		(void)ready_count_running(&j->groups[t->group], 1);
	if (w->reserved == q->class)
		room_release(p->c, w);
	core_act(p->c, ACTION_ASSIGN, w->number, j, task);
	return 1;
}

/* ---- a task with inputs ----------------------------------------------------------------------------------------- */

/* Who holds inputs of a task, and how much of them. */
struct holders {
	uint32_t who[HOLDERS_LOOKED_AT], n;
	uint64_t bytes[HOLDERS_LOOKED_AT], total;
};

static void count_holder(struct holders *h, uint32_t who, uint64_t bytes)
{
	uint32_t k = 0;

	while (k < h->n && h->who[k] != who)
		k++;
	if (k == HOLDERS_LOOKED_AT)
		return;
	if (k == h->n) {
		h->who[h->n] = who;
		h->bytes[h->n++] = 0;
	}
	h->bytes[k] += bytes;
}

static void find_holders(const struct core *c, const struct job *j, uint32_t task, struct holders *h)
{
	uint32_t n = job_n_inputs(j, task);

	h->n = 0;
	h->total = 0;
	for (uint32_t e = 0; e < n && e < INPUTS_LOOKED_AT; e++) {
		uint32_t input = j->in[j->in_start[task] + e];
		const struct task *i = &j->tasks[input];
		const struct replica *r;

		if (i->holder == NO_WORKER)
			continue;
		h->total += i->result_bytes;
		count_holder(h, i->holder, i->result_bytes);
		r = replica_first(c, j, input);
		for (uint32_t k = 0; r != NULL && k < HOLDERS_LOOKED_AT; k++, r = LIST_NEXT(r, of_result))
			count_holder(h, r->worker, i->result_bytes);
	}
}

void core_transferred(struct core *c, uint64_t bytes, uint64_t us)
{
	double bytes_per_us;

	if (bytes < BANDWIDTH_BYTES || us == 0)
		return;
	bytes_per_us = (double)bytes / (double)us;
	if (bytes_per_us < BANDWIDTH_LEAST)
		bytes_per_us = BANDWIDTH_LEAST;
	if (bytes_per_us > BANDWIDTH_MOST)
		bytes_per_us = BANDWIDTH_MOST;
	if (c->bytes_per_us == 0.0)
		c->bytes_per_us = BYTES_PER_US;
	c->bytes_per_us += BANDWIDTH_WEIGHT * (bytes_per_us - c->bytes_per_us);
}

/*
 * How long after now a task could begin there: what is queued before it, what has to be moved, and what a message is
 * worth when nothing else is given to that worker in this round.
 */
static double delay_us(const struct core *c, const struct worker *w, const struct wish *x, uint64_t bytes_to_move)
{
	double slots = (double)w->capacity[RESOURCE_CPUS] / AMOUNT_ONE, queued = (double)w->in_flight.n - slots + 1.0;
	double mean_us = fmax(0.0, (double)(w->mean_us < 0.0f ? x->mean_us : w->mean_us));
	double bytes_per_us = c->bytes_per_us > 0.0 ? c->bytes_per_us : BYTES_PER_US;

	if (slots < 1.0)
		slots = 1.0;
	return (queued > 0.0 ? queued * mean_us / slots : 0.0) + (double)bytes_to_move / bytes_per_us +
	       (w->given_round == c->n_rounds ? 0.0 : x->message_us);
}

/* Whether w, where it can begin after us, is the better place. */
static int is_nearer(const struct worker *w, double us, const struct worker *best, double best_us,
		     const struct alternative *a)
{
	uint32_t here = worker_n_preferred(w, a), there = worker_n_preferred(best, a);

	return here != there ? here > there : us < best_us;
}

/* What is not at w. */
static uint64_t bytes_elsewhere(const struct holders *h, const struct worker *w)
{
	uint64_t bytes = h->total;

	for (uint32_t k = 0; k < h->n; k++)
		bytes -= h->who[k] == w->number ? h->bytes[k] : 0;
	return bytes;
}

/* What has to be brought to w before the task can begin there. */
static uint64_t bytes_to_move(const struct core *c, const struct job *j, uint32_t task, const struct worker *w)
{
	struct holders h;

	find_holders(c, j, task, &h);
	return bytes_elsewhere(&h, w);
}

/*
 * Where it can begin first: at one of those that hold its inputs, which may queue it although they are busy when moving
 * the inputs would take longer, or at another with room.  Labels that are preferred come before that.  *moved is how
 * much of its inputs is not there.  NULL: nowhere.
 */
static struct worker *nearest(struct pass *p, const struct run_queue *q, uint32_t task, const struct wish *x,
			      uint64_t *moved)
{
	const struct alternative *a = alternative_of(x);
	struct core *c = p->c;
	struct worker *best = NULL, *w;
	struct holders h;
	double best_us = 0.0;
	uint64_t room;

	find_holders(c, q->job, task, &h);
	for (uint32_t k = 0; k < h.n; k++) {
		double us;

		w = c->workers[h.who[k]];
		if (room_for(p, w, x, c->options.prefetch_us) == 0)
			continue;
		us = delay_us(c, w, x, h.total - h.bytes[k]);
		if (best == NULL || is_nearer(w, us, best, best_us, a)) {
			best = w;
			best_us = us;
			*moved = h.total - h.bytes[k];
		}
	}
	w = p->last;
	if (w != NULL && w != best && room_for(p, w, x, c->options.prefetch_us) > 0 &&
	    (best == NULL || is_nearer(w, delay_us(c, w, x, h.total), best, best_us, a))) {
		best = w;
		best_us = delay_us(c, w, x, h.total);
		*moved = bytes_elsewhere(&h, w);
	}
	if (best != NULL && best_us == 0.0 && worker_n_preferred(best, a) == a->n_labels - a->n_required)
		return best;
	w = next_with_room(p, x, &room);
	if (w != NULL && w != best && (best == NULL || is_nearer(w, delay_us(c, w, x, h.total), best, best_us, a))) {
		best = w;
		*moved = bytes_elsewhere(&h, w);
	}
	p->last = best != NULL ? best : p->last;
	return best;
}

/* ---- gangs ------------------------------------------------------------------------------------------------------ */

enum served { SERVED_ALL, SERVED_TURN, SERVED_BLOCKED };

static int can_join(const struct pass *p, const struct worker *w, const struct wish *x, int also_busy)
{
	if (!also_busy)
		return room_for(p, w, x, 0) > 0;
	return worker_can_meet(w, x->class, x->alternative) && (w->reserved == NULL || w->reserved == x->class);
}

/* How many workers can, n at most; of those that got room since the last round: since not NULL. */
static uint32_t count_for_gang(const struct pass *p, const struct wish *x, uint32_t n, const struct bits *since,
			       int also_busy)
{
	struct core *c = p->c;
	uint32_t found = 0;

	for (uint32_t i = bits_next(&c->active, since, 1, c->workers_end); i != BITS_NONE && found < n;
	     i = bits_next(&c->active, since, i + 1, c->workers_end))
		found += can_join(p, c->workers[i], x, also_busy) != 0;
	return found;
}

/*
 * Mark n workers that have (also_busy: or will have) room for one task each, those with most of the labels it prefers
 * first.  chosen: room for n.  0: there are not so many.
 */
static int choose_for_gang(struct pass *p, const struct wish *x, uint32_t n, struct worker **chosen, int also_busy)
{
	const struct alternative *a = alternative_of(x);
	uint32_t found = 0, level = a->n_labels - a->n_required + 1;
	struct core *c = p->c;

	if (count_for_gang(p, x, n, NULL, also_busy) < n)
		return 0;
	while (level-- > 0) {
		for (uint32_t i = bits_next(&c->active, NULL, 1, c->workers_end); i != BITS_NONE && found < n;
		     i = bits_next(&c->active, NULL, i + 1, c->workers_end)) {
			struct worker *w = c->workers[i];

			if (worker_n_preferred(w, a) == level && can_join(p, w, x, also_busy))
				chosen[found++] = w;
		}
	}
	return 1;
}

/*
 * Whether so many were too many after the last round, and no worker has got room since: then they are still.  known:
 * the ways of which that is known.
 */
static int is_still_blocked(const struct pass *p, const struct wish *x, uint32_t n, uint32_t known)
{
	return (known & 1u << x->alternative) != 0 && n >= x->class->blocked_gang &&
	       count_for_gang(p, x, 1, &p->c->touched, 0) == 0;
}

/* All its tasks, each to another worker and in the same way, or none. */
static enum served serve_gang(struct pass *p, struct run_queue *q)
{
	struct wish x = {.class = q->class, .mean_us = -1.0f};
	uint32_t n = ready_gang_size(q), n_ways = x.class->request->n, n_allowed = 0, known = x.class->blocked_ways;
	uint32_t blocked = 0;
	struct worker **chosen;
	enum served served = SERVED_BLOCKED;

	if (p->ahead_us > 0)
		return SERVED_BLOCKED;
	x.class->blocked_ways = 0;
	chosen = mem_malloc(n * sizeof(struct worker *));
	if (chosen == NULL) {
		p->no_memory = 1;
		return SERVED_BLOCKED;
	}
	for (; x.alternative < n_ways && served == SERVED_BLOCKED; x.alternative++) {
		if (namespace_room(x.class, x.alternative) < n)
			continue;
		n_allowed++;
		if (is_still_blocked(p, &x, n, known) || !choose_for_gang(p, &x, n, chosen, 0)) {
			blocked |= 1u << x.alternative;
			continue;
		}
		served = SERVED_TURN;
		q->job->groups[q->job->tasks[ready_of_gang(q, 0)].group].called_back = 0;
		for (uint32_t k = 0; k < n; k++) {
			uint32_t task = ready_of_gang(q, 0);
			uint64_t moved = bytes_to_move(p->c, q->job, task, chosen[k]);

			if (give(p, chosen[k], q, task, x.alternative)) {
				q->job->groups[q->job->tasks[task].group].times.moved_bytes += moved;
				continue;
			}
			if (k == 0) { /* no memory: in this round there may be none at all */
				mem_free(chosen);
				return SERVED_BLOCKED;
			}
			gang_call_back(p->c, q->job, task); /* all of them another time */
			break;
		}
		x.class->front = x.class->n_ready > 0 ? ready_top(x.class) : NULL;
	}
	if (served == SERVED_BLOCKED) {
		x.class->blocked_ways = (uint8_t)blocked;
		x.class->blocked_gang = n;
	}
	if (served == SERVED_BLOCKED && n_allowed > 0 && p->reserving == NULL) {
		p->reserving = x.class;
		for (x.alternative = 0; x.alternative < n_ways; x.alternative++)
			if (namespace_room(x.class, x.alternative) >= n && choose_for_gang(p, &x, n, chosen, 1))
				break;
		for (uint32_t k = 0; k < n && x.alternative < n_ways; k++)
			room_reserve(p->c, chosen[k], x.class, x.alternative);
	}
	mem_free(chosen);
	return served;
}

/* ---- classes ---------------------------------------------------------------------------------------------------- */

static struct group *group_of_next(const struct run_queue *q)
{
	return &q->job->groups[q->job->tasks[ready_peek(q)].group];
}

/* Deal tasks without inputs from the front of the class to one worker, at most n. */
static enum served deal(struct pass *p, const struct wish *x, struct worker *w, uint64_t n)
{
	struct request_class *cl = x->class;
	struct run_queue *q = cl->front, *first = q;

	for (uint64_t i = 0; i < n; i++) {
		if (!give(p, w, q, ready_peek(q), x->alternative)) {
			cl->starved_round = p->c->n_rounds;
			return SERVED_BLOCKED;
		}
		q = cl->front = ready_top(cl);
		if (q == NULL)
			return SERVED_ALL;
		if (p->rival != NULL && (p->ahead_us == 0 || i >= QUEUED_IN_TURN) &&
		    namespace_before(p->rival, cl->namespace))
			break;
		if (q != first || job_n_inputs(q->job, ready_peek(q)) > 0 || probe_must_wait(p->c, group_of_next(q)))
			break;
	}
	return SERVED_TURN;
}

/* Nobody has room for the front of the class: if that has been so for long, keep a worker that could have it free. */
static void reserve_one(struct pass *p, struct request_class *cl)
{
	struct core *c = p->c;
	struct worker *best = NULL;
	uint32_t left = c->n_workers < 1000 ? (uint32_t)c->n_workers : 1000;

	if (cl->blocked_us == 0)
		cl->blocked_us = p->now_us;
	if (cl->n_reserved > 0 || p->now_us - cl->blocked_us < c->options.reserve_after_us)
		return;
	for (uint32_t i = bits_next(&c->active, NULL, 1, c->workers_end); i != BITS_NONE && left > 0;
	     i = bits_next(&c->active, NULL, i + 1, c->workers_end), left--) {
		struct worker *w = c->workers[i];

		if (w->reserved == NULL && worker_can(w, cl) && (best == NULL || w->in_flight.n < best->in_flight.n))
			best = w;
	}
	for (uint32_t k = 0; best != NULL && k < cl->request->n; k++) {
		if (worker_can_meet(best, cl, k)) {
			room_reserve(c, best, cl, k);
			return;
		}
	}
}

/* How many tasks of the class are worth a message: see the top. */
static double batch_of(const struct request_class *cl, float mean_us)
{
	if (mean_us < 0.0f)
		return 1.0;
	return sqrt(2.0 * (double)cl->n_ready * MESSAGE_US / (mean_us < 1.0f ? 1.0 : (double)mean_us));
}

/* Where messages are not what everything waits for, because there are few workers for such tasks, no time at all. */
static double worth_waiting_us(const struct core *c, const struct wish *x)
{
	double mean_us = x->mean_us;

	return mean_us < 0.0 || mean_us > MESSAGE_US * (double)c->n_workers ? 0.0 : x->batch * mean_us;
}

/* A worker that is given something is given a batch, if there is place to queue it. */
static uint64_t enlarge(const struct pass *p, const struct worker *w, const struct wish *x, uint64_t share)
{
	uint64_t room = room_for(p, w, x, p->c->options.prefetch_us), batch = (uint64_t)x->batch;

	if (w->reserved != NULL || room <= share)
		return share;
	return batch < room ? batch : room;
}

/* Serve the front of one class, in the first way that fits somewhere; SERVED_BLOCKED: no worker has room for it. */
static enum served serve(struct pass *p, struct request_class *cl)
{
	struct wish x = {.class = cl};
	struct run_queue *q = cl->front;
	uint64_t room = 1, share = 1, quota = 0, moved = 0;
	struct worker *w = NULL;
	int is_allowed = 0;
	uint32_t task;

	if (q->gang != NULL)
		return serve_gang(p, q);
	task = ready_peek(q);
	if (probe_must_wait(p->c, group_of_next(q))) {
		cl->probing_round = p->c->n_rounds;
		return SERVED_BLOCKED;
	}
	x.mean_us = group_of_next(q)->mean_us;
	x.batch = batch_of(cl, x.mean_us);
	x.message_us = worth_waiting_us(p->c, &x);
	if (job_n_inputs(q->job, task) == 0)
		share = cl->n_ready / p->c->n_workers + 1;
	for (;;) {
		quota = namespace_room(cl, x.alternative);
		is_allowed |= quota > 0;
		if (quota > 0)
			w = job_n_inputs(q->job, task) > 0 ? nearest(p, q, task, &x, &moved)
							   : next_with_room(p, &x, &room);
		if (w != NULL || x.alternative + 1 == cl->request->n)
			break;
		x.alternative++;
	}
	if (w == NULL) {
		if (p->ahead_us == 0 && is_allowed)
			reserve_one(p, cl);
		return SERVED_BLOCKED;
	}
	q->job->groups[q->job->tasks[task].group].times.moved_bytes += moved;
	share = room < share ? room : share;
	if (job_n_inputs(q->job, task) == 0 && (uint64_t)x.batch > share)
		share = enlarge(p, w, &x, share);
	return deal(p, &x, w, share < quota ? share : quota);
}

/* ---- the round -------------------------------------------------------------------------------------------------- */

static void run_pass(struct pass *p)
{
	struct namespaces *all = &p->c->requests.namespaces;
	struct namespace *n;

	p->number = ++p->c->n_passes;
	foremost_namespaces_begin(all);
	while ((n = foremost_namespace_take(all)) != NULL) {
		struct request_class *cl = foremost(n);

#ifdef DEBUG_CHECKS
		assert(core_check_foremost(n, p->number) && core_check_turn(n));
#endif
		p->rival = foremost_namespace(all);
		if (serve(p, cl) == SERVED_BLOCKED) {
			cl->blocked_pass = p->number;
			foremost_set_aside(n);
		} else {
			foremost_settle(n);
		}
		foremost_namespace_return(n);
	}
}

/* The alternatives of a class with a ready task for which no worker had room: all its quota leaves open. */
static uint8_t blocked_ways(const struct request_class *cl)
{
	unsigned ways = 0;

	for (uint32_t k = 0; k < cl->request->n; k++)
		if (namespace_room(cl, k) > 0)
			ways |= 1u << k;
	return (uint8_t)ways;
}

/* What found no room now will find some only where some appears; except for want of quota, what may not be given out
 * yet, and arrays that have as many tasks out as may be.  Gangs have seen to it themselves. */
static void note_blocked(struct core *c)
{
	struct request_class *cl;
	struct namespace *n;

	TAILQ_FOREACH (n, &c->requests.namespaces.active, active_link) {
		TAILQ_FOREACH (cl, &n->classes, ready_link) {
			if (ready_top(cl) == NULL || cl->probing_round == c->n_rounds ||
			    cl->starved_round == c->n_rounds)
				cl->blocked_ways = 0;
			else if (cl->gang_size == 0)
				cl->blocked_ways = blocked_ways(cl);
		}
	}
	bits_clear_all(&c->touched);
}

static int is_unneeded(struct request_class *cl)
{
	return cl->n_ready == 0 || (cl->gang_size == 0 && ready_top(cl) == NULL);
}

/* Nothing is kept free for a class that has nothing ready any more. */
static void release_unneeded(struct core *c)
{
	for (uint32_t i = bits_next(&c->reserved, NULL, 1, c->workers_end); i != BITS_NONE;
	     i = bits_next(&c->reserved, NULL, i + 1, c->workers_end))
		if (is_unneeded(c->workers[i]->reserved))
			room_release(c, c->workers[i]);
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

static void run_round(struct core *c, struct pass *p)
{
	c->n_rounds++;
	run_pass(p);
	if (c->options.prefetch_us > 0 && c->requests.namespaces.n_ready > 0) {
		p->ahead_us = c->options.prefetch_us;
		run_pass(p);
	}
	note_blocked(c);
	c->round_stamp = p->no_memory ? c->stamp - 1 : c->stamp;
}

void core_schedule(struct core *c, uint64_t now_us)
{
	struct pass p = {.c = c, .now_us = now_us};

	c->now_us = now_us;
	core_wake_delayed(c, now_us);
	core_wake_probed(c);
	drain_step(c, now_us);
	if (c->rescan)
		enter_again(c);
	release_unneeded(c);
	if (c->stamp != c->round_stamp && c->n_workers > 0 && c->requests.namespaces.n_ready > 0)
		run_round(c, &p);
	core_balance(c, now_us);
}
