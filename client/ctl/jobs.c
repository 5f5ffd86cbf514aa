/* jobs.c - `schedctl job list|show|wait|cancel|forget`. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "client/ctl/ctl.h"
#include "client/ctl/interrupt.h"
#include "client/ctl/json.h"
#include "client/ctl/table.h"
#include "client/ctl/wait.h"

static uint64_t tasks_in_all(const uint64_t counts[SC_TASK_STATES])
{
	uint64_t n = 0;

	for (size_t i = 0; i < SC_TASK_STATES; i++)
		n += counts[i];
	return n;
}

static int is_waiting(const struct sc_job_row *r)
{
	return (r->flags & SC_JOB_WAITING) != 0;
}

/* Its state to people: it goes on, but waits for a worker that is not there. */
static const char *state_word(const struct sc_job_row *r)
{
	return is_waiting(r) ? "waiting" : sc_job_state_name(r->state);
}

static const char *state_color(const struct sc_job_row *r)
{
	return color_of_job(is_waiting(r) ? SC_JOB_HELD : r->state);
}

static json_t *job_json(const struct sc_job_row *r)
{
	json_t *o = json_object();

	json_put_u64(o, F_job, r->job);
	json_put_text(o, F_name, r->name);
	json_put_text(o, F_namespace, r->name_space);
	json_put_text(o, F_state, sc_job_state_name(r->state));
	json_put_i64(o, F_priority, r->priority);
	json_put_u64(o, F_submitted_us, r->submitted_us);
	json_put_u64(o, F_elapsed_us, r->elapsed_us);
	json_put_u64(o, F_tasks, tasks_in_all(r->counts));
	json_put_counts(o, r->counts);
	json_put_text(o, F_text, r->text);
	json_put_flag(o, F_open, (r->flags & SC_JOB_OPEN) != 0);
	json_put_flag(o, F_waiting, is_waiting(r));
	json_put_text(o, F_waits, r->waits);
	return o;
}

static void add_job_row(struct table *t, const struct sc_job_row *r)
{
	char shown[64], ago[80];

	snprintf(ago, sizeof(ago), "%s ago", text_show_us(r->submitted_us, shown, sizeof(shown)));
	table_addf(t, "%" PRIu64, r->job);
	table_add(t, r->name);
	table_add(t, r->name_space);
	table_add_color(t, state_color(r), state_word(r));
	table_addf(t, "%" PRIu64, tasks_in_all(r->counts));
	table_addf(t, "%" PRIu64, r->counts[SC_TASK_DONE] + r->counts[SC_TASK_RELEASED]);
	table_addf(t, "%" PRIu64, r->counts[SC_TASK_FAILED]);
	table_addf(t, "%" PRIu64, r->counts[SC_TASK_RUNNING] + r->counts[SC_TASK_ASSIGNED]);
	table_add(t, ago);
	table_add(t, text_show_us(r->elapsed_us, shown, sizeof(shown)));
}

int verb_job_list(struct ctl *c)
{
	static const char *const heads[] = {">ID",     "NAME",	   "NAMESPACE",	 "STATE", ">TASKS", ">DONE",
					    ">FAILED", ">RUNNING", ">SUBMITTED", ">TOOK", NULL};
	const struct sc_job_row *row;
	struct sc_jobs *jobs;
	struct table t;
	json_t *list;
	uint64_t limit = 0, n = 0;
	int status = ctl_option_u64(c, "limit", 1, UINT64_MAX, &limit);
	sc_err err;

	if (status == EXIT_DONE)
		status = ctl_open(c);
	if (status != EXIT_DONE)
		return status;
	err = sc_client_list_jobs(c->client, 0, cli_value(&c->cli, "namespace"), &jobs);
	if (err != SC_OK)
		return ctl_failed(c, err);
	table_init(&t, heads);
	list = json_array();
	while ((limit == 0 || n < limit) && (err = sc_jobs_next(jobs, &row)) == SC_OK && row != NULL) {
		if (c->json)
			json_array_append_new(list, job_json(row));
		else
			add_job_row(&t, row);
		n++;
	}
	if (err != SC_OK)
		status = ctl_failed(c, err);
	else if (c->json)
		json_print_one(F_jobs, json_incref(list));
	else
		table_print(&t, c->color_out);
	json_decref(list);
	table_fini(&t);
	sc_jobs_free(jobs);
	return status;
}

/* The jobs named, all of them before anything is done for the first; *out is new. */
static int take_ids(struct ctl *c, uint64_t **out)
{
	uint64_t *ids = mem_calloc(c->cli.n_args, sizeof(*ids));
	int status = EXIT_DONE;

	if (ids == NULL)
		return ctl_fail(c, EXIT_WORK_FAILED, "out of memory");
	for (size_t i = 0; i < c->cli.n_args && status == EXIT_DONE; i++)
		status = ctl_job_id(c, c->cli.args[i], &ids[i]);
	if (status == EXIT_DONE)
		*out = ids;
	else
		mem_free(ids);
	return status;
}

