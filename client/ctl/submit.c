/* submit.c - `schedctl submit`: one command line as a job, once or for many indexes or lines. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "client/ctl/ctl.h"
#include "client/ctl/demand.h"
#include "client/ctl/interrupt.h"
#include "client/ctl/json.h"
#include "client/ctl/paths.h"
#include "base/pattern.h"
#include "client/ctl/range.h"
#include "client/ctl/wait.h"

#define LINES_MAX	((size_t)16 * 1024 * 1024)
#define LINES_MAX_BYTES ((size_t)1 << 30)

/* What is put together from the options. */
struct submission {
	struct sc_job *job;
	char name[201];
	struct sc_group_spec spec;
	char *directory;      /* absolute */
	char *paths[3];	      /* absolute, owned: standard input, output, error */
	struct ranges ranges; /* --array */
	struct buf resources;
	struct buf lines; /* --each-line: the file */
	struct sc_bytes *items;
	size_t n_items, cap_items;
	const char **env;
	size_t n_env, cap_env;
};

static void submission_fini(struct submission *s)
{
	sc_job_free(s->job);
	mem_free(s->directory);
	for (size_t i = 0; i < 3; i++)
		mem_free(s->paths[i]);
	buf_fini(&s->resources);
	buf_fini(&s->lines);
	ranges_fini(&s->ranges);
	mem_free(s->items);
	mem_free(s->env);
}

/* The name of the command, with what a name must not have replaced. */
static void default_name(const char *command, char *out, size_t cap)
{
	const char *slash = strrchr(command, '/');
	size_t n = 0;

	if (slash != NULL && slash[1] != '\0')
		command = slash + 1;
	command += strspn(command, ".");
	for (; *command != '\0' && n + 1 < cap && n < 100; command++)
		out[n++] = text_is_name((char[]){'x', *command, '\0'}, 2) ? *command : '_';
	out[n] = '\0';
	if (n == 0)
		snprintf(out, cap, "job");
}

/* ---- from options ----------------------------------------------------------------------------------------------- */

static int read_lines(struct ctl *c, const char *path, struct buf *out)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	uint8_t chunk[65536];
	size_t n;
	int failed;

	if (f == NULL)
		return ctl_usage(c, "--each-line: cannot read '%s': %s", path, strerror(errno));
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_append(out, chunk, n);
	failed = ferror(f);
	if (f != stdin)
		fclose(f);
	if (failed)
		return ctl_usage(c, "--each-line: cannot read '%s': %s", path, strerror(errno));
	if (buf_err(out) != SC_OK)
		return ctl_usage(c, "--each-line: '%s' is larger than %zu bytes", path, LINES_MAX_BYTES);
	return EXIT_DONE;
}

static int take_lines(struct ctl *c, struct submission *s)
{
	const char *path = cli_value(&c->cli, "each-line");
	int status;

	if (path == NULL)
		return EXIT_DONE;
	if (cli_has(&c->cli, "array"))
		return ctl_usage(c, "--array and --each-line exclude each other: each makes a task per element");
	status = read_lines(c, path, &s->lines);
	if (status != EXIT_DONE)
		return status;
	for (size_t at = 0; at < s->lines.len;) {
		const char *line = (const char *)s->lines.data + at;
		const char *newline = memchr(line, '\n', s->lines.len - at);
		size_t n = newline != NULL ? (size_t)(newline - line) : s->lines.len - at;
		void *p = mem_grow(s->items, &s->cap_items, s->n_items + 1, sizeof(*s->items));

		if (p == NULL || s->n_items == LINES_MAX)
			return ctl_usage(c, "--each-line: '%s' has more than %zu lines", path, LINES_MAX);
		s->items = p;
		s->items[s->n_items++] = (struct sc_bytes){line, n};
		at += n + 1;
	}
	if (s->n_items == 0)
		return ctl_usage(c, "--each-line: '%s' has no lines", path);
	s->spec.items = s->items;
	s->spec.n_items = s->n_items;
	return EXIT_DONE;
}

