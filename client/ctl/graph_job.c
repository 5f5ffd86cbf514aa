/* graph_job.c - see graph_job.h. */
#include "client/ctl/graph_job.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client/ctl/paths.h"

uint64_t graph_index(const struct graph_task *t, uint64_t i)
{
	for (size_t k = 0; k < t->ranges.n; k++) {
		if (i < t->ranges.v[k].n)
			return t->ranges.v[k].first + i * t->ranges.v[k].step;
		i -= t->ranges.v[k].n;
	}
	return t->range.first + i * t->range.step;
}

const char *graph_key(const struct graph_task *t, uint64_t i, char *out, size_t cap)
{
	if (t->is_group)
		snprintf(out, cap, "%s-%" PRIu64, t->name, graph_index(t, i));
	else
		snprintf(out, cap, "%s", t->name);
	return out;
}

struct pattern_values graph_values(const struct graph_task *t, uint64_t i, const char *key, uint64_t job)
{
	struct pattern_values v = {.item = {"", 0}, .key = slice_of(key), .job = job, .no_attempt = 1};

	if (t->is_group)
		v.index = graph_index(t, i);
	if (i < t->n_items)
		v.item = (struct slice){t->items[i].p, t->items[i].n};
	return v;
}

static struct sc_bytes *copy_texts(const struct graph_text *from, size_t n)
{
	struct sc_bytes *to = mem_malloc(n * sizeof(*to));

	for (size_t i = 0; to != NULL && i < n; i++)
		to[i] = (struct sc_bytes){from[i].p, from[i].n};
	return to;
}

static enum sc_kind kind_of(enum graph_kind kind)
{
	switch (kind) {
	case GRAPH_RUN:
		return SC_KIND_EXEC;
	case GRAPH_CALL:
		return SC_KIND_CALL;
	case GRAPH_SLEEP:
		return SC_KIND_SLEEP;
	case GRAPH_NOOP:
	case GRAPH_NONE:
		break;
	}
	return SC_KIND_NOOP;
}

/* What is made for a group and given back after it has been added. */
struct parts {
	struct sc_bytes *items, *args;
	char *cwd, *paths[3];
};

static void parts_free(struct parts *p)
{
	mem_free(p->items);
	mem_free(p->args);
	mem_free(p->cwd);
	for (size_t i = 0; i < 3; i++)
		mem_free(p->paths[i]);
}

static int make_paths(const struct graph_task *t, const char *here, struct parts *p)
{
	const char *given[3] = {t->stdin_file, t->stdout_path, t->stderr_path};

	p->cwd = t->cwd != NULL ? path_join(here, t->cwd) : mem_strdup(here);
	for (size_t i = 0; i < 3 && p->cwd != NULL; i++) {
		if (given[i] == NULL)
			continue;
		p->paths[i] = t->is_group ? path_join_pattern(p->cwd, given[i]) : path_join(p->cwd, given[i]);
		if (p->paths[i] == NULL)
			return 0;
	}
	return p->cwd != NULL;
}

static void fill_spec(const struct graph_task *t, const struct parts *p, struct sc_group_spec *s)
{
	*s = (struct sc_group_spec){
		.name = t->name,
		.kind = kind_of(t->kind),
		.count = t->is_group ? t->range.count : 0,
		.index_first = t->range.first,
		.index_step = t->range.step,
		.items = t->n_items > 0 ? p->items : NULL,
		.n_items = t->n_items,
		.resources = t->resources,
		.retries = t->retries,
		.ranges = t->ranges.v,
		.n_ranges = t->ranges.n,
		.max_running = t->max_running,
		.time_limit_ms = (t->time_limit_us + US_PER_MS - 1) / US_PER_MS,
		.priority = t->priority,
		.substitute = t->is_group,
	};
	if (t->gang)
		s->flags |= SC_GROUP_GANG;
	if (t->keep)
		s->flags |= SC_GROUP_KEEP;
	if (t->is_sink || t->output != NULL)
		s->flags |= SC_GROUP_KEEP | SC_GROUP_WANT;
	if (t->kind == GRAPH_RUN) {
		s->argv = t->argv;
		s->env = t->env;
		s->cwd = p->cwd;
		s->stdin_path = p->paths[0];
		s->stdout_path = p->paths[1];
		s->stderr_path = p->paths[2];
		s->stdin_group = (uint32_t)t->stdin_task;
	}
	if (t->kind == GRAPH_CALL) {
		s->module = t->module;
		s->function = t->function;
		s->args = p->args;
		s->n_args = t->n_args;
	}
	s->sleep_us = t->sleep_us;
}

static sc_err add_task(struct sc_job *job, const struct graph_task *t, const char *here)
{
	struct parts p = {0};
	struct sc_group_spec spec;
	sc_err err = SC_NOMEM;

	p.items = copy_texts(t->items, t->n_items);
	p.args = copy_texts(t->args, t->n_args);
	if (p.items != NULL && p.args != NULL && make_paths(t, here, &p)) {
		fill_spec(t, &p, &spec);
		err = sc_job_add_group(job, &spec, NULL);
	}
	parts_free(&p);
	return err;
}

static sc_err join_tasks(struct sc_job *job, const struct graph *g)
{
	for (size_t i = 0; i < g->n_tasks; i++) {
		for (size_t k = 0; k < g->tasks[i].n_inputs; k++) {
			const struct graph_input *in = &g->tasks[i].inputs[k];
			sc_err err = sc_job_join_groups(job, (uint32_t)i, (uint32_t)in->task,
							in->each ? SC_JOIN_EACH : SC_JOIN_ALL);

			if (err != SC_OK)
				return err;
		}
	}
	return SC_OK;
}

sc_err graph_job_new(const struct graph *g, const char *name_space, struct sc_job **out)
{
	struct sc_job *job = NULL;
	char *here = path_current();
	sc_err err = here != NULL ? sc_job_new(g->name, &job) : SC_NOMEM;

	if (name_space == NULL)
		name_space = g->name_space;
	if (err == SC_OK && name_space != NULL)
		err = sc_job_set_namespace(job, name_space);
	if (err == SC_OK)
		err = sc_job_set_priority(job, g->priority);
	if (err == SC_OK)
		err = sc_job_set_max_fails(job, g->max_fails);
	for (size_t i = 0; i < g->n_tasks && err == SC_OK; i++)
		err = add_task(job, &g->tasks[i], here);
	if (err == SC_OK)
		err = join_tasks(job, g);
	if (err == SC_OK)
		err = sc_job_check(job);
	mem_free(here);
	if (err != SC_OK) {
		sc_job_free(job);
		return err;
	}
	*out = job;
	return SC_OK;
}
