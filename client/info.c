/*
 * info.c - the subscription to cluster info: it is asked for, its updates are applied and published, and it is asked
 * for again when the connection was lost.
 *
 * It is one call (link.h) with many answers.  Whatever ends it - the connection, a refusal, an update that does not
 * lead on from the version held - a timer begins it again, with the version held, or with none if that is not to be
 * relied on; after a random time that doubles with each failure, so that the clients of a scheduler that was restarted
 * do not come all at once.
 *
 * A watchdog ends it too: an update or a bookmark comes every 30 s, or at each interval if that is longer.  Who
 * has heard neither for three times that gives the subscription up and says so to the scheduler, which has to answer.
 * When it does, the subscription is asked for again on the same connection: other calls on it may be waiting for
 * something that takes hours.  When neither the answer nor anything else comes within client.request-timeout, the
 * connection is given up, and they end.
 */
#include "client/info.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/handshake.h"

#define INTERVAL_MIN_US	  100000u
#define INTERVAL_OFF	  UINT64_MAX
#define LABELS_MAX	  16u
#define BACKOFF_US	  (50u * US_PER_MS)
#define BACKOFF_DOUBLINGS 7u
#define PUBLISH_AGAIN_US  (50u * US_PER_MS)
#define SILENCE_US	  (90u * US_PER_S) /* without an update or a bookmark, at intervals below a third of it */
#define PATIENCE_FACTOR	  3u		   /* of granted intervals longer than that */

static const char silence[] = "nothing was heard";

/* ---- wishes ----------------------------------------------------------------------------------------------------- */

static void wish_free(struct info_wish *w)
{
	if (w == NULL)
		return;
	for (size_t i = 0; i < w->n_labels; i++)
		mem_free((char *)(uintptr_t)w->labels[i].p);
	mem_free(w->labels);
	mem_free(w->namespace);
	mem_free(w->pool);
	mem_free(w);
}

static sc_err wish_labels(struct info_wish *w, const struct sc_info_options *o)
{
	if (o->n_labels == 0)
		return SC_OK;
	w->labels = mem_calloc(o->n_labels, sizeof(*w->labels));
	if (w->labels == NULL)
		return SC_NOMEM;
	for (size_t i = 0; i < o->n_labels; i++) {
		char *copy = mem_strdup(o->labels[i]);

		if (copy == NULL)
			return SC_NOMEM;
		w->labels[w->n_labels++] = slice_of(copy);
	}
	return SC_OK;
}

static sc_err wish_new(struct info *n, const struct sc_info_options *o, struct info_wish **out)
{
	struct info_wish *w = mem_calloc(1, sizeof(*w));

	if (w == NULL)
		return SC_NOMEM;
	w->info = n;
	w->interval_us = o->interval_us;
	w->sections = o->sections;
	w->namespace = mem_strdup(o->name_space != NULL ? o->name_space : "");
	w->pool = mem_strdup(o->pool != NULL ? o->pool : "");
	if (w->namespace == NULL || w->pool == NULL || wish_labels(w, o) != SC_OK) {
		wish_free(w);
		return SC_NOMEM;
	}
	*out = w;
	return SC_OK;
}

/* Whether a version of one is a version of the other. */
static int wishes_show_the_same(const struct info_wish *a, const struct info_wish *b)
{
	if (a->sections != b->sections || strcmp(a->namespace, b->namespace) != 0 || strcmp(a->pool, b->pool) != 0 ||
	    a->n_labels != b->n_labels)
		return 0;
	for (size_t i = 0; i < a->n_labels; i++)
		if (!slice_equal(a->labels[i], b->labels[i]))
			return 0;
	return 1;
}

sc_err info_check_options(const struct sc_info_options *o)
{
	if (o->interval_us != 0 && o->interval_us < INTERVAL_MIN_US)
		return client_error(SC_INVALID, "an interval of %llu us: 100 ms is the shortest",
				    (unsigned long long)o->interval_us);
	if (o->sections > (SC_INFO_TOTALS | SC_INFO_MEMBERS | SC_INFO_METRICS))
		return client_error(SC_INVALID, "sections %u: bits of SC_INFO_* are expected", o->sections);
	if (o->name_space != NULL && strlen(o->name_space) > 200)
		return client_error(SC_INVALID, "a namespace of more than 200 bytes");
	if (o->pool != NULL && strlen(o->pool) > 200)
		return client_error(SC_INVALID, "the name of a pool has 200 bytes at most");
	if (o->n_labels > LABELS_MAX)
		return client_error(SC_INVALID, "%zu labels: %u at most can be asked for", o->n_labels, LABELS_MAX);
	for (size_t i = 0; i < o->n_labels; i++)
		if (strchr(o->labels[i], '=') == NULL || strlen(o->labels[i]) > 1000)
			return client_error(SC_INVALID, "'%.200s' is not a label; KEY=VALUE is expected", o->labels[i]);
	return SC_OK;
}

