/*
 * graph.c - reading a graph file.
 *
 * Each key of a task is a row: its name and the function that reads it.  What concerns several keys or tasks at once is
 * checked afterwards, in graph_check.c.  Names of inputs are resolved after all tasks are known.
 */
#include "client/ctl/graph.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "client/ctl/cli.h"
#include "client/ctl/foreach.h"
#include "client/ctl/graph_demand.h"

struct reader {
	struct graph *g;
	struct buf *error;
};

typedef sc_err (*read_fn)(struct reader *r, struct graph_task *t, const char *key, const struct yaml_item *v);

sc_err graph_error(const struct graph *g, unsigned line, struct buf *error, const char *fmt, ...)
{
	va_list ap;

	buf_printf(error, "%s:%u: ", g->path, line);
	va_start(ap, fmt);
	buf_vprintf(error, fmt, ap);
	va_end(ap);
	return SC_INVALID;
}

#define FAIL(r, item, ...) ((void)graph_error((r)->g, (item)->line, (r)->error, __VA_ARGS__), (sc_err)SC_INVALID)

void *graph_own(struct graph *g, void *p)
{
	void *grown = mem_grow(g->owned, &g->cap_owned, g->n_owned + 1, sizeof(*g->owned));

	if (p == NULL || grown == NULL) {
		if (grown != NULL)
			g->owned = grown;
		mem_free(p);
		return NULL;
	}
	g->owned = grown;
	g->owned[g->n_owned++] = p;
	return p;
}

void graph_free(struct graph *g)
{
	if (g == NULL)
		return;
	for (size_t i = 0; i < g->n_tasks; i++) {
		mem_free(g->tasks[i].items);
		mem_free(g->tasks[i].args);
		mem_free(g->tasks[i].inputs);
		ranges_fini(&g->tasks[i].ranges);
	}
	for (size_t i = 0; i < g->n_owned; i++)
		mem_free(g->owned[i]);
	mem_free(g->owned);
	mem_free(g->tasks);
	yaml_doc_free(g->doc);
	mem_free(g);
}

/* ---- single values ---------------------------------------------------------------------------------------------- */

static sc_err want_text(struct reader *r, const char *key, const struct yaml_item *v, const char **out)
{
	if (v->kind != YAML_SCALAR)
		return FAIL(r, v, "%s: a single text is expected", key);
	if (memchr(v->text, '\0', v->text_bytes) != NULL)
		return FAIL(r, v, "%s: must not contain zero bytes", key);
	*out = v->text;
	return SC_OK;
}

static sc_err want_path(struct reader *r, const char *key, const struct yaml_item *v, const char **out)
{
	sc_err err = want_text(r, key, v, out);

	return err == SC_OK && **out == '\0' ? FAIL(r, v, "%s: a path is expected", key) : err;
}

static sc_err want_integer(struct reader *r, const char *key, const struct yaml_item *v, int64_t min, int64_t max,
			   int64_t *out)
{
	if (v->kind == YAML_SCALAR && text_i64(v->text, out) == SC_OK && *out >= min && *out <= max)
		return SC_OK;
	return FAIL(r, v, "%s: '%s' is not allowed; a whole number from %" PRId64 " to %" PRId64 " is expected", key,
		    v->kind == YAML_SCALAR ? v->text : "...", min, max);
}

static sc_err want_duration(struct reader *r, const char *key, const struct yaml_item *v, uint64_t *out)
{
	if (v->kind == YAML_SCALAR && text_duration_us(v->text, out) == SC_OK && *out != UINT64_MAX)
		return SC_OK;
	return FAIL(r, v, "%s: '%s' is not allowed; a duration is expected, like 500ms, 2s, 1.5h", key,
		    v->kind == YAML_SCALAR ? v->text : "...");
}

