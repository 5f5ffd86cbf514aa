/*
 * info.c - the library's subscription to cluster info, and its single questions, against a stand-in for the scheduler
 * that says what the test wrote down: gaps, lost connections, other incarnations, "later".
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client/info.h"
#include "client/sched_client.h"
#include "net/access.h"
#include "net/server.h"

#define ASKED_MAX 16u
#define ONE	  "11111111111111111111111111111111"
#define TWO	  "22222222222222222222222222222222"

#define PATIENCE_US 600000u /* what an interval of 200 ms leads to */

enum { AND_CLOSE = 1, AND_PING };

/* An answer to the n-th subscription, or the n-th question. */
struct line {
	unsigned asked; /* from 1; 0 ends the script */
	unsigned kind;
	const char *incarnation;
	uint64_t from, to;
	int then;
};

struct asked {
	char incarnation[33];
	uint64_t epoch, interval_us, sections;
	char pool[32], namespace[32];
	unsigned n_unsubscribed; /* before it */
};

struct stand_in {
	char dir[64], path[96], address[ADDRESS_MAX];
	struct loop *loop;
	struct server *server;
	pthread_t thread;
	const struct line *script; /* NULL: who subscribes is brought to `latest` */
	struct line latest;
	int is_mute; /* its first connection is not told about the end of subscriptions */
	/* written by its thread, read after an event that follows from it */
	struct asked asked[ASKED_MAX];
	unsigned n_asked, n_unsubscribed, n_peers;
};

static const char *secret_of(const char *role, void *arg)
{
	(void)arg;
	return strcmp(role, "peer") == 0 ? NULL : "secret";
}

/* A body whose totals are all `n`, and one worker, 1, named after it, whose numbers are `n` as well. */
static void write_body(struct buf *out, uint64_t n)
{
	struct msg_info_body b = {0};
	struct column_writer totals, one, number, none;
	struct slice name, empty = slice_of("");
	char text[32];

	column_writer_init(&totals);
	column_writer_init(&one);
	column_writer_init(&number);
	column_writer_init(&none);
	for (int i = 0; i < 9; i++)
		column_put(&totals, n);
	column_put(&one, 1);
	column_put(&number, n);
	b.gone = column_of(&none);
	b.worker = b.measured = column_of(&one);
	b.pid = b.slots = b.memory_limit_bytes = b.status = b.cpu_percent = b.memory_mib = b.spilled_mib = b.running =
		b.queued = b.held = b.sent_kib_s = b.received_kib_s = column_of(&number);
	b.totals = column_of(&totals);
	snprintf(text, sizeof(text), "w%llu", (unsigned long long)n);
	name = slice_of(text);
	b.name = b.address = (struct slices){&name, 1};
	b.pool = b.host = b.resources = b.labels = (struct slices){&empty, 1};
	cr_assert_eq(msg_encode(out, MSG_info_body, &b, NULL), SC_OK);
	column_writer_fini(&totals);
	column_writer_fini(&one);
	column_writer_fini(&number);
	column_writer_fini(&none);
}

static void answer(struct conn *c, uint64_t request, const struct line *l)
{
	struct msg_info_update m = {
		.request = request, .kind = l->kind, .from = l->from, .to = l->to, .granted_us = 200000};
	struct buf body;

	buf_init(&body, 0);
	if (l->kind == INFO_KIND_SNAPSHOT || l->kind == INFO_KIND_DELTA)
		write_body(&body, l->to);
	m.granted_us = l->kind == INFO_KIND_LATER ? 1000 : 200000;
	m.incarnation = slice_of(l->incarnation);
	m.body = (struct slice){(const char *)body.data, body.len};
	conn_send(c, MSG_info_update, &m);
	buf_fini(&body);
	if (l->then == AND_CLOSE)
		conn_fail(c, SC_SHUTDOWN, "going home");
	if (l->then == AND_PING)
		conn_send(c, MSG_ping, &(struct msg_ping){.nonce = 1});
}

