/* sim.c - see sim.h. */
#include "bench/sim.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "bench/chance.h"
#include "bench/sim_growth.h"
#include "bench/sim_message.h"
#include "scheduler/core/core.h"

#define STEP_US	      10000u
#define FINISH_STEPS  200000u
#define WORKERS_MAX   64u
#define PERCENT(s, n) (roll(s, 100) < (n))

/* In one seed of four; the others draw as they did before there were namespaces, for the sake of those that failed. */
#define WITH_NAMESPACES(s) ((s)->o->seed % 4 == 3 || (s)->o->seed % 16 == 13)
#define NAMESPACES	   3u

/* In another one of eight: requests with alternatives, labels and memory; half of these are with all of the above. */
#define WITH_CHOICES(s) ((s)->o->seed % 8 == 5)

/* In one of eight: gangs, and namespaces with weights and quotas. */
#define WITH_GANGS(s) ((s)->o->seed % 8 == 3 || (s)->o->seed % 16 == 13)
#define GANG_TASKS    4u

/* In one of three queued tasks move to idle workers. */
#define WITH_MOVES(s) ((s)->o->seed % 3 == 1)

/* In one of five only one task of a group goes before anything is known of it. */
#define WITH_PROBES(s) ((s)->o->seed % 5 == 2)

/* In eight of 32: workers keep and drop copies of what they fetch, pause, and are drained to the end. */
#define WITH_REPLICAS(s) ((s)->o->seed / 8 % 4 == 1)

/* In one of sixteen: jobs grow, and are submitted open. */
#define WITH_GROWTH(s) ((s)->o->seed % 16 == 5)
#define GROWTHS_MAX    12u

const struct sim_options sim_options_default = {1, 150, 6, 4, 16};

struct sim_worker {
	uint32_t number; /* 0: not there */
	uint32_t serial; /* tells two workers apart that had the same number */
	int slow, paused;
	const char *namespace; /* it is reserved for; "": for none */
	struct sim_queue in, out;
	struct sim_set tasks, held;
};

struct sim {
	const struct sim_options *o;
	struct sim_counts *counts;
	struct buf *why;
	uint64_t random;
	struct core *core;
	uint64_t now_us;
	struct sim_worker workers[WORKERS_MAX];
	uint32_t next_serial;
	unsigned n_jobs, n_growths;
	uint64_t newest_job;
	int quiet; /* no more faults: let it finish */
	sc_err err;
};

static void wrong(struct sim *s, const char *what, uint64_t job, uint32_t task)
{
	if (s->err != SC_OK)
		return;
	s->err = SC_BAD_STATE;
	buf_printf(s->why, "seed %" PRIu64 " step %" PRIu64 ": %s (job %" PRIu64 " task %u)", s->o->seed,
		   s->counts->steps, what, job, task);
}

static uint32_t roll(struct sim *s, uint32_t n)
{
	return chance_roll(&s->random, n);
}

/* ---- small containers ------------------------------------------------------------------------------------------ */

static void push(struct sim *s, struct sim_queue *q, struct sim_msg m)
{
	void *p = mem_grow(q->v, &q->cap, q->n + 1, sizeof(*q->v));

	if (p == NULL) {
		s->err = SC_NOMEM;
		return;
	}
	q->v = p;
	q->v[q->n++] = m;
}

static struct sim_msg shift(struct sim_queue *q)
{
	struct sim_msg m = q->v[0];

	memmove(q->v, q->v + 1, --q->n * sizeof(*q->v));
	return m;
}

static struct sim_task *find(struct sim_set *set, uint64_t job, uint32_t task)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->v[i].job == job && set->v[i].task == task)
			return &set->v[i];
	return NULL;
}

static void add(struct sim *s, struct sim_set *set, uint64_t job, uint32_t task)
{
	void *p = mem_grow(set->v, &set->cap, set->n + 1, sizeof(*set->v));

	if (p == NULL) {
		s->err = SC_NOMEM;
		return;
	}
	set->v = p;
	set->v[set->n++] = (struct sim_task){.job = job, .task = task};
}

static void take_out(struct sim_set *set, struct sim_task *t)
{
	*t = set->v[--set->n];
}

static struct sim_worker *by_number(struct sim *s, uint32_t number)
{
	for (size_t i = 0; i < WORKERS_MAX; i++)
		if (s->workers[i].number == number && number != 0)
			return &s->workers[i];
	return NULL;
}

static unsigned n_alive(const struct sim *s)
{
	unsigned n = 0;

	for (size_t i = 0; i < WORKERS_MAX; i++)
		n += s->workers[i].number != 0;
	return n;
}

