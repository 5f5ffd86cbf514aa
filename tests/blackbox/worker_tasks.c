/* worker_tasks.c - a real sched-worker under a fake scheduler: what tasks see, how they end, what is told of them. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/support/cluster.h"
#include "tests/support/fake_scheduler.h"

static struct fake_scheduler *f;
static struct proc *worker;

static void start(const char *const *args)
{
	f = fake_start();
	worker = fake_worker(f, args);
	fake_accept(f);
}

static void stop(void)
{
	proc_signal(worker, SIGTERM);
	cr_assert_eq(proc_wait_exit(worker, PROC_DEADLINE_MS), 0, "%s", proc_stderr(worker));
	proc_free(worker);
	fake_stop(f);
}

static void start_plain(void)
{
	start(NULL);
}

TestSuite(worker_tasks, .init = start_plain, .fini = stop);

static const struct msg_task_failed *expect_failed(unsigned cause)
{
	const struct msg *m = raw_expect(f->raw, MSG_task_failed);

	cr_assert_eq(m->u.task_failed.cause, cause, "cause %u: %.*s", (unsigned)m->u.task_failed.cause,
		     (int)m->u.task_failed.text.n, m->u.task_failed.text.p);
	return &m->u.task_failed;
}

static void expect_text(struct slice text, const char *wanted)
{
	cr_assert(memmem(text.p, text.n, wanted, strlen(wanted)) != NULL, "'%.*s' does not contain '%s'", (int)text.n,
		  text.p, wanted);
}

static void expect_result(uint64_t job, uint64_t task, const char *wanted)
{
	char *got = fake_fetch(f, job, task, 0, NULL);

	cr_assert_str_eq(got, wanted);
	mem_free(got);
}

Test(worker_tasks, registers_and_says_ready)
{
	const char *line = proc_wait_line(worker, "ready ", PROC_DEADLINE_MS);
	char *name = proc_ready_value(line, "name"), *address = proc_ready_value(line, "address");

	cr_assert_str_eq(name, "w1");
	cr_assert_str_eq(address, f->data_address);
	cr_assert_str_eq(f->resources, "cpus=2");
	mem_free(name);
	mem_free(address);
}

Test(worker_tasks, answers_every_noop_once)
{
	fake_define_plain(f, 1, 0, KIND_NOOP, 0, 100000);
	fake_assign(f, 1, 0, 0, 100000);
	fake_wait_done(f, 1, 100000);
}

Test(worker_tasks, output_is_the_result)
{
	fake_define_shell(f, 1, 3, "echo out of $SCHED_KEY; echo err >&2");
	fake_assign(f, 1, 0, 0, 3);
	fake_wait_done(f, 1, 3);
	expect_result(1, 2, "out of t-2\n");
}

Test(worker_tasks, environment_and_directory)
{
	fake_define_shell(f, 7, 5,
			  "echo $SCHED_JOB_ID $SCHED_JOB_NAME $SCHED_KEY $SCHED_INDEX $SCHED_ATTEMPT $SCHED_CPUS "
			  "$SCHED_RESOURCE_CPUS $SCHED_ROLE $SCHED_ACCESS_FILE; pwd");
	fake_assign(f, 7, 0, 4, 1);
	fake_wait_done(f, 7, 1);
	{
		char *got = fake_fetch(f, 7, 4, 0, NULL), wanted[2048];

		snprintf(wanted, sizeof(wanted), "7 job t-4 4 0 1 1 worker-client %s\n%s\n", f->access_file, f->dir);
		cr_assert_str_eq(got, wanted);
		mem_free(got);
	}
}

Test(worker_tasks, failure_tells_code_and_stderr)
{
	const struct msg_task_failed *m;

	fake_define_shell(f, 1, 1, "echo kept; echo why >&2; exit 3");
	fake_assign(f, 1, 0, 0, 1);
	m = expect_failed(FAIL_EXIT);
	cr_assert_eq(m->status, 3);
	expect_text(m->text, "exit code 3");
	expect_text(m->stderr_tail, "why\n");
	cr_assert_eq(m->result_bytes, 5);
	expect_result(1, 0, "kept\n");
}

Test(worker_tasks, signal_is_named)
{
	const struct msg_task_failed *m;

	fake_define_shell(f, 1, 1, "kill -SEGV $$");
	fake_assign(f, 1, 0, 0, 1);
	m = expect_failed(FAIL_SIGNAL);
	cr_assert_eq(m->status, SIGSEGV);
	expect_text(m->text, "killed by signal 11 (SIGSEGV)");
}

static void run_body(const struct msg_body_exec *b)
{
	fake_define(f, &(struct msg_group_define){
			       .job = 1,
			       .name = slice_of("t"),
			       .n_tasks = 1,
			       .kind = KIND_EXEC,
			       .body = fake_exec_body(f, b),
		       });
	fake_assign(f, 1, 0, 0, 1);
}

Test(worker_tasks, unknown_command_and_directory)
{
	struct slice argv[] = {slice_of("nosuch-command")};
	const struct msg_task_failed *m;

	run_body(&(struct msg_body_exec){.argv = {argv, 1}, .cwd = slice_of(f->dir)});
	m = expect_failed(FAIL_SPAWN);
	expect_text(m->text, "cannot run 'nosuch-command': No such file or directory");
}

Test(worker_tasks, unknown_directory)
{
	struct slice argv[] = {slice_of("true")};
	const struct msg_task_failed *m;

	run_body(&(struct msg_body_exec){.argv = {argv, 1}, .cwd = slice_of("/no/such/dir")});
	m = expect_failed(FAIL_SPAWN);
	expect_text(m->text, "cannot enter directory '/no/such/dir': No such file or directory");
}

Test(worker_tasks, unknown_stdin)
{
	struct slice argv[] = {slice_of("cat")};
	const struct msg_task_failed *m;

	run_body(&(struct msg_body_exec){.argv = {argv, 1}, .cwd = slice_of(f->dir), .stdin_path = slice_of("absent")});
	m = expect_failed(FAIL_SPAWN);
	expect_text(m->text, "absent': No such file or directory");
}

Test(worker_tasks, stdin_bytes_and_large_output)
{
	struct slice argv[] = {slice_of("cat")};
	size_t n;
	char *text = mem_malloc(3000001), *got;

	memset(text, 'x', 3000000);
	text[3000000] = '\0';
	run_body(&(struct msg_body_exec){.argv = {argv, 1}, .stdin_bytes = slice_of(text)});
	fake_wait_done(f, 1, 1);
	got = fake_fetch(f, 1, 0, 0, &n);
	cr_assert_eq(n, 3000000);
	cr_assert_str_eq(got, text);
	mem_free(got);
	mem_free(text);
}

Test(worker_tasks, output_patterns_make_directories)
{
	struct slice argv[] = {slice_of("echo"), slice_of("{key}")};
	char path[600], *got;

	run_body(&(struct msg_body_exec){
		.argv = {argv, 2},
		.cwd = slice_of(f->dir),
		.stdout_path = slice_of("out/{job}/{index}.txt"),
		.substitute = 1,
	});
	fake_wait_done(f, 1, 1);
	snprintf(path, sizeof(path), "%s/out/1/0.txt", f->dir);
	got = file_read(path, NULL);
	cr_assert_str_eq(got, "t\n");
	mem_free(got);
	expect_result(1, 0, "t\n");
}

Test(worker_tasks, output_that_cannot_be_opened)
{
	struct slice argv[] = {slice_of("true")};
	const struct msg_task_failed *m;

	run_body(&(struct msg_body_exec){
		.argv = {argv, 1}, .cwd = slice_of(f->dir), .stdout_path = slice_of("/proc/x/y")});
	m = expect_failed(FAIL_OUTPUT);
	expect_text(m->text, "cannot write '/proc/x/y'");
}

Test(worker_tasks, bad_body)
{
	fake_define(f, &(struct msg_group_define){
			       .job = 1,
			       .name = slice_of("t"),
			       .n_tasks = 1,
			       .kind = KIND_EXEC,
			       .body = slice_of("garbage"),
		       });
	fake_assign(f, 1, 0, 0, 1);
	expect_failed(FAIL_BODY);
}

Test(worker_tasks, cancel_running_and_queued)
{
	const struct msg *m;
	size_t cancelled = 0;

	fake_define_shell(f, 1, 5, "exec sleep 1000");
	fake_assign(f, 1, 0, 0, 5);
	raw_expect(f->raw, MSG_tasks_running);
	for (uint64_t i = 0; i < 5; i++)
		fake_cancel(f, 1, i);
	while (cancelled < 5) {
		m = raw_expect(f->raw, MSG_tasks_cancelled);
		cancelled += m->u.tasks_cancelled.task.count;
	}
	fake_cancel(f, 1, 0); /* answered already: nothing happens */
	fake_define_plain(f, 2, 0, KIND_NOOP, 0, 1);
	fake_assign(f, 2, 0, 0, 1);
	fake_wait_done(f, 2, 1);
}

