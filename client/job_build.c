/* job_build.c - the job builder of the public header; see job_build.h for how a job is kept. */
#include "client/job_build.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "client/client.h"
#include "client/request_check.h"

#define GROUPS_MAX	1000000u
#define TASKS_MAX	((uint64_t)UINT32_MAX - 1)
#define AFTER_MAX	1000u
#define PRIORITY_MAX	1000000
#define ITEM_MAX_BYTES	65536u
#define STDIN_MAX_BYTES ((size_t)16 * 1024 * 1024)
#define REQUESTS_MAX	4096u

static sc_err no_memory(void)
{
	return client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
}

static sc_err check_name(const char *what, const char *name)
{
	if (name != NULL && text_is_name(name, strlen(name)))
		return SC_OK;
	return client_error(SC_INVALID, "'%.200s' cannot be the name of a %s; allowed: %s", name != NULL ? name : "",
			    what, TEXT_NAME_ALLOWED);
}

/* ---- texts that are shared -------------------------------------------------------------------------------------- */

static sc_err share(struct shared_texts *s, const void *p, size_t n, uint32_t *number)
{
	struct shared_text *t;
	void *grown;

	HASH_FIND(hh, s->by_bytes, p, n, t);
	if (t != NULL) {
		*number = t->number;
		return SC_OK;
	}
	grown = mem_grow(s->v, &s->cap, s->n + 1, sizeof(struct shared_text *));
	if (grown == NULL)
		return no_memory();
	s->v = grown;
	t = mem_malloc(sizeof(*t) + n);
	if (t == NULL)
		return no_memory();
	t->n = n;
	if (n > 0)
		memcpy(t->bytes, p, n);
	HASH_ADD(hh, s->by_bytes, bytes, n, t);
	if (t->hh.tbl == NULL) {
		mem_free(t);
		return no_memory();
	}
	t->number = (uint32_t)s->n;
	s->v[s->n++] = t;
	s->size_bytes += n;
	*number = t->number;
	return SC_OK;
}

static void shared_fini(struct shared_texts *s)
{
	HASH_CLEAR(hh, s->by_bytes);
	for (size_t i = 0; i < s->n; i++)
		mem_free(s->v[i]);
	mem_free(s->v);
}

/* ---- the job ---------------------------------------------------------------------------------------------------- */

sc_err sc_job_new(const char *name, struct sc_job **out)
{
	struct sc_job *job;

	if (check_name("job", name) != SC_OK)
		return SC_INVALID;
	job = mem_calloc(1, sizeof(*job));
	if (job == NULL)
		return no_memory();
	buf_init(&job->item_bytes, 0);
	job->edges_sorted = 1;
	job->name = mem_strdup(name);
	if (job->name == NULL) {
		sc_job_free(job);
		return no_memory();
	}
	*out = job;
	return SC_OK;
}

static void group_free(struct job_group *g)
{
	mem_free(g->name);
	mem_free(g->joins);
	mem_free(g->indexes);
	mem_free(g);
}

void sc_job_free(struct sc_job *job)
{
	if (job == NULL)
		return;
	HASH_CLEAR(hh, job->by_name);
	for (size_t i = 0; i < job->n_groups; i++)
		group_free(job->groups[i]);
	mem_free(job->groups);
	shared_fini(&job->bodies);
	shared_fini(&job->requests);
	buf_fini(&job->item_bytes);
	mem_free(job->item_ends);
	mem_free(job->edges);
	mem_free(job->earlier);
	mem_free(job->after);
	mem_free(job->unmet);
	mem_free(job->name);
	mem_free(job->name_space);
	mem_free(job);
}

sc_err sc_job_set_namespace(struct sc_job *job, const char *name)
{
	char *copy;

	if (check_name("namespace", name) != SC_OK)
		return SC_INVALID;
	copy = mem_strdup(name);
	if (copy == NULL)
		return no_memory();
	mem_free(job->name_space);
	job->name_space = copy;
	return SC_OK;
}

sc_err sc_job_set_priority(struct sc_job *job, int64_t priority)
{
	if (priority < -PRIORITY_MAX || priority > PRIORITY_MAX)
		return client_error(SC_INVALID, "priority %" PRId64 ": -%d to %d is allowed", priority, PRIORITY_MAX,
				    PRIORITY_MAX);
	job->priority = priority;
	return SC_OK;
}