static struct sim_worker *any_worker(struct sim *s)
{
	size_t at = roll(s, WORKERS_MAX);

	for (size_t i = 0; i < WORKERS_MAX; i++)
		if (s->workers[(at + i) % WORKERS_MAX].number != 0)
			return &s->workers[(at + i) % WORKERS_MAX];
	return NULL;
}

static void worker_clear(struct sim_worker *w)
{
	mem_free(w->in.v);
	mem_free(w->out.v);
	mem_free(w->tasks.v);
	mem_free(w->held.v);
	*w = (struct sim_worker){0};
}

/* Namespaces of jobs and, when there are any, of workers; the last one has no worker of its own. */
static const char *const namespaces[NAMESPACES] = {"default", "x", "y"};

/* ---- what clients do ------------------------------------------------------------------------------------------- */

static void submit(struct sim *s)
{
	static const char *const requests[] = {"", "cpus=1", "cpus=2", "gpu=1", "cpus=0.5,gpu=1", "cpus=0"};
	static const char *const choices[] = {"gpu=1|cpus=2",
					      "cpus=4|cpus=1,label:zone=a",
					      "cpus=1,prefer:zone=b,prefer:kind=x",
					      "memory=3GiB,label:zone=b|gpu=2|memory=1GiB,cpus=0.5",
					      "cpus=1,memory=2GiB",
					      "cpus=0,memory=1GiB"};
	struct group_spec groups[4];
	char names[4][8];
	struct slice body = slice_of("body");
	struct job_spec spec = {.name = slice_of("sim"), .namespace = slice_of(namespaces[0])};
	uint32_t n_groups = 1 + roll(s, 4), n = 0;
	uint64_t after, id;
	struct buf error;

	for (uint32_t i = 0; i < n_groups; i++) {
		uint32_t flags[] = {0, 0, GROUP_KEEP, GROUP_WANT};

		names[i][0] = (char)('a' + i);
		names[i][1] = '\0';
		groups[i] = (struct group_spec){.name = slice_of(names[i]),
						.n_tasks = 1 + roll(s, s->o->max_tasks / n_groups),
						.index_step = 1,
						.flags = flags[roll(s, 4)],
						.retries = roll(s, 3),
						.request = slice_of(requests[roll(s, 6)]),
						.priority = (int64_t)roll(s, 3)};
		if (WITH_GANGS(s) && PERCENT(s, 40)) {
			groups[i].n_tasks = 1 + roll(s, GANG_TASKS);
			groups[i].flags |= GROUP_GANG;
		}
		if (WITH_CHOICES(s) && PERCENT(s, 60))
			groups[i].request = slice_of(choices[roll(s, 6)]);
		n += groups[i].n_tasks;
	}
	if (WITH_NAMESPACES(s))
		spec.namespace = slice_of(namespaces[roll(s, NAMESPACES)]);
	spec.groups = groups;
	spec.n_groups = n_groups;
	spec.bodies = (struct slices){&body, 1};
	if (PERCENT(s, 80)) { /* edges, from earlier to later tasks */
		uint32_t e = 0;

		spec.in_start = mem_malloc((n + 1) * sizeof(uint32_t));
		spec.in = mem_malloc((size_t)n * 4 * sizeof(uint32_t));
		if (spec.in_start == NULL || spec.in == NULL) {
			s->err = SC_NOMEM;
			mem_free(spec.in_start);
			mem_free(spec.in);
			return;
		}
		for (uint32_t t = 0; t < n; t++) {
			spec.in_start[t] = e;
			for (uint32_t k = roll(s, 4); k > 0 && t > 0; k--)
				spec.in[e++] = roll(s, t);
		}
		spec.in_start[n] = e;
	}
	after = s->newest_job;
	if (after != 0 && PERCENT(s, 20)) {
		spec.after = &after;
		spec.n_after = 1;
	}
	if (WITH_GROWTH(s)) {
		spec.is_open = PERCENT(s, 40);
		spec.max_fails = PERCENT(s, 30) ? 1 + roll(s, 3) : 0;
		for (uint32_t i = 0; i < n_groups; i++)
			groups[i].max_running = roll(s, 4);
	}
	buf_init(&error, 0);
	if (core_submit(s->core, &spec, s->now_us, &id, &error) == SC_OK) {
		s->newest_job = id;
		s->counts->jobs++;
		s->counts->tasks += n;
	} else {
		mem_free(spec.in_start);
		mem_free(spec.in);
	}
	s->n_jobs++;
	buf_fini(&error);
}

static struct job *any_job(struct sim *s)
{
	return s->newest_job == 0 ? NULL : core_job(s->core, 1 + roll(s, (uint32_t)s->newest_job));
}

