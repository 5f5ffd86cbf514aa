/*
 * fetch.c - results, from the workers that hold them to a callback.
 *
 * The scheduler says where results are (in chunks of CHUNK_TASKS tasks); the parts are then asked for at the data ports
 * of the workers, several ahead of the one that is delivered: at most WINDOW_PARTS parts and WINDOW_BYTES bytes.  Parts
 * are delivered in order, in the caller's thread.
 *
 * When a holder cannot be reached or does not hold what it was said to hold, everything in flight is waited for and
 * dropped, the scheduler is asked again about the rest of the chunk, and it goes on from the task at hand: ATTEMPTS
 * times, a little later each time, as the scheduler may not know yet that a worker is gone.  In the middle of a result
 * it goes on where it was if another holder has what the same attempt of the task made; what another attempt made may
 * differ, so then it begins anew, if the receiver can.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/hash.h"
#include "client/client.h"
#include "client/link.h"

#define CHUNK_TASKS    4096u
#define PART_BYTES     ((uint64_t)1024 * 1024)
#define WINDOW_PARTS   64u
#define WINDOW_BYTES   (4 * PART_BYTES)
#define SPARE_BUFFERS  4u
#define ATTEMPTS       6u
#define FIRST_PAUSE_US (50u * US_PER_MS) /* before the second attempt; then four times as long each time */

struct holder {
	UT_hash_handle hh;
	char address[];
};

struct place {
	uint32_t task;
	enum sc_task_state state;
	uint64_t attempt;	     /* which made it; 0: not known */
	uint64_t bytes;		     /* of the stream wanted */
	int is_empty;		     /* nobody holds it, and nothing is missed */
	const struct holder *holder; /* NULL: nobody */
};

/* A part asked for. */
struct piece {
	struct call call; /* first: take_part() gets a pointer to it */
	size_t place;
	uint64_t offset;
	uint64_t want_bytes;
	uint64_t total_bytes; /* as the holder says */
	struct buf data;
};

struct fetch {
	struct sc_client *client;
	const struct sc_fetch *spec;
	sc_part_fn fn;
	void *arg;
	uint64_t job;
	struct msg_decoder *decoder;
	struct holder *holders;

	struct place places[CHUNK_TASKS];
	size_t n_places;
	uint64_t next_task; /* of the job, when all are wanted; 0: no more */

	/* being delivered */
	size_t at;
	uint64_t offset;
	unsigned attempts;

	/* to be asked for next */
	size_t ask_at;
	uint64_t ask_offset;
	struct piece pieces[WINDOW_PARTS]; /* a ring */
	size_t first_piece, n_pieces;
	uint64_t bytes_asked;
	struct buf spare[SPARE_BUFFERS]; /* memory of large parts, used again: a ring full of it would be too much */
	size_t n_spare;
};

/* ---- where ------------------------------------------------------------------------------------------------------ */

static const struct holder *intern_holder(struct fetch *f, struct slice address)
{
	struct holder *h;

	HASH_FIND(hh, f->holders, address.p, address.n, h);
	if (h != NULL)
		return h;
	h = mem_malloc(sizeof(*h) + address.n + 1);
	if (h == NULL)
		return NULL;
	memcpy(h->address, address.p, address.n);
	h->address[address.n] = '\0';
	HASH_ADD(hh, f->holders, address, address.n, h);
	if (h->hh.tbl == NULL) {
		mem_free(h);
		return NULL;
	}
	return h;
}

static sc_err read_places(struct fetch *f, const struct msg_result_places *m, struct place *out, size_t cap,
			  size_t *n_out)
{
	struct column_reader task, state, result, standard_error, holder, attempt;
	size_t n = m->task.count < cap ? m->task.count : cap;

	column_read(&task, &m->task);
	column_read(&state, &m->state);
	column_read(&result, &m->result_bytes);
	column_read(&standard_error, &m->stderr_bytes);
	column_read(&holder, &m->holder);
	column_read(&attempt, &m->attempt);
	for (size_t i = 0; i < n; i++) {
		uint64_t result_bytes, stderr_bytes, who;

		out[i].task = (uint32_t)column_next(&task);
		out[i].state = (enum sc_task_state)column_next(&state);
		result_bytes = column_next(&result);
		stderr_bytes = column_next(&standard_error);
		who = column_next(&holder);
		out[i].bytes = f->spec->stream == SC_STREAM_STDERR ? stderr_bytes : result_bytes;
		out[i].is_empty = who == 0 && result_bytes == 0 && stderr_bytes == 0;
		out[i].attempt = m->attempt.count > i ? column_next(&attempt) : 0;
		out[i].holder = NULL;
		if (who > m->holders.n)
			return client_error(SC_MALFORMED, "the scheduler named a holder that it did not list");
		if (who > 0) {
			out[i].holder = intern_holder(f, m->holders.v[who - 1]);
			if (out[i].holder == NULL)
				return client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
		}
	}
	*n_out = n;
	return SC_OK;
}