sc_err sc_job_set_flags(struct sc_job *job, unsigned flags)
{
	if ((flags & ~(unsigned)SC_JOB_OPEN) != 0)
		return client_error(SC_INVALID, "flags %#x of a job are not known", flags);
	job->flags = flags;
	return SC_OK;
}

sc_err sc_job_set_max_fails(struct sc_job *job, uint64_t n)
{
	job->max_fails = n == UINT64_MAX ? 0 : n + 1;
	return SC_OK;
}

sc_err sc_job_add_after(struct sc_job *job, uint64_t job_id)
{
	void *p;

	if (job_id == 0)
		return client_error(SC_INVALID, "a job cannot follow job 0: ids begin with 1");
	if (job->n_after >= AFTER_MAX)
		return client_error(SC_LIMIT, "a job can follow at most %u others", AFTER_MAX);
	p = mem_grow(job->after, &job->cap_after, job->n_after + 1, sizeof(*job->after));
	if (p == NULL)
		return no_memory();
	job->after = p;
	job->after[job->n_after++] = job_id;
	return SC_OK;
}

uint32_t sc_job_n_groups(const struct sc_job *job)
{
	return (uint32_t)job->n_groups;
}

uint64_t sc_job_n_tasks(const struct sc_job *job)
{
	return job->n_tasks;
}

uint32_t sc_job_first_task(const struct sc_job *job, uint32_t group)
{
	assert(group < job->n_groups && "no such group");
	return (uint32_t)job->groups[group]->first_task;
}

const struct job_group *job_group_of(const struct sc_job *job, uint64_t task)
{
	size_t low = 0, high = job->n_groups;

	assert(task < job->n_tasks && "no such task");
	while (high - low > 1) { /* the last group whose first task is not beyond the task; none is empty */
		size_t middle = low + (high - low) / 2;

		if (job->groups[middle]->first_task <= task)
			low = middle;
		else
			high = middle;
	}
	return job->groups[low];
}

uint64_t job_group_index(const struct job_group *g, uint64_t k)
{
	return g->indexes != NULL ? index_list_at(g->indexes, k) : g->index_first + k * g->index_step;
}

const char *job_key(const struct sc_job *job, uint64_t task, char *out, size_t cap)
{
	const struct job_group *g = job_group_of(job, task);

	if ((g->flags & SC_GROUP_ARRAY) != 0 || g->n_tasks > 1)
		snprintf(out, cap, "%s-%" PRIu64, g->name, job_group_index(g, task - g->first_task));
	else
		snprintf(out, cap, "%s", g->name);
	return out;
}

/* ---- groups ----------------------------------------------------------------------------------------------------- */

static size_t count_texts(const char *const *list)
{
	size_t n = 0;

	while (list != NULL && list[n] != NULL)
		n++;
	return n;
}

static struct slice *slices_of(const char *const *list, size_t n)
{
	struct slice *v = mem_malloc(n * sizeof(*v));

	for (size_t i = 0; v != NULL && i < n; i++)
		v[i] = slice_of(list[i]);
	return v;
}

static struct slice or_empty(const char *s)
{
	return s != NULL ? slice_of(s) : (struct slice){"", 0};
}

static sc_err encode_body(const struct sc_group_spec *spec, msg_type type, const void *m, struct buf *out)
{
	const char *field;
	sc_err err = msg_encode(out, type, m, &field);

	if (err == SC_TOO_BIG)
		return client_error(err, "group %s: %s is too long", spec->name, field != NULL ? field : "it");
	return err == SC_OK ? SC_OK : client_error(err, "%s", sc_err_text(err));
}