Test(worker_tasks, time_limit)
{
	const struct msg_task_failed *m;

	fake_define(f, &(struct msg_group_define){
			       .job = 1,
			       .name = slice_of("t"),
			       .n_tasks = 1,
			       .kind = KIND_EXEC,
			       .body = fake_shell_body(f, "echo started; exec sleep 1000"),
			       .time_limit_ms = 150,
		       });
	fake_assign(f, 1, 0, 0, 1);
	m = expect_failed(FAIL_TIMEOUT);
	cr_assert_eq(m->status, SIGTERM);
	cr_assert_eq(m->result_bytes, 8);
}

Test(worker_tasks, sleep_and_its_limit)
{
	struct msg_body_sleep body = {.duration_us = 20000};

	buf_reset(&f->body);
	msg_encode(&f->body, MSG_body_sleep, &body, NULL);
	fake_define(f, &(struct msg_group_define){
			       .job = 1,
			       .name = slice_of("t"),
			       .n_tasks = 50,
			       .kind = KIND_SLEEP,
			       .body = {(const char *)f->body.data, f->body.len},
			       .request = slice_of("cpus=0.1"),
		       });
	fake_assign(f, 1, 0, 0, 50);
	fake_wait_done(f, 1, 50);
}

Test(worker_tasks, request_that_can_never_be_met)
{
	const struct msg_task_failed *m;

	fake_define(f, &(struct msg_group_define){.job = 1,
						  .name = slice_of("t"),
						  .n_tasks = 1,
						  .kind = KIND_NOOP,
						  .request = slice_of("gpu=1")});
	fake_assign(f, 1, 0, 0, 1);
	m = expect_failed(FAIL_BODY);
	expect_text(m->text, "gpu=1");
}
