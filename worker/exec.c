/*
 * exec.c - see exec.h.
 *
 * The fewest system calls that do: the pipes of a task are looked at when it ends, and are watched only once it has run
 * for YOUNG_US.  Most short tasks write little or nothing, and their pipe would wake us just before their end does.
 */
#include "worker/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "worker/capture.h"
#include "worker/exec_files.h"
#include "worker/spawn.h"
#include "worker/resource_env.h"

#define YOUNG_US      2000u
#define FREE_RUNS_MAX 256u
#define INPUTS_A_TURN 1000u /* a task with more is prepared over several turns */

/* A child and what belongs to it. */
struct run {
	TAILQ_ENTRY(run) link; /* among those being prepared, the young, or the free */
	struct exec *exec;
	struct task *task;
	pid_t pid;
	int pidfd;
	unsigned is_preparing : 1; /* its inputs are being written; there is no process */
	unsigned is_young : 1;
	unsigned timed_out : 1;
	unsigned output_failed : 1;
	struct watched end; /* of the process */
	struct watched out_ready, err_ready;
	struct exec_files files;
	uint64_t started_us;
};

TAILQ_HEAD(run_list, run);

struct exec {
	struct exec_parts p;
	struct capture_limits limits;
	struct run_list preparing;
	struct deadline preparing_next;
	struct run_list young; /* oldest first */
	struct deadline young_end;
	struct run_list free;
	unsigned n_free;
	struct arena scratch; /* of one start */
	int null_fd;
};

static void on_end(struct watched *item, uint32_t events);
static void on_out(struct watched *item, uint32_t events);
static void on_err(struct watched *item, uint32_t events);
static void on_grown_up(void *arg);
static void on_preparing(void *arg);
static void on_deadline(void *arg);

sc_err exec_new(const struct exec_parts *parts, struct exec **out)
{
	struct exec *x = mem_calloc(1, sizeof(*x));

	if (x == NULL)
		return SC_NOMEM;
	x->p = *parts;
	x->limits.memory_bytes = parts->options->worker_output_memory;
	x->limits.max_bytes = parts->options->worker_output_max;
	TAILQ_INIT(&x->preparing);
	TAILQ_INIT(&x->young);
	TAILQ_INIT(&x->free);
	x->preparing_next.fn = on_preparing;
	x->preparing_next.arg = x;
	x->young_end.fn = on_grown_up;
	x->young_end.arg = x;
	x->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (x->null_fd < 0) {
		exec_free(x);
		return SC_NOMEM;
	}
	*out = x;
	return SC_OK;
}

void exec_free(struct exec *x)
{
	struct run *r;

	if (x == NULL)
		return;
	deadline_clear(x->p.deadlines, &x->young_end);
	deadline_clear(x->p.deadlines, &x->preparing_next);
	while ((r = TAILQ_FIRST(&x->free)) != NULL) {
		TAILQ_REMOVE(&x->free, r, link);
		mem_free(r);
	}
	arena_fini(&x->scratch);
	if (x->null_fd >= 0)
		close(x->null_fd);
	mem_free(x);
}

static struct run *run_new(struct exec *x, struct task *t)
{
	struct run *r = TAILQ_FIRST(&x->free);

	if (r != NULL) {
		TAILQ_REMOVE(&x->free, r, link);
		x->n_free--;
	} else {
		r = mem_malloc(sizeof(*r));
		if (r == NULL)
			return NULL;
	}
	*r = (struct run){.exec = x, .task = t, .pidfd = -1};
	r->end.fn = on_end;
	r->out_ready.fn = on_out;
	r->err_ready.fn = on_err;
	files_init(&r->files);
	return r;
}

static void grow_up(struct run *r)
{
	if (r->is_young)
		TAILQ_REMOVE(&r->exec->young, r, link);
	r->is_young = 0;
}

