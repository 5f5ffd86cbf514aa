/*
 * worker_ahead.c - a real sched-worker under a fake scheduler, with one slot: short tasks of a group are prepared
 * behind the one that runs.  Who starts, who does not, and what is told of them is as if they were not.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/support/cluster.h"
#include "tests/support/fake_scheduler.h"

#define QUICK 10u /* tasks that end at once, so that the group counts as short; the others see to it themselves */

static struct fake_scheduler *f;
static struct proc *worker;
static char gate[600], begun[600]; /* named pipes: tasks wait at the one, and say that they run at the other */

static void start(void)
{
	f = fake_start();
	worker = fake_worker(f, (const char *const[]){"--slots", "1", "--set", "worker.kill-delay=50ms", NULL});
	fake_accept(f);
	snprintf(gate, sizeof(gate), "%s/gate", f->dir);
	snprintf(begun, sizeof(begun), "%s/begun", f->dir);
	cr_assert_eq(mkfifo(gate, 0600) + mkfifo(begun, 0600), 0);
}

static void stop(void)
{
	proc_signal(worker, SIGTERM);
	cr_assert_eq(proc_wait_exit(worker, PROC_DEADLINE_MS), 0, "%s", proc_stderr(worker));
	proc_free(worker);
	fake_stop(f);
}

TestSuite(worker_ahead, .init = start, .fini = stop, .timeout = 60);

/* A group of n tasks; from number QUICK on they run `line`. */
static void define(uint64_t n, const char *line, uint64_t limit_ms, const char *stdout_path)
{
	struct slice argv[] = {slice_of("sh"), slice_of("-c"), {NULL, 0}};
	char text[1000];

	snprintf(text, sizeof(text), "test $SCHED_INDEX -ge %u || exit 0; %s", QUICK, line);
	argv[2] = slice_of(text);
	fake_define(f, &(struct msg_group_define){
			       .job = 1,
			       .name = slice_of("t"),
			       .n_tasks = n,
			       .index_step = 1,
			       .kind = KIND_EXEC,
			       .time_limit_ms = limit_ms,
			       .body = fake_exec_body(f, &(struct msg_body_exec){.argv = {argv, 3},
										 .cwd = slice_of(f->dir),
										 .stdout_path = slice_of(stdout_path),
										 .substitute = stdout_path[0] != '\0'}),
		       });
	fake_assign(f, 1, 0, 0, QUICK);
	fake_wait_done(f, 1, QUICK);
}

/* Until a task that says so runs. */
static void wait_begun(void)
{
	int fd = open(begun, O_RDONLY | O_CLOEXEC);
	char c;

	cr_assert_eq(read(fd, &c, 1), 1);
	close(fd);
}

static void open_gate(void)
{
	close(open(gate, O_WRONLY | O_CLOEXEC));
}

static void withdraw(uint64_t first, uint64_t n)
{
	struct msg_tasks_cancel m = {.job = 1, .unstarted = 1};
	struct column_writer w;

	column_writer_init(&w);
	for (uint64_t i = 0; i < n; i++)
		column_put(&w, first + i);
	m.task = column_of(&w);
	raw_send(f->raw, MSG_tasks_cancel, &m);
	column_writer_fini(&w);
}

static void expect_cancelled(size_t wanted)
{
	size_t n = 0;

	while (n < wanted)
		n += raw_expect(f->raw, MSG_tasks_cancelled)->u.tasks_cancelled.task.count;
	cr_assert_eq(n, wanted);
}

/* Before the agent has heard that it runs; and it does not want to end. */
Test(worker_ahead, one_that_started_unseen_is_stopped)
{
	define(1000, "trap '' TERM; echo > begun; while :; do sleep 1000; done", 0, "");
	for (uint64_t i = 0; i < 40; i++) {
		fake_assign(f, 1, 0, QUICK + i, 1);
		wait_begun();
		fake_cancel(f, 1, QUICK + i);
		expect_cancelled(1);
		fake_assign(f, 1, 0, i % QUICK, 1); /* something short, to be followed by the next */
	}
	fake_define_plain(f, 2, 0, KIND_NOOP, 0, 1);
	fake_assign(f, 2, 0, 0, 1);
	fake_wait_done(f, 2, 1);
}

