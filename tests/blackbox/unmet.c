/* unmet.c - what no worker can meet: a warning when it is submitted, and a job that says what it waits for. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/support/cluster.h"

static struct cluster *c;

static void start(void)
{
	c = cluster_start(&(struct cluster_spec){.n_workers = 0, .slots = 2});
}

static void stop(void)
{
	cluster_stop(c);
}

TestSuite(unmet, .init = start, .fini = stop);

#define CTL(...) cluster_ctl_ok(c, __VA_ARGS__, NULL)

static void has(char *text, const char *wanted)
{
	cr_assert_not_null(strstr(text, wanted), "'%s' is not in:\n%s", wanted, text);
	mem_free(text);
}

/* The command succeeds, and standard error is this. */
#define WARNS(expected, ...)                                                                                           \
	do {                                                                                                           \
		struct run r_ = cluster_ctl(c, __VA_ARGS__, NULL);                                                     \
		cr_assert_eq(r_.status, 0, "%s", r_.err);                                                              \
		cr_assert_str_eq(r_.err, expected);                                                                    \
		run_free(&r_);                                                                                         \
	} while (0)

static json_t *parse(char *text)
{
	json_t *o = json_loads(text, 0, NULL);

	cr_assert_not_null(o, "%s", text);
	mem_free(text);
	return o;
}

static const char *text_of(const json_t *o, const char *field)
{
	cr_assert(json_is_string(json_object_get(o, field)), "no text %s", field);
	return json_string_value(json_object_get(o, field));
}

Test(unmet, a_job_waits_for_the_first_worker)
{
	json_t *o, *job;

	WARNS("schedctl: warning: no worker is connected; the job waits until one comes\n", "submit", "--", "true");
	has(CTL("job", "list"), "  waiting  ");
	has(CTL("job", "show", "1"), "state      waiting\nwaits      no worker is connected\n");
	o = parse(CTL("--json", "job", "list"));
	job = json_array_get(json_object_get(o, "jobs"), 0);
	cr_expect_str_eq(text_of(job, "state"), "running", "programs know that as a job that goes on");
	cr_expect(json_is_true(json_object_get(job, "waiting")));
	cr_expect_str_eq(text_of(job, "waits"), "no worker is connected");
	json_decref(o);
	cluster_worker_start(c, 0, NULL);
	mem_free(CTL("job", "wait", "1"));
	o = parse(CTL("--json", "job", "show", "1"));
	cr_expect(json_is_false(json_object_get(o, "waiting")));
	cr_expect_str_eq(text_of(o, "waits"), "");
	json_decref(o);
}

Test(unmet, a_label_nobody_has_and_a_resource_nobody_has_enough_of)
{
	static const char *const labelled[] = {"--label", "zone=a", NULL};
	json_t *o, *warnings;

	cluster_worker_start(c, 0, NULL);
	WARNS("", "submit", "--cpus", "2", "--", "true");
	WARNS("schedctl: warning: no worker that is connected has label zone=a; the job waits until one comes\n",
	      "submit", "--label", "zone=a", "--", "true");
	o = parse(CTL("--json", "submit", "--cpus", "3", "--resource", "gpu=1", "--", "true"));
	warnings = json_object_get(o, "warnings");
	cr_assert_eq(json_array_size(warnings), 1);
	cr_expect_str_eq(
		json_string_value(json_array_get(warnings, 0)),
		"no worker that is connected has cpus=3 (the most is 2) or gpu; the job waits until one comes");
	json_decref(o);
	cluster_worker_start(c, 1, labelled);
	mem_free(CTL("job", "wait", "2"));
	has(CTL("job", "show", "3"), "waits      no worker that is connected has cpus=3 (the most is 2) or gpu\n");
}

Test(unmet, of_a_graph_the_group_is_named)
{
	char *graph = cluster_file(c, "g.yaml",
				   "name: g\ntasks:\n  plain:\n    run: [\"true\"]\n"
				   "  special:\n    inputs: [plain]\n    resources: {gpu: 1}\n    run: [\"true\"]\n");
	static const char *const gpu[] = {"--resource", "gpu=1", NULL};
	struct proc *run;

	cluster_worker_start(c, 0, NULL);
	run = cluster_ctl_start(c, "run", "--no-progress", graph, NULL);
	proc_wait_log(
		run,
		"schedctl: warning: special: no worker that is connected has gpu; its tasks wait until one comes\n", 0,
		PROC_DEADLINE_MS);
	cluster_until(c, "waits      special: no worker that is connected has gpu\n", PROC_DEADLINE_MS, "job", "show",
		      "1", NULL);
	has(CTL("job", "show", "1"), "state      waiting\n");
	cluster_worker_start(c, 1, gpu);
	cr_assert_eq(proc_wait_exit(run, PROC_DEADLINE_MS), 0, "%s", proc_stderr(run));
	proc_free(run);
	mem_free(graph);
}

/* Only what is new is warned of. */
Test(unmet, more_tasks_of_a_job)
{
	cluster_worker_start(c, 0, NULL);
	mem_free(CTL("submit", "--open", "--name", "a", "--resource", "gpu=1", "--", "true"));
	WARNS("schedctl: warning: b: no worker that is connected has fpga; its tasks wait until one comes\n", "submit",
	      "--job", "1", "--name", "b", "--resource", "fpga=1", "--", "true");
	WARNS("", "submit", "--job", "1", "--name", "c", "--", "true");
	cluster_until(c, "waiting", PROC_DEADLINE_MS, "job", "list", NULL);
	mem_free(CTL("job", "cancel", "1"));
	has(CTL("job", "list"), "  cancelled  ");
}
