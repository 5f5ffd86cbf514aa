/*
 * client.c - the library against a stand-in for the scheduler and a worker's data port, which lives in a thread of the
 * test and does what the test told it to.
 */
#include "client/sched_client.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/access.h"
#include "net/server.h"

#define DATA_SECRET "data-secret"
#define PART_BYTES  1048576u

enum { SILENT = 1, DROP = 2 }; /* what it does to requests */

struct stand_in {
	char dir[64];
	char path[96]; /* access file */
	char address[ADDRESS_MAX];
	struct loop *loop;
	struct server *server;
	pthread_t thread;
	int manners;		  /* SILENT, DROP: read by its thread, set before a call is made */
	uint64_t n_jobs;	  /* its thread only */
	unsigned n_located;	  /* how often it was asked where results are */
	uint64_t part_max;	  /* sends no more of a result at once */
	uint64_t n_tasks;	  /* of the job that is listed */
	const char *first_holder; /* answered to the first result_locate, or NULL */
	uint64_t sizes[8];	  /* of the results */
};

static const char *secret_of(const char *role, void *arg)
{
	(void)arg;
	return strcmp(role, ROLE_PEER) == 0 ? DATA_SECRET : strcmp(role, ROLE_CLIENT) == 0 ? "secret" : NULL;
}

static void answer_task_list(struct conn *c, const struct msg_task_list *q, const struct stand_in *s)
{
	struct msg_task_rows m = {.request = q->request, .job = 7};
	struct column_writer task;
	struct slice *keys = mem_malloc(1000 * sizeof(*keys));
	char(*texts)[32] = mem_malloc(1000 * sizeof(*texts));
	uint64_t at = q->from;
	size_t n = 0;

	column_writer_init(&task);
	for (; at < s->n_tasks && n < 1000; at++, n++) {
		column_put(&task, at);
		snprintf(texts[n], sizeof(texts[n]), "t-%llu", (unsigned long long)at);
		keys[n] = slice_of(texts[n]);
	}
	m.task = column_of(&task);
	m.key = (struct slices){keys, n};
	m.next = at < s->n_tasks ? at : 0;
	conn_send(c, MSG_task_rows, &m);
	column_writer_fini(&task);
	mem_free(keys);
	mem_free(texts);
}

static void answer_locate(struct conn *c, const struct msg_result_locate *q, struct stand_in *s)
{
	struct column_writer w[5];
	struct column_reader r;
	const char *holder = s->n_located++ == 0 && s->first_holder != NULL ? s->first_holder : s->address;
	struct slice holders[] = {slice_of(holder)};
	struct msg_result_places m = {.request = q->request, .job = 7, .holders = {holders, 1}};

	for (size_t i = 0; i < 5; i++)
		column_writer_init(&w[i]);
	column_read(&r, &q->task);
	for (size_t i = 0; i < q->task.count; i++) {
		uint64_t task = column_next(&r), size = s->sizes[task % 8];

		column_put(&w[0], task);
		column_put(&w[1], TASK_DONE);
		column_put(&w[2], size);
		column_put(&w[3], 0);
		column_put(&w[4], size > 0);
	}
	m.task = column_of(&w[0]);
	m.state = column_of(&w[1]);
	m.result_bytes = column_of(&w[2]);
	m.stderr_bytes = column_of(&w[3]);
	m.holder = column_of(&w[4]);
	conn_send(c, MSG_result_places, &m);
	for (size_t i = 0; i < 5; i++)
		column_writer_fini(&w[i]);
}

/* Byte k of the result of a task. */
static unsigned char byte_of(uint64_t task, uint64_t k)
{
	return (unsigned char)(task * 31 + k * 7 + k / 251);
}

static void answer_data(struct conn *c, const struct msg_data_get *q, const struct stand_in *s)
{
	struct msg_data_part m = {.request = q->request, .total_bytes = s->sizes[q->task % 8], .offset = q->offset};
	uint64_t n = m.total_bytes - q->offset;
	unsigned char *bytes = mem_malloc(PART_BYTES);

	if (n > q->max_bytes)
		n = q->max_bytes;
	if (s->part_max > 0 && n > s->part_max)
		n = s->part_max;
	for (uint64_t k = 0; k < n; k++)
		bytes[k] = byte_of(q->task, q->offset + k);
	m.bytes = (struct slice){(const char *)bytes, n};
	conn_send(c, MSG_data_part, &m);
	mem_free(bytes);
}