static void note(struct stand_in *s, struct slice incarnation, uint64_t epoch, uint64_t interval_us, uint64_t sections,
		 struct slice pool, struct slice namespace)
{
	struct asked *a = &s->asked[s->n_asked++ % ASKED_MAX];

	snprintf(a->incarnation, sizeof(a->incarnation), "%.*s", (int)incarnation.n, incarnation.p);
	snprintf(a->pool, sizeof(a->pool), "%.*s", (int)pool.n, pool.p);
	snprintf(a->namespace, sizeof(a->namespace), "%.*s", (int)namespace.n, namespace.p);
	a->epoch = epoch;
	a->interval_us = interval_us;
	a->sections = sections;
	a->n_unsubscribed = s->n_unsubscribed;
}

/* As a scheduler would: first version 5 and then on to the latest, later from the version held or from nothing. */
static void bring_on(struct stand_in *s, struct conn *c, const struct msg_info_subscribe *q)
{
	const struct line first = {1, INFO_KIND_SNAPSHOT, ONE, 0, 5, 0};
	struct line l = s->latest;

	if (s->n_asked == 1)
		answer(c, q->request, &first);
	else if (!slice_is(q->incarnation, l.incarnation))
		l.kind = INFO_KIND_SNAPSHOT;
	else if (q->epoch == l.to)
		l.kind = INFO_KIND_BOOKMARK;
	answer(c, q->request, &l);
}

static sc_err on_message(struct conn *c, const struct msg *m, void *arg)
{
	struct stand_in *s = arg;
	const struct msg_info_subscribe *q = &m->u.info_subscribe;
	const struct msg_identity *i = &m->u.identity;

	if (m->type == MSG_info_unsubscribe) {
		s->n_unsubscribed++;
		if (s->is_mute && s->n_peers == 1)
			return SC_OK;
		return conn_send(c, MSG_ok, &(struct msg_ok){m->u.info_unsubscribe.request, 1});
	}
	if (m->type == MSG_pong)
		return SC_OK;
	if (m->type == MSG_info_subscribe)
		note(s, q->incarnation, q->epoch, q->interval_us, q->sections, q->pool, q->namespace);
	else if (m->type == MSG_identity)
		note(s, i->incarnation, i->epoch, 0, i->sections, i->pool, i->namespace);
	else
		return SC_UNEXPECTED;
	if (s->script == NULL)
		bring_on(s, c, q);
	for (const struct line *l = s->script; l != NULL && l->asked != 0; l++)
		if (l->asked == s->n_asked)
			answer(c, m->u.ok.request, l);
	return SC_OK;
}

static void on_close(struct conn *c, sc_err why, const char *text, void *arg)
{
	struct stand_in *s = arg;

	(void)c;
	(void)why;
	(void)text;
	if (s->server != NULL)
		server_left(s->server);
}

static const struct conn_handlers handlers = {NULL, on_message, on_close};

static sc_err on_peer(struct conn *c, const char *role, const struct msg_hello *hello, void *arg)
{
	(void)role;
	(void)hello;
	((struct stand_in *)arg)->n_peers++;
	conn_set_handlers(c, &handlers, arg);
	return SC_OK;
}

static void *serve(void *arg)
{
	loop_run(((struct stand_in *)arg)->loop);
	return NULL;
}

static void stop_serving(void *arg)
{
	loop_stop(((struct stand_in *)arg)->loop);
}

static void write_access(const struct stand_in *s)
{
	FILE *f = fopen(s->path, "w");

	cr_assert(f != NULL);
	fprintf(f, "incarnation: \"x\"\npid: 1\naddresses: [\"%s\"]\nclient-secret: \"secret\"\n", s->address);
	fclose(f);
	chmod(s->path, 0600);
}

