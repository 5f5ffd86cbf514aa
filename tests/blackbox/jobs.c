/* jobs.c - the command line against a real scheduler and real workers: jobs from submission to their end. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/support/cluster.h"

static struct cluster *c;

static void start(void)
{
	c = cluster_start(&(struct cluster_spec){.n_workers = 2, .slots = 2});
}

static void stop(void)
{
	cluster_stop(c);
}

TestSuite(jobs, .init = start, .fini = stop);

/* cluster_ctl with an expected exit status; its standard output, owned by the caller. */
#define CTL(wanted_status, ...)                                                                                        \
	({                                                                                                             \
		struct run r_ = cluster_ctl(c, __VA_ARGS__, NULL);                                                     \
		char *out_ = r_.out;                                                                                   \
		cr_assert_eq(r_.status, wanted_status, "status %d\n%s\n%s", r_.status, r_.out, r_.err);                \
		r_.out = NULL;                                                                                         \
		run_free(&r_);                                                                                         \
		out_;                                                                                                  \
	})

static void has(char *text, const char *wanted)
{
	cr_assert_not_null(strstr(text, wanted), "'%s' is not in:\n%s", wanted, text);
	mem_free(text);
}

static void is(char *text, const char *wanted)
{
	cr_assert_str_eq(text, wanted);
	mem_free(text);
}

Test(jobs, an_array_is_run_and_its_output_kept_in_order)
{
	has(CTL(0, "submit", "--wait", "--name", "hello", "--array", "0-9", "--", "sh", "-c", "echo $SCHED_INDEX"),
	    "job 1 submitted: hello, 10 tasks");
	is(CTL(0, "job", "cat", "1"), "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");
	has(CTL(0, "--json", "job", "show", "1"), "\"state\": \"done\"");
	is(CTL(0, "job", "cat", "1", "--task", "hello-7"), "7\n");
}

Test(jobs, lines_of_a_file_are_items)
{
	char *path = cluster_file(c, "lines", "one\ntwo words\n\nfour");

	mem_free(CTL(0, "submit", "--wait", "--each-line", path, "--", "sh", "-c", "echo \"<$SCHED_ITEM>\""));
	is(CTL(0, "job", "cat", "last"), "<one>\n<two words>\n<>\n<four>\n");
	mem_free(path);
}

Test(jobs, what_a_task_sees)
{
	mem_free(CTL(0, "submit", "--wait", "--name", "see", "--array", "5-5", "--cpus", "2", "--env", "MINE=yes", "--",
		     "sh", "-c",
		     "echo $SCHED_JOB_ID $SCHED_KEY $SCHED_INDEX $SCHED_ATTEMPT $SCHED_CPUS $MINE $SCHED_ROLE; pwd"));
	has(CTL(0, "job", "cat", "1"), "1 see-5 5 0 2 yes worker-client\n");
	has(CTL(0, "job", "cat", "1"), c->dir);
}

Test(jobs, output_goes_to_files_named_by_pattern)
{
	char path[4200];

	mem_free(CTL(0, "submit", "--wait", "--array", "1-2", "--stdout", "out/{job}-{index}.txt", "--", "sh", "-c",
		     "echo $SCHED_INDEX"));
	snprintf(path, sizeof(path), "%s/out/1-2.txt", c->dir);
	is(file_read(path, NULL), "2\n");
}

Test(jobs, standard_input_comes_from_a_file)
{
	char *path = cluster_file(c, "in.txt", "from a file\n");

	mem_free(CTL(0, "submit", "--wait", "--stdin", path, "--", "cat"));
	is(CTL(0, "job", "cat", "last"), "from a file\n");
	mem_free(path);
	mem_free(CTL(2, "submit", "--stdin", "-", "--", "cat"));
}

Test(jobs, each_task_reads_a_file_of_its_own)
{
	char *one = cluster_file(c, "in-0", "zero\n"), *other = cluster_file(c, "in-1", "one\n"), *graph;

	mem_free(CTL(0, "submit", "--wait", "--array", "0-1", "--stdin", "in-{index}", "--", "cat"));
	is(CTL(0, "job", "cat", "last"), "zero\none\n");
	/* Items that are absolute paths. */
	cr_assert(asprintf(&graph, "%s\n%s\n", one, other) > 0);
	mem_free(cluster_file(c, "paths", graph));
	free(graph);
	mem_free(CTL(0, "submit", "--wait", "--each-line", "paths", "--stdin", "{item}", "--", "cat"));
	is(CTL(0, "job", "cat", "last"), "zero\none\n");
	cr_assert(asprintf(&graph, "tasks:\n  a: {foreach: '%s/in-*', run: cat, stdin-file: '{item}'}\n", c->dir) > 0);
	mem_free(cluster_file(c, "g.yaml", graph));
	free(graph);
	mem_free(CTL(0, "run", "--no-progress", "g.yaml"));
	is(CTL(0, "job", "cat", "last"), "zero\none\n");
	/* A single task has no items: its braces stay. */
	mem_free(cluster_file(c, "{index}", "braces\n"));
	mem_free(CTL(0, "submit", "--wait", "--stdin", "{index}", "--", "cat"));
	is(CTL(0, "job", "cat", "last"), "braces\n");
	mem_free(one);
	mem_free(other);
}