/* ---- telling ---------------------------------------------------------------------------------------------------- */

static void tell(struct info *n, enum sc_info_event event)
{
	const struct view_version *version;

	if (n->wish->fn == NULL)
		return;
	version = view_pin(n->view);
	n->wish->fn(event, (const struct sc_info *)version, n->wish->arg);
	view_unpin(version);
}

static void set_state(struct info *n, int is_complete, const char *why, size_t why_bytes)
{
	pthread_mutex_lock(&n->client->lock);
	n->is_complete |= is_complete;
	snprintf(n->why, sizeof(n->why), "%.*s", (int)(why_bytes < 500 ? why_bytes : 500), why);
	pthread_cond_broadcast(&n->changed);
	pthread_mutex_unlock(&n->client->lock);
}

/* Show what the table holds.  When the program has too many old versions pinned, or memory is short, later. */
static void publish(struct info *n)
{
	if (view_publish(n->view, n->incarnation, n->epoch) != SC_OK) {
		loop_timer_set(n->timer, PUBLISH_AGAIN_US);
		return;
	}
	n->is_unpublished = 0;
	n->had_version = 1;
	set_state(n, 1, "", 0);
	tell(n, n->event);
}

/* ---- the watchdog ----------------------------------------------------------------------------------------------- */

/* Something has come, or was asked for. */
static void watch_begin(struct info *n, uint64_t granted_us)
{
	uint64_t longest = UINT64_MAX / 2 / PATIENCE_FACTOR;

	n->patience_us = (granted_us < longest ? granted_us : longest) * PATIENCE_FACTOR;
	if (n->patience_us < n->silence_us)
		n->patience_us = n->silence_us;
	loop_timer_set(n->timer, n->patience_us);
}

/* ---- asking, and asking again ----------------------------------------------------------------------------------- */

static int on_update(struct call *c, const struct msg *m);
static void on_end(struct call *c);

static void ask(struct info *n)
{
	struct msg_info_subscribe *q = &n->call.request.u.info_subscribe;

	assert(!n->is_asked && "one subscription at a time");
	call_fini(&n->call);
	call_init(&n->call, n->client, MSG_info_subscribe, MSG_info_update);
	n->call.on_answer = on_update;
	n->call.on_end = on_end;
	n->call.timeout_us = 0; /* who is up to date already hears of it with the next bookmark: see SILENCE_US */
	q->sections = n->wish->sections;
	q->interval_us = n->wish->interval_us;
	q->namespace = slice_of(n->wish->namespace);
	q->pool = slice_of(n->wish->pool);
	q->labels = (struct slices){n->wish->labels, n->wish->n_labels};
	q->incarnation = slice_of(n->epoch != 0 ? n->incarnation : "");
	q->epoch = n->epoch;
	n->is_asked = 1;
	watch_begin(n, 0);
	call_begin(&n->call);
}

static uint64_t backoff_us(unsigned n_failures)
{
	uint64_t range = (uint64_t)BACKOFF_US << (n_failures < BACKOFF_DOUBLINGS ? n_failures : BACKOFF_DOUBLINGS);
	uint64_t r = 0;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != (ssize_t)sizeof(r))
		r = clock_monotonic_us();
	return range / 2 + r % range;
}

static void again(struct info *n)
{
	loop_timer_set(n->timer, backoff_us(n->n_failures));
	n->n_failures++;
}

static void lost(struct info *n, const char *why, size_t why_bytes)
{
	set_state(n, 0, why, why_bytes);
	if (n->is_lost)
		return;
	n->is_lost = 1;
	tell(n, SC_INFO_LOST);
}

static void on_end(struct call *c)
{
	struct info *n = (struct info *)((char *)c - offsetof(struct info, call));

	n->is_asked = 0;
	if (n->client->ended)
		return;
	again(n);
	if (c->err != SC_OK) /* else on_update has given it up: the connection is fine */
		lost(n, buf_str(&c->text), c->text.len);
}

