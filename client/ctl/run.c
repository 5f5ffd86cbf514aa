/* run.c - `schedctl run`: a graph file from reading it to its outputs. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "client/ctl/ctl.h"
#include "client/ctl/graph.h"
#include "client/ctl/graph_job.h"
#include "client/ctl/interrupt.h"
#include "client/ctl/json.h"
#include "client/ctl/local.h"
#include "client/ctl/outputs.h"
#include "client/ctl/wait.h"

struct run {
	struct ctl *ctl;
	struct graph *graph;
	struct sc_job *job;
	struct local *local;
	uint64_t slots; /* of --local */
	uint64_t id;
	json_t *json;
	size_t print; /* 1 + the task of the graph whose result is printed; 0: none */
};

static int load(struct run *r)
{
	struct ctl *c = r->ctl;
	struct buf error;
	int status = EXIT_DONE;
	sc_err err;

	buf_init(&error, 0);
	err = graph_load(c->cli.args[0], &r->graph, &error);
	if (err != SC_OK)
		status = error.len > 0 ? ctl_usage(c, "%s", buf_str(&error))
				       : ctl_fail(c, EXIT_WORK_FAILED, "%s", sc_err_text(err));
	buf_fini(&error);
	if (status != EXIT_DONE)
		return status;
	err = graph_job_new(r->graph, cli_value(&c->cli, "namespace"), &r->job);
	if (err != SC_OK)
		return ctl_usage(c, "%s: %s", c->cli.args[0], sc_client_error_text(NULL));
	return EXIT_DONE;
}

/* --print: the only task at the end of the graph whose result goes nowhere else. */
static int choose_print(struct run *r)
{
	size_t found = 0;

	if (!cli_has(&r->ctl->cli, "print"))
		return EXIT_DONE;
	for (size_t i = 0; i < r->graph->n_tasks; i++) {
		const struct graph_task *t = &r->graph->tasks[i];

		if (!t->is_sink || t->output != NULL || t->stdout_path != NULL)
			continue;
		found++;
		r->print = i + 1;
	}
	if (found == 1)
		return EXIT_DONE;
	return ctl_usage(
		r->ctl, "--print: the graph has %zu tasks at its end without `output`; exactly one is expected", found);
}

static int choose_local(struct run *r)
{
	const char *text = cli_value(&r->ctl->cli, "local");

	if (text == NULL || *text == '\0')
		return EXIT_DONE;
	if (text_u64(text, &r->slots) != SC_OK || r->slots == 0 || r->slots > 100000)
		return ctl_usage(r->ctl, "--local: '%s' is not a number of slots from 1 to 100000", text);
	return EXIT_DONE;
}

static int connect_to(struct run *r)
{
	struct ctl *c = r->ctl;
	int status;

	if (!cli_has(&c->cli, "local"))
		return ctl_open(c);
	if (cli_has(&c->cli, "access-file"))
		return ctl_usage(c, "--local and --access-file exclude each other: a private scheduler has its own");
	status = local_start(c, r->slots, &r->local);
	return status == EXIT_DONE ? ctl_open_at(c, local_access_file(r->local)) : status;
}

/* The job is done: its results. */
static int finish(struct run *r)
{
	json_t *outputs = json_array(), *printed = r->ctl->json ? json_array() : NULL;
	int status = outputs_write(r->ctl, r->graph, r->job, r->id, outputs);

	if (r->print > 0 && status == EXIT_DONE)
		status = outputs_print(r->ctl, r->graph, r->job, r->id, r->print - 1, printed);
	json_put(r->json, F_outputs, outputs);
	if (printed != NULL && r->print > 0)
		json_put(r->json, F_result, json_incref(printed));
	json_decref(printed);
	return status;
}

static int report(struct run *r, const struct wait *w)
{
	json_t *failures = json_array();
	int status = EXIT_WORK_FAILED;

	json_put_text(r->json, F_state, sc_job_state_name(w->last.state));
	json_put_counts(r->json, w->last.counts);
	json_put_text(r->json, F_text, w->last.text);
	if (w->last.state == SC_JOB_DONE) {
		status = finish(r);
	} else {
		ctl_note(r->ctl, "job %" PRIu64 " %s%s%s", r->id, sc_job_state_name(w->last.state),
			 w->last.text[0] != '\0' ? ": " : "", w->last.text);
		if (w->last.state == SC_JOB_FAILED)
			tell_failures(r->ctl, w, failures);
	}
	json_put(r->json, F_failures, failures);
	return status;
}

static enum progress_style choose_progress(const struct ctl *c)
{
	int off = cli_has(&c->cli, "no-progress"), on = cli_has(&c->cli, "progress");

	return progress_choose(off || (c->json && !on) ? 0 : on ? 1 : -1);
}

static int submit_and_wait(struct run *r)
{
	struct ctl *c = r->ctl;
	struct wait w = {.timeout_us = UINT64_MAX, .cancel_on_interrupt = 1, .style = choose_progress(c)};
	uint64_t n = sc_job_n_tasks(r->job);
	sc_err err = sc_client_submit(c->client, r->job, &r->id);
	int status;

	if (err != SC_OK)
		return ctl_failed(c, err);
	w.job = r->id;
	json_put_u64(r->json, F_job, r->id);
	json_put_text(r->json, F_name, r->graph->name);
	json_put_u64(r->json, F_tasks, n);
	if (w.style != PROGRESS_NONE)
		ctl_note(c, "job %" PRIu64 " submitted: %s, %" PRIu64 " task%s", r->id, r->graph->name, n,
			 n == 1 ? "" : "s");
	ctl_warn_unmet(c, r->job, r->json);
	status = wait_for_job(c, &w);
	if (status == EXIT_DONE) {
		status = report(r, &w);
		if (c->json)
			json_print(json_incref(r->json));
	}
	return status;
}

int verb_run(struct ctl *c)
{
	struct run r = {.ctl = c};
	int status = choose_local(&r);

	if (status == EXIT_DONE)
		status = load(&r);
	if (status == EXIT_DONE)
		status = choose_print(&r);
	if (status == EXIT_DONE) {
		r.json = json_object();
		interrupt_begin(local_kill);
		status = connect_to(&r);
		if (status == EXIT_DONE)
			status = submit_and_wait(&r);
		local_stop(c, r.local);
		interrupt_end();
		json_decref(r.json);
	}
	sc_job_free(r.job);
	graph_free(r.graph);
	return status;
}
