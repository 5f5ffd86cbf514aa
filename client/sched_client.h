/*
 * sched_client.h - use a scheduler from a program: submit jobs, watch them, fetch their results.
 *
 *	struct sc_client *client;
 *	struct sc_job *job;
 *	uint64_t id;
 *
 *	if (sc_client_open(NULL, &client) != SC_OK)
 *		errx(3, "%s", sc_client_error_text(NULL));
 *	sc_job_new("hello", &job);
 *	sc_job_add_group(job, &(struct sc_group_spec){.name = "hello", .kind = SC_KIND_EXEC,
 *						      .argv = (const char *const[]){"echo", "hello", NULL}}, NULL);
 *	sc_client_submit(client, job, &id);
 *	sc_job_free(job);
 *	sc_client_wait(client, id, 0, UINT64_MAX, NULL, NULL, NULL);
 *	sc_client_close(client);
 *
 * Threads: every sc_client_* function may be called from any thread, several at the same time, except
 * sc_client_close(), which has to be the last.  A job and an iterator belong to one thread at a time.  The library has
 * one thread of its own per client, in which all signals are blocked; it installs no handlers and has no state outside
 * the client but the error text of each thread.
 *
 * Errors: functions return SC_OK or what went wrong; sc_client_error_text() then says it in a sentence.  Besides those
 * named at a function, each that asks the scheduler may return
 *	SC_UNREACHABLE, SC_AUTH, SC_VERSION, SC_DENIED	no connection could be made
 *	SC_CLOSED	the connection was lost while waiting; the next call connects again
 *	SC_TIMEOUT	no answer within client.request-timeout
 *	SC_NOMEM
 * Results are written through pointers only on SC_OK.  Texts in results are terminated and never NULL.
 */
#ifndef SCHED_CLIENT_H
#define SCHED_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#if defined(__has_include)
#if __has_include("sched_error.h")
#include "sched_error.h"
#else
#include "proto/sched_error.h" /* in the source tree */
#endif
#else
#include "sched_error.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define SC_CLIENT_VERSION "0.1.0"

/* ---- the numbers that appear in results ------------------------------------------------------------------------ */

enum sc_task_state {
	SC_TASK_WAITING,   /* for inputs, an earlier job or a retry delay */
	SC_TASK_READY,	   /* could run now; no worker has room */
	SC_TASK_ASSIGNED,  /* given to a worker, not known to have started */
	SC_TASK_RUNNING,   /* started */
	SC_TASK_DONE,	   /* succeeded */
	SC_TASK_FAILED,	   /* failed for good, or an input did */
	SC_TASK_CANCELLED, /* stopped on request */
	SC_TASK_RELEASED   /* succeeded; its result was dropped as nobody needed it any more */
};
#define SC_TASK_STATES 8

enum sc_job_state {
	SC_JOB_HELD,	 /* an earlier job has to succeed first */
	SC_JOB_RUNNING,	 /* some task has not ended */
	SC_JOB_DONE,	 /* all tasks succeeded */
	SC_JOB_FAILED,	 /* all tasks have ended, at least one failed */
	SC_JOB_CANCELLED /* stopped on request, or because a job it was to follow did not succeed */
};

enum sc_worker_status {
	SC_WORKER_ACTIVE,   /* takes tasks */
	SC_WORKER_DRAINING, /* finishes what it has, gets nothing new */
	SC_WORKER_STOPPING, /* was told to end */
	SC_WORKER_PAUSED    /* short of memory: gets nothing new until it has some again */
};

enum sc_kind {
	SC_KIND_NOOP,  /* nothing; for benchmarks */
	SC_KIND_SLEEP, /* nothing, for a while */
	SC_KIND_EXEC,  /* a command line */
	SC_KIND_CALL   /* a C function in a shared object */
};

/* Why a task failed; what `status` is then in brackets. */
enum sc_fail {
	SC_FAIL_EXIT = 1,     /* ended with an exit code other than 0 [the code] */
	SC_FAIL_SIGNAL = 2,   /* ended by a signal [its number] */
	SC_FAIL_TIMEOUT = 3,  /* ran longer than its time limit [the signal that ended it] */
	SC_FAIL_SPAWN = 4,    /* could not be started [errno] */
	SC_FAIL_MODULE = 5,   /* shared object or symbol not found */
	SC_FAIL_FUNCTION = 6, /* the function returned an error [what it returned] */
	SC_FAIL_CRASH = 7,    /* the function took its process down [signal] */
	SC_FAIL_OUTPUT = 8,   /* its output could not be written [errno] */
	SC_FAIL_INPUT = 9,    /* a task it takes input from failed or was cancelled */
	SC_FAIL_WORKERS = 10, /* too many workers went away while it ran [how many] */
	SC_FAIL_BODY = 11     /* its description cannot be understood by the worker */
};