/* Non-zero: it does not lead on from the version held. */
static int is_gap(const struct info *n, const struct msg_info_update *u)
{
	if (u->kind == INFO_KIND_SNAPSHOT)
		return 0;
	if (n->epoch == 0 || !slice_is(u->incarnation, n->incarnation))
		return 1;
	return u->kind == INFO_KIND_DELTA ? u->from != n->epoch : u->to != n->epoch;
}

/*
 * Non-zero: the subscription has to begin from nothing.  Then the table is no version, even where it was one that
 * waited to be shown, and readers keep what they have until there is a snapshot.
 */
static int take_body(struct info *n, const struct msg_info_update *u)
{
	int is_snapshot = u->kind == INFO_KIND_SNAPSHOT;

	if (is_gap(n, u) || view_apply(n->view, u->body, u->raw_bytes, is_snapshot) != SC_OK) {
		n->epoch = 0;
		n->is_unpublished = 0;
		return 1;
	}
	snprintf(n->incarnation, sizeof(n->incarnation), "%.*s", (int)u->incarnation.n, u->incarnation.p);
	n->epoch = u->to;
	if (!n->is_unpublished)
		n->event = SC_INFO_UPDATED;
	if (is_snapshot && n->had_version)
		n->event = SC_INFO_RESYNCHRONISED;
	n->is_unpublished = 1;
	return 0;
}

static int on_update(struct call *c, const struct msg *m)
{
	struct info *n = (struct info *)((char *)c - offsetof(struct info, call));
	const struct msg_info_update *u = &m->u.info_update;

	watch_begin(n, u->granted_us);
	if (u->kind == INFO_KIND_LATER) /* very many ask at once: the first update comes after this time */
		return 0;
	view_set_granted(n->view, u->granted_us);
	if (u->kind == INFO_KIND_BOOKMARK && !is_gap(n, u)) {
		n->n_failures = 0;
		if (n->is_lost || n->is_unpublished) { /* it is known to be true again */
			if (!n->is_unpublished)
				n->event = SC_INFO_UPDATED;
			n->is_lost = 0;
			n->is_unpublished = 1;
			publish(n);
		}
		return 0;
	}
	if (take_body(n, u))
		return 1;
	n->n_failures = 0;
	n->is_lost = 0;
	publish(n);
	return 0;
}

static int end_of_call(struct call *c, const struct msg *m)
{
	(void)c;
	(void)m;
	return 1;
}

/* It has answered, or the connection was lost.  Either way there is no subscription now. */
static void on_probed(struct call *c)
{
	struct info *n = (struct info *)((char *)c - offsetof(struct info, probe));

	n->is_probing = 0;
	if (!n->client->ended)
		again(n);
}

/* Nothing has come for long. */
static void on_silence(struct info *n)
{
	call_drop(&n->call);
	n->is_asked = 0;
	call_fini(&n->probe);
	call_init(&n->probe, n->client, MSG_info_unsubscribe, MSG_ok);
	n->probe.on_answer = end_of_call;
	n->probe.on_end = on_probed;
	n->probe.timeout_us = 0; /* on_no_answer is in time */
	n->is_probing = 1;
	n->n_heard = link_scheduler_n_heard(n->client);
	loop_timer_set(n->timer, n->client->options.client_request_timeout);
	call_begin(&n->probe);
	lost(n, silence, strlen(silence));
}

static void on_no_answer(struct info *n)
{
	call_drop(&n->probe);
	n->is_probing = 0;
	if (link_scheduler_n_heard(n->client) == n->n_heard)
		link_scheduler_give_up(n->client, silence);
	again(n);
}

static void on_timer(void *arg)
{
	struct info *n = arg;

	if (n->wish == NULL || n->wish->interval_us == INTERVAL_OFF)
		return;
	if (n->is_asked && n->is_unpublished) {
		loop_timer_set(n->timer, n->patience_us);
		publish(n);
	} else if (n->is_asked) {
		on_silence(n);
	} else if (n->is_probing) {
		on_no_answer(n);
	} else {
		ask(n);
	}
}

/* ---- in the client's thread: another wish ----------------------------------------------------------------------- */