static struct stand_in *begin(const struct line *script)
{
	struct stand_in *s = mem_calloc(1, sizeof(*s));
	struct server_config config = {
		.module = "stand-in",
		.rules = {.secret_of = secret_of,
			  .incarnation = "x",
			  .data_secret = "data-secret",
			  .max_frame_bytes = CONN_MAX_FRAME_DEFAULT},
		.limits = conn_limits_default,
		.hello_timeout_us = 5000000,
		.max_connections = 100,
		.on_peer = on_peer,
		.arg = s,
	};

	s->script = script;
	snprintf(s->dir, sizeof(s->dir), "/tmp/sched-info-test-XXXXXX");
	cr_assert(mkdtemp(s->dir) != NULL);
	snprintf(s->path, sizeof(s->path), "%s/access.yaml", s->dir);
	cr_assert_eq(loop_new(&s->loop), SC_OK);
	cr_assert_eq(server_new(s->loop, &config, &s->server), SC_OK);
	cr_assert_eq(server_listen(s->server, "tcp://127.0.0.1:0", s->address, sizeof(s->address)), SC_OK);
	loop_set_wake_hook(s->loop, stop_serving, s);
	write_access(s);
	cr_assert_eq(pthread_create(&s->thread, NULL, serve, s), 0);
	return s;
}

static void end(struct stand_in *s)
{
	struct server *server = s->server;

	loop_wake(s->loop);
	pthread_join(s->thread, NULL);
	s->server = NULL;
	server_free(server);
	loop_free(s->loop);
	unlink(s->path);
	rmdir(s->dir);
	mem_free(s);
}

static struct sc_client *open_client(const struct stand_in *s, const char *set)
{
	struct sc_client_options o = {.access_file = s->path, .sets = &set, .n_sets = set != NULL};
	struct sc_client *client;

	cr_assert_eq(sc_client_open(&o, &client), SC_OK, "%s", sc_client_error_text(NULL));
	return client;
}

/* ---- events ----------------------------------------------------------------------------------------------------- */

struct heard {
	sem_t there;
	enum sc_info_event events[32];
	uint64_t epochs[32], held[32], times_us[32];
	int whole[32];
	unsigned n, taken;
};

/* All its numbers are its epoch, and who is there is found. */
static int is_whole(const struct sc_info *info)
{
	unsigned long long epoch = sc_info_epoch(info);
	struct sc_info_worker by_name, by_address;
	struct sc_info_totals t;
	char name[32];

	snprintf(name, sizeof(name), "w%llu", epoch);
	sc_info_totals_of(info, &t);
	return sc_info_n_workers(info) == 1 && t.held == epoch && sc_info_find_name(info, name, &by_name) &&
	       sc_info_find_address(info, name, &by_address) && by_name.worker == 1 && by_address.worker == 1 &&
	       by_name.pid == epoch && by_name.cpu_percent == epoch && by_name.held == epoch;
}

static void on_event(enum sc_info_event event, const struct sc_info *info, void *arg)
{
	struct sc_info_totals t;
	struct heard *h = arg;

	if (h->n == 32)
		return;
	sc_info_totals_of(info, &t);
	h->events[h->n] = event;
	h->epochs[h->n] = sc_info_epoch(info);
	h->held[h->n] = t.held;
	h->times_us[h->n] = clock_monotonic_us();
	h->whole[h->n] = is_whole(info);
	h->n++;
	sem_post(&h->there);
}

static void wait_for_event(struct heard *h)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	cr_assert_eq(sem_timedwait(&h->there, &until), 0, "event %u has not come", h->taken);
}

static void expect_next(struct heard *h, enum sc_info_event event, uint64_t epoch)
{
	cr_assert_eq(h->events[h->taken], event, "event %u is %d", h->taken, (int)h->events[h->taken]);
	cr_assert_eq(h->epochs[h->taken], epoch, "event %u shows version %llu", h->taken,
		     (unsigned long long)h->epochs[h->taken]);
	cr_assert_eq(h->held[h->taken], epoch);
	cr_assert(h->whole[h->taken]);
	h->taken++;
}

