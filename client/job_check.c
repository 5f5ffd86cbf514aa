/*
 * job_check.c - whether a job can be submitted, in words the user can act on.
 *
 * The scheduler checks all of it again; this is for better texts and earlier.  A job whose tasks all take input from
 * tasks with smaller numbers has no cycle, so that the usual job costs one pass and no memory.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "client/client.h"
#include "client/job_build.h"

#define KEY_BYTES   256
#define CYCLE_SHOWN 20u /* tasks of a cycle that are named */

/* ---- keys ------------------------------------------------------------------------------------------------------- */

static int has_index(const struct job_group *g, uint64_t index)
{
	uint64_t k;

	if (g->indexes != NULL)
		return index_list_find(g->indexes, index, &k);
	return index >= g->index_first && (index - g->index_first) % g->index_step == 0 &&
	       (index - g->index_first) / g->index_step < g->n_tasks;
}

/* A single task named "a-7" and an array "a" with the index 7 would have the same key. */
static sc_err check_keys(const struct sc_job *job)
{
	for (size_t i = 0; i < job->n_groups; i++) {
		const struct job_group *g = job->groups[i], *array;
		const char *dash = strrchr(g->name, '-');
		uint64_t index;

		if (dash == NULL || (g->flags & SC_GROUP_ARRAY) != 0 || text_u64(dash + 1, &index) != SC_OK ||
		    (dash[1] == '0' && dash[2] != '\0'))
			continue;
		HASH_FIND(hh, job->by_name, g->name, (size_t)(dash - g->name), array);
		if (array == NULL || (array->flags & SC_GROUP_ARRAY) == 0 || !has_index(array, index))
			continue;
		return client_error(SC_EXISTS,
				    "two tasks have the key %s: the task of that name and a task of the group %s; "
				    "rename one",
				    g->name, array->name);
	}
	return SC_OK;
}

/* It may be one that was added later. */
static sc_err check_stdin(const struct sc_job *job)
{
	for (size_t i = 0; i < job->n_groups; i++) {
		const struct job_group *g = job->groups[i];

		if (g->stdin_group > job->n_groups || g->stdin_group == i + 1)
			return client_error(SC_INVALID, "group %s: its standard input is a group that is not there",
					    g->name);
	}
	return SC_OK;
}

static sc_err check_edges(const struct sc_job *job)
{
	char key[KEY_BYTES];

	for (size_t i = 0; i < job->n_edges; i++) {
		const struct edge *e = &job->edges[i];

		if (e->task >= job->n_tasks)
			return client_error(SC_INVALID, "task %u is given an input, but there are only %" PRIu64,
					    e->task, job->n_tasks);
		if (e->input >= job->n_tasks)
			return client_error(SC_INVALID,
					    "task %s takes the result of task %u, but there are only %" PRIu64,
					    job_key(job, e->task, key, sizeof(key)), e->input, job->n_tasks);
	}
	for (size_t i = 0; i < job->n_earlier; i++)
		if (job->earlier[i].task >= job->n_tasks)
			return client_error(SC_INVALID, "task %u is given an input, but there are only %" PRIu64,
					    job->earlier[i].task, job->n_tasks);
	return SC_OK;
}

/* ---- cycles ----------------------------------------------------------------------------------------------------- */

static sc_err is_forward(uint64_t task, uint64_t input, void *arg)
{
	(void)arg;
	return input < task ? SC_OK : SC_CYCLE;
}

/* All inputs of all tasks in one array, and a depth-first walk over it. */
struct walk {
	const struct sc_job *job;
	uint64_t *first; /* of each task, where its inputs begin */
	uint32_t *input;
	uint64_t n_inputs;
	uint64_t *next; /* of each task, the input to look at next */
	uint32_t *path; /* the tasks we are in */
	size_t n_path;
	uint8_t *colour; /* 0: not seen, 1: on the path, 2: finished */
};

static sc_err take_input(uint64_t task, uint64_t input, void *arg)
{
	struct walk *w = arg;

	(void)task;
	w->input[w->n_inputs++] = (uint32_t)input;
	return SC_OK;
}

