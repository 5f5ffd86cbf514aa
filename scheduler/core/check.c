/*
 * check.c - does everything hold that the core relies on?
 *
 * Recomputes every count and every place in a list from the states of tasks.  Run after each step in debug builds, in
 * the simulator and in tests; a wrong count found here is found at its cause.
 */
#include <inttypes.h>

#include "base/mem.h"
#include "scheduler/core/core_internal.h"
#include "scheduler/core/foremost.h"

#define WRONG(...)                                                                                                     \
	do {                                                                                                           \
		buf_printf(error, __VA_ARGS__);                                                                        \
		return SC_BAD_STATE;                                                                                   \
	} while (0)

static int in_list(const struct task_list *l, const struct job *j, uint32_t task)
{
	uint32_t pos = j->tasks[task].pos;

	return pos < l->n && l->v[pos].job == j && l->v[pos].task == task;
}

static int is_queued(const struct job *j, uint32_t task)
{
	const struct run_queue *q = j->groups[j->tasks[task].group].queue;

	if (q->gang != NULL)
		return q->at != NOT_IN_HEAP || !ready_gang_is_complete(q);
	return (q->at != NOT_IN_HEAP || ready_is_at_limit(q)) &&
	       ((j->tasks[task].flags & TASK_QUEUED) != 0 || (task >= q->range_next && task < q->range_end));
}

static sc_err check_places(const struct core *c, const struct job *j, uint32_t task, struct buf *error)
{
	const struct task *t = &j->tasks[task];

	if (task_state_in_flight(t->state) && t->worker == NO_WORKER)
		WRONG("job %" PRIu64 " task %u is %s at no worker", j->id, task, const_name_TASK(t->state));
	/* A cancelled task is still being stopped, and so is one that failed with its gang. */
	if (!task_state_in_flight(t->state) && t->state != TASK_CANCELLED && t->worker != NO_WORKER &&
	    (t->state != TASK_FAILED || j->groups[t->group].class->gang_size == 0))
		WRONG("job %" PRIu64 " task %u is %s but a worker has it", j->id, task, const_name_TASK(t->state));
	if (t->worker != NO_WORKER &&
	    (core_worker(c, t->worker) == NULL || !in_list(&c->workers[t->worker]->in_flight, j, task)))
		WRONG("job %" PRIu64 " task %u is not in its worker's list", j->id, task);
	if (t->holder != NO_WORKER && t->state != TASK_DONE && t->state != TASK_FAILED)
		WRONG("job %" PRIu64 " task %u is %s but its output is held", j->id, task, const_name_TASK(t->state));
	if (t->holder != NO_WORKER &&
	    (core_worker(c, t->holder) == NULL || !in_list(&c->workers[t->holder]->held, j, task)))
		WRONG("job %" PRIu64 " task %u is not in its holder's list", j->id, task);
	if ((t->flags & TASK_COPIED) != 0 && replica_first(c, j, task) == NULL)
		WRONG("job %" PRIu64 " task %u has copies nobody knows of", j->id, task);
	if (t->state == TASK_READY && !c->rescan && !is_queued(j, task))
		WRONG("job %" PRIu64 " task %u is ready but in no queue", j->id, task);
	return SC_OK;
}