static void answer_watch(struct conn *c, const struct msg_job_watch *q)
{
	struct column_writer counts;
	struct msg_job_state m = {.request = q->request, .job = q->job, .state = JOB_RUNNING};

	column_writer_init(&counts);
	for (uint64_t i = 0; i < TASK_STATES; i++)
		column_put(&counts, i);
	m.counts = column_of(&counts);
	m.text = slice_of("because");
	if (q->interval_ms > 0)
		conn_send(c, MSG_job_state, &m);
	if (q->job != 99) { /* 99 never ends */
		m.state = JOB_FAILED;
		conn_send(c, MSG_job_state, &m);
	}
	column_writer_fini(&counts);
}

static sc_err on_message(struct conn *c, const struct msg *m, void *arg)
{
	struct stand_in *s = arg;
	int manners = __atomic_load_n(&s->manners, __ATOMIC_ACQUIRE);

	if (manners == SILENT)
		return SC_OK;
	if (manners == DROP) {
		conn_fail(c, SC_SHUTDOWN, "going home");
		return SC_OK;
	}
	switch (m->type) {
	case MSG_submit:
		return conn_send(c, MSG_submitted,
				 &(struct msg_submitted){.request = m->u.submit.request, .job = ++s->n_jobs});
	case MSG_job_cancel:
		conn_send_error(c, m->u.job_cancel.request, SC_NOT_FOUND, "there is no job %llu",
				(unsigned long long)m->u.job_cancel.job);
		return SC_OK;
	case MSG_job_forget:
		return conn_send(c, MSG_ok, &(struct msg_ok){m->u.job_forget.request, 3});
	case MSG_job_watch:
		answer_watch(c, &m->u.job_watch);
		return SC_OK;
	case MSG_task_list:
		answer_task_list(c, &m->u.task_list, s);
		return SC_OK;
	case MSG_result_locate:
		answer_locate(c, &m->u.result_locate, s);
		return SC_OK;
	case MSG_data_get:
		answer_data(c, &m->u.data_get, s);
		return SC_OK;
	default:
		return SC_UNEXPECTED;
	}
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
	conn_set_handlers(c, &handlers, arg);
	return SC_OK;
}

static void *serve(void *arg)
{
	loop_run(((struct stand_in *)arg)->loop);
	return NULL;
}

static void stop(void *arg)
{
	loop_stop(((struct stand_in *)arg)->loop);
}

static void write_access(const struct stand_in *s, const char *secret)
{
	FILE *f = fopen(s->path, "w");

	cr_assert(f != NULL);
	fprintf(f, "incarnation: \"x\"\npid: 1\naddresses: [\"%s\"]\nclient-secret: \"%s\"\n", s->address, secret);
	fclose(f);
	chmod(s->path, 0600);
}

static struct stand_in *begin(void)
{
	struct stand_in *s = mem_calloc(1, sizeof(*s));
	struct server_config config = {
		.module = "stand-in",
		.rules = {.secret_of = secret_of,
			  .incarnation = "x",
			  .data_secret = DATA_SECRET,
			  .max_frame_bytes = CONN_MAX_FRAME_DEFAULT},
		.limits = conn_limits_default,
		.hello_timeout_us = 5000000,
		.max_connections = 100,
		.on_peer = on_peer,
		.arg = s,
	};

	snprintf(s->dir, sizeof(s->dir), "/tmp/sched-client-test-XXXXXX");
	cr_assert(mkdtemp(s->dir) != NULL);
	snprintf(s->path, sizeof(s->path), "%s/access.yaml", s->dir);
	cr_assert_eq(loop_new(&s->loop), SC_OK);
	cr_assert_eq(server_new(s->loop, &config, &s->server), SC_OK);
	cr_assert_eq(server_listen(s->server, "tcp://127.0.0.1:0", s->address, sizeof(s->address)), SC_OK);
	loop_set_wake_hook(s->loop, stop, s);
	write_access(s, "secret");
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

static void behave(struct stand_in *s, int manners)
{
	__atomic_store_n(&s->manners, manners, __ATOMIC_RELEASE);
}

static struct sc_client *open_client(const struct stand_in *s, const char *set)
{
	struct sc_client_options o = {.access_file = s->path, .sets = &set, .n_sets = set != NULL};
	struct sc_client *client;

