/* job.c - see job.h. */
#include "scheduler/core/job.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "scheduler/core/ready.h"
#include "scheduler/core/worker.h"

#define GANG_MAX 1000u /* tasks that have to start together */

static void detail_free(struct task_detail *d)
{
	if (d == NULL)
		return;
	mem_free(d->text);
	mem_free(d->stderr_tail);
	mem_free(d);
}

static void group_names_free(struct job *j)
{
	struct group_name *n, *next;

	HASH_ITER (hh, j->by_name, n, next) {
		HASH_DEL(j->by_name, n);
		mem_free(n);
	}
}

void job_free(struct job *j)
{
	if (j == NULL)
		return;
	for (uint32_t i = 0; j->tasks != NULL && i < j->n_tasks; i++)
		if (j->tasks[i].detail != NULL)
			detail_free(j->tasks[i].detail);
	run_queues_free(j);
	for (uint32_t i = 0; j->groups != NULL && i < j->n_groups; i++) {
		mem_free(j->groups[i].name);
		mem_free(j->groups[i].indexes);
		request_class_drop(j->groups[i].class);
	}
	mem_free(j->tasks);
	mem_free(j->groups);
	mem_free(j->in_start);
	mem_free(j->in);
	mem_free(j->out_start);
	mem_free(j->out);
	mem_free(j->late_first);
	mem_free(j->late);
	group_names_free(j);
	bits_fini(&j->awaited);
	for (size_t i = 0; i < j->n_more_bytes; i++)
		mem_free(j->more_bytes[i]);
	mem_free(j->more_bytes);
	mem_free(j->bodies);
	mem_free(j->body_bytes);
	mem_free(j->items);
	mem_free(j->item_bytes);
	for (size_t i = 0; i < j->n_ran_on; i++)
		mem_free(j->ran_on[i]);
	mem_free(j->ran_on);
	mem_free(j->followers);
	mem_free(j->name);
	mem_free(j->namespace);
	mem_free(j->text);
	mem_free(j);
}

/* Copy many slices into one block. */
static sc_err copy_slices(struct slices from, struct slice **slices, char **bytes, size_t *total)
{
	size_t n = 0;
	char *at;

	for (size_t i = 0; i < from.n; i++)
		n += from.v[i].n;
	*slices = mem_malloc(from.n * sizeof(**slices));
	*bytes = at = mem_malloc(n);
	if (*slices == NULL || at == NULL)
		return SC_NOMEM;
	for (size_t i = 0; i < from.n; i++) {
		if (from.v[i].n > 0)
			memcpy(at, from.v[i].p, from.v[i].n);
		(*slices)[i] = (struct slice){at, from.v[i].n};
		at += from.v[i].n;
	}
	*total += n + from.n * sizeof(**slices);
	return SC_OK;
}

static sc_err check_name(const char *what, struct slice s, struct buf *error)
{
	if (text_is_name(s.p, s.n))
		return SC_OK;
	buf_printf(error, "%s '%.*s' is not a name; allowed are %s", what, (int)(s.n < 80 ? s.n : 80), s.p,
		   TEXT_NAME_ALLOWED);
	return SC_INVALID;
}

/* ---- groups --------------------------------------------------------------------------------------------------- */

int key_in_group(const struct group *g, const char *key, uint32_t *task)
{
	size_t n = strlen(g->name);
	uint64_t index, k;

	if (strncmp(key, g->name, n) != 0)
		return 0;
	if ((g->flags & GROUP_ARRAY) == 0) {
		*task = g->first_task;
		return key[n] == '\0';
	}
	if (key[n] != '-' || text_u64(key + n + 1, &index) != SC_OK)
		return 0;
	if (g->indexes != NULL) {
		if (!index_list_find(g->indexes, index, &k))
			return 0;
		*task = g->first_task + (uint32_t)k;
		return 1;
	}
	if (index < g->index_first)
		return 0;
	k = g->index_step == 0 ? 0 : (index - g->index_first) / g->index_step;
	if (k >= g->n_tasks || g->index_first + k * g->index_step != index)
		return 0;
	*task = g->first_task + (uint32_t)k;
	return 1;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp((*(struct group *const *)a)->name, (*(struct group *const *)b)->name);
}