static void expect(struct heard *h, enum sc_info_event event, uint64_t epoch)
{
	wait_for_event(h);
	expect_next(h, event, epoch);
}

Test(info, a_gap_is_never_silent, .timeout = 60)
{
	static const struct line script[] = {
		{1, INFO_KIND_SNAPSHOT, ONE, 0, 5, 0},	{1, INFO_KIND_DELTA, ONE, 5, 6, 0},
		{1, INFO_KIND_DELTA, ONE, 7, 8, 0}, /* 6 to 7 is missing */
		{2, INFO_KIND_SNAPSHOT, ONE, 0, 9, 0},	{2, INFO_KIND_BOOKMARK, ONE, 0, 9, 0},
		{2, INFO_KIND_BOOKMARK, ONE, 0, 10, 0}, /* 9 to 10 is missing */
		{3, INFO_KIND_SNAPSHOT, ONE, 0, 11, 0}, {0, 0, NULL, 0, 0, 0}};
	struct stand_in *s = begin(script);
	struct sc_client *client = open_client(s, NULL);
	struct heard h = {.n = 0};

	sem_init(&h.there, 0, 0);
	cr_assert_eq(sc_client_info_subscribe(client, NULL, on_event, &h), SC_OK);
	expect(&h, SC_INFO_UPDATED, 5);
	expect(&h, SC_INFO_UPDATED, 6);
	expect(&h, SC_INFO_RESYNCHRONISED, 9);
	expect(&h, SC_INFO_RESYNCHRONISED, 11);
	cr_assert_eq(s->asked[0].interval_us, 2000000, "as configured");
	cr_assert_eq(s->asked[1].epoch, 0, "from nothing");
	sc_client_close(client);
	cr_assert_eq(h.n, h.taken);
	end(s);
}

Test(info, it_goes_on_from_the_version_it_has, .timeout = 60)
{
	static const struct line script[] = {{1, INFO_KIND_SNAPSHOT, ONE, 0, 5, AND_CLOSE},
					     {2, INFO_KIND_DELTA, ONE, 5, 7, AND_CLOSE},
					     {3, INFO_KIND_SNAPSHOT, TWO, 0, 1, 0},
					     {3, INFO_KIND_DELTA, TWO, 1, 2, 0},
					     {0, 0, NULL, 0, 0, 0}};
	struct stand_in *s = begin(script);
	struct sc_client *client = open_client(s, NULL);
	struct heard h = {.n = 0};

	sem_init(&h.there, 0, 0);
	cr_assert_eq(sc_client_info_subscribe(client, NULL, on_event, &h), SC_OK);
	expect(&h, SC_INFO_UPDATED, 5);
	expect(&h, SC_INFO_LOST, 5);
	expect(&h, SC_INFO_UPDATED, 7);
	expect(&h, SC_INFO_LOST, 7);
	expect(&h, SC_INFO_RESYNCHRONISED, 1);
	expect(&h, SC_INFO_UPDATED, 2);
	cr_assert_str_eq(s->asked[1].incarnation, ONE);
	cr_assert_eq(s->asked[1].epoch, 5);
	cr_assert_eq(s->asked[2].epoch, 7);
	sc_client_close(client);
	cr_assert_eq(h.n, h.taken);
	end(s);
}

Test(info, the_view_begins_with_its_first_use, .timeout = 60)
{
	static const struct line script[] = {{1, INFO_KIND_SNAPSHOT, ONE, 0, 5, 0}, {0, 0, NULL, 0, 0, 0}};
	struct stand_in *s = begin(script);
	struct sc_client *client = open_client(s, "client.scheduler-info-interval=500ms");
	const struct sc_info *info;

	sc_info_unpin(sc_client_info(client));
	cr_assert_eq(sc_client_info_wait(client, 20000000), SC_OK, "%s", sc_client_error_text(client));
	info = sc_client_info(client);
	cr_assert(sc_info_is_complete(info));
	cr_assert_str_eq(sc_info_incarnation(info), ONE);
	cr_assert_eq(sc_info_epoch(info), 5);
	cr_assert_eq(sc_info_granted_us(info), 200000);
	sc_info_unpin(info);
	cr_assert_eq(s->n_asked, 1);
	cr_assert_eq(s->asked[0].interval_us, 500000);
	cr_assert_eq(sc_client_info_unsubscribe(client), SC_OK);
	cr_assert_eq(s->n_unsubscribed, 1);
	sc_info_unpin(sc_client_info(client)); /* does not begin again by itself */
	sc_client_close(client);
	cr_assert_eq(s->n_asked, 1);
	end(s);
}