	cr_assert_eq(sc_client_open(&o, &client), SC_OK, "%s", sc_client_error_text(NULL));
	return client;
}

static struct sc_job *noop_job(void)
{
	struct sc_job *job;

	cr_assert_eq(sc_job_new("noop", &job), SC_OK);
	cr_assert_eq(sc_job_add_group(job, &(struct sc_group_spec){.name = "noop"}, NULL), SC_OK);
	return job;
}

/* ---- calls ------------------------------------------------------------------------------------------------------ */

#define THREADS 4
#define EACH	50

struct submitter {
	pthread_t thread;
	struct sc_client *client;
	uint64_t ids[EACH];
	int mixed_up;
};

static void *submit_many(void *arg)
{
	struct submitter *me = arg;
	struct sc_job *job = noop_job();

	for (size_t i = 0; i < EACH; i++) {
		uint64_t n = 0;

		if (sc_client_submit(me->client, job, &me->ids[i]) != SC_OK)
			me->mixed_up = 1;
		if (sc_client_forget(me->client, 1, &n) != SC_OK || n != 3)
			me->mixed_up = 1;
		if (sc_client_cancel(me->client, me->ids[i], NULL) != SC_NOT_FOUND)
			me->mixed_up = 1;
		else { /* this thread's text, not another's */
			char wanted[64];

			snprintf(wanted, sizeof(wanted), "there is no job %llu", (unsigned long long)me->ids[i]);
			me->mixed_up |= strcmp(sc_client_error_text(me->client), wanted) != 0;
		}
	}
	sc_job_free(job);
	return NULL;
}

Test(client, answers_find_the_thread_that_asked)
{
	struct stand_in *s = begin();
	struct sc_client *client = open_client(s, NULL);
	struct submitter threads[THREADS] = {0};
	char seen[THREADS * EACH + 1] = {0};

	for (size_t i = 0; i < THREADS; i++) {
		threads[i].client = client;
		pthread_create(&threads[i].thread, NULL, submit_many, &threads[i]);
	}
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(threads[i].thread, NULL);
		cr_expect(!threads[i].mixed_up, "thread %zu: %s", i, sc_client_error_text(client));
		for (size_t k = 0; k < EACH; k++) {
			cr_assert(threads[i].ids[k] >= 1 && threads[i].ids[k] <= THREADS * EACH);
			cr_expect(!seen[threads[i].ids[k]]++, "an id was given to two");
		}
	}
	sc_client_close(client);
	end(s);
}

Test(client, no_answer_is_a_timeout_of_that_call_alone)
{
	struct stand_in *s = begin();
	struct sc_client *client = open_client(s, "client.request-timeout=100ms");

	behave(s, SILENT);
	cr_expect_eq(sc_client_forget(client, 1, NULL), SC_TIMEOUT);
	cr_expect(strstr(sc_client_error_text(client), "client.request-timeout") != NULL, "%s",
		  sc_client_error_text(client));
	behave(s, 0);
	cr_expect_eq(sc_client_forget(client, 1, NULL), SC_OK, "%s", sc_client_error_text(client));
	sc_client_close(client);
	end(s);
}

Test(client, a_lost_connection_ends_calls_and_the_next_connects_again)
{
	struct stand_in *s = begin();
	struct sc_client *client = open_client(s, NULL);

	behave(s, DROP);
	cr_expect_eq(sc_client_forget(client, 1, NULL), SC_CLOSED);
	cr_expect(strstr(sc_client_error_text(client), "going home") != NULL, "%s", sc_client_error_text(client));
	behave(s, 0);
	cr_expect_eq(sc_client_forget(client, 1, NULL), SC_OK, "%s", sc_client_error_text(client));
	sc_client_close(client);
	end(s);
}

