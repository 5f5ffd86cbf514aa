/* task_queue.c - see task_queue.h. */
#include "worker/task_queue.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "worker/assignment.h"

#define KINDS		4
#define RUNNING_MAX	4096u /* tasks that ask for nothing (cpus=0) have to be bounded as well */
#define STARTS_PER_TURN 256u  /* processes, so that the connection is not left alone for long */
/* Answers wait for each other this long while there is more to do; the longer when no task can be waiting for them.
 * With what executors are silent about (SETTLE_LONG_US) less than scheduler.move-after, or what is queued is taken for
 * stuck. */
#define ANSWER_DELAY_US	     5000u
#define ANSWER_DELAY_LONG_US 8000u
#define PASSED_MAX	     256u  /* waiting for units: so many are gone past to those that do not */
#define FREE_TASKS_MAX	     4096u /* kept for reuse */

enum task_event { EV_INPUTS_HERE, EV_INPUTS_LOST, EV_FOLLOW, EV_BACK, EV_START, EV_END, EV_STOP, TASK_EVENTS };

TAILQ_HEAD(task_list, task);

struct task_queue {
	struct queue_parts p;
	struct fetcher *fetcher;
	struct {
		const struct executor *ops;
		void *x;
	} executors[KINDS];
	struct task *table; /* by job and number; abandoned tasks are not in it */
	struct task_list at[TASK_PLACES];
	uint64_t n_at[TASK_PLACES];
	struct task_list fresh; /* started in this turn, still running */
	struct task_list free;
	unsigned n_free;
	unsigned inputs_lost; /* fetching tasks marked input_lost */
	int is_paused;	      /* nothing is started */
	struct deadline answer_time;
	int found_disk_full;
	int answers_due;       /* that time has come */
	int answers_awaited;   /* a task may be waiting for one of those that are not told */
	int answers_wait_long; /* the time that is set is the longer one */
};

static void on_answer_time(void *arg)
{
	struct task_queue *q = arg;

	q->answers_due = 1; /* the end of this turn does the rest */
}

sc_err queue_new(const struct queue_parts *parts, struct task_queue **out)
{
	struct task_queue *q = mem_calloc(1, sizeof(*q));

	if (q == NULL)
		return SC_NOMEM;
	q->p = *parts;
	q->answer_time.fn = on_answer_time;
	q->answer_time.arg = q;
	for (int i = 0; i < TASK_PLACES; i++)
		TAILQ_INIT(&q->at[i]);
	TAILQ_INIT(&q->fresh);
	TAILQ_INIT(&q->free);
	*out = q;
	return SC_OK;
}

void queue_set_fetcher(struct task_queue *q, struct fetcher *f)
{
	q->fetcher = f;
}

void queue_set_executor(struct task_queue *q, unsigned kind, const struct executor *ops, void *x)
{
	q->executors[kind].ops = ops;
	q->executors[kind].x = x;
}

int queue_found_disk_full(struct task_queue *q)
{
	int found = q->found_disk_full;

	q->found_disk_full = 0;
	return found;
}

uint64_t queue_running(const struct task_queue *q)
{
	return q->n_at[PLACE_RUNNING] + q->n_at[PLACE_STOPPING];
}

uint64_t queue_waiting(const struct task_queue *q)
{
	return q->n_at[PLACE_FETCHING] + q->n_at[PLACE_QUEUED] + q->n_at[PLACE_AHEAD];
}

void queue_each_running(struct task_queue *q, void (*fn)(struct task *t, void *arg), void *arg)
{
	struct task *t;

	TAILQ_FOREACH (t, &q->at[PLACE_RUNNING], link) {
		fn(t, arg);
	}
	TAILQ_FOREACH (t, &q->at[PLACE_STOPPING], link) {
		fn(t, arg);
	}
}

/* ---- life of a task ------------------------------------------------------------------------------------------- */

static struct task *task_new(struct task_queue *q)
{
	struct task *t = TAILQ_FIRST(&q->free);

	if (t == NULL)
		return mem_calloc(1, sizeof(*t));
	TAILQ_REMOVE(&q->free, t, link);
	q->n_free--;
	memset(t, 0, sizeof(*t));
	return t;
}

static void leave_table(struct task_queue *q, struct task *t)
{
	if (!table_has_added(t))
		return;
	HASH_DEL(q->table, t);
	t->hh.tbl = NULL;
}