static sc_err body_exec(const struct sc_group_spec *spec, struct buf *out)
{
	size_t n_argv = count_texts(spec->argv), n_env = count_texts(spec->env);
	struct slice *argv, *env;
	struct msg_body_exec m = {
		.cwd = or_empty(spec->cwd),
		.stdin_path = or_empty(spec->stdin_path),
		.stdin_bytes = {spec->stdin_bytes.p, spec->stdin_bytes.n},
		.stdin_group = spec->stdin_group,
		.stdout_path = or_empty(spec->stdout_path),
		.stderr_path = or_empty(spec->stderr_path),
		.substitute = spec->substitute != 0,
	};
	sc_err err;

	if (n_argv == 0)
		return client_error(SC_INVALID, "group %s: there is no command to run", spec->name);
	if (spec->stdin_bytes.n > STDIN_MAX_BYTES)
		return client_error(SC_TOO_BIG, "group %s: standard input of more than %zu bytes; use a file",
				    spec->name, STDIN_MAX_BYTES);
	if ((spec->stdin_path != NULL) + (spec->stdin_bytes.n > 0) + (spec->stdin_group != 0) > 1)
		return client_error(SC_INVALID, "group %s: only one source of standard input", spec->name);
	for (size_t i = 0; i < n_env; i++)
		if (strchr(spec->env[i], '=') == NULL || spec->env[i][0] == '=')
			return client_error(SC_INVALID, "group %s: environment '%s': NAME=VALUE is expected",
					    spec->name, spec->env[i]);
	argv = slices_of(spec->argv, n_argv);
	env = slices_of(spec->env, n_env);
	m.argv = (struct slices){argv, n_argv};
	m.env = (struct slices){env, n_env};
	err = argv == NULL || env == NULL ? no_memory() : encode_body(spec, MSG_body_exec, &m, out);
	mem_free(argv);
	mem_free(env);
	return err;
}

static sc_err body_call(const struct sc_group_spec *spec, struct buf *out)
{
	struct slice *args = mem_malloc(spec->n_args * sizeof(*args));
	struct msg_body_call m = {
		.module = or_empty(spec->module),
		.function = or_empty(spec->function),
		.args = {args, spec->n_args},
		.substitute = spec->substitute != 0,
	};
	sc_err err;

	if (m.module.n == 0 || m.function.n == 0) {
		mem_free(args);
		return client_error(SC_INVALID, "group %s: a call needs a module and a function", spec->name);
	}
	if (args == NULL)
		return no_memory();
	for (size_t i = 0; i < spec->n_args; i++)
		args[i] = (struct slice){spec->args[i].p, spec->args[i].n};
	err = encode_body(spec, MSG_body_call, &m, out);
	mem_free(args);
	return err;
}

/* The body, encoded; nothing for a noop. */
static sc_err build_body(const struct sc_group_spec *spec, struct buf *out)
{
	switch (spec->kind) {
	case SC_KIND_NOOP:
		return SC_OK;
	case SC_KIND_SLEEP:
		return encode_body(spec, MSG_body_sleep, &(struct msg_body_sleep){spec->sleep_us}, out);
	case SC_KIND_EXEC:
		return body_exec(spec, out);
	case SC_KIND_CALL:
		return body_call(spec, out);
	}
	return client_error(SC_INVALID, "group %s: unknown kind %d", spec->name, (int)spec->kind);
}

static sc_err add_items(struct sc_job *job, const struct sc_group_spec *spec)
{
	void *p = mem_grow(job->item_ends, &job->cap_items, job->n_items + spec->n_items, sizeof(*job->item_ends));
	size_t old_bytes = job->item_bytes.len;

	if (p == NULL)
		return no_memory();
	job->item_ends = p;
	for (size_t i = 0; i < spec->n_items; i++) {
		buf_append(&job->item_bytes, spec->items[i].p, spec->items[i].n);
		job->item_ends[job->n_items + i] = job->item_bytes.len;
	}
	if (buf_err(&job->item_bytes) != SC_OK) {
		job->item_bytes.len = old_bytes;
		job->item_bytes.err = SC_OK;
		return no_memory();
	}
	job->n_items += spec->n_items;
	return SC_OK;
}

static void drop_items(struct sc_job *job, const struct sc_group_spec *spec)
{
	job->n_items -= spec->n_items;
	job->item_bytes.len = job->n_items > 0 ? job->item_ends[job->n_items - 1] : 0;
}

