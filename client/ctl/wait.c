/* wait.c - see wait.h. */
#include "client/ctl/wait.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "client/ctl/interrupt.h"
#include "client/ctl/json.h"
#include "client/ctl/table.h"

#define TICK_MS		 100u
#define TAIL_LINES	 10u
#define FAILURES_SHOWN	 10u
#define FAILED_LOOKED_AT 200u /* failed tasks looked at to find those that failed of themselves */

struct waiting {
	struct ctl *ctl;
	struct wait *w;
	struct progress progress;
};

static int on_progress(const struct sc_progress *job, void *arg)
{
	struct waiting *x = arg;

	progress_show(&x->progress, job, clock_monotonic_us());
	return interrupt_count() > 0 && !x->w->interrupted;
}

static void keep_last(struct wait *w, const struct sc_progress *last)
{
	w->last = *last;
	snprintf(w->text, sizeof(w->text), "%s", last->text);
	w->last.text = w->text;
}

/* After the first Ctrl-C: cancel, and wait for its end, which a second Ctrl-C cuts short. */
static sc_err cancel_and_wait(struct waiting *x, struct sc_progress *last)
{
	struct ctl *c = x->ctl;
	sc_err err;

	progress_end(&x->progress);
	ctl_note(c, "cancelling job %" PRIu64 "; once more to quit at once", x->w->job);
	err = sc_client_cancel(c->client, x->w->job, NULL);
	if (err != SC_OK && err != SC_BAD_STATE) /* it may have ended by itself */
		return err;
	return sc_client_wait(c->client, x->w->job, TICK_MS, UINT64_MAX, on_progress, x, last);
}

int wait_for_job(struct ctl *c, struct wait *w)
{
	struct waiting x = {.ctl = c, .w = w};
	struct sc_progress last;
	sc_err err;

	w->interrupted = 0;
	w->timed_out = 0;
	progress_begin(&x.progress, w->style);
	err = sc_client_wait(c->client, w->job, TICK_MS, w->timeout_us, on_progress, &x, &last);
	if (err == SC_TIMEOUT && interrupt_count() > 0) {
		w->interrupted = 1;
		err = w->cancel_on_interrupt ? cancel_and_wait(&x, &last) : SC_OK;
	} else if (err == SC_TIMEOUT && w->timeout_us != UINT64_MAX) {
		w->timed_out = 1;
		err = SC_OK;
	}
	progress_end(&x.progress);
	if (err != SC_OK)
		return ctl_failed(c, err);
	keep_last(w, &last);
	return EXIT_DONE;
}

/* ---- failures --------------------------------------------------------------------------------------------------- */

/* The last lines of what a task wrote to its standard error, indented. */
static void print_tail(const struct sc_bytes *tail)
{
	const char *p = tail->p;
	size_t start, end = tail->n;
	unsigned lines = 0;
	struct buf clean;

	while (end > 0 && p[end - 1] == '\n')
		end--;
	for (start = end; start > 0; start--)
		if (p[start - 1] == '\n' && ++lines == TAIL_LINES)
			break;
	if (start == end)
		return;
	buf_init(&clean, 0);
	while (start < end) {
		const char *newline = memchr(p + start, '\n', end - start);
		size_t n = newline != NULL ? (size_t)(newline - p) - start : end - start;

		buf_append_str(&clean, "    | ");
		text_harmless(&clean, p + start, n);
		buf_append_byte(&clean, '\n');
		start += n + 1;
	}
	fputs(buf_str(&clean), stderr);
	buf_fini(&clean);
}

static json_t *failure_json(const struct sc_task_info *t)
{
	json_t *o = json_object();

	json_put_u64(o, F_task, t->task);
	json_put_text(o, F_key, t->key);
	json_put_text(o, F_cause, sc_fail_name(t->cause));
	json_put_u64(o, F_status, t->status);
	json_put_text(o, F_text, t->text);
	json_put_text(o, F_worker, t->worker);
	json_put_u64(o, F_attempts, t->attempts);
	json_put_bytes(o, F_stderr_tail, t->stderr_tail.p, t->stderr_tail.n);
	return o;
}

static void tell_failure(struct ctl *c, const struct sc_task_info *t, json_t *json)
{
	json_array_append_new(json, failure_json(t));
	ctl_note(c, "  %s: %s%s%s%s", t->key, t->text[0] != '\0' ? t->text : t->reason,
		 t->worker[0] != '\0' ? " (on " : "", t->worker, t->worker[0] != '\0' ? ")" : "");
	print_tail(&t->stderr_tail);
}

int tell_failures(struct ctl *c, const struct wait *w, json_t *json)
{
	const struct sc_task_row *row;
	struct sc_tasks *tasks;
	uint64_t told = 0, looked = 0;
	sc_err err = sc_client_list_tasks(c->client, w->job, 1u << SC_TASK_FAILED, NULL, &tasks);

	if (err != SC_OK)
		return ctl_failed(c, err);
	while ((err = sc_tasks_next(tasks, &row)) == SC_OK && row != NULL && told < FAILURES_SHOWN &&
	       looked++ < FAILED_LOOKED_AT) {
		struct sc_task_info *t;

		err = sc_client_show_task(c->client, w->job, row->key, &t);
		if (err != SC_OK)
			break;
		if (t->cause != SC_FAIL_INPUT) { /* those only follow from others */
			tell_failure(c, t, json);
			told++;
		}
		sc_task_info_free(t);
	}
	sc_tasks_free(tasks);
	if (told < w->last.counts[SC_TASK_FAILED])
		ctl_note(c, "  and %" PRIu64 " more failed, of themselves or because of others",
			 w->last.counts[SC_TASK_FAILED] - told);
	return err == SC_OK ? EXIT_DONE : ctl_failed(c, err);
}
