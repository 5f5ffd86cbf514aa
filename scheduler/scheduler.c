/* scheduler.c - see scheduler.h. */
#include "scheduler/scheduler.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "scheduler/info_link.h"
#include "scheduler/namespaces.h"

#define PROBE_TASKS    8u /* enough to learn from one, when not all workers are quick */
#define LAG_WINDOW_US  (10u * US_PER_S)
#define STOP_LINGER_US (200u * US_PER_MS) /* for the last messages to be written */

static const char *secret_of(const char *role, void *arg)
{
	const struct scheduler *s = arg;

	if (strcmp(role, ROLE_WORKER) == 0)
		return s->access.worker_secret;
	if (strcmp(role, ROLE_CLIENT) == 0 || strcmp(role, ROLE_WORKER_CLIENT) == 0)
		return s->access.client_secret;
	return NULL;
}

static sc_err on_peer(struct conn *c, const char *role, const struct msg_hello *hello, void *arg)
{
	struct scheduler *s = arg;

	if (s->stopping)
		return SC_SHUTDOWN;
	if (strcmp(role, ROLE_WORKER) == 0)
		return worker_link_new(s, c);
	return client_link_new(s, c, strcmp(role, ROLE_WORKER_CLIENT) == 0, hello->job);
}

static void on_guest(void *arg)
{
	((struct scheduler *)arg)->turn_shared = 1;
}

static void check(struct scheduler *s)
{
#ifdef DEBUG_CHECKS
	struct buf why;

	if (core_n_tasks(s->core) > 10000) /* every turn, so only while it is small */
		return;
	buf_init(&why, 0);
	if (core_check(s->core, &why) != SC_OK) {
		log_error("core", "inconsistent", "reason=%s", log_quote(buf_str(&why)));
		abort();
	}
	buf_fini(&why);
#else
	(void)s;
#endif
}

static void arm_core_timer(struct scheduler *s)
{
	uint64_t due = core_next_due_us(s->core), now = loop_now_us(s->loop);

	if (due == UINT64_MAX)
		loop_timer_clear(s->core_timer);
	else
		loop_timer_set(s->core_timer, due > now ? due - now : 0);
}

/* How long this turn has kept everybody waiting; the longest is remembered for LAG_WINDOW_US. */
static void count_turn(struct scheduler *s)
{
	uint64_t now = clock_monotonic_us(), us = now - loop_now_us(s->loop);

	s->turn_us += us;
	if (us >= s->turn_max_us || now - s->turn_max_at_us > LAG_WINDOW_US) {
		s->turn_max_us = us;
		s->turn_max_at_us = now;
	}
}

/* From the end of one turn to that of the next: what was written at the end of a turn counts for the next one. */
static void count_cpu(struct scheduler *s)
{
	uint64_t before = s->cpu_us;

	s->cpu_us = clock_us(CLOCK_THREAD_CPUTIME_ID);
	info_link_turn(s->info, s->cpu_us - before, s->turn_shared);
	s->turn_shared = 0;
}

static void on_turn(void *arg)
{
	struct scheduler *s = arg;

	s->n_turns++;
	core_schedule(s->core, loop_now_us(s->loop));
	outbox_dispatch(s);
	await_send(s);
	if (core_is_broken(s->core)) {
		log_error("core", "out-of-memory", "a decision is lost, cannot go on");
		abort();
	}
	check(s);
	arm_core_timer(s);
	count_turn(s);
	count_cpu(s);
}

static void on_core_timer(void *arg)
{
	(void)arg; /* the turn hook does it */
}

static void on_watch_timer(void *arg)
{
	struct scheduler *s = arg;

	if (s->stopping) {
		loop_stop(s->loop);
		return;
	}
	worker_link_check_silence(s);
	loop_timer_set(s->watch_timer, s->options->scheduler_worker_timeout / 8);
}

static void trace(void *arg, const struct job *j, uint32_t task, unsigned from, unsigned event, unsigned to)
{
	(void)arg;
	log_debug("core", "task", "job=%llu task=%u from=%s to=%s reason=%s", (unsigned long long)j->id, task,
		  const_name_TASK(from), const_name_TASK(to), log_quote(task_event_text(event)));
}