Test(info, off_and_worker_clients_are_not_told, .timeout = 60)
{
	static const struct line script[] = {{1, INFO_KIND_SNAPSHOT, ONE, 0, 5, 0}, {0, 0, NULL, 0, 0, 0}};
	struct stand_in *s = begin(script);
	struct sc_client *client = open_client(s, "client.scheduler-info-interval=off");
	const struct sc_info *info = sc_client_info(client);

	cr_assert_not(sc_info_is_complete(info));
	cr_assert_eq(sc_info_n_workers(info), 0);
	sc_info_unpin(info);
	cr_assert_eq(sc_client_info_wait(client, 1000), SC_BAD_STATE);
	cr_assert_eq(sc_client_info_subscribe(client, NULL, NULL, NULL), SC_BAD_STATE);
	sc_client_close(client);
	setenv("SCHED_ROLE", "worker-client", 1);
	client = open_client(s, NULL);
	sc_info_unpin(sc_client_info(client));
	cr_assert_eq(sc_client_info_wait(client, 1000), SC_BAD_STATE);
	cr_assert_eq(s->n_asked, 0);
	cr_assert_eq(sc_client_info_subscribe(client, NULL, NULL, NULL), SC_OK, "asked for, it is");
	cr_assert_eq(sc_client_info_wait(client, 20000000), SC_OK);
	unsetenv("SCHED_ROLE");
	sc_client_close(client);
	end(s);
}

Test(info, other_options_begin_anew, .timeout = 60)
{
	static const struct line script[] = {{1, INFO_KIND_SNAPSHOT, ONE, 0, 5, 0},
					     {2, INFO_KIND_DELTA, ONE, 5, 6, 0},
					     {3, INFO_KIND_SNAPSHOT, ONE, 0, 6, 0},
					     {0, 0, NULL, 0, 0, 0}};
	struct stand_in *s = begin(script);
	struct sc_client *client = open_client(s, NULL);
	struct sc_info_options o = {.interval_us = 300000};
	struct heard h = {.n = 0}, h2 = {.n = 0};

	sem_init(&h.there, 0, 0);
	sem_init(&h2.there, 0, 0);
	cr_assert_eq(sc_client_info_subscribe(client, NULL, on_event, &h), SC_OK);
	expect(&h, SC_INFO_UPDATED, 5);
	cr_assert_eq(sc_client_info_subscribe(client, &o, on_event, &h2), SC_OK);
	expect(&h2, SC_INFO_UPDATED, 6);
	cr_assert_eq(s->asked[1].epoch, 5, "another interval is no reason to be sent everything");
	cr_assert_eq(s->asked[1].interval_us, 300000);
	o.pool = "gpu";
	o.name_space = "x";
	o.sections = SC_INFO_TOTALS;
	cr_assert_eq(sc_client_info_subscribe(client, &o, on_event, &h2), SC_OK);
	expect(&h2, SC_INFO_UPDATED, 6);
	cr_assert_eq(s->asked[2].epoch, 0);
	cr_assert_str_eq(s->asked[2].pool, "gpu");
	cr_assert_str_eq(s->asked[2].namespace, "x");
	cr_assert_eq(s->asked[2].sections, SC_INFO_TOTALS);
	o.interval_us = 1;
	cr_assert_eq(sc_client_info_subscribe(client, &o, on_event, &h2), SC_INVALID);
	o.interval_us = 0;
	o.n_labels = 1;
	o.labels = (const char *const[]){"rack"};
	cr_assert_eq(sc_client_info_subscribe(client, &o, on_event, &h2), SC_INVALID);
	sc_client_close(client);
	cr_assert_eq(h.n, 1, "who was replaced is not called");
	end(s);
}

