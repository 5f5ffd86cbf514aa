/* ready.c - see ready.h. */
#include "scheduler/core/ready.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

int run_queue_before(const struct run_queue *a, const struct run_queue *b)
{
	if (a->priority != b->priority)
		return a->priority > b->priority;
	return a->job->id < b->job->id;
}

/* ---- the heap of a class -------------------------------------------------------------------------------------- */

static void place(struct request_class *c, size_t i, struct run_queue *q)
{
	c->heap[i] = q;
	q->at = i;
}

static void class_up(struct request_class *c, size_t i)
{
	struct run_queue *q = c->heap[i];

	while (i > 0 && run_queue_before(q, c->heap[(i - 1) / 2])) {
		place(c, i, c->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(c, i, q);
}

static void class_down(struct request_class *c, size_t i)
{
	struct run_queue *q = c->heap[i];

	for (;;) {
		size_t kid = 2 * i + 1;

		if (kid >= c->n_heap)
			break;
		if (kid + 1 < c->n_heap && run_queue_before(c->heap[kid + 1], c->heap[kid]))
			kid++;
		if (!run_queue_before(c->heap[kid], q))
			break;
		place(c, i, c->heap[kid]);
		i = kid;
	}
	place(c, i, q);
}

static sc_err class_insert(struct request_class *c, struct run_queue *q)
{
	void *p = mem_grow(c->heap, &c->cap_heap, c->n_heap + 1, sizeof(struct run_queue *));

	if (p == NULL)
		return SC_NOMEM;
	c->heap = p;
	place(c, c->n_heap++, q);
	class_up(c, q->at);
	return SC_OK;
}

static void class_remove(struct request_class *c, struct run_queue *q)
{
	size_t i = q->at;
	struct run_queue *last;

	assert(i < c->n_heap && c->heap[i] == q);
	q->at = NOT_IN_HEAP;
	last = c->heap[--c->n_heap];
	if (last == q)
		return;
	place(c, i, last);
	class_up(c, i);
	class_down(c, last->at);
}

/* ---- the tasks of a run queue --------------------------------------------------------------------------------- */

static void task_up(struct run_queue *q, size_t i)
{
	uint32_t t = q->heap[i];

	while (i > 0 && t < q->heap[(i - 1) / 2]) {
		q->heap[i] = q->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	q->heap[i] = t;
}

static void task_down(struct run_queue *q)
{
	uint32_t t = q->heap[0];
	size_t i = 0;

	for (;;) {
		size_t kid = 2 * i + 1;

		if (kid >= q->n_heap)
			break;
		if (kid + 1 < q->n_heap && q->heap[kid + 1] < q->heap[kid])
			kid++;
		if (t <= q->heap[kid])
			break;
		q->heap[i] = q->heap[kid];
		i = kid;
	}
	q->heap[i] = t;
}

/* ---- gangs ------------------------------------------------------------------------------------------------------ */

uint32_t ready_gang_size(const struct run_queue *q)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < q->gang->n_tasks; k++)
		n += q->job->tasks[q->gang->first_task + k].state == TASK_READY;
	return n;
}

uint32_t ready_of_gang(const struct run_queue *q, uint32_t n)
{
	for (uint32_t k = 0; k < q->gang->n_tasks; k++)
		if (q->job->tasks[q->gang->first_task + k].state == TASK_READY && n-- == 0)
			return q->gang->first_task + k;
	return UINT32_MAX;
}

/*
 * None waits, and none is still out from an earlier start.  Asked whenever one becomes ready, in the order of their
 * numbers or the other way round: so the last and the first are looked at before the others.
 */
int ready_gang_is_complete(const struct run_queue *q)
{
	const struct task *first = &q->job->tasks[q->gang->first_task];
	uint32_t n = q->gang->n_tasks;

	return first[n - 1].state == TASK_READY && first->state == TASK_READY && ready_gang_size(q) == n;
}

static sc_err push_gang(struct run_queue *q)
{
	if (q->at != NOT_IN_HEAP || !ready_gang_is_complete(q))
		return SC_OK;
	return class_insert(q->class, q);
}

/* ---- what is next ----------------------------------------------------------------------------------------------- */

static int run_queue_is_empty(const struct run_queue *q)
{
	return q->range_next == q->range_end && q->n_heap == 0;
}

int ready_is_at_limit(const struct run_queue *q)
{
	return q->limited != NULL && q->limited->n_running >= q->limited->max_running;
}

sc_err ready_count_running(struct group *g, int given)
{
	struct run_queue *q = g->queue;

	if (given)
		g->n_running++;
	else
		g->n_running--;
	if (q->at != NOT_IN_HEAP || run_queue_is_empty(q) || ready_is_at_limit(q))
		return SC_OK;
	return class_insert(q->class, q);
}

sc_err ready_push(struct job *j, uint32_t task)
{
	struct run_queue *q = j->groups[j->tasks[task].group].queue;
	struct task *t = &j->tasks[task];
	void *p;

	if (q->gang != NULL)
		return push_gang(q);
	if (q->at == NOT_IN_HEAP) {
		sc_err err = class_insert(q->class, q);

		if (err != SC_OK)
			return err;
	}
	if ((t->flags & TASK_QUEUED) != 0 || (task >= q->range_next && task < q->range_end))
		return SC_OK; /* a stale entry comes to life again */
	if (q->range_next == q->range_end) {
		q->range_next = task;
		q->range_end = task + 1;
		return SC_OK;
	}
	if (task == q->range_end) {
		q->range_end++;
		return SC_OK;
	}
	p = mem_grow(q->heap, &q->cap_heap, q->n_heap + 1, sizeof(*q->heap));
	if (p == NULL)
		return SC_NOMEM;
	q->heap = p;
	q->heap[q->n_heap++] = task;
	task_up(q, q->n_heap - 1);
	t->flags |= TASK_QUEUED;
	return SC_OK;
}

static int range_is_next(const struct run_queue *q)
{
	return q->range_next < q->range_end && (q->n_heap == 0 || q->range_next < q->heap[0]);
}

uint32_t ready_peek(const struct run_queue *q)
{
	if (q->gang != NULL)
		return ready_of_gang(q, 0);
	return range_is_next(q) ? q->range_next : q->heap[0];
}

static uint32_t take(struct run_queue *q)
{
	uint32_t t;

	if (range_is_next(q))
		return q->range_next++;
	t = q->heap[0];
	q->job->tasks[t].flags &= (uint8_t)~TASK_QUEUED;
	q->heap[0] = q->heap[--q->n_heap];
	if (q->n_heap > 0)
		task_down(q);
	return t;
}

/* Drop stale entries from the front; 0 when nothing is left. */
static int settle(struct run_queue *q)
{
	if (q->gang != NULL)
		return ready_gang_is_complete(q);
	if (ready_is_at_limit(q))
		return 0;
	while (!run_queue_is_empty(q)) {
		if (q->job->tasks[ready_peek(q)].state == TASK_READY)
			return 1;
		take(q);
	}
	return 0;
}

int ready_has_any(struct run_queue *q)
{
	return q->at != NOT_IN_HEAP && settle(q);
}

uint32_t ready_pop(struct run_queue *q)
{
	return take(q);
}

struct run_queue *ready_top(struct request_class *c)
{
	while (c->n_heap > 0) {
		struct run_queue *q = c->heap[0];

		if (settle(q))
			return q;
		class_remove(c, q);
	}
	return NULL;
}

/* ---- how many come first ---------------------------------------------------------------------------------------- */

static void count_ready(const struct run_queue *q, uint32_t task, uint32_t below, struct ready_tally *t)
{
	t->looks--;
	t->n += task < below && q->job->tasks[task].state == TASK_READY;
}

/* Its entries below a number, but for stale ones. */
static void count_entries(const struct run_queue *q, uint32_t below, struct ready_tally *t)
{
	for (uint32_t i = q->range_next; i < q->range_end && i < below && t->looks > 0; i++)
		count_ready(q, i, below, t);
	for (size_t i = 0; i < q->n_heap && t->looks > 0; i++)
		count_ready(q, q->heap[i], below, t);
}

static void count_queue(const struct run_queue *q, struct ready_tally *t)
{
	if (q->gang != NULL)
		t->n += ready_gang_is_complete(q) ? ready_gang_size(q) : 0;
	else if (ready_is_at_limit(q))
		return;
	else if (q->job->queues == q && q->next == NULL) /* all that is ready of the job */
		t->n += q->job->counts[TASK_READY];
	else
		count_entries(q, UINT32_MAX, t);
}

void ready_count_before(const struct request_class *c, const struct run_queue *q, uint32_t task, struct ready_tally *t)
{
	for (size_t i = 0; i < c->n_heap && t->looks > 0; i++) {
		t->looks--;
		if (run_queue_before(c->heap[i], q))
			count_queue(c->heap[i], t);
	}
	if (q->class == c && q->gang == NULL)
		count_entries(q, task, t);
}

/* ---- the queues of a job -------------------------------------------------------------------------------------- */

static int same_queue(const struct group *a, const struct group *b)
{
	return a->class == b->class && a->priority == b->priority && a->class->gang_size == 0 && a->max_running == 0 &&
	       b->max_running == 0;
}

static int compare_groups(const void *a, const void *b)
{
	const struct group *x = *(struct group *const *)a, *y = *(struct group *const *)b;

	if (x->class->number != y->class->number)
		return x->class->number < y->class->number ? -1 : 1;
	return (x->priority > y->priority) - (x->priority < y->priority);
}

static struct run_queue *queue_new(struct job *j, const struct group *g)
{
	struct run_queue *q = mem_calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->job = j;
	q->class = g->class;
	q->priority = g->priority;
	q->gang = g->class->gang_size > 0 ? g : NULL;
	q->limited = g->max_running > 0 ? g : NULL;
	q->at = NOT_IN_HEAP;
	q->next = j->queues;
	j->queues = q;
	return q;
}

sc_err run_queues_make(struct job *j)
{
	struct group **sorted = mem_malloc(j->n_groups * sizeof(struct group *));
	sc_err err = SC_OK;

	if (sorted == NULL)
		return SC_NOMEM;
	for (uint32_t i = 0; i < j->n_groups; i++)
		sorted[i] = &j->groups[i];
	qsort(sorted, j->n_groups, sizeof(struct group *), compare_groups);
	for (uint32_t i = 0; i < j->n_groups && err == SC_OK; i++) {
		if (i > 0 && same_queue(sorted[i], sorted[i - 1]))
			sorted[i]->queue = sorted[i - 1]->queue;
		else
			sorted[i]->queue = queue_new(j, sorted[i]);
		if (sorted[i]->queue == NULL)
			err = SC_NOMEM;
	}
	mem_free(sorted);
	return err;
}

void run_queues_free(struct job *j)
{
	struct run_queue *q;

	while ((q = j->queues) != NULL) {
		j->queues = q->next;
		if (q->at != NOT_IN_HEAP)
			class_remove(q->class, q);
		mem_free(q->heap);
		mem_free(q);
	}
}
