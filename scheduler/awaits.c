/*
 * awaits.c - clients that want to know which tasks have ended, as they do.
 *
 * An await has entries: a task each, or all tasks of a job.  What they are about is found by (job, task); the core is
 * asked to say when such a task ends, and once a turn what is new is sent, in batches.  A task is told once, with the
 * state it ended in, even if it is run again later.
 *
 * What is not sent yet is listed.  For all tasks of a job that list ends somewhere: what goes beyond it, and what has
 * ended before anybody asked, is found again by looking through the job's tasks when the list has been sent, a bounded
 * number in a turn.  A bit per task says what was told.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "scheduler/scheduler.h"

#define AWAITS_PER_CLIENT  1000u
#define ENTRIES_PER_CLIENT 262144u
#define LISTED_MAX	   8192u  /* ended tasks of whole jobs, in the list of an await */
#define SCAN_MAX	   65536u /* tasks looked at for an await in a turn */
#define ROWS_MAX	   1000u  /* of a message */
#define TICK_US		   (10u * US_PER_MS)
#define BEHIND_BYTES	   ((size_t)256 * 1024) /* a client with this much unread is told later */

struct subject_key {
	uint64_t job;
	uint64_t task; /* or ALL_TASKS */
};

/* A task, or a job, somebody waits for. */
struct subject {
	struct subject_key key;
	LIST_HEAD(, entry) entries;
	UT_hash_handle hh;
};

struct entry {
	LIST_ENTRY(entry) of_subject; /* while it has one */
	struct subject *subject;      /* NULL: it has ended */
	struct await *await;
	/* of all tasks of a job */
	struct bits told;
	struct entry *next_behind;
	uint64_t job;
	uint32_t cursor; /* behind: where to look on */
	int is_behind;	 /* some that have ended may be neither listed nor told */
	int again;	 /* and some of these before the cursor */
};

struct ended {
	uint64_t job;
	uint32_t task;
	uint32_t state;
};

struct await {
	TAILQ_ENTRY(await) of_client;
	TAILQ_ENTRY(await) of_pending; /* of those with something to tell */
	struct client_peer *client;
	uint64_t request;
	int any, is_pending;
	size_t n_left; /* entries that have not ended */
	struct entry *behind;
	struct ended *ended; /* to be told, from n_told on */
	size_t n_ended, n_told, cap_ended;
	size_t n_entries;
	struct entry entries[];
};

struct await_table {
	struct scheduler *scheduler;
	struct subject *subjects;
	TAILQ_HEAD(, await) pending;
	struct loop_timer *timer;
};

static void on_tick(void *arg)
{
	(void)arg; /* the turn sends */
}

sc_err await_table_new(struct scheduler *s, struct await_table **out)
{
	struct await_table *t = mem_calloc(1, sizeof(*t));

	if (t == NULL)
		return SC_NOMEM;
	t->scheduler = s;
	TAILQ_INIT(&t->pending);
	if (loop_timer_new(s->loop, on_tick, t, &t->timer) != SC_OK) {
		mem_free(t);
		return SC_NOMEM;
	}
	*out = t;
	return SC_OK;
}

/* All clients are gone by then, and their awaits with them. */
void await_table_free(struct await_table *t)
{
	if (t == NULL)
		return;
	loop_timer_free(t->timer);
	mem_free(t);
}

/* ---- subjects --------------------------------------------------------------------------------------------------- */

static struct subject *subject_of(struct await_table *t, uint64_t job, uint32_t task)
{
	struct subject_key key = {job, task};
	struct subject *s;

	HASH_FIND(hh, t->subjects, &key, sizeof(key), s);
	return s;
}

static sc_err follow(struct await_table *t, struct entry *e, uint64_t job, uint32_t task)
{
	struct subject *s = subject_of(t, job, task);

	if (s == NULL) {
		s = mem_calloc(1, sizeof(*s));
		if (s == NULL)
			return SC_NOMEM;
		s->key = (struct subject_key){job, task};
		HASH_ADD(hh, t->subjects, key, sizeof(s->key), s);
		if (s->hh.tbl == NULL) {
			mem_free(s);
			return SC_NOMEM;
		}
	}
	e->subject = s;
	LIST_INSERT_HEAD(&s->entries, e, of_subject);
	return SC_OK;
}