/* ---- show ------------------------------------------------------------------------------------------------------- */

/* A line, unless the text is empty. */
static void print_text(const char *head, const char *text)
{
	struct buf clean;

	if (text[0] == '\0')
		return;
	buf_init(&clean, 0);
	text_harmless(&clean, text, strlen(text));
	printf("%s%s\n", head, buf_str(&clean));
	buf_fini(&clean);
}

static void print_job(const struct ctl *c, const struct sc_job_row *r)
{
	const char *color = c->color_out ? state_color(r) : NULL;
	char shown[64];

	printf("job        %" PRIu64 "\nname       %s\nnamespace  %s\nstate      %s%s%s\n", r->job, r->name,
	       r->name_space, color != NULL ? color : "", state_word(r), color != NULL ? COLOR_PLAIN : "");
	print_text("reason     ", r->text);
	print_text("waits      ", r->waits);
	if ((r->flags & SC_JOB_OPEN) != 0)
		printf("open       yes: it ends after `schedctl job close`\n");
	printf("priority   %" PRId64 "\nsubmitted  %s ago\n", r->priority,
	       text_show_us(r->submitted_us, shown, sizeof(shown)));
	printf("took       %s\ntasks      %" PRIu64 "\n", text_show_us(r->elapsed_us, shown, sizeof(shown)),
	       tasks_in_all(r->counts));
	for (unsigned i = 0; i < SC_TASK_STATES; i++)
		if (r->counts[i] > 0)
			printf(" %-9s %" PRIu64 "\n", sc_task_state_name(i), r->counts[i]);
}

static json_t *group_json(const struct sc_group_row *g)
{
	json_t *o = json_object();

	json_put_text(o, F_name, g->name);
	json_put_text(o, F_resources, g->resources);
	json_put_u64(o, F_tasks, g->n_tasks);
	json_put_u64(o, F_n_runs, g->n_runs);
	json_put_u64(o, F_run_min_us, g->run_min_us);
	json_put_u64(o, F_run_mean_us, g->run_mean_us);
	json_put_u64(o, F_run_max_us, g->run_max_us);
	json_put_u64(o, F_n_waits, g->n_waits);
	json_put_u64(o, F_wait_mean_us, g->wait_mean_us);
	json_put_u64(o, F_moved_bytes, g->moved_bytes);
	return o;
}

static void add_time(struct table *t, uint64_t n, uint64_t us)
{
	char shown[64];

	table_add(t, n == 0 ? "-" : text_show_us(us, shown, sizeof(shown)));
}

static void add_group_row(struct table *t, const struct sc_group_row *g)
{
	char shown[64];

	table_add(t, g->name);
	table_addf(t, "%" PRIu64, g->n_tasks);
	table_addf(t, "%" PRIu64, g->n_runs);
	add_time(t, g->n_runs, g->run_min_us);
	add_time(t, g->n_runs, g->run_mean_us);
	add_time(t, g->n_runs, g->run_max_us);
	add_time(t, g->n_waits, g->wait_mean_us);
	table_add(t, text_show_bytes(g->moved_bytes, shown, sizeof(shown)));
}

#define GROUPS_SHOWN 100u /* to people */

/* How the groups of the job fare: a table, or rows of a list. */
static int show_groups(struct ctl *c, uint64_t job, json_t *list)
{
	static const char *const heads[] = {"GROUP",	">TASKS",  ">RUNS",  ">SHORTEST", ">MEAN",
					    ">LONGEST", ">WAITED", ">MOVED", NULL};
	const struct sc_group_row *row;
	struct sc_groups *groups;
	struct table t;
	uint64_t n = 0;
	sc_err err = sc_client_list_groups(c->client, job, &groups);

	if (err != SC_OK)
		return ctl_failed(c, err);
	table_init(&t, heads);
	while ((list != NULL || n < GROUPS_SHOWN) && (err = sc_groups_next(groups, &row)) == SC_OK && row != NULL) {
		if (list != NULL)
			json_array_append_new(list, group_json(row));
		else
			add_group_row(&t, row);
		n++;
	}
	if (err == SC_OK && list == NULL) {
		printf("\n");
		table_print(&t, c->color_out);
	}
	table_fini(&t);
	sc_groups_free(groups);
	return err == SC_OK ? EXIT_DONE : ctl_failed(c, err);
}