Test(worker_ahead, what_waits_behind_a_long_one_can_be_had_back)
{
	char *text;

	define(100, "echo > begun; read x < gate; echo $SCHED_INDEX", 0, "");
	fake_assign(f, 1, 0, QUICK, 5);
	wait_begun();
	withdraw(QUICK, 5); /* the one that runs stays */
	expect_cancelled(4);
	open_gate();
	fake_wait_done(f, 1, 1);
	text = fake_fetch(f, 1, QUICK, 0, NULL);
	cr_assert_str_eq(text, "10\n");
	mem_free(text);
}

/* Those behind the one that waits as well, whether they are still ahead or went back into the queue. */
Test(worker_ahead, all_run_in_order_in_the_end)
{
	char path[600], *order;

	snprintf(path, sizeof(path), "%s/order", f->dir);
	define(100, "test $SCHED_INDEX -ne 15 || { echo > begun; read x < gate; }; echo $SCHED_INDEX >> order", 0, "");
	fake_assign(f, 1, 0, QUICK, 20);
	wait_begun();
	open_gate();
	fake_wait_done(f, 1, 20);
	order = file_read(path, NULL);
	cr_assert_str_eq(order, "10\n11\n12\n13\n14\n15\n16\n17\n18\n19\n20\n21\n22\n23\n24\n25\n26\n27\n28\n29\n");
	mem_free(order);
}

Test(worker_ahead, files_of_those_that_never_start_stay_as_they_are)
{
	char name[600], *text;

	define(100, "echo > begun; cat gate", 0, "out-{index}");
	for (unsigned i = QUICK; i < QUICK + 5; i++) {
		snprintf(name, sizeof(name), "%s/out-%u", f->dir, i);
		close(open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		cr_assert_eq(truncate(name, 7), 0);
	}
	fake_assign(f, 1, 0, QUICK, 5);
	wait_begun();
	withdraw(QUICK, 5);
	expect_cancelled(4);
	for (unsigned i = QUICK; i < QUICK + 5; i++) {
		size_t n = 0;

		snprintf(name, sizeof(name), "%s/out-%u", f->dir, i);
		text = file_read(name, &n);
		cr_assert_eq(n, i == QUICK ? 0 : 7, "%u: %zu", i, n);
		mem_free(text);
	}
	open_gate();
	fake_wait_done(f, 1, 1);
}

/* More than a pipe holds, which nobody empties before it is known that the task runs. */
Test(worker_ahead, much_output_among_little)
{
	size_t n;

	define(400, "test $((SCHED_INDEX % 7)) -ne 0 || head -c 300000 /dev/zero; echo end", 0, "");
	fake_assign(f, 1, 0, QUICK, 390);
	fake_wait_done(f, 1, 390);
	for (uint64_t i = QUICK; i < 400; i++) {
		mem_free(fake_fetch(f, 1, i, 0, &n));
		cr_assert_eq(n, i % 7 == 0 ? 300004 : 4);
	}
}

Test(worker_ahead, a_time_limit_counts_from_the_start)
{
	const struct msg *m;

	define(100, "test $SCHED_INDEX -ne 14 || exec sleep 1000", 200, "");
	fake_assign(f, 1, 0, QUICK, 10);
	m = raw_expect(f->raw, MSG_task_failed);
	cr_assert_eq(m->u.task_failed.task, 14);
	cr_assert_eq(m->u.task_failed.cause, FAIL_TIMEOUT);
	cr_assert_geq(m->u.task_failed.elapsed_us, 200000);
}