static void unfollow(struct await_table *t, struct entry *e)
{
	struct subject *s = e->subject;

	if (s == NULL)
		return;
	LIST_REMOVE(e, of_subject);
	e->subject = NULL;
	if (!LIST_EMPTY(&s->entries))
		return;
	HASH_DEL(t->subjects, s);
	mem_free(s);
}

/* ---- awaits ----------------------------------------------------------------------------------------------------- */

static void await_free(struct await_table *t, struct await *a)
{
	for (size_t i = 0; i < a->n_entries; i++) {
		unfollow(t, &a->entries[i]);
		bits_fini(&a->entries[i].told);
	}
	if (a->is_pending)
		TAILQ_REMOVE(&t->pending, a, of_pending);
	TAILQ_REMOVE(&a->client->awaits, a, of_client);
	a->client->n_awaits--;
	a->client->n_awaited -= a->n_entries;
	mem_free(a->ended);
	mem_free(a);
}

static void make_pending(struct await_table *t, struct await *a)
{
	if (a->is_pending)
		return;
	a->is_pending = 1;
	TAILQ_INSERT_TAIL(&t->pending, a, of_pending);
}

/* Without memory the client cannot be told, and has to find out by other means: its connection ends. */
static void tell(struct await_table *t, struct await *a, const struct job *j, uint32_t task)
{
	void *p = mem_grow(a->ended, &a->cap_ended, a->n_ended + 1, sizeof(*a->ended));

	make_pending(t, a);
	if (p == NULL) {
		conn_abort(a->client->conn, SC_NOMEM, "a message for it could not be made");
		return;
	}
	a->ended = p;
	a->ended[a->n_ended++] = (struct ended){j->id, task, j->tasks[task].state};
}

static void fall_behind(struct await_table *t, struct entry *e, uint32_t task)
{
	make_pending(t, e->await);
	if (e->is_behind) {
		e->again |= task < e->cursor;
		return;
	}
	e->is_behind = 1;
	e->cursor = task;
	e->next_behind = e->await->behind;
	e->await->behind = e;
}

/* A task of a job all of whose tasks are awaited. */
static void tell_of_job(struct await_table *t, struct entry *e, const struct job *j, uint32_t task)
{
	if (bits_has(&e->told, task))
		return;
	if (e->await->n_ended - e->await->n_told >= LISTED_MAX) {
		fall_behind(t, e, task);
		return;
	}
	if (bits_reserve(&e->told, j->n_tasks) != 0) {
		conn_abort(e->await->client->conn, SC_NOMEM, "a message for it could not be made");
		return;
	}
	bits_set(&e->told, task, 1);
	tell(t, e->await, j, task);
}

static void entry_over(struct await_table *t, struct entry *e)
{
	unfollow(t, e);
	e->await->n_left--;
	make_pending(t, e->await);
}

void await_task_ended(struct scheduler *s, const struct job *j, uint32_t task)
{
	struct await_table *t = s->awaits;
	struct subject *of_task = subject_of(t, j->id, task), *of_job = subject_of(t, j->id, ALL_TASKS);
	struct entry *e, *next;

	if (!task_has_ended(&j->tasks[task]))
		return; /* it runs again */
	for (e = of_task == NULL ? NULL : LIST_FIRST(&of_task->entries); e != NULL; e = next) {
		next = LIST_NEXT(e, of_subject);
		tell(t, e->await, j, task);
		entry_over(t, e);
	}
	for (e = of_job == NULL ? NULL : LIST_FIRST(&of_job->entries); e != NULL; e = next) {
		next = LIST_NEXT(e, of_subject);
		tell_of_job(t, e, j, task);
	}
}

void await_job_ended(struct scheduler *s, const struct job *j)
{
	struct subject *of_job = subject_of(s->awaits, j->id, ALL_TASKS);
	struct entry *e, *next;

	if (!job_has_ended(j))
		return;
	for (e = of_job == NULL ? NULL : LIST_FIRST(&of_job->entries); e != NULL; e = next) {
		next = LIST_NEXT(e, of_subject);
		if (!e->is_behind) /* else when that has been made good */
			entry_over(s->awaits, e);
	}
}

void await_job_forgotten(struct scheduler *s, const struct job *j)
{
	struct subject *of_job = subject_of(s->awaits, j->id, ALL_TASKS);
	struct entry *e, *next;

	for (e = of_job == NULL ? NULL : LIST_FIRST(&of_job->entries); e != NULL; e = next) {
		next = LIST_NEXT(e, of_subject);
		conn_abort(e->await->client->conn, SC_SLOW_PEER,
			   "a job was forgotten before it had read how its tasks ended");
	}
}