/* The group with the first len bytes of `name` as its name, or NULL. */
static const struct group *group_named(struct group *const *sorted, uint32_t n, const char *name, size_t len)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int order = strncmp(sorted[mid]->name, name, len);

		if (order == 0 && sorted[mid]->name[len] == '\0')
			return sorted[mid];
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* Whether the name of a single task is the key of a task in an array as well: "a-7" beside the array "a". */
static int is_key_of_another(struct group *const *sorted, uint32_t n, const struct group *g)
{
	const char *dash = strrchr(g->name, '-');
	const struct group *array;
	uint32_t task;

	if (dash == NULL || (g->flags & GROUP_ARRAY) != 0 || (dash[1] == '0' && dash[2] != '\0'))
		return 0;
	array = group_named(sorted, n, g->name, (size_t)(dash - g->name));
	return array != NULL && (array->flags & GROUP_ARRAY) != 0 && key_in_group(array, g->name, &task);
}

static sc_err check_unique_names(const struct job *j, struct buf *error)
{
	struct group **sorted;
	sc_err err = SC_OK;

	if (j->n_groups < 2)
		return SC_OK;
	sorted = mem_malloc(j->n_groups * sizeof(struct group *));
	if (sorted == NULL)
		return SC_NOMEM;
	for (uint32_t i = 0; i < j->n_groups; i++)
		sorted[i] = &j->groups[i];
	qsort(sorted, j->n_groups, sizeof(struct group *), compare_names);
	for (uint32_t i = 0; i < j->n_groups && err == SC_OK; i++) {
		if (i > 0 && strcmp(sorted[i - 1]->name, sorted[i]->name) == 0) {
			buf_printf(error, "two groups of tasks are named '%s'", sorted[i]->name);
			err = SC_INVALID;
		} else if (is_key_of_another(sorted, j->n_groups, sorted[i])) {
			buf_printf(error, "two tasks have the key '%s'", sorted[i]->name);
			err = SC_INVALID;
		}
	}
	mem_free(sorted);
	return err;
}

static sc_err make_indexes(const struct group_spec *s, struct group *g, struct buf *error)
{
	sc_err err;

	if (s->n_ranges == 0)
		return SC_OK;
	err = index_list_new(s->ranges, s->n_ranges, &g->indexes);
	if (err == SC_OK && index_list_count(g->indexes) != s->n_tasks)
		err = SC_INVALID;
	if (err == SC_INVALID)
		buf_printf(error, "group '%.*s': its ranges of indexes do not rise, or are not of %u tasks",
			   (int)s->name.n, s->name.p, s->n_tasks);
	return err;
}

static sc_err make_group(struct requests *r, struct job *j, const struct job_spec *spec, uint32_t i, uint64_t *n_tasks,
			 uint64_t *n_items, struct buf *error)
{
	const struct group_spec *s = &spec->groups[i];
	struct group *g = &j->groups[i];
	uint32_t gang_size = (s->flags & GROUP_GANG) != 0 ? s->n_tasks : 0;
	sc_err err = check_name("group", s->name, error);

	if (err != SC_OK)
		return err;
	if (s->body >= spec->bodies.n) {
		buf_printf(error, "group '%.*s' has body %u of %zu", (int)s->name.n, s->name.p, s->body,
			   spec->bodies.n);
		return SC_INVALID;
	}
	if (s->n_tasks == 0) {
		buf_printf(error, "group '%.*s' has no tasks", (int)s->name.n, s->name.p);
		return SC_INVALID;
	}
	if (gang_size > GANG_MAX) {
		buf_printf(error, "group '%.*s': a gang has at most %u tasks, not %u", (int)s->name.n, s->name.p,
			   GANG_MAX, gang_size);
		return SC_LIMIT;
	}
	if (gang_size > 0 && s->max_running > 0 && s->max_running < gang_size) {
		buf_printf(error, "group '%.*s': its %u tasks start together, so at most %u at a time is not possible",
			   (int)s->name.n, s->name.p, gang_size, s->max_running);
		return SC_INVALID;
	}
	err = make_indexes(s, g, error);
	if (err != SC_OK)
		return err;
	if ((UINT64_MAX - s->index_first) / (s->index_step == 0 ? 1 : s->index_step) < s->n_tasks - 1) {
		buf_printf(error, "group '%.*s': its last index is beyond 2^64", (int)s->name.n, s->name.p);
		return SC_INVALID;
	}
	if (gang_size == 0 && i > 0 && j->groups[i - 1].class->gang_size == 0 &&
	    slice_equal(s->request, spec->groups[i - 1].request)) { /* usual, and spares reading it again */
		g->class = j->groups[i - 1].class;
		g->class->n_users++;
	} else {
		err = requests_class(r, spec->namespace, s->request, gang_size, &g->class, error);
	}
	if (err != SC_OK)
		return err;
	g->name = slice_dup(s->name);
	if (g->name == NULL)
		return SC_NOMEM;
	g->first_task = (uint32_t)*n_tasks;
	g->n_tasks = s->n_tasks;
	g->index_first = s->index_first;
	g->index_step = s->index_step == 0 ? 1 : s->index_step;
	g->flags = s->flags;
	g->kind = s->kind;
	g->body = s->body;
	g->retries = s->retries;
	g->time_limit_ms = s->time_limit_ms;
	g->priority = j->priority + s->priority;
	g->max_running = gang_size > 0 ? 0 : s->max_running;
	g->mean_us = -1.0f;
	g->first_item = *n_items;
	*n_tasks += s->n_tasks;
	if (s->n_tasks > 1 || s->n_ranges > 0)
		g->flags |= GROUP_ARRAY;
	if ((g->flags & GROUP_ITEMS) != 0)
		*n_items += s->n_tasks;
	return SC_OK;
}