static int show_job(struct ctl *c, const struct sc_job_row *row)
{
	json_t *o, *list;
	int status;

	if (!c->json) {
		print_job(c, row);
		return show_groups(c, row->job, NULL);
	}
	o = job_json(row);
	list = json_array();
	status = show_groups(c, row->job, list);
	json_put(o, F_groups, list);
	if (status == EXIT_DONE)
		json_print(o);
	else
		json_decref(o);
	return status;
}

int verb_job_show(struct ctl *c)
{
	const struct sc_job_row *row;
	struct sc_jobs *jobs;
	uint64_t id;
	int status = ctl_open(c);
	sc_err err;

	if (status == EXIT_DONE)
		status = ctl_job_id(c, c->cli.args[0], &id);
	if (status != EXIT_DONE)
		return status;
	err = sc_client_list_jobs(c->client, id, NULL, &jobs);
	if (err != SC_OK)
		return ctl_failed(c, err);
	err = sc_jobs_next(jobs, &row);
	if (err != SC_OK)
		status = ctl_failed(c, err);
	else if (row == NULL)
		status = ctl_fail(c, EXIT_WORK_FAILED, "there is no job %" PRIu64, id);
	else
		status = show_job(c, row);
	sc_jobs_free(jobs);
	return status;
}

/* ---- wait ------------------------------------------------------------------------------------------------------- */

static json_t *wait_json(const struct wait *w)
{
	json_t *o = json_object();

	json_put_u64(o, F_job, w->job);
	json_put_text(o, F_state, sc_job_state_name(w->last.state));
	json_put_counts(o, w->last.counts);
	json_put_text(o, F_text, w->last.text);
	return o;
}

/* What is better said before the first wait, which may be long: that there is no such job (the only one says so
 * itself), or that it is open. */
static int look_at_job(struct ctl *c, uint64_t id)
{
	const struct sc_job_row *row = NULL;
	struct sc_jobs *jobs;
	sc_err err = sc_client_list_jobs(c->client, id, NULL, &jobs);
	int is_there;

	if (err == SC_OK) {
		err = sc_jobs_next(jobs, &row);
		is_there = err == SC_OK && row != NULL;
		if (is_there && (row->flags & SC_JOB_OPEN) != 0)
			ctl_note(c, "job %" PRIu64 " is open: it ends after `schedctl job close %" PRIu64 "`", id, id);
		sc_jobs_free(jobs);
		if (is_there)
			return EXIT_DONE;
	}
	if (c->cli.n_args == 1)
		return EXIT_DONE;
	return err != SC_OK ? ctl_failed(c, err) : ctl_fail(c, EXIT_WORK_FAILED, "there is no job %" PRIu64, id);
}

static void print_end(const struct wait *w)
{
	struct buf clean;

	buf_init(&clean, 0);
	text_harmless(&clean, w->last.text, strlen(w->last.text));
	printf("job %" PRIu64 " %s%s%s\n", w->job, sc_job_state_name(w->last.state), clean.len > 0 ? ": " : "",
	       buf_str(&clean));
	buf_fini(&clean);
}

enum waited {
	WAITED_DONE,
	WAITED_FAILED,	/* the job has; on with the next */
	WAITED_NO_MORE, /* interrupted, or the time is up */
	WAITED_REFUSED	/* an error that was told, as the whole document with --json */
};

static enum waited wait_one(struct ctl *c, struct wait *w, json_t *list, int *status)
{
	*status = wait_for_job(c, w);
	if (*status != EXIT_DONE)
		return WAITED_REFUSED;
	json_array_append_new(list, wait_json(w));
	if (w->interrupted) {
		ctl_note(c, "job %" PRIu64 " goes on; schedctl job wait %" PRIu64, w->job, w->job);
		return WAITED_NO_MORE;
	}
	if (w->timed_out) {
		ctl_note(c, "job %" PRIu64 " has not ended in time; it goes on", w->job);
		return WAITED_NO_MORE;
	}
	if (!c->json)
		print_end(w);
	return w->last.state == SC_JOB_DONE ? WAITED_DONE : WAITED_FAILED;
}

static int wait_for_all(struct ctl *c, const uint64_t *ids, uint64_t timeout_us)
{
	int wish = cli_has(&c->cli, "no-progress") || c->json ? 0 : -1, all_done = 1, status = EXIT_DONE;
	uint64_t begun_us = clock_monotonic_us(), spent_us;
	enum waited how = WAITED_DONE;
	json_t *list = json_array();

	for (size_t i = 0; i < c->cli.n_args && how <= WAITED_FAILED; i++) {
		struct wait w = {.job = ids[i], .timeout_us = timeout_us, .style = progress_choose(wish)};

		spent_us = clock_monotonic_us() - begun_us;
		if (timeout_us != UINT64_MAX) /* for all of them */
			w.timeout_us = timeout_us > spent_us ? timeout_us - spent_us : 0;
		how = wait_one(c, &w, list, &status);
		all_done = all_done && how == WAITED_DONE;
	}
	if (c->json && how != WAITED_REFUSED)
		json_print_one(F_jobs, json_incref(list));
	json_decref(list);
	return how == WAITED_REFUSED ? status : all_done ? EXIT_DONE : EXIT_WORK_FAILED;
}

