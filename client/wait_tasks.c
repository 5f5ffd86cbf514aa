/*
 * wait_tasks.c - waiting for tasks, of one job or several, and being told of each as it ends.
 *
 * The scheduler sends rows in batches; the client's thread appends them to a list, and the thread that waits takes the
 * list over whole.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client/client.h"
#include "client/link.h"

#define KEYS_MAX 65536u

/* Rows that came; keys one after the other, each with its terminator. */
struct ended_rows {
	struct ended_row {
		uint64_t job;
		uint32_t task;
		enum sc_task_state state;
		size_t key; /* where it begins */
	} * v;
	size_t n, cap;
	struct buf keys;
};

struct await {
	struct call call;	   /* first: callbacks get a pointer to it */
	struct ended_rows arrived; /* under the client's lock */
	int no_memory;		   /* likewise */
	struct ended_rows taken;   /* of the thread that waits */
};

static void rows_init(struct ended_rows *r)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->keys, 0);
}

static void rows_fini(struct ended_rows *r)
{
	mem_free(r->v);
	buf_fini(&r->keys);
}

static sc_err rows_append(struct ended_rows *r, const struct msg_tasks_ended *m)
{
	struct column_reader job, task, state;
	void *p = mem_grow(r->v, &r->cap, r->n + m->task.count, sizeof(*r->v));

	if (p == NULL)
		return SC_NOMEM;
	r->v = p;
	column_read(&job, &m->job);
	column_read(&task, &m->task);
	column_read(&state, &m->state);
	for (size_t i = 0; i < m->task.count; i++) {
		r->v[r->n + i] = (struct ended_row){column_next(&job), (uint32_t)column_next(&task),
						    (enum sc_task_state)column_next(&state), r->keys.len};
		if (i < m->key.n)
			buf_append(&r->keys, m->key.v[i].p, m->key.v[i].n);
		buf_append_byte(&r->keys, '\0');
	}
	if (buf_err(&r->keys) != SC_OK)
		return SC_NOMEM;
	r->n += m->task.count;
	return SC_OK;
}

static int on_ended(struct call *c, const struct msg *m)
{
	struct await *a = (struct await *)c;
	const struct msg_tasks_ended *ended = &m->u.tasks_ended;

	pthread_mutex_lock(&c->client->lock);
	if (rows_append(&a->arrived, ended) != SC_OK)
		a->no_memory = 1;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->client->lock);
	return ended->over != 0 || a->no_memory;
}

/* Take over what has come; waits until something has, the call is over or the time has come.  Non-zero: it is over. */
static int take_rows(struct await *a, uint64_t until_us)
{
	struct timespec ts = {(time_t)(until_us / US_PER_S), (long)(until_us % US_PER_S * 1000u)};
	struct call *c = &a->call;
	struct ended_rows t;
	int failed = 0, is_over;

	a->taken.n = 0;
	buf_reset(&a->taken.keys);
	pthread_mutex_lock(&c->client->lock);
	while (!c->is_over && a->arrived.n == 0 && failed == 0) {
		if (until_us == UINT64_MAX)
			failed = pthread_cond_wait(&c->changed, &c->client->lock);
		else
			failed = pthread_cond_clockwait(&c->changed, &c->client->lock, CLOCK_MONOTONIC, &ts);
	}
	t = a->arrived;
	a->arrived = a->taken;
	a->taken = t;
	is_over = c->is_over;
	pthread_mutex_unlock(&c->client->lock);
	return is_over;
}

/* Non-zero: the caller has heard enough. */
static int tell_rows(const struct await *a, sc_ended_fn fn, void *arg)
{
	for (size_t i = 0; fn != NULL && i < a->taken.n; i++) {
		const struct ended_row *r = &a->taken.v[i];
		struct sc_ended e = {r->job, r->task, (const char *)a->taken.keys.data + r->key, r->state};

		if (fn(&e, arg) != 0)
			return 1;
	}
	return 0;
}

/* The scheduler need not tell any more; if it cannot be told so, it learns it when the connection ends. */
static void tell_stop(struct sc_client *client, uint64_t number)
{
	struct call c;

	call_init(&c, client, MSG_await_stop, MSG_ok);
	c.request.u.await_stop.await = number;
	(void)call_run(&c);
	call_fini(&c);
}

static sc_err stop(struct await *a, const char *why)
{
	call_abandon(&a->call);
	if (a->call.number != 0)
		tell_stop(a->call.client, a->call.number);
	return client_error(SC_TIMEOUT, "%s", why);
}

static sc_err follow(struct await *a, uint64_t timeout_us, sc_ended_fn fn, void *arg)
{
	uint64_t start = clock_monotonic_us();
	uint64_t deadline = timeout_us >= UINT64_MAX - start ? UINT64_MAX : start + timeout_us;

	for (;;) {
		int is_over = take_rows(a, deadline);

		if (tell_rows(a, fn, arg))
			return stop(a, "waiting for the tasks was stopped");
		if (is_over && a->no_memory)
			return client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
		if (is_over)
			return call_wait(&a->call);
		if (clock_monotonic_us() >= deadline)
			return stop(a, "the tasks have not ended in time; they go on");
	}
}

static sc_err ask(struct await *a, struct sc_client *client, const struct column *jobs, const struct slice *keys,
		  size_t n, int any)
{
	struct msg_tasks_await *m = &a->call.request.u.tasks_await;
	sc_err err;

	call_init(&a->call, client, MSG_tasks_await, MSG_tasks_ended);
	a->call.on_answer = on_ended;
	a->call.timeout_us = 0; /* answered only when one has ended */
	m->job = *jobs;
	m->key = (struct slices){keys, n};
	m->any = any != 0;
	err = call_start(&a->call);
	return err == SC_OK ? SC_OK : client_error(err, "the client was closed");
}

sc_err sc_client_wait_tasks(struct sc_client *client, const struct sc_key *keys, size_t n_keys, int any,
			    uint64_t timeout_us, sc_ended_fn fn, void *arg)
{
	struct column_writer jobs;
	struct column column;
	struct slice *texts;
	struct await a = {0};
	sc_err err;

	if (n_keys == 0)
		return SC_OK;
	if (n_keys > KEYS_MAX)
		return client_error(SC_LIMIT, "at most %u tasks can be waited for at once", KEYS_MAX);
	texts = mem_malloc(n_keys * sizeof(*texts));
	column_writer_init(&jobs);
	for (size_t i = 0; texts != NULL && i < n_keys; i++) {
		column_put(&jobs, keys[i].job);
		texts[i] = slice_of(keys[i].key != NULL ? keys[i].key : "");
	}
	rows_init(&a.arrived);
	rows_init(&a.taken);
	if (texts == NULL || buf_err(&jobs.bytes) != SC_OK) {
		err = client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	} else {
		column = column_of(&jobs);
		err = ask(&a, client, &column, texts, n_keys, any);
		if (err == SC_OK)
			err = follow(&a, timeout_us, fn, arg);
		call_fini(&a.call);
	}
	rows_fini(&a.arrived);
	rows_fini(&a.taken);
	column_writer_fini(&jobs);
	mem_free(texts);
	return err;
}
