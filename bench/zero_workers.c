/* zero_workers.c - see zero_workers.h. */
#include "bench/zero_workers.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/access.h"
#include "net/conn.h"
#include "net/handshake.h"
#include "proto/column.h"

#define CONNECTING_MAX 64u /* at the same time: the queue of a listening socket is short */
#define RESULT_BYTES   20u
#define ELAPSED_US     10u
#define HEARTBEAT_US   (5u * US_PER_S) /* of all of them together */

struct zero_worker {
	struct zero_workers *all;
	struct conn *conn;
	unsigned number; /* for its name */
	int is_welcome, is_ready;
};

struct zero_workers {
	struct loop *loop;
	struct access access;
	struct zero_worker *workers;
	size_t n, n_started, n_welcome, n_ready;
	struct loop_timer *timer; /* heartbeats */
	struct column_writer result_bytes, elapsed_us;
	int has_failed;
	atomic_int is_finished;
};

static void fail(struct zero_workers *z, const char *why)
{
	if (!z->has_failed)
		fprintf(stderr, "sched-bench: a worker: %s\n", why);
	z->has_failed = 1;
	loop_stop(z->loop);
}

/* ---- tasks ------------------------------------------------------------------------------------------------------ */

static sc_err on_tasks_assign(struct zero_worker *w, const struct msg_tasks_assign *m)
{
	struct zero_workers *z = w->all;
	struct msg_tasks_done done = {.job = m->job, .task = m->task};

	column_writer_reset(&z->result_bytes);
	column_writer_reset(&z->elapsed_us);
	for (size_t i = 0; i < m->task.count; i++) {
		column_put(&z->result_bytes, RESULT_BYTES);
		column_put(&z->elapsed_us, ELAPSED_US);
	}
	done.result_bytes = column_of(&z->result_bytes);
	done.elapsed_us = column_of(&z->elapsed_us);
	return conn_send(w->conn, MSG_tasks_done, &done);
}

/* ---- connecting ------------------------------------------------------------------------------------------------- */

static sc_err connect_some(struct zero_workers *z);

static sc_err register_worker(struct zero_worker *w)
{
	struct msg_worker_register m = {.pid = 1};
	char name[32], address[64];

	snprintf(name, sizeof(name), "zero-%u", w->number);
	snprintf(address, sizeof(address), "tcp://10.%u.%u.%u:7000", w->number >> 16 & 255, w->number >> 8 & 255,
		 w->number & 255);
	m.name = slice_of(name);
	m.pool = m.namespace = slice_of("");
	m.host = slice_of("zero");
	m.data_address = slice_of(address);
	m.resources = slice_of("cpus=1");
	return conn_send(w->conn, MSG_worker_register, &m);
}

static sc_err on_welcome(struct zero_worker *w, const struct msg *m)
{
	char text[256];
	sc_err err = handshake_welcomed(w->conn, m, 0, text, sizeof(text));

	if (err != SC_OK) {
		fail(w->all, text);
		return err;
	}
	w->is_welcome = 1;
	w->all->n_welcome++;
	err = register_worker(w);
	return err == SC_OK ? connect_some(w->all) : err;
}

static sc_err on_message(struct conn *c, const struct msg *m, void *arg)
{
	struct zero_worker *w = arg;

	if (!w->is_welcome)
		return on_welcome(w, m);
	switch (m->type) {
	case MSG_tasks_assign:
		return on_tasks_assign(w, &m->u.tasks_assign);
	case MSG_worker_registered:
		w->is_ready = 1;
		if (++w->all->n_ready == w->all->n)
			loop_stop(w->all->loop);
		return SC_OK;
	case MSG_group_define:
	case MSG_tasks_cancel: /* it was answered already */
	case MSG_results_drop:
	case MSG_job_drop:
	case MSG_heartbeat_granted:
		return SC_OK;
	default:
		return conn_common_message(c, m, "bench");
	}
}

static void on_connect(struct conn *c, void *arg)
{
	struct zero_worker *w = arg;

	handshake_hello(c, ROLE_WORKER, w->all->access.worker_secret, "sched-bench");
}

static void on_close(struct conn *c, sc_err why, const char *text, void *arg)
{
	struct zero_worker *w = arg;

	(void)c;
	(void)why;
	w->conn = NULL;
	if (!atomic_load(&w->all->is_finished))
		fail(w->all, text);
}

static const struct conn_handlers handlers = {on_connect, on_message, on_close};

static sc_err connect_some(struct zero_workers *z)
{
	while (z->n_started < z->n && z->n_started - z->n_welcome < CONNECTING_MAX) {
		struct zero_worker *w = &z->workers[z->n_started];
		sc_err err;

		*w = (struct zero_worker){.all = z, .number = (unsigned)z->n_started};
		err = conn_connect(z->loop, z->access.addresses[0], &conn_limits_default, &handlers, w, &w->conn);
		if (err != SC_OK)
			return err;
		z->n_started++;
	}
	return SC_OK;
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

static void on_timer(void *arg)
{
	struct zero_workers *z = arg;
	struct msg_heartbeat m = {0};

	for (size_t i = 0; i < z->n_started; i++)
		if (z->workers[i].is_ready && z->workers[i].conn != NULL)
			(void)conn_send(z->workers[i].conn, MSG_heartbeat, &m);
	loop_timer_set(z->timer, HEARTBEAT_US);
}

static void on_wake(void *arg)
{
	struct zero_workers *z = arg;

	if (atomic_load(&z->is_finished))
		loop_stop(z->loop);
}

static sc_err prepare(struct zero_workers *z, const char *access_file, size_t n)
{
	struct buf error;
	sc_err err;

	column_writer_init(&z->result_bytes);
	column_writer_init(&z->elapsed_us);
	buf_init(&error, 0);
	err = access_read(access_file, &z->access, &error);
	buf_fini(&error);
	if (err != SC_OK)
		return err;
	z->n = n;
	z->workers = mem_calloc(n, sizeof(*z->workers));
	if (z->workers == NULL || loop_new(&z->loop) != SC_OK ||
	    loop_timer_new(z->loop, on_timer, z, &z->timer) != SC_OK)
		return SC_NOMEM;
	loop_set_wake_hook(z->loop, on_wake, z);
	loop_timer_set(z->timer, HEARTBEAT_US);
	return connect_some(z);
}

int zero_workers_start(const char *access_file, size_t n, struct zero_workers **out)
{
	struct zero_workers *z = mem_calloc(1, sizeof(*z));
	sc_err err = z == NULL ? SC_NOMEM : prepare(z, access_file, n);

	if (err != SC_OK)
		fprintf(stderr, "sched-bench: workers cannot be connected: %s\n", sc_err_text(err));
	else
		loop_run(z->loop); /* until all are registered */
	if (err != SC_OK || z->has_failed) {
		zero_workers_free(z);
		return -1;
	}
	*out = z;
	return 0;
}

int zero_workers_serve(struct zero_workers *z)
{
	loop_run(z->loop);
	return z->has_failed ? -1 : 0;
}

void zero_workers_finish(struct zero_workers *z)
{
	atomic_store(&z->is_finished, 1);
	loop_wake(z->loop);
}

void zero_workers_free(struct zero_workers *z)
{
	if (z == NULL)
		return;
	atomic_store(&z->is_finished, 1);
	loop_timer_free(z->timer);
	loop_free(z->loop);
	column_writer_fini(&z->result_bytes);
	column_writer_fini(&z->elapsed_us);
	mem_free(z->workers);
	mem_free(z);
}