static sc_err take_end(uint64_t task, void *arg)
{
	struct walk *w = arg;

	w->first[task + 1] = w->n_inputs;
	return SC_OK;
}

static sc_err report_cycle(const struct walk *w, uint32_t again)
{
	size_t start = 0, length;
	char key[KEY_BYTES];
	struct buf text;
	sc_err err;

	while (w->path[start] != again)
		start++;
	length = w->n_path - start;
	buf_init(&text, 0);
	for (size_t i = 0; i < length && i < CYCLE_SHOWN; i++)
		buf_printf(&text, "%s -> ", job_key(w->job, w->path[start + i], key, sizeof(key)));
	if (length > CYCLE_SHOWN)
		buf_printf(&text, "(%zu more) -> ", length - CYCLE_SHOWN);
	buf_append_str(&text, job_key(w->job, again, key, sizeof(key)));
	err = client_error(SC_CYCLE, "tasks wait for each other: %s (each takes the result of the next)",
			   buf_str(&text));
	buf_fini(&text);
	return err;
}

static sc_err walk_from(struct walk *w, uint32_t start)
{
	w->path[0] = start;
	w->n_path = 1;
	w->colour[start] = 1;
	while (w->n_path > 0) {
		uint32_t task = w->path[w->n_path - 1], in;

		if (w->next[task] == w->first[task + 1]) {
			w->colour[task] = 2;
			w->n_path--;
			continue;
		}
		in = w->input[w->next[task]++];
		if (w->colour[in] == 1)
			return report_cycle(w, in);
		if (w->colour[in] == 0) {
			w->colour[in] = 1;
			w->path[w->n_path++] = in;
		}
	}
	return SC_OK;
}

static sc_err find_cycle(const struct sc_job *job, uint64_t n_inputs)
{
	size_t n = (size_t)job->n_tasks;
	struct walk w = {.job = job};
	struct job_visitor v = {take_input, NULL, take_end, &w};
	sc_err err = SC_OK;

	w.first = mem_calloc(n + 1, sizeof(*w.first));
	w.next = mem_malloc(n * sizeof(*w.next));
	w.input = mem_malloc((size_t)n_inputs * sizeof(*w.input));
	w.path = mem_malloc(n * sizeof(*w.path));
	w.colour = mem_calloc(n, 1);
	if (w.first == NULL || w.next == NULL || w.input == NULL || w.path == NULL || w.colour == NULL) {
		err = client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	} else {
		job_each_input(job, &v);
		memcpy(w.next, w.first, n * sizeof(*w.next));
		for (size_t t = 0; t < n && err == SC_OK; t++)
			if (w.colour[t] == 0)
				err = walk_from(&w, (uint32_t)t);
	}
	mem_free(w.first);
	mem_free(w.next);
	mem_free(w.input);
	mem_free(w.path);
	mem_free(w.colour);
	return err;
}

sc_err sc_job_check(struct sc_job *job)
{
	struct job_visitor forward = {is_forward, NULL, NULL, NULL};
	uint64_t n_inputs;
	sc_err err;

	if (job->n_tasks == 0 && (job->flags & SC_JOB_OPEN) == 0)
		return client_error(SC_INVALID, "job %s has no tasks", job->name);
	err = check_keys(job);
	if (err == SC_OK)
		err = check_stdin(job);
	if (err == SC_OK)
		err = check_edges(job);
	if (err == SC_OK)
		err = job_sort_edges(job);
	if (err != SC_OK)
		return err;
	n_inputs = job_count_inputs(job);
	if (n_inputs > JOB_INPUTS_MAX)
		return client_error(SC_LIMIT,
				    "the tasks of job %s have more than %" PRIu64 " inputs in all; join the results "
				    "of a large group in a task of its own",
				    job->name, JOB_INPUTS_MAX);
	if (n_inputs == 0 || job_each_input(job, &forward) == SC_OK)
		return SC_OK;
	return find_cycle(job, n_inputs);
}
