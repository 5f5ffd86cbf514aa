/* growing.c - jobs that get more tasks while they run, waiting for tasks, limits of failures and of arrays. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

TestSuite(growing, .init = start, .fini = stop);

#define CTL(wanted_status, ...)                                                                                        \
	({                                                                                                             \
		struct run r_ = cluster_ctl(c, __VA_ARGS__, NULL);                                                     \
		char *out_ = r_.out;                                                                                   \
		cr_assert_eq(r_.status, wanted_status, "status %d\n%s\n%s", r_.status, r_.out, r_.err);                \
		r_.out = NULL;                                                                                         \
		mem_free(error_text);                                                                                  \
		error_text = r_.err;                                                                                   \
		r_.err = NULL;                                                                                         \
		run_free(&r_);                                                                                         \
		out_;                                                                                                  \
	})

static char *error_text; /* of the last CTL */

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

static const char *ctl_path(void)
{
	static char path[4200];
	const char *bin = getenv("SCHED_BIN");

	snprintf(path, sizeof(path), "%s/schedctl", bin != NULL ? bin : "build/bin");
	return path;
}

Test(growing, an_open_job_takes_tasks_until_it_is_closed)
{
	mem_free(CTL(0, "submit", "--open", "--name", "a", "--", "echo", "one"));
	mem_free(CTL(0, "task", "wait", "1", "a"));
	has(CTL(0, "--json", "job", "show", "1"), "\"open\": true");
	has(CTL(0, "--json", "job", "show", "1"), "\"state\": \"running\"");
	has(CTL(0, "submit", "--job", "1", "--name", "b", "--array", "3,1,7-9:2", "--input", "a", "--", "sh", "-c",
		"cat $SCHED_INPUTS/a; echo $SCHED_INDEX"),
	    "job 1: 4 tasks more: b");
	mem_free(CTL(2, "submit", "--job", "1", "--name", "b", "--", "true"));
	cr_assert_not_null(strstr(error_text, "named 'b' already"), "%s", error_text);
	mem_free(CTL(1, "job", "wait", "--timeout", "1ms", "1"));
	cr_assert_not_null(strstr(error_text, "job 1 is open: it ends after `schedctl job close 1`"), "%s", error_text);
	is(CTL(0, "job", "close", "1"), "job 1 closed\n");
	mem_free(CTL(1, "job", "close", "1"));
	is(CTL(0, "job", "wait", "1"), "job 1 done\n");
	is(CTL(0, "job", "cat", "1"), "one\none\n1\none\n3\none\n7\none\n9\n");
	mem_free(CTL(1, "submit", "--job", "1", "--name", "c", "--", "true"));
	cr_assert_not_null(strstr(error_text, "it takes no more tasks"), "%s", error_text);
}

Test(growing, a_task_submits_to_its_own_job_and_to_no_other)
{
	char script[9000];

	mem_free(CTL(0, "submit", "--open", "--name", "other", "--", "true"));
	snprintf(script, sizeof(script),
		 "C=%s; $C submit --job $SCHED_JOB_ID --name more --array 0-4 -- sh -c 'echo $SCHED_KEY' && "
		 "$C task wait $SCHED_JOB_ID more-0 more-1 more-2 more-3 more-4 | sort && "
		 "{ $C job close 1; $C submit --job 1 -- true; $C shutdown; } 2>&1; echo end",
		 ctl_path());
	mem_free(CTL(0, "submit", "--wait", "--name", "self", "--", "sh", "-c", script));
	has(CTL(0, "job", "cat", "2", "--task", "self"),
	    "5 tasks more: more\nmore-0 done\nmore-1 done\nmore-2 done\nmore-3 done\nmore-4 done\n");
	has(CTL(0, "job", "cat", "2", "--task", "self"), "a task may change its own job only, which is 2, not job 1");
	has(CTL(0, "job", "cat", "2", "--task", "self"), "a task may change its own job, and nothing else");
	is(CTL(0, "job", "cat", "2", "--task", "more-3"), "more-3\n");
	has(CTL(0, "--json", "job", "show", "1"), "\"open\": true");
}

