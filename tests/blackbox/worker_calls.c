/* worker_calls.c - function slots of a real sched-worker: results, failures, crashes, limits, many calls at a time. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/support/cluster.h"
#include "tests/support/fake_scheduler.h"

static struct fake_scheduler *f;
static struct proc *worker;
static char module[1024];

static void start(void)
{
	snprintf(module, sizeof(module), "%s/modules/probe.so", getenv("SCHED_TESTS"));
	f = fake_start();
	worker = fake_worker(f, NULL);
	fake_accept(f);
}

static void stop(void)
{
	proc_signal(worker, SIGTERM);
	cr_assert_eq(proc_wait_exit(worker, PROC_DEADLINE_MS), 0, "%s", proc_stderr(worker));
	proc_free(worker);
	fake_stop(f);
}

TestSuite(worker_calls, .init = start, .fini = stop);

/* A group of job 1 that calls a function of the module with one argument. */
static void define_of(const char *from, uint64_t group, const char *function, uint64_t first, uint64_t n,
		      uint64_t limit_ms)
{
	struct slice arg = slice_of("argument");
	struct msg_body_call b = {.module = slice_of(from), .function = slice_of(function), .args = {&arg, 1}};
	char name[32];

	snprintf(name, sizeof(name), "g%u", (unsigned)group);
	buf_reset(&f->body);
	cr_assert(msg_encode(&f->body, MSG_body_call, &b, NULL) == SC_OK);
	fake_define(f, &(struct msg_group_define){
			       .job = 1,
			       .group = group,
			       .name = slice_of(name),
			       .first_task = first,
			       .n_tasks = n,
			       .index_step = 1,
			       .kind = KIND_CALL,
			       .body = {(const char *)f->body.data, f->body.len},
			       .time_limit_ms = limit_ms,
			       .job_name = slice_of("job"),
		       });
}

static void call(uint64_t group, const char *function, uint64_t first, uint64_t n)
{
	define_of(module, group, function, first, n, 0);
	fake_assign(f, 1, group, first, n);
}

static void expect_result(uint64_t task, const char *wanted)
{
	char *got = fake_fetch(f, 1, task, 0, NULL);

	cr_assert_str_eq(got, wanted);
	mem_free(got);
}

static void expect_failed(unsigned cause, uint64_t status, const char *wanted)
{
	const struct msg_task_failed *m = &raw_expect(f->raw, MSG_task_failed)->u.task_failed;

	cr_assert_eq(m->cause, cause, "cause %u: %.*s", (unsigned)m->cause, (int)m->text.n, m->text.p);
	cr_assert_eq(m->status, status, "status %u", (unsigned)m->status);
	cr_assert(memmem(m->text.p, m->text.n, wanted, strlen(wanted)) != NULL, "'%.*s'", (int)m->text.n, m->text.p);
}

Test(worker_calls, result_and_identity)
{
	call(0, "echo", 0, 1);
	call(1, "describe", 1, 3);
	fake_wait_done(f, 1, 4);
	expect_result(0, "argument");
	expect_result(2, "1 g1-1 1  0");
}

Test(worker_calls, failures)
{
	call(0, "fails", 0, 1);
	expect_failed(FAIL_FUNCTION, 1, "no luck with g0");
	call(1, "fails_plainly", 1, 1);
	expect_failed(FAIL_FUNCTION, 7, "function fails_plainly returned 7");
}

Test(worker_calls, missing_symbol_and_module)
{
	call(0, "nosuch", 0, 1);
	expect_failed(FAIL_MODULE, 0, "nosuch");
	define_of("/no/such/module.so", 1, "f", 1, 1, 0);
	fake_assign(f, 1, 1, 1, 1);
	expect_failed(FAIL_MODULE, 0, "/no/such/module.so");
}