/* Flags of a group, bits. */
enum sc_group_flag {
	SC_GROUP_ARRAY = 1, /* keys are NAME-INDEX even for a single task */
	SC_GROUP_ITEMS = 2, /* every task has an item (set by itself when items are given) */
	SC_GROUP_KEEP = 4,  /* keep results until the job is forgotten, even when all consumers have ended */
	SC_GROUP_WANT = 8,  /* the results will be fetched: compute them again when lost */
	/*
	 * Its tasks start together, each at another worker, or none does; at most 1000.  When one has to run again all
	 * do, and only when all have succeeded others get their results.
	 */
	SC_GROUP_GANG = 16
};

/* Flags of a job, bits. */
enum sc_job_flag {
	SC_JOB_OPEN = 1,   /* more tasks may come: it does not end before it is closed; it may begin with none */
	SC_JOB_WAITING = 2 /* of a row alone: nothing of it runs, and no worker can run any task of it that is ready */
};

/* "running", "failed" ...; "?" for a number that is not known.  Static; any thread. */
SC_API const char *sc_task_state_name(uint64_t state);
SC_API const char *sc_job_state_name(uint64_t state);
SC_API const char *sc_worker_status_name(uint64_t status);
SC_API const char *sc_kind_name(uint64_t kind);
SC_API const char *sc_fail_name(uint64_t cause);

/* Whether a job, a task has come to its end. */
SC_API int sc_job_state_is_final(uint64_t state);
SC_API int sc_task_state_is_final(uint64_t state);

/* ---- a connection to a scheduler ------------------------------------------------------------------------------- */

struct sc_client; /* opaque */

/* All zero: everything as the user has configured it. */
struct sc_client_options {
	const char *access_file; /* NULL: $SCHED_ACCESS_FILE, else where `sched` puts it */
	const char *config;	 /* a configuration file besides the usual ones, or NULL */
	const char *const *sets; /* "key=value" each, stronger than all files */
	size_t n_sets;
	const char *software; /* name of the program, for the scheduler's log, or NULL */
};

/*
 * Connect.  *out is new; sc_client_close() it.  Besides the usual errors: SC_INVALID, the configuration or the access
 * file is wrong.
 */
SC_API sc_err sc_client_open(const struct sc_client_options *options, struct sc_client **out);

/* No call may be running any more; callbacks that are still owed are made, with SC_CLOSED.  NULL is fine. */
SC_API void sc_client_close(struct sc_client *client);

/*
 * The last failure in this thread as a sentence: what, where, what is allowed.  client may be NULL.  Borrowed until
 * this thread's next call.
 */
SC_API const char *sc_client_error_text(const struct sc_client *client);

/* The path of the access file used. */
SC_API const char *sc_client_access_file(const struct sc_client *client);

/* ---- a job in the making --------------------------------------------------------------------------------------- */

struct sc_job; /* opaque */

/* Bytes, borrowed. */
struct sc_bytes {
	const void *p;
	size_t n;
};

/* Indexes first, first + step, ... n of them. */
struct sc_index_range {
	uint64_t first, step, n;
};

/*
 * A group: tasks that do the same, each with its own index (and item).  Zero is the default everywhere.  Everything
 * is copied by sc_job_add_group().
 *
 * Patterns (stdout_path, stderr_path; argv, env, stdin_path and args too with `substitute`) may contain {item} {index}
 * {key} {job} {attempt}, replaced by the worker.
 */
struct sc_group_spec {
	const char *name; /* unique in the job; keys are NAME-INDEX, or NAME for a single task */
	enum sc_kind kind;
	unsigned flags;		      /* SC_GROUP_* */
	uint64_t count;		      /* tasks; 0: one whose key is NAME, or as many as there are items */
	uint64_t index_first;	      /* index of the first */
	uint64_t index_step;	      /* from one to the next; 0: 1 */
	const struct sc_bytes *items; /* one per task, at most 64 KiB each, or NULL */
	size_t n_items;
	/*
	 * Each task takes: "cpus=1,gpu=0.5,memory=2GiB"; NULL: cpus=1.  label:KEY=VALUE: only at workers with this
	 * label; prefer:KEY=VALUE: rather there.  Up to 4 alternatives separated by |, the first that fits is taken:
	 * "cpus=1,gpu=1|cpus=8".
	 */
	const char *resources;
	unsigned retries;		     /* how often to try again after it has failed */
	uint64_t time_limit_ms;		     /* 0: none */
	int64_t priority;		     /* added to that of the job, -1000000 to 1000000 */
	const struct sc_index_range *ranges; /* the indexes, instead of count, index_first and index_step; rising */
	size_t n_ranges;		     /* at most 65536 */
	uint32_t max_running;		     /* so many of its tasks at the same time; 0: any number */

