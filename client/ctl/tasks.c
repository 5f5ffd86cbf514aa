/* tasks.c - `schedctl task list|show|explain|retry`. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "client/ctl/ctl.h"
#include "client/ctl/json.h"
#include "client/ctl/table.h"

#define LIST_LIMIT 100u /* rows a person can read; more with --limit */

/* ---- list ------------------------------------------------------------------------------------------------------- */

/* --state failed,running as a bit mask. */
static int take_states(struct ctl *c, uint32_t *out)
{
	const char *p = cli_value(&c->cli, "state");

	*out = 0;
	while (p != NULL && *p != '\0') {
		size_t n = strcspn(p, ",");
		unsigned i = 0;

		while (i < SC_TASK_STATES &&
		       (strlen(sc_task_state_name(i)) != n || strncmp(sc_task_state_name(i), p, n) != 0))
			i++;
		if (i == SC_TASK_STATES)
			return ctl_usage(
				c,
				"--state: '%.*s' is not a state; allowed are waiting, ready, assigned, running, "
				"done, failed, cancelled, released, several with commas",
				(int)n, p);
		*out |= 1u << i;
		p += n + (p[n] == ',');
	}
	return EXIT_DONE;
}

static json_t *task_json(const struct sc_task_row *r)
{
	json_t *o = json_object();

	json_put_u64(o, F_task, r->task);
	json_put_text(o, F_key, r->key);
	json_put_text(o, F_state, sc_task_state_name(r->state));
	json_put_text(o, F_worker, r->worker);
	json_put_u64(o, F_attempts, r->attempts);
	json_put_u64(o, F_elapsed_us, r->elapsed_us);
	json_put_u64(o, F_result_bytes, r->result_bytes);
	return o;
}

static void add_task_row(struct table *t, const struct sc_task_row *r)
{
	char shown[64];

	table_addf(t, "%" PRIu32, r->task);
	table_add(t, r->key);
	table_add_color(t, color_of_task(r->state), sc_task_state_name(r->state));
	table_add(t, r->worker[0] != '\0' ? r->worker : "-");
	table_addf(t, "%" PRIu64, r->attempts);
	table_add(t, r->elapsed_us > 0 ? text_show_us(r->elapsed_us, shown, sizeof(shown)) : "-");
	table_add(t, text_show_bytes(r->result_bytes, shown, sizeof(shown)));
}

/* A million rows may come: they are printed one by one.  An error in the middle becomes the end of the document. */
static int print_json_rows(struct ctl *c, struct sc_tasks *tasks, uint64_t job, uint64_t limit)
{
	const struct sc_task_row *row;
	struct json_rows rows;
	uint64_t n = 0;
	sc_err err;

	json_rows_begin(&rows, job, F_tasks);
	while ((err = sc_tasks_next(tasks, &row)) == SC_OK && row != NULL && n++ < limit)
		json_rows_add(&rows, task_json(row));
	json_put_flag(rows.tail, F_more, row != NULL);
	if (err != SC_OK) {
		json_put_text(rows.tail, F_error, sc_client_error_text(c->client));
		json_put_text(rows.tail, F_code, sc_err_name(err));
	}
	json_rows_end(&rows);
	if (err == SC_OK)
		return EXIT_DONE;
	ctl_note(c, "schedctl: %s", sc_client_error_text(c->client));
	return ctl_status_of(err);
}

static int print_table_rows(struct ctl *c, struct sc_tasks *tasks, uint64_t limit)
{
	static const char *const heads[] = {">TASK", "KEY", "STATE", "WORKER", ">ATTEMPTS", ">TOOK", ">RESULT", NULL};
	const struct sc_task_row *row;
	struct table t;
	uint64_t n = 0;
	int status = EXIT_DONE;
	sc_err err;

	table_init(&t, heads);
	while ((err = sc_tasks_next(tasks, &row)) == SC_OK && row != NULL && n < limit) {
		add_task_row(&t, row);
		n++;
	}
	if (err == SC_OK)
		table_print(&t, c->color_out);
	else
		status = ctl_failed(c, err);
	if (row != NULL)
		ctl_note(c, "the first %" PRIu64 "; --limit N shows more", n);
	table_fini(&t);
	return status;
}