static void grow(struct sim *s, struct job *j)
{
	uint32_t n = sim_grow(s->core, j, s->n_growths++, s->now_us, &s->random);

	s->counts->tasks += n;
	s->counts->growths += n > 0;
}

/* As the others, and more tasks for jobs that go on. */
static void growth_step(struct sim *s)
{
	struct job *j = any_job(s);

	if (j == NULL || job_has_ended(j))
		return;
	if (PERCENT(s, 10))
		core_await(s->core, j, j->n_tasks > 0 && PERCENT(s, 50) ? roll(s, j->n_tasks) : ALL_TASKS);
	if (s->n_growths < GROWTHS_MAX && PERCENT(s, 70))
		grow(s, j);
	else if (PERCENT(s, 30))
		core_job_close(s->core, j, s->now_us);
}

static void client_step(struct sim *s)
{
	struct job *j = any_job(s);
	uint32_t task;
	uint64_t n;

	if (WITH_GROWTH(s) && PERCENT(s, 50)) {
		growth_step(s);
		return;
	}

	if (s->n_jobs < s->o->max_jobs && PERCENT(s, 50)) {
		submit(s);
		return;
	}
	if (j == NULL)
		return;
	task = roll(s, j->n_tasks);
	switch (roll(s, 10)) {
	case 0:
		core_job_cancel(s->core, j, s->now_us, &n);
		break;
	case 1:
		core_job_forget(s->core, j);
		break;
	case 2:
		core_tasks_retry(s->core, j, NULL, s->now_us, &n);
		break;
	case 3:
		core_tasks_retry(s->core, j, &task, s->now_us, &n);
		break;
	case 4:
		core_result_want(s->core, j, task, s->now_us);
		break;
	default:
		break;
	}
}

/* Weights for all namespaces, a quota for the first; both leave room for a gang of the largest request. */
static void set_limits(struct sim *s)
{
	for (uint32_t i = 0; i < NAMESPACES; i++) {
		struct namespace_limits l = {NAMESPACE_WEIGHT_ONE * (1 + roll(s, 3)), UINT64_MAX, UINT64_MAX};

		if (i == 0) {
			l.max_tasks = GANG_TASKS + roll(s, 8);
			l.max_cpus = (2 * GANG_TASKS + roll(s, 8)) * (uint64_t)AMOUNT_ONE;
		}
		if (core_namespace_set(s->core, slice_of(namespaces[i]), &l) != SC_OK)
			s->err = SC_NOMEM;
	}
}

/* ---- workers come and go --------------------------------------------------------------------------------------- */

static void join(struct sim *s, const char *resources, const char *namespace)
{
	static const struct slice zones[] = {{"zone=a", 6}, {"zone=b", 6}, {"kind=x", 6}};
	char name[32];
	struct worker_spec spec = {0};
	struct buf error;
	size_t i = 0;

	while (i < WORKERS_MAX && s->workers[i].number != 0)
		i++;
	if (i == WORKERS_MAX)
		return;
	snprintf(name, sizeof(name), "w%u", ++s->next_serial);
	spec.name = slice_of(name);
	spec.pool = slice_of("");
	spec.address = slice_of(name);
	spec.resources = slice_of(resources);
	spec.namespace = slice_of(namespace);
	if (WITH_CHOICES(s)) { /* the last ones have everything */
		uint32_t n = s->quiet ? 3 : roll(s, 4), from = s->quiet ? 0 : roll(s, 4 - n);

		spec.labels = (struct slices){zones + from, n};
		spec.memory_limit_bytes = s->quiet ? 0 : (uint64_t)roll(s, 5) << 30;
	}
	buf_init(&error, 0);
	if (core_worker_add(s->core, &spec, s->now_us, &s->workers[i].number, &error) != SC_OK)
		s->err = SC_NOMEM;
	s->workers[i].namespace = namespace;
	s->workers[i].serial = s->next_serial;
	s->workers[i].slow = PERCENT(s, 20);
	buf_fini(&error);
}

static void leave(struct sim *s, struct sim_worker *w)
{
	s->counts->faults++;
	s->counts->lost_workers++;
	core_worker_lost(s->core, w->number, s->now_us);
	worker_clear(w);
}

static const char *any_reservation(struct sim *s)
{
	return WITH_NAMESPACES(s) && PERCENT(s, 50) ? namespaces[roll(s, NAMESPACES - 1)] : "";
}

