/*
 * watches.c - clients that want to know how far a job is.
 *
 * A watch is told at once, then every interval in which something changed, and when the job has ended; then it is gone.
 * A client that does not read is skipped: it is told later, with what is true then.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "scheduler/scheduler.h"

#define WATCHES_PER_CLIENT 1000u
#define TICK_US		   (50u * US_PER_MS)
#define BEHIND_BYTES	   ((size_t)256 * 1024) /* a client with this much unread is skipped */

struct watch {
	TAILQ_ENTRY(watch) of_client;
	TAILQ_ENTRY(watch) of_tick; /* of those with an interval */
	LIST_ENTRY(watch) of_job;
	struct client_peer *client;
	uint64_t job, request, interval_us, due_us;
	uint64_t told[TASK_STATES];
};

struct watched_job {
	uint64_t job;
	LIST_HEAD(, watch) watches;
	UT_hash_handle hh;
};

struct watch_table {
	struct scheduler *scheduler;
	struct watched_job *jobs;
	TAILQ_HEAD(, watch) ticking;
	struct loop_timer *timer;
};

static void send_state(struct watch *w, const struct job *j)
{
	struct msg_job_state m = {.request = w->request, .job = j->id, .state = j->state};
	struct column_writer counts;

	column_writer_init(&counts);
	for (unsigned i = 0; i < TASK_STATES; i++) {
		column_put(&counts, j->counts[i]);
		w->told[i] = j->counts[i];
	}
	m.counts = column_of(&counts);
	m.text = slice_of(j->text != NULL ? j->text : "");
	conn_send(w->client->conn, MSG_job_state, &m);
	column_writer_fini(&counts);
}

static void on_tick(void *arg)
{
	struct watch_table *t = arg;
	uint64_t now = loop_now_us(t->scheduler->loop);
	struct watch *w;

	TAILQ_FOREACH (w, &t->ticking, of_tick) {
		const struct job *j = core_job(t->scheduler->core, w->job);

		if (w->due_us > now || j == NULL || memcmp(w->told, j->counts, sizeof(w->told)) == 0 ||
		    conn_output_bytes(w->client->conn) > BEHIND_BYTES)
			continue;
		w->due_us = now + w->interval_us;
		send_state(w, j);
	}
	if (!TAILQ_EMPTY(&t->ticking))
		loop_timer_set(t->timer, TICK_US);
}

sc_err watch_table_new(struct scheduler *s, struct watch_table **out)
{
	struct watch_table *t = mem_calloc(1, sizeof(*t));

	if (t == NULL)
		return SC_NOMEM;
	t->scheduler = s;
	TAILQ_INIT(&t->ticking);
	if (loop_timer_new(s->loop, on_tick, t, &t->timer) != SC_OK) {
		mem_free(t);
		return SC_NOMEM;
	}
	*out = t;
	return SC_OK;
}

/* All clients are gone by then, and their watches with them. */
void watch_table_free(struct watch_table *t)
{
	if (t == NULL)
		return;
	loop_timer_free(t->timer);
	mem_free(t);
}

static struct watched_job *watched(struct watch_table *t, uint64_t job, int make)
{
	struct watched_job *wj;

	HASH_FIND(hh, t->jobs, &job, sizeof(job), wj);
	if (wj != NULL || !make)
		return wj;
	wj = mem_calloc(1, sizeof(*wj));
	if (wj == NULL)
		return NULL;
	wj->job = job;
	HASH_ADD(hh, t->jobs, job, sizeof(wj->job), wj);
	if (wj->hh.tbl == NULL) {
		mem_free(wj);
		return NULL;
	}
	return wj;
}

/* Out of all lists. */
static void release(struct watch_table *t, struct watch *w)
{
	LIST_REMOVE(w, of_job);
	TAILQ_REMOVE(&w->client->watches, w, of_client);
	w->client->n_watches--;
	if (w->interval_us > 0)
		TAILQ_REMOVE(&t->ticking, w, of_tick);
	mem_free(w);
}

static void drop_watched(struct watch_table *t, struct watched_job *wj)
{
	HASH_DEL(t->jobs, wj);
	mem_free(wj);
}

sc_err watch_add(struct client_peer *p, struct job *j, uint64_t request, uint64_t interval_us)
{
	struct watch_table *t = p->scheduler->watches;
	struct watched_job *wj;
	struct watch *w;

	if (p->n_watches >= WATCHES_PER_CLIENT)
		return SC_LIMIT;
	w = mem_calloc(1, sizeof(*w));
	if (w == NULL)
		return SC_NOMEM;
	w->client = p;
	w->job = j->id;
	w->request = request;
	if (job_has_ended(j)) {
		send_state(w, j);
		mem_free(w);
		return SC_OK;
	}
	wj = watched(t, j->id, 1);
	if (wj == NULL) {
		mem_free(w);
		return SC_NOMEM;
	}
	w->interval_us = interval_us;
	w->due_us = loop_now_us(p->scheduler->loop) + interval_us;
	LIST_INSERT_HEAD(&wj->watches, w, of_job);
	TAILQ_INSERT_TAIL(&p->watches, w, of_client);
	p->n_watches++;
	if (interval_us > 0) {
		if (TAILQ_EMPTY(&t->ticking))
			loop_timer_set(t->timer, TICK_US);
		TAILQ_INSERT_TAIL(&t->ticking, w, of_tick);
		send_state(w, j);
	}
	return SC_OK;
}

void watch_job_ended(struct scheduler *s, const struct job *j)
{
	struct watched_job *wj = watched(s->watches, j->id, 0);
	struct watch *w;

	if (wj == NULL || !job_has_ended(j))
		return; /* reopened in the same turn */
	while ((w = LIST_FIRST(&wj->watches)) != NULL) {
		send_state(w, j);
		release(s->watches, w);
	}
	drop_watched(s->watches, wj);
}

void watch_client_gone(struct client_peer *p)
{
	struct watch_table *t = p->scheduler->watches;
	struct watch *w;

	while ((w = TAILQ_FIRST(&p->watches)) != NULL) {
		struct watched_job *wj = watched(t, w->job, 0);

		release(t, w);
		if (LIST_EMPTY(&wj->watches))
			drop_watched(t, wj);
	}
}
