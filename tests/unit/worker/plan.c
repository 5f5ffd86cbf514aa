/* plan.c - tests of worker/plan.h: what a child's arguments and environment are. */
#include "worker/plan.h"
#include "worker/resource_env.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"

static struct jobs *j;
static struct resources r;
static struct buf error, body;
static struct msg_decoder *decoder;
static struct base_env base;
static struct arena scratch;

static void begin(void)
{
	static char *const inherited[] = {"PATH=/bin:/usr/bin:",  "A=1", "SCHED_KEY=old",
					  "SCHED_RESOURCE_GPU=8", "B=2", NULL};
	static const char *const more[] = {"SCHED_ROLE=worker-client", NULL};

	cr_assert_eq(jobs_new(&j), SC_OK);
	resources_init(&r, 2);
	buf_init(&error, 0);
	buf_init(&body, 0);
	resources_add(&r, "big-disk=2", &error);
	cr_assert_eq(msg_decoder_new(&decoder), SC_OK);
	cr_assert_eq(base_env_init(&base, inherited, more), SC_OK);
}

static void end(void)
{
	arena_fini(&scratch);
	base_env_fini(&base);
	msg_decoder_free(decoder);
	jobs_free(j);
	resources_fini(&r);
	buf_fini(&error);
	buf_fini(&body);
}

TestSuite(plan, .init = begin, .fini = end);

static const char *request_text = "cpus=0.5,big-disk=1";

static struct group *define(const struct msg_body_exec *b)
{
	struct msg_group_define m = {.job = 3,
				     .name = slice_of("t"),
				     .n_tasks = 5,
				     .index_step = 1,
				     .kind = KIND_EXEC,
				     .request = slice_of(request_text),
				     .job_name = slice_of("name")};

	buf_reset(&body);
	cr_assert_eq(msg_encode(&body, MSG_body_exec, b, NULL), SC_OK);
	m.body = (struct slice){(const char *)body.data, body.len};
	cr_assert_eq(jobs_define(j, &m, &r, &error), SC_OK);
	return job_group(jobs_find(j, 3), 0);
}

static const char *value(char *const *envp, const char *name)
{
	const char *found = NULL;
	size_t n = strlen(name);

	for (; *envp != NULL; envp++)
		if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=') {
			cr_assert_null(found, "%s is there twice", name);
			found = *envp + n + 1;
		}
	return found;
}

static const struct pattern_values values = {.item = {"the item", 8}, .key = {"t-4", 3}, .index = 4, .job = 3};

Test(plan, environment_in_layers)
{
	struct slice argv[] = {slice_of("prog"), slice_of("{index}")};
	struct slice env[] = {slice_of("A=body"), slice_of("C={item}"), slice_of("A=later"),
			      slice_of("SCHED_KEY=forged")};
	struct group *g = define(&(struct msg_body_exec){.argv = {argv, 2}, .env = {env, 4}});
	struct exec_call call;

	cr_assert_eq(exec_plan_prepare(g, decoder, &base, &r, &error), SC_OK, "%s", buf_str(&error));
	cr_assert_eq(exec_plan_instantiate(g->plan, &scratch, &values, "/inputs", 1, NULL, &call), SC_OK);
	cr_assert_str_eq(call.argv[1], "{index}");
	cr_assert_str_eq(value(call.envp, "A"), "later");
	cr_assert_str_eq(value(call.envp, "B"), "2");
	cr_assert_str_eq(value(call.envp, "C"), "{item}");
	cr_assert_str_eq(value(call.envp, "SCHED_KEY"), "t-4");
	cr_assert_str_eq(value(call.envp, "SCHED_ITEM"), "the item");
	cr_assert_str_eq(value(call.envp, "SCHED_INPUTS"), "/inputs");
	cr_assert_str_eq(value(call.envp, "SCHED_JOB_NAME"), "name");
	cr_assert_str_eq(value(call.envp, "SCHED_CPUS"), "0.5");
	cr_assert_str_eq(value(call.envp, "SCHED_RESOURCE_BIG_DISK"), "1");
	cr_assert_str_eq(value(call.envp, "SCHED_ROLE"), "worker-client");
	cr_assert_null(value(call.envp, "SCHED_RESOURCE_GPU"));
	cr_assert_str_eq(call.programs[0], "/bin/prog");
	cr_assert_str_eq(call.programs[2], "./prog");
	cr_assert_null(call.programs[3]);
	cr_assert_null(g->body.p);
}

