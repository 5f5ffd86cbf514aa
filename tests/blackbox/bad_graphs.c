/* bad_graphs.c - a mistake in a graph file names file, line and what is allowed; nothing is submitted in part. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/support/cluster.h"

static struct cluster *c;

static void start(void)
{
	c = cluster_start(&(struct cluster_spec){.n_workers = 1, .slots = 2});
}

static void stop(void)
{
	cluster_stop(c);
}

TestSuite(bad_graphs, .init = start, .fini = stop);

static void refused(const char *graph, const char *line, const char *what)
{
	char *path = cluster_file(c, "g.yaml", graph), place[64], *jobs;
	struct run r = cluster_ctl(c, "run", path, NULL);

	snprintf(place, sizeof(place), "g.yaml:%s", line);
	cr_assert_eq(r.status, 2, "status %d: %s", r.status, r.err);
	cr_assert_not_null(strstr(r.err, place), "'%s' is not in: %s", place, r.err);
	cr_assert_not_null(strstr(r.err, what), "'%s' is not in: %s", what, r.err);
	run_free(&r);
	jobs = cluster_ctl_ok(c, "--json", "job", "list", NULL);
	cr_assert_null(strstr(jobs, "\"job\":"), "something was submitted: %s", jobs);
	mem_free(jobs);
	mem_free(path);
}

Test(bad_graphs, a_cycle_names_the_tasks_on_it)
{
	refused("tasks:\n  a: {run: 'true', inputs: [c]}\n  b: {run: 'true', inputs: [a]}\n  c: {run: 'true', inputs: "
		"[b]}\n",
		"2", "a -> c -> b -> a");
}

Test(bad_graphs, an_unknown_key)
{
	refused("tasks:\n  a:\n    run: 'true'\n    retires: 3\n", "4", "retries");
	refused("nmae: x\ntasks:\n  a: {run: 'true'}\n", "1", "name");
}

Test(bad_graphs, a_unit_that_is_none)
{
	refused("tasks:\n  a:\n    run: 'true'\n    time-limit: 5 parsecs\n", "4", "parsecs");
	refused("tasks:\n  a:\n    run: 'true'\n    cpus: lots\n", "4", "lots");
}

Test(bad_graphs, a_name_that_occurs_twice)
{
	refused("tasks:\n  a: {run: 'true'}\n  a: {run: 'false'}\n", "3", "there already, in line 2");
}

Test(bad_graphs, an_input_that_is_not_there)
{
	refused("tasks:\n  a:\n    run: 'true'\n    inputs: [b]\n", "4", "b");
}

Test(bad_graphs, a_pattern_that_matches_nothing)
{
	refused("tasks:\n  a:\n    foreach: nothing/*.here\n    run: 'true'\n", "3", "nothing/*.here");
}

Test(bad_graphs, not_yaml_at_all)
{
	refused("tasks: [\n", "", "");
	refused("tasks:\n  a: &x {run: 'true'}\n  b: *x\n", "3", "alias");
}

Test(bad_graphs, a_file_that_is_not_there)
{
	struct run r = cluster_ctl(c, "run", "nowhere.yaml", NULL);

	cr_assert_eq(r.status, 2, "%s", r.err);
	cr_assert_not_null(strstr(r.err, "nowhere.yaml"));
	cr_assert_not_null(strstr(r.err, "No such file"));
	run_free(&r);
}