Test(client, connecting_fails_with_a_reason)
{
	struct stand_in *s = begin();
	struct sc_client_options o = {.access_file = "/nonexistent/access.yaml"};
	struct sc_client *client = NULL;

	cr_expect_eq(sc_client_open(&o, &client), SC_UNREACHABLE);
	cr_expect(strstr(sc_client_error_text(NULL), "/nonexistent/access.yaml does not exist") != NULL);
	write_access(s, "wrong");
	o.access_file = s->path;
	cr_expect_eq(sc_client_open(&o, &client), SC_AUTH, "%s", sc_client_error_text(NULL));
	cr_expect_null(client);
	end(s);
}

/* ---- waiting ---------------------------------------------------------------------------------------------------- */

struct seen {
	unsigned n;
	int stop;
	enum sc_job_state last;
};

static int note(const struct sc_progress *p, void *arg)
{
	struct seen *seen = arg;

	seen->n++;
	seen->last = p->state;
	return seen->stop;
}

Test(client, waits_and_tells_how_it_ended)
{
	struct stand_in *s = begin();
	struct sc_client *client = open_client(s, NULL);
	struct sc_progress last;
	struct seen seen = {0};

	cr_assert_eq(sc_client_wait(client, 5, 0, UINT64_MAX, NULL, NULL, &last), SC_OK);
	cr_expect_eq(last.state, SC_JOB_FAILED);
	cr_expect_eq(last.counts[SC_TASK_FAILED], (uint64_t)SC_TASK_FAILED);
	cr_expect_str_eq(last.text, "because");
	cr_assert_eq(sc_client_wait(client, 5, 10, UINT64_MAX, note, &seen, &last), SC_OK);
	cr_expect_eq(seen.last, SC_JOB_FAILED);
	sc_client_close(client);
	end(s);
}

Test(client, waiting_ends_in_time_or_when_told_to)
{
	struct stand_in *s = begin();
	struct sc_client *client = open_client(s, NULL);
	struct sc_progress last = {.text = ""};
	struct seen seen = {.stop = 1};

	cr_expect_eq(sc_client_wait(client, 99, 0, 50000, NULL, NULL, &last), SC_TIMEOUT);
	cr_expect_eq(last.state, SC_JOB_RUNNING);
	cr_expect_eq(sc_client_wait(client, 99, 10, UINT64_MAX, note, &seen, &last), SC_TIMEOUT);
	cr_expect_eq(seen.n, 1u);
	cr_expect_eq(sc_client_forget(client, 1, NULL), SC_OK); /* late answers disturb nobody */
	sc_client_close(client);
	end(s);
}

struct async {
	sem_t done;
	sc_err err;
	uint64_t id;
	unsigned n;
	enum sc_job_state state;
};

static void on_submitted(sc_err err, const char *text, uint64_t id, void *arg)
{
	struct async *a = arg;

	(void)text;
	a->err = err;
	a->id = id;
	sem_post(&a->done);
}

static void on_watched(sc_err err, const char *text, const struct sc_progress *p, void *arg)
{
	struct async *a = arg;

	(void)text;
	a->err = err;
	a->n++;
	if (p != NULL)
		a->state = p->state;
	if (p == NULL || sc_job_state_is_final(p->state))
		sem_post(&a->done);
}

Test(client, asynchronous_calls_call_back)
{
	struct stand_in *s = begin();
	struct sc_client *client = open_client(s, NULL);
	struct async a = {.err = SC_IO};

	sem_init(&a.done, 0, 0);
	cr_assert_eq(sc_client_submit_async(client, noop_job(), on_submitted, &a), SC_OK);
	sem_wait(&a.done);
	cr_expect_eq(a.err, SC_OK);
	cr_expect_eq(a.id, 1u);
	cr_assert_eq(sc_client_watch_async(client, 1, 10, on_watched, &a), SC_OK);
	sem_wait(&a.done);
	cr_expect_eq(a.n, 2u);
	cr_expect_eq(a.state, SC_JOB_FAILED);
	cr_assert_eq(sc_client_watch_async(client, 99, 10, on_watched, &a), SC_OK); /* still under way at the end */
	sc_client_close(client);
	sem_wait(&a.done);
	cr_expect_eq(a.err, SC_CLOSED);
	sem_destroy(&a.done);
	end(s);
}