	/* SC_KIND_EXEC */
	const char *const *argv;     /* ends with NULL; looked up in PATH unless it has a slash */
	const char *const *env;	     /* NAME=VALUE, ends with NULL; added to the worker's; or NULL */
	const char *cwd;	     /* NULL: a private directory at the worker */
	const char *stdin_path;	     /* file to read standard input from, or NULL */
	struct sc_bytes stdin_bytes; /* or standard input itself, at most 16 MiB */
	uint32_t stdin_group;	     /* or 1 + number of the group whose results, in order, are standard input */
	const char *stdout_path;     /* pattern of a file; NULL: it is captured and is the task's result */
	const char *stderr_path;     /* pattern of a file; NULL: it is captured */
	int substitute;		     /* whether to replace {item} ... in argv, env, stdin_path, args */

	/* SC_KIND_CALL: int f(sc_task *), see sched_task.h */
	const char *module;	     /* shared object, as dlopen takes it */
	const char *function;	     /* symbol */
	const struct sc_bytes *args; /* arguments */
	size_t n_args;

	/* SC_KIND_SLEEP */
	uint64_t sleep_us;
};

/* *out is new, with no tasks.  SC_INVALID: not a name (1 to 200 of A-Z a-z 0-9 _ . - + : @, not starting with a dot).
 */
SC_API sc_err sc_job_new(const char *name, struct sc_job **out);
SC_API void sc_job_free(struct sc_job *job); /* NULL is fine */

SC_API sc_err sc_job_set_namespace(struct sc_job *job, const char *name); /* SC_INVALID: not a name */
SC_API sc_err sc_job_set_priority(struct sc_job *job, int64_t priority);  /* -1000000 to 1000000, higher first */
SC_API sc_err sc_job_add_after(struct sc_job *job, uint64_t job_id);	  /* has to succeed first; at most 1000 */

SC_API sc_err sc_job_set_flags(struct sc_job *job, unsigned flags); /* SC_JOB_*; SC_INVALID */
/* When more than n tasks have failed by themselves the rest is cancelled.  UINT64_MAX, as in the beginning: never. */
SC_API sc_err sc_job_set_max_fails(struct sc_job *job, uint64_t n);

/*
 * Append a group; *group (may be NULL) is its number.  Its tasks are numbered from sc_job_first_task() on, group after
 * group.  Costs memory per group, not per task, but for items.
 * SC_INVALID, SC_EXISTS (the name), SC_LIMIT (2^32 - 1 tasks, 1,000,000 groups).
 */
SC_API sc_err sc_job_add_group(struct sc_job *job, const struct sc_group_spec *spec, uint32_t *group);

SC_API uint32_t sc_job_n_groups(const struct sc_job *job);
SC_API uint64_t sc_job_n_tasks(const struct sc_job *job);
SC_API uint32_t sc_job_first_task(const struct sc_job *job, uint32_t group); /* group has to exist */

/* task takes the result of input.  Both may be added later; whether they exist is checked when submitting. */
SC_API sc_err sc_job_add_input(struct sc_job *job, uint32_t task, uint32_t input);

/*
 * task takes the result of a task that the job it is submitted to (sc_client_submit_more) has already: its number
 * there. Such inputs come after the others.
 */
SC_API sc_err sc_job_add_earlier_input(struct sc_job *job, uint32_t task, uint32_t earlier);

/*
 * In bulk: for the n_tasks tasks from first_task on, task i takes counts[i] inputs, their numbers one after the other
 * in inputs.
 */
SC_API sc_err sc_job_add_inputs(struct sc_job *job, uint32_t first_task, size_t n_tasks, const uint32_t *counts,
				const uint32_t *inputs);

enum sc_join {
	SC_JOIN_ALL, /* every task takes all tasks of the other group */
	SC_JOIN_EACH /* task i takes task i of the other group, which has as many */
};