/* Ask about `n` tasks (their numbers in w), or about all from `from` on when n is 0. */
static sc_err locate(struct fetch *f, struct column_writer *w, uint64_t from, struct place *out, size_t cap,
		     size_t *n_out, uint64_t *next)
{
	struct call c;
	struct msg m;
	sc_err err;

	call_init(&c, f->client, MSG_result_locate, MSG_result_places);
	c.request.u.result_locate.job = f->job;
	c.request.u.result_locate.recompute = f->spec->recompute != 0;
	c.request.u.result_locate.task = column_of(w);
	c.request.u.result_locate.from = from;
	c.request.u.result_locate.limit = cap;
	err = buf_err(&w->bytes) == SC_OK ? call_run(&c) : client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	if (err == SC_OK)
		err = call_decode(&c, f->decoder, &m);
	if (err == SC_OK)
		err = read_places(f, &m.u.result_places, out, cap, n_out);
	if (err == SC_OK) {
		f->job = m.u.result_places.job; /* "the newest" stays the same job */
		*next = m.u.result_places.next;
	}
	call_fini(&c);
	return err;
}

/* Ask about these tasks; the answer has to be about the same ones, in their order. */
static sc_err locate_listed(struct fetch *f, const uint32_t *tasks, size_t n, struct place *out)
{
	struct column_writer w;
	size_t got = 0;
	uint64_t next;
	sc_err err;

	column_writer_init(&w);
	for (size_t i = 0; i < n; i++)
		column_put(&w, tasks[i]);
	err = locate(f, &w, 0, out, n, &got, &next);
	column_writer_fini(&w);
	if (err != SC_OK)
		return err;
	for (size_t i = 0; i < n; i++)
		if (i >= got || out[i].task != tasks[i])
			return client_error(SC_NOT_FOUND, "job %llu has no task %u", (unsigned long long)f->job,
					    tasks[i]);
	return SC_OK;
}

/* Ask again about what is left of the chunk. */
static sc_err locate_rest(struct fetch *f)
{
	uint32_t tasks[CHUNK_TASKS];
	size_t n = f->n_places - f->at;

	for (size_t i = 0; i < n; i++)
		tasks[i] = f->places[f->at + i].task;
	return locate_listed(f, tasks, n, &f->places[f->at]);
}

/* ---- asking ahead ----------------------------------------------------------------------------------------------- */

static int take_part(struct call *c, const struct msg *m)
{
	struct piece *p = (struct piece *)c;

	p->total_bytes = m->u.data_part.total_bytes;
	buf_reset(&p->data);
	if (m->u.data_part.offset == p->offset && m->u.data_part.bytes.n <= p->want_bytes)
		buf_append(&p->data, m->u.data_part.bytes.p, m->u.data_part.bytes.n);
	return 1;
}

static struct piece *oldest_piece(struct fetch *f)
{
	return &f->pieces[f->first_piece];
}

static void spare_buffer(struct fetch *f, struct buf *b)
{
	if (b->cap <= PART_BYTES / WINDOW_PARTS)
		return;
	if (f->n_spare < SPARE_BUFFERS) {
		f->spare[f->n_spare++] = *b;
		buf_init(b, PART_BYTES);
	} else {
		buf_fini(b);
	}
}

static void ask(struct fetch *f, const struct place *place, uint64_t want_bytes)
{
	struct piece *p = &f->pieces[(f->first_piece + f->n_pieces) % WINDOW_PARTS];

	call_init(&p->call, f->client, MSG_data_get, MSG_data_part);
	p->call.address = place->holder->address;
	p->call.on_answer = take_part;
	p->call.request.u.data_get.job = f->job;
	p->call.request.u.data_get.task = place->task;
	p->call.request.u.data_get.stream = f->spec->stream == SC_STREAM_STDERR;
	p->call.request.u.data_get.offset = f->ask_offset;
	p->call.request.u.data_get.max_bytes = want_bytes;
	p->place = f->ask_at;
	p->offset = f->ask_offset;
	p->want_bytes = want_bytes;
	if (p->data.cap < want_bytes && f->n_spare > 0) {
		buf_fini(&p->data);
		p->data = f->spare[--f->n_spare];
	}
	f->n_pieces++;
	f->bytes_asked += want_bytes;
	if (call_start(&p->call) != SC_OK) { /* being closed: the one who waits for it is told */
		p->call.is_over = 1;
		p->call.err = SC_CLOSED;
	}
}

