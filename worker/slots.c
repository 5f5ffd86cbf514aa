/* slots.c - see slots.h. */
#include "worker/slots.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "worker/resource_env.h"
#include "worker/slot.h"
#include "worker/slot_task.h"

#define AHEAD_US	 2000u /* of work given to a slot at most */
#define AHEAD_CALLS	 256u
#define IDLE_US		 (10u * US_PER_S)
#define FALSE_STARTS_MAX 3u
#define INLINE_TOTAL_MAX ((size_t)8 * 1024 * 1024) /* inputs inside one message; further ones go as files */
#define RECHECK_US	 (20u * US_PER_MS)	   /* a limit met while another call was seen running */

TAILQ_HEAD(slot_list, slot);

struct slots {
	struct slots_config c;
	struct slot_parts parts;
	struct slot_list all;
	unsigned n;
	uint64_t last_number;
	struct arena scratch; /* of one message */
};

static void on_dead(struct slot *s, void *arg);
static void on_return(struct slot *s, const struct msg_slot_return *r, void *arg);
static void on_limit(void *arg);
static void on_idle(void *arg);

sc_err slots_new(const struct slots_config *config, struct slots **out)
{
	struct slots *x = mem_calloc(1, sizeof(*x));
	const struct options *o = config->options;

	if (x == NULL)
		return SC_NOMEM;
	x->c = *config;
	x->parts = (struct slot_parts){
		.loop = config->loop,
		.watch = config->watch,
		.env = config->env,
		.limits = {CONN_MAX_FRAME_DEFAULT, (size_t)o->net_output_limit, (size_t)o->net_output_hard_limit},
		.on_dead = on_dead,
		.on_return = on_return,
		.arg = x,
	};
	TAILQ_INIT(&x->all);
	*out = x;
	return SC_OK;
}

static void remove_slot(struct slots *x, struct slot *s)
{
	deadline_clear(x->c.deadlines, &s->idle);
	TAILQ_REMOVE(&x->all, s, link);
	x->n--;
	slot_free(s);
}

void slots_free(struct slots *x)
{
	struct slot *s;

	if (x == NULL)
		return;
	while ((s = TAILQ_FIRST(&x->all)) != NULL)
		remove_slot(x, s);
	arena_fini(&x->scratch);
	mem_free(x);
}

void slots_each_process(const struct slots *x, void (*fn)(pid_t pid, void *arg), void *arg)
{
	const struct slot *s;

	TAILQ_FOREACH (s, &x->all, link) {
		if (s->pid > 0)
			fn(s->pid, arg);
	}
}

/* ---- sending a call ------------------------------------------------------------------------------------------- */

/* What a slot_call refers to, for as long as it takes to send it. */
struct call_inputs {
	struct slice *keys;
	struct slice *values;
	struct column_writer is_path;
};

static sc_err add_input(struct slots *x, const struct task *t, const struct input *in, struct call_inputs *all,
			size_t i, size_t *inline_bytes)
{
	const struct group *g = job_group_of(t->group->job, in->number);
	struct blob *b = in->result == NULL ? NULL : &in->result->stream[STREAM_RESULT];
	char *key = arena_alloc(&x->scratch, KEY_MAX);
	sc_err err;

	if (key == NULL)
		return SC_NOMEM;
	all->keys[i] = (struct slice){key, g == NULL ? 0 : group_key(g, in->number, key)};
	all->values[i] = (struct slice){"", 0};
	if (b != NULL && b->place == BLOB_MEMORY &&
	    (b->bytes > SLOT_INLINE_MAX || *inline_bytes + b->bytes > INLINE_TOTAL_MAX)) {
		err = result_to_file(in->result, STREAM_RESULT);
		if (err != SC_OK)
			return err;
	}
	if (b != NULL && b->place == BLOB_MEMORY) {
		all->values[i] = (struct slice){b->at, (size_t)b->bytes};
		*inline_bytes += (size_t)b->bytes;
	} else if (b != NULL && b->place != BLOB_EMPTY) {
		all->values[i] = slice_of(b->at);
		column_put(&all->is_path, 1);
		return SC_OK;
	}
	column_put(&all->is_path, 0);
	return SC_OK;
}