static sc_err check_spec(const struct sc_job *job, const struct sc_group_spec *spec, uint64_t count)
{
	if (check_name("group of tasks", spec->name) != SC_OK)
		return SC_INVALID;
	if (job->n_groups >= GROUPS_MAX)
		return client_error(SC_LIMIT, "a job has at most %u groups", GROUPS_MAX);
	if (count > TASKS_MAX - job->n_tasks)
		return client_error(SC_LIMIT, "group %s: a job has at most %" PRIu64 " tasks", spec->name, TASKS_MAX);
	if (spec->n_items > 0 && spec->n_items != count)
		return client_error(SC_INVALID, "group %s: %zu items for %" PRIu64 " tasks", spec->name, spec->n_items,
				    count);
	for (size_t i = 0; i < spec->n_items; i++)
		if (spec->items[i].n > ITEM_MAX_BYTES)
			return client_error(SC_TOO_BIG, "group %s: item %zu is longer than %u bytes", spec->name, i,
					    ITEM_MAX_BYTES);
	if ((UINT64_MAX - spec->index_first) / (spec->index_step != 0 ? spec->index_step : 1) < count - 1)
		return client_error(SC_INVALID, "group %s: its last index is beyond 2^64", spec->name);
	if (spec->priority < -PRIORITY_MAX || spec->priority > PRIORITY_MAX)
		return client_error(SC_INVALID, "group %s: priority: -%d to %d is allowed", spec->name, PRIORITY_MAX,
				    PRIORITY_MAX);
	return spec->resources != NULL ? request_check(spec->name, spec->resources) : SC_OK;
}

static struct job_group *group_new(const struct sc_job *job, const struct sc_group_spec *spec, uint64_t count)
{
	struct job_group *g = mem_calloc(1, sizeof(*g));

	if (g == NULL)
		return NULL;
	g->name = mem_strdup(spec->name);
	if (g->name == NULL) {
		mem_free(g);
		return NULL;
	}
	g->first_task = job->n_tasks;
	g->n_tasks = count;
	g->stdin_group = spec->stdin_group;
	g->index_first = spec->index_first;
	g->index_step = spec->index_step != 0 ? spec->index_step : 1;
	g->flags = spec->flags & ~(unsigned)SC_GROUP_ITEMS;
	if (spec->n_items > 0)
		g->flags |= SC_GROUP_ITEMS;
	if (spec->count > 0 || spec->n_items > 0 || spec->n_ranges > 0)
		g->flags |= SC_GROUP_ARRAY;
	g->max_running = spec->max_running;
	g->kind = (unsigned)spec->kind;
	g->retries = spec->retries;
	g->time_limit_ms = spec->time_limit_ms;
	g->priority = spec->priority;
	return g;
}

static sc_err enlist_group(struct sc_job *job, struct job_group *g)
{
	void *p = mem_grow(job->groups, &job->cap_groups, job->n_groups + 1, sizeof(struct job_group *));

	if (p == NULL)
		return no_memory();
	job->groups = p;
	HASH_ADD_KEYPTR(hh, job->by_name, g->name, strlen(g->name), g);
	if (g->hh.tbl == NULL)
		return no_memory();
	job->groups[job->n_groups++] = g;
	job->n_tasks += g->n_tasks;
	return SC_OK;
}

static uint64_t count_indexes(const struct sc_group_spec *spec)
{
	uint64_t n = 0;

	for (size_t i = 0; i < spec->n_ranges && n <= TASKS_MAX; i++) /* over it: refused, with a text */
		n += spec->ranges[i].n < TASKS_MAX ? spec->ranges[i].n : TASKS_MAX;
	return n > 0 ? n : 1;
}

static sc_err take_indexes(const struct sc_group_spec *spec, struct job_group *g)
{
	struct index_range *ranges;
	sc_err err;

	if (spec->n_ranges == 0)
		return SC_OK;
	ranges = mem_malloc(spec->n_ranges * sizeof(*ranges));
	if (ranges == NULL)
		return no_memory();
	for (size_t i = 0; i < spec->n_ranges; i++)
		ranges[i] = (struct index_range){spec->ranges[i].first, spec->ranges[i].step, spec->ranges[i].n};
	err = index_list_new(ranges, spec->n_ranges, &g->indexes);
	mem_free(ranges);
	if (err == SC_INVALID)
		return client_error(err, "group %s: ranges of indexes have to rise, and be %u at most", spec->name,
				    INDEX_RANGES_MAX);
	return err == SC_OK ? SC_OK : no_memory();
}

