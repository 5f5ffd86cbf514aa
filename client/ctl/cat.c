/* cat.c - `schedctl job cat`: what the tasks of a job have written, in their order, streamed. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "client/ctl/ctl.h"
#include "client/ctl/json.h"
#include "client/ctl/table.h"

#define MISSING_SHOWN  10u			   /* results that cannot be had, named one by one */
#define JSON_MAX_BYTES ((size_t)256 * 1024 * 1024) /* a JSON document is made in memory */

struct cat {
	struct ctl *ctl;
	uint64_t job;
	int is_one;	  /* a task was named */
	uint64_t dropped; /* results of tasks between others: that they are gone is how it should be */
	uint64_t missing;
	uint64_t missing_tasks[MISSING_SHOWN];
	char missing_why[MISSING_SHOWN][160];
	/* JSON: */
	json_t *tasks;
	struct buf contents; /* of the task at hand */
	size_t total_bytes;
};

static void note_missing(struct cat *cat, const struct sc_part *part)
{
	if (part->state == SC_TASK_RELEASED && !cat->is_one) {
		cat->dropped++;
		return;
	}
	if (cat->missing < MISSING_SHOWN) {
		cat->missing_tasks[cat->missing] = part->task;
		snprintf(cat->missing_why[cat->missing], sizeof(cat->missing_why[0]), "%s", part->text);
	}
	cat->missing++;
}

static sc_err write_part(const struct sc_part *part, void *arg)
{
	struct cat *cat = arg;

	if (part->err != SC_OK) {
		note_missing(cat, part);
		return SC_OK;
	}
	if (part->n_bytes > 0 && fwrite(part->data, 1, part->n_bytes, stdout) != part->n_bytes)
		return SC_IO; /* said by ctl_finish_output() */
	return SC_OK;
}

static sc_err add_part(const struct sc_part *part, void *arg)
{
	struct cat *cat = arg;
	json_t *o;

	if (part->offset == 0)
		buf_reset(&cat->contents);
	buf_append(&cat->contents, part->data, part->n_bytes);
	cat->total_bytes += part->n_bytes;
	if (cat->total_bytes > JSON_MAX_BYTES || buf_err(&cat->contents) != SC_OK)
		return SC_TOO_BIG;
	if (!part->last)
		return SC_OK;
	o = json_object();
	json_put_u64(o, F_task, part->task);
	json_put_text(o, F_state, sc_task_state_name(part->state));
	if (part->err != SC_OK) {
		note_missing(cat, part);
		json_put_text(o, F_error, part->text);
	} else {
		json_put_result(o, cat->contents.data, cat->contents.len);
	}
	json_array_append_new(cat->tasks, o);
	return SC_OK;
}

/* The key of a task, for messages. */
static void find_key(struct cat *cat, uint64_t task, char *out, size_t cap)
{
	const struct sc_task_row *row;
	struct sc_tasks *tasks;
	char number[24];

	snprintf(number, sizeof(number), "%" PRIu64, task);
	snprintf(out, cap, "task %s", number);
	if (sc_client_list_tasks(cat->ctl->client, cat->job, 0, number, &tasks) != SC_OK)
		return;
	if (sc_tasks_next(tasks, &row) == SC_OK && row != NULL)
		snprintf(out, cap, "%s", row->key);
	sc_tasks_free(tasks);
}

static void tell_missing(struct cat *cat)
{
	char key[256];

	for (size_t i = 0; i < cat->missing && i < MISSING_SHOWN; i++) {
		find_key(cat, cat->missing_tasks[i], key, sizeof(key));
		ctl_note(cat->ctl, "schedctl: %s: %s", key, cat->missing_why[i]);
	}
	if (cat->missing > MISSING_SHOWN)
		ctl_note(cat->ctl, "schedctl: and %" PRIu64 " more", cat->missing - MISSING_SHOWN);
	if (cat->dropped > 0)
		ctl_note(cat->ctl, "%" PRIu64 " result%s dropped when no task needed %s any more", cat->dropped,
			 cat->dropped == 1 ? " was" : "s were", cat->dropped == 1 ? "it" : "them");
}

/* --task KEY as a number. */
static int find_number(struct ctl *c, uint64_t job, const char *key, uint32_t *out)
{
	struct sc_task_info *t;
	sc_err err = sc_client_show_task(c->client, job, key, &t);

	if (err != SC_OK)
		return ctl_failed(c, err);
	*out = t->task;
	sc_task_info_free(t);
	return EXIT_DONE;
}

static int run_cat(struct cat *cat, const struct sc_fetch *fetch)
{
	struct ctl *c = cat->ctl;
	sc_err err = sc_client_fetch(c->client, fetch, c->json ? add_part : write_part, cat);
	json_t *o;

	if (err == SC_TOO_BIG && c->json)
		return ctl_fail(c, EXIT_WORK_FAILED,
				"the results are larger than %zu bytes, too large for a JSON document", JSON_MAX_BYTES);
	if (err == SC_IO && ferror(stdout))
		return ctl_finish_output(c);
	if (err != SC_OK)
		return ctl_failed(c, err);
	if (c->json) {
		o = json_object();
		json_put_u64(o, F_job, cat->job);
		json_put(o, F_tasks, json_incref(cat->tasks));
		json_print(o);
	}
	fflush(stdout);
	tell_missing(cat);
	return cat->missing > 0 ? EXIT_WORK_FAILED : EXIT_DONE;
}

int verb_job_cat(struct ctl *c)
{
	struct cat cat = {.ctl = c};
	struct sc_fetch fetch = {.restart = c->json}; /* what is on standard output cannot be taken back */
	const char *key = cli_value(&c->cli, "task");
	uint32_t task;
	int status = ctl_open(c);

	if (status == EXIT_DONE)
		status = ctl_job_id(c, c->cli.args[0], &cat.job);
	fetch.job = cat.job;
	if (cli_has(&c->cli, "stderr"))
		fetch.stream = SC_STREAM_STDERR;
	if (status == EXIT_DONE && key != NULL) {
		status = find_number(c, cat.job, key, &task);
		fetch.tasks = &task;
		fetch.n_tasks = 1;
		cat.is_one = 1;
	}
	if (status != EXIT_DONE)
		return status;
	cat.tasks = json_array();
	buf_init(&cat.contents, JSON_MAX_BYTES + 1);
	status = run_cat(&cat, &fetch);
	buf_fini(&cat.contents);
	json_decref(cat.tasks);
	return status;
}
