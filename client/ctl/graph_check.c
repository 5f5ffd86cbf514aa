/* graph_check.c - what concerns several keys or several tasks of a graph file at once. */
#include <string.h>

#include "base/mem.h"
#include "base/pattern.h"
#include "base/text.h"
#include "client/ctl/graph.h"

/* ---- one task --------------------------------------------------------------------------------------------------- */

static sc_err check_output(const struct graph *g, const struct graph_task *t, struct buf *error)
{
	if (t->is_group && t->stdout_path != NULL && t->range.count > 1 && !pattern_varies(t->stdout_path))
		return graph_error(
			g, t->line, error,
			"task %s: all of the group would write to '%s'; put {item}, {index} or {key} into stdout",
			t->name, t->stdout_path);
	if (t->output == NULL)
		return SC_OK;
	if (t->kind == GRAPH_SLEEP || t->kind == GRAPH_NOOP)
		return graph_error(g, t->output_line, error, "output: task %s has no result; only run and call have",
				   t->name);
	if (t->stdout_path != NULL)
		return graph_error(g, t->output_line, error,
				   "output: task %s writes to a file itself, see its stdout; use one or the other",
				   t->name);
	if (t->is_group && t->range.count > 1 && !pattern_varies(t->output))
		return graph_error(g, t->output_line, error,
				   "output: all of the group %s would be written to '%s'; put {item}, {index} or {key} "
				   "into it",
				   t->name, t->output);
	return SC_OK;
}

static sc_err check_task(const struct graph *g, const struct graph_task *t, struct buf *error)
{
	if (t->stdin_task != 0 && t->stdin_file != NULL)
		return graph_error(g, t->line, error, "task %s: stdin and stdin-file exclude each other", t->name);
	if (t->kind != GRAPH_RUN && (t->stdin_task != 0 || t->stdin_file != NULL || t->stdout_path != NULL ||
				     t->stderr_path != NULL || t->env != NULL || t->cwd != NULL))
		return graph_error(g, t->line, error,
				   "task %s: stdin, stdin-file, stdout, stderr, env and cwd are for tasks with run",
				   t->name);
	for (size_t i = 0; i < t->n_inputs; i++) {
		const struct graph_task *in = &g->tasks[t->inputs[i].task];

		if (t->inputs[i].each && (!t->is_group || !in->is_group || t->range.count != in->range.count))
			return graph_error(
				g, t->inputs[i].line, error,
				"each: %s has %llu tasks and %s has %llu; one to one needs two groups of the "
				"same size",
				t->name, (unsigned long long)(t->is_group ? t->range.count : 1), in->name,
				(unsigned long long)(in->is_group ? in->range.count : 1));
	}
	return check_output(g, t, error);
}

/* ---- cycles ----------------------------------------------------------------------------------------------------- */

struct walk {
	const struct graph *g;
	size_t *next; /* of each task, the input to look at next */
	size_t *path; /* the tasks we are in */
	size_t n_path;
	unsigned char *colour; /* 0: not seen, 1: on the path, 2: finished */
	struct buf *error;
};

static sc_err report_cycle(const struct walk *w, size_t again)
{
	size_t start = 0;

	while (w->path[start] != again)
		start++;
	graph_error(w->g, w->g->tasks[again].line, w->error, "tasks wait for each other: ");
	for (size_t i = start; i < w->n_path; i++)
		buf_printf(w->error, "%s -> ", w->g->tasks[w->path[i]].name);
	buf_printf(w->error, "%s (each takes the result of the next)", w->g->tasks[again].name);
	return SC_INVALID;
}

static sc_err walk_from(struct walk *w, size_t start)
{
	w->path[0] = start;
	w->n_path = 1;
	w->colour[start] = 1;
	while (w->n_path > 0) {
		size_t task = w->path[w->n_path - 1], in;
		const struct graph_task *t = &w->g->tasks[task];

		if (w->next[task] == t->n_inputs) {
			w->colour[task] = 2;
			w->n_path--;
			continue;
		}
		in = t->inputs[w->next[task]++].task;
		if (w->colour[in] == 1)
			return report_cycle(w, in);
		if (w->colour[in] == 0) {
			w->colour[in] = 1;
			w->path[w->n_path++] = in;
		}
	}
	return SC_OK;
}