static sc_err want_flag(struct reader *r, const char *key, const struct yaml_item *v, int *out)
{
	if (v->kind == YAML_SCALAR && strcmp(v->text, "true") == 0)
		*out = 1;
	else if (v->kind == YAML_SCALAR && strcmp(v->text, "false") == 0)
		*out = 0;
	else
		return FAIL(r, v, "%s: true or false is expected", key);
	return SC_OK;
}

static sc_err want_name(struct reader *r, const char *what, const struct yaml_item *v, const char **out)
{
	if (v->kind != YAML_SCALAR || !text_is_name(v->text, v->text_bytes))
		return FAIL(r, v, "'%s' cannot be the name of a %s; allowed: %s",
			    v->kind == YAML_SCALAR ? v->text : "...", what, TEXT_NAME_ALLOWED);
	*out = v->text;
	return SC_OK;
}

static sc_err no_memory(void)
{
	return SC_NOMEM;
}

/* ---- keys of a task --------------------------------------------------------------------------------------------- */

static sc_err set_kind(struct reader *r, struct graph_task *t, const struct yaml_item *v, enum graph_kind kind)
{
	if (t->kind != GRAPH_NONE)
		return FAIL(r, v, "task %s: only one of run, call, sleep, noop", t->name);
	t->kind = kind;
	return SC_OK;
}

static sc_err read_foreach(struct reader *r, struct graph_task *t, const char *key, const struct yaml_item *v)
{
	(void)key;
	return foreach_read(r->g, t, v, r->error);
}

static sc_err read_run(struct reader *r, struct graph_task *t, const char *key, const struct yaml_item *v)
{
	size_t n = v->kind == YAML_LIST ? v->n : 3;
	sc_err err = set_kind(r, t, v, GRAPH_RUN);

	if (err != SC_OK)
		return err;
	if (v->kind == YAML_MAP || (v->kind == YAML_LIST && v->n == 0) ||
	    (v->kind == YAML_SCALAR && v->text[0] == '\0'))
		return FAIL(r, v, "run: a shell line, or a list of a program and its arguments, is expected");
	t->argv = graph_own(r->g, mem_calloc(n + 1, sizeof(*t->argv)));
	if (t->argv == NULL)
		return no_memory();
	if (v->kind == YAML_SCALAR) {
		t->argv[0] = "/bin/sh";
		t->argv[1] = "-c";
		return want_text(r, key, v, &t->argv[2]);
	}
	for (size_t i = 0; i < n && err == SC_OK; i++)
		err = want_text(r, key, v->values[i], &t->argv[i]);
	if (err == SC_OK && t->argv[0][0] == '\0')
		return FAIL(r, v, "run: the name of the program is empty");
	return err;
}

static sc_err read_call_args(struct reader *r, struct graph_task *t, const struct yaml_item *v)
{
	if (v->kind != YAML_LIST)
		return FAIL(r, v, "args: a list is expected");
	t->args = mem_calloc(v->n, sizeof(*t->args));
	if (t->args == NULL)
		return no_memory();
	for (size_t i = 0; i < v->n; i++) {
		if (v->values[i]->kind != YAML_SCALAR)
			return FAIL(r, v->values[i], "args: a single text is expected");
		t->args[t->n_args++] = (struct graph_text){v->values[i]->text, v->values[i]->text_bytes};
	}
	return SC_OK;
}

/* A path to a shared object that can be read now, made absolute: the worker has another directory. */
static sc_err read_module(struct reader *r, struct graph_task *t, const struct yaml_item *v)
{
	const char *text;
	char here[4096], *full;
	size_t room;
	sc_err err = want_path(r, "module", v, &text);

	if (err != SC_OK)
		return err;
	if (access(text, R_OK) != 0)
		return FAIL(r, v, "module: cannot read '%s': %s; the path of a shared object is expected", text,
			    strerror(errno));
	if (text[0] == '/') {
		t->module = text;
		return SC_OK;
	}
	if (getcwd(here, sizeof(here)) == NULL)
		return FAIL(r, v, "module: the current directory cannot be found out: %s", strerror(errno));
	room = strlen(here) + strlen(text) + 2;
	full = graph_own(r->g, mem_malloc(room));
	if (full == NULL)
		return no_memory();
	snprintf(full, room, "%s/%s", here, text);
	t->module = full;
	return SC_OK;
}