int verb_job_wait(struct ctl *c)
{
	uint64_t timeout_us = UINT64_MAX, *ids = NULL;
	int status = ctl_option_duration(c, "timeout", &timeout_us);

	if (status == EXIT_DONE)
		status = ctl_open(c);
	if (status == EXIT_DONE)
		status = take_ids(c, &ids);
	for (size_t i = 0; status == EXIT_DONE && i < c->cli.n_args; i++)
		if (ids[i] != 0) /* the newest */
			status = look_at_job(c, ids[i]);
	if (status == EXIT_DONE && cli_has(&c->cli, "as-completed")) {
		status = await_jobs(c, ids, c->cli.n_args);
		mem_free(ids);
		return status;
	}
	interrupt_begin(NULL);
	if (status == EXIT_DONE)
		status = wait_for_all(c, ids, timeout_us);
	interrupt_end();
	mem_free(ids);
	return status;
}

/* ---- cancel, forget --------------------------------------------------------------------------------------------- */

/* One of several jobs refused: that is told, and goes on the list. */
static void tell_refused(struct ctl *c, sc_err err, json_t *o)
{
	json_put_text(o, F_error, sc_client_error_text(c->client));
	json_put_text(o, F_code, sc_err_name(err));
	ctl_note(c, "schedctl: %s", sc_client_error_text(c->client));
}

/* Carry out `act` for each job named.  One that does not allow it is no reason to leave the others as they are. */
static int act_on_jobs(struct ctl *c, const uint64_t *ids, sc_err (*act)(struct sc_client *, uint64_t, uint64_t *),
		       const char *done, json_t *list)
{
	int status = EXIT_DONE;

	assert(ids != NULL && "names become numbers first");
	for (size_t i = 0; i < c->cli.n_args; i++) {
		uint64_t n;
		sc_err err = act(c->client, ids[i], &n);
		json_t *o;

		if (err != SC_OK && (c->cli.n_args == 1 || ctl_status_of(err) != EXIT_WORK_FAILED))
			return ctl_failed(c, err);
		o = json_object();
		json_put_u64(o, F_job, ids[i]);
		if (err != SC_OK) {
			tell_refused(c, err, o);
			status = EXIT_WORK_FAILED;
		} else {
			json_put_u64(o, F_count, n);
			if (!c->json)
				printf("job %" PRIu64 " %s\n", ids[i], done);
		}
		json_array_append_new(list, o);
	}
	if (c->json)
		json_print_one(F_jobs, json_incref(list));
	return status;
}

static int for_each_job(struct ctl *c, sc_err (*act)(struct sc_client *, uint64_t, uint64_t *), const char *done)
{
	json_t *list = json_array();
	uint64_t *ids = NULL;
	int status = ctl_open(c);

	if (status == EXIT_DONE)
		status = take_ids(c, &ids);
	if (status == EXIT_DONE)
		status = act_on_jobs(c, ids, act, done, list);
	mem_free(ids);
	json_decref(list);
	return status;
}

static sc_err close_job(struct sc_client *client, uint64_t id, uint64_t *count)
{
	*count = 1;
	return sc_client_job_close(client, id);
}

int verb_job_close(struct ctl *c)
{
	return for_each_job(c, close_job, "closed");
}

int verb_job_cancel(struct ctl *c)
{
	return for_each_job(c, sc_client_cancel, "cancelled");
}

int verb_job_forget(struct ctl *c)
{
	uint64_t n;
	int status;
	sc_err err;

	if (!cli_has(&c->cli, "all") && c->cli.n_args == 0)
		return ctl_usage(c, "which jobs? usage: schedctl job forget JOB... or --all");
	if (!cli_has(&c->cli, "all"))
		return for_each_job(c, sc_client_forget, "forgotten");
	if (c->cli.n_args > 0)
		return ctl_usage(c, "--all and numbers of jobs exclude each other");
	status = ctl_open(c);
	if (status != EXIT_DONE)
		return status;
	err = sc_client_forget(c->client, 0, &n);
	if (err != SC_OK)
		return ctl_failed(c, err);
	if (c->json)
		json_print_one(F_count, json_integer((json_int_t)n));
	else
		printf("%" PRIu64 " job%s forgotten\n", n, n == 1 ? "" : "s");
	return EXIT_DONE;
}