static sc_err share_texts(struct sc_job *job, const struct sc_group_spec *spec, struct job_group *g)
{
	const char *resources = spec->resources != NULL ? spec->resources : "";
	struct buf body;
	sc_err err;

	if (job->requests.n >= REQUESTS_MAX)
		return client_error(SC_LIMIT, "a job has at most %u different requests for resources", REQUESTS_MAX);
	buf_init(&body, 0);
	err = build_body(spec, &body);
	if (err == SC_OK)
		err = share(&job->bodies, body.data != NULL ? (const char *)body.data : "", body.len, &g->body);
	if (err == SC_OK)
		err = share(&job->requests, resources, strlen(resources), &g->request);
	buf_fini(&body);
	return err;
}

sc_err sc_job_add_group(struct sc_job *job, const struct sc_group_spec *spec, uint32_t *group)
{
	uint64_t count = spec->n_ranges > 0  ? count_indexes(spec)
			 : spec->count > 0   ? spec->count
			 : spec->n_items > 0 ? spec->n_items
					     : 1;
	struct job_group *g, *same;
	sc_err err = check_spec(job, spec, count);

	if (err != SC_OK)
		return err;
	HASH_FIND(hh, job->by_name, spec->name, strlen(spec->name), same);
	if (same != NULL)
		return client_error(SC_EXISTS, "two groups are named %s; each needs a name of its own", spec->name);
	g = group_new(job, spec, count);
	if (g == NULL)
		return no_memory();
	err = take_indexes(spec, g);
	if (err == SC_OK)
		err = share_texts(job, spec, g);
	if (err == SC_OK && spec->n_items > 0)
		err = add_items(job, spec);
	if (err == SC_OK) {
		err = enlist_group(job, g);
		if (err != SC_OK && spec->n_items > 0)
			drop_items(job, spec);
	}
	if (err != SC_OK) {
		group_free(g);
		return err;
	}
	if (group != NULL)
		*group = (uint32_t)job->n_groups - 1;
	return SC_OK;
}

/* ---- inputs ----------------------------------------------------------------------------------------------------- */

sc_err sc_job_add_input(struct sc_job *job, uint32_t task, uint32_t input)
{
	void *p = mem_grow(job->edges, &job->cap_edges, job->n_edges + 1, sizeof(*job->edges));

	if (p == NULL)
		return no_memory();
	job->edges = p;
	if (job->n_edges > 0 && task < job->edges[job->n_edges - 1].task)
		job->edges_sorted = 0;
	job->edges[job->n_edges++] = (struct edge){task, input};
	return SC_OK;
}

sc_err sc_job_add_earlier_input(struct sc_job *job, uint32_t task, uint32_t earlier)
{
	void *p = mem_grow(job->earlier, &job->cap_earlier, job->n_earlier + 1, sizeof(*job->earlier));

	if (p == NULL)
		return no_memory();
	job->earlier = p;
	if (job->n_earlier > 0 && task < job->earlier[job->n_earlier - 1].task)
		job->edges_sorted = 0;
	job->earlier[job->n_earlier++] = (struct edge){task, earlier};
	return SC_OK;
}

sc_err sc_job_add_inputs(struct sc_job *job, uint32_t first_task, size_t n_tasks, const uint32_t *counts,
			 const uint32_t *inputs)
{
	if (n_tasks > UINT32_MAX - first_task)
		return client_error(SC_INVALID, "inputs for tasks beyond 2^32");
	for (size_t i = 0; i < n_tasks; i++) {
		for (uint32_t k = 0; k < counts[i]; k++) {
			sc_err err = sc_job_add_input(job, first_task + (uint32_t)i, *inputs++);

			if (err != SC_OK)
				return err;
		}
	}
	return SC_OK;
}

sc_err sc_job_join_groups(struct sc_job *job, uint32_t group, uint32_t input_group, enum sc_join how)
{
	struct job_group *g, *in;
	void *p;

	if (group >= job->n_groups || input_group >= job->n_groups)
		return client_error(SC_INVALID, "group %u: there are only %zu groups",
				    group >= job->n_groups ? group : input_group, job->n_groups);
	g = job->groups[group];
	in = job->groups[input_group];
	if (how == SC_JOIN_EACH && g->n_tasks != in->n_tasks)
		return client_error(SC_INVALID,
				    "%s has %" PRIu64 " tasks and %s has %" PRIu64 ": one to one needs equal numbers",
				    g->name, g->n_tasks, in->name, in->n_tasks);
	p = mem_grow(g->joins, &g->cap_joins, g->n_joins + 1, sizeof(*g->joins));
	if (p == NULL)
		return no_memory();
	g->joins = p;
	g->joins[g->n_joins++] = (struct group_join){input_group, how};
	return SC_OK;
}

