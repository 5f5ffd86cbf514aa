/* requests.c - submitting, and the requests that are answered with ok. */
#include <string.h>

#include "base/mem.h"
#include "client/client.h"
#include "client/job_build.h"
#include "client/link.h"

#define ASYNC_MAX 100000u

/* ---- submit ----------------------------------------------------------------------------------------------------- */

/* The answer is not kept as a whole: there is place for what no worker can meet. */
static void take_unmet(struct call *c, const struct msg_submitted *m)
{
	buf_append(&c->reply, m->unmet.p, m->unmet.n);
}

static void keep_unmet(struct sc_job *job, struct call *c)
{
	mem_free(job->unmet);
	job->unmet = c->reply.len > 0 ? mem_strdup(buf_str(&c->reply)) : NULL;
}

const char *sc_job_unmet(const struct sc_job *job)
{
	return job->unmet != NULL ? job->unmet : "";
}

static int take_job_id(struct call *c, const struct msg *m)
{
	take_unmet(c, &m->u.submitted);
	c->request.u.submit.request = m->u.submitted.job; /* its place is free now */
	return 1;
}

static sc_err prepare_submit(struct call *c, struct sc_client *client, struct sc_job *job, struct job_columns **columns)
{
	sc_err err = sc_job_check(job);

	if (err != SC_OK)
		return err;
	call_init(c, client, MSG_submit, MSG_submitted);
	c->on_answer = take_job_id;
	err = job_message(job, &c->request.u.submit, columns);
	if (err != SC_OK)
		call_fini(c);
	return err;
}

sc_err sc_client_submit(struct sc_client *client, struct sc_job *job, uint64_t *job_id)
{
	struct job_columns *columns;
	struct call c;
	sc_err err = prepare_submit(&c, client, job, &columns);

	if (err != SC_OK)
		return err;
	err = call_run(&c);
	if (err == SC_OK)
		keep_unmet(job, &c);
	if (err == SC_OK && job_id != NULL)
		*job_id = c.request.u.submit.request;
	job_columns_free(columns);
	call_fini(&c);
	return err;
}

static int take_first_task(struct call *c, const struct msg *m)
{
	take_unmet(c, &m->u.submitted);
	c->request.u.submit_more.request = m->u.submitted.first_task; /* its place is free now */
	return 1;
}

sc_err sc_client_submit_more(struct sc_client *client, uint64_t job_id, struct sc_job *more, uint32_t *first_task)
{
	struct job_columns *columns;
	struct call c;
	sc_err err = sc_job_check(more);

	if (err == SC_OK && more->n_tasks == 0)
		err = client_error(SC_INVALID, "there are no tasks to submit");
	if (err != SC_OK)
		return err;
	call_init(&c, client, MSG_submit_more, MSG_submitted);
	c.on_answer = take_first_task;
	err = job_message_more(more, &c.request.u.submit_more, &columns);
	if (err == SC_OK) {
		c.request.u.submit_more.job = job_id;
		err = call_run(&c);
		job_columns_free(columns);
	}
	if (err == SC_OK)
		keep_unmet(more, &c);
	if (err == SC_OK && first_task != NULL)
		*first_task = (uint32_t)c.request.u.submit_more.request;
	call_fini(&c);
	return err;
}

uint64_t sc_client_own_job(const struct sc_client *client)
{
	return client->own_job;
}

sc_err client_async_begin(struct sc_client *client)
{
	size_t n;

	pthread_mutex_lock(&client->lock);
	n = client->n_async;
	if (n < ASYNC_MAX)
		client->n_async++;
	pthread_mutex_unlock(&client->lock);
	return n < ASYNC_MAX ? SC_OK : client_error(SC_LIMIT, "%u asynchronous calls are under way", ASYNC_MAX);
}

void client_async_end(struct sc_client *client)
{
	pthread_mutex_lock(&client->lock);
	client->n_async--;
	pthread_mutex_unlock(&client->lock);
}

struct async_submit {
	struct call call; /* first: async_submit_end() gets a pointer to it */
	struct sc_job *job;
	struct job_columns *columns;
	sc_submitted_fn fn;
	void *arg;
};

static void async_submit_end(struct call *c)
{
	struct async_submit *a = (struct async_submit *)c;

	client_async_end(c->client);
	a->fn(c->err, buf_str(&c->text), c->err == SC_OK ? c->request.u.submit.request : 0, a->arg);
	job_columns_free(a->columns);
	sc_job_free(a->job);
	call_fini(c);
	mem_free(a);
}

