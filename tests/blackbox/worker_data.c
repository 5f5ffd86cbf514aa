/* worker_data.c - results of real sched-workers: kept, spilled, refused when too much, moved from one to the other. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "net/handshake.h"
#include "tests/support/cluster.h"
#include "tests/support/fake_scheduler.h"

/* Two workers under two fakes: the second takes inputs from the first. */
static struct fake_scheduler *f, *g;
static struct proc *holder, *taker;

static void start(void)
{
	f = fake_start();
	g = fake_start();
	holder = fake_worker(f, (const char *const[]){"--set", "worker.output-memory=16KiB", "--set",
						      "worker.result-memory=64KiB", "--set", "worker.output-max=4MiB",
						      NULL});
	taker = fake_worker(g, (const char *const[]){"--set", "worker.fetch-timeout=500ms", NULL});
	fake_accept(f);
	fake_accept(g);
}

static void end(struct proc *w)
{
	proc_signal(w, SIGTERM);
	cr_assert_eq(proc_wait_exit(w, PROC_DEADLINE_MS), 0, "%s", proc_stderr(w));
	proc_free(w);
}

static void stop(void)
{
	end(holder);
	end(taker);
	fake_stop(f);
	fake_stop(g);
}

TestSuite(worker_data, .init = start, .fini = stop);

/* Task `task` of group 1 of job 1 at the taker, with inputs first..first+n-1, each of so many bytes, held at an
 * address. */
static void assign_with_inputs(uint64_t task, uint64_t first, uint64_t n, uint64_t bytes, const char *address)
{
	struct column_writer w[5];
	struct slice at = slice_of(address);
	struct msg_tasks_assign m = {.job = 1, .group = 1, .holders = {&at, 1}};

	for (int i = 0; i < 5; i++)
		column_writer_init(&w[i]);
	column_put(&w[0], task);
	column_put(&w[1], n);
	for (uint64_t i = 0; i < n; i++) {
		column_put(&w[2], first + i);
		column_put(&w[3], bytes);
		column_put(&w[4], 1);
	}
	m.task = column_of(&w[0]);
	m.n_inputs = column_of(&w[1]);
	m.input = column_of(&w[2]);
	m.input_bytes = column_of(&w[3]);
	m.input_holder = column_of(&w[4]);
	raw_send(g->raw, MSG_tasks_assign, &m);
	for (int i = 0; i < 5; i++)
		column_writer_fini(&w[i]);
}

/* Groups of job 1 as the taker knows them: n inputs, then tasks that run a line. */
static void define_taker(uint64_t n, const char *line, uint64_t stdin_group)
{
	struct slice argv[] = {slice_of("/bin/sh"), slice_of("-c"), slice_of(line)};

	fake_define_plain(g, 1, 0, KIND_NOOP, 0, n);
	fake_define(g, &(struct msg_group_define){
			       .job = 1,
			       .group = 1,
			       .name = slice_of("taker"),
			       .first_task = n,
			       .n_tasks = 10,
			       .index_step = 1,
			       .kind = KIND_EXEC,
			       .body = fake_exec_body(
				       g, &(struct msg_body_exec){.argv = {argv, 3}, .stdin_group = stdin_group}),
			       .job_name = slice_of("job"),
		       });
}

static void expect_result(struct fake_scheduler *at, uint64_t task, const char *wanted)
{
	char *got = fake_fetch(at, 1, task, 0, NULL);

	cr_assert_str_eq(got, wanted);
	mem_free(got);
}

Test(worker_data, many_results_over_the_memory_share)
{
	fake_define_shell(f, 1, 40, "head -c 10000 /dev/zero | tr '\\0' \"$((SCHED_INDEX % 10))\"");
	fake_assign(f, 1, 0, 0, 40);
	fake_wait_done(f, 1, 40);
	for (unsigned i = 0; i < 40; i++) {
		size_t n;
		char *got = fake_fetch(f, 1, i, 0, &n);

		cr_assert_eq(n, 10000);
		cr_assert_eq((size_t)(got[0] - '0'), i % 10);
		mem_free(got);
	}
}