static sc_err read_call(struct reader *r, struct graph_task *t, const char *key, const struct yaml_item *v)
{
	sc_err err = set_kind(r, t, v, GRAPH_CALL);

	if (err == SC_OK && v->kind != YAML_MAP)
		return FAIL(r, v, "%s: {module: FILE, function: NAME, args: [...]} is expected", key);
	for (size_t i = 0; err == SC_OK && i < v->n; i++) {
		const char *name = v->keys[i]->text;

		if (strcmp(name, "module") == 0)
			err = read_module(r, t, v->values[i]);
		else if (strcmp(name, "function") == 0)
			err = want_path(r, name, v->values[i], &t->function);
		else if (strcmp(name, "args") == 0)
			err = read_call_args(r, t, v->values[i]);
		else
			err = FAIL(r, v->keys[i], "unknown key '%s' in call; known: module, function, args", name);
	}
	if (err == SC_OK && (t->module == NULL || t->function == NULL))
		return FAIL(r, v, "call: %s is missing; {module: FILE, function: NAME, args: [...]} is expected",
			    t->module == NULL ? "module" : "function");
	return err;
}

static sc_err read_sleep(struct reader *r, struct graph_task *t, const char *key, const struct yaml_item *v)
{
	sc_err err = set_kind(r, t, v, GRAPH_SLEEP);

	return err == SC_OK ? want_duration(r, key, v, &t->sleep_us) : err;
}

static sc_err read_noop(struct reader *r, struct graph_task *t, const char *key, const struct yaml_item *v)
{
	int yes = 0;
	sc_err err = want_flag(r, key, v, &yes);

	if (err != SC_OK)
		return err;
	return yes ? set_kind(r, t, v, GRAPH_NOOP) : FAIL(r, v, "noop: only true makes sense; leave it out otherwise");
}

static sc_err read_stdin_file(struct reader *r, struct graph_task *t, const char *key, const struct yaml_item *v)
{
	return want_path(r, key, v, &t->stdin_file);
}

static sc_err read_output(struct reader *r, struct graph_task *t, const char *key, const struct yaml_item *v)
{
	t->output_line = v->line;
	return want_path(r, key, v, &t->output);
}

static sc_err read_stdout(struct reader *r, struct graph_task *t, const char *key, const struct yaml_item *v)
{
	return want_path(r, key, v, &t->stdout_path);
}

static sc_err read_stderr(struct reader *r, struct graph_task *t, const char *key, const struct yaml_item *v)
{
	return want_path(r, key, v, &t->stderr_path);
}

static sc_err read_cwd(struct reader *r, struct graph_task *t, const char *key, const struct yaml_item *v)
{
	return want_path(r, key, v, &t->cwd);
}

static sc_err read_retries(struct reader *r, struct graph_task *t, const char *key, const struct yaml_item *v)
{
	int64_t n = 0;
	sc_err err = want_integer(r, key, v, 0, 1000000, &n);

	t->retries = (unsigned)n;
	return err;
}

static sc_err read_max_running(struct reader *r, struct graph_task *t, const char *key, const struct yaml_item *v)
{
	int64_t n = 0;
	sc_err err = want_integer(r, key, v, 1, UINT32_MAX, &n);

	t->max_running = (uint32_t)n;
	return err;
}

static sc_err read_time_limit(struct reader *r, struct graph_task *t, const char *key, const struct yaml_item *v)
{
	sc_err err = want_duration(r, key, v, &t->time_limit_us);

	return err == SC_OK && t->time_limit_us == 0 ? FAIL(r, v, "%s: has to be longer than 0", key) : err;
}