/* In no list any more, except the table. */
static void task_free(struct task_queue *q, struct task *t)
{
	leave_table(q, t);
	deadline_clear(q->p.deadlines, &t->deadline);
	if (t->is_fresh)
		TAILQ_REMOVE(&q->fresh, t, fresh);
	q->inputs_lost -= t->input_lost;
	for (uint32_t i = 0; i < t->n_inputs; i++)
		fetcher_forget(q->fetcher, &t->inputs[i]);
	mem_free(t->inputs);
	mem_free((void *)t->item.p);
	holders_unref(t->holders);
	if (t->has_resources)
		resources_give_back(q->p.resources, t->request, t->units);
	group_unref(t->group);
	if (q->n_free >= FREE_TASKS_MAX) {
		mem_free(t);
		return;
	}
	TAILQ_INSERT_HEAD(&q->free, t, link);
	q->n_free++;
}

void queue_free(struct task_queue *q)
{
	struct task *t;

	if (q == NULL)
		return;
	deadline_clear(q->p.deadlines, &q->answer_time);
	for (int i = 0; i < TASK_PLACES; i++) {
		while ((t = TAILQ_FIRST(&q->at[i])) != NULL) {
			TAILQ_REMOVE(&q->at[i], t, link);
			task_free(q, t);
		}
	}
	while ((t = TAILQ_FIRST(&q->free)) != NULL) {
		TAILQ_REMOVE(&q->free, t, link);
		mem_free(t);
	}
	mem_free(q);
}

static struct task *find(struct task_queue *q, uint64_t job, uint64_t number)
{
	struct task_key key = {job, number};
	struct task *t;

	HASH_FIND(hh, q->table, &key, sizeof(key), t);
	return t;
}

/* ---- states --------------------------------------------------------------------------------------------------- */

typedef void (*task_action)(struct task_queue *q, struct task *t, struct outcome *o);

static void act_started(struct task_queue *q, struct task *t, struct outcome *o)
{
	(void)o;
	if (t->silent || t->is_announced)
		return;
	t->is_fresh = 1;
	TAILQ_INSERT_TAIL(&q->fresh, t, fresh);
}

static void act_missing(struct task_queue *q, struct task *t, struct outcome *o)
{
	(void)o;
	if (!t->silent)
		answers_inputs_missing(q->p.answers, t);
}

static void act_cancelled(struct task_queue *q, struct task *t, struct outcome *o)
{
	if (o != NULL)
		result_unref(o->result);
	if (!t->silent)
		answers_cancelled(q->p.answers, t->group->job, (uint32_t)t->key.task);
}

static void act_stop(struct task_queue *q, struct task *t, struct outcome *o)
{
	unsigned kind = t->group->kind;

	(void)o;
	q->executors[kind].ops->stop(q->executors[kind].x, t, 0);
}

static int is_empty(const struct result *r)
{
	return r->stream[STREAM_RESULT].bytes == 0 && r->stream[STREAM_STDERR].bytes == 0;
}

/* Keep what it wrote, if anything, and say how it ended. */
static void act_answer(struct task_queue *q, struct task *t, struct outcome *o)
{
	if (o->result != NULL && (t->silent || is_empty(o->result))) {
		result_unref(o->result);
		o->result = NULL;
	}
	if (t->silent)
		return;
	q->answers_awaited |= !t->group->is_unawaited;
	if (o->result != NULL &&
	    store_put(q->p.store, t->key.job, (uint32_t)t->key.task, result_ref(o->result)) != SC_OK) {
		if (o->cause == 0)
			outcome_fail(o, FAIL_OUTPUT, 0, "no memory to keep the result");
		result_unref(o->result);
		o->result = NULL;
	}
	q->found_disk_full |=
		(o->cause == FAIL_OUTPUT || o->cause == FAIL_SPAWN) && (o->status == ENOSPC || o->status == EDQUOT);
	if (o->cause == 0)
		answers_done(q->p.answers, t->group->job, (uint32_t)t->key.task, o);
	else
		answers_failed(q->p.answers, t->group->job, (uint32_t)t->key.task, o);
	result_unref(o->result);
	o->result = NULL;
}

struct transition {
	enum task_place to;
	task_action action;
	const char *reason; /* NULL: not possible here */
};