Test(plan, substitution)
{
	struct slice argv[] = {slice_of("/bin/{key}"), slice_of("<{item}>")};
	struct slice env[] = {slice_of("C={item}")};
	struct group *g = define(&(struct msg_body_exec){.argv = {argv, 2}, .env = {env, 1}, .substitute = 1});
	struct exec_call call;

	cr_assert_eq(exec_plan_prepare(g, decoder, &base, &r, &error), SC_OK);
	cr_assert_eq(exec_plan_instantiate(g->plan, &scratch, &values, NULL, 0, NULL, &call), SC_OK);
	cr_assert_str_eq(call.argv[1], "<the item>");
	cr_assert_str_eq(call.programs[0], "/bin/t-4");
	cr_assert_str_eq(value(call.envp, "C"), "the item");
	cr_assert_null(value(call.envp, "SCHED_ITEM"));
	cr_assert_null(value(call.envp, "SCHED_INPUTS"));
}

/* What tasks of a group do not have in common is told to each, instead of what the agent had under that name. */
Test(plan, units_are_told)
{
	struct slice argv[] = {slice_of("prog")}, env[] = {slice_of("CUDA_VISIBLE_DEVICES=7")};
	struct msg_body_exec b = {.argv = {argv, 1}, .env = {env, 1}};
	struct unit_share *units;
	struct exec_call call;
	struct group *g;

	cr_assert_eq(resources_add(&r, "gpu=[0,1,x]", &error), SC_OK);
	request_text = "gpu=2|cpus=2";
	g = define(&b);
	cr_assert_eq(g->n_requests, 2);
	cr_assert_eq(exec_plan_prepare(g, decoder, &base, &r, &error), SC_OK);
	cr_assert(resources_take(&r, &g->requests[0], &units));
	cr_assert_eq(exec_plan_instantiate(g->plan, &scratch, &values, NULL, 0,
					   resource_env(&scratch, &r, &g->requests[0], units), &call),
		     SC_OK);
	cr_expect_str_eq(value(call.envp, "SCHED_RESOURCE_GPU"), "2");
	cr_expect_str_eq(value(call.envp, "SCHED_RESOURCE_GPU_IDS"), "0,1");
	cr_expect_str_eq(value(call.envp, "CUDA_VISIBLE_DEVICES"), "0,1");
	cr_expect_null(value(call.envp, "SCHED_CPUS"));
	resources_give_back(&r, &g->requests[0], units);
	cr_assert_eq(exec_plan_instantiate(g->plan, &scratch, &values, NULL, 0,
					   resource_env(&scratch, &r, &g->requests[1], NULL), &call),
		     SC_OK);
	cr_expect_str_eq(value(call.envp, "SCHED_CPUS"), "2");
	cr_expect_str_eq(value(call.envp, "CUDA_VISIBLE_DEVICES"), "7");
	cr_expect_null(value(call.envp, "SCHED_RESOURCE_GPU"));
}

static void expect_bad(const struct msg_body_exec *b, const char *text)
{
	struct group *g = define(b);

	cr_assert_eq(exec_plan_prepare(g, decoder, &base, &r, &error), SC_INVALID);
	cr_assert(strstr(buf_str(&error), text) != NULL, "'%s'", buf_str(&error));
}

Test(plan, no_program)
{
	expect_bad(&(struct msg_body_exec){0}, "no program");
}

Test(plan, bad_environment)
{
	struct slice argv[] = {slice_of("x")}, env[] = {slice_of("NOVALUE")};

	expect_bad(&(struct msg_body_exec){.argv = {argv, 1}, .env = {env, 1}},
		   "'NOVALUE' is not of the form NAME=VALUE");
}

Test(plan, zero_bytes)
{
	struct slice argv[] = {{"a\0b", 3}};

	expect_bad(&(struct msg_body_exec){.argv = {argv, 1}}, "zero byte");
}

Test(plan, survives_any_failed_allocation)
{
	struct slice argv[] = {slice_of("prog")};
	struct group *g = define(&(struct msg_body_exec){.argv = {argv, 1}, .cwd = slice_of("/")});
	sc_err err = SC_NOMEM;

	for (long n = 0; err != SC_OK; n++) {
		mem_fail_nth(n);
		err = exec_plan_prepare(g, decoder, &base, &r, &error);
		mem_fail_nth(-1);
		cr_assert(err == SC_OK || (err == SC_NOMEM && g->plan == NULL));
	}
}
