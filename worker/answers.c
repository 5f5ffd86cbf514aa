/*
 * answers.c - see answers.h.  A job that has something to say has a batch; batches are reused.
 */
#include "worker/answers.h"

#include <sys/queue.h>

#include "base/mem.h"

#define BATCH_TASKS_MAX 65536u /* send early, so that a message stays far below a frame */
#define IDLE_MAX	16     /* batches kept for reuse */

/* A column that stays empty as long as all its values are 0: that is what an empty one means. */
struct sparse_column {
	struct column_writer w;
	size_t zeros; /* left out so far */
};

enum done_column { C_RESULT_BYTES, C_STDERR_BYTES, C_ELAPSED_US, C_CPU_US, C_RSS_BYTES, DONE_COLUMNS };

struct answer_batch {
	TAILQ_ENTRY(answer_batch) link;
	struct job *job; /* shared */
	struct column_writer done;
	struct sparse_column of_done[DONE_COLUMNS];
	struct column_writer fetching;
	struct column_writer running;
	struct column_writer cancelled;
	struct column_writer added; /* copies */
	struct sparse_column added_result, added_stderr;
	struct column_writer dropped;
};

TAILQ_HEAD(batch_list, answer_batch);

struct answers {
	struct conn *conn;
	struct batch_list busy;
	struct batch_list idle;
	unsigned n_idle;
	int is_urgent;
};

sc_err answers_new(struct answers **out)
{
	struct answers *a = mem_calloc(1, sizeof(*a));

	if (a == NULL)
		return SC_NOMEM;
	TAILQ_INIT(&a->busy);
	TAILQ_INIT(&a->idle);
	*out = a;
	return SC_OK;
}

static void batch_reset(struct answer_batch *b)
{
	column_writer_reset(&b->done);
	column_writer_reset(&b->fetching);
	column_writer_reset(&b->running);
	column_writer_reset(&b->cancelled);
	column_writer_reset(&b->added);
	column_writer_reset(&b->added_result.w);
	column_writer_reset(&b->added_stderr.w);
	b->added_result.zeros = b->added_stderr.zeros = 0;
	column_writer_reset(&b->dropped);
	for (int i = 0; i < DONE_COLUMNS; i++) {
		column_writer_reset(&b->of_done[i].w);
		b->of_done[i].zeros = 0;
	}
}

static void batch_free(struct answer_batch *b)
{
	column_writer_fini(&b->done);
	column_writer_fini(&b->fetching);
	column_writer_fini(&b->running);
	column_writer_fini(&b->cancelled);
	column_writer_fini(&b->added);
	column_writer_fini(&b->added_result.w);
	column_writer_fini(&b->added_stderr.w);
	column_writer_fini(&b->dropped);
	for (int i = 0; i < DONE_COLUMNS; i++)
		column_writer_fini(&b->of_done[i].w);
	mem_free(b);
}

/* The job has said all it had to. */
static void batch_release(struct answers *a, struct answer_batch *b)
{
	TAILQ_REMOVE(&a->busy, b, link);
	b->job->answers = NULL;
	job_unref(b->job);
	b->job = NULL;
	if (a->n_idle >= IDLE_MAX) {
		batch_free(b);
		return;
	}
	batch_reset(b);
	TAILQ_INSERT_HEAD(&a->idle, b, link);
	a->n_idle++;
}

void answers_connect(struct answers *a, struct conn *c)
{
	struct answer_batch *b;

	a->conn = c;
	a->is_urgent = 0;
	while ((b = TAILQ_FIRST(&a->busy)) != NULL)
		batch_release(a, b);
}

void answers_free(struct answers *a)
{
	struct answer_batch *b;

	if (a == NULL)
		return;
	answers_connect(a, NULL);
	while ((b = TAILQ_FIRST(&a->idle)) != NULL) {
		TAILQ_REMOVE(&a->idle, b, link);
		batch_free(b);
	}
	mem_free(a);
}

/* The answer cannot be told, and the scheduler would wait for it for ever: start over with it. */
static void give_up(struct answers *a)
{
	conn_close(a->conn, SC_NOMEM, "out of memory for answers");
}

static struct answer_batch *batch_of(struct answers *a, struct job *job)
{
	struct answer_batch *b = job->answers;

	if (a->conn == NULL || b != NULL)
		return b;
	b = TAILQ_FIRST(&a->idle);
	if (b != NULL) {
		TAILQ_REMOVE(&a->idle, b, link);
		a->n_idle--;
	} else {
		b = mem_calloc(1, sizeof(*b));
		if (b == NULL) {
			give_up(a);
			return NULL;
		}
		batch_reset(b);
	}
	b->job = job;
	job->refs++;
	job->answers = b;
	TAILQ_INSERT_TAIL(&a->busy, b, link);
	return b;
}