static sc_err check_cycles(const struct graph *g, struct buf *error)
{
	struct walk w = {.g = g, .error = error};
	sc_err err = SC_OK;

	w.next = mem_calloc(g->n_tasks, sizeof(*w.next));
	w.path = mem_calloc(g->n_tasks, sizeof(*w.path));
	w.colour = mem_calloc(g->n_tasks, 1);
	if (w.next == NULL || w.path == NULL || w.colour == NULL)
		err = SC_NOMEM;
	for (size_t i = 0; i < g->n_tasks && err == SC_OK; i++)
		if (w.colour[i] == 0)
			err = walk_from(&w, i);
	mem_free(w.next);
	mem_free(w.path);
	mem_free(w.colour);
	return err;
}

/* Two tasks that write the same file; only names without placeholders can be compared. */
static sc_err check_outputs(const struct graph *g, struct buf *error)
{
	const struct graph_task *seen[256];
	size_t n = 0;

	for (size_t i = 0; i < g->n_tasks; i++) {
		const struct graph_task *t = &g->tasks[i];

		if (t->output == NULL)
			continue;
		for (size_t k = 0; k < n; k++)
			if (strcmp(seen[k]->output, t->output) == 0)
				return graph_error(g, t->output_line, error,
						   "output: '%s' is written by task %s already", t->output,
						   seen[k]->name);
		if (n < sizeof(seen) / sizeof(seen[0]))
			seen[n++] = t;
	}
	return SC_OK;
}

static int in_range(uint64_t first, uint64_t step, uint64_t n, uint64_t index)
{
	return index >= first && (index - first) % step == 0 && (index - first) / step < n;
}

static int has_index(const struct graph_task *t, uint64_t index)
{
	for (size_t k = 0; k < t->ranges.n; k++)
		if (in_range(t->ranges.v[k].first, t->ranges.v[k].step, t->ranges.v[k].n, index))
			return 1;
	return t->ranges.n == 0 && in_range(t->range.first, t->range.step, t->range.count, index);
}

/* A task named "a-7" beside a group "a" with the index 7 would have the same key. */
static sc_err check_keys(const struct graph *g, const struct graph_task *t, struct buf *error)
{
	const char *dash = strrchr(t->name, '-');
	uint64_t index;

	if (t->is_group || dash == NULL || text_u64(dash + 1, &index) != SC_OK)
		return SC_OK;
	for (size_t i = 0; i < g->n_tasks; i++) {
		const struct graph_task *a = &g->tasks[i];

		if (!a->is_group || strlen(a->name) != (size_t)(dash - t->name) ||
		    strncmp(a->name, t->name, strlen(a->name)) != 0 || (dash[1] == '0' && dash[2] != '\0') ||
		    !has_index(a, index))
			continue;
		return graph_error(g, t->line, error, "task %s: the group %s has a task of that name; rename one",
				   t->name, a->name);
	}
	return SC_OK;
}

sc_err graph_check(struct graph *g, struct buf *error)
{
	sc_err err = SC_OK;

	for (size_t i = 0; i < g->n_tasks; i++)
		g->tasks[i].is_sink = 1;
	for (size_t i = 0; i < g->n_tasks && err == SC_OK; i++) {
		for (size_t k = 0; k < g->tasks[i].n_inputs; k++)
			g->tasks[g->tasks[i].inputs[k].task].is_sink = 0;
		err = check_task(g, &g->tasks[i], error);
		if (err == SC_OK)
			err = check_keys(g, &g->tasks[i], error);
	}
	if (err == SC_OK)
		err = check_cycles(g, error);
	return err == SC_OK ? check_outputs(g, error) : err;
}