static void run_free(struct run *r)
{
	struct exec *x = r->exec;

	grow_up(r);
	if (r->is_preparing)
		TAILQ_REMOVE(&x->preparing, r, link);
	watch_forget(x->p.watch, &r->end);
	watch_forget(x->p.watch, &r->out_ready);
	watch_forget(x->p.watch, &r->err_ready);
	if (r->pidfd >= 0)
		close(r->pidfd);
	files_fini(&r->files, x->null_fd, x->p.remove_later, x->p.remove_arg);
	if (x->n_free >= FREE_RUNS_MAX) {
		mem_free(r);
		return;
	}
	TAILQ_INSERT_HEAD(&x->free, r, link);
	x->n_free++;
}

/* ---- starting ------------------------------------------------------------------------------------------------- */

static int prepare(struct exec *x, struct group *g, struct outcome *o)
{
	struct buf why;
	sc_err err;

	buf_init(&why, OUTCOME_TEXT_MAX);
	err = exec_plan_prepare(g, x->p.decoder, x->p.env, x->p.resources, &why);
	if (err != SC_OK)
		outcome_fail(o, FAIL_BODY, 0, "%s", err == SC_INVALID ? buf_str(&why) : sc_err_text(err));
	buf_fini(&why);
	return err == SC_OK ? 0 : -1;
}

static void spawn_failed(const struct spawn_child *c, const struct spawn_request *q, struct outcome *o)
{
	const char *why = strerror(c->error);

	switch (c->step) {
	case SPAWN_RUN:
		outcome_fail(o, FAIL_SPAWN, (uint64_t)c->error, "cannot run '%.500s': %s", q->argv[0], why);
		break;
	case SPAWN_ENTER:
		outcome_fail(o, FAIL_SPAWN, (uint64_t)c->error, "cannot enter directory '%s': %s", q->cwd, why);
		break;
	case SPAWN_SETUP:
		outcome_fail(o, FAIL_SPAWN, (uint64_t)c->error, "cannot start a process: %s", why);
		break;
	}
}

static int launch(struct exec *x, struct run *r, struct exec_plan *p, const struct exec_call *call, const char *cwd,
		  struct outcome *o)
{
	struct spawn_request q = {
		.programs = call->programs,
		.hint = p->substitute ? NULL : &p->hint,
		.argv = call->argv,
		.envp = call->envp,
		.cwd = cwd,
		.n_fds = 3,
		.flags = SPAWN_DIES_WITH_US | SPAWN_NEW_GROUP,
	};
	struct spawn_child c;

	memcpy(q.fds, r->files.child_fds, sizeof(r->files.child_fds));
	if (spawn_start(&q, &c) != 0) {
		spawn_failed(&c, &q, o);
		return -1;
	}
	files_started(&r->files, x->null_fd);
	r->pid = c.pid;
	r->pidfd = c.pidfd;
	return 0;
}

/* A child nobody could wait for must not go on. */
static void abort_child(struct run *r, struct outcome *o)
{
	kill(-r->pid, SIGKILL);
	while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
		;
	outcome_fail(o, FAIL_SPAWN, ENOMEM, "cannot start a process: %s", strerror(ENOMEM));
}

static int watch_run(struct exec *x, struct run *r, struct outcome *o)
{
	struct task *t = r->task;
	uint64_t limit_us = t->group->time_limit_us;

	t->deadline.fn = on_deadline;
	t->deadline.arg = r;
	if (watch_add(x->p.watch, &r->end, r->pidfd) != SC_OK || feed_start(&r->files.feed, x->p.watch) != SC_OK ||
	    (limit_us > 0 && deadline_set(x->p.deadlines, &t->deadline, r->started_us + limit_us) != SC_OK) ||
	    (!deadline_is_set(&x->young_end) &&
	     deadline_set(x->p.deadlines, &x->young_end, r->started_us + YOUNG_US) != SC_OK)) {
		abort_child(r, o);
		return -1;
	}
	TAILQ_INSERT_TAIL(&x->young, r, link);
	r->is_young = 1;
	return 0;
}

