/*
 * agent.c - see agent.h.
 *
 * A turn: what arrived is passed to the parts, which change lists; then queue_turn() starts tasks and writes the
 * answers of the turn.  Ending: no new tasks, SIGTERM to the running ones, SIGKILL after worker.kill-delay or at the
 * second signal; when the last is gone the loop stops.
 */
#include "worker/agent.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "worker/data_server.h"
#include "worker/exec.h"
#include "worker/guard.h"
#include "worker/idle.h"
#include "worker/link.h"
#include "worker/mover.h"
#include "worker/pressure.h"
#include "worker/slots.h"
#include "worker/spawn.h"
#include "worker/sweeper.h"
#include "worker/task_queue.h"
#include "worker/usage.h"

#define AWAY_US	      ((uint64_t)US_PER_S)
#define DISK_PAUSE_US (5 * (uint64_t)US_PER_S) /* after a task has found the disk full */

struct agent {
	const struct settings *settings;
	char cookie[GUARD_COOKIE_HEX + 1];
	struct spool spool;
	struct guard *guard;
	struct loop *loop;
	struct deadlines *deadlines;
	struct watch *watch;
	struct msg_decoder *decoder; /* of bodies */
	struct resources resources;
	struct base_env env;
	struct jobs *jobs;
	struct store *store;
	struct answers *answers;
	struct task_queue *queue;
	struct fetcher *fetcher;
	struct mover *mover;
	struct pressure *pressure;
	struct data_server *data_server;
	struct sweeper *sweeper;
	struct sleeper sleeper;
	struct exec *exec;
	struct slots *slots;
	struct link *link;
	int was_ready; /* the line on standard output is written */
	int ending;
	int exit_status;
	uint64_t turn_at_us;		    /* the last one */
	uint64_t usage_at_us, usage_cpu_us; /* at the last heartbeat */
};

/* ---- what the scheduler says ---------------------------------------------------------------------------------- */

static void end(struct agent *a, const char *reason, int status)
{
	if (a->ending)
		return;
	log_info("agent", "ending", "reason=%s tasks=%" PRIu64, log_quote(reason), queue_running(a->queue));
	a->ending = 1;
	a->exit_status = status;
	link_leave(a->link, reason);
	answers_connect(a->answers, NULL);
	queue_abandon_all(a->queue, 0);
	loop_wake(a->loop);
}

static sc_err define(struct agent *a, struct conn *c, const struct msg_group_define *m)
{
	struct buf why;
	sc_err err;

	buf_init(&why, 0);
	err = jobs_define(a->jobs, m, &a->resources, &why);
	if (err == SC_MALFORMED)
		conn_fail(c, err, "group_define: %s", buf_str(&why));
	buf_fini(&why);
	return err;
}

static sc_err assign(struct agent *a, struct conn *c, const struct msg_tasks_assign *m)
{
	struct buf why;
	sc_err err;

	buf_init(&why, 0);
	err = queue_assign(a->queue, m, &why);
	if (err == SC_MALFORMED)
		conn_fail(c, err, "tasks_assign: %s", buf_str(&why));
	buf_fini(&why);
	return err;
}

static void drop_results(struct agent *a, const struct msg_results_drop *m)
{
	struct column_reader r;

	column_read(&r, &m->task);
	while (r.left > 0) {
		uint32_t task = (uint32_t)column_next(&r);

		if (m->copies)
			store_drop_copy(a->store, m->job, task);
		else
			store_drop(a->store, m->job, task);
	}
}

static void keep_results(struct agent *a, const struct msg_results_keep *m)
{
	struct column_reader r;

	column_read(&r, &m->task);
	while (r.left > 0)
		store_keep(a->store, m->job, (uint32_t)column_next(&r));
}

static sc_err fetch_results(struct agent *a, struct conn *c, const struct msg_results_fetch *m)
{
	struct buf why;
	sc_err err;

	buf_init(&why, 0);
	err = mover_fetch(a->mover, m, &why);
	if (err == SC_MALFORMED)
		conn_fail(c, err, "results_fetch: %s", buf_str(&why));
	buf_fini(&why);
	return err;
}

