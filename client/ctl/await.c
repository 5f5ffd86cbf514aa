/* await.c - `schedctl task wait` and `schedctl job wait --as-completed`: tasks are printed as they end. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "client/ctl/ctl.h"
#include "client/ctl/json.h"

struct awaiting {
	struct ctl *ctl;
	int many_jobs;	/* the number of the job is printed as well */
	uint64_t n_bad; /* that did not succeed */
};

static int on_ended(const struct sc_ended *e, void *arg)
{
	struct awaiting *w = arg;

	w->n_bad += e->state != SC_TASK_DONE && e->state != SC_TASK_RELEASED;
	if (w->ctl->json) {
		json_t *o = json_object();

		json_put_u64(o, F_job, e->job);
		json_put_u64(o, F_task, e->task);
		json_put_text(o, F_key, e->key);
		json_put_text(o, F_state, sc_task_state_name(e->state));
		json_print_line(o);
	} else {
		if (w->many_jobs)
			printf("%" PRIu64 " ", e->job);
		printf("%s %s\n", e->key, sc_task_state_name(e->state));
		fflush(stdout);
	}
	return 0;
}

static int await(struct awaiting *w, const struct sc_key *keys, size_t n, int any)
{
	struct ctl *c = w->ctl;
	uint64_t timeout_us = UINT64_MAX;
	int status = ctl_option_duration(c, "timeout", &timeout_us);
	sc_err err;

	if (status != EXIT_DONE)
		return status;
	err = sc_client_wait_tasks(c->client, keys, n, any, timeout_us, on_ended, w);
	if (err == SC_TIMEOUT) {
		ctl_note(c, "schedctl: %s", sc_client_error_text(c->client));
		return EXIT_WORK_FAILED;
	}
	if (err != SC_OK)
		return ctl_failed(c, err);
	return w->n_bad == 0 ? EXIT_DONE : EXIT_WORK_FAILED;
}

int verb_task_wait(struct ctl *c)
{
	struct awaiting w = {.ctl = c};
	struct sc_key *keys = mem_calloc(c->cli.n_args, sizeof(*keys));
	uint64_t job = 0;
	int status;

	if (keys == NULL)
		return ctl_fail(c, EXIT_WORK_FAILED, "out of memory");
	status = ctl_open(c);
	if (status == EXIT_DONE)
		status = ctl_job_id(c, c->cli.args[0], &job);
	for (size_t i = 1; status == EXIT_DONE && i < c->cli.n_args; i++)
		keys[i - 1] = (struct sc_key){job, c->cli.args[i]};
	if (status == EXIT_DONE)
		status = await(&w, keys, c->cli.n_args - 1, cli_has(&c->cli, "any"));
	mem_free(keys);
	return status;
}

int await_jobs(struct ctl *c, const uint64_t *ids, size_t n)
{
	struct awaiting w = {.ctl = c, .many_jobs = n > 1};
	struct sc_key *keys = mem_calloc(n, sizeof(*keys));
	int status;

	if (keys == NULL)
		return ctl_fail(c, EXIT_WORK_FAILED, "out of memory");
	for (size_t i = 0; i < n; i++)
		keys[i].job = ids[i];
	status = await(&w, keys, n, 0);
	mem_free(keys);
	return status;
}
