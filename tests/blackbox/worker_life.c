/*
 * worker_life.c - a real sched-worker from start to end: what it says, how it comes back to a scheduler, and that it
 * leaves nothing behind, however it ends.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/handshake.h"
#include "tests/support/cluster.h"
#include "tests/support/fake_scheduler.h"

static struct fake_scheduler *f;

static void start(void)
{
	f = fake_start();
}

static void stop(void)
{
	fake_stop(f);
}

TestSuite(worker_life, .init = start, .fini = stop);

static void end_gracefully(struct proc *w)
{
	proc_signal(w, SIGTERM);
	cr_assert_eq(proc_wait_exit(w, PROC_DEADLINE_MS), 0, "%s", proc_stderr(w));
	proc_free(w);
}

/* Directories in f->dir whose name begins like this. */
static size_t count_entries(const char *prefix)
{
	DIR *d = opendir(f->dir);
	struct dirent *e;
	size_t n = 0;

	while ((e = readdir(d)) != NULL)
		n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
	closedir(d);
	return n;
}

/* Poll without sleeping longer than it takes: 1 when the condition holds by the deadline. */
static int holds_by(int (*is_so)(const void *arg), const void *arg)
{
	uint64_t until = proc_until(PROC_DEADLINE_MS);

	while (!is_so(arg))
		if (proc_ms_left(until) == 0)
			return 0;
	return 1;
}

static int spool_is_gone(const void *arg)
{
	(void)arg;
	return count_entries("sched-worker-") == 0;
}

static int pid_is_gone(const void *arg)
{
	return kill(*(const pid_t *)arg, 0) != 0 && errno == ESRCH;
}

/* The process id a task wrote into a file of f->dir. */
static pid_t pid_from(const char *name)
{
	char path[600], *text = NULL;
	uint64_t until = proc_until(PROC_DEADLINE_MS);
	pid_t pid = 0;

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	while (pid == 0 && proc_ms_left(until) > 0) {
		text = file_read(path, NULL);
		if (text != NULL && strchr(text, '\n') != NULL)
			pid = (pid_t)strtol(text, NULL, 10);
		mem_free(text);
	}
	cr_assert(pid > 0, "%s does not appear", name);
	return pid;
}

/* ---- start ---------------------------------------------------------------------------------------------------- */

static void expect_exit(const char *const *args, int status, const char *text)
{
	struct run r = run_program(&(struct proc_spec){.program = "sched-worker", .args = args}, PROC_DEADLINE_MS);

	cr_assert_eq(r.status, status, "status %d: %s", r.status, r.err);
	cr_assert(strstr(r.err, text) != NULL || strstr(r.out, text) != NULL, "'%s' does not say '%s'", r.err, text);
	run_free(&r);
}

Test(worker_life, bad_usage_is_explained)
{
	const char *const access = "--access-file=/nonexistent";

	expect_exit((const char *const[]){access, "--slots", "0", NULL}, 2, "--slots: '0' is not allowed");
	expect_exit((const char *const[]){access, "--name", "a b", NULL}, 2, "--name: 'a b' is not allowed");
	expect_exit((const char *const[]){access, "--label", "x", NULL}, 2, "--label: 'x' is not allowed");
	expect_exit((const char *const[]){access, "--resource", "gpu", NULL}, 2,
		    "'gpu' is not of the form name=amount");
	expect_exit((const char *const[]){access, "--resource", "cpus=2", NULL}, 2, "cpus is given already");
	expect_exit((const char *const[]){access, "--memory-limit", "much", NULL}, 2, "--memory-limit: 'much'");
	expect_exit((const char *const[]){access, "--set", "worker.kill-dely=1s", NULL}, 2,
		    "did you mean 'worker.kill-delay'");
	expect_exit((const char *const[]){access, "--set", "worker.spool-dir=/no/such", NULL}, 2, "/no/such");
	expect_exit((const char *const[]){access, "surplus", NULL}, 2, "'surplus' is not expected");
	expect_exit((const char *const[]){"--nosuch", NULL}, 2, "--help");
	expect_exit((const char *const[]){"--help", NULL}, 0, "worker.kill-delay");
	expect_exit((const char *const[]){"--version", NULL}, 0, "sched-worker " SCHED_VERSION);
}