/* ---- threads that want different things ------------------------------------------------------------------------- */

struct rivals {
	struct heard heard; /* first: on_event gets a pointer to it */
	struct sc_client *client;
	pthread_t other;
	sc_err other_err;
	int has_begun;
};

static void *unsubscribe(void *arg)
{
	struct rivals *x = arg;

	x->other_err = sc_client_info_unsubscribe(x->client);
	return NULL;
}

static int is_posted(struct sc_client *client)
{
	int is;

	pthread_mutex_lock(&client->lock);
	is = !TAILQ_EMPTY(&client->posts);
	pthread_mutex_unlock(&client->lock);
	return is;
}

/* In the client's thread: another unsubscribes, and before that is carried out here somebody subscribes. */
static void on_event_both(enum sc_info_event event, const struct sc_info *info, void *arg)
{
	struct rivals *x = arg;

	if (!x->has_begun) {
		x->has_begun = 1;
		cr_assert_eq(pthread_create(&x->other, NULL, unsubscribe, x), 0);
		while (!is_posted(x->client))
			sched_yield();
		cr_assert_eq(sc_client_info_subscribe(x->client, NULL, on_event_both, x), SC_OK);
	}
	on_event(event, info, &x->heard);
}

Test(info, unsubscribing_ends_nothing_that_was_asked_for_later, .timeout = 60)
{
	static const struct line script[] = {
		{1, INFO_KIND_SNAPSHOT, ONE, 0, 5, 0}, {2, INFO_KIND_DELTA, ONE, 5, 6, 0}, {0, 0, NULL, 0, 0, 0}};
	struct rivals x = {.has_begun = 0};
	struct stand_in *s = begin(script);

	x.client = open_client(s, NULL);
	sem_init(&x.heard.there, 0, 0);
	cr_assert_eq(sc_client_info_subscribe(x.client, NULL, on_event_both, &x), SC_OK);
	expect(&x.heard, SC_INFO_UPDATED, 5);
	expect(&x.heard, SC_INFO_UPDATED, 6);
	cr_assert_eq(pthread_join(x.other, NULL), 0);
	cr_assert_eq(x.other_err, SC_OK);
	cr_assert_eq(s->n_unsubscribed, 1);
	cr_assert_eq(s->asked[1].n_unsubscribed, 1, "it came after the second subscription");
	sc_client_close(x.client);
	end(s);
}

Test(info, what_begins_by_itself_replaces_nothing, .timeout = 60)
{
	static const struct line script[] = {
		{1, INFO_KIND_SNAPSHOT, ONE, 0, 5, 0}, {2, INFO_KIND_SNAPSHOT, ONE, 0, 6, 0}, {0, 0, NULL, 0, 0, 0}};
	struct stand_in *s = begin(script);
	struct sc_client *client = open_client(s, NULL);
	struct sc_info_options o = {.interval_us = 300000, .pool = "gpu"};
	const struct sc_info *info;

	cr_assert_eq(sc_client_info_subscribe(client, &o, NULL, NULL), SC_OK);
	cr_assert_eq(sc_client_info_wait(client, 20000000), SC_OK);
	atomic_store(&info_of(client)->is_wanted, 0); /* as another thread saw it that looked before */
	sc_info_unpin(sc_client_info(client));
	cr_assert_eq(sc_client_identity(client, NULL, &info), SC_OK); /* what was posted before it is over by then */
	sc_info_unpin(info);
	cr_assert_eq(s->n_asked, 2);
	cr_assert_eq(s->asked[1].interval_us, 0, "that is the question");
	sc_client_close(client);
	end(s);
}