sc_err sc_client_submit_async(struct sc_client *client, struct sc_job *job, sc_submitted_fn fn, void *arg)
{
	struct async_submit *a;
	sc_err err = client_async_begin(client);

	if (err != SC_OK)
		return err;
	a = mem_malloc(sizeof(*a));
	if (a == NULL) {
		client_async_end(client);
		return client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	}
	err = prepare_submit(&a->call, client, job, &a->columns);
	if (err != SC_OK) {
		mem_free(a);
		client_async_end(client);
		return err;
	}
	a->call.on_end = async_submit_end;
	a->job = job;
	a->fn = fn;
	a->arg = arg;
	err = call_start(&a->call);
	if (err != SC_OK) {
		job_columns_free(a->columns);
		call_fini(&a->call);
		mem_free(a);
		client_async_end(client);
		return client_error(err, "the client was closed");
	}
	return SC_OK;
}

/* ---- answered with ok ------------------------------------------------------------------------------------------- */

static int take_count(struct call *c, const struct msg *m)
{
	c->request.u.ok.count = m->u.ok.count; /* in the place of the request, which is sent */
	return 1;
}

/* c has been given its fields; ends its life. */
static sc_err run_simple(struct call *c, uint64_t *count)
{
	sc_err err;

	c->on_answer = take_count;
	err = call_run(c);
	if (err == SC_OK && count != NULL)
		*count = c->request.u.ok.count;
	call_fini(c);
	return err;
}

sc_err sc_client_cancel(struct sc_client *client, uint64_t job_id, uint64_t *count)
{
	struct call c;

	call_init(&c, client, MSG_job_cancel, MSG_ok);
	c.request.u.job_cancel.job = job_id;
	return run_simple(&c, count);
}

sc_err sc_client_job_close(struct sc_client *client, uint64_t job_id)
{
	struct call c;

	call_init(&c, client, MSG_job_close, MSG_ok);
	c.request.u.job_close.job = job_id;
	return run_simple(&c, NULL);
}

sc_err sc_client_forget(struct sc_client *client, uint64_t job_id, uint64_t *count)
{
	struct call c;

	call_init(&c, client, MSG_job_forget, MSG_ok);
	c.request.u.job_forget.job = job_id;
	return run_simple(&c, count);
}

sc_err sc_client_retry(struct sc_client *client, uint64_t job_id, const char *key, uint64_t *count)
{
	struct call c;

	call_init(&c, client, MSG_task_retry, MSG_ok);
	c.request.u.task_retry.job = job_id;
	c.request.u.task_retry.key = slice_of(key != NULL ? key : "");
	return run_simple(&c, count);
}

sc_err sc_client_drain_worker(struct sc_client *client, const char *name, int undo)
{
	struct call c;

	call_init(&c, client, MSG_worker_drain, MSG_ok);
	c.request.u.worker_drain.name = slice_of(name);
	c.request.u.worker_drain.undo = undo != 0;
	return run_simple(&c, NULL);
}

sc_err sc_client_set_namespace(struct sc_client *client, const char *name, const struct sc_namespace_change *change)
{
	struct msg_namespace_set *m;
	struct call c;

	call_init(&c, client, MSG_namespace_set, MSG_ok);
	m = &c.request.u.namespace_set;
	m->name = slice_of(name);
	if (change->weight != SC_NAMESPACE_SAME) {
		m->fields |= NAMESPACE_WEIGHT;
		m->weight = change->weight;
	}
	if (change->max_tasks != SC_NAMESPACE_SAME) { /* as it travels, 0 is none */
		m->fields |= NAMESPACE_MAX_TASKS;
		m->max_tasks = change->max_tasks == UINT64_MAX ? 0 : change->max_tasks + 1;
	}
	if (change->max_cpus != SC_NAMESPACE_SAME) {
		m->fields |= NAMESPACE_MAX_CPUS;
		m->max_cpus = change->max_cpus == UINT64_MAX ? 0 : change->max_cpus + 1;
	}
	return run_simple(&c, NULL);
}

sc_err sc_client_stop_worker(struct sc_client *client, const char *name)
{
	struct call c;

	call_init(&c, client, MSG_worker_stop, MSG_ok);
	c.request.u.worker_stop.name = slice_of(name);
	return run_simple(&c, NULL);
}

sc_err sc_client_shutdown(struct sc_client *client, int workers)
{
	struct call c;

	call_init(&c, client, MSG_shutdown, MSG_ok);
	c.request.u.shutdown.workers = workers != 0;
	return run_simple(&c, NULL);
}
