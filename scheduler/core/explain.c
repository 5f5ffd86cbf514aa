/* explain.c - in words, why a task is where it is. */
#include <inttypes.h>

#include "base/text.h"
#include "scheduler/core/core_internal.h"

#define SHOWN_MAX 5u
#define LOOKED_AT 50000u /* entries of queues, to count what goes before a task */

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
		buf_printf(out, "%s%s (%s%s)", n_shown++ > 0 ? ", " : "", job_key(j, i, key, sizeof(key)),
			   const_name_TASK(j->tasks[i].state), j->tasks[i].withheld ? ", not all of its gang" : "");
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

/* ---- a task that is ready --------------------------------------------------------------------------------------- */

/* What keeps this worker from taking a task of the class with this alternative now, as the end of a sentence. */
static void explain_gap(const struct core *c, const struct worker *w, const struct request_class *cl, uint32_t k,
			struct buf *out)
{
	const struct alternative *a = &cl->request->v[k];
	char shown[3][32];

	for (uint32_t i = 0; i < a->n_required; i++) {
		if (!worker_has_label(w, a->labels[i])) {
			buf_printf(out, " does not have label %s", a->labels[i]->text);
			return;
		}
	}
	for (size_t i = 0; i < a->needs.n; i++) {
		uint32_t r = a->needs.v[i].resource;
		uint64_t need = a->needs.v[i].amount, has = w->capacity[r], used = w->committed[r];

		amount_show(r, has, shown[0], sizeof(shown[0]));
		if (need > has) {
			buf_printf(out, " has %s=%s, it needs %s", c->requests.names[r], shown[0],
				   amount_show(r, need, shown[1], sizeof(shown[1])));
			return;
		}
		if (used + need > has) {
			buf_printf(out, " has %s=%s of %s free, it needs %s", c->requests.names[r],
				   amount_show(r, has > used ? has - used : 0, shown[1], sizeof(shown[1])), shown[0],
				   amount_show(r, need, shown[2], sizeof(shown[2])));
			return;
		}
	}
	if (w->reserved != NULL && w->reserved != cl)
		buf_printf(out, " is kept free for a %s that comes first (%s of namespace '%s')",
			   w->reserved->gang_size > 0 ? "gang" : "larger request", w->reserved->request->text,
			   w->reserved->namespace->name);
	else if (cl->gang_size > 0)
		buf_append_str(out, " has room for one of them");
	else
		buf_append_str(out, " has room: it is given out in the next round");
}

static void explain_worker(const struct core *c, const struct worker *w, const struct request_class *cl,
			   struct buf *out)
{
	buf_printf(out, "\n  %s", w->name);
	if (w->status != WORKER_ACTIVE) {
		buf_printf(out, " is %s", const_name_WORKER(w->status));
		return;
	}
	if (!worker_serves(w, cl)) {
		buf_printf(out, " is reserved for namespace '%s'", w->namespace->name);
		return;
	}
	for (uint32_t k = 0; k < cl->request->n; k++) {
		if (k > 0)
			buf_printf(out, "\n    or, alternative %u: it", k + 1);
		explain_gap(c, w, cl, k, out);
	}
}

static void explain_never(const struct request_class *cl, uint64_t wanted, struct buf *out)
{
	const struct namespace_limits *l = &cl->namespace->limits;
	char limit[32];

	buf_append_str(out, "ready, but can never run so: ");
	if (wanted > 1)
		buf_printf(out, "%" PRIu64 " tasks that start together ask for %s each", wanted, cl->request->text);
	else
		buf_printf(out, "it asks for %s", cl->request->text);
	buf_printf(out, ", and the quota of namespace '%s' is ", cl->namespace->name);
	if (l->max_tasks < wanted)
		buf_printf(out, "max-tasks %" PRIu64, l->max_tasks);
	else
		buf_printf(out, "max-cpus %s", text_show_amount(l->max_cpus, limit, sizeof(limit)));
}

enum quota { QUOTA_FREE, QUOTA_REACHED, QUOTA_NEVER };

