/* watch.c - waiting for a job, and being told how far it is. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client/client.h"
#include "client/link.h"

#define TEXT_BYTES	    4097
#define INTERVAL_MAX_MS	    3600000u
#define DEFAULT_INTERVAL_MS 500u /* when the caller names none but needs to know how far it is */

/* The text of the progress last returned to this thread. */
static _Thread_local char last_text[TEXT_BYTES];

struct watch {
	struct call call; /* first: callbacks get a pointer to it */
	/* under the client's lock: */
	struct sc_progress latest; /* text is in text[] */
	char text[TEXT_BYTES];
	int is_fresh;
	int is_known;
	/* of the thread that waits: */
	int has_copy; /* is_known when it last looked */
	/* asynchronous: */
	sc_watch_fn fn;
	void *arg;
};

static void read_state(struct watch *w, const struct msg_job_state *s)
{
	struct column_reader r;
	size_t n = s->text.n < TEXT_BYTES ? s->text.n : TEXT_BYTES - 1;

	w->latest.job = s->job;
	w->latest.state = (enum sc_job_state)s->state;
	column_read(&r, &s->counts);
	for (size_t i = 0; i < SC_TASK_STATES; i++)
		w->latest.counts[i] = column_next(&r);
	memcpy(w->text, s->text.p, n);
	w->text[n] = '\0';
	w->latest.text = w->text;
	w->is_fresh = 1;
	w->is_known = 1;
}

static int on_state(struct call *c, const struct msg *m)
{
	struct watch *w = (struct watch *)c;

	pthread_mutex_lock(&c->client->lock);
	read_state(w, &m->u.job_state);
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->client->lock);
	return sc_job_state_is_final(m->u.job_state.state);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void watch_init(struct watch *w, struct sc_client *client, uint64_t job_id, uint64_t interval_ms)
{
	memset(w, 0, sizeof(*w));
	call_init(&w->call, client, MSG_job_watch, MSG_job_state);
	w->call.on_answer = on_state;
	w->call.request.u.job_watch.job = job_id;
	w->call.request.u.job_watch.interval_ms = earlier(interval_ms, INTERVAL_MAX_MS);
	if (interval_ms == 0) /* answered only at the end of the job */
		w->call.timeout_us = 0;
}

/* A copy for the thread that waits; its text is good until the next. */
static void copy_latest(struct watch *w, struct sc_progress *out)
{
	*out = w->latest;
	memcpy(last_text, w->text, sizeof(last_text));
	out->text = last_text;
	w->is_fresh = 0;
	w->has_copy = w->is_known;
}

/* Until something is new, the call is over, or the time has come.  Non-zero: over. */
static int wait_for_news(struct watch *w, uint64_t until_us, struct sc_progress *out)
{
	struct timespec ts = {(time_t)(until_us / US_PER_S), (long)(until_us % US_PER_S * 1000u)};
	struct call *c = &w->call;
	int failed = 0, is_over;

	pthread_mutex_lock(&c->client->lock);
	while (!c->is_over && !w->is_fresh && failed == 0) {
		if (until_us == UINT64_MAX)
			failed = pthread_cond_wait(&c->changed, &c->client->lock);
		else
			failed = pthread_cond_clockwait(&c->changed, &c->client->lock, CLOCK_MONOTONIC, &ts);
	}
	is_over = c->is_over;
	copy_latest(w, out);
	pthread_mutex_unlock(&c->client->lock);
	return is_over;
}

/* Follow the job to its end or the caller's. */
static sc_err follow(struct watch *w, uint64_t interval_ms, uint64_t timeout_us, sc_progress_fn fn, void *arg,
		     struct sc_progress *now)
{
	uint64_t start = clock_monotonic_us();
	uint64_t deadline = timeout_us >= UINT64_MAX - start ? UINT64_MAX : start + timeout_us;
	uint64_t tick = UINT64_MAX;

	for (;;) {
		if (interval_ms > 0 && fn != NULL)
			tick = clock_monotonic_us() + interval_ms * US_PER_MS;
		if (wait_for_news(w, earlier(tick, deadline), now))
			return call_wait(&w->call);
		if (fn != NULL && interval_ms > 0 && w->has_copy && fn(now, arg) != 0) {
			call_abandon(&w->call);
			return client_error(SC_TIMEOUT, "waiting for the job was stopped");
		}
		if (clock_monotonic_us() >= deadline) {
			call_abandon(&w->call);
			return client_error(SC_TIMEOUT, "the job has not ended in time; it goes on");
		}
	}
}

sc_err sc_client_wait(struct sc_client *client, uint64_t job_id, uint64_t interval_ms, uint64_t timeout_us,
		      sc_progress_fn fn, void *arg, struct sc_progress *last)
{
	struct sc_progress now = {.text = ""};
	struct watch w;
	uint64_t asked_ms = 0;
	sc_err err;

	interval_ms = earlier(interval_ms, INTERVAL_MAX_MS);
	if (fn != NULL && interval_ms > 0)
		asked_ms = interval_ms;
	else if (timeout_us != UINT64_MAX) /* how far it is then is wanted */
		asked_ms = DEFAULT_INTERVAL_MS;
	watch_init(&w, client, job_id, asked_ms);
	err = call_start(&w.call);
	if (err != SC_OK) {
		call_fini(&w.call);
		return client_error(err, "the client was closed");
	}
	err = follow(&w, interval_ms, timeout_us, fn, arg, &now);
	if (err == SC_OK && fn != NULL)
		fn(&now, arg);
	if (last != NULL && (err == SC_OK || err == SC_TIMEOUT))
		*last = now;
	call_fini(&w.call);
	return err;
}

/* ---- without waiting -------------------------------------------------------------------------------------------- */

static int on_state_async(struct call *c, const struct msg *m)
{
	struct watch *w = (struct watch *)c;

	read_state(w, &m->u.job_state);
	if (sc_job_state_is_final(w->latest.state))
		return 1; /* told at the end */
	w->fn(SC_OK, "", &w->latest, w->arg);
	return 0;
}

static void watch_end(struct call *c)
{
	struct watch *w = (struct watch *)c;

	client_async_end(c->client);
	w->fn(c->err, buf_str(&c->text), c->err == SC_OK ? &w->latest : NULL, w->arg);
	call_fini(c);
	mem_free(w);
}

sc_err sc_client_watch_async(struct sc_client *client, uint64_t job_id, uint64_t interval_ms, sc_watch_fn fn, void *arg)
{
	struct watch *w;
	sc_err err = client_async_begin(client);

	if (err != SC_OK)
		return err;
	w = mem_malloc(sizeof(*w));
	if (w == NULL) {
		client_async_end(client);
		return client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	}
	watch_init(w, client, job_id, interval_ms);
	w->call.on_answer = on_state_async;
	w->call.on_end = watch_end;
	w->fn = fn;
	w->arg = arg;
	err = call_start(&w->call);
	if (err != SC_OK) {
		call_fini(&w->call);
		mem_free(w);
		client_async_end(client);
		return client_error(err, "the client was closed");
	}
	return SC_OK;
}