/* It says so, and gives back what it has not started. */
static void pause_worker(struct sim *s, struct sim_worker *w, int paused)
{
	w->paused = paused;
	core_worker_set_paused(s->core, w->number, paused);
	s->counts->faults += (uint64_t)paused;
	for (size_t i = w->tasks.n; paused && i-- > 0;) {
		if (w->tasks.v[i].started)
			continue;
		push(s, &w->out,
		     (struct sim_msg){.kind = SAY_STOPPED, .job = w->tasks.v[i].job, .task = w->tasks.v[i].task});
		take_out(&w->tasks, &w->tasks.v[i]);
	}
}

static void world_step(struct sim *s)
{
	static const char *const has[] = {"cpus=1", "cpus=2", "cpus=4,gpu=1", "cpus=2,gpu=2"};
	struct sim_worker *w = any_worker(s);

	if (n_alive(s) < s->o->max_workers && PERCENT(s, 40)) {
		const char *resources = has[roll(s, 4)];

		join(s, resources, any_reservation(s));
		return;
	}
	if (w == NULL)
		return;
	if (PERCENT(s, 30))
		leave(s, w);
	else if (PERCENT(s, 30))
		core_worker_set_status(s->core, w->number, PERCENT(s, 50) ? WORKER_DRAINING : WORKER_ACTIVE);
	else if (WITH_REPLICAS(s) && PERCENT(s, 50))
		pause_worker(s, w, !w->paused);
}

/* ---- what workers do ------------------------------------------------------------------------------------------- */

static struct sim_task *holder_of(struct sim *s, uint64_t job, uint32_t task)
{
	for (size_t i = 0; i < WORKERS_MAX; i++) {
		struct sim_task *t = s->workers[i].number != 0 ? find(&s->workers[i].held, job, task) : NULL;

		if (t != NULL)
			return t;
	}
	return NULL;
}

/* Fetch an output from whoever has it: it is kept, and the core is told. */
static void fetch(struct sim *s, struct sim_worker *w, uint64_t job, uint32_t task, int is_copy)
{
	const struct sim_task *from = holder_of(s, job, task);
	struct sim_msg m = {.kind = SAY_DROPPED, .job = job, .task = task};
	struct sim_task *own = find(&w->held, job, task);

	if (own != NULL) {
		own->is_pinned |= !is_copy;
		if (!is_copy && from != NULL)
			own->stderr_bytes = from->stderr_bytes;
		from = own;
	}
	if (from != NULL && (s->quiet || PERCENT(s, 80))) {
		m.kind = SAY_ADDED;
		m.result_bytes = from->result_bytes;
		m.stderr_bytes = is_copy ? 0 : from->stderr_bytes;
		if (own == NULL) {
			add(s, &w->held, job, task);
			own = &w->held.v[w->held.n - 1];
			own->is_copy = 1;
			own->is_pinned = !is_copy;
			own->result_bytes = m.result_bytes;
			own->stderr_bytes = m.stderr_bytes;
		}
		s->counts->copies++;
	} else {
		if (is_copy)
			return;
		s->counts->faults++;
		if (own != NULL && own->is_copy) {
			take_out(&w->held, own);
		} else if (own != NULL) {
			m.kind = SAY_ADDED;
			m.result_bytes = own->result_bytes;
			m.stderr_bytes = own->stderr_bytes;
		}
	}
	push(s, &w->out, m);
}

/* What is here of the inputs when a task starts. */
static void fetch_inputs(struct sim *s, struct sim_worker *w, uint64_t job, uint32_t task)
{
	const struct job *j = core_job(s->core, job);

	for (uint32_t e = 0; j != NULL && e < job_n_inputs(j, task); e++) {
		uint32_t i = j->in[j->in_start[task] + e];
		const struct sim_task *from = holder_of(s, job, i);

		if (from != NULL && from->result_bytes > 0 && find(&w->held, job, i) == NULL)
			fetch(s, w, job, i, 1);
	}
}

/* Room for others: a copy nobody said to keep goes. */
static void evict(struct sim *s, struct sim_worker *w)
{
	struct sim_task *t = w->held.n == 0 ? NULL : &w->held.v[roll(s, (uint32_t)w->held.n)];

	if (t == NULL || !t->is_copy || t->is_pinned)
		return;
	push(s, &w->out, (struct sim_msg){.kind = SAY_DROPPED, .job = t->job, .task = t->task});
	take_out(&w->held, t);
}