Test(jobs, a_failing_task_shows_exit_code_and_stderr)
{
	mem_free(CTL(1, "submit", "--wait", "--name", "bad", "--", "sh", "-c", "echo out; echo why >&2; exit 7"));
	has(CTL(0, "--json", "task", "show", "1", "bad"), "\"cause\": \"exit\"");
	has(CTL(0, "--json", "task", "show", "1", "bad"), "\"status\": 7");
	has(CTL(0, "--json", "task", "show", "1", "bad"), "\"stderr_tail\": \"why\\n\"");
	has(CTL(0, "task", "show", "1", "bad"), "exit code 7");
	is(CTL(0, "task", "explain", "1", "bad"), "bad: failed: exit code 7\n"); /* once, and not also "it failed" */
	is(CTL(0, "job", "cat", "1"), "out\n");
	is(CTL(0, "job", "cat", "1", "--stderr"), "why\n");
}

Test(jobs, of_many_failures_the_first_are_shown)
{
	struct run r = cluster_ctl(c, "submit", "--wait", "--no-progress", "--array", "0-29", "--", "sh", "-c",
				   "exit $((SCHED_INDEX % 2))", NULL);

	cr_expect_eq(r.status, 1);
	cr_expect_not_null(strstr(r.err, "  sh-19: exit code 1 (on w"), "%s", r.err);
	cr_expect_not_null(strstr(r.err, "\n  and 5 more failed"), "%s", r.err);
	cr_expect(strstr(r.err, "sh-21") == NULL && strstr(r.err, "/30") == NULL, "%s", r.err);
	run_free(&r);
}

Test(jobs, a_killed_task_shows_its_signal)
{
	mem_free(CTL(1, "submit", "--wait", "--name", "bad", "--", "sh", "-c", "kill -SEGV $$"));
	has(CTL(0, "task", "show", "1", "bad"), "signal 11 (SIGSEGV)");
}

Test(jobs, a_command_that_does_not_exist_fails_with_that_reason)
{
	mem_free(CTL(1, "submit", "--wait", "--name", "bad", "--", "no-such-command"));
	has(CTL(0, "task", "show", "1", "bad"), "cannot run 'no-such-command': No such file or directory");
}

Test(jobs, escape_sequences_in_reasons_do_not_reach_the_terminal)
{
	struct run r = cluster_ctl(c, "submit", "--wait", "--name", "x", "--", "./\033[31mred", NULL);

	cr_expect_eq(r.status, 1);
	cr_expect(strstr(r.err, "?[31mred") != NULL && strchr(r.err, '\033') == NULL, "%s", r.err);
	run_free(&r);
	has(CTL(1, "job", "wait", "1"), "cannot run './?[31mred'");
	has(CTL(0, "task", "explain", "1", "x"), "cannot run './?[31mred'");
}

Test(jobs, a_result_between_tasks_is_dropped_and_not_missed)
{
	struct run r;

	mem_free(cluster_file(c, "g.yaml",
			      "tasks:\n"
			      "  a: {foreach: 0-2, run: 'echo {index}'}\n"
			      "  b: {inputs: [a], stdin: a, run: cat}\n"));
	mem_free(CTL(0, "run", "--no-progress", "g.yaml"));
	r = cluster_ctl(c, "job", "cat", "1", NULL);
	cr_expect_eq(r.status, 0);
	cr_expect_str_eq(r.out, "0\n1\n2\n");
	cr_expect_str_eq(r.err, "3 results were dropped when no task needed them any more\n");
	run_free(&r);
	mem_free(CTL(1, "job", "cat", "1", "--task", "a-1"));
	has(CTL(0, "--json", "job", "cat", "1"), "\"state\": \"released\",\n      \"error\": ");
}

