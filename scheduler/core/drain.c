/*
 * drain.c - outputs that only a draining worker holds are moved to others before it counts as drained.
 *
 * Some at a time: another worker is asked to fetch an output, and when it has it becomes the first holder.  One that
 * cannot says so; then the next is asked, a little later each time.  What is under way is a short list, whose length is
 * bounded, and marked at the task (TASK_DRAINING).
 *
 * Who may take an output depends on the namespace of its job.  One that nobody may take is passed over: the look goes
 * round, some outputs a turn, and when a whole round found nothing and nothing is under way, the worker is stuck.  It
 * rests then until there is a worker more that takes tasks.
 */
#include "base/mem.h"
#include "scheduler/core/core_internal.h"

#define MOVES_MAX	256u /* under way at the same time, in all */
#define MOVES_OF_WORKER 32u  /* away from one */
#define LOOKED_AT	256u /* outputs of a worker in a round */
#define FIRST_PAUSE_US	50000u
#define LAST_PAUSE_US	5000000u

static int is_going(unsigned status)
{
	return status == WORKER_DRAINING || status == WORKER_STOPPING;
}

static uint32_t find_move(const struct core *c, const struct job *j, uint32_t task)
{
	uint32_t i = 0;

	if ((j->tasks[task].flags & TASK_DRAINING) == 0)
		return UINT32_MAX;
	while (i < c->n_moves && (c->moves[i].job != j || c->moves[i].task != task))
		i++;
	return i < c->n_moves ? i : UINT32_MAX;
}

static void remove_move(struct core *c, uint32_t i)
{
	struct move m = c->moves[i];
	struct worker *from = core_worker(c, m.from);

	m.job->tasks[m.task].flags &= (uint8_t)~TASK_DRAINING;
	if (from != NULL) {
		from->n_moving--;
		from->n_looked = 0;
	}
	c->moves[i] = c->moves[--c->n_moves];
}

void drain_forget_task(struct core *c, const struct job *j, uint32_t task)
{
	uint32_t i = find_move(c, j, task);

	if (i != UINT32_MAX)
		remove_move(c, i);
}

void drain_forget_worker(struct core *c, const struct worker *w)
{
	for (uint32_t i = c->n_moves; i-- > 0;)
		if (c->moves[i].from == w->number || c->moves[i].to == w->number)
			remove_move(c, i);
}

int drain_arrived(struct core *c, const struct job *j, uint32_t task, uint32_t worker)
{
	uint32_t i = find_move(c, j, task);

	if (i == UINT32_MAX || c->moves[i].to != worker)
		return 0;
	c->workers[c->moves[i].from]->move_pause_us = 0;
	remove_move(c, i);
	return 1;
}

int drain_failed(struct core *c, const struct job *j, uint32_t task, uint32_t worker, uint64_t now_us)
{
	uint32_t i = find_move(c, j, task);
	struct worker *from;

	if (i == UINT32_MAX || c->moves[i].to != worker)
		return 0;
	from = c->workers[c->moves[i].from];
	from->move_pause_us = from->move_pause_us == 0 ? FIRST_PAUSE_US : 2 * from->move_pause_us;
	if (from->move_pause_us > LAST_PAUSE_US)
		from->move_pause_us = LAST_PAUSE_US;
	from->move_after_us = now_us + from->move_pause_us;
	remove_move(c, i);
	return 1;
}

int drain_take_over(struct core *c, struct job *j, uint32_t task)
{
	const struct task *t = &j->tasks[task];
	int has_stderr = t->detail != NULL && t->detail->stderr_bytes > 0;
	struct replica *r = replica_first(c, j, task);

	if (!is_going(c->workers[t->holder]->status))
		return 0;
	while (r != NULL && (is_going(c->workers[r->worker]->status) || (has_stderr && !r->is_whole)))
		r = LIST_NEXT(r, of_result);
	if (r == NULL || replica_take_over(c, r) != SC_OK)
		return 0;
	drain_forget_task(c, j, task);
	return 1;
}

/* ---- a round ---------------------------------------------------------------------------------------------------- */

/* The next worker that may hold results of the job's namespace, or NO_WORKER. */
static uint32_t next_target(struct core *c, const struct job *j)
{
	uint32_t begun = c->move_cursor, from = begun + 1, end = c->workers_end;

	for (int lap = 0; lap < 2; lap++) {
		for (uint32_t i = bits_next(&c->active, NULL, from, end); i != BITS_NONE;
		     i = bits_next(&c->active, NULL, i + 1, end)) {
			const struct worker *w = c->workers[i];

			if (w->namespace != NULL && strcmp(w->namespace->name, j->namespace) != 0)
				continue;
			c->move_cursor = i;
			return i;
		}
		from = 1;
		end = begun + 1 < end ? begun + 1 : end;
	}
	return NO_WORKER;
}