static void drop_calls(struct info *n)
{
	if (n->is_asked)
		call_drop(&n->call);
	if (n->is_probing)
		call_drop(&n->probe);
	n->is_asked = n->is_probing = 0;
}

static sc_err take_wish(struct info *n, struct info_wish *w)
{
	if (n->client->ended)
		return SC_CLOSED;
	if (w->is_automatic && n->wish != NULL)
		return SC_EXISTS;
	if (n->timer == NULL && loop_timer_new(n->client->loop, on_timer, n, &n->timer) != SC_OK)
		return SC_NOMEM;
	drop_calls(n);
	loop_timer_clear(n->timer);
	if (n->wish != NULL && w->interval_us != INTERVAL_OFF && !wishes_show_the_same(n->wish, w)) {
		n->epoch = 0;
		n->had_version = 0;
		n->is_unpublished = 0;
	}
	if (n->wish != NULL && w->interval_us == INTERVAL_OFF) { /* what it showed is still what the table holds */
		n->wish->interval_us = INTERVAL_OFF;
		n->wish->fn = NULL;
		wish_free(w);
		return SC_OK;
	}
	wish_free(n->wish);
	n->wish = w;
	n->n_failures = 0;
	if (w->interval_us != INTERVAL_OFF)
		ask(n);
	return SC_OK;
}

static void on_wish(struct post *p)
{
	struct info_wish *w = (struct info_wish *)p;
	struct info *n = w->info;
	struct call *stop = w->stop;
	int *taken = w->taken;

	w->taken = NULL;
	w->stop = NULL;
	if (take_wish(n, w) != SC_OK)
		wish_free(w);
	if (stop != NULL)
		call_begin(stop); /* here, so that it cannot end what another thread asks for next */
	if (taken == NULL)
		return;
	pthread_mutex_lock(&n->client->lock);
	*taken = 1;
	pthread_cond_broadcast(&n->changed);
	pthread_mutex_unlock(&n->client->lock);
}

/* ---- any thread ------------------------------------------------------------------------------------------------- */

static struct info *info_new(struct sc_client *client)
{
	struct info *n = mem_calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	if (view_new(&n->view) != SC_OK) {
		mem_free(n);
		return NULL;
	}
	n->client = client;
	n->silence_us = SILENCE_US;
	call_init(&n->call, client, MSG_info_subscribe, MSG_info_update);
	call_init(&n->probe, client, MSG_info_unsubscribe, MSG_ok);
	pthread_cond_init(&n->changed, NULL);
	pthread_mutex_init(&n->ask_lock, NULL);
	buf_init(&n->asked_options, 0);
	return n;
}

struct info *info_of(struct sc_client *client)
{
	struct info *n = atomic_load(&client->info);

	if (n != NULL)
		return n;
	pthread_mutex_lock(&client->lock);
	n = atomic_load(&client->info);
	if (n == NULL) {
		n = info_new(client);
		atomic_store(&client->info, n);
	}
	pthread_mutex_unlock(&client->lock);
	return n;
}

/* Hand a wish to the client's thread, and wait until it has it unless this is that thread.  Takes w. */
static sc_err wish_for(struct info *n, struct info_wish *w)
{
	struct sc_client *client = n->client;
	int taken = 0, is_other = !pthread_equal(pthread_self(), client->thread);

	w->post.fn = on_wish;
	w->taken = is_other ? &taken : NULL;
	if (client_post(client, &w->post) != SC_OK) {
		wish_free(w);
		return client_error(SC_CLOSED, "the client was closed");
	}
	pthread_mutex_lock(&client->lock);
	while (is_other && !taken)
		pthread_cond_wait(&n->changed, &client->lock);
	pthread_mutex_unlock(&client->lock);
	return SC_OK;
}

/* SC_OK with nothing done: the user, or being inside a task, has it off, and nobody asks explicitly. */
static sc_err subscribe(struct info *n, const struct sc_info_options *asked, sc_info_fn fn, void *arg)
{
	struct sc_info_options o = *asked;
	struct info_wish *w;

	if (o.interval_us == 0)
		o.interval_us = n->client->options.client_scheduler_info_interval;
	if (o.interval_us == INTERVAL_OFF)
		return client_error(SC_BAD_STATE, "client.scheduler-info-interval is off, and no interval is given");
	if (wish_new(n, &o, &w) != SC_OK)
		return client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	w->fn = fn;
	w->arg = arg;
	atomic_store(&n->is_wanted, 1);
	return wish_for(n, w);
}