Test(jobs, inputs_without_output_are_empty_files)
{
	char *graph = cluster_file(
		c, "graph.yaml",
		"tasks:\n"
		"  mixed:\n"
		"    foreach: 0-9\n"
		"    run: \"test {index} -lt 8 || echo {index}\"\n"
		"  look:\n"
		"    inputs: [mixed]\n"
		"    run: \"cd $SCHED_INPUTS; find . -type f | wc -l; find . -size 0 | sort | tail -1; cat *\"\n"
		"    output: seen.txt\n");
	char path[4200];

	mem_free(CTL(0, "run", graph));
	snprintf(path, sizeof(path), "%s/seen.txt", c->dir);
	is(file_read(path, NULL), "10\n./mixed-7\n8\n9\n");
	mem_free(graph);
}

Test(jobs, a_directory_that_is_not_there_fails_with_that_reason)
{
	mem_free(CTL(1, "submit", "--wait", "--name", "bad", "--cwd", "/no/such/dir", "--", "true"));
	has(CTL(0, "task", "show", "1", "bad"), "/no/such/dir");
	has(CTL(0, "task", "show", "1", "bad"), "No such file or directory");
}

Test(jobs, a_time_limit_ends_a_task)
{
	mem_free(CTL(1, "submit", "--wait", "--name", "slow", "--time-limit", "100ms", "--", "sleep", "1000"));
	has(CTL(0, "--json", "task", "show", "1", "slow"), "\"cause\": \"timeout\"");
}

Test(jobs, a_running_array_is_cancelled)
{
	has(CTL(0, "submit", "--array", "0-99", "--", "sleep", "1000"), "100 tasks");
	cluster_until(c, "\"running\": 4", PROC_DEADLINE_MS, "--json", "job", "show", "1", NULL);
	mem_free(CTL(0, "job", "cancel", "1"));
	mem_free(CTL(1, "job", "wait", "1"));
	has(CTL(0, "--json", "job", "show", "1"), "\"cancelled\": 100");
	/* The slots are free again. */
	mem_free(CTL(0, "submit", "--wait", "--array", "0-3", "--", "true"));
	/* One was enough for these: the last of the cancelled may still be on its way to its end. */
	cluster_until(c, "job 1 forgotten", PROC_DEADLINE_MS, "job", "forget", "1", NULL);
	has(CTL(1, "job", "show", "1"), "");
}

Test(jobs, a_job_that_cannot_be_cancelled_is_no_reason_to_spare_the_others)
{
	struct run r;

	mem_free(CTL(0, "submit", "--wait", "--", "true"));
	mem_free(CTL(0, "submit", "--", "sleep", "1000"));
	r = cluster_ctl(c, "job", "cancel", "1", "2", "77", NULL);
	cr_expect_eq(r.status, 1);
	cr_expect_str_eq(r.out, "job 2 cancelled\n");
	cr_expect_not_null(strstr(r.err, "job 1 has ended already"), "%s", r.err);
	cr_expect_not_null(strstr(r.err, "there is no job 77"), "%s", r.err);
	run_free(&r);
	has(CTL(1, "--json", "job", "cancel", "1", "2"), "\"code\": \"BAD_STATE\"");
	/* Nothing is done for the first when the second is no job at all. */
	mem_free(CTL(2, "job", "forget", "1", "one"));
	mem_free(CTL(0, "job", "show", "1"));
}

Test(jobs, waiting_for_a_job_that_is_not_there)
{
	struct run r;

	mem_free(CTL(0, "submit", "--", "sleep", "1000"));
	r = cluster_ctl(c, "job", "wait", "1", "77", NULL); /* not after a thousand seconds */
	cr_expect_eq(r.status, 1);
	cr_expect_not_null(strstr(r.err, "there is no job 77"), "%s", r.err);
	run_free(&r);
	is(CTL(1, "--json", "job", "wait", "77"),
	   "{\n  \"error\": \"there is no job 77; 'schedctl job list' shows those there are\",\n"
	   "  \"code\": \"NOT_FOUND\"\n}\n");
	mem_free(CTL(1, "job", "wait", "--timeout", "10ms", "1"));
	mem_free(CTL(0, "job", "cancel", "1"));
}

Test(jobs, a_job_outlives_its_client)
{
	char *gate = cluster_file(c, "gate", "");
	struct proc *client;
	char path[4200];

	unlink(gate);
	client = cluster_ctl_start(c, "submit", "--wait", "--name", "orphan", "--", "sh", "-c",
				   "until [ -e gate ]; do sleep 0.02; done; echo done > result", NULL);
	cluster_until(c, "\"running\": 1", PROC_DEADLINE_MS, "--json", "job", "show", "1", NULL);
	proc_signal(client, SIGKILL);
	proc_wait_exit(client, PROC_DEADLINE_MS);
	proc_free(client);
	mem_free(cluster_file(c, "gate", "open"));
	mem_free(CTL(0, "job", "wait", "1"));
	snprintf(path, sizeof(path), "%s/result", c->dir);
	is(file_read(path, NULL), "done\n");
	mem_free(gate);
}

