/*
 * grow.c - further tasks for a job that has not ended.
 *
 * What is submitted later is first made into a job of its own, with all the checks of one, and then moved over: room is
 * made in all arrays of the job, which can fail and changes nothing that counts, and then nothing fails any more.  The
 * arrays grow by doubling, so that a job that gets its tasks one by one costs no more than one that has them from the
 * beginning.  Consumers of earlier tasks cannot be appended to these tasks' rows: they go into chains (struct
 * late_edge).
 *
 * Nothing may keep a pointer to a task or group over a call that can get here.
 */
#include <assert.h>
#include <inttypes.h>

#include "base/mem.h"
#include "base/text.h"
#include "scheduler/core/core_internal.h"

#define QUEUES_LOOKED_AT 64u /* run queues of the job, to find one that new groups can share */

/* ---- names ------------------------------------------------------------------------------------------------------ */

uint32_t job_group_named(const struct job *j, struct slice name)
{
	struct group_name *n;

	HASH_FIND(hh, j->by_name, name.p, name.n, n);
	return n == NULL ? UINT32_MAX : n->group;
}

static sc_err add_name(struct job *j, const char *name, uint32_t group)
{
	struct group_name *n = mem_calloc(1, sizeof(*n));

	if (n == NULL)
		return SC_NOMEM;
	n->group = group;
	HASH_ADD_KEYPTR(hh, j->by_name, name, strlen(name), n);
	if (n->hh.tbl == NULL) {
		mem_free(n);
		return SC_NOMEM;
	}
	return SC_OK;
}

static void drop_name(struct job *j, const char *name)
{
	struct group_name *n;

	HASH_FIND_STR(j->by_name, name, n);
	HASH_DEL(j->by_name, n);
	mem_free(n);
}

/* Names of groups [0, n) of x, which are or become those from `first` on of j; all or none. */
static sc_err add_names(struct job *j, const struct job *x, uint32_t first)
{
	for (uint32_t i = 0; i < x->n_groups; i++) {
		if (add_name(j, x->groups[i].name, first + i) == SC_OK)
			continue;
		while (i-- > 0)
			drop_name(j, x->groups[i].name);
		return SC_NOMEM;
	}
	return SC_OK;
}

/* "a-7": may be the key of a task in the array "a". */
static int looks_like_key(const struct group *g)
{
	const char *dash = strrchr(g->name, '-');
	uint64_t index;

	return (g->flags & GROUP_ARRAY) == 0 && dash != NULL && text_u64(dash + 1, &index) == SC_OK;
}

/* A single task of j whose name is the key of a task in the array g, or NULL.  Looked for the shorter way round. */
static const char *single_with_key_in(const struct job *j, const struct job *x, const struct group *g)
{
	char key[JOB_KEY_MAX];
	uint32_t task;

	if (j->n_groups <= g->n_tasks) {
		for (uint32_t i = 0; i < j->n_groups; i++)
			if (looks_like_key(&j->groups[i]) && key_in_group(g, j->groups[i].name, &task))
				return j->groups[i].name;
		return NULL;
	}
	for (uint32_t k = 0; k < g->n_tasks; k++) {
		uint32_t i = job_group_named(j, slice_of(job_key(x, g->first_task + k, key, sizeof(key))));

		if (i != UINT32_MAX && (j->groups[i].flags & GROUP_ARRAY) == 0)
			return j->groups[i].name;
	}
	return NULL;
}

/* No name and no key may be there already. */
static sc_err check_names(const struct job *j, const struct job *x, struct buf *error)
{
	for (uint32_t i = 0; i < x->n_groups; i++) {
		const struct group *g = &x->groups[i];
		const char *dash = strrchr(g->name, '-'), *taken = NULL;
		uint32_t array = UINT32_MAX, task;

		if (job_group_named(j, slice_of(g->name)) != UINT32_MAX) {
			buf_printf(error, "the job has a group of tasks named '%s' already", g->name);
			return SC_EXISTS;
		}
		if ((g->flags & GROUP_ARRAY) != 0)
			taken = single_with_key_in(j, x, g);
		else if (looks_like_key(g))
			array = job_group_named(j, (struct slice){g->name, (size_t)(dash - g->name)});
		if (array != UINT32_MAX && (j->groups[array].flags & GROUP_ARRAY) != 0 &&
		    key_in_group(&j->groups[array], g->name, &task))
			taken = g->name;
		if (taken != NULL) {
			buf_printf(error, "the job has a task with the key '%s' already", taken);
			return SC_EXISTS;
		}
	}
	return SC_OK;
}

