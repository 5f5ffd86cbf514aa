/* sim_graph.c - see sim_graph.h. */
#include "bench/sim_graph.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "bench/graphs.h"
#include "scheduler/core/core.h"

#define TURN_US	      200u
#define LATENCY_US    500u /* of a message, at most */
#define DURATION_US   2000u
#define SLOW_TIMES    50u
#define TURNS_MAX     20000000u
#define INPUTS_TOLD   16u
#define RESULT_BYTES  100000u
#define PERCENT(w, n) (roll(w, 100) < (n))
#define NOBODY	      UINT32_MAX

enum event_kind {
	TO_ASSIGN,
	TO_CANCEL,
	TO_WITHDRAW,
	TO_DROP,
	RUN_ENDS,
	SAY_STARTED,
	SAY_DONE,
	SAY_FAILED,
	SAY_STOPPED,
	SAY_MISSING,
	DIES,
	DRAINS,
	CANCEL_JOB
};

struct event {
	uint64_t at_us, serial; /* what is due at the same time comes in the order in which it was said */
	enum event_kind kind;
	uint32_t worker, life; /* void when that worker has died since */
	uint32_t task, run;
};

struct worker_sim {
	uint32_t number, life, slots, n_running;
	int is_alive, is_slow, is_draining;
	uint64_t in_us, out_us; /* the last message of each direction arrives then */
	uint32_t *queue;
	size_t n_queue, cap_queue;
};

struct world {
	const struct sim_graph_options *o;
	struct sim_counts *counts;
	struct buf *why;
	uint64_t random, now_us, next_serial;
	struct core *core;
	struct graph graph;
	struct job *job;
	struct worker_sim *workers;
	uint32_t *slot_of; /* worker number -> place in workers */
	size_t cap_slots;
	uint32_t *running_at, *held_at, *runs; /* per task: place of the worker or NOBODY; how often it was started */
	struct event *heap;
	size_t n_heap, cap_heap;
	uint32_t n_dead;
	int is_cancelled;
	sc_err err;
};

static void wrong(struct world *w, const char *what, uint32_t task)
{
	if (w->err != SC_OK)
		return;
	w->err = SC_BAD_STATE;
	buf_printf(w->why, "graph %s seed %" PRIu64 " at %" PRIu64 " us: %s (task %u)", w->o->graph, w->o->seed,
		   w->now_us, what, task);
}