Test(worker_life, no_scheduler)
{
	static const char at_once[] = "--set=worker.give-up-after=0s";

	expect_exit((const char *const[]){"--access-file=/nonexistent/access.yaml", at_once, NULL}, 3,
		    "/nonexistent/access.yaml");
	close(f->listen_fd);
	f->listen_fd = -1;
	expect_exit((const char *const[]){"--access-file", f->access_file, at_once, NULL}, 3,
		    "cannot get to the scheduler");
	cr_assert(spool_is_gone(NULL));
}

/* Both are often started at once, by a script or a person: sched & sched-worker & */
Test(worker_life, started_before_its_scheduler)
{
	struct proc *w;
	char away[700];

	snprintf(away, sizeof(away), "%s.away", f->access_file);
	cr_assert_eq(rename(f->access_file, away), 0);
	w = fake_worker(f, NULL);
	proc_wait_log(w, "link not-connected", 0, PROC_DEADLINE_MS);
	cr_assert_eq(rename(away, f->access_file), 0);
	fake_accept(f);
	end_gracefully(w);
}

Test(worker_life, refused)
{
	struct proc *w = fake_worker(f, NULL);

	fake_refuse(f, SC_AUTH, "wrong secret for role worker");
	cr_assert_eq(proc_wait_exit(w, PROC_DEADLINE_MS), 3);
	cr_assert(strstr(proc_stderr(w), "wrong secret for role worker") != NULL);
	proc_free(w);
}

Test(worker_life, registers_what_it_was_told)
{
	struct proc *w = fake_worker(f, (const char *const[]){"--name", "hugo", "--resource", "gpu=1.5", "--label",
							      "a=b", "--pool", "big", "--memory-limit", "1GiB", NULL});

	fake_accept(f);
	cr_assert_str_eq(f->worker_name, "hugo");
	cr_assert_str_eq(f->resources, "cpus=2,gpu=1.5");
	end_gracefully(w);
}

/* ---- the scheduler goes and comes ----------------------------------------------------------------------------- */

Test(worker_life, comes_back_without_its_tasks)
{
	struct proc *w = fake_worker(f, NULL);
	pid_t pid;

	fake_accept(f);
	fake_define_shell(f, 1, 1, "echo $$ > pid; exec sleep 1000");
	fake_assign(f, 1, 0, 0, 1);
	pid = pid_from("pid");
	fake_accept(f); /* the old connection is closed, the worker comes again */
	cr_assert(holds_by(pid_is_gone, &pid));
	fake_define_plain(f, 1, 0, KIND_NOOP, 0, 10); /* the same numbers mean new tasks now */
	fake_assign(f, 1, 0, 0, 10);
	fake_wait_done(f, 1, 10);
	cr_assert(strstr(proc_stderr(w), "warn link scheduler-lost") != NULL);
	end_gracefully(w);
}

static int spool_is_there(const void *arg)
{
	(void)arg;
	return count_entries("sched-worker-") == 1;
}

/* What tidies up /tmp may do that: the worker is of use again, and says that its results are lost. */
Test(worker_life, makes_its_directory_again)
{
	static const char *const args[] = {"-c", "mv sched-worker-* away", NULL};
	struct proc *w = fake_worker(f, NULL);
	struct run r;

	fake_accept(f);
	r = run_program(&(struct proc_spec){.program = "sh", .args = args, .cwd = f->dir}, PROC_DEADLINE_MS);
	cr_assert_eq(r.status, 0, "%s", r.err);
	run_free(&r);
	cr_assert(holds_by(spool_is_there, NULL));
	fake_accept(f);
	fake_define_shell(f, 1, 1, "head -c 100000 /dev/zero");
	fake_assign(f, 1, 0, 0, 1);
	fake_wait_done(f, 1, 1);
	cr_assert(strstr(proc_stderr(w), "warn agent spool-removed") != NULL);
	end_gracefully(w);
	cr_assert(spool_is_gone(NULL));
}