static sc_err make_groups(struct requests *r, struct job *j, const struct job_spec *spec, struct buf *error)
{
	uint64_t n_tasks = 0, n_items = 0;
	sc_err err = SC_OK;

	if (spec->n_groups == 0 && (!spec->is_open || spec->in_start != NULL)) {
		buf_append_str(error, "a job needs at least one task, unless it is submitted open");
		return SC_INVALID;
	}
	j->groups = mem_calloc(spec->n_groups, sizeof(*j->groups));
	if (j->groups == NULL)
		return SC_NOMEM;
	j->n_groups = spec->n_groups;
	for (uint32_t i = 0; i < spec->n_groups && err == SC_OK; i++) {
		err = make_group(r, j, spec, i, &n_tasks, &n_items, error);
		if (err == SC_OK && n_tasks >= UINT32_MAX) {
			buf_printf(error, "a job has less than %u tasks", UINT32_MAX);
			err = SC_LIMIT;
		}
	}
	if (err == SC_OK && n_items != spec->items.n) {
		buf_printf(error, "%zu items for %" PRIu64 " tasks that take one", spec->items.n, n_items);
		err = SC_INVALID;
	}
	if (err == SC_OK)
		err = check_unique_names(j, error);
	j->n_tasks = (uint32_t)n_tasks;
	return err;
}

