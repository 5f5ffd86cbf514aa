/*
 * acyclic.c - whether all tasks of a job could ever start, before it is accepted: none waits for itself.
 *
 * Kahn's algorithm (CACM 5(11), 1962) finds that out in the time of one walk over the edges: what is left when nothing
 * can be freed any more is, or depends on, a cycle.
 *
 * The members of a gang start together, and what they make is there for others when all have succeeded.  So a gang is
 * like one task that takes what any of them takes: if it depends on itself that way, through other tasks or other
 * gangs, none of it ever starts.  Therefore units are freed: every task by itself, or a gang.
 */
#include "base/mem.h"
#include "scheduler/core/job.h"

#define CYCLE_SHOWN 20u

/* One word for each task of the job. */
struct walk {
	uint32_t *unit;	 /* its number, or that of the first of its gang */
	uint32_t *left;	 /* of a unit: inputs that are not free yet */
	uint32_t *queue; /* units that are */
};

static void walk_fini(struct walk *w)
{
	mem_free(w->unit);
	mem_free(w->left);
	mem_free(w->queue);
}

static sc_err walk_init(struct walk *w, const struct job *j)
{
	w->unit = mem_malloc((size_t)j->n_tasks * sizeof(*w->unit));
	w->left = mem_calloc(j->n_tasks, sizeof(*w->left));
	w->queue = mem_malloc((size_t)j->n_tasks * sizeof(*w->queue));
	if (w->unit != NULL && w->left != NULL && w->queue != NULL)
		return SC_OK;
	walk_fini(w);
	return SC_NOMEM;
}

static void find_units(const struct job *j, int with_gangs, uint32_t *unit)
{
	for (uint32_t i = 0; i < j->n_groups; i++) {
		const struct group *g = &j->groups[i];

		for (uint32_t k = g->first_task; k < g->first_task + g->n_tasks; k++)
			unit[k] = with_gangs && g->class->gang_size > 0 ? g->first_task : k;
	}
}

/* Tasks of the unit that begins with t, which are neighbours. */
static uint32_t unit_end(const struct job *j, const uint32_t *unit, uint32_t t)
{
	uint32_t end = t + 1;

	while (end < j->n_tasks && unit[end] == unit[t])
		end++;
	return end;
}

/* 1: all can be freed, one after the other. */
static int free_all(const struct job *j, uint32_t first_task, int with_gangs, struct walk *w)
{
	uint32_t head = 0, tail = 0, n_units = 0;

	find_units(j, with_gangs, w->unit);
	for (uint32_t t = 0; t < j->n_tasks; t++)
		for (uint32_t e = j->in_start[t]; e < j->in_start[t + 1]; e++)
			w->left[w->unit[t]] += j->in[e] - first_task < j->n_tasks;
	for (uint32_t t = 0; t < j->n_tasks; t++) {
		n_units += w->unit[t] == t;
		if (w->unit[t] == t && w->left[t] == 0)
			w->queue[tail++] = t;
	}
	while (head < tail) {
		uint32_t u = w->queue[head++], end = unit_end(j, w->unit, u);

		for (uint32_t e = j->out_start[u]; e < j->out_start[end]; e++)
			if (--w->left[w->unit[j->out[e]]] == 0)
				w->queue[tail++] = w->unit[j->out[e]];
	}
	return tail == n_units;
}

/*
 * From any task that was never freed, going to an input that was not either always ends in the cycle.  `next` has room
 * for every task: where each one goes on is looked up once, however often a short cycle is gone round.
 */
static void describe_cycle(const struct job *j, uint32_t first_task, const uint32_t *left, uint32_t *next,
			   struct buf *error)
{
	char key[JOB_KEY_MAX];
	uint32_t t = 0, first;

	for (uint32_t i = 0; i < j->n_tasks; i++)
		next[i] = UINT32_MAX;
	while (left[t] == 0)
		t++;
	while (next[t] == UINT32_MAX) { /* walk until we are where we have been */
		uint32_t e = j->in_start[t];

		while (j->in[e] - first_task >= j->n_tasks || left[j->in[e] - first_task] == 0)
			e++;
		next[t] = j->in[e] - first_task;
		t = next[t];
	}
	first = t;
	buf_append_str(error, "dependencies form a cycle: ");
	for (uint32_t n = 0; n < CYCLE_SHOWN; n++) {
		buf_printf(error, "%s needs ", job_key(j, t, key, sizeof(key)));
		t = next[t];
		if (t == first)
			break;
	}
	buf_printf(error, "%s%s", job_key(j, t, key, sizeof(key)), t == first ? "" : " ...");
}

sc_err acyclic_check_tasks(const struct job *j, uint32_t first_task, struct buf *error)
{
	struct walk w;
	sc_err err = walk_init(&w, j);

	if (err != SC_OK)
		return err;
	if (!free_all(j, first_task, 0, &w)) {
		describe_cycle(j, first_task, w.left, w.queue, error);
		err = SC_CYCLE;
	}
	walk_fini(&w);
	return err;
}

sc_err acyclic_check_gangs(const struct job *j, uint32_t first_task, struct buf *error)
{
	struct walk w;
	sc_err err = walk_init(&w, j);

	if (err != SC_OK)
		return err;
	if (!free_all(j, first_task, 1, &w))
		err = SC_CYCLE;
	for (uint32_t i = 0; i < j->n_groups && err != SC_OK; i++) {
		const struct group *g = &j->groups[i];

		if (g->class->gang_size == 0 || w.left[g->first_task] == 0)
			continue;
		buf_printf(error,
			   "gang '%s' could never start: through other tasks it waits for itself, or for a gang that "
			   "waits for itself; what a gang makes is there when all of it has succeeded",
			   g->name);
		break;
	}
	walk_fini(&w);
	return err;
}