Test(worker_life, refused_when_it_comes_back_it_tries_again)
{
	struct proc *w = fake_worker(f, NULL);

	fake_accept(f);
	fake_refuse(f, SC_AUTH, "not now");
	fake_refuse(f, SC_EXISTS, "not yet");
	fake_accept(f);
	end_gracefully(w);
}

Test(worker_life, gives_up_after_the_time_it_was_given)
{
	struct proc *w = fake_worker(f, (const char *const[]){"--set", "worker.give-up-after=300ms", NULL});

	fake_accept(f);
	close(f->listen_fd);
	f->listen_fd = -1;
	raw_free(f->raw);
	f->raw = NULL;
	cr_assert_eq(proc_wait_exit(w, PROC_DEADLINE_MS), 3);
	proc_free(w);
}

Test(worker_life, a_scheduler_that_talks_nonsense_is_left)
{
	struct proc *w = fake_worker(f, NULL);

	fake_accept(f);
	fake_assign(f, 99, 7, 0, 1);
	raw_expect_refused(f->raw, SC_MALFORMED);
	fake_accept(f);
	end_gracefully(w);
}

/* An assignment is lost, or comes twice: the worker notices, comes back with nothing, and is given all anew. */
static void out_of_sequence(int shift)
{
	struct proc *w = fake_worker(f, NULL);

	fake_accept(f);
	fake_define_plain(f, 1, 0, KIND_NOOP, 0, 20);
	fake_assign(f, 1, 0, 0, 10);
	fake_wait_done(f, 1, 10);
	raw_shift_sequence(f->raw, shift);
	fake_assign(f, 1, 0, 10, 10);
	raw_expect_refused(f->raw, SC_SEQUENCE);
	fake_accept(f);
	fake_define_plain(f, 1, 0, KIND_NOOP, 0, 20);
	fake_assign(f, 1, 0, 10, 10);
	fake_wait_done(f, 1, 10);
	end_gracefully(w);
}

Test(worker_life, a_lost_message_is_noticed)
{
	out_of_sequence(1);
}

Test(worker_life, a_repeated_message_is_noticed)
{
	out_of_sequence(-1);
}

/* ---- the end -------------------------------------------------------------------------------------------------- */

Test(worker_life, told_to_exit)
{
	struct proc *w = fake_worker(f, NULL);
	struct msg_worker_exit m = {.reason = slice_of("test")};

	fake_accept(f);
	raw_send(f->raw, MSG_worker_exit, &m);
	raw_expect(f->raw, MSG_worker_leaving);
	cr_assert_eq(proc_wait_exit(w, PROC_DEADLINE_MS), 0);
	cr_assert(spool_is_gone(NULL));
	proc_free(w);
}

Test(worker_life, terminates_its_tasks)
{
	struct proc *w = fake_worker(f, NULL);

	fake_accept(f);
	fake_define_shell(f, 1, 1,
			  "trap 'echo ended > term; exit 0' TERM; echo $$ > pid; while :; do sleep 0.01; done");
	fake_assign(f, 1, 0, 0, 1);
	pid_from("pid");
	end_gracefully(w);
	cr_assert_eq(count_entries("term"), 1);
}

Test(worker_life, second_signal_kills)
{
	struct proc *w = fake_worker(f, (const char *const[]){"--set", "worker.kill-delay=1h", NULL});
	pid_t pid;

	fake_accept(f);
	fake_define_shell(f, 1, 1, "trap '' TERM; echo $$ > pid; while :; do sleep 0.01; done");
	fake_assign(f, 1, 0, 0, 1);
	pid = pid_from("pid");
	proc_signal(w, SIGTERM);
	proc_wait_log(w, "agent ending", 0, PROC_DEADLINE_MS);
	proc_signal(w, SIGTERM);
	cr_assert_eq(proc_wait_exit(w, PROC_DEADLINE_MS), 0);
	cr_assert(pid_is_gone(&pid));
	proc_free(w);
}