static sc_err check_edges(const struct job *j, uint32_t task, struct buf *error)
{
	const struct task *t = &j->tasks[task];
	struct consumers of = job_consumers(j, task);
	uint32_t missing = 0, needed = 0, consumer;

	for (uint32_t e = 0; e < job_n_inputs(j, task); e++) {
		const struct task *i = &j->tasks[j->in[j->in_start[task] + e]];

		missing += !task_is_available(i);
		if (t->state == TASK_WAITING && !task_has_result(i) &&
		    (i->state == TASK_DONE || i->state == TASK_RELEASED))
			WRONG("job %" PRIu64 " task %u waits for a lost result nobody computes again", j->id, task);
	}
	while (consumers_next(&of, &consumer))
		needed += !task_has_ended(&j->tasks[consumer]);
	if (t->state == TASK_WAITING && (t->flags & TASK_DELAYED) == 0 && t->n_missing != missing)
		WRONG("job %" PRIu64 " task %u misses %u inputs, not %u", j->id, task, missing, t->n_missing);
	if (t->state == TASK_READY && missing > 0)
		WRONG("job %" PRIu64 " task %u is ready but misses %u inputs", j->id, task, missing);
	if (t->state == TASK_WAITING && missing == 0 && (t->flags & TASK_DELAYED) == 0 && j->state != JOB_HELD)
		WRONG("job %" PRIu64 " task %u waits for nothing", j->id, task);
	if (t->n_needed != needed)
		WRONG("job %" PRIu64 " task %u is needed by %u, not %u", j->id, task, needed, t->n_needed);
	/* A result nobody can need any more is not kept, unless somebody asked for that. */
	if (t->state == TASK_DONE && !t->withheld && t->holder != NO_WORKER && t->result_bytes > 0 &&
	    job_has_consumers(j, task) && needed == 0 && (j->groups[t->group].flags & (GROUP_KEEP | GROUP_WANT)) == 0 &&
	    !(t->flags & TASK_WANTED))
		WRONG("job %" PRIu64 " task %u is held though nobody needs it", j->id, task);
	return SC_OK;
}

/* All of a gang have succeeded, or all have not, or all are on their way there; and those are together. */
static sc_err check_gang(const struct core *c, const struct job *j, const struct group *g, struct buf *error)
{
	uint32_t n_well = 0, n_ill = 0, n_done = 0, n_out = 0, n_waiting = 0;

	for (uint32_t k = g->first_task; k < g->first_task + g->n_tasks; k++) {
		const struct task *t = &j->tasks[k];

		if (t->withheld && (t->state != TASK_DONE || g->class->gang_size == 0))
			WRONG("job %" PRIu64 " task %u is withheld, but %s", j->id, k, const_name_TASK(t->state));
		n_done += t->withheld;
		n_well += (t->state == TASK_DONE || t->state == TASK_RELEASED) && !t->withheld;
		n_ill += t->state == TASK_FAILED || t->state == TASK_CANCELLED;
		n_out += task_state_in_flight(t->state) != 0;
		n_waiting += t->state == TASK_WAITING || t->state == TASK_READY;
	}
	if (g->class->gang_size == 0)
		return SC_OK;
	if ((n_well > 0 && n_well < g->n_tasks) || (n_ill > 0 && n_ill < g->n_tasks) || n_done == g->n_tasks)
		WRONG("job %" PRIu64 ": of gang %s %u have ended well, %u badly and %u are done", j->id, g->name,
		      n_well, n_ill, n_done);
	if (n_waiting > 0 && (n_done > 0 || (n_out > 0 && !g->called_back)) && !c->rescan)
		WRONG("job %" PRIu64 ": of gang %s %u wait while %u are out and %u are done", j->id, g->name, n_waiting,
		      n_out, n_done);
	if (g->is_unsettled)
		WRONG("job %" PRIu64 ": gang %s was not settled", j->id, g->name);
	return SC_OK;
}

/* Groups that may have so many tasks out at a time and no more. */
static sc_err check_limits(const struct job *j, struct buf *error)
{
	for (uint32_t g = 0; g < j->n_groups; g++) {
		const struct group *of = &j->groups[g];
		uint32_t n = 0;

		if (of->max_running == 0)
			continue;
		for (uint32_t t = of->first_task; t < of->first_task + of->n_tasks; t++)
			n += j->tasks[t].worker != NO_WORKER;
		if (n != of->n_running || n > of->max_running)
			WRONG("job %" PRIu64 ": %u tasks of %s are out, not %u, of %u that may be", j->id, n, of->name,
			      of->n_running, of->max_running);
		if (of->queue->limited != of)
			WRONG("job %" PRIu64 ": the queue of %s does not know its limit", j->id, of->name);
	}
	return SC_OK;
}