static int start_run(struct exec *x, struct run *r, struct outcome *o)
{
	struct task *t = r->task;
	struct exec_plan *p = t->group->plan;
	struct pattern_values v = {.item = t->item, .job = t->key.job, .attempt = t->attempt};
	struct exec_call call;
	const char *cwd = files_cwd(&r->files, p);
	char key[KEY_MAX], **resources = NULL;

	r->started_us = clock_monotonic_us();
	v.key = (struct slice){key, group_key(t->group, t->key.task, key)};
	v.index = group_index(t->group, t->key.task);
	arena_reset(&x->scratch);
	if (files_open(&r->files, p, t, &v, cwd, &x->scratch, x->null_fd, o) != 0)
		return -1;
	if (p->own_resources)
		resources = resource_env(&x->scratch, x->p.resources, t->request, t->units);
	if (x->scratch.failed || exec_plan_instantiate(p, &x->scratch, &v, r->files.inputs_dir, t->item.p != NULL,
						       resources, &call) != SC_OK) {
		outcome_fail(o, FAIL_SPAWN, ENOMEM, "cannot run '%.500s': its arguments are too long", p->argv[0]);
		return -1;
	}
	if (launch(x, r, p, &call, cwd, o) != 0)
		return -1;
	return watch_run(x, r, o);
}

/* Not now: a deadline that has come already would be met at once. */
static uint64_t next_turn(struct exec *x)
{
	return loop_now_us(x->p.loop) + 1;
}

/* Many files take long to make, and the agent has others to look after. */
static int prepare_later(struct exec *x, struct run *r, struct outcome *o)
{
	if (deadline_set(x->p.deadlines, &x->preparing_next, next_turn(x)) != SC_OK) {
		outcome_fail(o, FAIL_SPAWN, ENOMEM, "cannot write the inputs: %s", strerror(ENOMEM));
		return -1;
	}
	TAILQ_INSERT_TAIL(&x->preparing, r, link);
	r->is_preparing = 1;
	return 0;
}

static int begin_run(struct exec *x, struct run *r, struct outcome *o)
{
	struct task *t = r->task;
	int more;

	if (files_make_dirs(&r->files, t->group->plan, t, x->p.spool, o) != 0)
		return -1;
	more = files_write_inputs(&r->files, t, INPUTS_A_TURN, o);
	if (more < 0)
		return -1;
	return more ? prepare_later(x, r, o) : start_run(x, r, o);
}

static int exec_start(void *arg, struct task *t, struct outcome *o)
{
	struct exec *x = arg;
	struct run *r;

	if (prepare(x, t->group, o) != 0)
		return 0;
	r = run_new(x, t);
	if (r == NULL) {
		outcome_fail(o, FAIL_SPAWN, ENOMEM, "cannot start a process: %s", strerror(ENOMEM));
		return 0;
	}
	t->run = r;
	if (begin_run(x, r, o) == 0)
		return 1;
	t->run = NULL;
	run_free(r);
	return 0;
}

/* A run without process is over. */
static void end_early(struct run *r, struct outcome *o)
{
	struct exec *x = r->exec;
	struct task *t = r->task;

	t->run = NULL;
	run_free(r);
	queue_ended(x->p.queue, t, o);
}

static void on_preparing(void *arg)
{
	struct exec *x = arg;
	struct run *r = TAILQ_FIRST(&x->preparing);
	struct outcome o;
	int more;

	if (r == NULL)
		return;
	outcome_init(&o);
	more = files_write_inputs(&r->files, r->task, INPUTS_A_TURN, &o);
	if (more == 0) {
		TAILQ_REMOVE(&x->preparing, r, link);
		r->is_preparing = 0;
		more = start_run(x, r, &o);
	}
	if (more < 0)
		end_early(r, &o);
	if (!TAILQ_EMPTY(&x->preparing))
		deadline_set(x->p.deadlines, &x->preparing_next, next_turn(x));
}

/* ---- while it runs -------------------------------------------------------------------------------------------- */

static void send_signal(const struct run *r, int signo)
{
	kill(-r->pid, signo);
}

/* A task whose pipe nobody reads would stop at a full one for ever. */
static void watch_output(struct run *r, struct output *out, struct watched *ready)
{
	if (out->capture.fd < 0 || watch_add(r->exec->p.watch, ready, out->capture.fd) == SC_OK)
		return;
	out->capture.error = ENOMEM;
	r->output_failed = 1;
	send_signal(r, SIGKILL);
}