Test(worker_data, output_over_the_limit_fails_the_task)
{
	const struct msg_task_failed *m;

	fake_define_shell(f, 1, 1, "exec cat /dev/zero");
	fake_assign(f, 1, 0, 0, 1);
	m = &raw_expect(f->raw, MSG_task_failed)->u.task_failed;
	cr_assert_eq(m->cause, FAIL_OUTPUT);
	cr_assert(memmem(m->text.p, m->text.n, "worker.output-max", 17) != NULL);
	cr_assert_eq(m->result_bytes, 4u << 20);
}

Test(worker_data, dropped_results_are_gone)
{
	struct column_writer w;
	struct msg_results_drop drop = {.job = 1};
	struct msg_data_get get = {.request = 5, .job = 1, .task = 0, .max_bytes = 100};
	struct raw *r;
	const struct msg *m;

	fake_define_shell(f, 1, 2, "echo x");
	fake_assign(f, 1, 0, 0, 2);
	fake_wait_done(f, 1, 2);
	column_writer_init(&w);
	column_put(&w, 0);
	drop.task = column_of(&w);
	raw_send(f->raw, MSG_results_drop, &drop);
	column_writer_fini(&w);
	fake_define_plain(f, 2, 0, KIND_NOOP, 0, 1); /* answered after the drop */
	fake_assign(f, 2, 0, 0, 1);
	fake_wait_done(f, 2, 1);
	r = raw_connect(f->data_address);
	raw_hello(r, ROLE_PEER, FAKE_DATA_SECRET);
	raw_send(r, MSG_data_get, &get);
	m = raw_expect(r, MSG_error);
	cr_assert_eq(m->u.error.request, 5);
	cr_assert_eq(m->u.error.code, SC_NOT_FOUND);
	raw_free(r);
	expect_result(f, 1, "x\n");
}

Test(worker_data, data_port_wants_its_secret)
{
	struct msg_hello h = {.version_min = 1,
			      .version_max = 1,
			      .role = slice_of(ROLE_PEER),
			      .secret = slice_of("guess"),
			      .software = slice_of("test")};
	struct raw *r = raw_connect(f->data_address);

	raw_send(r, MSG_hello, &h);
	raw_expect_refused(r, SC_AUTH);
	raw_free(r);
}

Test(worker_data, inputs_as_files_and_as_stdin)
{
	fake_define_shell(f, 1, 3, "echo part $SCHED_INDEX");
	fake_assign(f, 1, 0, 0, 3);
	fake_wait_done(f, 1, 3);
	define_taker(3, "cat; ls $SCHED_INPUTS; cat $SCHED_INPUTS/g0-2", 1);
	assign_with_inputs(3, 0, 3, 7, f->data_address);
	assign_with_inputs(4, 0, 3, 7, f->data_address);
	fake_wait_done(g, 1, 2);
	expect_result(g, 3, "part 0\npart 1\npart 2\ng0-0\ng0-1\ng0-2\npart 2\n");
	expect_result(g, 4, "part 0\npart 1\npart 2\ng0-0\ng0-1\ng0-2\npart 2\n");
}

Test(worker_data, large_input_in_parts)
{
	fake_define_shell(f, 1, 2, "head -c 3500000 /dev/zero | tr '\\0' z");
	fake_assign(f, 1, 0, 0, 2);
	fake_wait_done(f, 1, 2);
	define_taker(2, "wc -c; tr -d z < $SCHED_INPUTS/g0-1 | wc -c", 1);
	assign_with_inputs(2, 0, 2, 3500000, f->data_address);
	fake_wait_done(g, 1, 1);
	expect_result(g, 2, "7000000\n0\n");
}

/* So many that they are written over several turns, in which others are served. */
Test(worker_data, thousands_of_inputs)
{
	define_taker(30000, "ls $SCHED_INPUTS | wc -l", 0);
	assign_with_inputs(30000, 0, 30000, 0, f->data_address);
	assign_with_inputs(30001, 0, 30000, 0, f->data_address);
	fake_cancel(g, 1, 30001);
	raw_expect(g->raw, MSG_tasks_cancelled);
	fake_wait_done(g, 1, 1);
	expect_result(g, 30000, "30000\n");
}

