/*
 * exec.c - see exec.h.
 *
 * Processes are started and waited for by the launcher's threads.  Tasks that are short are prepared ahead: they follow
 * one that runs and takes the same, whose thread starts them when it ends, and we hear of it only every SETTLE_US, or
 * when there is no next one.
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
#include "worker/launcher.h"
#include "worker/resource_env.h"

#define YOUNG_US       2000u
#define FREE_RUNS_MAX  256u
#define INPUTS_A_TURN  1000u /* a task with more is prepared over several turns */
#define AHEAD_US       8000u /* of work prepared behind each process; what takes longer has nothing behind it */
#define AHEAD_MAX      64u   /* tasks, behind each */
#define AHEAD_ALL_MAX  256u  /* tasks; with more, the system would give us smaller pipes */
#define AHEAD_FILES    16u   /* one is ahead for so many descriptors that may be open; it takes four or five */
#define SETTLE_US      2000u
#define SETTLE_LONG_US 4000u		     /* when no task can be waiting for the results */
#define RETRY_US       100000u		     /* when there were no threads, or processes, to be had */
#define PIPE_EASY      ((uint64_t)32 * 1024) /* output that certainly finds room in a pipe nobody reads */

enum run_stage {
	RUN_NEW,       /* in no list */
	RUN_PREPARING, /* its inputs are being written */
	RUN_AHEAD,     /* behind another, as far as we know */
	RUN_YOUNG,     /* its pipes are not watched yet; in the order in which we heard of them */
	RUN_GROWN,     /* in no list */
	RUN_STAGES,
};

/* A child and what belongs to it. */
struct run {
	TAILQ_ENTRY(run) link; /* in the list of its stage */
	struct exec *exec;
	struct task *task;
	struct launch launch;
	struct arena memory; /* of its arguments and environment; kept for the next one */
	unsigned program;    /* which of those to look for it was, or is likely to be */
	enum run_stage stage;
	unsigned timed_out : 1;
	unsigned output_failed : 1;
	unsigned no_memory : 1; /* to look after it: it was killed */
	struct watched out_ready, err_ready;
	struct exec_files files;
	uint64_t since_us; /* when it started, once we know */
};

TAILQ_HEAD(run_list, run);

struct exec {
	struct exec_parts p;
	struct capture_limits limits;
	struct launcher *launcher;
	struct run_list at[RUN_STAGES];
	struct deadline preparing_next, look_time;
	unsigned n_ahead, max_ahead;
	struct run_list free;
	unsigned n_free;
	int null_fd;
};

static void on_ended(struct launch *it, struct launch *successor, void *arg);
static void on_out(struct watched *item, uint32_t events);
static void on_err(struct watched *item, uint32_t events);
static void on_preparing(void *arg);
static void on_deadline(void *arg);
static void on_look_time(void *arg);

sc_err exec_new(const struct exec_parts *parts, struct exec **out)
{
	struct exec *x = mem_calloc(1, sizeof(*x));
	struct rlimit files;

	if (x == NULL)
		return SC_NOMEM;
	x->p = *parts;
	x->max_ahead = AHEAD_ALL_MAX;
	x->limits.memory_bytes = parts->options->worker_output_memory;
	x->limits.max_bytes = parts->options->worker_output_max;
	for (int i = 0; i < RUN_STAGES; i++)
		TAILQ_INIT(&x->at[i]);
	TAILQ_INIT(&x->free);
	x->preparing_next.fn = on_preparing;
	x->look_time.fn = on_look_time;
	x->preparing_next.arg = x->look_time.arg = x;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur / AHEAD_FILES < x->max_ahead)
		x->max_ahead = (unsigned)(files.rlim_cur / AHEAD_FILES);
	x->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (x->null_fd < 0 || launcher_new(parts->watch, on_ended, x, &x->launcher) != SC_OK) {
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
	launcher_free(x->launcher);
	deadline_clear(x->p.deadlines, &x->look_time);
	deadline_clear(x->p.deadlines, &x->preparing_next);
	while ((r = TAILQ_FIRST(&x->free)) != NULL) {
		TAILQ_REMOVE(&x->free, r, link);
		arena_fini(&r->memory);
		mem_free(r);
	}
	if (x->null_fd >= 0)
		close(x->null_fd);
	mem_free(x);
}