int verb_task_list(struct ctl *c)
{
	struct sc_tasks *tasks;
	uint64_t job, limit = c->json ? UINT64_MAX : LIST_LIMIT;
	uint32_t states;
	int status = ctl_option_u64(c, "limit", 1, UINT64_MAX, &limit);
	sc_err err;

	if (status == EXIT_DONE)
		status = take_states(c, &states);
	if (status == EXIT_DONE)
		status = ctl_open(c);
	if (status == EXIT_DONE)
		status = ctl_job_id(c, c->cli.args[0], &job);
	if (status != EXIT_DONE)
		return status;
	err = sc_client_list_tasks(c->client, job, states, NULL, &tasks);
	if (err != SC_OK)
		return ctl_failed(c, err);
	status = c->json ? print_json_rows(c, tasks, job, limit) : print_table_rows(c, tasks, limit);
	sc_tasks_free(tasks);
	return status;
}

/* ---- show, explain ---------------------------------------------------------------------------------------------- */

static json_t *info_json(const struct sc_task_info *t)
{
	json_t *o = json_object(), *inputs = json_array();

	json_put_u64(o, F_job, t->job);
	json_put_u64(o, F_task, t->task);
	json_put_text(o, F_key, t->key);
	json_put_text(o, F_group, t->group);
	json_put_text(o, F_state, sc_task_state_name(t->state));
	json_put_text(o, F_reason, t->reason);
	json_put_text(o, F_explain, t->explain);
	json_put_text(o, F_worker, t->worker);
	json_put_u64(o, F_attempts, t->attempts);
	json_put_u64(o, F_crashes, t->crashes);
	json_put_text(o, F_cause, t->cause != 0 ? sc_fail_name(t->cause) : "");
	json_put_u64(o, F_status, t->status);
	json_put_text(o, F_text, t->text);
	json_put_bytes(o, F_stderr_tail, t->stderr_tail.p, t->stderr_tail.n);
	json_put_u64(o, F_elapsed_us, t->elapsed_us);
	json_put_u64(o, F_cpu_us, t->cpu_us);
	json_put_u64(o, F_rss_bytes, t->rss_bytes);
	json_put_u64(o, F_result_bytes, t->result_bytes);
	json_put_u64(o, F_stderr_bytes, t->stderr_bytes);
	json_put_text(o, F_resources, t->request);
	for (size_t i = 0; i < t->n_inputs_shown; i++)
		json_array_append_new(inputs, json_string(t->inputs[i]));
	json_put(o, F_inputs, inputs);
	json_put_u64(o, F_n_inputs, t->n_inputs);
	json_put_u64(o, F_n_consumers, t->n_consumers);
	json_put_bytes(o, F_item, t->item.p, t->item.n);
	return o;
}

/* "name       text", continued lines indented; nothing for an empty text. */
static void print_row(const char *name, const char *text, size_t n)
{
	struct buf clean;

	while (n > 0 && text[n - 1] == '\n')
		n--;
	if (n == 0)
		return;
	buf_init(&clean, 0);
	text_harmless(&clean, text, n);
	printf("%-10s ", name);
	for (const char *p = buf_str(&clean); *p != '\0'; p++) {
		putchar(*p);
		if (*p == '\n')
			printf("%-10s ", "");
	}
	putchar('\n');
	buf_fini(&clean);
}

static void print_text(const char *name, const char *text)
{
	print_row(name, text, strlen(text));
}

static void print_number(const char *name, uint64_t v)
{
	printf("%-10s %" PRIu64 "\n", name, v);
}

static void print_inputs(const struct sc_task_info *t)
{
	if (t->n_inputs == 0)
		return;
	printf("%-10s %" PRIu64 ":", "inputs", t->n_inputs);
	for (size_t i = 0; i < t->n_inputs_shown && i < 10; i++)
		printf("%s %s", i > 0 ? "," : "", t->inputs[i]);
	printf("%s\n", t->n_inputs > t->n_inputs_shown || t->n_inputs_shown > 10 ? " ..." : "");
}

/* Whether the explanation leaves nothing for the reason of the last change to add: "failed: exit code 1", "it failed".
 */
static int tells_all(const struct sc_task_info *t)
{
	return t->explain[0] != '\0' && sc_task_state_is_final((uint64_t)t->state);
}

static void print_explanation(const struct sc_task_info *t)
{
	struct buf clean;

	buf_init(&clean, 0);
	text_harmless(&clean, t->explain, strlen(t->explain));
	printf("%s: %s\n", t->key, clean.len > 0 ? buf_str(&clean) : sc_task_state_name(t->state));
	if (!tells_all(t))
		printf("last change: %s\n", t->reason);
	buf_fini(&clean);
}