static void fill_window(struct fetch *f)
{
	while (f->n_pieces < WINDOW_PARTS && f->bytes_asked < WINDOW_BYTES && f->ask_at < f->n_places) {
		const struct place *place = &f->places[f->ask_at];
		uint64_t left = place->bytes - f->ask_offset, want = left < PART_BYTES ? left : PART_BYTES;

		if (place->holder != NULL && left > 0) {
			ask(f, place, want);
			f->ask_offset += want;
		}
		if (place->holder == NULL || f->ask_offset >= place->bytes) {
			f->ask_at++;
			f->ask_offset = 0;
		}
	}
}

/* The oldest is over. */
static void drop_oldest(struct fetch *f)
{
	struct piece *p = oldest_piece(f);

	f->bytes_asked -= p->want_bytes;
	spare_buffer(f, &p->data);
	call_fini(&p->call);
	f->first_piece = (f->first_piece + 1) % WINDOW_PARTS;
	f->n_pieces--;
}

/* Wait for all that is in flight, drop it, and ask from here again. */
static void restart_window(struct fetch *f)
{
	while (f->n_pieces > 0) {
		call_wait(&oldest_piece(f)->call);
		drop_oldest(f);
	}
	f->ask_at = f->at;
	f->ask_offset = f->offset;
}

/* ---- delivering ------------------------------------------------------------------------------------------------- */

static sc_err deliver(struct fetch *f, struct sc_part *part)
{
	const struct place *place = &f->places[f->at];

	part->job = f->job;
	part->task = place->task;
	part->state = place->state;
	if (part->text == NULL)
		part->text = "";
	return f->fn(part, f->arg);
}

static void next_place(struct fetch *f)
{
	f->at++;
	f->offset = 0;
	f->attempts = 0;
}

static sc_err deliver_nothing(struct fetch *f, sc_err why, const char *text)
{
	struct sc_part part = {.last = 1, .data = "", .err = why, .text = text, .offset = f->offset};
	sc_err err = deliver(f, &part);

	next_place(f);
	return err;
}

static sc_err give_up(struct fetch *f, const char *reason)
{
	char text[512];

	restart_window(f);
	snprintf(text, sizeof(text), "%s: %.400s", sc_err_text(SC_LOST), reason);
	return deliver_nothing(f, SC_LOST, text);
}