Test(growing, waiting_for_any_and_for_all_as_they_end)
{
	char *out;

	mem_free(CTL(0, "submit", "--array", "0-1", "--name", "t", "--", "sh", "-c",
		     "test $SCHED_INDEX = 0 || while ! test -e go; do sleep 0.01; done"));
	is(CTL(0, "task", "wait", "--any", "1", "t-1", "t-0"), "t-0 done\n");
	mem_free(CTL(1, "task", "wait", "--timeout", "50ms", "1", "t-1"));
	mem_free(CTL(1, "task", "wait", "1", "nobody"));
	cr_assert_not_null(strstr(error_text, "no task 'nobody'"), "%s", error_text);
	mem_free(cluster_file(c, "go", ""));
	is(CTL(0, "job", "wait", "--as-completed", "1"), "t-0 done\nt-1 done\n");
	mem_free(CTL(0, "submit", "--name", "f", "--", "false"));
	is(CTL(1, "job", "wait", "--as-completed", "2"), "f failed\n");
	out = CTL(1, "--json", "job", "wait", "--as-completed", "1", "2");
	cr_assert_not_null(strstr(out, "\"key\":\"t-1\""), "%s", out);
	cr_assert_not_null(strstr(out, "\"state\":\"failed\""), "%s", out);
	mem_free(out);
}

Test(growing, a_thousand_tasks_are_told_once_each)
{
	char *out;
	size_t n = 0;

	mem_free(CTL(0, "submit", "--array", "0-2999", "--name", "t", "--cpus", "0.01", "--", "true"));
	out = CTL(0, "job", "wait", "--as-completed", "1");
	for (const char *p = out; (p = strchr(p, '\n')) != NULL; p++)
		n++;
	cr_assert_eq(n, 3000, "%zu", n);
	mem_free(out);
}

Test(growing, too_many_failures_cancel_the_rest)
{
	mem_free(CTL(1, "submit", "--wait", "--name", "f", "--array", "0-99%1", "--max-fails", "2", "--", "sh", "-c",
		     "test $SCHED_INDEX -lt 5"));
	has(CTL(0, "job", "show", "1"),
	    "3 tasks failed, more than max-fails=2 allows: the rest was cancelled; task f-5");
	has(CTL(0, "--json", "job", "show", "1"), "\"state\": \"failed\"");
	has(CTL(0, "--json", "job", "show", "1"), "\"cancelled\": 92");
}

Test(growing, so_many_of_an_array_run_at_a_time)
{
	/* Each makes a directory that only one can have. */
	mem_free(CTL(0, "submit", "--wait", "--name", "one", "--array", "1,5,9-20:2%1", "--", "sh", "-c",
		     "mkdir lock && echo $SCHED_INDEX && rmdir lock"));
	is(CTL(0, "job", "cat", "1"), "1\n5\n9\n11\n13\n15\n17\n19\n");
}

Test(growing, lists_and_limits_in_a_graph_file)
{
	char *path = cluster_file(
		c, "g.yaml",
		"name: g\nmax-fails: 0\ntasks:\n"
		"  a: {foreach: '2,4,8-9%1', run: 'mkdir lock && echo {index} && rmdir lock', keep: true}\n"
		"  b: {foreach: 1-2, max-running: 1, inputs: [a], run: 'false'}\n");

	mem_free(CTL(1, "run", "--no-progress", path));
	is(CTL(0, "job", "cat", "1", "--task", "a-8"), "8\n");
	has(CTL(0, "job", "show", "1"), "1 task failed, more than max-fails=0 allows");
	mem_free(path);
	path = cluster_file(c, "bad.yaml", "tasks:\n  a: {foreach: {range: '1,,2'}, run: 'true'}\n");
	mem_free(CTL(2, "run", path));
	cr_assert_not_null(strstr(error_text, "a list of N"), "%s", error_text);
	mem_free(path);
}