Test(worker_calls, crash_costs_its_own_task)
{
	call(0, "crashes", 0, 1);
	expect_failed(FAIL_CRASH, SIGSEGV, "killed by signal 11 (SIGSEGV) in function crashes of module");
	call(1, "exits", 1, 1);
	expect_failed(FAIL_CRASH, 3, "ended with exit code 3 in function exits");
	call(2, "echo", 2, 1);
	fake_wait_done(f, 1, 1);
}

Test(worker_calls, crash_among_many)
{
	size_t done = 0, failed = 0;

	call(0, "crashes_once", 0, 20000);
	while (done + failed < 20000) {
		const struct msg *m = raw_receive(f->raw, PROC_DEADLINE_MS);

		cr_assert(m != NULL, "%zu done, %zu failed", done, failed);
		if (m->type == MSG_tasks_done)
			done += m->u.tasks_done.task.count;
		if (m->type != MSG_task_failed)
			continue;
		cr_assert_eq(m->u.task_failed.task, 100);
		cr_assert_eq(m->u.task_failed.cause, FAIL_CRASH);
		failed++;
	}
	cr_assert_eq(failed, 1);
}

Test(worker_calls, time_limit_and_cancel)
{
	const struct msg *m;

	define_of(module, 0, "hangs", 0, 1, 100);
	fake_assign(f, 1, 0, 0, 1);
	expect_failed(FAIL_TIMEOUT, SIGKILL, "time limit of 0.100 s");
	call(1, "hangs", 1, 2);
	raw_expect(f->raw, MSG_tasks_running);
	fake_cancel(f, 1, 1);
	m = raw_expect(f->raw, MSG_tasks_cancelled);
	cr_assert_eq(m->u.tasks_cancelled.task.count, 1);
	call(2, "echo", 3, 10);
	fake_wait_done(f, 1, 10);
	fake_cancel(f, 1, 2);
	raw_expect(f->raw, MSG_tasks_cancelled);
}

Test(worker_calls, large_results_as_inputs)
{
	struct column_writer w[5];
	struct slice holder;
	struct msg_tasks_assign m = {.job = 1, .group = 2};
	char *got;
	size_t n;

	call(0, "large", 0, 1);
	call(1, "echo", 1, 1);
	fake_wait_done(f, 1, 2);
	define_of(module, 2, "joins", 2, 1, 0);
	for (int i = 0; i < 5; i++)
		column_writer_init(&w[i]);
	column_put(&w[0], 2);
	column_put(&w[1], 2);
	column_put(&w[2], 0);
	column_put(&w[2], 1);
	column_put(&w[3], 3000000);
	column_put(&w[3], 8);
	column_put(&w[4], 1);
	column_put(&w[4], 1);
	holder = slice_of(f->data_address);
	m.task = column_of(&w[0]);
	m.n_inputs = column_of(&w[1]);
	m.input = column_of(&w[2]);
	m.input_bytes = column_of(&w[3]);
	m.input_holder = column_of(&w[4]);
	m.holders = (struct slices){&holder, 1};
	raw_send(f->raw, MSG_tasks_assign, &m);
	fake_wait_done(f, 1, 1);
	got = fake_fetch(f, 1, 2, 0, &n);
	cr_assert_eq(n, 3 + 3000000 + 3 + 8);
	cr_assert(memcmp(got, "g0=xxx", 6) == 0);
	cr_assert_str_eq(got + 3000003, "g1=argument");
	mem_free(got);
	for (int i = 0; i < 5; i++)
		column_writer_fini(&w[i]);
}

Test(worker_calls, processes_are_reused)
{
	char *first, *second;

	call(0, "same_process", 0, 1);
	fake_wait_done(f, 1, 1);
	call(1, "same_process", 1, 1);
	fake_wait_done(f, 1, 1);
	first = fake_fetch(f, 1, 0, 0, NULL);
	second = fake_fetch(f, 1, 1, 0, NULL);
	cr_assert_eq(strtol(first, NULL, 10), strtol(second, NULL, 10));
	cr_assert(strstr(first, " 1") != NULL);
	cr_assert(strstr(second, " 2") != NULL);
	mem_free(first);
	mem_free(second);
}