static struct run *run_new(struct exec *x, struct task *t)
{
	struct run *r = TAILQ_FIRST(&x->free);
	struct arena memory = {NULL, 0};

	if (r != NULL) {
		TAILQ_REMOVE(&x->free, r, link);
		x->n_free--;
		memory = r->memory;
	} else {
		r = mem_malloc(sizeof(*r));
		if (r == NULL)
			return NULL;
	}
	*r = (struct run){.exec = x, .task = t, .memory = memory};
	launch_init(&r->launch);
	t->deadline.fn = on_deadline;
	t->deadline.arg = r;
	r->out_ready.fn = on_out;
	r->err_ready.fn = on_err;
	files_init(&r->files);
	return r;
}

static int has_list(enum run_stage stage)
{
	return stage != RUN_NEW && stage != RUN_GROWN;
}

static void move_run(struct run *r, enum run_stage stage)
{
	struct exec *x = r->exec;

	if (has_list(r->stage))
		TAILQ_REMOVE(&x->at[r->stage], r, link);
	x->n_ahead -= r->stage == RUN_AHEAD;
	r->stage = stage;
	if (has_list(stage))
		TAILQ_INSERT_TAIL(&x->at[stage], r, link);
	x->n_ahead += stage == RUN_AHEAD;
}

static void run_free(struct run *r)
{
	struct exec *x = r->exec;

	move_run(r, RUN_NEW);
	watch_forget(x->p.watch, &r->out_ready);
	watch_forget(x->p.watch, &r->err_ready);
	launch_close_fds(&r->launch);
	files_fini(&r->files, x->null_fd, x->p.remove_later, x->p.remove_arg);
	if (x->n_free >= FREE_RUNS_MAX) {
		arena_fini(&r->memory);
		mem_free(r);
		return;
	}
	arena_reset(&r->memory);
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

/* What the launcher is to start.  Its descriptors are the launch's from now on. */
static void fill_request(struct exec *x, struct run *r, const struct exec_call *call, const char *cwd)
{
	struct exec_plan *p = r->task->group->plan;

	r->program = p->hint;
	r->launch.request = (struct spawn_request){
		.programs = call->programs,
		.hint = p->substitute ? NULL : &r->program,
		.argv = call->argv,
		.envp = call->envp,
		.cwd = cwd,
		.n_fds = 3,
		.flags = SPAWN_DIES_WITH_US | SPAWN_NEW_GROUP,
	};
	for (unsigned i = 0; i < 3; i++) {
		r->launch.request.fds[i] = r->files.child_fds[i];
		if (r->files.child_fds[i] != x->null_fd)
			r->launch.own_fds |= 1u << i;
	}
	files_passed_on(&r->files);
}

/* Everything a run needs but its process.  0, or -1 with *o. */
static int make_ready(struct exec *x, struct run *r, struct outcome *o)
{
	struct task *t = r->task;
	struct exec_plan *p = t->group->plan;
	struct pattern_values v = {.item = t->item, .job = t->key.job, .attempt = t->attempt};
	struct exec_call call;
	const char *cwd = files_cwd(&r->files, p);
	char key[KEY_MAX], **resources = NULL;

	v.key = (struct slice){key, group_key(t->group, t->key.task, key)};
	v.index = group_index(t->group, t->key.task);
	if (files_open(&r->files, p, t, &v, cwd, &r->memory, x->null_fd, o) != 0)
		return -1;
	if (p->own_resources)
		resources = resource_env(&r->memory, x->p.resources, t->request, t->units);
	if (r->memory.failed || exec_plan_instantiate(p, &r->memory, &v, r->files.inputs_dir, t->item.p != NULL,
						      resources, &call) != SC_OK) {
		outcome_fail(o, FAIL_SPAWN, ENOMEM, "cannot run '%.500s': its arguments are too long", p->argv[0]);
		return -1;
	}
	fill_request(x, r, &call, cwd);
	if (feed_start(&r->files.feed, x->p.watch) == SC_OK)
		return 0;
	outcome_fail(o, FAIL_SPAWN, ENOMEM, "cannot start a process: %s", strerror(ENOMEM));
	return -1;
}

/* Which tasks may follow each other: of one group, that take the same. */
static struct launch_lane *lane_of(const struct task *t)
{
	struct exec_plan *p = t->group->plan;

	return &p->lanes[t->request - t->group->requests];
}

/* Look after the young, and what is ahead, by then at the latest. */
static sc_err look_before(struct exec *x, uint64_t at_us)
{
	if (deadline_is_set(&x->look_time) && x->look_time.at_us <= at_us)
		return SC_OK;
	return deadline_set(x->p.deadlines, &x->look_time, at_us);
}

/* Whoever cannot be looked after must not go on. */
static void abort_run(struct run *r)
{
	r->no_memory = 1;
	launcher_signal(r->exec->launcher, &r->launch, SIGKILL);
}

/* It runs, since then. */
static void look_after(struct run *r, uint64_t started_us)
{
	struct exec *x = r->exec;
	struct task *t = r->task;
	uint64_t limit_us = t->group->time_limit_us;

	r->since_us = started_us;
	move_run(r, RUN_YOUNG);
	if (!deadline_is_set(&x->look_time) && look_before(x, started_us + YOUNG_US) != SC_OK)
		abort_run(r);
	if (t->place == PLACE_STOPPING)
		return; /* the deadline is that of its end already */
	if (limit_us > 0 && deadline_set(x->p.deadlines, &t->deadline, started_us + limit_us) != SC_OK)
		abort_run(r);
}

static int start_run(struct exec *x, struct run *r, struct outcome *o)
{
	uint64_t now = clock_monotonic_us();
	int error;

	if (make_ready(x, r, o) != 0)
		return -1;
	error = launcher_start(x->launcher, &r->launch, lane_of(r->task));
	if (error != 0) {
		outcome_fail(o, FAIL_SPAWN, (uint64_t)error, "cannot start a process: %s", strerror(error));
		return -1;
	}
	look_after(r, now);
	return 0;
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
	move_run(r, RUN_PREPARING);
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
	struct run *r = TAILQ_FIRST(&x->at[RUN_PREPARING]);
	struct outcome o;
	int more;

	if (r == NULL)
		return;
	outcome_init(&o);
	more = files_write_inputs(&r->files, r->task, INPUTS_A_TURN, &o);
	if (more == 0) {
		move_run(r, RUN_NEW);
		more = start_run(x, r, &o);
	}
	if (more < 0)
		end_early(r, &o);
	if (!TAILQ_EMPTY(&x->at[RUN_PREPARING]))
		deadline_set(x->p.deadlines, &x->preparing_next, next_turn(x));
}

/* ---- ahead ---------------------------------------------------------------------------------------------------- */

/* What was started before may take for long: no task is to wait for it here that could start elsewhere. */
static uint64_t ahead_since(struct exec *x)
{
	return loop_now_us(x->p.loop) - AHEAD_US;
}

static uint64_t settle_at(struct exec *x, const struct run *r)
{
	return loop_now_us(x->p.loop) + (r->task->group->is_unawaited ? SETTLE_LONG_US : SETTLE_US);
}

/* A file of the user's that it opens is its own only once it runs. */
static int opens_files(const struct exec_plan *p)
{
	return p->stdin_path != NULL || p->stdout_pattern != NULL || p->stderr_pattern != NULL;
}

static int may_follow(struct exec *x, const struct task *t)
{
	const struct group *g = t->group;
	const struct exec_plan *p = g->plan;
	uint64_t each;

	if (p == NULL || g->n_runs == 0 || g->average_us >= AHEAD_US || p->writes_much || opens_files(p) ||
	    t->request->has_units || t->n_inputs > INPUTS_A_TURN || x->n_ahead >= x->max_ahead)
		return 0;
	each = AHEAD_US / (g->average_us + 1);
	return launcher_has_room(x->launcher, lane_of(t), ahead_since(x), each < AHEAD_MAX ? each : AHEAD_MAX);
}

static int get_ahead(struct exec *x, struct run *r)
{
	struct task *t = r->task;
	struct outcome o; /* that it cannot start is told when it would */

	outcome_init(&o);
	if (files_make_dirs(&r->files, t->group->plan, t, x->p.spool, &o) != 0 ||
	    files_write_inputs(&r->files, t, INPUTS_A_TURN, &o) != 0 || make_ready(x, r, &o) != 0 ||
	    look_before(x, settle_at(x, r)) != SC_OK)
		return 0;
	return launcher_follow(x->launcher, &r->launch, lane_of(t));
}

static enum follow exec_follow(void *arg, struct task *t)
{
	struct exec *x = arg;
	struct run *r = may_follow(x, t) ? run_new(x, t) : NULL;

	if (r == NULL)
		return FOLLOW_NO;
	if (get_ahead(x, r)) {
		move_run(r, RUN_AHEAD);
		t->run = r;
		return FOLLOW_AHEAD;
	}
	run_free(r);
	return FOLLOW_NO;
}

static int withdraw(struct run *r, uint64_t since_us)
{
	if (!launcher_withdraw(r->exec->launcher, &r->launch, since_us))
		return 0;
	r->task->run = NULL;
	run_free(r);
	return 1;
}

static int exec_withdraw(void *arg, struct task *t)
{
	(void)arg;
	return withdraw(t->run, UINT64_MAX);
}

/* Those that do not get on go back, the last one first. */
static void put_back_stuck(struct exec *x)
{
	uint64_t since_us = ahead_since(x);
	struct run *r, *before;

	for (r = TAILQ_LAST(&x->at[RUN_AHEAD], run_list); r != NULL; r = before) {
		struct task *t = r->task;

		before = TAILQ_PREV(r, run_list, link);
		if (withdraw(r, since_us))
			queue_put_back(x->p.queue, t);
	}
}

/* ---- while it runs -------------------------------------------------------------------------------------------- */

static void send_signal(struct run *r, int signo)
{
	launcher_signal(r->exec->launcher, &r->launch, signo);
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
static void watch_grown(struct exec *x)
{
	uint64_t now = loop_now_us(x->p.loop);
	struct run *r;

	while ((r = TAILQ_FIRST(&x->at[RUN_YOUNG])) != NULL && r->since_us + YOUNG_US <= now) {
		move_run(r, RUN_GROWN);
		watch_output(r, &r->files.out, &r->out_ready);
		watch_output(r, &r->files.err, &r->err_ready);
	}
}

static void on_look_time(void *arg)
{
	struct exec *x = arg;
	const struct run *young, *ahead;

	launcher_collect(x->launcher);
	put_back_stuck(x);
	watch_grown(x);
	young = TAILQ_FIRST(&x->at[RUN_YOUNG]);
	ahead = TAILQ_FIRST(&x->at[RUN_AHEAD]);
	/* should there be no memory, the next start tries again */
	if (launcher_retry(x->launcher))
		look_before(x, loop_now_us(x->p.loop) + RETRY_US);
	if (ahead != NULL)
		look_before(x, settle_at(x, ahead));
	else if (young != NULL)
		look_before(x, young->since_us + YOUNG_US);
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

/* Whether its time is not up yet, or is not known to be: then the deadline is set again, if it takes one. */
static int has_time_left(struct run *r)
{
	struct exec *x = r->exec;
	uint64_t now = loop_now_us(x->p.loop), limit_us = r->task->group->time_limit_us, started_us;
	enum launch_state state = launcher_state(x->launcher, &r->launch, &started_us);

	if (state == LAUNCH_ENDED)
		return 1; /* we are about to hear of it */
	if (state == LAUNCH_WAITS)
		started_us = now;
	return started_us + limit_us > now &&
	       deadline_set(x->p.deadlines, &r->task->deadline, started_us + limit_us) == SC_OK;
}

/* The time limit, or the end of the kill delay. */
static void on_deadline(void *arg)
{
	struct run *r = arg;

	if (r->task->place == PLACE_RUNNING && !r->timed_out && has_time_left(r))
		return;
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
	if (r->stage == RUN_PREPARING ||
	    (r->stage == RUN_AHEAD && launcher_withdraw(r->exec->launcher, &r->launch, UINT64_MAX))) {
		outcome_init(&o);
		outcome_fail(&o, FAIL_SIGNAL, SIGTERM, "stopped before it started");
		end_early(r, &o);
	} else if (hard) {
		send_signal(r, SIGKILL);
	} else {
		terminate(r);
	}
}

const struct executor exec_executor = {exec_start, exec_stop, exec_follow, exec_withdraw};

pid_t exec_pid(const struct task *t)
{
	const struct run *r = t->run;

	return launcher_pid(r->exec->launcher, &r->launch);
}

/* ---- the end -------------------------------------------------------------------------------------------------- */

static void judge_exit(const struct run *r, int status, struct outcome *o)
{
	int signo = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	if (r->no_memory)
		outcome_fail(o, FAIL_SPAWN, ENOMEM, "cannot start a process: %s", strerror(ENOMEM));
	else if (r->timed_out && o->elapsed_us >= r->task->group->time_limit_us) /* else it was quicker than we were */
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

static void spawn_failed(const struct run *r, struct outcome *o)
{
	const struct spawn_request *q = &r->launch.request;
	const struct spawn_child *c = &r->launch.child;
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

static uint64_t timeval_us(struct timeval t)
{
	return (uint64_t)t.tv_sec * US_PER_S + (uint64_t)t.tv_usec;
}

static void settle(struct run *r, struct outcome *o)
{
	const struct launch *it = &r->launch;
	struct group *g = r->task->group;
	struct exec_plan *p = g->plan;

	o->elapsed_us = it->ended_us - it->started_us;
	o->cpu_us = timeval_us(it->used.ru_utime) + timeval_us(it->used.ru_stime);
	o->rss_bytes = (uint64_t)it->used.ru_maxrss * 1024u;
	p->hint = r->program;
	judge_exit(r, it->status, o);
	collect_output(r, o);
	if (r->files.out.capture.total_bytes > PIPE_EASY || r->files.err.capture.total_bytes > PIPE_EASY)
		p->writes_much = 1;
	if (o->cause == 0)
		group_note_run(g, o->elapsed_us);
}

/* The resources go on to the one that was started with them. */
static void note_successor(struct exec *x, struct task *t, struct run *next)
{
	uint64_t started_us;

	queue_hand_on(t, next->task);
	move_run(next, RUN_NEW);
	if (launcher_state(x->launcher, &next->launch, &started_us) != LAUNCH_ENDED)
		look_after(next, started_us);
	queue_started(x->p.queue, next->task);
}

static void on_ended(struct launch *it, struct launch *successor, void *arg)
{
	struct run *r = (struct run *)((char *)it - offsetof(struct run, launch));
	struct exec *x = arg;
	struct task *t = r->task;
	struct outcome o;

	outcome_init(&o);
	if (successor != NULL)
		note_successor(x, t, (struct run *)((char *)successor - offsetof(struct run, launch)));
	if (it->child.error != 0)
		spawn_failed(r, &o);
	else
		settle(r, &o);
	deadline_clear(x->p.deadlines, &t->deadline);
	t->run = NULL;
	run_free(r);
	queue_ended(x->p.queue, t, &o);
}