/* ---- lists and results ------------------------------------------------------------------------------------------ */

Test(client, lists_come_page_by_page)
{
	struct stand_in *s = begin();
	struct sc_client *client = open_client(s, NULL);
	const struct sc_task_row *row;
	struct sc_tasks *tasks;
	uint32_t n = 0;

	s->n_tasks = 2500;
	cr_assert_eq(sc_client_list_tasks(client, 0, 0, NULL, &tasks), SC_OK, "%s", sc_client_error_text(client));
	while (sc_tasks_next(tasks, &row) == SC_OK && row != NULL) {
		char key[16];

		snprintf(key, sizeof(key), "t-%u", n);
		cr_assert_eq(row->task, n);
		cr_assert_str_eq(row->key, key);
		cr_assert_str_eq(row->worker, "", "a column that is missing reads as empty");
		n++;
	}
	cr_expect_eq(n, 2500u);
	sc_tasks_free(tasks);
	sc_client_close(client);
	end(s);
}

struct received {
	uint64_t n[8]; /* bytes of each task */
	int wrong;
	int ended[8];
	uint32_t last_task;
};

static sc_err receive(const struct sc_part *p, void *arg)
{
	struct received *r = arg;
	const unsigned char *bytes = p->data;

	if (p->task < r->last_task || p->err != SC_OK)
		r->wrong = 1;
	r->last_task = p->task;
	if (p->offset == 0)
		r->n[p->task] = 0;
	r->wrong |= p->offset != r->n[p->task];
	for (uint64_t k = 0; k < p->n_bytes; k += 997)
		r->wrong |= bytes[k] != byte_of(p->task, p->offset + k);
	r->n[p->task] += p->n_bytes;
	r->ended[p->task] |= p->last;
	return SC_OK;
}

static void fetch_and_check(struct stand_in *s, const struct sc_fetch *spec)
{
	struct sc_client *client = open_client(s, NULL);
	struct received r = {0};
	sc_err err = sc_client_fetch(client, spec, receive, &r);

	cr_expect_eq(err, SC_OK, "%s", sc_client_error_text(client));
	cr_expect(!r.wrong);
	for (size_t i = 0; i < spec->n_tasks; i++) {
		cr_expect_eq(r.n[i], s->sizes[i], "task %zu: %llu bytes", i, (unsigned long long)r.n[i]);
		cr_expect(r.ended[i]);
	}
	sc_client_close(client);
}

static const uint32_t all_tasks[] = {0, 1, 2, 3, 4, 5, 6, 7};
static const uint64_t some_sizes[8] = {5, 0, PART_BYTES, 3 * PART_BYTES + 17, 0, 1, PART_BYTES + 1, 4000};

Test(client, results_come_whole_and_in_order)
{
	struct stand_in *s = begin();

	memcpy(s->sizes, some_sizes, sizeof(some_sizes));
	fetch_and_check(s, &(struct sc_fetch){.tasks = all_tasks, .n_tasks = 8});
	cr_expect_eq(s->n_located, 1u);
	end(s);
}

Test(client, a_holder_may_send_less_than_asked_for)
{
	struct stand_in *s = begin();

	memcpy(s->sizes, some_sizes, sizeof(some_sizes));
	s->part_max = 300000;
	fetch_and_check(s, &(struct sc_fetch){.tasks = all_tasks, .n_tasks = 8});
	end(s);
}

Test(client, a_holder_that_is_gone_is_asked_about_again)
{
	struct stand_in *s = begin();

	memcpy(s->sizes, some_sizes, sizeof(some_sizes));
	s->first_holder = "tcp://127.0.0.1:1"; /* nobody listens there */
	fetch_and_check(s, &(struct sc_fetch){.tasks = all_tasks, .n_tasks = 8});
	cr_expect_eq(s->n_located, 2u);
	end(s);
}