static sc_err read_env(struct reader *r, struct graph_task *t, const char *key, const struct yaml_item *v)
{
	if (v->kind != YAML_MAP)
		return FAIL(r, v, "%s: {NAME: VALUE, ...} is expected", key);
	t->env = graph_own(r->g, mem_calloc(v->n + 1, sizeof(*t->env)));
	if (t->env == NULL)
		return no_memory();
	for (size_t i = 0; i < v->n; i++) {
		const char *name = v->keys[i]->text, *value;
		sc_err err = want_text(r, name, v->values[i], &value);
		size_t room;
		char *pair;

		if (err != SC_OK)
			return err;
		if (name[0] == '\0' || strchr(name, '=') != NULL)
			return FAIL(r, v->keys[i], "env: '%s' cannot be the name of a variable", name);
		room = strlen(name) + strlen(value) + 2;
		pair = graph_own(r->g, mem_malloc(room));
		if (pair == NULL)
			return no_memory();
		snprintf(pair, room, "%s=%s", name, value);
		t->env[i] = pair;
	}
	return SC_OK;
}

static sc_err read_priority(struct reader *r, struct graph_task *t, const char *key, const struct yaml_item *v)
{
	return want_integer(r, key, v, -1000000, 1000000, &t->priority);
}

static sc_err read_keep(struct reader *r, struct graph_task *t, const char *key, const struct yaml_item *v)
{
	return want_flag(r, key, v, &t->keep);
}

static sc_err read_gang(struct reader *r, struct graph_task *t, const char *key, const struct yaml_item *v)
{
	return want_flag(r, key, v, &t->gang);
}

/* Names of tasks, read when all are known; what the task takes, which is put together from several keys. */
static sc_err read_later(struct reader *r, struct graph_task *t, const char *key, const struct yaml_item *v)
{
	(void)r;
	(void)t;
	(void)key;
	(void)v;
	return SC_OK;
}

static const struct key_row {
	const char *name;
	read_fn read;
} task_keys[] = {
	{"foreach", read_foreach},
	{"run", read_run},
	{"call", read_call},
	{"sleep", read_sleep},
	{"noop", read_noop},
	{"inputs", read_later},
	{"stdin", read_later},
	{"stdin-file", read_stdin_file},
	{"output", read_output},
	{"cpus", read_later},
	{"memory", read_later},
	{"resources", read_later},
	{"labels", read_later},
	{"prefer", read_later},
	{"alternatives", read_later},
	{"gang", read_gang},
	{"retries", read_retries},
	{"max-running", read_max_running},
	{"time-limit", read_time_limit},
	{"env", read_env},
	{"cwd", read_cwd},
	{"priority", read_priority},
	{"stdout", read_stdout},
	{"stderr", read_stderr},
	{"keep", read_keep},
};

#define N_TASK_KEYS (sizeof(task_keys) / sizeof(task_keys[0]))

static sc_err unknown_key(struct reader *r, const struct yaml_item *key, const char *where, const char *const *known,
			  size_t n)
{
	const char *near = cli_nearest(key->text, known, n);

	graph_error(r->g, key->line, r->error, "unknown key '%s'%s", key->text, where);
	if (near != NULL) {
		buf_printf(r->error, "; did you mean '%s'?", near);
		return SC_INVALID;
	}
	buf_append_str(r->error, "; known:");
	for (size_t i = 0; i < n; i++)
		buf_printf(r->error, "%s %s", i > 0 ? "," : "", known[i]);
	return SC_INVALID;
}