static void print_info(const struct ctl *c, const struct sc_task_info *t)
{
	const char *color = c->color_out ? color_of_task(t->state) : NULL;
	char shown[64];

	printf("%-10s %s (number %" PRIu32 " of job %" PRIu64 ")\n", "task", t->key, t->task, t->job);
	print_text("group", t->group);
	print_row("item", t->item.p, t->item.n);
	printf("%-10s %s%s%s\n", "state", color != NULL ? color : "", sc_task_state_name(t->state),
	       color != NULL ? COLOR_PLAIN : "");
	if (!tells_all(t))
		print_text("reason", t->reason);
	print_text("explained", t->explain);
	print_text("worker", t->worker);
	print_text("resources", t->request);
	print_number("attempts", t->attempts);
	if (t->crashes > 0)
		print_number("crashes", t->crashes);
	if (t->cause != 0) {
		printf("%-10s %s (%" PRIu64 ")\n", "failed by", sc_fail_name(t->cause), t->status);
		if (t->state != SC_TASK_FAILED) /* of an earlier attempt; else it is explained above */
			print_text("failure", t->text);
	}
	if (t->elapsed_us > 0)
		print_text("took", text_show_us(t->elapsed_us, shown, sizeof(shown)));
	if (t->cpu_us > 0)
		print_text("cpu time", text_show_us(t->cpu_us, shown, sizeof(shown)));
	if (t->rss_bytes > 0)
		print_text("memory", text_show_bytes(t->rss_bytes, shown, sizeof(shown)));
	if (t->state == SC_TASK_DONE || t->result_bytes > 0)
		print_text("result", text_show_bytes(t->result_bytes, shown, sizeof(shown)));
	if (t->stderr_bytes > 0)
		print_text("stderr", text_show_bytes(t->stderr_bytes, shown, sizeof(shown)));
	print_inputs(t);
	if (t->n_consumers > 0)
		print_number("consumers", t->n_consumers);
	print_row("stderr end", t->stderr_tail.p, t->stderr_tail.n);
}

/* The task named by the arguments JOB KEY. */
static int find_task(struct ctl *c, struct sc_task_info **out)
{
	uint64_t job;
	int status = ctl_open(c);
	sc_err err;

	if (status == EXIT_DONE)
		status = ctl_job_id(c, c->cli.args[0], &job);
	if (status != EXIT_DONE)
		return status;
	err = sc_client_show_task(c->client, job, c->cli.args[1], out);
	return err == SC_OK ? EXIT_DONE : ctl_failed(c, err);
}

int verb_task_show(struct ctl *c)
{
	struct sc_task_info *t;
	int status = find_task(c, &t);

	if (status != EXIT_DONE)
		return status;
	if (c->json)
		json_print(info_json(t));
	else
		print_info(c, t);
	sc_task_info_free(t);
	return EXIT_DONE;
}

int verb_task_explain(struct ctl *c)
{
	struct sc_task_info *t;
	int status = find_task(c, &t);
	json_t *o;

	if (status != EXIT_DONE)
		return status;
	if (c->json) {
		o = json_object();
		json_put_u64(o, F_job, t->job);
		json_put_text(o, F_key, t->key);
		json_put_text(o, F_state, sc_task_state_name(t->state));
		json_put_text(o, F_reason, t->reason);
		json_put_text(o, F_explain, t->explain);
		json_print(o);
	} else {
		print_explanation(t);
	}
	sc_task_info_free(t);
	return EXIT_DONE;
}

int verb_task_retry(struct ctl *c)
{
	uint64_t job, n;
	int status = ctl_open(c);
	sc_err err;
	json_t *o;

	if (status == EXIT_DONE)
		status = ctl_job_id(c, c->cli.args[0], &job);
	if (status != EXIT_DONE)
		return status;
	err = sc_client_retry(c->client, job, c->cli.n_args > 1 ? c->cli.args[1] : NULL, &n);
	if (err != SC_OK)
		return ctl_failed(c, err);
	if (c->json) {
		o = json_object();
		json_put_u64(o, F_job, job);
		json_put_u64(o, F_count, n);
		json_print(o);
	} else {
		printf("%" PRIu64 " task%s of job %" PRIu64 " run%s again\n", n, n == 1 ? "" : "s", job,
		       n == 1 ? "s" : "");
	}
	return EXIT_DONE;
}