static int take_array(struct ctl *c, struct submission *s)
{
	const char *text = cli_value(&c->cli, "array");

	if (text == NULL)
		return EXIT_DONE;
	if (ranges_parse(text, &s->ranges) != SC_OK)
		return ctl_usage(c, "--array: '%s' is not allowed; " RANGES_ALLOWED " is expected", text);
	s->spec.index_first = s->ranges.v[0].first;
	s->spec.index_step = s->ranges.v[0].step;
	if (s->ranges.n > 1) {
		s->spec.ranges = s->ranges.v;
		s->spec.n_ranges = s->ranges.n;
	}
	s->spec.count = s->ranges.count;
	s->spec.max_running = s->ranges.max_running;
	return EXIT_DONE;
}

/* KEY=VALUE of each option of this name. */
static sc_err take_labels(struct ctl *c, struct demand *d, const char *option, int is_required, struct buf *error)
{
	sc_err err = SC_OK;
	const char *pair;
	size_t at = 0;

	while (err == SC_OK && (pair = cli_next_value(&c->cli, option, &at)) != NULL) {
		const char *eq = strchr(pair, '=');
		char *key = eq != NULL ? mem_strndup(pair, (size_t)(eq - pair)) : NULL;

		if (key == NULL) {
			buf_printf(error, "'%s': KEY=VALUE is expected", pair);
			return eq == NULL ? SC_INVALID : SC_NOMEM;
		}
		err = demand_label(d, key, eq + 1, is_required, error);
		mem_free(key);
	}
	return err;
}

static sc_err take_others(struct ctl *c, struct demand *d, struct buf *error)
{
	sc_err err = SC_OK;
	const char *pair;
	size_t at = 0;

	while (err == SC_OK && (pair = cli_next_value(&c->cli, "resource", &at)) != NULL) {
		int name = (int)strcspn(pair, "=");

		if (strncmp(pair, "cpus=", 5) == 0 || strncmp(pair, "memory=", 7) == 0) {
			buf_printf(error, "%.*s has an option of its own, --%.*s", name, pair, name, pair);
			return SC_INVALID;
		}
		err = demand_amounts(d, pair, error);
	}
	return err;
}

static sc_err take_alternatives(struct ctl *c, struct demand *d, struct buf *error)
{
	sc_err err = SC_OK;
	const char *list;
	size_t at = 0;

	while (err == SC_OK && (list = cli_next_value(&c->cli, "alternative", &at)) != NULL) {
		err = demand_another(d, error);
		if (err == SC_OK)
			err = demand_amounts(d, list, error);
	}
	return err;
}

/* *option names the one that is at fault. */
static sc_err read_demand(struct ctl *c, struct demand *d, const char **option, struct buf *error)
{
	static const char *const single[] = {"cpus", "memory"};
	sc_err err = SC_OK;

	for (size_t i = 0; i < 2 && err == SC_OK; i++) {
		*option = single[i];
		if (cli_has(&c->cli, *option))
			err = demand_amount(d, *option, cli_value(&c->cli, *option), error);
	}
	if (err != SC_OK)
		return err;
	*option = "resource";
	err = take_others(c, d, error);
	if (err != SC_OK)
		return err;
	*option = "label";
	err = take_labels(c, d, *option, 1, error);
	if (err != SC_OK)
		return err;
	*option = "prefer";
	err = take_labels(c, d, *option, 0, error);
	if (err != SC_OK)
		return err;
	*option = "alternative";
	return take_alternatives(c, d, error);
}

static int take_resources(struct ctl *c, struct submission *s)
{
	const char *option;
	struct demand d;
	struct buf why;
	int status = EXIT_DONE;
	sc_err err;

	buf_init(&why, 0);
	demand_init(&d);
	err = read_demand(c, &d, &option, &why);
	if (err == SC_OK)
		err = demand_write(&d, &s->resources);
	if (err != SC_OK)
		status = ctl_usage(c, "--%s: %s", option, why.len > 0 ? buf_str(&why) : sc_err_text(err));
	if (s->resources.len > 0)
		s->spec.resources = buf_str(&s->resources);
	if (cli_has(&c->cli, "gang"))
		s->spec.flags |= SC_GROUP_GANG;
	demand_fini(&d);
	buf_fini(&why);
	return status;
}