static const struct transition table[TASK_PLACES][TASK_EVENTS] = {
	[PLACE_FETCHING][EV_INPUTS_HERE] = {PLACE_QUEUED, NULL, "its inputs are here"},
	[PLACE_FETCHING][EV_INPUTS_LOST] = {PLACE_ENDED, act_missing, "an input is not to be had"},
	[PLACE_FETCHING][EV_END] = {PLACE_ENDED, act_answer, "an input cannot be brought here"},
	[PLACE_FETCHING][EV_STOP] = {PLACE_ENDED, act_cancelled, "stopped before its inputs were here"},
	[PLACE_QUEUED][EV_START] = {PLACE_RUNNING, act_started, "its resources are free"},
	[PLACE_QUEUED][EV_FOLLOW] = {PLACE_AHEAD, NULL, "one that runs will hand its resources on"},
	[PLACE_QUEUED][EV_END] = {PLACE_ENDED, act_answer, "ended at once"},
	[PLACE_QUEUED][EV_STOP] = {PLACE_ENDED, act_cancelled, "stopped before it started"},
	[PLACE_AHEAD][EV_START] = {PLACE_RUNNING, act_started, "it was handed resources"},
	[PLACE_AHEAD][EV_BACK] = {PLACE_QUEUED, NULL, "what it would have followed goes on"},
	[PLACE_AHEAD][EV_END] = {PLACE_ENDED, act_answer, "ended"},
	[PLACE_AHEAD][EV_STOP] = {PLACE_STOPPING, act_stop, "told to end"},
	[PLACE_RUNNING][EV_END] = {PLACE_ENDED, act_answer, "ended"},
	[PLACE_RUNNING][EV_STOP] = {PLACE_STOPPING, act_stop, "told to end"},
	[PLACE_STOPPING][EV_END] = {PLACE_ENDED, act_cancelled, "ended, as it was told to"},
};

static const char *const place_names[TASK_PLACES] = {"fetching", "queued", "ahead", "running", "stopping", "ended"};

/* Nothing else assigns `place`.  The task is gone afterwards if it has ended. */
static void task_event(struct task_queue *q, struct task *t, enum task_event event, struct outcome *o)
{
	const struct transition *x = &table[t->place][event];

	if (x->reason == NULL)
		return;
	log_debug("task", "moved", "job=%" PRIu64 " task=%" PRIu64 " from=%s to=%s reason=%s", t->key.job, t->key.task,
		  place_names[t->place], place_names[x->to], log_quote(x->reason));
	TAILQ_REMOVE(&q->at[t->place], t, link);
	q->n_at[t->place]--;
	t->place = x->to;
	if (event == EV_BACK)
		TAILQ_INSERT_HEAD(&q->at[x->to], t, link);
	else if (x->to != PLACE_ENDED)
		TAILQ_INSERT_TAIL(&q->at[x->to], t, link);
	q->n_at[x->to] += x->to != PLACE_ENDED;
	if (x->action != NULL)
		x->action(q, t, o);
	if (x->to == PLACE_ENDED)
		task_free(q, t);
}

void queue_ended(struct task_queue *q, struct task *t, struct outcome *o)
{
	task_event(q, t, EV_END, o);
}

void queue_started(struct task_queue *q, struct task *t)
{
	t->started_us = loop_now_us(q->p.loop);
	task_event(q, t, EV_START, NULL);
}

void queue_put_back(struct task_queue *q, struct task *t)
{
	task_event(q, t, EV_BACK, NULL);
}

void queue_hand_on(struct task *from, struct task *to)
{
	to->has_resources = from->has_resources;
	to->units = from->units;
	from->has_resources = 0;
	from->units = NULL;
}

/* ---- arrival -------------------------------------------------------------------------------------------------- */

/* Take the next task of the message, whose columns move on in any case.  *out is NULL when it is here already. */
static sc_err read_task(struct task_queue *q, struct assignment *a, struct task **out)
{
	struct task *t = task_new(q);
	sc_err err;

	*out = NULL;
	if (t == NULL)
		return SC_NOMEM;
	err = assignment_next(a, t);
	if (err == SC_OK && find(q, t->key.job, t->key.task) != NULL) {
		log_warn("task", "assigned-twice", "job=%" PRIu64 " task=%" PRIu64, t->key.job, t->key.task);
		task_free(q, t);
		return SC_OK;
	}
	if (err == SC_OK) {
		HASH_ADD(hh, q->table, key, sizeof(t->key), t);
		err = table_has_added(t) ? SC_OK : SC_NOMEM;
	}
	if (err != SC_OK) {
		task_free(q, t);
		return err;
	}
	*out = t;
	return SC_OK;
}