static sc_err check_job(const struct core *c, const struct job *j, uint64_t *ready, struct buf *error)
{
	uint64_t counts[TASK_STATES] = {0}, open;
	uint32_t unanswered = 0;
	uint64_t fails = 0;
	sc_err err = SC_OK;

	for (uint32_t g = 0; g < j->n_groups; g++)
		if (strcmp(j->groups[g].class->namespace->name, j->namespace) != 0)
			WRONG("job %" PRIu64 ": group %s is in a class of another namespace", j->id, j->groups[g].name);
	for (uint32_t t = 0; t < j->n_tasks && err == SC_OK; t++) {
		counts[j->tasks[t].state]++;
		unanswered += j->tasks[t].worker != NO_WORKER;
		fails += j->tasks[t].counted;
		if (j->tasks[t].counted && j->tasks[t].state != TASK_FAILED)
			WRONG("job %" PRIu64 " task %u counts as failed", j->id, t);
		if (j->tasks[t].state == TASK_READY)
			ready[j->groups[j->tasks[t].group].class->number]++;
		err = check_places(c, j, t, error);
		if (err == SC_OK)
			err = check_edges(j, t, error);
	}
	if (err != SC_OK)
		return err;
	for (unsigned s = 0; s < TASK_STATES; s++)
		if (counts[s] != j->counts[s])
			WRONG("job %" PRIu64 ": %" PRIu64 " tasks are %s, not %" PRIu64, j->id, counts[s],
			      const_name_TASK(s), j->counts[s]);
	if (unanswered != j->n_unanswered)
		WRONG("job %" PRIu64 ": %u tasks are to be answered for, not %u", j->id, unanswered, j->n_unanswered);
	if (fails != j->n_fails)
		WRONG("job %" PRIu64 ": %" PRIu64 " tasks have failed by themselves, not %" PRIu64, j->id, fails,
		      j->n_fails);
	for (uint32_t g = 0; g < j->n_groups && err == SC_OK; g++)
		err = check_gang(c, j, &j->groups[g], error);
	if (err == SC_OK)
		err = check_limits(j, error);
	if (err != SC_OK)
		return err;
	open = counts[TASK_WAITING] + counts[TASK_READY] + counts[TASK_ASSIGNED] + counts[TASK_RUNNING];
	if (job_has_ended(j) != (open == 0 && !j->is_open))
		WRONG("job %" PRIu64 " is %s with %" PRIu64 " tasks to go", j->id, const_name_JOB(j->state), open);
	return SC_OK;
}

static sc_err check_worker(const struct core *c, const struct worker *w, struct buf *error)
{
	uint64_t committed[RESOURCES_MAX] = {0}, held = 0;

	for (size_t i = 0; i < w->in_flight.n; i++) {
		struct task_ref r = w->in_flight.v[i];
		const struct task *t = &r.job->tasks[r.task];
		const struct request *q = r.job->groups[t->group].class->request;
		const struct amounts *a = &q->v[task_alternative(t)].needs;

		if (r.job->tasks[r.task].worker != w->number || r.job->tasks[r.task].pos != i)
			WRONG("worker %s has a task that does not know of it", w->name);
		if (w->namespace != NULL && strcmp(w->namespace->name, r.job->namespace) != 0)
			WRONG("worker %s is reserved for namespace '%s' but has a task of '%s'", w->name,
			      w->namespace->name, r.job->namespace);
		if (task_alternative(t) >= q->n ||
		    !worker_can_meet(w, r.job->groups[t->group].class, task_alternative(t)))
			WRONG("worker %s has a task it cannot run in that way", w->name);
		for (size_t k = 0; k < a->n; k++)
			committed[a->v[k].resource] += a->v[k].amount;
	}
	for (size_t i = 0; i < w->held.n; i++) {
		const struct task *t = &w->held.v[i].job->tasks[w->held.v[i].task];

		if (t->holder != w->number || t->pos != i)
			WRONG("worker %s holds the output of a task that does not know of it", w->name);
		held += task_held_bytes(t);
	}
	if (bits_has(&c->active, w->number) != (w->status == WORKER_ACTIVE))
		WRONG("worker %s is %s, but counts as %s", w->name, const_name_WORKER(w->status),
		      bits_has(&c->active, w->number) ? "active" : "not active");
	for (size_t r = 0; r < c->requests.n_names; r++)
		if (w->status == WORKER_ACTIVE && r != RESOURCE_MEMORY && committed[r] < w->capacity[r] &&
		    !bits_has(&c->idle, w->number))
			WRONG("worker %s has room nobody knows of", w->name);
	if ((w->reserved != NULL) != bits_has(&c->reserved, w->number))
		WRONG("worker %s is kept free, or not, and nobody knows", w->name);
	if (held != w->held_bytes)
		WRONG("worker %s holds %" PRIu64 " bytes, not %" PRIu64, w->name, held, w->held_bytes);
	for (uint32_t r = 0; r < RESOURCES_MAX; r++)
		if (committed[r] != w->committed[r])
			WRONG("worker %s: resource %u is committed wrongly", w->name, r);
	return SC_OK;
}