static int take_paths(struct ctl *c, struct submission *s)
{
	static const char *const options[] = {"stdin", "stdout", "stderr"};
	const char *cwd = cli_value(&c->cli, "cwd");
	int is_array = s->spec.count > 0 || s->n_items > 0;
	const char *input = cli_value(&c->cli, "stdin");
	char *here;

	if (input != NULL && strcmp(input, "-") == 0)
		return ctl_usage(c, "--stdin: a file is expected; standard input of schedctl goes to no task");
	here = path_current();
	if (here == NULL)
		return ctl_fail(c, EXIT_WORK_FAILED, "the current directory cannot be found out: %s", strerror(errno));
	s->directory = cwd != NULL ? path_join(here, cwd) : mem_strdup(here);
	for (size_t i = 0; i < 3 && s->directory != NULL; i++) {
		const char *path = cli_value(&c->cli, options[i]);

		if (path != NULL)
			s->paths[i] = is_array ? path_join_pattern(s->directory, path) : path_join(s->directory, path);
	}
	mem_free(here);
	s->spec.cwd = s->directory;
	s->spec.stdin_path = s->paths[0];
	s->spec.stdout_path = s->paths[1];
	s->spec.stderr_path = s->paths[2];
	if ((s->spec.count > 1 || s->n_items > 1) && s->paths[1] != NULL && !pattern_varies(s->paths[1]))
		return ctl_usage(c, "--stdout: all tasks would write to '%s'; put {index} or {item} into it",
				 s->paths[1]);
	return EXIT_DONE;
}

static int take_env(struct ctl *c, struct submission *s)
{
	const char *pair;
	size_t at = 0;

	do {
		void *p;

		pair = cli_next_value(&c->cli, "env", &at);
		if (pair != NULL && (strchr(pair, '=') == NULL || pair[0] == '='))
			return ctl_usage(c, "--env: '%s' is not allowed; NAME=VALUE is expected", pair);
		p = mem_grow(s->env, &s->cap_env, s->n_env + 1, sizeof(*s->env));
		if (p == NULL)
			return ctl_fail(c, EXIT_WORK_FAILED, "out of memory");
		s->env = p;
		s->env[s->n_env++] = pair; /* the last is NULL */
	} while (pair != NULL);
	s->spec.env = s->env;
	return EXIT_DONE;
}

static int take_numbers(struct ctl *c, struct submission *s)
{
	uint64_t retries = 0, limit_us = 0;
	int status = ctl_option_u64(c, "retries", 0, 1000000, &retries);

	if (status == EXIT_DONE)
		status = ctl_option_duration(c, "time-limit", &limit_us);
	s->spec.retries = (unsigned)retries;
	if (limit_us != UINT64_MAX)
		s->spec.time_limit_ms = (limit_us + US_PER_MS - 1) / US_PER_MS;
	return status;
}

/* Placeholders in the command are for arrays; a single command is left as it is. */
static int wants_substitution(const struct ctl *c, const struct submission *s)
{
	const char *pair;
	size_t at = 0;

	if (s->spec.count == 0 && s->n_items == 0)
		return 0;
	if (s->paths[0] != NULL && pattern_is(s->paths[0]))
		return 1;
	for (size_t i = 0; i < c->cli.n_args; i++)
		if (pattern_is(c->cli.args[i]))
			return 1;
	while ((pair = cli_next_value(&c->cli, "env", &at)) != NULL)
		if (pattern_is(pair))
			return 1;
	return 0;
}

/* What goes into a job that is there cannot say what only a job of its own can. */
static int check_more(struct ctl *c)
{
	static const char *const of_jobs[] = {"open", "max-fails", "after", "namespace", "priority", "wait"};

	if (!cli_has(&c->cli, "job"))
		return cli_has(&c->cli, "input") ? ctl_usage(c, "--input is for more tasks of a job; see --job")
						 : EXIT_DONE;
	for (size_t i = 0; i < sizeof(of_jobs) / sizeof(of_jobs[0]); i++)
		if (cli_has(&c->cli, of_jobs[i]))
			return ctl_usage(c, "--%s and --job exclude each other: the job is there already", of_jobs[i]);
	return EXIT_DONE;
}