enum begun { BEGUN, NO_TARGET, NO_MEMORY };

static enum begun begin_move(struct core *c, struct worker *w, struct job *j, uint32_t task)
{
	uint32_t to = next_target(c, j);
	void *p;

	if (to == NO_WORKER)
		return NO_TARGET;
	p = mem_grow(c->moves, &c->cap_moves, c->n_moves + 1, sizeof(*c->moves));
	if (p == NULL)
		return NO_MEMORY;
	c->moves = p;
	c->moves[c->n_moves++] = (struct move){j, task, w->number, to};
	j->tasks[task].flags |= TASK_DRAINING;
	w->n_moving++;
	core_act(c, ACTION_REPLICATE, to, j, task);
	return BEGUN;
}

static int may_move(const struct core *c, const struct worker *w)
{
	return w->n_moving < MOVES_OF_WORKER && c->n_moves < MOVES_MAX && w->move_after_us == 0;
}

/* A whole round of its outputs has found none that anybody may take, or that is not on its way. */
static int has_looked_at_all(const struct worker *w)
{
	return w->n_looked >= w->held.n;
}

/* Some were dropped since it was looked last: what is where in its list is not what it was.  (What comes says so.) */
static void notice_changes(struct worker *w)
{
	if (w->looked_n == w->held.n && w->looked_bytes == w->held_bytes)
		return;
	w->looked_n = w->held.n;
	w->looked_bytes = w->held_bytes;
	w->n_looked = 0;
}

/* On with the look at its outputs, from where it was left. */
static void move_outputs(struct core *c, struct worker *w)
{
	const struct job *hopeless = NULL; /* nobody may take what is of its namespace */

	notice_changes(w);
	for (uint32_t n = 0; n < LOOKED_AT && w->held.n > 0 && may_move(c, w) && !has_looked_at_all(w); n++) {
		struct task_ref r;
		enum begun begun;

		if (w->move_at >= w->held.n)
			w->move_at = 0;
		r = w->held.v[w->move_at];
		if ((r.job->tasks[r.task].flags & TASK_DRAINING) != 0) {
			w->move_at++;
			w->n_looked++;
			continue;
		}
		if (drain_take_over(c, r.job, r.task)) { /* another is in its place */
			notice_changes(w);
			continue;
		}
		begun = NO_TARGET;
		if (hopeless == NULL || strcmp(r.job->namespace, hopeless->namespace) != 0)
			begun = begin_move(c, w, r.job, r.task);
		if (begun == NO_TARGET)
			hopeless = r.job;
		if (begun == NO_MEMORY) {
			w->move_after_us = c->now_us + FIRST_PAUSE_US;
			break;
		}
		w->move_at++;
		w->n_looked = begun == BEGUN ? 0 : w->n_looked + 1;
	}
}

static void drain_worker(struct core *c, struct worker *w, uint64_t now_us)
{
	int is_drained;

	if (now_us >= w->move_after_us)
		w->move_after_us = 0;
	move_outputs(c, w);
	is_drained = w->held.n == 0 && w->in_flight.n == 0;
	if (w->is_drained == is_drained)
		return;
	w->is_drained = (uint8_t)is_drained;
	core_act(c, ACTION_DRAINED, NO_WORKER, NULL, w->number);
}

void drain_look_anew(struct core *c)
{
	for (uint32_t i = bits_next(&c->draining, NULL, 1, c->workers_end); i != BITS_NONE;
	     i = bits_next(&c->draining, NULL, i + 1, c->workers_end))
		c->workers[i]->n_looked = 0;
}

int core_worker_is_stuck(const struct worker *w)
{
	return w->status == WORKER_DRAINING && w->held.n > 0 && w->n_moving == 0 && has_looked_at_all(w);
}

void drain_step(struct core *c, uint64_t now_us)
{
	for (uint32_t i = bits_next(&c->draining, NULL, 1, c->workers_end); i != BITS_NONE;
	     i = bits_next(&c->draining, NULL, i + 1, c->workers_end))
		drain_worker(c, c->workers[i], now_us);
}

uint64_t drain_due_us(const struct core *c)
{
	uint64_t due = UINT64_MAX;

	for (uint32_t i = bits_next(&c->draining, NULL, 1, c->workers_end); i != BITS_NONE;
	     i = bits_next(&c->draining, NULL, i + 1, c->workers_end)) {
		const struct worker *w = c->workers[i];

		if (w->held.n > w->n_moving && w->move_after_us > 0 && w->move_after_us < due)
			due = w->move_after_us;
		else if (may_move(c, w) && !has_looked_at_all(w))
			due = c->now_us; /* there was more than is looked at in a turn */
	}
	return due;
}