/* More than is copied: written into a pipe while the task reads, or does not. */
Test(worker_data, large_stdin_that_is_not_read_to_its_end)
{
	fake_define_shell(f, 1, 2, "head -c 3500000 /dev/zero | tr '\\0' z");
	fake_assign(f, 1, 0, 0, 2);
	fake_wait_done(f, 1, 2);
	define_taker(2, "head -c 3", 1);
	assign_with_inputs(2, 0, 2, 3500000, f->data_address);
	fake_wait_done(g, 1, 1);
	expect_result(g, 2, "zzz");
}

/* The scheduler goes away while a task is being fed: its jobs are forgotten before the task has ended. */
Test(worker_data, scheduler_lost_under_a_large_stdin)
{
	fake_define_shell(f, 1, 2, "head -c 3500000 /dev/zero | tr '\\0' z");
	fake_assign(f, 1, 0, 0, 2);
	fake_wait_done(f, 1, 2);
	define_taker(2, "exec sleep 1000", 1);
	assign_with_inputs(2, 0, 2, 3500000, f->data_address);
	raw_expect(g->raw, MSG_tasks_running);
	raw_free(g->raw);
	g->raw = NULL;
	fake_accept(g);
	define_taker(2, "wc -c", 1);
	assign_with_inputs(2, 0, 2, 3500000, f->data_address);
	fake_wait_done(g, 1, 1);
	expect_result(g, 2, "7000000\n");
}

/* What the taker cannot keep is no reason to blame the holder: the input would be computed again and again. */
/* At no moment is one of the names free: a worker makes a directory that is not there again. */
static void exchange(const char *a, const char *b)
{
	cr_assert_eq(renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE), 0, "%s", strerror(errno));
}

Test(worker_data, no_room_for_an_input)
{
	const struct msg_task_failed *m;
	char pattern[600], away[600];
	glob_t found;

	fake_define_shell(f, 1, 1, "head -c 100000 /dev/zero");
	fake_assign(f, 1, 0, 0, 1);
	fake_wait_done(f, 1, 1);
	snprintf(pattern, sizeof(pattern), "%s/sched-worker-*", g->dir);
	cr_assert_eq(glob(pattern, 0, NULL, &found), 0);
	cr_assert_eq(found.gl_pathc, 1);
	snprintf(away, sizeof(away), "%s/away", g->dir);
	cr_assert_eq(fclose(fopen(away, "w")), 0);
	exchange(found.gl_pathv[0], away);
	define_taker(1, "wc -c", 1);
	assign_with_inputs(1, 0, 1, 100000, f->data_address);
	m = &raw_expect(g->raw, MSG_task_failed)->u.task_failed;
	cr_assert_eq(m->cause, FAIL_SPAWN);
	cr_assert_eq(m->status, ENOTDIR);
	cr_assert(memmem(m->text.p, m->text.n, "input 'g0'", 10) != NULL, "%.*s", (int)m->text.n, m->text.p);
	exchange(found.gl_pathv[0], away);
	assign_with_inputs(1, 0, 1, 100000, f->data_address);
	fake_wait_done(g, 1, 1);
	expect_result(g, 1, "100000\n");
	globfree(&found);
}

static void expect_missing(uint64_t task, uint64_t input, const char *address)
{
	const struct msg_inputs_missing *m = &raw_expect(g->raw, MSG_inputs_missing)->u.inputs_missing;
	struct column_reader r;

	cr_assert_eq(m->task, task);
	cr_assert_eq(m->input.count, 1);
	column_read(&r, &m->input);
	cr_assert_eq(column_next(&r), input);
	cr_assert(slice_is(m->holders.v[0], address));
}

Test(worker_data, missing_inputs_are_named)
{
	define_taker(4, "cat", 1);
	assign_with_inputs(4, 1, 1, 7, f->data_address); /* not held there */
	expect_missing(4, 1, f->data_address);
	assign_with_inputs(5, 2, 1, 7, "tcp://127.0.0.1:1"); /* nobody there */
	expect_missing(5, 2, "tcp://127.0.0.1:1");
	assign_with_inputs(6, 3, 1, 7, g->data_address); /* ourselves, who do not have it */
	expect_missing(6, 3, g->data_address);
	assign_with_inputs(7, 0, 1, 7, g->address); /* lets one in, says nothing */
	expect_missing(7, 0, g->address);
}