static int take_job(struct ctl *c, struct submission *s)
{
	const char *name = cli_value(&c->cli, "name"), *name_space = cli_value(&c->cli, "namespace");
	int64_t priority = 0;
	uint64_t max_fails = UINT64_MAX;
	int status = ctl_option_i64(c, "priority", -1000000, 1000000, &priority);
	sc_err err;

	if (status == EXIT_DONE)
		status = ctl_option_u64(c, "max-fails", 0, UINT64_MAX - 2, &max_fails);
	if (status == EXIT_DONE)
		status = check_more(c);

	if (status != EXIT_DONE)
		return status;
	if (name == NULL && cli_has(&c->cli, "job")) { /* new in the job, as a rule */
		default_name(c->cli.args[0], s->name, sizeof(s->name) - 32);
		snprintf(s->name + strlen(s->name), 32, ".%ld", (long)getpid());
	} else if (name != NULL)
		snprintf(s->name, sizeof(s->name), "%s", name);
	else
		default_name(c->cli.args[0], s->name, sizeof(s->name));
	if (name != NULL && strlen(name) >= sizeof(s->name))
		return ctl_usage(c, "--name: allowed: %s", TEXT_NAME_ALLOWED);
	err = sc_job_new(s->name, &s->job);
	if (err == SC_OK)
		err = sc_job_set_priority(s->job, priority);
	if (err == SC_OK && name_space != NULL)
		err = sc_job_set_namespace(s->job, name_space);
	if (err == SC_OK && cli_has(&c->cli, "open"))
		err = sc_job_set_flags(s->job, SC_JOB_OPEN);
	if (err == SC_OK)
		err = sc_job_set_max_fails(s->job, max_fails);
	return err == SC_OK ? EXIT_DONE : ctl_failed(c, err);
}

static int take_all(struct ctl *c, struct submission *s)
{
	static int (*const takers[])(struct ctl *, struct submission *) = {
		take_job, take_array, take_lines, take_resources, take_paths, take_env, take_numbers,
	};
	int status = EXIT_DONE;
	sc_err err;

	for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]) && status == EXIT_DONE; i++)
		status = takers[i](c, s);
	if (status != EXIT_DONE)
		return status;
	s->spec.name = s->name;
	s->spec.kind = SC_KIND_EXEC;
	s->spec.flags |= SC_GROUP_KEEP;
	s->spec.argv = (const char *const *)c->cli.args;
	s->spec.substitute = wants_substitution(c, s);
	err = sc_job_add_group(s->job, &s->spec, NULL);
	return err == SC_OK ? EXIT_DONE : ctl_failed(c, err);
}

/* ---- the rest --------------------------------------------------------------------------------------------------- */

/* After ctl_open(): `last` asks the scheduler. */
static int take_after(struct ctl *c, struct submission *s)
{
	const char *text;
	size_t at = 0;

	while ((text = cli_next_value(&c->cli, "after", &at)) != NULL) {
		uint64_t id;
		int status = ctl_job_id(c, text, &id);

		if (status != EXIT_DONE)
			return status;
		if (sc_job_add_after(s->job, id) != SC_OK)
			return ctl_failed(c, SC_INVALID);
	}
	return EXIT_DONE;
}

static int report_wait(struct ctl *c, const struct wait *w, json_t *o)
{
	json_t *failures = json_array();
	int status = w->last.state == SC_JOB_DONE ? EXIT_DONE : EXIT_WORK_FAILED;

	if (w->interrupted) {
		ctl_note(c, "job %" PRIu64 " goes on; schedctl job wait %" PRIu64, w->job, w->job);
	} else {
		ctl_note(c, "job %" PRIu64 " %s%s%s", w->job, sc_job_state_name(w->last.state),
			 w->last.text[0] != '\0' ? ": " : "", w->last.text);
		if (w->last.state == SC_JOB_FAILED)
			tell_failures(c, w, failures);
	}
	json_put_text(o, F_state, sc_job_state_name(w->last.state));
	json_put_counts(o, w->last.counts);
	json_put_text(o, F_text, w->last.text);
	json_put(o, F_failures, failures);
	return status;
}

