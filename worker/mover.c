/* mover.c - see mover.h. */
#include "worker/mover.h"

#include <inttypes.h>
#include <sys/queue.h>

#include "base/log.h"
#include "base/mem.h"
#include "proto/column.h"

struct move {
	LIST_ENTRY(move) link;
	struct job *job; /* shared */
	struct input in[STREAMS];
	unsigned n_coming;
	int failed;
	char holder[]; /* borrowed by both inputs */
};

struct mover {
	struct jobs *jobs;
	struct store *store;
	struct fetcher *fetcher;
	struct answers *answers;
	LIST_HEAD(, move) moves;
};

sc_err mover_new(struct jobs *jobs, struct store *store, struct fetcher *f, struct answers *a, struct mover **out)
{
	struct mover *m = mem_calloc(1, sizeof(*m));

	if (m == NULL)
		return SC_NOMEM;
	*m = (struct mover){.jobs = jobs, .store = store, .fetcher = f, .answers = a};
	LIST_INIT(&m->moves);
	*out = m;
	return SC_OK;
}

static void move_free(struct mover *m, struct move *v)
{
	LIST_REMOVE(v, link);
	for (int i = 0; i < STREAMS; i++)
		fetcher_forget(m->fetcher, &v->in[i]);
	job_unref(v->job);
	mem_free(v);
}

void mover_forget(struct mover *m, uint64_t job)
{
	struct move *v = LIST_FIRST(&m->moves), *next;

	for (; v != NULL; v = next) {
		next = LIST_NEXT(v, link);
		if (job == 0 || v->job->id == job)
			move_free(m, v);
	}
}

void mover_free(struct mover *m)
{
	if (m == NULL)
		return;
	mover_forget(m, 0);
	mem_free(m);
}

/* Both streams of one result, from one holder. */
static sc_err begin(struct mover *m, struct job *job, uint32_t task, const uint64_t bytes[STREAMS], struct slice holder)
{
	struct move *v = mem_calloc(1, sizeof(*v) + holder.n + 1);

	if (v == NULL)
		return SC_NOMEM;
	memcpy(v->holder, holder.p, holder.n);
	v->job = job;
	job->refs++;
	LIST_INSERT_HEAD(&m->moves, v, link);
	for (int i = 0; i < STREAMS; i++) {
		struct input *in = &v->in[i];

		in->job = job->id;
		in->number = task;
		in->stream = (uint8_t)i;
		in->bytes = bytes[i];
		in->holders[in->n_holders++] = v->holder;
		switch (fetcher_want(m->fetcher, in)) {
		case FETCH_HERE:
			break;
		case FETCH_COMING:
			v->n_coming++;
			break;
		case FETCH_FAILED:
			v->failed = 1;
			break;
		}
	}
	return SC_OK;
}

sc_err mover_fetch(struct mover *m, const struct msg_results_fetch *msg, struct buf *error)
{
	struct job *job = jobs_find(m->jobs, msg->job);
	struct column_reader task, bytes[STREAMS], holder;
	size_t n = msg->task.count;
	sc_err err = SC_OK;

	if (job == NULL || msg->result_bytes.count != n || msg->stderr_bytes.count != n || msg->holder.count != n) {
		buf_printf(error, job == NULL ? "job %" PRIu64 " is not known" : "columns of different lengths",
			   msg->job);
		return SC_MALFORMED;
	}
	column_read(&task, &msg->task);
	column_read(&bytes[STREAM_RESULT], &msg->result_bytes);
	column_read(&bytes[STREAM_STDERR], &msg->stderr_bytes);
	column_read(&holder, &msg->holder);
	while (task.left > 0 && err == SC_OK) {
		uint32_t number = (uint32_t)column_next(&task);
		uint64_t n_bytes[STREAMS] = {column_next(&bytes[STREAM_RESULT]), column_next(&bytes[STREAM_STDERR])};
		uint64_t who = column_next(&holder);

		if (who > 0 && who <= msg->holders.n)
			err = begin(m, job, number, n_bytes, msg->holders.v[who - 1]);
		else
			answers_copy_dropped(m->answers, job, number); /* gone before it was asked for */
	}
	return err;
}

void mover_settled(struct input *in)
{
	struct move *v = (struct move *)((char *)(in - in->stream) - offsetof(struct move, in));

	v->n_coming--;
	v->failed |= in->failed;
}

/* Put together what came, and keep it. */
static sc_err keep(struct mover *m, struct move *v)
{
	struct result *r = v->in[STREAM_RESULT].result, *errs = v->in[STREAM_STDERR].result;
	sc_err err = SC_OK;

	if (r != NULL)
		result_ref(r);
	else
		err = result_new(m->store, &r);
	if (err != SC_OK)
		return err;
	if (errs != NULL && errs != r)
		result_take_stream(r, STREAM_STDERR, errs);
	return store_put_copy(m->store, v->job->id, v->in[0].number, r, 1);
}

/*
 * It could not be had, at least not with its standard error.  What is said to be gone has to be: a copy that came as an
 * input goes, and the store's owner tells.  What has become our own meanwhile stays, and that is said.
 */
static void give_up(struct mover *m, const struct move *v)
{
	uint32_t task = v->in[0].number;
	const struct result *r;

	if (store_get(m->store, v->job->id, task) == NULL) {
		answers_copy_dropped(m->answers, v->job, task);
		return;
	}
	store_drop_copy(m->store, v->job->id, task);
	r = store_get(m->store, v->job->id, task);
	if (r != NULL)
		answers_copy_added(m->answers, v->job, task, r->stream[STREAM_RESULT].bytes,
				   r->stream[STREAM_STDERR].bytes);
}

void mover_turn(struct mover *m)
{
	struct move *v = LIST_FIRST(&m->moves), *next;

	for (; v != NULL; v = next) {
		next = LIST_NEXT(v, link);
		if (v->n_coming > 0)
			continue;
		if (v->failed || keep(m, v) != SC_OK)
			give_up(m, v);
		else
			answers_copy_added(m->answers, v->job, v->in[0].number, v->in[STREAM_RESULT].bytes,
					   v->in[STREAM_STDERR].bytes);
		move_free(m, v);
	}
}
