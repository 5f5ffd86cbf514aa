/* explain.c - in words, why a task is where it is. */
#include <inttypes.h>

#include "base/text.h"
#include "scheduler/core/core_internal.h"

#define SHOWN_MAX 5u

static const char *worker_name(const struct core *c, uint32_t number)
{
	const struct worker *w = core_worker(c, number);

	return w == NULL ? "(gone)" : w->name;
}

static void explain_inputs(const struct job *j, uint32_t task, struct buf *out)
{
	uint32_t n_shown = 0, n_missing = 0;
	char key[JOB_KEY_MAX];

	for (uint32_t e = 0; e < job_n_inputs(j, task); e++) {
		uint32_t i = j->in[j->in_start[task] + e];

		if (task_is_available(&j->tasks[i]))
			continue;
		if (n_missing++ >= SHOWN_MAX)
			continue;
		buf_printf(out, "%s%s (%s)", n_shown++ > 0 ? ", " : "", job_key(j, i, key, sizeof(key)),
			   const_name_TASK(j->tasks[i].state));
	}
	if (n_missing > n_shown)
		buf_printf(out, " and %u more", n_missing - n_shown);
}

static void explain_waiting(const struct core *c, const struct job *j, uint32_t task, uint64_t now_us, struct buf *out)
{
	const struct task *t = &j->tasks[task];
	char shown[32];

	if (j->state == JOB_HELD) {
		buf_printf(out, "waits: its job is held until %u earlier job%s succeeded", j->n_after,
			   j->n_after == 1 ? " has" : "s have");
		return;
	}
	if ((t->flags & TASK_DELAYED) != 0) {
		uint64_t due = 0;

		for (size_t i = 0; i < c->n_delays; i++)
			if (c->delays[i].job == j->id && c->delays[i].task == task)
				due = c->delays[i].due_us;
		buf_printf(out, "failed %u time%s (%s) and is tried again in %s",
			   t->detail != NULL ? t->detail->failures : 1,
			   t->detail != NULL && t->detail->failures == 1 ? "" : "s",
			   t->detail != NULL && t->detail->text != NULL ? t->detail->text : "?",
			   text_show_us(due > now_us ? due - now_us : 0, shown, sizeof(shown)));
		return;
	}
	buf_printf(out, "waits for %u of its %u inputs: ", t->n_missing, job_n_inputs(j, task));
	explain_inputs(j, task, out);
}

/* What keeps this worker from taking a task of the class now. */
static void explain_worker(const struct core *c, const struct worker *w, const struct request_class *cl,
			   struct buf *out)
{
	if (w->status != WORKER_ACTIVE) {
		buf_printf(out, "\n  %s is %s", w->name, const_name_WORKER(w->status));
		return;
	}
	if (!worker_serves(w, cl)) {
		buf_printf(out, "\n  %s is reserved for namespace '%s'", w->name, w->namespace->name);
		return;
	}
	for (size_t i = 0; i < cl->request->v[0].needs.n; i++) {
		uint32_t r = cl->request->v[0].needs.v[i].resource;
		uint64_t need = cl->request->v[0].needs.v[i].amount, has = w->capacity[r], used = w->committed[r];
		char a[32], b[32];

		if (need > has) {
			buf_printf(out, "\n  %s has %s=%s, it needs %s", w->name, c->requests.names[r],
				   text_show_amount(has, a, sizeof(a)), text_show_amount(need, b, sizeof(b)));
			return;
		}
		if (used + need > has) {
			buf_printf(out, "\n  %s: all of its %s=%s that are needed are in use", w->name,
				   c->requests.names[r], text_show_amount(has, a, sizeof(a)));
			return;
		}
	}
	buf_printf(out, "\n  %s has room: it is given out in the next round", w->name);
}

static void explain_ready(const struct core *c, const struct job *j, uint32_t task, struct buf *out)
{
	const struct request_class *cl = j->groups[j->tasks[task].group].class;
	uint32_t shown = 0;
	size_t able = 0, open = 0;

	if (c->n_workers == 0) {
		buf_append_str(out, "ready, but there is no worker; start one with sched-worker");
		return;
	}
	for (uint32_t i = 1; i < c->workers_end; i++) {
		open += c->workers[i] != NULL && worker_serves(c->workers[i], cl);
		able += c->workers[i] != NULL && worker_can(c->workers[i], cl);
	}
	if (open == 0)
		buf_printf(out, "ready, but %s reserved for other namespaces than its own, '%s'",
			   c->n_workers == 1 ? "the only worker is" : "all workers are", cl->namespace->name);
	else if (able == 0 && c->n_workers == 1)
		buf_printf(out, "ready, but the only worker does not have what it asks for (%s)", cl->request->text);
	else if (able == 0 && open < c->n_workers)
		buf_printf(out,
			   "ready, but none of the %zu workers that serve namespace '%s' has what it asks for (%s)",
			   open, cl->namespace->name, cl->request->text);
	else if (able == 0)
		buf_printf(out, "ready, but none of the %zu workers has what it asks for (%s)", c->n_workers,
			   cl->request->text);
	else if (able == 1)
		buf_printf(out, "ready: waits for room for %s at the only worker that can run it", cl->request->text);
	else
		buf_printf(out, "ready: waits for room for %s at one of %zu workers", cl->request->text, able);
	if (able > 0 && cl->n_ready > 1)
		buf_printf(out, "; %" PRIu64 " tasks that ask for the same are ready", cl->n_ready);
	for (uint32_t i = 1; i < c->workers_end && shown < SHOWN_MAX; i++) {
		if (c->workers[i] != NULL) {
			explain_worker(c, c->workers[i], cl, out);
			shown++;
		}
	}
	if (c->n_workers > shown)
		buf_printf(out, "\n  and %zu more worker%s", c->n_workers - shown,
			   c->n_workers - shown == 1 ? "" : "s");
}

void core_explain(const struct core *c, const struct job *j, uint32_t task, uint64_t now_us, struct buf *out)
{
	const struct task *t = &j->tasks[task];
	const struct task_detail *d = t->detail;
	char shown[32];

	switch (t->state) {
	case TASK_WAITING:
		explain_waiting(c, j, task, now_us, out);
		break;
	case TASK_READY:
		explain_ready(c, j, task, out);
		break;
	case TASK_ASSIGNED:
		buf_printf(out, "is at worker %s, which has not reported that it started", worker_name(c, t->worker));
		break;
	case TASK_RUNNING:
		buf_printf(out, "runs at worker %s", worker_name(c, t->worker));
		break;
	case TASK_DONE:
		if (t->result_bytes == 0)
			buf_append_str(out, "succeeded; its result is empty");
		else if (t->holder != NO_WORKER)
			buf_printf(out, "succeeded; worker %s holds its result (%s)", worker_name(c, t->holder),
				   text_show_bytes(t->result_bytes, shown, sizeof(shown)));
		else
			buf_append_str(out, "succeeded; its result was lost with its worker");
		break;
	case TASK_FAILED:
		buf_printf(out, "failed: %s", d != NULL && d->text != NULL ? d->text : "no reason known");
		break;
	case TASK_CANCELLED:
		buf_append_str(out, "cancelled");
		if (t->worker != NO_WORKER)
			buf_append_str(out, "; its worker is still stopping it");
		else if (j->counts[TASK_FAILED] == 0 && j->text != NULL) /* the job it was to follow has failed */
			buf_printf(out, ": %s", j->text);
		break;
	case TASK_RELEASED:
		buf_append_str(out, "succeeded; its result was dropped, all that needed it have ended");
		break;
	default:
		break;
	}
}