/* ---- beginning -------------------------------------------------------------------------------------------------- */

static sc_err begin_job(struct client_peer *p, struct entry *e, struct job *j)
{
	struct await_table *t = p->scheduler->awaits;
	sc_err err = follow(t, e, j->id, ALL_TASKS);

	if (err != SC_OK)
		return err;
	e->job = j->id;
	core_await(p->scheduler->core, j, ALL_TASKS);
	fall_behind(t, e, 0); /* what has ended already is looked for */
	return SC_OK;
}

static sc_err begin_entry(struct client_peer *p, struct entry *e, uint64_t id, struct slice key, struct buf *error)
{
	struct await_table *t = p->scheduler->awaits;
	struct job *j = core_job(p->scheduler->core, id);
	uint32_t task;
	sc_err err;

	if (j == NULL) {
		buf_printf(error, "there is no job %" PRIu64, id);
		return SC_NOT_FOUND;
	}
	if (key.n == 0)
		return begin_job(p, e, j);
	if (j->by_name == NULL)
		conn_charge(p->conn, j->n_groups / WALK_PER_MESSAGE);
	if (job_find_task(j, key, &task) != SC_OK) {
		buf_printf(error, "job %" PRIu64 " has no task '%.*s'", j->id, (int)(key.n < 255 ? key.n : 255), key.p);
		return SC_NOT_FOUND;
	}
	err = follow(t, e, j->id, task);
	if (err != SC_OK)
		return err;
	core_await(p->scheduler->core, j, task);
	if (task_has_ended(&j->tasks[task])) {
		tell(t, e->await, j, task);
		entry_over(t, e);
	}
	return SC_OK;
}

sc_err await_add(struct client_peer *p, const struct msg_tasks_await *m, struct buf *error)
{
	size_t n = m->job.count;
	struct column_reader jobs;
	struct await *a;
	sc_err err = SC_OK;

	if (m->key.n != n || n == 0) {
		buf_printf(error, "tasks_await: %zu keys for %zu jobs", m->key.n, n);
		return SC_MALFORMED;
	}
	if (p->n_awaits >= AWAITS_PER_CLIENT) {
		buf_printf(error, "a connection may wait for %u sets of tasks at the same time", AWAITS_PER_CLIENT);
		return SC_LIMIT;
	}
	if (n > ENTRIES_PER_CLIENT - p->n_awaited) {
		buf_printf(error, "a connection may wait for %u tasks and jobs at the same time", ENTRIES_PER_CLIENT);
		return SC_LIMIT;
	}
	a = mem_calloc(1, sizeof(*a) + n * sizeof(a->entries[0]));
	if (a == NULL)
		return SC_NOMEM;
	a->client = p;
	a->request = m->request;
	a->any = m->any != 0;
	a->n_left = a->n_entries = n;
	TAILQ_INSERT_TAIL(&p->awaits, a, of_client);
	p->n_awaits++;
	p->n_awaited += n;
	column_read(&jobs, &m->job);
	for (size_t i = 0; i < n && err == SC_OK; i++) {
		a->entries[i].await = a;
		err = begin_entry(p, &a->entries[i], column_next(&jobs), m->key.v[i], error);
	}
	if (err != SC_OK)
		await_free(p->scheduler->awaits, a);
	return err;
}

int await_stop(struct client_peer *p, uint64_t request)
{
	struct await *a;

	TAILQ_FOREACH (a, &p->awaits, of_client) {
		if (a->request != request)
			continue;
		await_free(p->scheduler->awaits, a);
		return 1;
	}
	return 0;
}

void await_client_gone(struct client_peer *p)
{
	struct await *a;

	while ((a = TAILQ_FIRST(&p->awaits)) != NULL)
		await_free(p->scheduler->awaits, a);
}

/* ---- catching up ------------------------------------------------------------------------------------------------ */

/* Look on through the tasks of a job, at *budget at most; 1: it is not behind any more. */
static int look_on(struct await_table *t, struct entry *e, const struct job *j, uint32_t *budget)
{
	for (; e->cursor<j->n_tasks && * budget> 0; e->cursor++, (*budget)--) {
		if (e->await->n_ended - e->await->n_told >= LISTED_MAX)
			return 0;
		if (task_has_ended(&j->tasks[e->cursor]))
			tell_of_job(t, e, j, e->cursor);
	}
	if (e->cursor < j->n_tasks)
		return 0;
	if (e->again) {
		e->again = 0;
		e->cursor = 0;
		return 0;
	}
	return 1;
}