static void deliver_to_worker(struct sim *s, struct sim_worker *w)
{
	struct sim_msg m = shift(&w->in);
	struct sim_task *t = find(&w->tasks, m.job, m.task);

	switch (m.kind) {
	case TO_ASSIGN:
		if (t != NULL)
			wrong(s, "a worker is given a task it has", m.job, m.task);
		add(s, &w->tasks, m.job, m.task);
		break;
	case TO_CANCEL:
		if (t != NULL)
			t->cancelled = 1;
		else
			s->counts->crossings++;
		break;
	case TO_WITHDRAW:
		if (t != NULL && !t->started)
			t->cancelled = 1;
		s->counts->withdrawn++;
		break;
	case TO_DROP:
		t = find(&w->held, m.job, m.task);
		if (t != NULL)
			take_out(&w->held, t);
		else if (!WITH_REPLICAS(s))
			wrong(s, "a worker is to drop what it does not hold", m.job, m.task);
		break;
	case TO_DROP_COPY:
		t = find(&w->held, m.job, m.task);
		if (t == NULL || !t->is_copy)
			break;
		take_out(&w->held, t);
		push(s, &w->out, (struct sim_msg){.kind = SAY_DROPPED, .job = m.job, .task = m.task});
		break;
	case TO_KEEP:
		t = find(&w->held, m.job, m.task);
		if (t != NULL)
			t->is_copy = 0;
		break;
	case TO_FETCH:
		fetch(s, w, m.job, m.task, 0);
		break;
	case TO_FORGET:
		for (size_t i = w->held.n; i-- > 0;)
			if (w->held.v[i].job == m.job)
				take_out(&w->held, &w->held.v[i]);
		break;
	default:
		break;
	}
}

/* An input whose holder is gone, as the worker would find out; the fault injector also makes one up now and then. */
static int missing_input(struct sim *s, struct sim_worker *w, const struct sim_task *t, struct sim_msg *m)
{
	struct job *j = core_job(s->core, t->job);

	for (uint32_t e = 0; j != NULL && e < job_n_inputs(j, t->task); e++) {
		uint32_t i = j->in[j->in_start[t->task] + e], holder = j->tasks[i].holder;
		struct sim_worker *h = by_number(s, holder);

		if (j->tasks[i].state == TASK_DONE && j->tasks[i].result_bytes > 0 && h != NULL && !s->quiet &&
		    PERCENT(s, 5)) {
			*m = (struct sim_msg){
				.kind = SAY_MISSING, .job = t->job, .task = t->task, .input = i, .holder = holder};
			s->counts->faults++;
			return 1;
		}
	}
	(void)w;
	return 0;
}

static void work(struct sim *s, struct sim_worker *w)
{
	struct sim_task *t;
	struct sim_msg m;

	if (w->tasks.n == 0)
		return;
	t = &w->tasks.v[roll(s, (uint32_t)w->tasks.n)];
	m = (struct sim_msg){.job = t->job, .task = t->task};
	if (t->cancelled && PERCENT(s, 70)) {
		m.kind = SAY_STOPPED;
	} else if (!t->started && !t->cancelled && missing_input(s, w, t, &m)) {
		/* as filled in */
	} else if (!t->started && PERCENT(s, 50)) {
		if (w->paused && !s->quiet)
			return;
		if (WITH_REPLICAS(s))
			fetch_inputs(s, w, t->job, t->task);
		t->started = 1;
		m.kind = WITH_GROWTH(s) && PERCENT(s, 30) ? SAY_FETCHES : SAY_STARTED;
		t->started = m.kind == SAY_STARTED;
		push(s, &w->out, m);
		return;
	} else if (PERCENT(s, s->quiet ? 0 : 15)) {
		m.kind = SAY_FAILED;
		m.stderr_bytes = roll(s, 2) * 10u;
		s->counts->faults++;
	} else {
		m.kind = SAY_DONE;
		m.result_bytes = roll(s, 3) * 100u;
		m.stderr_bytes = PERCENT(s, 10) ? 5 : 0;
	}
	if (m.result_bytes + m.stderr_bytes > 0) {
		struct sim_task *old = find(&w->held, t->job, t->task);

		if (old != NULL)
			take_out(&w->held, old);
		add(s, &w->held, t->job, t->task);
		w->held.v[w->held.n - 1].result_bytes = m.result_bytes;
		w->held.v[w->held.n - 1].stderr_bytes = m.stderr_bytes;
	}
	take_out(&w->tasks, t);
	push(s, &w->out, m);
}