static sc_err on_message(struct conn *c, const struct msg *m, void *arg)
{
	struct agent *a = arg;
	char reason[256];

	switch (m->type) {
	case MSG_group_define:
		return define(a, c, &m->u.group_define);
	case MSG_tasks_assign:
		return assign(a, c, &m->u.tasks_assign);
	case MSG_tasks_cancel:
		queue_cancel(a->queue, &m->u.tasks_cancel);
		return SC_OK;
	case MSG_results_drop:
		drop_results(a, &m->u.results_drop);
		return SC_OK;
	case MSG_results_keep:
		keep_results(a, &m->u.results_keep);
		return SC_OK;
	case MSG_results_fetch:
		return fetch_results(a, c, &m->u.results_fetch);
	case MSG_job_drop:
		queue_cancel_job(a->queue, m->u.job_drop.job);
		mover_forget(a->mover, m->u.job_drop.job);
		store_drop_job(a->store, m->u.job_drop.job);
		jobs_drop(a->jobs, m->u.job_drop.job);
		return SC_OK;
	case MSG_worker_exit:
		snprintf(reason, sizeof(reason), "%.*s", (int)m->u.worker_exit.reason.n, m->u.worker_exit.reason.p);
		end(a, reason, 0);
		return SC_OK;
	default:
		return conn_fail(c, SC_UNEXPECTED, "%s is not for a worker", msg_name(m->type));
	}
}

static sc_err on_welcome(struct conn *c, const char *data_secret, const char **data_address, struct buf *error,
			 void *arg)
{
	struct agent *a = arg;
	sc_err err;

	data_server_set_secret(a->data_server, data_secret);
	err = data_server_listen(a->data_server, conn_fd(c), error);
	*data_address = data_server_address(a->data_server);
	fetcher_identify(a->fetcher, data_secret, *data_address);
	return err;
}

static void on_registered(struct conn *c, const char *name, void *arg)
{
	struct agent *a = arg;

	answers_connect(a->answers, c);
	if (pressure_is_paused(a->pressure))
		answers_paused(a->answers, 1);
	if (a->was_ready)
		return;
	a->was_ready = 1;
	printf("ready name=%s address=%s\n", name, data_server_address(a->data_server));
	fflush(stdout);
}

/* Our tasks run elsewhere by now, and our results count as lost. */
static void on_lost(void *arg)
{
	struct agent *a = arg;

	if (queue_running(a->queue) > 0)
		log_info("agent", "tasks-killed", "tasks=%" PRIu64, queue_running(a->queue));
	answers_connect(a->answers, NULL);
	queue_abandon_all(a->queue, 1);
	mover_forget(a->mover, 0);
	store_clear(a->store);
	jobs_clear(a->jobs);
}

static void on_given_up(const char *text, void *arg)
{
	struct agent *a = arg;

	fprintf(stderr, "sched-worker: cannot get to the scheduler: %s\n", text);
	end(a, "the scheduler is out of reach", 3);
}

/* ---- heartbeat ------------------------------------------------------------------------------------------------ */

static void add_process(pid_t pid, void *arg)
{
	usage_add_tree(arg, pid);
}

static void add_task(struct task *t, void *arg)
{
	if (t->group->kind == KIND_EXEC && exec_pid(t) > 0)
		usage_add_tree(arg, exec_pid(t));
}

/* What the agent and all its tasks take. */
static struct usage measure(struct agent *a)
{
	struct usage u;

	usage_begin(&u);
	queue_each_running(a->queue, add_task, &u);
	slots_each_process(a->slots, add_process, &u);
	return u;
}

static uint64_t memory_taken(void *arg)
{
	return measure(arg).memory_bytes;
}

static uint64_t tasks_running(void *arg)
{
	struct agent *a = arg;

	return queue_running(a->queue);
}

static void on_paused(int is_paused, void *arg)
{
	struct agent *a = arg;

	queue_pause(a->queue, is_paused);
}