/* Copies of a worker are of outputs another is the first holder of. */
static sc_err check_copies(const struct core *c, const struct worker *w, size_t *n, struct buf *error)
{
	const struct replica *r;

	LIST_FOREACH(r, &w->copies, of_worker)
	{
		const struct job *j = r->result->key.job;
		uint32_t task = (uint32_t)r->result->key.task;
		const struct task *t = &j->tasks[task];

		if (r->worker != w->number || replica_at(c, j, task, w->number) != r)
			WRONG("worker %s has a copy that does not know of it", w->name);
		if (t->holder == NO_WORKER || t->holder == w->number)
			WRONG("job %" PRIu64 " task %u has a copy, but no other holder", j->id, task);
		++*n;
	}
	return SC_OK;
}

static sc_err check_replicas(const struct core *c, struct buf *error)
{
	size_t of_workers = 0, of_results = 0;
	const struct copies *k;
	const struct replica *r;
	uint32_t moving = 0;
	sc_err err = SC_OK;

	for (uint32_t i = 1; i < c->workers_end && err == SC_OK; i++) {
		if (c->workers[i] == NULL)
			continue;
		err = check_copies(c, c->workers[i], &of_workers, error);
		moving += c->workers[i]->n_moving;
	}
	for (k = c->copies; k != NULL; k = k->hh.next) {
		if ((k->key.job->tasks[k->key.task].flags & TASK_COPIED) == 0 || LIST_EMPTY(&k->holders))
			WRONG("there are copies of a task that does not know of them");
		LIST_FOREACH(r, &k->holders, of_result)
		of_results++;
	}
	if (err == SC_OK && of_workers != of_results)
		WRONG("workers have %zu copies, results %zu", of_workers, of_results);
	for (uint32_t i = 0; i < c->n_moves && err == SC_OK; i++) {
		const struct move *m = &c->moves[i];

		if ((m->job->tasks[m->task].flags & TASK_DRAINING) == 0 || m->job->tasks[m->task].holder != m->from ||
		    core_worker(c, m->to) == NULL)
			WRONG("job %" PRIu64 " task %u is moved, but does not know of it", m->job->id, m->task);
	}
	if (err == SC_OK && moving != c->n_moves)
		WRONG("%u outputs are moved, not %u", moving, c->n_moves);
	return err;
}