static void deliver_to_core(struct sim *s, struct sim_worker *w)
{
	struct sim_msg m = shift(&w->out);
	struct job *j = core_job(s->core, m.job);
	struct task_outcome o = {m.result_bytes, m.stderr_bytes, 1000 + roll(s, 100000), 0, 0};
	struct task_failure f = {FAIL_EXIT, 1, slice_of("exit code 1"), slice_of("err"), {0}};
	sc_err err = SC_OK;

	if (j == NULL && (m.kind == SAY_ADDED || m.kind == SAY_DROPPED))
		return;
	if (j == NULL) {
		wrong(s, "a job is forgotten while a worker has a task of it", m.job, m.task);
		return;
	}
	f.outcome = o;
	switch (m.kind) {
	case SAY_STARTED:
		err = core_task_started(s->core, w->number, j, m.task);
		break;
	case SAY_FETCHES:
		err = core_task_fetches(s->core, w->number, j, m.task);
		break;
	case SAY_DONE:
		err = core_task_done(s->core, w->number, j, m.task, &o, s->now_us);
		break;
	case SAY_FAILED:
		err = core_task_failed(s->core, w->number, j, m.task, &f, s->now_us);
		break;
	case SAY_STOPPED:
		err = core_task_stopped(s->core, w->number, j, m.task, s->now_us);
		break;
	case SAY_ADDED:
		err = core_replica_added(s->core, w->number, j, m.task, m.result_bytes, m.stderr_bytes);
		break;
	case SAY_DROPPED:
		err = core_replica_dropped(s->core, w->number, j, m.task, s->now_us);
		break;
	case SAY_MISSING:
		err = core_inputs_missing(s->core, w->number, j, m.task, &m.input, &m.holder, 1, s->now_us);
		break;
	default:
		break;
	}
	if (err != SC_OK)
		wrong(s, "the core does not accept an answer", m.job, m.task);
}

static void worker_step(struct sim *s, struct sim_worker *w)
{
	if (w == NULL || (w->slow && !s->quiet && PERCENT(s, 80)))
		return;
	if (w->in.n > 0 && PERCENT(s, 70))
		deliver_to_worker(s, w);
	if (PERCENT(s, 70))
		work(s, w);
	if (WITH_REPLICAS(s) && PERCENT(s, 20))
		evict(s, w);
	if (w->out.n > 0 && PERCENT(s, 70))
		deliver_to_core(s, w);
}

/* ---- what the core decides -------------------------------------------------------------------------------------- */

/* Whether the worker has said, and the core not heard yet, that it holds the output no more. */
static int is_taken_back(const struct sim_worker *w, uint64_t job, uint32_t task)
{
	for (size_t i = 0; i < w->out.n; i++)
		if (w->out.v[i].kind == SAY_DROPPED && w->out.v[i].job == job && w->out.v[i].task == task)
			return 1;
	return 0;
}

/* Everybody the core takes for a holder is one. */
static void check_holders(struct sim *s, const struct job *j, uint32_t task)
{
	uint32_t who[WORKERS_MAX];
	size_t n = core_holders(s->core, j, task, who, WORKERS_MAX);

	if (n == 0)
		wrong(s, "nobody holds an input", j->id, task);
	for (size_t i = 0; i < n; i++) {
		struct sim_worker *h = by_number(s, who[i]);

		if (h == NULL || (find(&h->held, j->id, task) == NULL && !is_taken_back(h, j->id, task)))
			wrong(s, "an input is not where the core says", j->id, task);
	}
}

/* The task must not be at another worker, its worker not another namespace's, and its inputs where the core says. */
static void check_assign(struct sim *s, const struct sim_worker *w, const struct action *a)
{
	if (w->namespace[0] != '\0' && strcmp(w->namespace, a->job->namespace) != 0)
		wrong(s, "a task is given to a worker reserved for another namespace", a->job->id, a->task);
	for (size_t i = 0; i < WORKERS_MAX; i++)
		if (s->workers[i].number != 0 && find(&s->workers[i].tasks, a->job->id, a->task) != NULL)
			wrong(s, "a task is given out while a worker has it", a->job->id, a->task);
	for (uint32_t e = 0; e < job_n_inputs(a->job, a->task); e++) {
		uint32_t k = a->job->in[a->job->in_start[a->task] + e];
		const struct task *t = &a->job->tasks[k];
		if (t->state != TASK_DONE)
			wrong(s, "a task is given out before its input is done", a->job->id, a->task);
		else if (t->result_bytes > 0)
			check_holders(s, a->job, k);
	}
}

static void forget_everywhere(struct sim *s, uint64_t job)
{
	for (size_t i = 0; i < WORKERS_MAX; i++)
		if (s->workers[i].number != 0)
			push(s, &s->workers[i].in, (struct sim_msg){.kind = TO_FORGET, .job = job});
}

static enum sim_event message_for(enum action_kind kind)
{
	switch (kind) {
	case ACTION_ASSIGN:
		return TO_ASSIGN;
	case ACTION_CANCEL:
		return TO_CANCEL;
	case ACTION_WITHDRAW:
		return TO_WITHDRAW;
	case ACTION_DROP_COPY:
		return TO_DROP_COPY;
	case ACTION_KEEP:
		return TO_KEEP;
	case ACTION_REPLICATE:
		return TO_FETCH;
	default:
		return TO_DROP;
	}
}