/* Those that have run for long enough have their pipes watched from now on. */
static void on_grown_up(void *arg)
{
	struct exec *x = arg;
	uint64_t now = loop_now_us(x->p.loop);
	struct run *r;

	while ((r = TAILQ_FIRST(&x->young)) != NULL && r->started_us + YOUNG_US <= now) {
		grow_up(r);
		watch_output(r, &r->files.out, &r->out_ready);
		watch_output(r, &r->files.err, &r->err_ready);
	}
	if (r != NULL)
		deadline_set(x->p.deadlines, &x->young_end, r->started_us + YOUNG_US); /* else the next start sets it */
}

/* SIGTERM now, SIGKILL after the delay. */
static void terminate(struct run *r)
{
	struct exec *x = r->exec;
	uint64_t delay_us = x->p.options->worker_kill_delay;

	if (delay_us == 0) {
		send_signal(r, SIGKILL);
		return;
	}
	send_signal(r, SIGTERM);
	send_signal(r, SIGCONT); /* a stopped process would not notice */
	if (deadline_set(x->p.deadlines, &r->task->deadline, loop_now_us(x->p.loop) + delay_us) != SC_OK)
		send_signal(r, SIGKILL);
}

/* The time limit, or the end of the kill delay. */
static void on_deadline(void *arg)
{
	struct run *r = arg;

	if (r->task->place == PLACE_RUNNING && !r->timed_out && !r->output_failed) {
		r->timed_out = 1;
		terminate(r);
	} else {
		send_signal(r, SIGKILL);
	}
}

static void read_output(struct run *r, struct output *out, struct watched *ready)
{
	int fd = out->capture.fd, more = capture_read(&out->capture, &r->exec->limits, r->exec->p.spool);

	if (more == 0)
		watch_forget(r->exec->p.watch, ready); /* closed */
	if (more < 0 && !r->output_failed) {
		r->output_failed = 1;
		watch_remove(r->exec->p.watch, ready, fd);
		send_signal(r, SIGKILL);
	}
}

static void on_out(struct watched *item, uint32_t events)
{
	struct run *r = (struct run *)((char *)item - offsetof(struct run, out_ready));

	(void)events;
	read_output(r, &r->files.out, item);
}

static void on_err(struct watched *item, uint32_t events)
{
	struct run *r = (struct run *)((char *)item - offsetof(struct run, err_ready));

	(void)events;
	read_output(r, &r->files.err, item);
}

static void exec_stop(void *arg, struct task *t, int hard)
{
	struct run *r = t->run;
	struct outcome o;

	(void)arg;
	if (r->is_preparing) {
		outcome_init(&o);
		outcome_fail(&o, FAIL_SIGNAL, SIGTERM, "stopped before it started");
		end_early(r, &o);
	} else if (hard) {
		send_signal(r, SIGKILL);
	} else {
		terminate(r);
	}
}

const struct executor exec_executor = {exec_start, exec_stop, NULL};

pid_t exec_pid(const struct task *t)
{
	const struct run *r = t->run;

	return r->pid;
}

/* ---- the end -------------------------------------------------------------------------------------------------- */

static void judge_exit(const struct run *r, int status, struct outcome *o)
{
	int signo = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	if (r->timed_out)
		outcome_fail(o, FAIL_TIMEOUT, (uint64_t)signo, "ran longer than its time limit of %.3f s",
			     (double)r->task->group->time_limit_us / US_PER_S);
	else if (signo != 0 && sigabbrev_np(signo) != NULL)
		outcome_fail(o, FAIL_SIGNAL, (uint64_t)signo, "killed by signal %d (SIG%s)", signo,
			     sigabbrev_np(signo));
	else if (signo != 0)
		outcome_fail(o, FAIL_SIGNAL, (uint64_t)signo, "killed by signal %d", signo);
	else if (WEXITSTATUS(status) != 0)
		outcome_fail(o, FAIL_EXIT, (uint64_t)WEXITSTATUS(status), "exit code %d", WEXITSTATUS(status));
}