static sc_err collect_inputs(struct slots *x, const struct task *t, struct call_inputs *all)
{
	size_t inline_bytes = 0;
	sc_err err = SC_OK;

	column_writer_init(&all->is_path);
	all->keys = arena_alloc(&x->scratch, (t->n_inputs + 1) * sizeof(*all->keys));
	all->values = arena_alloc(&x->scratch, (t->n_inputs + 1) * sizeof(*all->values));
	if (all->keys == NULL || all->values == NULL)
		return SC_NOMEM;
	for (uint32_t i = 0; err == SC_OK && i < t->n_inputs; i++)
		err = add_input(x, t, &t->inputs[i], all, i, &inline_bytes);
	return err == SC_OK ? buf_err(&all->is_path.bytes) : err;
}

static sc_err make_result_path(struct slots *x, struct call *c)
{
	char path[SPOOL_PATH_MAX];

	if (c->result_path != NULL)
		return SC_OK;
	spool_path(x->c.spool, "call", path);
	c->result_path = mem_strdup(path);
	return c->result_path == NULL ? SC_NOMEM : SC_OK;
}

/* All tasks that take the same are told the same, unless they have units of their own. */
static sc_err tell_granted(struct slots *x, const struct task *t, struct slices *out)
{
	const struct call_plan *p = t->group->plan;

	if (t->units != NULL)
		return resource_words(&x->scratch, x->c.resources, t->request, t->units, out);
	*out = p->granted[t->request - t->group->requests];
	return SC_OK;
}

static sc_err send_call(struct slots *x, struct slot *s, struct call *c)
{
	struct task *t = c->task;
	struct call_plan *p = t->group->plan;
	struct pattern_values v = {.item = t->item, .job = t->key.job, .attempt = t->attempt};
	struct msg_slot_call m = {.call = c->number,
				  .module = p->module,
				  .function = p->function,
				  .job = t->key.job,
				  .attempt = t->attempt};
	struct call_inputs inputs;
	char key[KEY_MAX];
	sc_err err;

	arena_reset(&x->scratch);
	m.key = v.key = (struct slice){key, group_key(t->group, t->key.task, key)};
	m.index = v.index = group_index(t->group, t->key.task);
	m.item = t->item;
	m.args = (struct slices){call_plan_args(p, &x->scratch, &v), p->n_args};
	err = m.args.v == NULL ? SC_NOMEM : make_result_path(x, c);
	if (err == SC_OK)
		err = tell_granted(x, t, &m.granted);
	if (err == SC_OK) {
		err = collect_inputs(x, t, &inputs);
		if (err == SC_OK) {
			m.input_keys = (struct slices){inputs.keys, t->n_inputs};
			m.inputs = (struct slices){inputs.values, t->n_inputs};
			m.input_is_path = column_of(&inputs.is_path);
			m.result_path = slice_of(c->result_path);
			err = conn_send(s->conn, MSG_slot_call, &m);
		}
		column_writer_fini(&inputs.is_path);
	}
	if (err == SC_OK)
		slot_note_module(s, p);
	return err;
}

static void watch_limit(struct slots *x, struct call *c)
{
	struct task *t = c->task;

	if (c->is_stopped)
		return; /* it has a deadline already */
	t->deadline.fn = on_limit;
	t->deadline.arg = c;
	if (t->group->time_limit_us > 0 &&
	    deadline_set(x->c.deadlines, &t->deadline, loop_now_us(x->c.loop) + t->group->time_limit_us) != SC_OK)
		log_warn("slot", "no-time-limit", "job=%" PRIu64 " task=%" PRIu64, t->key.job, t->key.task);
}

/* ---- giving calls to slots ------------------------------------------------------------------------------------ */

static void call_free(struct call *c)
{
	mem_free(c->result_path);
	mem_free(c);
}

static void call_leave(struct slots *x, struct call *c)
{
	struct slot *s = c->slot;

	TAILQ_REMOVE(&s->calls, c, link);
	s->n_calls--;
	deadline_clear(x->c.deadlines, &c->task->deadline);
	if (s->n_calls == 0 && deadline_set(x->c.deadlines, &s->idle, loop_now_us(x->c.loop) + IDLE_US) != SC_OK)
		log_debug("slot", "stays", "pid=%d", (int)s->pid);
}