/* splitmix64 (Steele, Lea, Flood, OOPSLA 2014) */
static uint32_t roll(struct world *w, uint32_t n)
{
	uint64_t z = (w->random += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return n == 0 ? 0 : (uint32_t)((z ^ (z >> 31)) % n);
}

/* ---- events ----------------------------------------------------------------------------------------------------- */

static int is_before(const struct event *a, const struct event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->serial < b->serial;
}

static void schedule(struct world *w, struct event e)
{
	void *p = mem_grow(w->heap, &w->cap_heap, w->n_heap + 1, sizeof(*w->heap));
	size_t i = w->n_heap;

	if (p == NULL) {
		w->err = SC_NOMEM;
		return;
	}
	w->heap = p;
	w->n_heap++;
	e.serial = w->next_serial++;
	while (i > 0 && is_before(&e, &w->heap[(i - 1) / 2])) {
		w->heap[i] = w->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	w->heap[i] = e;
}

static struct event take_event(struct world *w)
{
	struct event first = w->heap[0], last = w->heap[--w->n_heap];
	size_t i = 0;

	for (;;) {
		size_t kid = 2 * i + 1;

		if (kid >= w->n_heap)
			break;
		if (kid + 1 < w->n_heap && is_before(&w->heap[kid + 1], &w->heap[kid]))
			kid++;
		if (!is_before(&w->heap[kid], &last))
			break;
		w->heap[i] = w->heap[kid];
		i = kid;
	}
	if (w->n_heap > 0)
		w->heap[i] = last;
	return first;
}

/* A message between the core and a worker: after the one before it on that connection. */
static void say(struct world *w, struct worker_sim *k, enum event_kind kind, uint32_t task)
{
	uint64_t *last = kind >= SAY_STARTED ? &k->out_us : &k->in_us;
	uint64_t at = w->now_us + 1 + roll(w, LATENCY_US);

	*last = at > *last ? at : *last;
	schedule(w, (struct event){.at_us = *last,
				   .kind = kind,
				   .worker = (uint32_t)(k - w->workers),
				   .life = k->life,
				   .task = task});
}

/* ---- workers ---------------------------------------------------------------------------------------------------- */

static void join(struct world *w, uint32_t place)
{
	struct worker_sim *k = &w->workers[place];
	char name[32];
	struct worker_spec spec = {.pid = 1, .memory_limit_bytes = (uint64_t)1 << 40};
	struct buf error;
	size_t old = w->cap_slots;
	void *p;

	k->life++;
	snprintf(name, sizeof(name), "w%u.%u", place, k->life);
	spec.name = slice_of(name);
	spec.pool = spec.namespace = slice_of("");
	spec.address = slice_of(name);
	k->slots = 1 + roll(w, 4);
	k->is_slow = PERCENT(w, 2);
	k->is_draining = 0;
	k->n_running = 0;
	k->n_queue = 0;
	k->in_us = k->out_us = w->now_us;
	spec.resources = slice_of(k->slots == 1	  ? "cpus=1"
				  : k->slots == 2 ? "cpus=2"
				  : k->slots == 3 ? "cpus=3"
						  : "cpus=4");
	buf_init(&error, 0);
	if (core_worker_add(w->core, &spec, w->now_us, &k->number, &error) != SC_OK)
		w->err = SC_NOMEM;
	buf_fini(&error);
	k->is_alive = 1;
	p = mem_grow(w->slot_of, &w->cap_slots, (size_t)k->number + 1, sizeof(*w->slot_of));
	if (p == NULL) {
		w->err = SC_NOMEM;
		return;
	}
	w->slot_of = p;
	for (size_t i = old; i < w->cap_slots; i++)
		w->slot_of[i] = NOBODY;
	w->slot_of[k->number] = place;
}

static void die(struct world *w, struct worker_sim *k)
{
	uint32_t place = (uint32_t)(k - w->workers);

	w->counts->faults++;
	w->counts->lost_workers++;
	w->n_dead++;
	for (uint32_t t = 0; t < w->graph.n_tasks; t++) {
		if (w->running_at[t] == place)
			w->running_at[t] = NOBODY;
		if (w->held_at[t] == place)
			w->held_at[t] = NOBODY;
	}
	w->slot_of[k->number] = NOBODY;
	core_worker_lost(w->core, k->number, w->now_us);
	join(w, place); /* another one in its place, with nothing of its own */
}

static uint64_t duration_us(struct world *w, const struct worker_sim *k)
{
	uint64_t us = 1 + roll(w, DURATION_US);

	return k->is_slow ? us * SLOW_TIMES : us;
}

/* An input that is not where the core may think; now and then one is made up, as if lost on its way. */
static int misses_input(struct world *w, uint32_t task)
{
	const struct job *j = w->job;

	for (uint32_t e = 0; e < job_n_inputs(j, task) && e < INPUTS_TOLD; e++)
		if (w->held_at[j->in[j->in_start[task] + e]] == NOBODY)
			return 1;
	return job_n_inputs(j, task) > 0 && roll(w, 5000) == 0;
}

static void start_some(struct world *w, struct worker_sim *k)
{
	uint32_t place = (uint32_t)(k - w->workers);

	while (k->n_running < k->slots && k->n_queue > 0) {
		uint32_t task = k->queue[0];

		memmove(k->queue, k->queue + 1, --k->n_queue * sizeof(*k->queue));
		if (misses_input(w, task)) {
			w->counts->faults++;
			say(w, k, SAY_MISSING, task);
			continue;
		}
		if (w->running_at[task] != NOBODY)
			wrong(w, "runs at two workers at the same time", task);
		w->running_at[task] = place;
		w->runs[task]++;
		k->n_running++;
		say(w, k, SAY_STARTED, task);
		schedule(w, (struct event){.at_us = w->now_us + duration_us(w, k),
					   .kind = RUN_ENDS,
					   .worker = place,
					   .life = k->life,
					   .task = task,
					   .run = w->runs[task]});
	}
}

static void enqueue(struct world *w, struct worker_sim *k, uint32_t task)
{
	void *p = mem_grow(k->queue, &k->cap_queue, k->n_queue + 1, sizeof(*k->queue));

	if (p == NULL) {
		w->err = SC_NOMEM;
		return;
	}
	k->queue = p;
	k->queue[k->n_queue++] = task;
	start_some(w, k);
}

static void stop_task(struct world *w, struct worker_sim *k, uint32_t task, int unstarted_only)
{
	for (size_t i = 0; i < k->n_queue; i++) {
		if (k->queue[i] != task)
			continue;
		memmove(&k->queue[i], &k->queue[i + 1], (--k->n_queue - i) * sizeof(*k->queue));
		say(w, k, SAY_STOPPED, task);
		return;
	}
	if (unstarted_only || w->running_at[task] != (uint32_t)(k - w->workers))
		return; /* it has been answered for: the messages crossed */
	w->running_at[task] = NOBODY;
	w->runs[task]++; /* the end of that run means nothing any more */
	k->n_running--;
	say(w, k, SAY_STOPPED, task);
	start_some(w, k);
}

static void run_ends(struct world *w, struct worker_sim *k, const struct event *e)
{
	if (w->running_at[e->task] != e->worker || w->runs[e->task] != e->run)
		return;
	w->running_at[e->task] = NOBODY;
	k->n_running--;
	if (roll(w, 10000) == 0) {
		w->counts->faults++;
		say(w, k, SAY_FAILED, e->task);
	} else {
		w->held_at[e->task] = e->worker;
		say(w, k, SAY_DONE, e->task);
	}
	start_some(w, k);
}

/* ---- what the core is told -------------------------------------------------------------------------------------- */

static sc_err tell_missing(struct world *w, const struct worker_sim *k, uint32_t task)
{
	const struct job *j = w->job;
	uint32_t inputs[INPUTS_TOLD], holders[INPUTS_TOLD];
	size_t n = 0;

	for (uint32_t e = 0; e < job_n_inputs(j, task) && e < INPUTS_TOLD; e++) {
		uint32_t i = j->in[j->in_start[task] + e];

		if (w->held_at[i] != NOBODY && n + 1 < job_n_inputs(j, task))
			continue;
		inputs[n] = i;
		holders[n++] = j->tasks[i].holder;
	}
	return core_inputs_missing(w->core, k->number, w->job, task, inputs, holders, n, w->now_us);
}

static void tell_core(struct world *w, const struct worker_sim *k, const struct event *e)
{
	struct task_outcome o = {.result_bytes = RESULT_BYTES, .elapsed_us = DURATION_US / 2};
	struct task_failure f = {.cause = FAIL_EXIT, .status = 1, .text = slice_of("exit code 1")};
	sc_err err = SC_OK;

	switch (e->kind) {
	case SAY_STARTED:
		err = core_task_started(w->core, k->number, w->job, e->task);
		break;
	case SAY_DONE:
		err = core_task_done(w->core, k->number, w->job, e->task, &o, w->now_us);
		break;
	case SAY_FAILED:
		err = core_task_failed(w->core, k->number, w->job, e->task, &f, w->now_us);
		break;
	case SAY_STOPPED:
		err = core_task_stopped(w->core, k->number, w->job, e->task, w->now_us);
		break;
	default:
		err = tell_missing(w, k, e->task);
		break;
	}
	if (err != SC_OK)
		wrong(w, "the core does not know of what it gave out", e->task);
}

static void drain(struct world *w, struct worker_sim *k)
{
	w->counts->faults++;
	k->is_draining = !k->is_draining;
	core_worker_set_status(w->core, k->number, k->is_draining ? WORKER_DRAINING : WORKER_ACTIVE);
	if (k->is_draining) /* and back after a while */
		schedule(w, (struct event){.at_us = w->now_us + 100 * (uint64_t)DURATION_US,
					   .kind = DRAINS,
					   .worker = (uint32_t)(k - w->workers),
					   .life = k->life});
}

static void happen(struct world *w, const struct event *e)
{
	struct worker_sim *k = &w->workers[e->worker];
	uint64_t n;

	if (e->kind == CANCEL_JOB) {
		w->is_cancelled = core_job_cancel(w->core, w->job, w->now_us, &n) == SC_OK;
		return;
	}
	if (k->life != e->life)
		return;
	switch (e->kind) {
	case TO_ASSIGN:
		enqueue(w, k, e->task);
		break;
	case TO_CANCEL:
	case TO_WITHDRAW:
		stop_task(w, k, e->task, e->kind == TO_WITHDRAW);
		break;
	case TO_DROP:
		if (w->held_at[e->task] == e->worker)
			w->held_at[e->task] = NOBODY;
		break;
	case RUN_ENDS:
		run_ends(w, k, e);
		break;
	case DIES:
		die(w, k);
		break;
	case DRAINS:
		drain(w, k);
		break;
	default:
		tell_core(w, k, e);
		break;
	}
}

/* ---- what the core decides -------------------------------------------------------------------------------------- */

static void carry_out(struct world *w)
{
	size_t n;
	const struct action *a = core_actions(w->core, &n);

	for (size_t i = 0; i < n; i++) {
		uint32_t place =
			a[i].worker < w->cap_slots && a[i].worker != NO_WORKER ? w->slot_of[a[i].worker] : NOBODY;
		struct worker_sim *k = place == NOBODY ? NULL : &w->workers[place];

		if (k == NULL)
			continue;
		if (a[i].kind == ACTION_ASSIGN) {
			w->counts->assigned++;
			if (k->is_draining)
				wrong(w, "a draining worker is given something", a[i].task);
			say(w, k, TO_ASSIGN, a[i].task);
		} else if (a[i].kind == ACTION_CANCEL) {
			say(w, k, TO_CANCEL, a[i].task);
		} else if (a[i].kind == ACTION_WITHDRAW) {
			w->counts->withdrawn++;
			say(w, k, TO_WITHDRAW, a[i].task);
		} else if (a[i].kind == ACTION_DROP) {
			say(w, k, TO_DROP, a[i].task);
		}
	}
	core_actions_done(w->core);
}

static void check(struct world *w)
{
	if (w->err != SC_OK || core_check(w->core, w->why) == SC_OK)
		return;
	buf_printf(w->why, " (graph %s seed %" PRIu64 " at %" PRIu64 " us)", w->o->graph, w->o->seed, w->now_us);
	w->err = SC_BAD_STATE;
}

static void decide(struct world *w)
{
	core_schedule(w->core, w->now_us);
	carry_out(w);
	w->counts->steps++;
}

/* Until the job has ended and nobody says anything any more. */
static void run_turns(struct world *w)
{
	uint64_t turns = 0;

	decide(w); /* of what was submitted */
	while (w->err == SC_OK && turns < TURNS_MAX) {
		uint64_t due = core_next_due_us(w->core), next = w->n_heap > 0 ? w->heap[0].at_us : UINT64_MAX;

		if (next == UINT64_MAX && (due == UINT64_MAX || job_has_ended(w->job)))
			break;
		w->now_us = due < next ? due : next;
		while (w->err == SC_OK && w->n_heap > 0 && w->heap[0].at_us < w->now_us + TURN_US) {
			struct event e = take_event(w);

			happen(w, &e);
		}
		decide(w);
		if (++turns % w->o->check_every == 0)
			check(w);
	}
	if (turns >= TURNS_MAX)
		wrong(w, "the job does not end", 0);
}

static void check_end(struct world *w)
{
	const struct job *j = w->job;

	check(w);
	if (!job_has_ended(j))
		wrong(w, "nothing happens any more and the job has not ended", 0);
	if (!w->is_cancelled && j->state != JOB_DONE && w->err == SC_OK)
		wrong(w, j->text != NULL ? j->text : "the job did not succeed", 0);
	for (uint32_t t = 0; t < j->n_tasks && w->err == SC_OK; t++) {
		uint32_t holder = j->tasks[t].holder, place = holder == NO_WORKER ? NOBODY : w->slot_of[holder];

		if (w->running_at[t] != NOBODY || j->tasks[t].worker != NO_WORKER)
			wrong(w, "runs though the job has ended", t);
		if (w->held_at[t] != place)
			wrong(w, "its result is not where the core says, or somewhere else as well", t);
	}
}

/* ---- the beginning ---------------------------------------------------------------------------------------------- */

static sc_err submit(struct world *w)
{
	const struct graph *g = &w->graph;
	struct group_spec *groups = mem_calloc(g->n_groups, sizeof(*groups));
	struct slice body = slice_of("");
	struct job_spec spec = {.name = slice_of("graph"), .namespace = slice_of("default"), .groups = groups};
	struct buf error;
	uint64_t id;
	sc_err err = SC_NOMEM;

	spec.n_groups = (uint32_t)g->n_groups;
	spec.bodies = (struct slices){&body, 1};
	spec.in_start = mem_malloc((g->n_tasks + 1) * sizeof(uint32_t));
	spec.in = mem_malloc(g->n_edges * sizeof(uint32_t));
	buf_init(&error, 0);
	if (groups != NULL && spec.in_start != NULL && spec.in != NULL) {
		for (size_t i = 0; i < g->n_groups; i++)
			groups[i] = (struct group_spec){.name = slice_of(g->groups[i].name),
							.n_tasks = g->groups[i].n_tasks,
							.index_step = 1,
							.flags = GROUP_ARRAY,
							.retries = 1000};
		spec.in_start[0] = 0;
		for (size_t t = 0; t < g->n_tasks; t++)
			spec.in_start[t + 1] = spec.in_start[t] + g->counts[t];
		memcpy(spec.in, g->inputs, g->n_edges * sizeof(uint32_t));
		err = core_submit(w->core, &spec, w->now_us, &id, &error);
		if (err != SC_OK)
			buf_printf(w->why, "%s", buf_str(&error));
	}
	if (err != SC_OK) {
		mem_free(spec.in_start);
		mem_free(spec.in);
	} else {
		w->job = core_job(w->core, id);
		w->counts->jobs++;
		w->counts->tasks += g->n_tasks;
	}
	buf_fini(&error);
	mem_free(groups);
	return err;
}

/* Faults are spread over about the time the graph takes. */
static void plan_faults(struct world *w)
{
	uint64_t tasks_a_worker = w->graph.n_tasks / w->o->workers + 4;
	uint32_t span_us = (uint32_t)(tasks_a_worker * DURATION_US);

	for (uint32_t i = 0; i < 2 * w->o->deaths; i++) {
		uint32_t place = roll(w, w->o->workers);

		schedule(w, (struct event){.at_us = w->now_us + roll(w, span_us),
					   .kind = i % 2 == 0 ? DIES : DRAINS,
					   .worker = place,
					   .life = w->workers[place].life});
	}
	if (w->o->seed % 4 == 0)
		schedule(w, (struct event){.at_us = w->now_us + roll(w, span_us), .kind = CANCEL_JOB});
}

static sc_err prepare(struct world *w)
{
	struct core_options co = {
		.max_tasks = 100000000,
		.jobs_kept = 10,
		.crash_limit = 1000,
		.retry_delay_us = 1000,
		.retry_delay_max_us = 100000,
		.prefetch_us = 20000,
		.move_after_us = 20000,
		.probe_tasks = 1,
		.reserve_after_us = 50000,
	};
	size_t n;
	sc_err err = graph_make(w->o->graph, &w->graph);

	if (err != SC_OK) {
		buf_printf(w->why, "graph '%s': %s; there are %s", w->o->graph, sc_err_text(err), graph_names);
		return err;
	}
	n = w->graph.n_tasks;
	w->workers = mem_calloc(w->o->workers, sizeof(*w->workers));
	w->running_at = mem_malloc(n * sizeof(uint32_t));
	w->held_at = mem_malloc(n * sizeof(uint32_t));
	w->runs = mem_calloc(n, sizeof(uint32_t));
	if (w->workers == NULL || w->running_at == NULL || w->held_at == NULL || w->runs == NULL ||
	    core_new(&co, &w->core) != SC_OK)
		return SC_NOMEM;
	memset(w->running_at, 0xff, n * sizeof(uint32_t));
	memset(w->held_at, 0xff, n * sizeof(uint32_t));
	for (uint32_t i = 0; i < w->o->workers; i++)
		join(w, i);
	return w->err == SC_OK ? submit(w) : w->err;
}

sc_err sim_graph_run(const struct sim_graph_options *o, struct sim_counts *counts, struct buf *why)
{
	struct world w = {.o = o, .counts = counts, .why = why, .random = o->seed, .now_us = 1000000};

	w.err = prepare(&w);
	if (w.err == SC_OK) {
		plan_faults(&w);
		run_turns(&w);
		check_end(&w);
	}
	for (uint32_t i = 0; w.workers != NULL && i < o->workers; i++)
		mem_free(w.workers[i].queue);
	core_free(w.core);
	graph_fini(&w.graph);
	mem_free(w.workers);
	mem_free(w.slot_of);
	mem_free(w.running_at);
	mem_free(w.held_at);
	mem_free(w.runs);
	mem_free(w.heap);
	return w.err;
}