/* The results went with it: nobody may count on them, nor on the port if it was a socket in there. */
static void look_after_spool(struct agent *a)
{
	if (!spool_restore(&a->spool))
		return;
	log_warn("agent", "spool-removed", "dir=%s reason=\"somebody removed it; it is made again\"",
		 log_quote(a->spool.dir));
	link_rejoin(a->link, "the directory of results was removed");
}

static void on_heartbeat(struct msg_heartbeat *m, void *arg)
{
	struct agent *a = arg;
	const struct store_totals *held = store_totals(a->store);
	uint64_t now = loop_now_us(a->loop);
	struct usage u = measure(a);

	look_after_spool(a);
	/* a child that was not waited for takes its share with it: then there is no saying */
	if (now > a->usage_at_us && u.cpu_us > a->usage_cpu_us && a->usage_at_us > 0)
		m->cpu_percent = (u.cpu_us - a->usage_cpu_us) * 100 / (now - a->usage_at_us);
	a->usage_at_us = now;
	a->usage_cpu_us = u.cpu_us;
	m->memory_bytes = u.memory_bytes;
	m->running = queue_running(a->queue);
	m->queued = queue_waiting(a->queue);
	m->held = held->held;
	m->held_bytes = held->held_bytes;
	m->spilled_bytes = held->spilled_bytes;
	m->sent_bytes = data_server_sent_bytes(a->data_server);
	m->received_bytes = fetcher_received_bytes(a->fetcher);
	m->receiving_us = fetcher_busy_us(a->fetcher);
}

static const struct link_handlers link_handlers = {
	on_welcome, on_registered, on_heartbeat, on_message, on_lost, on_given_up,
};

/* ---- life ----------------------------------------------------------------------------------------------------- */

/*
 * After a while without a turn we may have been stopped, and given up meanwhile: nothing is begun before all has been
 * read that there is to read, perhaps the end of the connection.
 */
static void on_turn(void *arg)
{
	struct agent *a = arg;
	uint64_t now = loop_now_us(a->loop), before = a->turn_at_us;

	a->turn_at_us = now;
	if (now - before > AWAY_US && !a->ending) {
		loop_wake(a->loop);
		return;
	}
	mover_turn(a->mover);
	if (queue_found_disk_full(a->queue))
		pressure_disk_full(a->pressure);
	queue_turn(a->queue);
	if (a->ending && queue_running(a->queue) + queue_waiting(a->queue) == 0)
		loop_stop(a->loop);
}

static void on_stop_signal(void *arg)
{
	struct agent *a = arg;

	if (!a->ending) {
		end(a, "signal", 0);
		return;
	}
	log_info("agent", "killing", "reason=\"second signal\" tasks=%" PRIu64, queue_running(a->queue));
	queue_abandon_all(a->queue, 1);
}

static sc_err make_env(struct agent *a)
{
	char cookie[64], access[4200];
	const char *more[] = {cookie, access, "SCHED_ROLE=worker-client", NULL};

	snprintf(cookie, sizeof(cookie), GUARD_COOKIE_NAME "=%s", a->cookie);
	snprintf(access, sizeof(access), "SCHED_ACCESS_FILE=%s", a->settings->access_path);
	return base_env_init(&a->env, environ, more);
}

/* A copy had to make room. */
static void on_copy_gone(uint64_t job, uint32_t task, void *arg)
{
	struct agent *a = arg;
	struct job *j = jobs_find(a->jobs, job);

	if (j != NULL)
		answers_copy_dropped(a->answers, j, task);
}

/* An input has come: it is kept for later tasks, and others may fetch it here. */
static void on_arrived(uint64_t job, uint32_t task, struct result *r, void *arg)
{
	struct agent *a = arg;
	struct job *j = jobs_find(a->jobs, job);

	if (j == NULL || store_get(a->store, job, task) != NULL)
		return;
	if (store_put_copy(a->store, job, task, result_ref(r), 0) == SC_OK)
		answers_copy_added(a->answers, j, task, r->stream[STREAM_RESULT].bytes, 0);
}