/* ---- a scheduler that falls silent ------------------------------------------------------------------------------ */

struct dog {
	struct heard heard; /* first: on_event gets a pointer to it */
	struct sc_client *client;
};

/* In the client's thread, so the watchdog may be set.  From the first version on as short as the interval allows. */
static void on_event_shorten(enum sc_info_event event, const struct sc_info *info, void *arg)
{
	struct dog *d = arg;

	info_of(d->client)->silence_us = event == SC_INFO_LOST ? 90 * US_PER_S : 1;
	on_event(event, info, &d->heard);
}

/* n_peers 2: it answers nothing at all. */
static void fall_silent(const struct line *script, uint64_t last, unsigned n_peers)
{
	struct dog d = {.heard.n = 0};
	struct heard *h = &d.heard;
	struct stand_in *s = begin(script);

	s->is_mute = n_peers == 2;
	d.client = open_client(s, s->is_mute ? "client.request-timeout=200ms" : NULL);
	sem_init(&h->there, 0, 0);
	cr_assert_eq(sc_client_info_subscribe(d.client, NULL, on_event_shorten, &d), SC_OK);
	for (uint64_t epoch = 5; epoch <= last; epoch++)
		expect(h, SC_INFO_UPDATED, epoch);
	expect(h, SC_INFO_LOST, last);
	cr_assert_gt(h->times_us[h->taken - 1] - h->times_us[h->taken - 2], PATIENCE_US / 2, "too soon");
	expect(h, SC_INFO_UPDATED, 7);
	cr_assert_eq(s->n_asked, 2);
	cr_assert_eq(s->asked[1].epoch, last, "it goes on from what it has");
	cr_assert_str_eq(s->asked[1].incarnation, ONE);
	cr_assert_eq(s->n_peers, n_peers);
	cr_assert_eq(s->n_unsubscribed, 1, "it is asked before it is given up");
	sc_client_close(d.client);
	cr_assert_eq(h->n, h->taken);
	end(s);
}

Test(info, who_hears_nothing_connects_again, .timeout = 60)
{
	static const struct line script[] = {{1, INFO_KIND_SNAPSHOT, ONE, 0, 5, 0},
					     {1, INFO_KIND_DELTA, ONE, 5, 6, 0},
					     {2, INFO_KIND_DELTA, ONE, 6, 7, 0},
					     {0, 0, NULL, 0, 0, 0}};

	fall_silent(script, 6, 2);
}

/* Other calls on the connection may be waiting for something that takes long. */
Test(info, a_scheduler_that_answers_is_not_given_up, .timeout = 60)
{
	static const struct line script[] = {{1, INFO_KIND_SNAPSHOT, ONE, 0, 5, 0},
					     {1, INFO_KIND_DELTA, ONE, 5, 6, 0},
					     {2, INFO_KIND_DELTA, ONE, 6, 7, 0},
					     {0, 0, NULL, 0, 0, 0}};

	fall_silent(script, 6, 1);
}

Test(info, who_hears_nothing_but_other_things_asks_again, .timeout = 60)
{
	static const struct line script[] = {{1, INFO_KIND_SNAPSHOT, ONE, 0, 5, 0},
					     {1, INFO_KIND_BOOKMARK, ONE, 0, 5, AND_PING},
					     {2, INFO_KIND_DELTA, ONE, 5, 7, 0},
					     {0, 0, NULL, 0, 0, 0}};

	fall_silent(script, 5, 1);
}

/* ---- memory ----------------------------------------------------------------------------------------------------- */

struct shortage {
	struct heard heard; /* first: on_event gets a pointer to it */
	long nth, left;
};

/* In the client's thread, whose n-th allocation after version 5 fails. */
static void on_event_starve(enum sc_info_event event, const struct sc_info *info, void *arg)
{
	struct shortage *x = arg;

	on_event(event, info, &x->heard);
	if (x->heard.n == 1) {
		mem_fail_nth(x->nth);
	} else if (sc_info_epoch(info) == 6) {
		x->left = mem_fail_left();
		mem_fail_nth(-1);
	}
}