/* Tasks of a group take those of another; both exist.  Costs no memory per task before submitting. */
SC_API sc_err sc_job_join_groups(struct sc_job *job, uint32_t group, uint32_t input_group, enum sc_join how);

/*
 * Whether the job can be submitted: inputs exist, no key occurs twice, no cycles.  sc_client_submit() does the same.
 * SC_INVALID, SC_EXISTS, SC_CYCLE (the text names the tasks on it), SC_LIMIT.
 */
SC_API sc_err sc_job_check(struct sc_job *job);

/* ---- submitting and waiting ------------------------------------------------------------------------------------ */

/*
 * Hand the job over, whole or not at all; *job_id is its number.  The job stays the caller's.
 * Errors of sc_job_check(), SC_NOT_FOUND (a job it is to follow), SC_LIMIT, SC_TOO_BIG, SC_SHUTDOWN.
 */
SC_API sc_err sc_client_submit(struct sc_client *client, struct sc_job *job, uint64_t *job_id);

/*
 * After sc_client_submit() and sc_client_submit_more(): what it asked for that no worker connected could meet, in
 * words, a line each; "" when that is nothing.  It is no error: these tasks wait until there is such a worker. Borrowed
 * until the job is submitted again or freed.
 */
SC_API const char *sc_job_unmet(const struct sc_job *job);

/*
 * More tasks for a job that has not ended, all or none; *first_task (may be NULL) is the number of the first there.
 * Name, namespace, priority, flags and max_fails of `more` do not matter; names of its groups have to be new in the
 * job. Any client may do that, and a task for its own job (sc_client_own_job). Errors as sc_client_submit();
 * SC_NOT_FOUND: no such job, SC_BAD_STATE: it has ended, SC_EXISTS: a name is taken, SC_DENIED: it is not the job of
 * this task.
 */
SC_API sc_err sc_client_submit_more(struct sc_client *client, uint64_t job_id, struct sc_job *more,
				    uint32_t *first_task);

/* An open job gets no more tasks from now on but by those it has: it ends with the last.  SC_BAD_STATE: not open. */
SC_API sc_err sc_client_job_close(struct sc_client *client, uint64_t job_id);

/* In a program that runs as a task: the job of the task.  0: it does not. */
SC_API uint64_t sc_client_own_job(const struct sc_client *client);

/* A task to wait for. */
struct sc_key {
	uint64_t job;
	const char *key; /* key or number; NULL: all tasks of the job, those that come later too, until it has ended */
};

/* A task has ended; borrowed until the callback returns. */
struct sc_ended {
	uint64_t job;
	uint32_t task;
	const char *key; /* "" when the job was forgotten meanwhile */
	enum sc_task_state state;
};

/* Called in the thread that waits, as tasks end.  Non-zero: stop waiting. */
typedef int (*sc_ended_fn)(const struct sc_ended *ended, void *arg);

/*
 * Wait until all of these have ended (any: until the first has), well or not; fn (may be NULL) is told of each once, in
 * the order of their ends; first those that had ended already.  At most 65536 keys.
 * SC_TIMEOUT: not within timeout_us (UINT64_MAX: no limit), or fn said stop.  SC_NOT_FOUND, SC_LIMIT.
 */
SC_API sc_err sc_client_wait_tasks(struct sc_client *client, const struct sc_key *keys, size_t n_keys, int any,
				   uint64_t timeout_us, sc_ended_fn fn, void *arg);

/* How far a job is. */
struct sc_progress {
	uint64_t job;
	enum sc_job_state state;
	uint64_t counts[SC_TASK_STATES]; /* tasks in each state */
	const char *text;		 /* why it failed; borrowed until the callback returns, or from the caller */
};

/* Called in the thread that waits, every interval whether something changed or not.  Non-zero: stop waiting. */
typedef int (*sc_progress_fn)(const struct sc_progress *progress, void *arg);

/*
 * Wait until a job (0: the newest) has ended.  interval_ms: how often fn is called (0: only once it has ended); fn may
 * be NULL.  *last (may be NULL): how it ended; its text is borrowed until this thread's next call.
 * SC_OK: it has ended, well or not.  SC_TIMEOUT: not within timeout_us (UINT64_MAX: no limit), or fn said stop: *last
 * is filled nevertheless.  SC_NOT_FOUND.
 */
SC_API sc_err sc_client_wait(struct sc_client *client, uint64_t job_id, uint64_t interval_ms, uint64_t timeout_us,
			     sc_progress_fn fn, void *arg, struct sc_progress *last);