/* A child in a session of its own, and one that ignores all it can: all gone, and the spool as well. */
Test(worker_life, nothing_survives_kill_9)
{
	struct proc *w = fake_worker(f, NULL);
	pid_t pid, away;

	fake_accept(f);
	fake_define_shell(f, 1, 1,
			  "setsid sh -c 'trap \"\" TERM HUP INT; echo $$ > away; exec sleep 1000' & "
			  "echo $$ > pid; exec sleep 1000");
	fake_assign(f, 1, 0, 0, 1);
	pid = pid_from("pid");
	away = pid_from("away");
	cr_assert_eq(count_entries("sched-worker-"), 1);
	kill(proc_pid(w), SIGKILL);
	cr_assert(holds_by(pid_is_gone, &pid));
	cr_assert(holds_by(pid_is_gone, &away));
	cr_assert(holds_by(spool_is_gone, NULL));
	proc_free(w);
}

/* The pid of the guardian: the child of the agent that is called so. */
static pid_t guardian_of(pid_t agent)
{
	char path[100], name[64];
	DIR *d = opendir("/proc");
	struct dirent *e;
	pid_t found = 0;

	while (found == 0 && (e = readdir(d)) != NULL) {
		int parent = 0;
		char *text;

		snprintf(path, sizeof(path), "/proc/%.20s/stat", e->d_name);
		text = file_read(path, NULL);
		if (text != NULL && sscanf(text, "%*d (%60[^)]) %*c %d", name, &parent) == 2 && parent == agent &&
		    strcmp(name, "sched-guard") == 0)
			found = (pid_t)strtol(e->d_name, NULL, 10);
		mem_free(text);
	}
	closedir(d);
	return found;
}

static pid_t first_guardian;

static int has_new_guardian(const void *arg)
{
	pid_t now = guardian_of(*(const pid_t *)arg);

	return now != 0 && now != first_guardian;
}

/* Several tasks that kill their agent: the scheduler has to hear which one had started, or it will be so for ever. */
Test(worker_life, killed_by_a_task_that_was_tried_before)
{
	struct proc *w = fake_worker(f, (const char *const[]){"--slots", "4", NULL});
	struct column_writer task, attempt;
	struct msg_tasks_assign m = {.job = 1};
	const struct msg_tasks_running *running;
	struct column_reader r;

	fake_accept(f);
	fake_define_shell(f, 1, 4, "kill -9 $PPID; exec sleep 1000");
	column_writer_init(&task);
	column_writer_init(&attempt);
	for (uint64_t i = 0; i < 4; i++) {
		column_put(&task, i);
		column_put(&attempt, 1);
	}
	m.task = column_of(&task);
	m.attempt = column_of(&attempt);
	raw_send(f->raw, MSG_tasks_assign, &m);
	column_writer_fini(&task);
	column_writer_fini(&attempt);
	running = &raw_expect(f->raw, MSG_tasks_running)->u.tasks_running;
	cr_assert_eq(running->task.count, 1);
	column_read(&r, &running->task);
	cr_assert_eq(column_next(&r), 0);
	cr_assert_eq(proc_wait_exit(w, PROC_DEADLINE_MS), 128 + SIGKILL);
	proc_free(w);
}

Test(worker_life, another_guardian_when_one_dies)
{
	struct proc *w = fake_worker(f, NULL);
	pid_t agent = proc_pid(w);

	fake_accept(f);
	first_guardian = 0;
	cr_assert(holds_by(has_new_guardian, &agent));
	first_guardian = guardian_of(agent);
	kill(first_guardian, SIGKILL);
	cr_assert(holds_by(has_new_guardian, &agent));
	kill(agent, SIGKILL);
	cr_assert(holds_by(spool_is_gone, NULL));
	proc_free(w);
}

/* What is left of a task's group when its first process ends goes with it. */
Test(worker_life, group_ends_with_its_leader)
{
	struct proc *w = fake_worker(f, NULL);
	pid_t pid;

	fake_accept(f);
	fake_define_shell(f, 1, 1, "sleep 1000 & echo $! > pid; echo done");
	fake_assign(f, 1, 0, 0, 1);
	fake_wait_done(f, 1, 1);
	pid = pid_from("pid");
	cr_assert(holds_by(pid_is_gone, &pid));
	end_gracefully(w);
}