/* Whether its quota lets nothing more of the namespace out, whichever alternative; if so, which. */
static enum quota explain_quota(const struct request_class *cl, struct buf *out)
{
	const struct namespace *n = cl->namespace;
	uint64_t wanted = cl->gang_size > 0 ? cl->gang_size : 1;
	char used[32], limit[32];

	for (uint32_t k = 0; k < cl->request->n; k++)
		if (namespace_room(cl, k) >= wanted)
			return QUOTA_FREE;
	if (!namespace_allows(cl, wanted)) {
		explain_never(cl, wanted, out);
		return QUOTA_NEVER;
	}
	if (n->limits.max_tasks < n->n_tasks + wanted)
		buf_printf(out,
			   "ready, but the quota of namespace '%s' is reached: %" PRIu64
			   " of its tasks are at workers, max-tasks is %" PRIu64,
			   n->name, n->n_tasks, n->limits.max_tasks);
	else
		buf_printf(out,
			   "ready, but the quota of namespace '%s' is reached: its tasks at workers take %s cpus, "
			   "max-cpus is %s",
			   n->name, text_show_amount(n->cpus, used, sizeof(used)),
			   text_show_amount(n->limits.max_cpus, limit, sizeof(limit)));
	return QUOTA_REACHED;
}

/* Workers that could take a task of the class now. */
static uint32_t n_with_room(const struct core *c, const struct request_class *cl, uint32_t alternative)
{
	uint32_t n = 0;

	for (uint32_t i = 1; i < c->workers_end; i++) {
		const struct worker *w = c->workers[i];

		n += w != NULL && w->status == WORKER_ACTIVE && (w->reserved == NULL || w->reserved == cl) &&
		     worker_room(w, cl, alternative, 0, -1.0f) > 0;
	}
	return n;
}

/* Workers that could ever take a task of the class. */
static uint32_t n_able(const struct core *c, const struct request_class *cl, uint32_t alternative)
{
	uint32_t n = 0;

	for (uint32_t i = 1; i < c->workers_end; i++)
		n += c->workers[i] != NULL && worker_can_meet(c->workers[i], cl, alternative);
	return n;
}

static void write_tally(const struct ready_tally *t, struct buf *out)
{
	buf_printf(out, "%s%" PRIu64, t->looks > 0 ? "" : "at least ", t->n);
}

/* How much goes before it when there is room for either. */
static void explain_order(const struct job *j, uint32_t task, struct buf *out)
{
	const struct run_queue *q = j->groups[j->tasks[task].group].queue;
	struct ready_tally same = {.looks = LOOKED_AT}, all;
	const struct request_class *cl;

	ready_count_before(q->class, q, task, &same);
	all = same;
	TAILQ_FOREACH (cl, &q->class->namespace->classes, ready_link)
		if (cl != q->class)
			ready_count_before(cl, q, task, &all);
	if (all.n == 0 && all.looks > 0) {
		buf_printf(out, "; nothing of namespace '%s' goes before it", j->namespace);
		return;
	}
	buf_append_str(out, "; before it, of higher priority or older: ");
	write_tally(&all, out);
	buf_printf(out, " task%s of namespace '%s' (that ask for the same: ", all.n == 1 ? "" : "s", j->namespace);
	write_tally(&same, out);
	buf_append_str(out, ")");
}

/* 0: it can never start. */
static int explain_gang(const struct core *c, const struct group *g, struct buf *out)
{
	const struct request_class *cl = g->class;
	uint32_t n = ready_gang_size(g->queue), best = 0, most = 0;

	if (!ready_gang_is_complete(g->queue)) {
		buf_printf(out, "ready, but of the %u tasks of its gang only %u %s; they start together", g->n_tasks, n,
			   n == 1 ? "is" : "are");
		return 1;
	}
	for (uint32_t k = 0; k < cl->request->n; k++) {
		uint32_t room = n_with_room(c, cl, k), able = n_able(c, cl, k);

		best = room > best ? room : best;
		most = able > most ? able : most;
	}
	if (most < n) {
		buf_printf(out,
			   "ready, but its gang can never start: %u workers are needed, each for one task (%s), %u "
			   "could take one",
			   n, cl->request->text, most);
		return 0;
	}
	buf_printf(
		out,
		"ready: a gang of %u tasks that start together, each at another worker; %u of the %u worker%s needed "
		"could take one (%s) now",
		n, best < n ? best : n, n, n == 1 ? "" : "s", cl->request->text);
	return 1;
}