/*
 * Without waiting.  The callbacks run in the client's own thread: they have to be short and may start further
 * asynchronous calls, but not blocking ones.  At most 100,000 may be under way (SC_LIMIT).
 */
typedef void (*sc_submitted_fn)(sc_err err, const char *error_text, uint64_t job_id, void *arg);

/* Takes the job (on success; it is freed when the answer is there). */
SC_API sc_err sc_client_submit_async(struct sc_client *client, struct sc_job *job, sc_submitted_fn fn, void *arg);

/* progress is NULL when err is not SC_OK, which is the last call, as is one with a final state. */
typedef void (*sc_watch_fn)(sc_err err, const char *error_text, const struct sc_progress *progress, void *arg);

/* fn is called now, at most every interval_ms if something changed (0: not before the end), and at the end. */
SC_API sc_err sc_client_watch_async(struct sc_client *client, uint64_t job_id, uint64_t interval_ms, sc_watch_fn fn,
				    void *arg);

/* ---- looking --------------------------------------------------------------------------------------------------- */

/* Iterators fetch page by page.  *row is borrowed until the next call; NULL at the end. */

struct sc_job_row {
	uint64_t job;
	const char *name;
	const char *name_space;
	enum sc_job_state state;
	int64_t priority;
	uint64_t submitted_us; /* microseconds ago */
	uint64_t elapsed_us;   /* from submission to its end, or until now */
	uint64_t counts[SC_TASK_STATES];
	const char *text;  /* why it failed */
	unsigned flags;	   /* SC_JOB_* */
	const char *waits; /* what tasks of it that are ready ask for and no worker can meet, in words; "": nothing */
};

struct sc_jobs; /* opaque */

/* Jobs, newest first.  job_id: only this one (0: all); name_space: only of this one (NULL: all). */
SC_API sc_err sc_client_list_jobs(struct sc_client *client, uint64_t job_id, const char *name_space,
				  struct sc_jobs **out);
SC_API sc_err sc_jobs_next(struct sc_jobs *jobs, const struct sc_job_row **row);
SC_API void sc_jobs_free(struct sc_jobs *jobs); /* NULL is fine */

struct sc_task_row {
	uint64_t job;
	uint32_t task; /* number in the job */
	const char *key;
	enum sc_task_state state;
	const char *worker; /* that runs, ran or holds it */
	uint64_t attempts;  /* times started */
	uint64_t elapsed_us;
	uint64_t result_bytes;
};

struct sc_tasks; /* opaque */

/* Tasks of a job (0: the newest) by number.  states: bits 1 << SC_TASK_*, 0: all; key: only this one, or NULL. */
SC_API sc_err sc_client_list_tasks(struct sc_client *client, uint64_t job_id, uint32_t states, const char *key,
				   struct sc_tasks **out);
SC_API sc_err sc_tasks_next(struct sc_tasks *tasks, const struct sc_task_row **row);
SC_API void sc_tasks_free(struct sc_tasks *tasks); /* NULL is fine */

/* Everything about a task. */
struct sc_task_info {
	uint64_t job;
	uint32_t task;
	const char *key, *group;
	enum sc_task_state state;
	const char *reason;  /* of the last change of state */
	const char *explain; /* in words, why it is where it is */
	const char *worker;
	uint64_t attempts; /* times started */
	uint64_t crashes;  /* workers that went away under it */
	unsigned cause;	   /* SC_FAIL_* of the last failure, 0: none */
	uint64_t status;   /* as the cause says */
	const char *text;  /* the last failure in words */
	struct sc_bytes stderr_tail;
	uint64_t elapsed_us, cpu_us; /* cpu: 0: not known */
	uint64_t rss_bytes;	     /* largest resident size, 0: not known */
	uint64_t result_bytes, stderr_bytes;
	const char *request;	   /* resources it asks for */
	const char *const *inputs; /* keys of the first n_inputs_shown */
	size_t n_inputs_shown;
	uint64_t n_inputs, n_consumers;
	struct sc_bytes item;
};

/* *out is new; free it with sc_task_info_free().  key: key or number.  SC_NOT_FOUND. */
SC_API sc_err sc_client_show_task(struct sc_client *client, uint64_t job_id, const char *key,
				  struct sc_task_info **out);
SC_API void sc_task_info_free(struct sc_task_info *info); /* NULL is fine */