/* The number of a task's group, also before the tasks know theirs. */
static uint32_t group_at(const struct job *j, uint32_t task)
{
	uint32_t lo = 0, hi = j->n_groups;

	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (j->groups[mid].first_task <= task)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

/* ---- edges ---------------------------------------------------------------------------------------------------- */

/* The gang a task is of, before the tasks know their groups; or NULL. */
static const struct group *gang_at(const struct job *j, uint32_t task)
{
	const struct group *g = &j->groups[group_at(j, task)];

	return g->class->gang_size > 0 ? g : NULL;
}

static int has_gangs(const struct job *j)
{
	for (uint32_t g = 0; g < j->n_groups; g++)
		if (j->groups[g].class->gang_size > 0)
			return 1;
	return 0;
}

static sc_err check_edges(const struct job *j, const struct job_spec *spec, int *forward, struct buf *error)
{
	char a[JOB_KEY_MAX];
	int gangs = has_gangs(j);

	*forward = 1; /* every input has a smaller number: no cycle possible */
	for (uint32_t t = 0; t < j->n_tasks; t++) {
		for (uint32_t e = spec->in_start[t]; e < spec->in_start[t + 1]; e++) {
			uint32_t i = spec->in[e] - spec->first_task;

			if (spec->in[e] < spec->first_task)
				continue; /* of an earlier submission: no cycle can go through it */
			if (i >= j->n_tasks) {
				buf_printf(error, "task '%s' takes input from task number %u, but there are only %u",
					   job_key(j, t, a, sizeof(a)), spec->in[e], spec->first_task + j->n_tasks);
				return SC_INVALID;
			}
			if (i >= t)
				*forward = 0;
			if (gangs && gang_at(j, t) != NULL && gang_at(j, t) == gang_at(j, i)) {
				buf_printf(error, "task '%s' takes input from a task of its own gang: none could start",
					   job_key(j, t, a, sizeof(a)));
				return SC_INVALID;
			}
		}
	}
	return SC_OK;
}

/*
 * Consumers among the tasks from number `first` on, counted from there; an input below that wraps around and is beyond
 * all of them.
 */
static sc_err make_consumers(struct job *j, uint32_t first)
{
	uint32_t n_edges = j->in_start[j->n_tasks], *at;

	j->out_start = mem_calloc((size_t)j->n_tasks + 2, sizeof(*j->out_start));
	j->out = mem_malloc((size_t)n_edges * sizeof(*j->out));
	if (j->out_start == NULL || j->out == NULL)
		return SC_NOMEM;
	/* Count into [t + 2], sum up: [t + 1] is then where t's begin, and after filling where they end. */
	at = j->out_start + 1;
	for (uint32_t e = 0; e < n_edges; e++)
		if (j->in[e] - first < j->n_tasks)
			at[j->in[e] - first + 1]++;
	for (uint32_t t = 0; t < j->n_tasks; t++)
		at[t + 1] += at[t];
	for (uint32_t t = 0; t < j->n_tasks; t++)
		for (uint32_t e = j->in_start[t]; e < j->in_start[t + 1]; e++)
			if (j->in[e] - first < j->n_tasks)
				j->out[at[j->in[e] - first]++] = t;
	return SC_OK;
}

static sc_err make_edges(struct job *j, const struct job_spec *spec, struct buf *error)
{
	int forward;
	sc_err err;

	if (spec->in_start == NULL)
		return SC_OK;
	err = check_edges(j, spec, &forward, error);
	if (err != SC_OK)
		return err;
	j->in_start = spec->in_start;
	j->in = spec->in;
	err = make_consumers(j, spec->first_task);
	if (err == SC_OK && !forward)
		err = acyclic_check_tasks(j, spec->first_task, error);
	if (err == SC_OK && has_gangs(j))
		err = acyclic_check_gangs(j, spec->first_task, error);
	j->bytes += ((size_t)j->n_tasks * 2 + (size_t)j->in_start[j->n_tasks] * 2) * sizeof(uint32_t);
	return err;
}

/* ---- the job -------------------------------------------------------------------------------------------------- */

static sc_err make_tasks(struct job *j)
{
	j->tasks = mem_calloc(j->n_tasks, sizeof(*j->tasks));
	if (j->tasks == NULL)
		return SC_NOMEM;
	for (uint32_t i = 0; i < j->n_groups; i++) {
		const struct group *g = &j->groups[i];

		if (i > 0) /* fresh memory is zero already: leave it untouched */
			for (uint32_t k = 0; k < g->n_tasks; k++)
				j->tasks[g->first_task + k].group = i;
	}
	for (uint32_t t = 0; j->in_start != NULL && t < j->n_tasks; t++) {
		j->tasks[t].n_missing = job_n_inputs(j, t);
		j->tasks[t].n_needed = job_n_consumers(j, t);
	}
	j->counts[TASK_WAITING] = j->n_tasks;
	j->bytes += (size_t)j->n_tasks * sizeof(*j->tasks) + (size_t)j->n_groups * sizeof(*j->groups);
	return SC_OK;
}

sc_err job_new(struct requests *r, const struct job_spec *spec, struct job **out, struct buf *error)
{
	struct job *j = mem_calloc(1, sizeof(*j));
	sc_err err;

	if (j == NULL)
		return SC_NOMEM;
	j->priority = spec->priority;
	j->is_open = spec->is_open != 0;
	j->max_fails = j->fails_limit = spec->max_fails;
	j->n_bodies = spec->bodies.n;
	j->n_items = spec->items.n;
	err = check_name("job", spec->name, error);
	if (err == SC_OK)
		err = check_name("namespace", spec->namespace, error);
	if (err == SC_OK) {
		j->name = slice_dup(spec->name);
		j->namespace = slice_dup(spec->namespace);
		err = j->name == NULL || j->namespace == NULL ? SC_NOMEM : SC_OK;
	}
	if (err == SC_OK)
		err = make_groups(r, j, spec, error);
	if (err == SC_OK)
		err = copy_slices(spec->bodies, &j->bodies, &j->body_bytes, &j->bytes);
	if (err == SC_OK)
		err = copy_slices(spec->items, &j->items, &j->item_bytes, &j->bytes);
	if (err == SC_OK)
		err = make_edges(j, spec, error);
	if (err == SC_OK)
		err = make_tasks(j);
	if (err == SC_OK)
		err = run_queues_make(j);
	if (err != SC_OK) {
		j->in_start = j->in = NULL; /* still the caller's */
		job_free(j);
		return err;
	}
	*out = j;
	return SC_OK;
}

const char *job_key(const struct job *j, uint32_t task, char *buf, size_t cap)
{
	const struct group *g = &j->groups[group_at(j, task)];

	if ((g->flags & GROUP_ARRAY) != 0)
		snprintf(buf, cap, "%s-%" PRIu64, g->name, group_index(g, task - g->first_task));
	else
		snprintf(buf, cap, "%s", g->name);
	return buf;
}

/* In a job that has grown, and may have a great many groups. */
static int find_by_name(const struct job *j, const char *key, uint32_t *out)
{
	const char *dash = strrchr(key, '-');
	uint32_t group = job_group_named(j, slice_of(key));

	if (group != UINT32_MAX && key_in_group(&j->groups[group], key, out))
		return 1;
	if (dash == NULL)
		return 0;
	group = job_group_named(j, (struct slice){key, (size_t)(dash - key)});
	return group != UINT32_MAX && key_in_group(&j->groups[group], key, out);
}

sc_err job_find_task(const struct job *j, struct slice key, uint32_t *out)
{
	char text[JOB_KEY_MAX];
	uint64_t number;

	if (key.n == 0 || key.n >= sizeof(text))
		return SC_NOT_FOUND;
	memcpy(text, key.p, key.n);
	text[key.n] = '\0';
	if (j->by_name != NULL) {
		if (find_by_name(j, text, out))
			return SC_OK;
	} else {
		for (uint32_t i = 0; i < j->n_groups; i++)
			if (key_in_group(&j->groups[i], text, out))
				return SC_OK;
	}
	if (text_u64(text, &number) == SC_OK && number < j->n_tasks) {
		*out = (uint32_t)number;
		return SC_OK;
	}
	return SC_NOT_FOUND;
}

/* 1 + the place of a name among the job's, entered if it is new; 0 when there is no room. */
static uint16_t ran_on_index(struct job *j, const char *name)
{
	void *p;

	for (size_t i = 0; i < j->n_ran_on; i++)
		if (strcmp(j->ran_on[i], name) == 0)
			return (uint16_t)(i + 1);
	if (j->n_ran_on == UINT16_MAX)
		return 0;
	p = mem_grow(j->ran_on, &j->cap_ran_on, j->n_ran_on + 1, sizeof(char *));
	if (p == NULL)
		return 0;
	j->ran_on = p;
	j->ran_on[j->n_ran_on] = mem_strdup(name);
	if (j->ran_on[j->n_ran_on] == NULL)
		return 0;
	return (uint16_t)++j->n_ran_on;
}

void job_set_ran_on(struct job *j, uint32_t task, struct worker *w)
{
	if (w->ran_on_job != j->id) {
		w->ran_on_index = ran_on_index(j, w->name);
		w->ran_on_job = j->id;
	}
	j->tasks[task].ran_on = w->ran_on_index;
}

struct task_detail *job_task_detail(struct job *j, uint32_t task)
{
	struct task *t = &j->tasks[task];

	if (t->detail == NULL)
		t->detail = mem_calloc(1, sizeof(*t->detail));
	return t->detail;
}

void job_set_stderr_tail(struct job *j, uint32_t task, struct slice tail)
{
	struct task_detail *d = j->tasks[task].detail;

	if (d == NULL)
		return;
	j->stderr_tail_bytes -= d->stderr_tail_bytes;
	mem_free(d->stderr_tail);
	d->stderr_tail = NULL;
	d->stderr_tail_bytes = 0;
	if (tail.n > TASK_TAIL_BYTES) {
		tail.p += tail.n - TASK_TAIL_BYTES;
		tail.n = TASK_TAIL_BYTES;
	}
	if (tail.n == 0 || j->stderr_tail_bytes + tail.n > JOB_TAIL_BYTES)
		return;
	d->stderr_tail = mem_strndup(tail.p, tail.n);
	d->stderr_tail_bytes = d->stderr_tail != NULL ? tail.n : 0;
	j->stderr_tail_bytes += d->stderr_tail_bytes;
}

void job_task_detail_clear(struct job *j, uint32_t task)
{
	job_set_stderr_tail(j, task, (struct slice){NULL, 0});
	detail_free(j->tasks[task].detail);
	j->tasks[task].detail = NULL;
}

void job_task_detail_settle(struct job *j, uint32_t task)
{
	struct task_detail *d = j->tasks[task].detail;

	if (d == NULL || d->failures == 0 || j->groups[j->tasks[task].group].class->gang_size == 0) {
		job_task_detail_clear(j, task);
		return;
	}
	job_set_stderr_tail(j, task, (struct slice){NULL, 0});
	mem_free(d->text);
	*d = (struct task_detail){.failures = d->failures};
}