sc_err sc_client_info_subscribe(struct sc_client *client, const struct sc_info_options *options, sc_info_fn fn,
				void *arg)
{
	static const struct sc_info_options none;
	const struct sc_info_options *o = options != NULL ? options : &none;
	struct info *n = info_of(client);
	sc_err err = info_check_options(o);

	if (n == NULL)
		return client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	return err == SC_OK ? subscribe(n, o, fn, arg) : err;
}

sc_err sc_client_info_unsubscribe(struct sc_client *client)
{
	static const struct sc_info_options off = {.interval_us = INTERVAL_OFF};
	struct info *n = atomic_load(&client->info);
	struct info_wish *w;
	struct call c;
	sc_err err;

	if (n == NULL || !atomic_load(&n->is_wanted))
		return SC_OK;
	if (wish_new(n, &off, &w) != SC_OK)
		return client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	call_init(&c, client, MSG_info_unsubscribe, MSG_ok);
	c.on_answer = end_of_call;
	w->stop = &c;
	err = wish_for(n, w);
	if (err == SC_OK)
		err = call_wait(&c);
	call_fini(&c);
	return err;
}

/* The first use: subscribe as configured, once.  Posted without waiting. */
static void begin_by_itself(struct info *n)
{
	struct sc_info_options o = {.interval_us = n->client->options.client_scheduler_info_interval};
	struct info_wish *w;

	if (o.interval_us == INTERVAL_OFF || strcmp(n->client->role, ROLE_WORKER_CLIENT) == 0)
		return;
	if (atomic_exchange(&n->is_wanted, 1))
		return;
	if (wish_new(n, &o, &w) != SC_OK) {
		atomic_store(&n->is_wanted, 0);
		return;
	}
	w->post.fn = on_wish;
	w->is_automatic = 1;
	if (client_post(n->client, &w->post) != SC_OK)
		wish_free(w);
}

const struct sc_info *sc_client_info(struct sc_client *client)
{
	struct info *n = info_of(client);

	if (n == NULL)
		return NULL;
	if (!atomic_load(&n->is_wanted))
		begin_by_itself(n);
	return (const struct sc_info *)view_pin(n->view);
}

sc_err sc_client_info_wait(struct sc_client *client, uint64_t timeout_us)
{
	uint64_t start = clock_monotonic_us(),
		 until = timeout_us > UINT64_MAX / 2 ? UINT64_MAX / 2 : start + timeout_us;
	struct timespec ts = {(time_t)(until / US_PER_S), (long)(until % US_PER_S * 1000u)};
	struct info *n = info_of(client);
	int failed = 0, is_complete;
	char why[sizeof(n->why)];

	if (n == NULL)
		return client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	if (!atomic_load(&n->is_wanted))
		begin_by_itself(n);
	if (!atomic_load(&n->is_wanted))
		return client_error(SC_BAD_STATE, "this client is not told what the cluster looks like: %s",
				    client->options.client_scheduler_info_interval == INTERVAL_OFF
					    ? "client.scheduler-info-interval is off"
					    : "it runs inside a task");
	pthread_mutex_lock(&client->lock);
	while (!n->is_complete && failed == 0)
		failed = pthread_cond_clockwait(&n->changed, &client->lock, CLOCK_MONOTONIC, &ts);
	is_complete = n->is_complete;
	memcpy(why, n->why, sizeof(why));
	pthread_mutex_unlock(&client->lock);
	return is_complete ? SC_OK
			   : client_error(SC_TIMEOUT, "the scheduler has not told what the cluster looks like%s%s",
					  why[0] != '\0' ? ": " : "", why);
}

/* ---- the end ---------------------------------------------------------------------------------------------------- */

void info_end(struct sc_client *client)
{
	struct info *n = atomic_load(&client->info);

	if (n != NULL)
		drop_calls(n);
}

void info_free(struct sc_client *client)
{
	struct info *n = atomic_load(&client->info);

	if (n == NULL)
		return;
	loop_timer_free(n->timer);
	wish_free(n->wish);
	call_fini(&n->call);
	call_fini(&n->probe);
	view_free(n->view);
	view_free(n->asked);
	buf_fini(&n->asked_options);
	pthread_cond_destroy(&n->changed);
	pthread_mutex_destroy(&n->ask_lock);
	mem_free(n);
}
