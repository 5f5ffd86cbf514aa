/* namespaces.c - workers reserved for a namespace, with a real scheduler: who runs where, and who is shown what. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/support/cluster.h"

static struct cluster *c;

/* w1 serves all, w2 is reserved for x. */
static void start(void)
{
	static const char *const of_x[] = {"--namespace", "x", NULL};

	c = cluster_start(&(struct cluster_spec){.n_workers = 1, .slots = 1});
	cluster_worker_start(c, 1, of_x);
}

static void stop(void)
{
	cluster_stop(c);
}

TestSuite(namespaces, .init = start, .fini = stop);

#define CTL(...) cluster_ctl_ok(c, __VA_ARGS__, NULL)

static json_t *parse(char *text)
{
	json_error_t error;
	json_t *o = json_loads(text, 0, &error);

	cr_assert_not_null(o, "%s:\n%s", error.text, text);
	mem_free(text);
	return o;
}

/* The names and namespaces of the workers shown: "w1= w2=x". */
static void shown(char *text, const char *expected)
{
	json_t *o = parse(text), *w;
	char found[256] = "";
	size_t i;

	json_array_foreach(json_object_get(o, "workers"), i, w)
	{
		size_t n = strlen(found);

		cr_assert(json_is_string(json_object_get(w, "namespace")));
		snprintf(found + n, sizeof(found) - n, "%s%s=%s", i > 0 ? " " : "",
			 json_string_value(json_object_get(w, "name")),
			 json_string_value(json_object_get(w, "namespace")));
	}
	cr_assert_str_eq(found, expected);
	json_decref(o);
}

/* How many tasks a worker has ended. */
static json_int_t n_done(const char *name)
{
	json_t *o = parse(CTL("--json", "worker", "list")), *w;
	json_int_t n = -1;
	size_t i;

	json_array_foreach(json_object_get(o, "workers"), i,
			   w) if (strcmp(json_string_value(json_object_get(w, "name")), name) == 0) n =
		json_integer_value(json_object_get(w, "done"));
	json_decref(o);
	return n;
}

Test(namespaces, jobs_run_where_they_may)
{
	json_int_t open;

	mem_free(CTL("submit", "--wait", "--namespace", "y", "--array", "0-9", "--", "true"));
	mem_free(CTL("submit", "--wait", "--array", "0-9", "--", "true"));
	cr_assert_eq(n_done("w1"), 20);
	cr_assert_eq(n_done("w2"), 0);
	mem_free(CTL("submit", "--wait", "--namespace", "x", "--array", "0-9", "--", "true"));
	open = n_done("w1");
	cr_assert_eq(open + n_done("w2"), 30);
	cr_assert_gt(n_done("w2"), 0);
}

Test(namespaces, who_has_no_worker_waits_and_is_told_why)
{
	char *text;

	mem_free(CTL("worker", "stop", "w1"));
	cr_assert_eq(proc_wait_exit(c->workers[0], PROC_DEADLINE_MS), 0);
	cluster_until(c, "\"n_workers\": 1", PROC_DEADLINE_MS, "--json", "info", NULL);
	mem_free(CTL("submit", "--namespace", "y", "--", "true"));
	mem_free(CTL("submit", "--wait", "--namespace", "x", "--", "true"));
	text = CTL("task", "explain", "1", "0");
	cr_assert_not_null(strstr(text, "reserved for other namespaces than its own, 'y'"), "%s", text);
	cr_assert_not_null(strstr(text, "w2 is reserved for namespace 'x'"), "%s", text);
	mem_free(text);
	cluster_worker_start(c, 2, NULL);
	mem_free(CTL("job", "wait", "1"));
}

Test(namespaces, info_shows_what_jobs_of_a_namespace_may_run_on)
{
	char *text;

	shown(CTL("--json", "info"), "w1= w2=x");
	shown(CTL("--json", "info", "--namespace", "x"), "w1= w2=x");
	shown(CTL("--json", "info", "--namespace", "y"), "w1=");
	shown(CTL("--json", "worker", "list"), "w1= w2=x");
	text = CTL("info", "--namespace", "y");
	cr_assert_not_null(strstr(text, "1 worker, 1 cpus"), "%s", text);
	cr_assert_null(strstr(text, "NAMESPACE"), "nobody there has one:\n%s", text);
	mem_free(text);
	text = CTL("info");
	cr_assert_not_null(strstr(text, "NAMESPACE"), "%s", text);
	mem_free(text);
	text = CTL("worker", "list");
	cr_assert_not_null(strstr(text, "NAMESPACE"), "%s", text);
	mem_free(text);
}

Test(namespaces, a_worker_can_be_reserved_by_its_configuration)
{
	static const char *const by_key[] = {"--set", "worker.namespace=z", NULL};
	static const char *const undone[] = {"--set", "worker.namespace=z", "--namespace", "", NULL};
	struct run r;
	char access[4200];

	cluster_worker_start(c, 2, by_key);
	cluster_worker_start(c, 3, undone);
	shown(CTL("--json", "info", "--namespace", "z"), "w1= w3=z w4=");
	snprintf(access, sizeof(access), "%s", c->access_file);
	r = run_program(&(struct proc_spec){.program = "sched-worker",
					    .args = (const char *const[]){"--access-file", access, "--set",
									  "worker.namespace=no name", NULL}},
			PROC_DEADLINE_MS);
	cr_assert_eq(r.status, 2);
	cr_assert_not_null(strstr(r.err, "worker.namespace: 'no name' is not allowed"), "%s", r.err);
	run_free(&r);
}