static void sparse_put(struct sparse_column *c, uint64_t value)
{
	if (value == 0 && c->w.count == 0) {
		c->zeros++;
		return;
	}
	for (; c->zeros > 0; c->zeros--)
		column_put(&c->w, 0);
	column_put(&c->w, value);
}

/* ---- sending -------------------------------------------------------------------------------------------------- */

static void send_done(struct answers *a, struct answer_batch *b)
{
	struct msg_tasks_done m = {
		.job = b->job->id,
		.task = column_of(&b->done),
		.result_bytes = column_of(&b->of_done[C_RESULT_BYTES].w),
		.stderr_bytes = column_of(&b->of_done[C_STDERR_BYTES].w),
		.elapsed_us = column_of(&b->of_done[C_ELAPSED_US].w),
		.cpu_us = column_of(&b->of_done[C_CPU_US].w),
		.rss_bytes = column_of(&b->of_done[C_RSS_BYTES].w),
	};
	int failed = buf_err(&b->done.bytes) != SC_OK;

	for (int i = 0; i < DONE_COLUMNS; i++)
		failed |= buf_err(&b->of_done[i].w.bytes) != SC_OK;
	if (failed || conn_send(a->conn, MSG_tasks_done, &m) == SC_NOMEM)
		give_up(a);
}

/* Copies that are here go first: a task that is done may have been all that needed them. */
static void send_copies(struct answers *a, struct answer_batch *b)
{
	struct msg_replicas_added added = {
		.job = b->job->id,
		.task = column_of(&b->added),
		.result_bytes = column_of(&b->added_result.w),
		.stderr_bytes = column_of(&b->added_stderr.w),
	};
	struct msg_replicas_dropped dropped = {.job = b->job->id, .task = column_of(&b->dropped)};
	int failed = buf_err(&b->added.bytes) != SC_OK || buf_err(&b->added_result.w.bytes) != SC_OK ||
		     buf_err(&b->added_stderr.w.bytes) != SC_OK || buf_err(&b->dropped.bytes) != SC_OK;

	if (failed || (b->added.count > 0 && conn_send(a->conn, MSG_replicas_added, &added) == SC_NOMEM) ||
	    (b->dropped.count > 0 && conn_send(a->conn, MSG_replicas_dropped, &dropped) == SC_NOMEM))
		give_up(a);
}

static void batch_send(struct answers *a, struct answer_batch *b)
{
	struct msg_tasks_fetching fetching = {.job = b->job->id, .task = column_of(&b->fetching)};
	struct msg_tasks_running running = {.job = b->job->id, .task = column_of(&b->running)};
	struct msg_tasks_cancelled cancelled = {.job = b->job->id, .task = column_of(&b->cancelled)};

	if (b->fetching.count > 0)
		conn_send(a->conn, MSG_tasks_fetching, &fetching);
	if (b->added.count + b->dropped.count > 0)
		send_copies(a, b);
	if (b->running.count > 0)
		conn_send(a->conn, MSG_tasks_running, &running);
	if (b->done.count > 0)
		send_done(a, b);
	if (b->cancelled.count > 0 &&
	    (buf_err(&b->cancelled.bytes) != SC_OK || conn_send(a->conn, MSG_tasks_cancelled, &cancelled) == SC_NOMEM))
		give_up(a);
	batch_reset(b);
}

static void batch_send_if_full(struct answers *a, struct answer_batch *b)
{
	if (b->done.count >= BATCH_TASKS_MAX || b->cancelled.count >= BATCH_TASKS_MAX ||
	    b->added.count >= BATCH_TASKS_MAX || b->dropped.count >= BATCH_TASKS_MAX)
		batch_send(a, b);
}

int answers_are_empty(const struct answers *a)
{
	return TAILQ_EMPTY(&a->busy);
}

int answers_are_cut_off(const struct answers *a)
{
	return a->conn == NULL || conn_is_closing(a->conn);
}

int answers_are_urgent(const struct answers *a)
{
	return a->is_urgent;
}

void answers_flush(struct answers *a)
{
	struct answer_batch *b;

	a->is_urgent = 0;
	while ((b = TAILQ_FIRST(&a->busy)) != NULL) {
		batch_send(a, b);
		batch_release(a, b);
	}
}

void answers_write(struct answers *a)
{
	answers_flush(a);
	if (a->conn != NULL && !conn_is_closing(a->conn))
		conn_flush(a->conn);
}

/* ---- collecting ----------------------------------------------------------------------------------------------- */