static void on_settled(struct input *in, void *arg)
{
	struct agent *a = arg;

	if (in->task == NULL)
		mover_settled(in);
	else
		queue_input_settled(in, a->queue);
}

static sc_err make_store(struct agent *a)
{
	const struct options *o = &a->settings->options;
	uint64_t target = (uint64_t)((double)a->settings->memory_limit_bytes * (double)o->worker_memory_target / 1e6);
	struct store_config config = {
		.spool = &a->spool,
		.memory_bytes = o->worker_result_memory,
		.copies_bytes = o->worker_copies,
		.gone = on_copy_gone,
		.arg = a,
	};

	if (a->settings->memory_limit_bytes > 0 && target < config.memory_bytes)
		config.memory_bytes = target;
	return store_new(&config, &a->store);
}

static sc_err make_pressure(struct agent *a)
{
	struct pressure_config config = {
		.limit_bytes = a->settings->memory_limit_bytes,
		.spill_millionths = a->settings->options.worker_memory_spill,
		.pause_millionths = a->settings->options.worker_memory_pause,
		.memory_bytes = memory_taken,
		.running = tasks_running,
		.disk_pause_us = DISK_PAUSE_US,
		.paused = on_paused,
		.arg = a,
	};

	return pressure_new(a->loop, a->deadlines, a->store, &config, &a->pressure);
}

static sc_err make_queue(struct agent *a)
{
	struct queue_parts parts = {a->loop, a->deadlines, &a->resources, a->jobs, a->store, a->answers};
	const struct options *o = &a->settings->options;
	struct fetch_config fetch = {
		.parallel = (size_t)o->worker_fetch_parallel,
		.timeout_us = o->worker_fetch_timeout,
		.memory_bytes = o->worker_output_memory,
		.share_files = strcmp(o->worker_share_files, "yes") == 0,
		.limits = {(uint32_t)o->net_max_frame, (size_t)o->net_output_limit, (size_t)o->net_output_hard_limit},
		.compress_min_bytes = (size_t)o->net_compress_min,
		.settled = on_settled,
		.arrived = on_arrived,
		.arg = a,
	};
	sc_err err = queue_new(&parts, &a->queue);

	if (err != SC_OK)
		return err;
	err = fetcher_new(a->loop, a->deadlines, a->store, &a->spool, &fetch, &a->fetcher);
	queue_set_fetcher(a->queue, a->fetcher);
	if (err == SC_OK)
		err = mover_new(a->jobs, a->store, a->fetcher, a->answers, &a->mover);
	if (err == SC_OK)
		err = make_pressure(a);
	return err;
}

static sc_err make_executors(struct agent *a)
{
	struct exec_parts exec = {
		.loop = a->loop,
		.watch = a->watch,
		.deadlines = a->deadlines,
		.spool = &a->spool,
		.store = a->store,
		.resources = &a->resources,
		.queue = a->queue,
		.decoder = a->decoder,
		.env = &a->env,
		.options = &a->settings->options,
		.remove_later = sweeper_remove,
		.remove_arg = a->sweeper,
	};
	struct slots_config slots = {
		.loop = a->loop,
		.watch = a->watch,
		.deadlines = a->deadlines,
		.spool = &a->spool,
		.store = a->store,
		.queue = a->queue,
		.resources = &a->resources,
		.decoder = a->decoder,
		.env = &a->env,
		.options = &a->settings->options,
		.max = (unsigned)(a->resources.v[0].total / TEXT_AMOUNT_ONE),
	};
	sc_err err = exec_new(&exec, &a->exec);

	if (err == SC_OK)
		err = slots_new(&slots, &a->slots);
	if (err != SC_OK)
		return err;
	a->sleeper = (struct sleeper){a->loop, a->deadlines, a->queue, a->decoder};
	queue_set_executor(a->queue, KIND_NOOP, &noop_executor, NULL);
	queue_set_executor(a->queue, KIND_SLEEP, &sleep_executor, &a->sleeper);
	queue_set_executor(a->queue, KIND_EXEC, &exec_executor, a->exec);
	queue_set_executor(a->queue, KIND_CALL, &call_executor, a->slots);
	return SC_OK;
}