struct sc_worker_row {
	uint32_t worker; /* number */
	const char *name, *pool, *host, *address;
	uint64_t pid;
	enum sc_worker_status status;
	const char *resources;			   /* "cpus=4,gpu=2" */
	const char *labels;			   /* "key=value,..." */
	const char *name_space;			   /* it is reserved for, "": it serves all */
	uint64_t assigned, running, done;	   /* tasks: given and not ended, running, ended */
	uint64_t held, held_bytes;		   /* results */
	uint64_t cpu_percent;			   /* of one core */
	uint64_t memory_bytes, memory_limit_bytes; /* limit 0: none */
	uint64_t seen_us;			   /* microseconds since it was last heard */
	int drained; /* it drains, has no task left, and holds nothing others do not hold: it may go */
	int stuck;   /* it drains, and nobody is there who may take any of the results it still holds */
};

struct sc_workers; /* opaque */

SC_API sc_err sc_client_list_workers(struct sc_client *client, struct sc_workers **out);
SC_API sc_err sc_workers_next(struct sc_workers *workers, const struct sc_worker_row **row);
SC_API void sc_workers_free(struct sc_workers *workers); /* NULL is fine */

/* ---- what the cluster looks like --------------------------------------------------------------------------------- */

/*
 * The client keeps a view of the cluster that the scheduler keeps up to date, by changes, at an interval it grants.  It
 * begins with the first call of sc_client_info() or sc_client_info_subscribe() and lasts as long as the client: it
 * connects again by itself and goes on from the version it has.  How often: client.scheduler-info-interval, "off" for
 * not at all.  A client inside a task ($SCHED_ROLE is worker-client) has no view unless the program subscribes.
 */

enum sc_info_section {
	SC_INFO_TOTALS = 1,  /* sums over all workers */
	SC_INFO_MEMBERS = 2, /* what each worker is */
	SC_INFO_METRICS = 4  /* how each worker is */
};

/* All zero: everything, as often as the user has configured it. */
struct sc_info_options {
	uint64_t interval_us;	   /* how often, 100000 at least; 0: client.scheduler-info-interval */
	unsigned sections;	   /* SC_INFO_*; 0: all */
	const char *pool;	   /* only workers of this pool, or NULL */
	const char *const *labels; /* only workers that have all of these, "key=value" each */
	size_t n_labels;	   /* 16 at most */
	/*
	 * Only workers that jobs of this namespace may run on, or NULL: those reserved for it and those reserved for
	 * none.  One that nobody knows is no mistake: it is shown the latter.
	 */
	const char *name_space;
};

/* A version of the view.  It never changes; any number of threads may read it. */
struct sc_info; /* opaque */

enum sc_info_event {
	SC_INFO_UPDATED,	/* there is a newer version */
	SC_INFO_RESYNCHRONISED, /* so there is, and changes in between cannot be told: it was sent as a whole */
	SC_INFO_LOST		/* nothing more is told; the view stays as it is until there is a next event */
};

/*
 * SC_INFO_LOST comes when the connection is lost, when the scheduler refuses, and when it falls silent: it tells at
 * least every 30 s, or at each granted interval if that is longer, that it is there, and who hears nothing of cluster
 * info for 90 s, or three granted intervals if that is longer, has lost it.  The library begins again by itself, over
 * and over, and goes on from the version it has.  A scheduler that has fallen silent is asked once whether it is there.
 * If it answers, the connection stays and other calls on it notice nothing.  If nothing comes from it within
 * client.request-timeout, the connection is given up, and calls that were waiting on it end with SC_CLOSED.
 */

/* Runs in the client's own thread: short, no blocking calls.  info is borrowed until it returns. */
typedef void (*sc_info_fn)(enum sc_info_event event, const struct sc_info *info, void *arg);

/*
 * Begin, or begin anew with other options (NULL: all zero).  fn may be NULL; the fn of a former subscription is not
 * called any more when this returns.  From a callback it takes effect after it has returned.  Does not wait for the
 * network.  SC_INVALID, SC_BAD_STATE (no interval is given and client.scheduler-info-interval is off).
 */
SC_API sc_err sc_client_info_subscribe(struct sc_client *client, const struct sc_info_options *options, sc_info_fn fn,
				       void *arg);

/* Stop.  The view stays as it is.  Not from a callback.  SC_OK also when there was nothing to stop. */
SC_API sc_err sc_client_info_unsubscribe(struct sc_client *client);

/*
 * The newest version, pinned: give it back with sc_info_unpin(), soon (at most 60 different ones are kept) and before
 * sc_client_close().  Takes no lock and never waits for the network; NULL: out of memory.  Before the first update has
 * come it shows an empty cluster and sc_info_is_complete() is 0.
 */