static sc_err read_task(struct reader *r, struct graph_task *t, const struct yaml_item *map)
{
	const char *known[N_TASK_KEYS];

	if (map->kind != YAML_MAP)
		return FAIL(r, map, "task %s: a map with run, inputs, ... is expected", t->name);
	for (size_t i = 0; i < N_TASK_KEYS; i++)
		known[i] = task_keys[i].name;
	for (size_t i = 0; i < map->n; i++) {
		const char *key = map->keys[i]->text;
		size_t k = 0;
		sc_err err;

		while (k < N_TASK_KEYS && strcmp(task_keys[k].name, key) != 0)
			k++;
		if (k == N_TASK_KEYS)
			return unknown_key(r, map->keys[i], " in a task", known, N_TASK_KEYS);
		err = task_keys[k].read(r, t, key, map->values[i]);
		if (err != SC_OK)
			return err;
	}
	if (t->kind == GRAPH_NONE)
		return graph_error(r->g, t->line, r->error,
				   "task %s does nothing; one of run, call, sleep, noop is expected", t->name);
	return graph_demand_read(r->g, t, map, r->error);
}

/* ---- inputs ----------------------------------------------------------------------------------------------------- */

static sc_err find_task(struct reader *r, const struct yaml_item *v, size_t *out)
{
	const struct graph *g = r->g;
	const char *near = NULL;
	unsigned best = UINT_MAX;

	if (v->kind != YAML_SCALAR)
		return FAIL(r, v, "the name of a task is expected");
	for (size_t i = 0; i < g->n_tasks; i++) {
		unsigned distance;

		if (strcmp(g->tasks[i].name, v->text) == 0) {
			*out = i;
			return SC_OK;
		}
		distance = text_slip(v->text, g->tasks[i].name);
		if (distance < best) {
			best = distance;
			near = g->tasks[i].name;
		}
	}
	if (near != NULL)
		return FAIL(r, v, "there is no task '%s'; did you mean '%s'?", v->text, near);
	return FAIL(r, v, "there is no task '%s' in this file", v->text);
}

/* NAME, or {task: NAME, each: true}. */
static sc_err read_input(struct reader *r, struct graph_task *t, const struct yaml_item *v)
{
	const struct yaml_item *name = v;
	struct graph_input in = {.line = v->line};
	sc_err err = SC_OK;
	void *p;

	if (v->kind == YAML_MAP) {
		name = yaml_get(v, "task");
		for (size_t i = 0; i < v->n && err == SC_OK; i++) {
			if (strcmp(v->keys[i]->text, "each") == 0)
				err = want_flag(r, "each", v->values[i], &in.each);
			else if (strcmp(v->keys[i]->text, "task") != 0)
				err = FAIL(r, v->keys[i], "unknown key '%s' in an input; known: task, each",
					   v->keys[i]->text);
		}
		if (err == SC_OK && name == NULL)
			err = FAIL(r, v, "{task: NAME, each: true} is expected");
	}
	if (err == SC_OK)
		err = find_task(r, name, &in.task);
	if (err != SC_OK)
		return err;
	for (size_t i = 0; i < t->n_inputs; i++)
		if (t->inputs[i].task == in.task)
			return FAIL(r, v, "task %s has %s among its inputs already", t->name, name->text);
	p = mem_grow(t->inputs, &t->cap_inputs, t->n_inputs + 1, sizeof(*t->inputs));
	if (p == NULL)
		return no_memory();
	t->inputs = p;
	t->inputs[t->n_inputs++] = in;
	return SC_OK;
}

static sc_err read_inputs(struct reader *r, struct graph_task *t, const struct yaml_item *map)
{
	const struct yaml_item *v = yaml_get(map, "inputs");
	sc_err err = SC_OK;

	if (v != NULL && v->kind == YAML_LIST) {
		for (size_t i = 0; i < v->n && err == SC_OK; i++)
			err = read_input(r, t, v->values[i]);
	} else if (v != NULL) {
		err = read_input(r, t, v);
	}
	v = yaml_get(map, "stdin");
	if (err != SC_OK || v == NULL)
		return err;
	err = find_task(r, v, &t->stdin_task);
	if (err != SC_OK)
		return err;
	for (size_t i = 0; i < t->n_inputs; i++) {
		if (t->inputs[i].task != t->stdin_task)
			continue;
		t->stdin_task++;
		return SC_OK;
	}
	return FAIL(r, v, "stdin: %s is not among the inputs of %s; add it there", v->text, t->name);
}