static struct core_options core_options_of(const struct options *o)
{
	return (struct core_options){
		.max_tasks = o->scheduler_max_tasks,
		.jobs_kept = o->scheduler_jobs_kept,
		.crash_limit = (uint32_t)o->scheduler_crash_limit,
		.retry_delay_us = o->scheduler_retry_delay,
		.retry_delay_max_us = o->scheduler_retry_delay_max,
		.prefetch_us = o->scheduler_prefetch_time,
		.probe_tasks = PROBE_TASKS,
		.probe_us = o->scheduler_probe_time,
		.move_after_us = o->scheduler_move_after,
		.reserve_after_us = o->scheduler_reserve_after,
	};
}

static struct server_config server_config_of(struct scheduler *s)
{
	const struct options *o = s->options;

	return (struct server_config){
		.module = "listener",
		.rules = {secret_of, s, s->access.incarnation, s->data_secret, (uint32_t)o->net_max_frame,
			  o->net_compress_min},
		.limits = {(uint32_t)o->net_max_frame, o->net_output_limit, o->net_output_hard_limit},
		.hello_timeout_us = o->net_hello_timeout,
		.max_connections = o->net_max_connections,
		.on_peer = on_peer,
		.on_guest = on_guest,
		.arg = s,
	};
}

sc_err scheduler_new(struct loop *l, const struct options *o, const struct access *a, struct scheduler **out,
		     struct buf *error)
{
	struct scheduler *s = mem_calloc(1, sizeof(*s));
	struct core_options co = core_options_of(o);
	struct server_config sc;
	struct buf why;
	sc_err err;

	if (s == NULL)
		return SC_NOMEM;
	s->loop = l;
	s->options = o;
	s->access = *a;
	s->next_name = 1;
	s->cpu_us = clock_us(CLOCK_THREAD_CPUTIME_ID);
	text_random_hex(s->data_secret, 16);
	TAILQ_INIT(&s->workers);
	TAILQ_INIT(&s->clients);
	sc = server_config_of(s);
	if (core_new(&co, &s->core) != SC_OK || server_new(l, &sc, &s->server) != SC_OK ||
	    outbox_new(&s->outbox) != SC_OK || watch_table_new(s, &s->watches) != SC_OK ||
	    await_table_new(s, &s->awaits) != SC_OK || info_link_new(s, &s->info) != SC_OK ||
	    loop_timer_new(l, on_core_timer, s, &s->core_timer) != SC_OK ||
	    loop_timer_new(l, on_watch_timer, s, &s->watch_timer) != SC_OK) {
		scheduler_free(s);
		return SC_NOMEM;
	}
	buf_init(&why, 0);
	err = namespaces_configure(s->core, o->scheduler_namespaces, &why);
	if (err != SC_OK) {
		buf_printf(error, "scheduler.namespaces: %s", why.len > 0 ? buf_str(&why) : sc_err_text(err));
		scheduler_free(s);
		buf_fini(&why);
		return err;
	}
	buf_fini(&why);
	if (log_enabled(LOG_DEBUG))
		core_set_trace(s->core, trace, s);
	loop_timer_set(s->watch_timer, o->scheduler_worker_timeout / 8);
	loop_set_turn_hook(l, on_turn, s);
	*out = s;
	return SC_OK;
}

void scheduler_free(struct scheduler *s)
{
	struct worker_peer *w;
	struct client_peer *c;

	if (s == NULL)
		return;
	loop_set_turn_hook(s->loop, NULL, NULL);
	server_free(s->server);
	/* Now, whatever they have not read yet: on_close needs what is freed below. */
	TAILQ_FOREACH (w, &s->workers, link)
		conn_abort(w->conn, SC_SHUTDOWN, NULL);
	TAILQ_FOREACH (c, &s->clients, link)
		conn_abort(c->conn, SC_SHUTDOWN, NULL);
	s->server = NULL;
	loop_timer_free(s->core_timer);
	loop_timer_free(s->watch_timer);
	s->core_timer = s->watch_timer = NULL;
	loop_end_turn(s->loop);
	outbox_free(s->outbox);
	watch_table_free(s->watches);
	await_table_free(s->awaits);
	info_link_free(s->info);
	core_free(s->core);
	mem_free(s->peers);
	mem_free(s);
}

void scheduler_stop(struct scheduler *s, int stop_workers)
{
	struct msg_worker_exit m = {.reason = slice_of("the scheduler is shutting down")};
	struct worker_peer *w;

	if (s->stopping)
		return;
	s->stopping = 1;
	log_info("sched", "stopping", "workers=%zu", core_n_workers(s->core));
	if (stop_workers)
		TAILQ_FOREACH (w, &s->workers, link)
			conn_send(w->conn, MSG_worker_exit, &m);
	loop_timer_set(s->watch_timer, STOP_LINGER_US);
}