static void carry_out(struct sim *s)
{
	size_t n;
	const struct action *v = core_actions(s->core, &n);

	for (size_t i = 0; i < n; i++) {
		struct sim_worker *w = by_number(s, v[i].worker);
		struct sim_msg m = {.kind = message_for(v[i].kind), .task = v[i].task};

		if (v[i].job == NULL)
			continue; /* ACTION_DRAINED: nothing a worker is told */
		m.job = v[i].job->id;
		if (v[i].kind == ACTION_JOB_FORGET)
			forget_everywhere(s, v[i].job->id);
		if (w == NULL)
			continue;
		if (v[i].kind == ACTION_ASSIGN) {
			check_assign(s, w, &v[i]);
			s->counts->assigned++;
		}
		push(s, &w->in, m);
	}
	core_actions_done(s->core);
}

/* All tasks of a gang were given out in this round, each to another worker. */
static void check_gang(struct sim *s, const struct action *actions, size_t n, const struct action *first)
{
	const struct job *j = first->job;
	uint32_t group = j->tasks[first->task].group, given = 0;

	for (size_t i = 0; i < n; i++) {
		const struct action *a = &actions[i];

		if (a->kind != ACTION_ASSIGN || a->job != j || j->tasks[a->task].group != group)
			continue;
		given++;
		for (size_t k = 0; k < i; k++)
			if (actions[k].kind == ACTION_ASSIGN && actions[k].job == j &&
			    j->tasks[actions[k].task].group == group && actions[k].worker == a->worker)
				wrong(s, "two tasks of a gang are at one worker", j->id, a->task);
	}
	if (given != j->groups[group].n_tasks)
		wrong(s, "a gang does not start together", j->id, first->task);
	s->counts->gangs++;
}

static void check_gangs(struct sim *s)
{
	size_t n;
	const struct action *a = core_actions(s->core, &n);

	for (size_t i = 0; i < n && s->err == SC_OK; i++)
		if (a[i].kind == ACTION_ASSIGN && a[i].worker != NO_WORKER &&
		    a[i].job->groups[a[i].job->tasks[a[i].task].group].class->gang_size > 0)
			check_gang(s, a, n, &a[i]);
}

static void turn(struct sim *s)
{
	core_schedule(s->core, s->now_us);
	check_gangs(s);
	carry_out(s);
	if (s->err == SC_OK && core_check(s->core, s->why) != SC_OK) {
		buf_printf(s->why, " (seed %" PRIu64 " step %" PRIu64 ")", s->o->seed, s->counts->steps);
		s->err = SC_BAD_STATE;
	}
	s->counts->steps++;
	s->now_us += roll(s, STEP_US);
}

/* ---- the end ---------------------------------------------------------------------------------------------------- */

static int messages_under_way(const struct sim *s)
{
	for (size_t i = 0; i < WORKERS_MAX; i++)
		if (s->workers[i].in.n > 0 || s->workers[i].out.n > 0 || s->workers[i].tasks.n > 0)
			return 1;
	return 0;
}

static int all_ended(const struct sim *s)
{
	const struct job *j;

	for (j = core_job_first(s->core); j != NULL; j = core_job_next(s->core, j))
		if (!job_has_ended(j))
			return 0;
	return 1;
}

static int is_holder(struct sim *s, const struct job *j, uint32_t task, uint32_t worker)
{
	uint32_t who[WORKERS_MAX];
	size_t n = core_holders(s->core, j, task, who, WORKERS_MAX);

	while (n > 0 && who[n - 1] != worker)
		n--;
	return n > 0;
}

static int is_drained(const struct sim *s)
{
	for (uint32_t i = 1; i < core_workers_end(s->core); i++) {
		const struct worker *w = core_worker(s->core, i);

		if (w != NULL && w->status == WORKER_DRAINING && !w->is_drained)
			return 0;
	}
	return 1;
}