/* ---- the file --------------------------------------------------------------------------------------------------- */

static sc_err read_tasks(struct reader *r, const struct yaml_item *map)
{
	struct graph *g = r->g;
	sc_err err = SC_OK;

	if (map->kind != YAML_MAP || map->n == 0)
		return FAIL(r, map, "tasks: a map of tasks is expected: NAME: {run: ...}");
	if (map->n > GRAPH_TASKS_MAX)
		return FAIL(r, map, "tasks: at most %u; use foreach for many of a kind", GRAPH_TASKS_MAX);
	g->tasks = mem_calloc(map->n, sizeof(*g->tasks));
	if (g->tasks == NULL)
		return no_memory();
	for (size_t i = 0; i < map->n && err == SC_OK; i++) {
		struct graph_task *t = &g->tasks[g->n_tasks++];

		t->line = map->keys[i]->line;
		err = want_name(r, "task", map->keys[i], &t->name);
		if (err == SC_OK)
			err = read_task(r, t, map->values[i]);
	}
	for (size_t i = 0; i < map->n && err == SC_OK; i++)
		err = read_inputs(r, &g->tasks[i], map->values[i]);
	return err;
}

/* The name of the file without directory and ending, if that is a name. */
static sc_err default_name(struct graph *g)
{
	const char *slash = strrchr(g->path, '/'), *base = slash != NULL ? slash + 1 : g->path;
	size_t n = strcspn(base, ".");

	g->name = text_is_name(base, n) ? graph_own(g, mem_strndup(base, n)) : "graph";
	return g->name != NULL ? SC_OK : SC_NOMEM;
}

static sc_err read_file(struct reader *r)
{
	static const char *const known[] = {"name", "namespace", "priority", "max-fails", "tasks"};
	const struct yaml_item *root = yaml_doc_root(r->g->doc), *tasks = NULL;
	sc_err err = default_name(r->g);

	if (err == SC_OK && root->kind != YAML_MAP)
		return FAIL(r, root, "a map with the keys name and tasks is expected");
	for (size_t i = 0; i < root->n && err == SC_OK; i++) {
		const char *key = root->keys[i]->text;
		const struct yaml_item *v = root->values[i];

		if (strcmp(key, "name") == 0)
			err = want_name(r, "job", v, &r->g->name);
		else if (strcmp(key, "namespace") == 0)
			err = want_name(r, "namespace", v, &r->g->name_space);
		else if (strcmp(key, "priority") == 0)
			err = want_integer(r, key, v, -1000000, 1000000, &r->g->priority);
		else if (strcmp(key, "max-fails") == 0) {
			int64_t n = 0;

			err = want_integer(r, key, v, 0, INT64_MAX - 1, &n);
			r->g->max_fails = (uint64_t)n;
		} else if (strcmp(key, "tasks") == 0)
			tasks = v;
		else
			err = unknown_key(r, root->keys[i], "", known, sizeof(known) / sizeof(known[0]));
	}
	if (err == SC_OK && tasks == NULL)
		return FAIL(r, root, "tasks is missing: a map of tasks, NAME: {run: ...}");
	return err == SC_OK ? read_tasks(r, tasks) : err;
}

sc_err graph_load(const char *path, struct graph **out, struct buf *error)
{
	struct graph *g = mem_calloc(1, sizeof(*g));
	struct reader r = {g, error};
	sc_err err;

	if (g == NULL)
		return SC_NOMEM;
	g->path = path;
	g->max_fails = UINT64_MAX;
	err = yaml_doc_load(path, GRAPH_FILE_MAX, &g->doc, error);
	if (err == SC_NOT_FOUND || err == SC_DENIED || err == SC_IO)
		err = SC_INVALID;
	if (err == SC_OK)
		err = read_file(&r);
	if (err == SC_OK)
		err = graph_check(g, error);
	if (err != SC_OK) {
		graph_free(g);
		return err;
	}
	*out = g;
	return SC_OK;
}