/* The task has ended: the resources it has go to whoever came along on them, then it is answered. */
static void call_ended(struct slots *x, struct call *c, struct outcome *o)
{
	struct task *t = c->task;
	struct call *next = TAILQ_NEXT(c, link);
	struct slot *s = c->slot;
	int was_first = TAILQ_FIRST(&s->calls) == c;

	while (next != NULL && next->task->has_resources)
		next = TAILQ_NEXT(next, link);
	if (next != NULL && next->task->request == t->request)
		queue_hand_on(t, next->task);
	call_leave(x, c);
	if (was_first && s->n_calls > 0)
		watch_limit(x, TAILQ_FIRST(&s->calls));
	t->run = NULL;
	call_free(c);
	queue_ended(x->c.queue, t, o);
}

static struct slot *add_slot(struct slots *x)
{
	struct slot *s;

	if (slot_new(&x->parts, &s) != SC_OK)
		return NULL;
	s->idle.fn = on_idle;
	s->idle.arg = s;
	TAILQ_INSERT_HEAD(&x->all, s, link);
	x->n++;
	return s;
}

/* An idle slot, a new one, or the one with the least to do. */
static struct slot *choose(struct slots *x, const struct call_plan *p)
{
	struct slot *s, *best = NULL;

	TAILQ_FOREACH (s, &x->all, link) {
		if (best == NULL || s->n_calls < best->n_calls ||
		    (s->n_calls == best->n_calls && slot_has_old(best, p) && !slot_has_old(s, p)))
			best = s;
	}
	if (best != NULL && best->n_calls == 0 && slot_has_old(best, p)) {
		remove_slot(x, best);
		best = NULL;
	}
	if (best == NULL || (best->n_calls > 0 && x->n < x->c.max))
		s = add_slot(x);
	else
		s = NULL;
	return s != NULL ? s : best;
}

/* The call, at the end of the slot's; not sent if the process is being replaced. */
static struct call *enqueue(struct slots *x, struct slot *s, struct task *t)
{
	struct call *c = mem_calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->slot = s;
	c->task = t;
	c->number = ++x->last_number;
	t->run = c;
	deadline_clear(x->c.deadlines, &s->idle);
	TAILQ_INSERT_TAIL(&s->calls, c, link);
	if (s->n_calls++ == 0)
		watch_limit(x, c);
	return c;
}

static void send_failed(struct outcome *o, sc_err err)
{
	if (err == SC_IO)
		outcome_fail(o, FAIL_SPAWN, (uint64_t)errno, "cannot pass the inputs on: %s", strerror(errno));
	else
		outcome_fail(o, FAIL_SPAWN, 0, "cannot call the function: %s",
			     err == SC_TOO_BIG ? "its arguments and inputs are too large" : sc_err_text(err));
}

static int prepare(struct slots *x, struct group *g, struct outcome *o)
{
	struct buf why;
	sc_err err;

	buf_init(&why, OUTCOME_TEXT_MAX);
	err = call_plan_prepare(g, x->c.decoder, x->c.resources, &why);
	if (err != SC_OK)
		outcome_fail(o, FAIL_BODY, 0, "%s", err == SC_INVALID ? buf_str(&why) : sc_err_text(err));
	buf_fini(&why);
	return err == SC_OK ? 0 : -1;
}

/* Whether the process takes calls.  One that is dying has its calls sent to its successor. */
static int is_alive(const struct slot *s)
{
	return s->pid > 0 && s->conn != NULL && !s->was_killed && !conn_is_closing(s->conn);
}

static int call_start(void *arg, struct task *t, struct outcome *o)
{
	struct slots *x = arg;
	struct slot *s;
	struct call *c;
	sc_err err = SC_OK;

	if (prepare(x, t->group, o) != 0)
		return 0;
	s = choose(x, t->group->plan);
	if (s == NULL || (s->pid <= 0 && s->conn == NULL && slot_start(s) != SC_OK)) {
		outcome_fail(o, FAIL_SPAWN, (uint64_t)errno, "cannot start a function slot: %s", strerror(errno));
		return 0;
	}
	c = enqueue(x, s, t);
	if (c == NULL)
		err = SC_NOMEM;
	else if (is_alive(s))
		err = send_call(x, s, c);
	if (err == SC_OK || err == SC_CLOSED)
		return 1;
	if (c != NULL) {
		call_leave(x, c);
		call_free(c);
	}
	t->run = NULL;
	send_failed(o, err);
	return 0;
}