/* 0 when nothing failed on the way from version 5 to 6.  The callback may see LOST in between, but no third state. */
static int starve(const struct line *latest, long nth)
{
	struct shortage x = {.nth = nth, .left = -1};
	struct heard *h = &x.heard;
	struct stand_in *s = begin(NULL);
	struct sc_client *client;

	s->latest = *latest;
	client = open_client(s, NULL);
	sem_init(&h->there, 0, 0);
	cr_assert_eq(sc_client_info_subscribe(client, NULL, on_event_starve, &x), SC_OK);
	expect(h, SC_INFO_UPDATED, 5);
	wait_for_event(h);
	if (h->events[1] == SC_INFO_LOST) {
		expect_next(h, SC_INFO_LOST, 5);
		wait_for_event(h);
	}
	cr_assert_eq(h->epochs[h->taken], 6);
	cr_assert_neq(h->events[h->taken], SC_INFO_LOST);
	cr_assert(h->whole[h->taken]);
	sc_client_close(client);
	cr_assert_eq(h->n, h->taken + 1, "allocation %ld", nth);
	end(s);
	return x.left < 0;
}

static void starve_each(const struct line *latest)
{
	long nth = 0;

	while (starve(latest, nth))
		nth++;
	cr_assert_gt(nth, 8, "an identity has eight");
}

Test(info, no_failed_allocation_is_seen_in_a_delta, .timeout = 60)
{
	starve_each(&(struct line){1, INFO_KIND_DELTA, ONE, 5, 6, 0});
}

Test(info, no_failed_allocation_is_seen_in_a_snapshot, .timeout = 60)
{
	starve_each(&(struct line){1, INFO_KIND_SNAPSHOT, TWO, 0, 6, 0});
}

/* ---- single questions ------------------------------------------------------------------------------------------- */

static void ask(struct sc_client *client, const struct sc_info_options *o, uint64_t epoch)
{
	const struct sc_info *info;
	struct sc_info_totals t;

	cr_assert_eq(sc_client_identity(client, o, &info), SC_OK, "%s", sc_client_error_text(client));
	cr_assert_eq(sc_info_epoch(info), epoch);
	sc_info_totals_of(info, &t);
	cr_assert_eq(t.held, epoch);
	sc_info_unpin(info);
}

Test(info, a_question_is_asked_with_what_is_known, .timeout = 60)
{
	static const struct line script[] = {{1, INFO_KIND_LATER, ONE, 0, 0, 0}, /* put off, twice */
					     {2, INFO_KIND_LATER, ONE, 0, 0, 0},
					     {3, INFO_KIND_SNAPSHOT, ONE, 0, 5, 0},
					     {4, INFO_KIND_UNCHANGED, ONE, 0, 5, 0},
					     {5, INFO_KIND_DELTA, ONE, 5, 7, 0},
					     {6, INFO_KIND_DELTA, ONE, 8, 9, 0}, /* of no use */
					     {7, INFO_KIND_SNAPSHOT, ONE, 0, 9, 0},
					     {8, INFO_KIND_SNAPSHOT, ONE, 0, 9, 0},
					     {0, 0, NULL, 0, 0, 0}};
	struct sc_info_options pool = {.pool = "gpu"};
	struct stand_in *s = begin(script);
	struct sc_client *client = open_client(s, NULL);

	ask(client, NULL, 5);
	cr_assert_eq(s->n_asked, 3);
	ask(client, NULL, 5);
	cr_assert_eq(s->asked[3].epoch, 5);
	ask(client, NULL, 7);
	ask(client, NULL, 9);
	cr_assert_eq(s->asked[5].epoch, 7);
	cr_assert_eq(s->asked[6].epoch, 0);
	ask(client, &pool, 9);
	cr_assert_eq(s->asked[7].epoch, 0, "another question");
	sc_client_close(client);
	end(s);
}