/* ---- room ------------------------------------------------------------------------------------------------------- */

/* As mem_grow, for an array that may have been allocated with room for just what it has. */
static void *room_in(void *array, size_t *cap, size_t have, size_t need, size_t size, sc_err *err)
{
	void *p;

	if (*cap < have)
		*cap = have;
	p = mem_grow(array, cap, need, size);
	if (p != NULL)
		return p;
	*err = SC_NOMEM;
	return array;
}

#define MAKE_ROOM(j, array, have, need, err)                                                                           \
	((j)->array = room_in((j)->array, &(j)->cap_##array, (have), (need), sizeof(*(j)->array), (err)))

static const struct group *moved(const struct group *g, uintptr_t before, const struct group *now)
{
	return g == NULL ? NULL : (const struct group *)((uintptr_t)now + ((uintptr_t)g - before));
}

/* The groups may move: some queues are known by theirs. */
static void make_room_for_groups(struct job *j, size_t need, sc_err *err)
{
	uintptr_t before = (uintptr_t)j->groups;

	MAKE_ROOM(j, groups, j->n_groups, need, err);
	if ((uintptr_t)j->groups == before)
		return;
	for (struct run_queue *q = j->queues; q != NULL; q = q->next) {
		q->gang = moved(q->gang, before, j->groups);
		q->limited = moved(q->limited, before, j->groups);
	}
}

/* The four arrays of a job that had no edges so far. */
static void begin_edges(struct job *j, sc_err *err)
{
	uint32_t *in_start = mem_calloc((size_t)j->n_tasks + 1, sizeof(*in_start));
	uint32_t *out_start = mem_calloc((size_t)j->n_tasks + 2, sizeof(*out_start));
	uint32_t *in = mem_malloc(sizeof(*in)), *out = mem_malloc(sizeof(*out));

	if (in_start == NULL || out_start == NULL || in == NULL || out == NULL) {
		mem_free(in_start);
		mem_free(out_start);
		mem_free(in);
		mem_free(out);
		*err = SC_NOMEM;
		return;
	}
	j->in_start = in_start;
	j->out_start = out_start;
	j->in = in;
	j->out = out;
}

static size_t n_edges_in(const struct job *j)
{
	return j->in_start == NULL ? 0 : j->in_start[j->n_tasks];
}

/* Edges of x that lead to it from tasks below `first`. */
static size_t n_late_in(const struct job *x, uint32_t first)
{
	size_t n = 0;

	for (size_t e = 0; e < n_edges_in(x); e++)
		n += x->in[e] < first;
	return n;
}

static void make_room_for_edges(struct job *j, const struct job *x, sc_err *err)
{
	size_t n = (size_t)j->n_tasks + x->n_tasks, n_late = n_late_in(x, j->n_tasks), n_out;

	if (j->in_start == NULL && x->in_start == NULL)
		return;
	if (j->in_start == NULL)
		begin_edges(j, err);
	if (*err != SC_OK)
		return;
	n_out = j->out_start[j->n_tasks] + n_edges_in(x) - n_late;
	MAKE_ROOM(j, in_start, (size_t)j->n_tasks + 1, n + 1, err);
	MAKE_ROOM(j, in, j->in_start[j->n_tasks], n_edges_in(j) + n_edges_in(x), err);
	MAKE_ROOM(j, out_start, (size_t)j->n_tasks + 1, n + 1, err);
	MAKE_ROOM(j, out, j->out_start[j->n_tasks], n_out, err);
	if (*err != SC_OK || (n_late == 0 && j->late_first == NULL))
		return;
	if (j->late_first == NULL) {
		j->late_first = mem_calloc(j->n_tasks, sizeof(*j->late_first));
		j->cap_late_first = j->n_tasks;
	}
	if (j->late_first == NULL) {
		*err = SC_NOMEM;
		return;
	}
	MAKE_ROOM(j, late_first, j->n_tasks, n, err);
	MAKE_ROOM(j, late, j->n_late, j->n_late + n_late, err);
}

static sc_err make_room(struct job *j, const struct job *x)
{
	sc_err err = SC_OK;

	MAKE_ROOM(j, tasks, j->n_tasks, (size_t)j->n_tasks + x->n_tasks, &err);
	make_room_for_groups(j, (size_t)j->n_groups + x->n_groups, &err);
	MAKE_ROOM(j, bodies, j->n_bodies, j->n_bodies + x->n_bodies, &err);
	MAKE_ROOM(j, items, j->n_items, j->n_items + x->n_items, &err);
	MAKE_ROOM(j, more_bytes, j->n_more_bytes, j->n_more_bytes + 2, &err);
	make_room_for_edges(j, x, &err);
	return err;
}

/* ---- moving over ------------------------------------------------------------------------------------------------ */

static struct run_queue *queue_to_share(const struct job *j, const struct run_queue *with)
{
	struct run_queue *q = j->queues;

	for (uint32_t n = 0; q != NULL && n < QUEUES_LOOKED_AT; n++, q = q->next)
		if (q->gang == NULL && q->limited == NULL && q->class == with->class && q->priority == with->priority)
			return q;
	return NULL;
}

/* Queues of x, which are empty, become queues of j, or their groups share one that j has. */
static void move_queues(struct job *j, struct job *x)
{
	struct run_queue *q, *next, *spare = NULL, *all = x->queues;

	x->queues = NULL;
	for (q = all; q != NULL; q = next) {
		struct run_queue *shared = q->gang == NULL && q->limited == NULL ? queue_to_share(j, q) : NULL;

		next = q->next;
		if (shared != NULL) { /* it is not needed: no job has it */
			q->job = NULL;
			q->heir = shared;
			q->next = spare;
			spare = q;
			continue;
		}
		q->job = j;
		q->gang = moved(q->gang, (uintptr_t)x->groups, &j->groups[j->n_groups]);
		q->limited = moved(q->limited, (uintptr_t)x->groups, &j->groups[j->n_groups]);
		q->next = j->queues;
		j->queues = q;
	}
	for (uint32_t i = 0; i < x->n_groups; i++)
		if (x->groups[i].queue->job == NULL)
			x->groups[i].queue = x->groups[i].queue->heir;
	for (q = spare; q != NULL; q = next) {
		next = q->next;
		mem_free(q);
	}
}

static void move_groups(struct job *j, struct job *x)
{
	for (uint32_t i = 0; i < x->n_groups; i++) {
		struct group *g = &j->groups[j->n_groups + i];

		*g = x->groups[i];
		g->first_task += j->n_tasks;
		g->body += (uint32_t)j->n_bodies;
		g->first_item += j->n_items;
		g->first_group = j->n_groups;
	}
	for (size_t i = 0; i < x->n_bodies; i++)
		j->bodies[j->n_bodies + i] = x->bodies[i];
	for (size_t i = 0; i < x->n_items; i++)
		j->items[j->n_items + i] = x->items[i];
	j->more_bytes[j->n_more_bytes++] = x->body_bytes;
	j->more_bytes[j->n_more_bytes++] = x->item_bytes;
	x->body_bytes = x->item_bytes = NULL;
}

static void add_late_edge(struct job *j, uint32_t input, uint32_t task)
{
	assert(j->late_first != NULL && j->late != NULL && "there is room, see make_room_for_edges()");
	j->late[j->n_late] = (struct late_edge){task, j->late_first[input]};
	j->late_first[input] = (uint32_t)++j->n_late;
	j->tasks[input].n_needed++;
}

static void move_edges(struct job *j, const struct job *x)
{
	uint32_t first = j->n_tasks, in_at, out_at;

	if (j->in_start == NULL)
		return;
	in_at = j->in_start[first];
	out_at = j->out_start[first];
	for (uint32_t t = 0; t < x->n_tasks; t++) {
		if (j->late_first != NULL)
			j->late_first[first + t] = 0;
		j->in_start[first + t + 1] = in_at + (x->in_start == NULL ? 0 : x->in_start[t + 1]);
		j->out_start[first + t + 1] = out_at + (x->out_start == NULL ? 0 : x->out_start[t + 1]);
	}
	for (uint32_t e = in_at; e < j->in_start[first + x->n_tasks]; e++)
		j->in[e] = x->in[e - in_at];
	for (uint32_t e = out_at; e < j->out_start[first + x->n_tasks]; e++)
		j->out[e] = first + x->out[e - out_at];
	for (uint32_t t = 0; x->in_start != NULL && t < x->n_tasks; t++)
		for (uint32_t e = x->in_start[t]; e < x->in_start[t + 1]; e++)
			if (x->in[e] < first)
				add_late_edge(j, x->in[e], first + t);
}

static void move_tasks(struct job *j, const struct job *x)
{
	for (uint32_t t = 0; t < x->n_tasks; t++) {
		j->tasks[j->n_tasks + t] = x->tasks[t];
		j->tasks[j->n_tasks + t].group += j->n_groups;
	}
	j->counts[TASK_WAITING] += x->n_tasks;
}

/* There is room; x is an empty shell afterwards. */
static void move_over(struct job *j, struct job *x)
{
	move_tasks(j, x);
	move_edges(j, x);
	move_queues(j, x);
	move_groups(j, x);
	j->n_tasks += x->n_tasks;
	j->n_groups += x->n_groups;
	j->n_bodies += x->n_bodies;
	j->n_items += x->n_items;
	j->bytes += x->bytes;
	x->n_groups = x->n_tasks = 0;
}

static sc_err check_size(const struct job *j, const struct job *x, struct buf *error)
{
	if ((uint64_t)j->n_tasks + x->n_tasks < UINT32_MAX && (uint64_t)j->n_groups + x->n_groups < UINT32_MAX &&
	    n_edges_in(j) + n_edges_in(x) < UINT32_MAX)
		return SC_OK;
	buf_printf(error, "a job has less than %u tasks, and inputs of tasks", UINT32_MAX);
	return SC_LIMIT;
}

sc_err job_grow(struct requests *r, struct job *j, const struct job_spec *spec, struct buf *error)
{
	struct job_spec s = *spec;
	struct job *x;
	sc_err err;

	assert(spec->first_task == j->n_tasks && "new tasks are numbered after those that are there");
	s.name = slice_of(j->name);
	s.namespace = slice_of(j->namespace);
	s.priority = j->priority;
	s.is_open = 0;
	err = job_new(r, &s, &x, error);
	if (err != SC_OK)
		return err;
	err = check_size(j, x, error);
	if (err == SC_OK && j->by_name == NULL)
		err = add_names(j, j, 0);
	if (err == SC_OK)
		err = check_names(j, x, error);
	if (err == SC_OK)
		err = make_room(j, x);
	if (err == SC_OK)
		err = add_names(j, x, j->n_groups);
	if (err == SC_OK)
		move_over(j, x);
	else
		x->in_start = x->in = NULL; /* still the caller's */
	job_free(x);
	return err;
}

/* ---- the core's side -------------------------------------------------------------------------------------------- */

sc_err core_submit_more(struct core *c, struct job *j, const struct job_spec *spec, uint64_t now_us, struct buf *error)
{
	struct requests_mark before = requests_mark(&c->requests);
	uint32_t first = j->n_tasks;
	sc_err err = SC_OK;

	if (job_has_ended(j)) {
		buf_printf(error, "job %" PRIu64 " has ended (%s): it takes no more tasks", j->id,
			   const_name_JOB(j->state));
		return SC_BAD_STATE;
	}
	err = core_check_limit(c, spec, error);
	if (err == SC_OK)
		err = job_grow(&c->requests, j, spec, error);
	if (err != SC_OK) {
		requests_undo(&c->requests, before);
		return err;
	}
	c->n_tasks += j->n_tasks - first;
	for (uint32_t t = first; t < j->n_tasks; t++)
		task_settle(c, j, t);
	job_update(c, j, now_us); /* all may have failed at once, for want of an input */
	return SC_OK;
}

sc_err core_job_close(struct core *c, struct job *j, uint64_t now_us)
{
	if (!j->is_open)
		return SC_BAD_STATE;
	j->is_open = 0;
	job_update(c, j, now_us);
	return SC_OK;
}