/* Groups of a class, of jobs that are there and of those to be freed; workers of a namespace. */
static sc_err check_users(const struct core *c, struct buf *error)
{
	const struct requests *r = &c->requests;
	uint64_t *users = mem_calloc(r->n_classes, sizeof(*users));
	const struct namespace *n;
	const struct job *j;
	sc_err err = users == NULL ? SC_NOMEM : SC_OK;

	TAILQ_FOREACH (j, &c->jobs, link)
		for (uint32_t g = 0; err == SC_OK && g < j->n_groups; g++)
			users[j->groups[g].class->number]++;
	TAILQ_FOREACH (j, &c->graves, ended_link)
		for (uint32_t g = 0; err == SC_OK && g < j->n_groups; g++)
			users[j->groups[g].class->number]++;
	for (size_t i = 0; i < r->n_classes && err == SC_OK; i++) {
		if (r->classes[i]->number != i || r->classes[i]->n_users != users[i]) {
			buf_printf(error, "class %s has %" PRIu64 " groups, not %zu", r->classes[i]->request->text,
				   users[i], r->classes[i]->n_users);
			err = SC_BAD_STATE;
		}
	}
	mem_free(users);
	for (n = r->namespaces.by_name; n != NULL && err == SC_OK; n = n->hh.next) {
		uint64_t n_tasks = 0, cpus = 0;
		size_t n_workers = 0;

		for (uint32_t i = 1; i < c->workers_end; i++) {
			const struct worker *w = c->workers[i];

			n_workers += w != NULL && w->namespace == n;
			for (size_t k = 0; w != NULL && k < w->in_flight.n; k++) {
				const struct job *of = w->in_flight.v[k].job;
				const struct task *t = &of->tasks[w->in_flight.v[k].task];
				const struct request_class *cl = of->groups[t->group].class;

				n_tasks += cl->namespace == n;
				cpus += cl->namespace == n ? cl->request->v[task_alternative(t)].cpus : 0;
			}
		}
		if (n_tasks != n->n_tasks || cpus != n->cpus) {
			buf_printf(error,
				   "namespace %s uses %" PRIu64 " tasks and %" PRIu64 ", not %" PRIu64 " and %" PRIu64,
				   n->name, n_tasks, cpus, n->n_tasks, n->cpus);
			return SC_BAD_STATE;
		}
		if (n_workers != n->n_workers) {
			buf_printf(error, "namespace %s has %zu workers, not %zu", n->name, n_workers, n->n_workers);
			err = SC_BAD_STATE;
		}
	}
	return err;
}

/* The run queues of a class: a heap whose members know their place. */
static sc_err check_run_queues(const struct request_class *cl, struct buf *error)
{
	for (size_t i = 0; i < cl->n_heap; i++) {
		if (cl->heap[i]->at != i || cl->heap[i]->class != cl)
			WRONG("class %s has a run queue that does not know of it", cl->request->text);
		if (i > 0 && run_queue_before(cl->heap[i], cl->heap[(i - 1) / 2]))
			WRONG("class %s: a run queue is before a more urgent one", cl->request->text);
	}
	return SC_OK;
}

/* Classes with tasks that are ready are in the list of their namespace, others are not; and no pass is under way. */
static sc_err check_classes_of(const struct namespace *n, size_t *n_listed, uint64_t *n_ready, struct buf *error)
{
	const struct request_class *cl;

	if (n->foremost != NULL)
		WRONG("namespace %s: a pass has left class %s", n->name, foremost(n)->request->text);
	TAILQ_FOREACH (cl, &n->classes, ready_link) {
		if (cl->namespace != n || cl->n_ready == 0)
			WRONG("namespace %s lists class %s, which is of another or has nothing ready", n->name,
			      cl->request->text);
		if (cl->ready_since == 0 || cl->ready_since > n->home->n_entered)
			WRONG("namespace %s: nobody knows since when class %s has tasks", n->name, cl->request->text);
		*n_ready += cl->n_ready;
		++*n_listed;
	}
	return SC_OK;
}