/* Behind calls of its own group that take the same, if these are short and not too many. */
static enum follow call_follow(void *arg, struct task *t)
{
	struct slots *x = arg;
	const struct group *g = t->group;
	struct slot *s, *best = NULL;
	struct call *c;
	uint64_t depth;

	if (g->plan == NULL || g->n_runs == 0 || g->average_us >= AHEAD_US || t->request->has_units)
		return FOLLOW_NO;
	depth = AHEAD_US / (g->average_us + 1);
	if (depth > AHEAD_CALLS)
		depth = AHEAD_CALLS;
	TAILQ_FOREACH (s, &x->all, link) {
		if (s->n_calls > 0 && s->n_calls < depth && is_alive(s) &&
		    TAILQ_LAST(&s->calls, call_list)->task->request == t->request &&
		    (best == NULL || s->n_calls < best->n_calls))
			best = s;
	}
	if (best == NULL)
		return FOLLOW_NO;
	c = enqueue(x, best, t);
	if (c == NULL)
		return FOLLOW_NO;
	if (send_call(x, best, c) == SC_OK)
		return FOLLOW_STARTED;
	call_leave(x, c);
	call_free(c);
	t->run = NULL;
	return FOLLOW_NO;
}

/* ---- stopping ------------------------------------------------------------------------------------------------- */

/*
 * A function cannot be asked to end: its slot is killed.  A call that is not running is left to run its short course;
 * should it not get there within the kill delay, the slot is killed all the same.
 */
static void call_stop(void *arg, struct task *t, int hard)
{
	struct slots *x = arg;
	struct call *c = t->run;
	uint64_t at = loop_now_us(x->c.loop) + x->c.options->worker_kill_delay;

	c->is_stopped = 1;
	t->deadline.fn = on_limit;
	t->deadline.arg = c;
	if (hard || slot_running(c->slot) == c->number || deadline_set(x->c.deadlines, &t->deadline, at) != SC_OK)
		slot_kill(c->slot);
}

const struct executor call_executor = {call_start, call_stop, call_follow, NULL};

/* The time limit of the first call of a slot, or the kill delay of any. */
static void on_limit(void *arg)
{
	struct call *c = arg;
	struct slots *x = c->slot->parts->arg;
	uint64_t running = slot_running(c->slot);

	if (c->is_stopped) {
		slot_kill(c->slot);
		return;
	}
	if (running == c->number) {
		c->timed_out = 1;
		slot_kill(c->slot);
	} else if (deadline_set(x->c.deadlines, &c->task->deadline,
				loop_now_us(x->c.loop) + (running == 0 ? c->task->group->time_limit_us : RECHECK_US)) !=
		   SC_OK) {
		slot_kill(c->slot);
	}
}

static void on_idle(void *arg)
{
	struct slot *s = arg;

	remove_slot(s->parts->arg, s);
}

/* ---- returns -------------------------------------------------------------------------------------------------- */

static sc_err keep_result(struct slots *x, const struct call *c, const struct msg_slot_return *r, struct outcome *o)
{
	struct buf bytes;
	sc_err err;

	if (r->result_bytes == 0)
		return SC_OK;
	err = result_new(x->c.store, &o->result);
	if (err != SC_OK)
		return err;
	if (r->result_in_file)
		return result_take_file(o->result, STREAM_RESULT, BLOB_FILE, c->result_path, r->result_bytes);
	buf_init(&bytes, 0);
	buf_append(&bytes, r->result.p, r->result.n);
	return result_take_buf(o->result, STREAM_RESULT, &bytes);
}

static void on_return(struct slot *s, const struct msg_slot_return *r, void *arg)
{
	struct slots *x = arg;
	struct call *c = TAILQ_FIRST(&s->calls);
	struct outcome o;
	sc_err err;

	if (c == NULL || c->number != r->call) {
		log_warn("slot", "strange-return", "pid=%d call=%" PRIu64, (int)s->pid, r->call);
		slot_kill(s);
		return;
	}
	s->false_starts = 0;
	outcome_init(&o);
	o.elapsed_us = r->elapsed_us;
	o.cpu_us = r->cpu_us;
	if (r->cause != 0)
		outcome_fail(&o, (unsigned)r->cause, r->status, "%.*s", (int)r->text.n, r->text.p);
	err = keep_result(x, c, r, &o);
	if (err != SC_OK)
		outcome_fail(&o, FAIL_OUTPUT, err == SC_IO ? (uint64_t)errno : 0, "the result could not be kept: %s",
			     err == SC_IO ? strerror(errno) : sc_err_text(err));
	if (r->cause == 0)
		group_note_run(c->task->group, r->elapsed_us);
	call_ended(x, c, &o);
}