/* A new task: where it begins depends on its inputs. */
static void admit(struct task_queue *q, struct task *t)
{
	int reads_inputs = t->group->kind == KIND_EXEC || t->group->kind == KIND_CALL;

	for (uint32_t i = 0; reads_inputs && i < t->n_inputs; i++) {
		enum fetch_state state = fetcher_want(q->fetcher, &t->inputs[i]);

		t->n_fetching += state == FETCH_COMING;
		if (state == FETCH_FAILED) {
			t->inputs[i].failed = 1;
			t->input_lost = 1;
		}
	}
	if (t->n_fetching > 0 && t->attempt > 0) { /* as with those that start: see announce_suspect() */
		answers_fetching(q->p.answers, t->group->job, (uint32_t)t->key.task);
		answers_write(q->p.answers);
	}
	q->inputs_lost += t->input_lost;
	t->place = t->n_fetching > 0 || t->input_lost ? PLACE_FETCHING : PLACE_QUEUED;
	TAILQ_INSERT_TAIL(&q->at[t->place], t, link);
	q->n_at[t->place]++;
}

/* Tasks that do nothing need no bookkeeping when nothing is before them. */
static int finish_at_once(struct task_queue *q, const struct assignment *a)
{
	const struct request *request = &a->group->requests[0];
	struct unit_share *units;

	if (a->group->kind != KIND_NOOP || a->m->alternative.count > 0 || request->problem != NULL ||
	    !TAILQ_EMPTY(&q->at[PLACE_QUEUED]) || !resources_take(q->p.resources, request, &units))
		return 0;
	resources_give_back(q->p.resources, request, units);
	answers_done_all(q->p.answers, a->group->job, &a->m->task);
	return 1;
}

sc_err queue_assign(struct task_queue *q, const struct msg_tasks_assign *m, struct buf *error)
{
	struct assignment a;
	struct task *t;
	sc_err err = assignment_open(&a, m, jobs_find(q->p.jobs, m->job), error);

	if (err != SC_OK || finish_at_once(q, &a))
		return err;
	while (err == SC_OK && assignment_left(&a) > 0) {
		err = read_task(q, &a, &t);
		if (t != NULL)
			admit(q, t);
	}
	assignment_close(&a);
	return err;
}

void queue_input_settled(struct input *in, void *arg)
{
	struct task_queue *q = arg;
	struct task *t = in->task;

	t->n_fetching--;
	if (in->failed && !t->input_lost) {
		t->input_lost = 1; /* answered at the end of the turn: more of them may be lost at the same time */
		q->inputs_lost++;
	}
	if (t->n_fetching == 0 && !t->input_lost)
		task_event(q, t, EV_INPUTS_HERE, NULL);
}

/* ---- stopping ------------------------------------------------------------------------------------------------- */

/* A task that is ahead may have started without our knowing. */
static int take_back(struct task_queue *q, struct task *t)
{
	unsigned kind = t->group->kind;

	if (!q->executors[kind].ops->withdraw(q->executors[kind].x, t))
		return 0;
	task_event(q, t, EV_BACK, NULL);
	return 1;
}

/* 1: it has not started, and nobody but the queue can start it from now on. */
static int keep_from_starting(struct task_queue *q, struct task *t)
{
	return t->place == PLACE_FETCHING || t->place == PLACE_QUEUED || (t->place == PLACE_AHEAD && take_back(q, t));
}

void queue_cancel(struct task_queue *q, const struct msg_tasks_cancel *m)
{
	struct column_reader r;
	struct task *t;

	column_read(&r, &m->task);
	while (r.left > 0) {
		t = find(q, m->job, column_next(&r));
		if (t != NULL && (!m->unstarted || keep_from_starting(q, t)))
			task_event(q, t, EV_STOP, NULL);
	}
}