void answers_done_all(struct answers *a, struct job *job, const struct column *tasks)
{
	struct answer_batch *b = batch_of(a, job);
	struct column_reader r;

	if (b == NULL)
		return;
	column_read(&r, tasks);
	while (r.left > 0) {
		column_put(&b->done, column_next(&r));
		for (int i = 0; i < DONE_COLUMNS; i++)
			sparse_put(&b->of_done[i], 0);
		batch_send_if_full(a, b);
	}
}

void answers_done(struct answers *a, struct job *job, uint32_t task, const struct outcome *o)
{
	struct answer_batch *b = batch_of(a, job);

	if (b == NULL)
		return;
	column_put(&b->done, task);
	sparse_put(&b->of_done[C_RESULT_BYTES], o->result == NULL ? 0 : o->result->stream[STREAM_RESULT].bytes);
	sparse_put(&b->of_done[C_STDERR_BYTES], o->result == NULL ? 0 : o->result->stream[STREAM_STDERR].bytes);
	sparse_put(&b->of_done[C_ELAPSED_US], o->elapsed_us);
	sparse_put(&b->of_done[C_CPU_US], o->cpu_us);
	sparse_put(&b->of_done[C_RSS_BYTES], o->rss_bytes);
	batch_send_if_full(a, b);
}

void answers_failed(struct answers *a, struct job *job, uint32_t task, const struct outcome *o)
{
	struct msg_task_failed m = {
		.job = job->id,
		.task = task,
		.cause = o->cause,
		.status = o->status,
		.text = slice_of(o->text),
		.stderr_tail = {o->tail, o->tail_bytes},
		.elapsed_us = o->elapsed_us,
		.cpu_us = o->cpu_us,
		.rss_bytes = o->rss_bytes,
	};

	if (a->conn == NULL)
		return;
	if (o->result != NULL) {
		m.result_bytes = o->result->stream[STREAM_RESULT].bytes;
		m.stderr_bytes = o->result->stream[STREAM_STDERR].bytes;
	}
	if (conn_send(a->conn, MSG_task_failed, &m) == SC_NOMEM)
		give_up(a);
}

void answers_cancelled(struct answers *a, struct job *job, uint32_t task)
{
	struct answer_batch *b = batch_of(a, job);

	if (b == NULL)
		return;
	column_put(&b->cancelled, task);
	a->is_urgent = 1; /* somebody waits for the resources, or at a terminal */
	batch_send_if_full(a, b);
}

void answers_fetching(struct answers *a, struct job *job, uint32_t task)
{
	struct answer_batch *b = batch_of(a, job);

	if (b != NULL)
		column_put(&b->fetching, task);
}

void answers_running(struct answers *a, struct job *job, uint32_t task)
{
	struct answer_batch *b = batch_of(a, job);

	if (b != NULL)
		column_put(&b->running, task);
}

void answers_copy_added(struct answers *a, struct job *job, uint32_t task, uint64_t result_bytes, uint64_t stderr_bytes)
{
	struct answer_batch *b = batch_of(a, job);

	if (b == NULL)
		return;
	if (b->dropped.count > 0)
		batch_send(a, b); /* in a message what was added comes first */
	column_put(&b->added, task);
	sparse_put(&b->added_result, result_bytes);
	sparse_put(&b->added_stderr, stderr_bytes);
	batch_send_if_full(a, b);
}

void answers_copy_dropped(struct answers *a, struct job *job, uint32_t task)
{
	struct answer_batch *b = batch_of(a, job);

	if (b == NULL)
		return;
	column_put(&b->dropped, task);
	batch_send_if_full(a, b);
}

void answers_paused(struct answers *a, int is_paused)
{
	struct msg_worker_paused m = {.paused = is_paused != 0};

	if (a->conn != NULL)
		conn_send(a->conn, MSG_worker_paused, &m);
}

void answers_inputs_missing(struct answers *a, const struct task *t)
{
	struct msg_inputs_missing m = {.job = t->key.job, .task = t->key.task};
	struct column_writer input;
	struct slice *holders;
	size_t n = 0;

	if (a->conn == NULL)
		return;
	column_writer_init(&input);
	holders = mem_calloc((size_t)t->n_inputs * INPUT_HOLDERS_MAX, sizeof(*holders));
	for (uint32_t i = 0; holders != NULL && i < t->n_inputs; i++) {
		const struct input *in = &t->inputs[i];

		for (unsigned k = 0; in->failed && k < in->n_holders; k++) {
			if ((in->tried & 1u << k) == 0)
				continue;
			column_put(&input, in->number);
			holders[n++] = slice_of(in->holders[k]);
		}
	}
	m.input = column_of(&input);
	m.holders = (struct slices){holders, n};
	if (holders == NULL || buf_err(&input.bytes) != SC_OK || conn_send(a->conn, MSG_inputs_missing, &m) == SC_NOMEM)
		give_up(a);
	mem_free(holders);
	column_writer_fini(&input);
}