static void judge_output(const struct run *r, const struct output *out, const char *name, struct outcome *o)
{
	int error = out->capture.error;

	if (error == 0)
		return;
	if (error == EFBIG)
		outcome_fail(o, FAIL_OUTPUT, (uint64_t)error, "%s is longer than worker.output-max (%llu bytes)", name,
			     (unsigned long long)r->exec->limits.max_bytes);
	else
		outcome_fail(o, FAIL_OUTPUT, (uint64_t)error, "%s could not be kept in '%s': %s", name,
			     r->exec->p.spool->dir, strerror(error));
}

/* Make a stream of the result from what the task wrote. */
static void keep_output(struct run *r, struct output *out, enum stream stream, const char *name, struct outcome *o)
{
	struct stat st;
	sc_err err = SC_OK;

	if (out->path != NULL) {
		if (stat(out->path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
			err = result_take_file(o->result, stream, BLOB_FOREIGN, out->path, (uint64_t)st.st_size);
	} else {
		judge_output(r, out, name, o);
		/* on a disk that is full what there is of it would only be in the way of the next task */
		if (out->capture.error == 0 || out->capture.error == EFBIG)
			err = capture_store(&out->capture, o->result, stream);
	}
	if (err != SC_OK && o->cause == 0)
		outcome_fail(o, FAIL_OUTPUT, err == SC_IO ? (uint64_t)errno : 0, "%s could not be kept in '%s': %s",
			     name, r->exec->p.spool->dir, err == SC_IO ? strerror(errno) : sc_err_text(err));
}

static void read_tail(const struct blob *b, struct outcome *o)
{
	uint64_t from = b->bytes > sizeof(o->tail) ? b->bytes - sizeof(o->tail) : 0;
	ssize_t n = blob_read(b, from, o->tail, sizeof(o->tail));

	o->tail_bytes = n > 0 ? (size_t)n : 0;
}

static void collect_output(struct run *r, struct outcome *o)
{
	struct exec *x = r->exec;
	struct output *out = &r->files.out, *err = &r->files.err;

	capture_finish(&out->capture, &x->limits, x->p.spool);
	capture_finish(&err->capture, &x->limits, x->p.spool);
	if (out->path == NULL && err->path == NULL && out->capture.total_bytes == 0 && err->capture.total_bytes == 0 &&
	    out->capture.error == 0 && err->capture.error == 0)
		return;
	if (result_new(x->p.store, &o->result) != SC_OK) {
		outcome_fail(o, FAIL_OUTPUT, ENOMEM, "no memory to keep the result");
		return;
	}
	keep_output(r, out, STREAM_RESULT, "standard output", o);
	keep_output(r, err, STREAM_STDERR, "standard error", o);
	if (o->cause != 0)
		read_tail(&o->result->stream[STREAM_STDERR], o);
}

static void on_end(struct watched *item, uint32_t events)
{
	struct run *r = (struct run *)((char *)item - offsetof(struct run, end));
	struct exec *x = r->exec;
	struct task *t = r->task;
	struct outcome o;
	struct rusage used;
	int status;

	(void)events;
	outcome_init(&o);
	/* The group's number belongs to it until its leader is waited for, so nobody else can be hit. */
	send_signal(r, SIGKILL);
	if (wait4(r->pid, &status, WNOHANG, &used) != r->pid) {
		log_error("exec", "wait-failed", "pid=%d error=%s", (int)r->pid, log_quote(strerror(errno)));
		return;
	}
	o.elapsed_us = clock_monotonic_us() - r->started_us;
	o.cpu_us = (uint64_t)used.ru_utime.tv_sec * US_PER_S + (uint64_t)used.ru_utime.tv_usec +
		   (uint64_t)used.ru_stime.tv_sec * US_PER_S + (uint64_t)used.ru_stime.tv_usec;
	o.rss_bytes = (uint64_t)used.ru_maxrss * 1024u;
	judge_exit(r, status, &o);
	collect_output(r, &o);
	deadline_clear(x->p.deadlines, &t->deadline);
	t->run = NULL;
	run_free(r);
	queue_ended(x->p.queue, t, &o);
}