SC_API const struct sc_info *sc_client_info(struct sc_client *client);
SC_API void sc_info_unpin(const struct sc_info *info); /* NULL is fine */

/* Wait until sc_client_info() is complete.  SC_TIMEOUT; SC_BAD_STATE: this client has no subscription. */
SC_API sc_err sc_client_info_wait(struct sc_client *client, uint64_t timeout_us);

/*
 * Ask once, without a subscription; interval_us does not matter.  *info is pinned as above.  What has been asked before
 * is remembered: asking again costs what has changed.  The scheduler may have us wait, if we ask too often.
 */
SC_API sc_err sc_client_identity(struct sc_client *client, const struct sc_info_options *options,
				 const struct sc_info **info);

struct sc_info_totals {
	uint64_t workers;
	uint64_t slots; /* cpus, in ten-thousandths */
	uint64_t memory_limit_bytes, cpu_percent, memory_bytes, spilled_bytes;
	uint64_t running, queued, held; /* tasks running, given but not started; results */
};

struct sc_info_worker {
	uint32_t worker; /* number */
	/* SC_INFO_MEMBERS; "" and 0 without */
	const char *name, *pool, *address, *host, *resources, *labels;
	const char *name_space; /* it is reserved for, "": it serves all */
	uint64_t pid;
	uint64_t slots; /* cpus, in ten-thousandths */
	uint64_t memory_limit_bytes;
	enum sc_worker_status status;
	/* SC_INFO_METRICS; 0 without */
	uint64_t cpu_percent; /* of one core */
	uint64_t memory_bytes, spilled_bytes;
	uint64_t running, queued, held;
	uint64_t sent_bytes_s, received_bytes_s; /* results, to and from other workers */
};

SC_API size_t sc_info_n_workers(const struct sc_info *info);
/* Worker i in the order of their numbers; its texts live as long as info.  i is less than sc_info_n_workers(). */
SC_API void sc_info_worker_at(const struct sc_info *info, size_t i, struct sc_info_worker *out);
/* 1 when there is one, else 0. */
SC_API int sc_info_find_name(const struct sc_info *info, const char *name, struct sc_info_worker *out);
SC_API int sc_info_find_address(const struct sc_info *info, const char *address, struct sc_info_worker *out);
SC_API void sc_info_totals_of(const struct sc_info *info, struct sc_info_totals *out);

/* The version: which run of the scheduler, and a number that grows with each change of the cluster. */
SC_API const char *sc_info_incarnation(const struct sc_info *info);
SC_API uint64_t sc_info_epoch(const struct sc_info *info);
SC_API uint64_t sc_info_granted_us(const struct sc_info *info); /* how often the scheduler tells us; 0: not known */
SC_API int sc_info_is_complete(const struct sc_info *info);

/* ---- what the scheduler spends, and on what ---------------------------------------------------------------------- */

struct sc_metric {
	const char *name; /* as /metrics has it; with a state, "sched_tasks.running" */
	uint64_t value;
};

struct sc_spent {
	const char *name; /* kind of request, or client */
	uint64_t count;
	uint64_t total_ns;
};

struct sc_stats {
	const struct sc_metric *metrics;
	size_t n_metrics;
	const struct sc_spent *kinds; /* of requests */
	size_t n_kinds;
	const struct sc_spent *clients; /* that are connected, the most expensive first */
	size_t n_clients;
};

/* *out is new; sc_stats_free() it. */
SC_API sc_err sc_client_stats(struct sc_client *client, struct sc_stats **out);
SC_API void sc_stats_free(struct sc_stats *stats); /* NULL is fine */

/* ---- changing -------------------------------------------------------------------------------------------------- */

/* *count (may be NULL): how many things it touched.  SC_NOT_FOUND, SC_BAD_STATE. */
SC_API sc_err sc_client_cancel(struct sc_client *client, uint64_t job_id, uint64_t *count);

/* Drop an ended job and its results; 0: all that have ended. */
SC_API sc_err sc_client_forget(struct sc_client *client, uint64_t job_id, uint64_t *count);

/* Run failed or cancelled tasks again, and what failed because of them.  key: key or number; NULL: all of the job. */
SC_API sc_err sc_client_retry(struct sc_client *client, uint64_t job_id, const char *key, uint64_t *count);

SC_API sc_err sc_client_drain_worker(struct sc_client *client, const char *name, int undo);
SC_API sc_err sc_client_stop_worker(struct sc_client *client, const char *name);

/* ---- namespaces, groups of a job -------------------------------------------------------------------------------- */