static sc_err check_ready(const struct core *c, struct buf *error)
{
	const struct namespaces *all = &c->requests.namespaces;
	size_t n_listed = 0, n_with_tasks = 0, n_active = 0, n_with_classes = 0;
	const struct namespace *n;
	uint64_t n_ready = 0;
	sc_err err = SC_OK;

	for (n = all->by_name; n != NULL && err == SC_OK; n = n->hh.next) {
		err = check_classes_of(n, &n_listed, &n_ready, error);
		n_with_classes += !TAILQ_EMPTY(&n->classes);
	}
	for (size_t i = 0; i < c->requests.n_classes && err == SC_OK; i++) {
		err = check_run_queues(c->requests.classes[i], error);
		n_with_tasks += c->requests.classes[i]->n_ready > 0;
	}
	if (err != SC_OK)
		return err;
	if (all->foremost != NULL)
		WRONG("a pass has left namespace %s", foremost_namespace(all)->name);
	TAILQ_FOREACH (n, &all->active, active_link) {
		if (TAILQ_EMPTY(&n->classes))
			WRONG("namespace %s counts as active", n->name);
		n_active++;
	}
	if (n_listed != n_with_tasks || n_active != n_with_classes || n_ready != all->n_ready)
		WRONG("%zu classes with %" PRIu64
		      " ready tasks are listed, %zu namespaces active, not %zu with %" PRIu64 " and %zu",
		      n_listed, n_ready, n_active, n_with_tasks, all->n_ready, n_with_classes);
	return SC_OK;
}

int core_check_turn(const struct namespace *n)
{
	const struct namespace *other;

	TAILQ_FOREACH (other, &n->home->active, active_link) {
		if (other != n && foremost(other) != NULL && namespace_before(other, n))
			return 0;
	}
	return 1;
}

int core_check_foremost(const struct namespace *n, uint64_t pass)
{
	const struct request_class *best = NULL;
	struct request_class *cl;

	TAILQ_FOREACH (cl, &n->classes, ready_link) {
		if (cl->blocked_pass == pass || ready_top(cl) == NULL)
			continue;
		if (cl->front != ready_top(cl))
			return 0;
		if (best == NULL || run_queue_before(cl->front, best->front) ||
		    (!run_queue_before(best->front, cl->front) && cl->ready_since < best->ready_since))
			best = cl;
	}
	return best == foremost(n);
}

/* What is decided is for workers that are there: the number of one that is lost is given to another. */
static sc_err check_actions(const struct core *c, struct buf *error)
{
	for (size_t i = 0; i < c->n_actions; i++)
		if (c->actions[i].worker != NO_WORKER && core_worker(c, c->actions[i].worker) == NULL)
			WRONG("an action of kind %d is for worker %u, which is lost", (int)c->actions[i].kind,
			      c->actions[i].worker);
	return SC_OK;
}

sc_err core_check(const struct core *c, struct buf *error)
{
	uint64_t *ready = mem_calloc(c->requests.n_classes, sizeof(*ready)), n_tasks = 0;
	const struct job *j;
	sc_err err = ready == NULL ? SC_NOMEM : SC_OK;

	TAILQ_FOREACH (j, &c->jobs, link) {
		if (err == SC_OK)
			err = check_job(c, j, ready, error);
		n_tasks += j->n_tasks;
	}
	for (uint32_t i = 1; i < c->workers_end && err == SC_OK; i++)
		if (c->workers[i] != NULL)
			err = check_worker(c, c->workers[i], error);
	for (size_t i = 0; i < c->requests.n_classes && err == SC_OK; i++) {
		if (ready[i] != c->requests.classes[i]->n_ready) {
			buf_printf(error, "class %s of namespace %s has %" PRIu64 " ready, not %" PRIu64,
				   c->requests.classes[i]->request->text, c->requests.classes[i]->namespace->name,
				   ready[i], c->requests.classes[i]->n_ready);
			err = SC_BAD_STATE;
		}
	}
	if (err == SC_OK && n_tasks != c->n_tasks) {
		buf_append_str(error, "the number of tasks is wrong");
		err = SC_BAD_STATE;
	}
	mem_free(ready);
	if (err == SC_OK)
		err = check_ready(c, error);
	if (err == SC_OK)
		err = check_actions(c, error);
	if (err == SC_OK)
		err = check_users(c, error);
	if (err == SC_OK)
		err = check_replicas(c, error);
	return err;
}