static void catch_up(struct scheduler *s, struct await *a, uint32_t *budget)
{
	while (a->behind != NULL && *budget > 0) {
		struct entry *e = a->behind;
		const struct job *j = core_job(s->core, e->job);

		if (j == NULL || !look_on(s->awaits, e, j, budget))
			return;
		a->behind = e->next_behind;
		e->is_behind = 0;
		if (job_has_ended(j))
			entry_over(s->awaits, e);
	}
}

/* ---- telling ---------------------------------------------------------------------------------------------------- */

struct rows {
	struct column_writer job, task, state;
	struct slice keys[ROWS_MAX];
	char (*texts)[JOB_KEY_MAX];
	size_t n;
};

static sc_err rows_fill(struct scheduler *s, const struct await *a, struct rows *r)
{
	size_t n = a->n_ended - a->n_told;

	n = n < ROWS_MAX ? n : ROWS_MAX;
	if (a->any && n > 1)
		n = 1; /* that was what it waited for */
	r->texts = mem_malloc(n * sizeof(*r->texts));
	if (r->texts == NULL)
		return SC_NOMEM;
	for (; r->n < n; r->n++) {
		const struct ended *e = &a->ended[a->n_told + r->n];
		const struct job *j = core_job(s->core, e->job);

		column_put(&r->job, e->job);
		column_put(&r->task, e->task);
		column_put(&r->state, e->state);
		r->texts[r->n][0] = '\0';
		if (j != NULL) /* it may be forgotten by now */
			job_key(j, e->task, r->texts[r->n], JOB_KEY_MAX);
		r->keys[r->n] = slice_of(r->texts[r->n]);
	}
	return buf_err(&r->job.bytes) != SC_OK || buf_err(&r->task.bytes) != SC_OK || buf_err(&r->state.bytes) != SC_OK
		       ? SC_NOMEM
		       : SC_OK;
}

/* One message; 1: nothing more is to be told for now, and *over whether ever. */
static int send_rows(struct scheduler *s, struct await *a, int *over)
{
	struct msg_tasks_ended m = {.request = a->request};
	struct rows r;
	sc_err err;

	r.n = 0;
	column_writer_init(&r.job);
	column_writer_init(&r.task);
	column_writer_init(&r.state);
	err = rows_fill(s, a, &r);
	a->n_told += r.n;
	*over = (a->any && a->n_told > 0) || (a->n_left == 0 && a->n_told == a->n_ended);
	m.job = column_of(&r.job);
	m.task = column_of(&r.task);
	m.state = column_of(&r.state);
	m.key = (struct slices){r.keys, r.n};
	m.over = (uint64_t)*over;
	if (err == SC_OK && (r.n > 0 || *over))
		err = conn_send(a->client->conn, MSG_tasks_ended, &m);
	if (err != SC_OK && !conn_is_closing(a->client->conn))
		conn_abort(a->client->conn, err, "a message for it could not be made");
	column_writer_fini(&r.job);
	column_writer_fini(&r.task);
	column_writer_fini(&r.state);
	mem_free(r.texts);
	if (!*over && a->n_told == a->n_ended && !a->any)
		a->n_told = a->n_ended = 0;
	return *over || a->n_told == a->n_ended;
}

void await_send(struct scheduler *s)
{
	struct await_table *t = s->awaits;
	struct await *a, *next;

	for (a = TAILQ_FIRST(&t->pending); a != NULL; a = next) {
		uint32_t budget = SCAN_MAX;
		int done = 0, over = 0;

		next = TAILQ_NEXT(a, of_pending);
		while (!done && budget > 0 && conn_output_bytes(a->client->conn) <= BEHIND_BYTES &&
		       !conn_is_closing(a->client->conn)) {
			catch_up(s, a, &budget);
			done = send_rows(s, a, &over) && a->behind == NULL;
		}
		if (over) {
			await_free(t, a);
		} else if (done) {
			TAILQ_REMOVE(&t->pending, a, of_pending);
			a->is_pending = 0;
		}
	}
	if (!TAILQ_EMPTY(&t->pending)) /* somebody does not read, or there is much to look through */
		loop_timer_set(t->timer, TICK_US);
}