/* A namespace.  Borrowed until the next row or sc_namespaces_free(). */
struct sc_namespace_row {
	const char *name;
	uint64_t weight;    /* its share of the room, thousandths of the usual */
	uint64_t max_tasks; /* it may have at workers; UINT64_MAX: no limit */
	uint64_t max_cpus;  /* these may take, ten-thousandths; UINT64_MAX: no limit */
	uint64_t tasks;	    /* it has at workers */
	uint64_t cpus;	    /* these take, ten-thousandths */
	uint64_t ready;	    /* tasks that wait for room */
	uint64_t workers;   /* reserved for it */
};

struct sc_namespaces; /* opaque */

/* Those in use and those that differ from the usual; as sc_client_list_workers(). */
SC_API sc_err sc_client_list_namespaces(struct sc_client *client, struct sc_namespaces **out);
SC_API sc_err sc_namespaces_next(struct sc_namespaces *namespaces, const struct sc_namespace_row **row);
SC_API void sc_namespaces_free(struct sc_namespaces *namespaces); /* NULL is fine */

#define SC_NAMESPACE_SAME (UINT64_MAX - 1) /* leave it as it is */

/* As in struct sc_namespace_row. */
struct sc_namespace_change {
	uint64_t weight, max_tasks, max_cpus;
};

/* SC_INVALID (the name, the weight), SC_DENIED (a client inside a task), SC_LIMIT. */
SC_API sc_err sc_client_set_namespace(struct sc_client *client, const char *name,
				      const struct sc_namespace_change *change);

/* How the tasks of a group fare.  Borrowed until the next row or sc_groups_free(). */
struct sc_group_row {
	const char *name;
	const char *resources; /* each task asks for */
	uint64_t n_tasks;
	uint64_t n_runs; /* that ended well, of which are the next three */
	uint64_t run_min_us, run_mean_us, run_max_us;
	uint64_t n_waits;      /* times a task was ready */
	uint64_t wait_mean_us; /* from then until it started, or now */
	uint64_t moved_bytes;  /* of inputs that were elsewhere */
};

struct sc_groups; /* opaque */

/* In their order; as sc_client_list_workers().  SC_NOT_FOUND: no such job. */
SC_API sc_err sc_client_list_groups(struct sc_client *client, uint64_t job_id, struct sc_groups **out);
SC_API sc_err sc_groups_next(struct sc_groups *groups, const struct sc_group_row **row);
SC_API void sc_groups_free(struct sc_groups *groups); /* NULL is fine */

/* End the scheduler; workers: all workers as well. */
SC_API sc_err sc_client_shutdown(struct sc_client *client, int workers);

/* ---- results --------------------------------------------------------------------------------------------------- */

enum sc_stream {
	SC_STREAM_RESULT, /* standard output, or what a function returned */
	SC_STREAM_STDERR
};

struct sc_fetch {
	uint64_t job;	       /* 0: the newest */
	const uint32_t *tasks; /* numbers, fetched in this order; NULL: all of the job */
	size_t n_tasks;
	enum sc_stream stream;
	int recompute; /* compute results again that are lost, and wait for them */
	int restart;   /* the receiver can begin a result anew: see sc_part */
};

/*
 * A part of a task's result.  Parts come in order, task after task, offset after offset, also when the worker is lost
 * half way and another holds the same result.  With sc_fetch.restart a part with offset 0 may come again, when it had
 * to be computed again: what was received of that task is void.  Without, it is lost then.
 */
struct sc_part {
	uint64_t job;
	uint32_t task;
	enum sc_task_state state;
	uint64_t total_bytes; /* of the whole result */
	uint64_t offset;
	const void *data; /* borrowed until the callback returns */
	size_t n_bytes;
	int last;	  /* nothing more of this task follows */
	sc_err err;	  /* not SC_OK: this result cannot be had (SC_LOST, SC_BAD_STATE: it has not ended) */
	const char *text; /* then: why */
};

/* Called in the thread that fetches.  An error ends the fetch, which returns it. */
typedef sc_err (*sc_part_fn)(const struct sc_part *part, void *arg);

/*
 * Fetch results from the workers that hold them, in parts of at most 1 MiB, at most 4 MiB ahead of fn.
 * SC_NOT_FOUND: no such job.  A result that is lost does not end the fetch: fn is told.
 */
SC_API sc_err sc_client_fetch(struct sc_client *client, const struct sc_fetch *fetch, sc_part_fn fn, void *arg);

#ifdef __cplusplus
}
#endif

#endif
