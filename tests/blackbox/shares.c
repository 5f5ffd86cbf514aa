/* shares.c - namespaces share by weight and keep to quotas, with real agents; what people are told of it. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/support/cluster.h"

static struct cluster *c;

static void start(void)
{
	static const char *const args[] = {"--set", "scheduler.namespaces=a: weight=1; b: weight=3; q: max-tasks=1",
					   NULL};

	c = cluster_start(&(struct cluster_spec){.n_workers = 1, .slots = 4, .sched_args = args});
}

static void stop(void)
{
	cluster_stop(c);
}

TestSuite(shares, .init = start, .fini = stop, .timeout = 60);

#define CTL(...) cluster_ctl_ok(c, __VA_ARGS__, NULL)

static json_t *parse(char *text)
{
	json_t *o = json_loads(text, 0, NULL);

	cr_assert_not_null(o, "%s", text);
	mem_free(text);
	return o;
}

static void contains(char *text, const char *expected)
{
	cr_expect(strstr(text, expected) != NULL, "'%s' is not in:\n%s", expected, text);
	mem_free(text);
}

/* A field of a namespace in the list. */
static json_t *field_of(json_t *list, const char *name, const char *field)
{
	json_t *n;
	size_t i;

	json_array_foreach(json_object_get(list, "namespaces"), i, n)
	{
		if (strcmp(json_string_value(json_object_get(n, "name")), name) == 0)
			return json_object_get(n, field);
	}
	cr_assert_fail("no namespace %s", name);
	return NULL;
}

/* All four slots are held until both jobs are there; then three go to b for one to a. */
Test(shares, by_weight)
{
	char *first = cluster_file(c, "first", ""), *second = cluster_file(c, "second", "");
	static const char hold[] = "while test -e second; do sleep 0.01; done";
	json_t *o;

	mem_free(CTL("submit", "--array", "0-3", "--", "sh", "-c", "while test -e first; do sleep 0.01; done"));
	cluster_until(c, "running   4", 20000, "job", "show", "last", NULL);
	mem_free(CTL("submit", "--namespace", "a", "--array", "0-9", "--", "sh", "-c", hold));
	mem_free(CTL("submit", "--namespace", "b", "--array", "0-9", "--", "sh", "-c", hold));
	remove(first);
	cluster_until(c, "running   3", 20000, "job", "show", "last", NULL);
	o = parse(CTL("--json", "namespace", "list"));
	cr_expect_eq(json_integer_value(field_of(o, "a", "running")), 1);
	cr_expect_eq(json_integer_value(field_of(o, "b", "running")), 3);
	cr_expect_eq(json_integer_value(field_of(o, "b", "ready")), 7);
	json_decref(o);
	remove(second);
	mem_free(CTL("job", "wait", "1", "2", "3"));
	mem_free(first);
	mem_free(second);
}

Test(shares, quotas_are_told_and_changed)
{
	char *gate = cluster_file(c, "gate", "");
	json_t *o;

	mem_free(CTL("submit", "--namespace", "q", "--array", "0-2", "--", "sh", "-c",
		     "while test -e gate; do sleep 0.01; done"));
	cluster_until(c, "running   1", 20000, "job", "show", "last", NULL);
	contains(CTL("task", "explain", "last", "2"), "the quota of namespace 'q' is reached: 1 of its tasks");
	contains(CTL("task", "explain", "last", "2"),
		 "before it, of higher priority or older: 1 task of namespace 'q' (that ask for the same: 1)");
	contains(CTL("task", "explain", "last", "1"), "; nothing of namespace 'q' goes before it");
	o = parse(CTL("--json", "namespace", "list"));
	cr_expect_eq(json_integer_value(field_of(o, "q", "running")), 1);
	cr_expect_eq(json_integer_value(field_of(o, "q", "ready")), 2);
	cr_expect_eq(json_integer_value(field_of(o, "q", "max_tasks")), 1);
	cr_expect(json_is_null(field_of(o, "q", "max_cpus")));
	cr_expect_float_eq(json_real_value(field_of(o, "b", "weight")), 3.0, 1e-9);
	json_decref(o);
	contains(CTL("namespace", "set", "q", "--max-tasks", "none", "--max-cpus", "2"), "changed");
	cluster_until(c, "running   2", 20000, "job", "show", "last", NULL);
	contains(CTL("task", "explain", "last", "2"), "take 2 cpus, max-cpus is 2");
	contains(CTL("namespace", "list"), "MAX-CPUS");
	remove(gate);
	mem_free(CTL("job", "wait", "last"));
	mem_free(gate);
}

Test(shares, what_a_task_waits_for_is_said)
{
	mem_free(CTL("submit", "--label", "zone=a", "--alternative", "gpu=1", "--", "true"));
	contains(CTL("task", "explain", "last", "0"), "no worker has label zone=a");
	mem_free(CTL("submit", "--resource", "gpu=1", "--alternative", "cpus=8", "--", "true"));
	contains(CTL("task", "explain", "last", "0"), "w1 has gpu=0, it needs 1\n    or, alternative 2: it has cpus=4");
	mem_free(CTL("submit", "--gang", "--array", "0-1", "--", "true"));
	contains(CTL("task", "explain", "last", "0"), "can never start: 2 workers are needed");
	for (int i = 1; i <= 3; i++)
		mem_free(CTL("job", "cancel", i == 1 ? "1" : i == 2 ? "2" : "3"));
}

Test(shares, a_job_shows_how_its_groups_fare)
{
	char *graph = cluster_file(c, "g.yaml",
				   "tasks:\n  a: {foreach: 0-3, sleep: 20ms}\n"
				   "  b: {inputs: [a], run: 'true'}\n");
	json_t *o, *g;

	mem_free(CTL("run", graph));
	o = parse(CTL("--json", "job", "show", "last"));
	g = json_array_get(json_object_get(o, "groups"), 0);
	cr_assert_str_eq(json_string_value(json_object_get(g, "name")), "a");
	cr_expect_eq(json_integer_value(json_object_get(g, "n_runs")), 4);
	cr_expect_geq(json_integer_value(json_object_get(g, "run_min_us")), 20000);
	cr_expect_eq(json_integer_value(json_object_get(g, "n_waits")), 4);
	cr_expect_eq(json_array_size(json_object_get(o, "groups")), 2);
	json_decref(o);
	contains(CTL("job", "show", "last"), "SHORTEST");
	mem_free(graph);
}

Test(shares, mistakes)
{
	struct run r = cluster_ctl(c, "namespace", "set", "a", NULL);

	cr_expect_eq(r.status, 2);
	cr_expect(strstr(r.err, "nothing to change") != NULL, "%s", r.err);
	run_free(&r);
	r = cluster_ctl(c, "namespace", "set", "a", "--weight", "0", NULL);
	cr_expect_eq(r.status, 2);
	run_free(&r);
	r = cluster_ctl(c, "namespace", "set", "a b", "--weight", "2", NULL);
	cr_expect_neq(r.status, 0);
	run_free(&r);
}