/* Labels that it has to have and nobody has. */
static void explain_labels(const struct core *c, const struct request_class *cl, struct buf *out)
{
	for (uint32_t k = 0; k < cl->request->n; k++) {
		const struct alternative *a = &cl->request->v[k];

		for (uint32_t i = 0; i < a->n_required; i++) {
			int found = 0;

			for (uint32_t w = 1; w < c->workers_end && !found; w++)
				found = c->workers[w] != NULL && worker_has_label(c->workers[w], a->labels[i]);
			if (!found)
				buf_printf(out, "; no worker has label %s", a->labels[i]->text);
		}
	}
}

static void explain_workers(const struct core *c, const struct request_class *cl, struct buf *out)
{
	uint32_t shown = 0;

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

/* 0: nobody can run it. */
static int explain_able(const struct core *c, const struct request_class *cl, struct buf *out)
{
	size_t able = 0, open = 0;

	for (uint32_t i = 1; i < c->workers_end; i++) {
		open += c->workers[i] != NULL && worker_serves(c->workers[i], cl);
		able += c->workers[i] != NULL && worker_can(c->workers[i], cl);
	}
	if (open == 0)
		buf_printf(out, "ready, but %s reserved for other namespaces than its own, '%s'",
			   c->n_workers == 1 ? "the only worker is" : "all workers are", cl->namespace->name);
	else if (able == 0 && c->n_workers == 1)
		buf_printf(out, "ready, but the only worker does not have what it asks for (%s)", cl->request->text);
	else if (able == 0 && open == 1)
		buf_printf(out,
			   "ready, but the only worker that serves namespace '%s' does not have what it asks for (%s)",
			   cl->namespace->name, cl->request->text);
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
	if (able == 0 && open > 0)
		explain_labels(c, cl, out);
	if (able > 0 && cl->n_ready > 1)
		buf_printf(out, "; %" PRIu64 " tasks that ask for the same are ready", cl->n_ready);
	return able > 0;
}

static void explain_ready(const struct core *c, const struct job *j, uint32_t task, struct buf *out)
{
	const struct group *g = &j->groups[j->tasks[task].group];
	enum quota quota;
	int waits_its_turn;

	if (c->n_workers == 0) {
		buf_append_str(out, "ready, but there is no worker; start one with sched-worker");
		explain_order(j, task, out);
		return;
	}
	if (g->max_running > 0 && g->n_running >= g->max_running) {
		buf_printf(out, "ready, but %u tasks of %s are given out already, as many as may run at the same time",
			   g->n_running, g->name);
		explain_order(j, task, out);
		return;
	}
	quota = explain_quota(g->class, out);
	if (quota == QUOTA_REACHED)
		explain_order(j, task, out);
	if (quota != QUOTA_FREE)
		return;
	waits_its_turn = g->queue->gang != NULL ? explain_gang(c, g, out) : explain_able(c, g->class, out);
	if (waits_its_turn)
		explain_order(j, task, out);
	explain_workers(c, g->class, out);
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
		if (t->withheld)
			buf_append_str(out, "succeeded; it ends, and its result is of use, when all of its gang have");
		else if (t->result_bytes == 0)
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
		else if ((j->gave_up || j->counts[TASK_FAILED] == 0) &&
			 j->text != NULL) /* the job it was to follow has failed */
			buf_printf(out, ": %s", j->text);
		break;
	case TASK_RELEASED:
		buf_append_str(out, "succeeded; its result was dropped, all that needed it have ended");
		break;
	default:
		break;
	}
}