/* All but the one that came last are drained, and then go: no output may be lost by that. */
static void drain_all(struct sim *s)
{
	uint64_t held = 0, kept = 0;
	unsigned steps = 0;

	for (size_t i = 0; i < WORKERS_MAX; i++)
		if (s->workers[i].number != 0 && s->workers[i].serial != s->next_serial)
			core_worker_set_status(s->core, s->workers[i].number, WORKER_DRAINING);
	for (uint32_t i = 1; i < core_workers_end(s->core); i++)
		held += core_worker(s->core, i) != NULL ? core_worker(s->core, i)->held.n : 0;
	while (s->err == SC_OK && (!is_drained(s) || messages_under_way(s)) && steps++ < FINISH_STEPS) {
		for (size_t i = 0; i < WORKERS_MAX; i++)
			if (s->workers[i].number != 0)
				worker_step(s, &s->workers[i]);
		turn(s);
	}
	if (s->err == SC_OK && steps >= FINISH_STEPS)
		wrong(s, "a worker is not drained", 0, 0);
	for (size_t i = 0; i < WORKERS_MAX; i++)
		if (s->workers[i].number != 0 && s->workers[i].serial != s->next_serial) {
			core_worker_lost(s->core, s->workers[i].number, s->now_us);
			worker_clear(&s->workers[i]);
		}
	turn(s);
	for (uint32_t i = 1; i < core_workers_end(s->core); i++)
		kept += core_worker(s->core, i) != NULL ? core_worker(s->core, i)->held.n : 0;
	if (s->err == SC_OK && kept != held)
		wrong(s, "outputs are lost by draining", 0, 0);
	while (s->err == SC_OK && messages_under_way(s)) {
		for (size_t i = 0; i < WORKERS_MAX; i++)
			if (s->workers[i].number != 0)
				worker_step(s, &s->workers[i]);
		turn(s);
	}
}

/* No more faults, and room for everything: every job has to end, and nobody may hold what the core does not know of. */
static void finish(struct sim *s)
{
	unsigned steps = 0;

	s->quiet = 1;
	for (struct job *j = core_job_first(s->core), *next; j != NULL; j = next) {
		next = core_job_next(s->core, j); /* closing may end it, and an ended one may be forgotten */
		core_job_close(s->core, j, s->now_us);
	}
	if (WITH_GROWTH(s))
		turn(s); /* what follows from that has to be told even when nothing else happens any more */
	for (size_t i = 0; i < WORKERS_MAX; i++)
		if (s->workers[i].number != 0) {
			core_worker_set_status(s->core, s->workers[i].number, WORKER_ACTIVE);
			if (WITH_REPLICAS(s))
				pause_worker(s, &s->workers[i], 0);
		}
	for (uint32_t i = 0; i < (WITH_GANGS(s) ? GANG_TASKS : 1); i++)
		join(s, "cpus=8,gpu=4", "");
	while (s->err == SC_OK && (!all_ended(s) || messages_under_way(s)) && steps++ < FINISH_STEPS) {
		for (size_t i = 0; i < WORKERS_MAX; i++)
			if (s->workers[i].number != 0)
				worker_step(s, &s->workers[i]);
		if (core_next_due_us(s->core) != UINT64_MAX && core_next_due_us(s->core) > s->now_us && PERCENT(s, 20))
			s->now_us = core_next_due_us(s->core);
		turn(s);
	}
	if (s->err == SC_OK && steps >= FINISH_STEPS)
		wrong(s, "a job does not end", 0, 0);
	if (WITH_REPLICAS(s))
		drain_all(s);
	for (size_t i = 0; i < WORKERS_MAX && s->err == SC_OK; i++) {
		for (size_t k = 0; k < s->workers[i].held.n; k++) {
			const struct sim_task *t = &s->workers[i].held.v[k];
			struct job *j = core_job(s->core, t->job);

			if (j == NULL || !is_holder(s, j, t->task, s->workers[i].number))
				wrong(s, "an output is held that the core does not know of", t->job, t->task);
		}
	}
}

sc_err sim_run(const struct sim_options *o, struct sim_counts *counts, struct buf *why)
{
	struct sim s = {.o = o, .counts = counts, .why = why, .random = o->seed, .now_us = 1000000};
	struct core_options co = {
		.max_tasks = 1000000,
		.jobs_kept = 3,
		.crash_limit = 3,
		.retry_delay_us = 20000,
		.retry_delay_max_us = 100000,
		.prefetch_us = 20000,
		.move_after_us = WITH_MOVES(&s) ? 20000 : 0,
		.probe_tasks = 1,
		.probe_us = WITH_PROBES(&s) ? 5000 : 0,
		.reserve_after_us = 50000,
	};

	if (core_new(&co, &s.core) != SC_OK)
		return SC_NOMEM;
	if (WITH_GANGS(&s))
		set_limits(&s);
	for (unsigned i = 0; i < o->steps && s.err == SC_OK; i++) {
		uint32_t what = roll(&s, 100);

		if (what < 10)
			client_step(&s);
		else if (what < 18)
			world_step(&s);
		else
			worker_step(&s, any_worker(&s));
		turn(&s);
	}
	if (s.err == SC_OK)
		finish(&s);
	for (size_t i = 0; i < WORKERS_MAX; i++)
		worker_clear(&s.workers[i]);
	core_free(s.core);
	return s.err;
}