static sc_err make_parts(struct agent *a)
{
	sc_err err = make_env(a);

	if (err == SC_OK)
		err = deadlines_new(a->loop, &a->deadlines);
	if (err == SC_OK)
		err = watch_new(a->loop, &a->watch);
	if (err == SC_OK)
		err = msg_decoder_new(&a->decoder);
	if (err == SC_OK)
		err = jobs_new(&a->jobs);
	if (err == SC_OK)
		err = make_store(a);
	if (err == SC_OK)
		err = answers_new(&a->answers);
	if (err == SC_OK)
		err = make_queue(a);
	if (err == SC_OK)
		err = data_server_new(a->loop, a->store, &a->spool, &a->settings->options, &a->data_server);
	if (err == SC_OK)
		err = sweeper_new(a->watch, &a->sweeper);
	if (err == SC_OK)
		err = make_executors(a);
	if (err == SC_OK)
		err = link_new(a->loop, a->settings, &link_handlers, a, &a->link);
	return err;
}

static sc_err make_loop(struct agent *a)
{
	static const int stops[] = {SIGTERM, SIGINT, SIGHUP};
	sc_err err;

	mem_adopt_libraries();
	err = loop_new(&a->loop);
	for (size_t i = 0; err == SC_OK && i < sizeof(stops) / sizeof(stops[0]); i++)
		err = loop_on_signal(a->loop, stops[i], on_stop_signal, a);
	if (err == SC_OK)
		loop_set_turn_hook(a->loop, on_turn, a);
	return err;
}

/* The other way round than they were made; users before what they use. */
static void free_parts(struct agent *a)
{
	link_free(a->link);
	pressure_free(a->pressure);
	mover_free(a->mover);
	queue_free(a->queue);
	exec_free(a->exec);
	slots_free(a->slots);
	sweeper_free(a->sweeper);
	data_server_free(a->data_server);
	fetcher_free(a->fetcher);
	answers_free(a->answers);
	store_free(a->store);
	jobs_free(a->jobs);
	msg_decoder_free(a->decoder);
	guard_free(a->guard);
	watch_free(a->watch);
	deadlines_free(a->deadlines);
	loop_free(a->loop);
	base_env_fini(&a->env);
}

static sc_err make_spool_and_guard(struct agent *a)
{
	struct buf error;
	sc_err err;

	text_random_hex(a->cookie, GUARD_COOKIE_HEX / 2);
	buf_init(&error, 0);
	err = spool_init(&a->spool, a->settings->options.worker_spool_dir, &error);
	if (err != SC_OK)
		fprintf(stderr, "sched-worker: %s\n", buf_str(&error));
	buf_fini(&error);
	if (err != SC_OK)
		return err;
	err = spawn_init() == 0 ? guard_new(a->cookie, a->spool.dir, &a->guard) : SC_NOMEM;
	if (err != SC_OK) {
		fprintf(stderr, "sched-worker: cannot start the guardian: %s\n", sc_err_text(err));
		rmdir(a->spool.dir);
	}
	return err;
}

int agent_run(const struct settings *s)
{
	struct agent *a = mem_calloc(1, sizeof(*a));
	int status = 1;

	if (a == NULL) {
		fprintf(stderr, "sched-worker: %s\n", sc_err_text(SC_NOMEM));
		return 1;
	}
	a->settings = s;
	a->resources = s->resources;
	if (make_spool_and_guard(a) != SC_OK) {
		mem_free(a);
		return 2;
	}
	if (make_loop(a) == SC_OK && make_parts(a) == SC_OK) {
		guard_watch(a->guard, a->loop, a->watch, a->deadlines);
		link_start(a->link);
		loop_run(a->loop);
		status = a->exit_status;
		log_info("agent", "ended", "status=%d", status);
	} else {
		fprintf(stderr, "sched-worker: cannot start: %s\n", sc_err_text(SC_NOMEM));
	}
	free_parts(a);
	mem_free(a);
	return status;
}
