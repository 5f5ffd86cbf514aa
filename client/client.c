/*
 * client.c - opening and closing a client; its thread.  See client.h for who may touch what.
 */
#include "client/client.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "client/info.h"
#include "client/link.h"
#include "net/access.h"
#include "net/handshake.h"

#define ERROR_TEXT_BYTES 8448 /* an error message of the scheduler, and where it comes from */

/* Per thread, so that two threads that fail at the same time do not read each other's text. */
static _Thread_local char error_text[ERROR_TEXT_BYTES];

sc_err client_error(sc_err err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error_text, sizeof(error_text), fmt, ap);
	va_end(ap);
	return err;
}

const char *sc_client_error_text(const struct sc_client *client)
{
	(void)client;
	return error_text;
}

const char *sc_client_access_file(const struct sc_client *client)
{
	return client->access_file;
}

/* ---- the thread ------------------------------------------------------------------------------------------------- */

sc_err client_post(struct sc_client *client, struct post *p)
{
	int first, refused;

	pthread_mutex_lock(&client->lock);
	refused = client->stopping;
	first = TAILQ_EMPTY(&client->posts);
	if (!refused)
		TAILQ_INSERT_TAIL(&client->posts, p, next);
	pthread_mutex_unlock(&client->lock);
	if (refused)
		return SC_CLOSED;
	if (first) /* otherwise it is awake already, or about to be */
		loop_wake(client->loop);
	return SC_OK;
}

static void run_posts(void *arg)
{
	struct sc_client *client = arg;
	struct posts taken = TAILQ_HEAD_INITIALIZER(taken);
	struct post *p;

	pthread_mutex_lock(&client->lock);
	TAILQ_CONCAT(&taken, &client->posts, next);
	pthread_mutex_unlock(&client->lock);
	while ((p = TAILQ_FIRST(&taken)) != NULL) {
		TAILQ_REMOVE(&taken, p, next);
		p->fn(p); /* may free p */
	}
}

static void *thread_main(void *arg)
{
	struct sc_client *client = arg;

	loop_run(client->loop);
	client->ended = 1;
	run_posts(client);
	info_end(client);
	links_end(client);
	return NULL;
}

/*
 * All signals are blocked in the new thread: the program's handlers run in the program's threads, and a write to a
 * connection the other side has closed is an error there, not a SIGPIPE.
 */
static sc_err start_thread(struct sc_client *client)
{
	sigset_t all, before;
	int failed;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&client->thread, NULL, thread_main, client);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed)
		return client_error(SC_NOMEM, "cannot start a thread: %s", strerror(failed));
	return SC_OK;
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

static sc_err read_options(struct sc_client *client, const struct sc_client_options *o)
{
	struct buf error;
	sc_err err;

	buf_init(&error, 0);
	err = options_init(&client->options);
	if (err == SC_OK)
		err = options_load(&client->options, o->config, (char *const *)(uintptr_t)o->sets, o->n_sets, &error);
	if (err == SC_NOT_FOUND) /* the file that was named */
		err = SC_INVALID;
	if (err != SC_OK)
		client_error(err, "%s", error.len > 0 ? buf_str(&error) : sc_err_text(err));
	buf_fini(&error);
	return err;
}

static sc_err find_access_file(struct sc_client *client, const struct sc_client_options *o)
{
	sc_err err = access_path(o->access_file, client->access_file, sizeof(client->access_file));

	if (err == SC_NOT_FOUND)
		return client_error(SC_UNREACHABLE, "no scheduler: none of $SCHED_ACCESS_FILE, $XDG_RUNTIME_DIR and "
						    "$HOME says where its access file is");
	if (err != SC_OK)
		return client_error(SC_INVALID, "the path of the access file is longer than %zu bytes",
				    sizeof(client->access_file) - 1);
	return SC_OK;
}

static void release(struct sc_client *client)
{
	info_free(client);
	links_free(client);
	loop_free(client->loop); /* and with it the connections */
	options_fini(&client->options);
	pthread_mutex_destroy(&client->lock);
	mem_free(client);
}

static sc_err prepare(struct sc_client *client, const struct sc_client_options *o)
{
	const char *role = getenv("SCHED_ROLE"), *job = getenv("SCHED_JOB_ID");
	sc_err err = read_options(client, o);

	if (err == SC_OK)
		err = find_access_file(client, o);
	if (err != SC_OK)
		return err;
	client->role = role != NULL && strcmp(role, ROLE_WORKER_CLIENT) == 0 ? ROLE_WORKER_CLIENT : ROLE_CLIENT;
	if (client->role != NULL && strcmp(client->role, ROLE_WORKER_CLIENT) == 0 && job != NULL &&
	    text_u64(job, &client->own_job) != SC_OK)
		client->own_job = 0;
	snprintf(client->software, sizeof(client->software), "%.100s %s",
		 o->software != NULL ? o->software : "libsched-client", SCHED_VERSION);
	err = loop_new(&client->loop);
	if (err == SC_OK)
		err = links_init(client);
	if (err != SC_OK)
		return client_error(err, "%s", sc_err_text(err));
	loop_set_wake_hook(client->loop, run_posts, client);
	return start_thread(client);
}

sc_err sc_client_open(const struct sc_client_options *options, struct sc_client **out)
{
	static const struct sc_client_options none;
	struct sc_client *client = mem_calloc(1, sizeof(*client));
	sc_err err;

	if (client == NULL)
		return client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	TAILQ_INIT(&client->posts);
	pthread_mutex_init(&client->lock, NULL);
	err = prepare(client, options != NULL ? options : &none);
	if (err != SC_OK) {
		release(client);
		return err;
	}
	err = link_reach_scheduler(client);
	if (err != SC_OK) {
		sc_client_close(client);
		return err;
	}
	*out = client;
	return SC_OK;
}

struct stop_post {
	struct post post; /* first: stop_loop() gets a pointer to it */
	struct loop *loop;
};

static void stop_loop(struct post *p)
{
	loop_stop(((struct stop_post *)p)->loop);
}

void sc_client_close(struct sc_client *client)
{
	struct stop_post stop = {.post.fn = stop_loop};

	if (client == NULL)
		return;
	stop.loop = client->loop;
	pthread_mutex_lock(&client->lock);
	client->stopping = 1; /* nothing can come after the stop */
	TAILQ_INSERT_TAIL(&client->posts, &stop.post, next);
	pthread_mutex_unlock(&client->lock);
	loop_wake(client->loop);
	pthread_join(client->thread, NULL);
	release(client);
}