static void pause_before(unsigned attempt)
{
	uint64_t us = (uint64_t)FIRST_PAUSE_US << (2 * (attempt - 1));
	struct timespec ts = {(time_t)(us / US_PER_S), (long)(us % US_PER_S * 1000u)};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

/* Whether waiting cannot make it more available than it is. */
static int is_settled(const struct place *place)
{
	return place->holder != NULL || place->state == SC_TASK_FAILED || place->state == SC_TASK_CANCELLED ||
	       (place->is_empty && place->state == SC_TASK_DONE);
}

/* Whether what is held now is what part of has been delivered. */
static int is_same(const struct place *now, const struct place *before)
{
	return now->holder != NULL && now->attempt == before->attempt && now->attempt != 0 &&
	       now->attempt != UINT16_MAX && now->bytes == before->bytes;
}

/* The result at hand is not to be had from where it was said to be. */
static sc_err recover(struct fetch *f, const char *reason)
{
	const struct place *place = &f->places[f->at];
	struct place before = *place;
	char why[400];
	sc_err err;

	snprintf(why, sizeof(why), "%s", reason);
	if (++f->attempts > ATTEMPTS)
		return give_up(f, why);
	restart_window(f);
	if (f->attempts > 1)
		pause_before(f->attempts - 1);
	err = locate_rest(f);
	if (err == SC_OK && f->spec->recompute && !is_settled(place)) {
		err = sc_client_wait(f->client, f->job, 0, UINT64_MAX, NULL, NULL, NULL);
		if (err == SC_OK)
			err = locate_rest(f);
	}
	if (err == SC_OK && f->offset > 0 && !is_same(place, &before)) {
		if (!f->spec->restart)
			return give_up(f, why);
		f->offset = 0;
	}
	f->ask_at = f->at;
	f->ask_offset = f->offset;
	return err;
}

/* Nobody holds it: is that in order? */
static sc_err deliver_unheld(struct fetch *f)
{
	const struct place *place = &f->places[f->at];
	char text[128];

	if (!sc_task_state_is_final(place->state) && !f->spec->recompute) {
		snprintf(text, sizeof(text), "the task has not ended: it is %s", sc_task_state_name(place->state));
		return deliver_nothing(f, SC_BAD_STATE, text);
	}
	if (place->state == SC_TASK_CANCELLED && place->is_empty)
		return deliver_nothing(f, SC_BAD_STATE, "the task was cancelled");
	if (place->is_empty && (place->state == SC_TASK_DONE || place->state == SC_TASK_FAILED))
		return deliver_nothing(f, SC_OK, NULL);
	if (f->spec->recompute && !is_settled(place))
		return recover(f, "no worker holds it, and computing it again did not help");
	if (place->state == SC_TASK_RELEASED)
		return deliver_nothing(f, SC_LOST, "the result was dropped when no task needed it any more");
	return deliver_nothing(f, SC_LOST, sc_err_text(SC_LOST));
}

/* The oldest part is here; it belongs to the place and offset at hand. */
static sc_err deliver_piece(struct fetch *f, const struct piece *p)
{
	struct sc_part part = {
		.total_bytes = p->total_bytes,
		.offset = p->offset,
		.data = p->data.len > 0 ? (const void *)p->data.data : "",
		.n_bytes = p->data.len,
		.last = p->offset + p->data.len >= p->total_bytes,
	};
	struct place *place = &f->places[f->at];
	int odd = p->total_bytes != place->bytes || p->data.len < p->want_bytes;
	sc_err err = deliver(f, &part);

	drop_oldest(f);
	f->offset = part.offset + part.n_bytes;
	place->bytes = part.total_bytes; /* the size of a file the task wrote itself may have changed since */
	if (part.last)
		next_place(f);
	if (odd)
		restart_window(f); /* what was asked for ahead does not fit any more */
	return err;
}

static sc_err step(struct fetch *f)
{
	const struct place *place = &f->places[f->at];
	struct piece *p;

	if (place->holder == NULL)
		return deliver_unheld(f);
	if (place->bytes == 0)
		return deliver_nothing(f, SC_OK, NULL);
	p = oldest_piece(f);
	if (call_wait(&p->call) != SC_OK)
		return recover(f, sc_client_error_text(NULL));
	if (buf_err(&p->data) != SC_OK)
		return client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	if (p->data.len == 0 && p->offset < p->total_bytes)
		return recover(f, "its holder sent nothing");
	return deliver_piece(f, p);
}

static sc_err fetch_chunk(struct fetch *f)
{
	sc_err err = SC_OK;

	f->at = 0;
	f->offset = 0;
	f->attempts = 0;
	restart_window(f);
	while (err == SC_OK && f->at < f->n_places) {
		fill_window(f);
		err = step(f);
	}
	while (f->n_pieces > 0) { /* after an error */
		call_wait(&oldest_piece(f)->call);
		drop_oldest(f);
	}
	return err;
}

static sc_err fetch_listed(struct fetch *f)
{
	sc_err err = SC_OK;

	for (size_t i = 0; i < f->spec->n_tasks && err == SC_OK; i += f->n_places) {
		f->n_places = f->spec->n_tasks - i < CHUNK_TASKS ? f->spec->n_tasks - i : CHUNK_TASKS;
		err = locate_listed(f, f->spec->tasks + i, f->n_places, f->places);
		if (err == SC_OK)
			err = fetch_chunk(f);
	}
	return err;
}

static sc_err fetch_all(struct fetch *f)
{
	struct column_writer none;
	uint64_t from = 0, next = 0;
	sc_err err;

	column_writer_init(&none);
	do {
		err = locate(f, &none, from, f->places, CHUNK_TASKS, &f->n_places, &next);
		if (err == SC_OK)
			err = fetch_chunk(f);
		if (next <= from)
			break;
		from = next;
	} while (err == SC_OK);
	column_writer_fini(&none);
	return err;
}

static void fetch_free(struct fetch *f)
{
	struct holder *h, *next;

	HASH_ITER (hh, f->holders, h, next) {
		HASH_DELETE(hh, f->holders, h);
		mem_free(h);
	}
	for (size_t i = 0; i < WINDOW_PARTS; i++)
		buf_fini(&f->pieces[i].data);
	for (size_t i = 0; i < f->n_spare; i++)
		buf_fini(&f->spare[i]);
	msg_decoder_free(f->decoder);
	mem_free(f);
}

sc_err sc_client_fetch(struct sc_client *client, const struct sc_fetch *spec, sc_part_fn fn, void *arg)
{
	struct fetch *f = mem_calloc(1, sizeof(*f));
	char text[1024];
	sc_err err;

	if (f == NULL)
		return client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	f->client = client;
	f->spec = spec;
	f->fn = fn;
	f->arg = arg;
	f->job = spec->job;
	for (size_t i = 0; i < WINDOW_PARTS; i++)
		buf_init(&f->pieces[i].data, PART_BYTES);
	if (msg_decoder_new(&f->decoder) != SC_OK)
		err = client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	else
		err = spec->tasks != NULL ? fetch_listed(f) : fetch_all(f);
	snprintf(text, sizeof(text), "%s", sc_client_error_text(client));
	fetch_free(f);
	return err == SC_OK ? SC_OK : client_error(err, "%s", text);
}