Test(jobs, a_failing_task_is_tried_again)
{
	mem_free(CTL(0, "submit", "--wait", "--name", "flaky", "--retries", "3", "--", "sh", "-c",
		     "[ $SCHED_ATTEMPT = 1 ]"));
	has(CTL(0, "--json", "task", "show", "1", "flaky"), "\"attempts\": 2");
}

Test(jobs, a_job_follows_another_and_not_a_failed_one)
{
	mem_free(CTL(0, "submit", "--name", "first", "--", "sh", "-c", "sleep 0.1; echo 1 > order"));
	mem_free(CTL(0, "submit", "--wait", "--after", "1", "--", "sh", "-c", "cat order"));
	is(CTL(0, "job", "cat", "2"), "1\n");
	mem_free(CTL(1, "submit", "--wait", "--", "false"));
	mem_free(CTL(1, "submit", "--after", "3", "--", "true"));
	mem_free(CTL(1, "submit", "--after", "99", "--", "true"));
}

Test(jobs, a_task_cancelled_with_its_job_says_why)
{
	mem_free(CTL(0, "submit", "--name", "first", "--", "sh", "-c", "until test -e go; do sleep 0.01; done; false"));
	mem_free(CTL(0, "submit", "--name", "second", "--after", "1", "--", "true"));
	mem_free(cluster_file(c, "go", ""));
	mem_free(CTL(1, "job", "wait", "2"));
	is(CTL(0, "task", "explain", "2", "second"), "second: cancelled: job 1, which it was to follow, failed\n");
}

Test(jobs, failed_tasks_run_again_on_request)
{
	mem_free(CTL(1, "submit", "--wait", "--name", "t", "--array", "0-3", "--", "sh", "-c",
		     "[ -e now ] || [ $SCHED_INDEX = 2 ]"));
	mem_free(cluster_file(c, "now", ""));
	mem_free(CTL(0, "task", "retry", "1"));
	mem_free(CTL(0, "job", "wait", "1"));
	has(CTL(0, "--json", "job", "show", "1"), "\"done\": 4");
}

Test(jobs, a_request_nobody_can_meet_is_explained)
{
	mem_free(CTL(0, "submit", "--name", "big", "--cpus", "64", "--resource", "gpu=2", "--", "true"));
	has(CTL(0, "task", "explain", "1", "big"), "none of the 2 workers has what it asks for (cpus=64,gpu=2)");
}

Test(jobs, a_drained_worker_gets_nothing)
{
	char *tasks;

	mem_free(CTL(0, "worker", "drain", "w1"));
	mem_free(CTL(0, "submit", "--wait", "--name", "t", "--array", "0-7", "--", "true"));
	tasks = CTL(0, "task", "list", "1");
	cr_assert_null(strstr(tasks, "w1"), "%s", tasks);
	mem_free(tasks);
	has(CTL(0, "worker", "list"), "draining");
	mem_free(CTL(0, "worker", "drain", "w1", "--undo"));
	mem_free(CTL(0, "worker", "stop", "w1"));
	cr_assert_eq(proc_wait_exit(c->workers[0], PROC_DEADLINE_MS), 0);
	proc_free(c->workers[0]);
	c->workers[0] = NULL;
}

Test(jobs, a_million_tasks_go_in_at_once)
{
	has(CTL(0, "submit", "--array", "0-999999", "--resource", "none=1", "--", "true"), "1000000 tasks");
	has(CTL(0, "--json", "job", "show", "1"), "\"ready\": 1000000");
	mem_free(CTL(0, "job", "cancel", "1"));
}

Test(jobs, usage_errors_are_status_2)
{
	mem_free(CTL(2, "submit", "--cpus", "many", "--", "true"));
	mem_free(CTL(2, "submit", "--resource", "cpus=2", "--", "true"));
	mem_free(CTL(2, "submit", "--array", "9-1", "--", "true"));
	mem_free(CTL(2, "submit"));
	mem_free(CTL(2, "frobnicate"));
	mem_free(CTL(2, "job", "show", "not-a-number"));
	mem_free(CTL(1, "job", "show", "77"));
	mem_free(CTL(3, "--access-file", "/", "job", "list"));
}