/* ---- a dead slot ---------------------------------------------------------------------------------------------- */

static void describe_death(const struct slot *s, char *out, size_t cap)
{
	int signo = WIFSIGNALED(s->status) ? WTERMSIG(s->status) : 0;
	const char *name = signo != 0 ? sigabbrev_np(signo) : NULL;

	if (name != NULL)
		snprintf(out, cap, "killed by signal %d (SIG%s)", signo, name);
	else if (signo != 0)
		snprintf(out, cap, "killed by signal %d", signo);
	else
		snprintf(out, cap, "ended with exit code %d", WEXITSTATUS(s->status));
}

static void fail_call(struct slots *x, struct call *c, const struct slot *s, int is_culprit)
{
	const struct call_plan *p = c->task->group->plan;
	uint64_t status = WIFSIGNALED(s->status) ? (uint64_t)WTERMSIG(s->status) : (uint64_t)WEXITSTATUS(s->status);
	char how[80];
	struct outcome o;

	outcome_init(&o);
	describe_death(s, how, sizeof(how));
	if (c->timed_out)
		outcome_fail(&o, FAIL_TIMEOUT, status, "ran longer than its time limit of %.3f s",
			     (double)c->task->group->time_limit_us / US_PER_S);
	else
		outcome_fail(&o, FAIL_CRASH, status, "%s %s function %s of module %s", how,
			     is_culprit ? "in" : "before it could call", p->function.p, p->module.p);
	o.elapsed_us = loop_now_us(x->c.loop) - c->task->started_us;
	if (c->result_path != NULL)
		unlink(c->result_path);
	call_ended(x, c, &o);
}

/* End the calls that went down with the slot: those that were to, and the one whose fault it was. */
static void bury(struct slots *x, struct slot *s)
{
	struct call *c = TAILQ_FIRST(&s->calls), *next;
	uint64_t first = c == NULL ? 0 : c->number;
	int nobody = s->culprit == 0 && !s->was_killed && ++s->false_starts >= FALSE_STARTS_MAX;

	for (; c != NULL; c = next) {
		int is_culprit = c->number == s->culprit && (!s->was_killed || c->timed_out);

		next = TAILQ_NEXT(c, link);
		if (is_culprit || c->is_stopped || (nobody && c->number == first))
			fail_call(x, c, s, is_culprit);
		else
			c->timed_out = 0; /* it had returned just before */
	}
	if (s->culprit != 0)
		s->false_starts = 0;
}

/* Start anew and send what is left. */
static sc_err revive(struct slots *x, struct slot *s)
{
	struct call *c;
	sc_err err = slot_start(s);

	TAILQ_FOREACH (c, &s->calls, link) {
		if (err == SC_OK)
			err = send_call(x, s, c);
	}
	return err;
}

static void fail_all(struct slots *x, struct slot *s, sc_err err)
{
	struct outcome o;

	while (!TAILQ_EMPTY(&s->calls)) {
		outcome_init(&o);
		send_failed(&o, err);
		call_ended(x, TAILQ_FIRST(&s->calls), &o);
	}
}

static void on_dead(struct slot *s, void *arg)
{
	struct slots *x = arg;
	char how[80];
	sc_err err;

	describe_death(s, how, sizeof(how));
	if (!s->was_killed)
		log_info("slot", "died", "calls=%u how=%s", s->n_calls, log_quote(how));
	bury(x, s);
	loop_wake(x->c.loop); /* this may be the end of a turn */
	slot_reset(s);
	if (s->n_calls == 0) {
		remove_slot(x, s);
		return;
	}
	watch_limit(x, TAILQ_FIRST(&s->calls));
	err = revive(x, s);
	if (err != SC_OK)
		fail_all(x, s, err);
}