/* A counting sort: O(tasks + edges), and stable, as the order of a task's inputs means something. */
static sc_err sort_edges(const struct sc_job *job, struct edge **edges, size_t n_edges, size_t *cap)
{
	struct edge *sorted = mem_malloc(n_edges * sizeof(*sorted));
	uint64_t *at;

	at = mem_calloc((size_t)job->n_tasks + 1, sizeof(*at));
	if (sorted == NULL || at == NULL) {
		mem_free(sorted);
		mem_free(at);
		return no_memory();
	}
	for (size_t i = 0; i < n_edges; i++)
		at[(*edges)[i].task + 1]++;
	for (size_t t = 0; t < job->n_tasks; t++)
		at[t + 1] += at[t];
	for (size_t i = 0; i < n_edges; i++)
		sorted[at[(*edges)[i].task]++] = (*edges)[i];
	mem_free(at);
	mem_free(*edges);
	*edges = sorted;
	*cap = n_edges;
	return SC_OK;
}

sc_err job_sort_edges(struct sc_job *job)
{
	sc_err err;

	if (job->edges_sorted)
		return SC_OK;
	for (size_t i = 0; i < job->n_edges; i++)
		if (job->edges[i].task >= job->n_tasks)
			return SC_OK; /* refused later, with a text */
	for (size_t i = 0; i < job->n_earlier; i++)
		if (job->earlier[i].task >= job->n_tasks)
			return SC_OK;
	err = sort_edges(job, &job->edges, job->n_edges, &job->cap_edges);
	if (err == SC_OK)
		err = sort_edges(job, &job->earlier, job->n_earlier, &job->cap_earlier);
	job->edges_sorted = err == SC_OK;
	return err;
}

uint64_t job_count_inputs(const struct sc_job *job)
{
	uint64_t n = job->n_edges + job->n_earlier;

	for (size_t i = 0; i < job->n_groups; i++) {
		const struct job_group *g = job->groups[i];

		for (size_t k = 0; k < g->n_joins; k++) {
			uint64_t each =
				g->joins[k].how == SC_JOIN_EACH ? 1 : job->groups[g->joins[k].input_group]->n_tasks;

			n += g->n_tasks * each; /* both below 2^32: no overflow before the sum is over any limit */
			if (n > JOB_INPUTS_MAX)
				return n;
		}
	}
	return n;
}

static sc_err visit_joins(const struct sc_job *job, const struct job_group *g, uint64_t task,
			  const struct job_visitor *v)
{
	for (size_t k = 0; k < g->n_joins; k++) {
		const struct job_group *in = job->groups[g->joins[k].input_group];
		uint64_t first = in->first_task, n = in->n_tasks;
		sc_err err;

		if (g->joins[k].how == SC_JOIN_EACH) {
			first += task - g->first_task;
			n = 1;
		}
		for (uint64_t i = 0; i < n; i++) {
			err = v->input(task, first + i, v->arg);
			if (err != SC_OK)
				return err;
		}
	}
	return SC_OK;
}

sc_err job_each_input(const struct sc_job *job, const struct job_visitor *v)
{
	size_t e = 0, k = 0;
	sc_err err = SC_OK;

	assert(job->edges_sorted && "job_sort_edges() first");
	for (size_t i = 0; i < job->n_groups; i++) {
		const struct job_group *g = job->groups[i];

		for (uint64_t task = g->first_task; task < g->first_task + g->n_tasks; task++) {
			err = visit_joins(job, g, task, v);
			for (; err == SC_OK && e < job->n_edges && job->edges[e].task == task; e++)
				err = v->input(task, job->edges[e].input, v->arg);
			for (; err == SC_OK && k < job->n_earlier && job->earlier[k].task == task; k++)
				if (v->earlier != NULL)
					err = v->earlier(task, job->earlier[k].input, v->arg);
			if (err == SC_OK && v->end_task != NULL)
				err = v->end_task(task, v->arg);
			if (err != SC_OK)
				return err;
		}
	}
	return SC_OK;
}