static int wait_submitted(struct ctl *c, uint64_t id, json_t *o)
{
	int silent = c->json || cli_has(&c->cli, "no-progress");
	struct wait w = {.job = id, .timeout_us = UINT64_MAX, .style = progress_choose(silent ? 0 : -1)};
	int status;

	interrupt_begin(NULL);
	status = wait_for_job(c, &w);
	if (status == EXIT_DONE)
		status = report_wait(c, &w, o);
	interrupt_end();
	return status;
}

static int submit(struct ctl *c, struct submission *s)
{
	uint64_t id, n = sc_job_n_tasks(s->job);
	sc_err err = sc_client_submit(c->client, s->job, &id);
	int status = EXIT_DONE;
	json_t *o;

	if (err != SC_OK)
		return ctl_failed(c, err);
	o = json_object();
	json_put_u64(o, F_job, id);
	json_put_text(o, F_name, s->name);
	json_put_u64(o, F_tasks, n);
	if (!c->json) {
		printf("job %" PRIu64 " submitted: %s, %" PRIu64 " task%s\n", id, s->name, n, n == 1 ? "" : "s");
		fflush(stdout);
	}
	ctl_warn_unmet(c, s->job, o);
	if (cli_has(&c->cli, "wait"))
		status = wait_submitted(c, id, o);
	if (c->json)
		json_print(json_incref(o));
	json_decref(o);
	return status;
}

/* --input: every task takes the results of these tasks of the job. */
static int take_inputs(struct ctl *c, struct submission *s, uint64_t job)
{
	const char *key;
	size_t at = 0;

	while ((key = cli_next_value(&c->cli, "input", &at)) != NULL) {
		const struct sc_task_row *row = NULL;
		struct sc_tasks *tasks;
		sc_err err = sc_client_list_tasks(c->client, job, 0, key, &tasks);

		if (err != SC_OK)
			return ctl_failed(c, err);
		err = sc_tasks_next(tasks, &row);
		for (uint32_t t = 0; err == SC_OK && row != NULL && t < sc_job_n_tasks(s->job); t++)
			err = sc_job_add_earlier_input(s->job, t, row->task);
		sc_tasks_free(tasks);
		if (err != SC_OK)
			return ctl_failed(c, err);
	}
	return EXIT_DONE;
}

static int submit_more(struct ctl *c, struct submission *s)
{
	uint64_t id, n = sc_job_n_tasks(s->job);
	int status = ctl_job_id(c, cli_value(&c->cli, "job"), &id);
	uint32_t first = 0;
	sc_err err;
	json_t *o;

	if (status == EXIT_DONE)
		status = take_inputs(c, s, id);
	if (status != EXIT_DONE)
		return status;
	err = sc_client_submit_more(c->client, id, s->job, &first);
	if (err != SC_OK)
		return ctl_failed(c, err);
	o = json_object();
	json_put_u64(o, F_job, id);
	json_put_text(o, F_name, s->name);
	json_put_u64(o, F_tasks, n);
	json_put_u64(o, F_first_task, first);
	if (!c->json) {
		printf("job %" PRIu64 ": %" PRIu64 " task%s more: %s\n", id, n, n == 1 ? "" : "s", s->name);
		fflush(stdout);
	}
	ctl_warn_unmet(c, s->job, o);
	if (c->json)
		json_print(json_incref(o));
	json_decref(o);
	return EXIT_DONE;
}

int verb_submit(struct ctl *c)
{
	struct submission s = {.job = NULL};
	int status;

	buf_init(&s.resources, 4096);
	buf_init(&s.lines, LINES_MAX_BYTES);
	status = take_all(c, &s);
	if (status == EXIT_DONE)
		status = ctl_open(c);
	if (status == EXIT_DONE)
		status = take_after(c, &s);
	if (status == EXIT_DONE)
		status = cli_has(&c->cli, "job") ? submit_more(c, &s) : submit(c, &s);
	submission_fini(&s);
	return status;
}