void queue_cancel_job(struct task_queue *q, uint64_t job)
{
	for (int place = 0; place < PLACE_ENDED; place++) {
		struct task *t = TAILQ_FIRST(&q->at[place]);

		while (t != NULL) {
			struct task *next = TAILQ_NEXT(t, link);

			if (t->key.job == job)
				task_event(q, t, EV_STOP, NULL);
			t = next;
		}
	}
}

/* What has not started is somebody else's. */
static void give_back(struct task_queue *q)
{
	static const enum task_place places[] = {PLACE_FETCHING, PLACE_QUEUED, PLACE_AHEAD};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct task *t = TAILQ_FIRST(&q->at[places[i]]);

		while (t != NULL) {
			struct task *next = TAILQ_NEXT(t, link);

			if (!t->silent && keep_from_starting(q, t))
				task_event(q, t, EV_STOP, NULL);
			t = next;
		}
	}
}

void queue_pause(struct task_queue *q, int is_paused)
{
	if (is_paused == q->is_paused)
		return;
	q->is_paused = is_paused;
	answers_paused(q->p.answers, is_paused); /* first: what comes back must not be given to us again */
	loop_wake(q->p.loop);
}

void queue_abandon_all(struct task_queue *q, int hard)
{
	for (int place = 0; place < PLACE_ENDED; place++) {
		struct task *t = TAILQ_FIRST(&q->at[place]);

		while (t != NULL) {
			struct task *next = TAILQ_NEXT(t, link);
			unsigned kind = t->group->kind;

			t->silent = 1;
			leave_table(q, t); /* the scheduler may give us the same task again */
			if (hard && place >= PLACE_AHEAD)
				q->executors[kind].ops->stop(q->executors[kind].x, t, 1);
			else
				task_event(q, t, EV_STOP, NULL);
			t = next;
		}
	}
}

/* ---- a turn --------------------------------------------------------------------------------------------------- */

/* A result that is gone is computed again; it would not help if we are not able to take it. */
static void answer_lost_input(struct task_queue *q, struct task *t)
{
	const struct input *in = t->inputs;
	const struct group *g;
	char key[KEY_MAX] = "";
	struct outcome o;

	while (in < t->inputs + t->n_inputs && in->problem == 0)
		in++;
	if (in == t->inputs + t->n_inputs) {
		task_event(q, t, EV_INPUTS_LOST, NULL);
		return;
	}
	g = job_group_of(t->group->job, in->number);
	if (g != NULL)
		group_key(g, in->number, key);
	outcome_init(&o);
	outcome_fail(&o, FAIL_SPAWN, (uint64_t)in->problem, "cannot bring input '%s' to this worker: %s", key,
		     strerror(in->problem));
	task_event(q, t, EV_END, &o);
}

static void answer_lost_inputs(struct task_queue *q)
{
	struct task *t = TAILQ_FIRST(&q->at[PLACE_FETCHING]);

	while (t != NULL && q->inputs_lost > 0) {
		struct task *next = TAILQ_NEXT(t, link);

		if (t->input_lost)
			answer_lost_input(q, t);
		t = next;
	}
}

/*
 * A task may kill its agent before the end of the turn, in which those that were started are told of.  Then nobody
 * knows which of them it was, and the next agent is its next victim.  So what was tried before is told of before it
 * starts.
 */
static void announce_suspect(struct task_queue *q, struct task *t)
{
	if (t->attempt == 0 || t->silent || (t->group->kind != KIND_EXEC && t->group->kind != KIND_CALL))
		return;
	answers_running(q->p.answers, t->group->job, (uint32_t)t->key.task);
	answers_write(q->p.answers);
	t->is_announced = 1;
}

static int lacks_descriptors(const struct outcome *o)
{
	return (o->cause == FAIL_SPAWN || o->cause == FAIL_OUTPUT) && (o->status == EMFILE || o->status == ENFILE);
}

/* Start a task of the queue; 0 when it has to wait. */
static int start_task(struct task_queue *q, struct task *t, struct outcome *o)
{
	unsigned kind = t->group->kind;
	const struct executor *ops = kind < KINDS ? q->executors[kind].ops : NULL;
	enum follow follow;

	outcome_init(o);
	if (ops == NULL || t->request->problem != NULL) {
		if (ops == NULL)
			outcome_fail(o, FAIL_BODY, 0, "tasks of kind %u are not known to this worker", kind);
		else
			outcome_fail(o, FAIL_BODY, 0, "%s", t->request->problem);
		task_event(q, t, EV_END, o);
		return 1;
	}
	if (!resources_take(q->p.resources, t->request, &t->units)) {
		if (t->attempt > 0 || ops->follow == NULL)
			return 0;
		follow = ops->follow(q->executors[kind].x, t);
		if (follow != FOLLOW_NO)
			task_event(q, t, follow == FOLLOW_AHEAD ? EV_FOLLOW : EV_START, NULL);
		return follow != FOLLOW_NO;
	}
	t->has_resources = 1;
	t->started_us = loop_now_us(q->p.loop);
	announce_suspect(q, t);
	if (ops->start(q->executors[kind].x, t, o)) {
		task_event(q, t, EV_START, NULL);
	} else if (lacks_descriptors(o) && queue_running(q) > 0) { /* an end makes room */
		resources_give_back(q->p.resources, t->request, t->units);
		t->units = NULL;
		t->has_resources = 0;
		return 0;
	} else {
		task_event(q, t, EV_END, o);
	}
	return 1;
}

/*
 * In order.  The scheduler counts sums; what fits by them may wait for units all the same (0.6 of a gpu where two have
 * 0.3 left each), and what it was told to start behind that would wait with it for no reason.  Those that want units of
 * the same kind keep their place: smaller ones could take what is freed without end.
 */
static void start_some(struct task_queue *q)
{
	struct task *t, *passed = NULL; /* the last one that was */
	unsigned n = 0, n_passed = 0;
	uint64_t wanted = 0; /* bits: resources whose units others wait for */
	struct outcome o;

	while (n_passed <= PASSED_MAX && queue_running(q) < RUNNING_MAX) {
		t = passed == NULL ? TAILQ_FIRST(&q->at[PLACE_QUEUED]) : TAILQ_NEXT(passed, link);
		if (t == NULL)
			return;
		if (n >= STARTS_PER_TURN) {
			loop_wake(q->p.loop);
			return;
		}
		if ((resources_by_unit(q->p.resources, t->request) & wanted) == 0) {
			n += t->group->kind != KIND_NOOP;
			if (start_task(q, t, &o))
				continue;
			if (!resources_lack_units(q->p.resources, t->request))
				return;
			wanted |= resources_by_unit(q->p.resources, t->request);
		}
		passed = t;
		n_passed++;
	}
}

static void tell(struct task_queue *q)
{
	struct task *t;

	deadline_clear(q->p.deadlines, &q->answer_time);
	q->answers_due = q->answers_awaited = 0;
	while ((t = TAILQ_FIRST(&q->fresh)) != NULL) {
		TAILQ_REMOVE(&q->fresh, t, fresh);
		t->is_fresh = 0;
		answers_running(q->p.answers, t->group->job, (uint32_t)t->key.task);
	}
	answers_flush(q->p.answers);
}

/*
 * Answers wait a little for more of their kind as long as there is plenty left to do: with tasks of a millisecond the
 * messages would cost both sides more than the tasks' bookkeeping.  When there is not, every answer may mean new work.
 */
static int may_wait(struct task_queue *q)
{
	if (q->n_at[PLACE_QUEUED] + q->n_at[PLACE_AHEAD] <= queue_running(q) || q->answers_due ||
	    answers_are_urgent(q->p.answers))
		return 0;
	if (deadline_is_set(&q->answer_time) && !(q->answers_awaited && q->answers_wait_long))
		return 1;
	q->answers_wait_long = !q->answers_awaited;
	return deadline_set(q->p.deadlines, &q->answer_time,
			    loop_now_us(q->p.loop) + (q->answers_wait_long ? ANSWER_DELAY_LONG_US : ANSWER_DELAY_US)) ==
	       SC_OK;
}

void queue_turn(struct task_queue *q)
{
	fetcher_turn(q->fetcher);
	answer_lost_inputs(q);
	if (q->is_paused)
		give_back(q);
	else if (!answers_are_cut_off(q->p.answers)) /* what is here may be elsewhere by now */
		start_some(q);
	if (TAILQ_EMPTY(&q->fresh) && answers_are_empty(q->p.answers))
		return;
	if (!may_wait(q))
		tell(q);
}
