/* job_build.c - jobs in the making: what becomes of them in the message, and what is refused. */
#include "client/job_build.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static struct sc_job *new_job(void)
{
	struct sc_job *job;

	cr_assert_eq(sc_job_new("j", &job), SC_OK);
	return job;
}

static uint32_t add(struct sc_job *job, const char *name, uint64_t count)
{
	uint32_t group;

	cr_assert_eq(sc_job_add_group(job, &(struct sc_group_spec){.name = name, .count = count}, &group), SC_OK, "%s",
		     sc_client_error_text(NULL));
	return group;
}

static void expect_column(const struct column *c, const uint64_t *values, size_t n)
{
	struct column_reader r;

	cr_expect_eq(c->count, n, "%zu values instead of %zu", c->count, n);
	column_read(&r, c);
	for (size_t i = 0; i < n; i++) {
		uint64_t v = column_next(&r);

		cr_expect_eq(v, values[i], "value %zu is %llu", i, (unsigned long long)v);
	}
}

#define EXPECT(column, ...)                                                                                            \
	expect_column(&(column), (const uint64_t[]){__VA_ARGS__},                                                      \
		      sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

Test(job_build, a_million_tasks_are_a_small_message)
{
	static const char *const argv[] = {"true", NULL};
	struct sc_group_spec spec = {
		.name = "a", .kind = SC_KIND_EXEC, .argv = argv, .count = 1000000, .index_first = 5, .index_step = 2};
	struct sc_job *job = new_job();
	struct job_columns *columns;
	struct msg_submit m;
	struct buf out;

	cr_assert_eq(sc_job_add_group(job, &spec, NULL), SC_OK);
	cr_assert_eq(sc_job_check(job), SC_OK);
	cr_assert_eq(job_message(job, &m, &columns), SC_OK);
	buf_init(&out, 0);
	cr_assert_eq(msg_encode(&out, MSG_submit, &m, NULL), SC_OK);
	cr_expect_lt(out.len, 200u, "%zu bytes", out.len);
	EXPECT(m.group_n_tasks, 1000000);
	EXPECT(m.group_index_first, 5);
	EXPECT(m.group_index_step, 2);
	cr_expect_eq(m.n_inputs.count, 0u);
	buf_fini(&out);
	job_columns_free(columns);
	sc_job_free(job);
}

Test(job_build, inputs_come_in_order_joins_before_edges)
{
	struct sc_job *job = new_job();
	uint32_t a = add(job, "a", 3), b = add(job, "b", 3), c = add(job, "c", 0);
	struct job_columns *columns;
	struct msg_submit m;

	cr_assert_eq(sc_job_join_groups(job, b, a, SC_JOIN_EACH), SC_OK);
	cr_assert_eq(sc_job_add_input(job, 6, 5), SC_OK);
	cr_assert_eq(sc_job_add_input(job, 3, 2), SC_OK); /* out of order: sorted, and stable */
	cr_assert_eq(sc_job_add_input(job, 6, 3), SC_OK);
	cr_assert_eq(sc_job_join_groups(job, c, a, SC_JOIN_ALL), SC_OK);
	cr_assert_eq(sc_job_check(job), SC_OK, "%s", sc_client_error_text(NULL));
	cr_assert_eq(job_message(job, &m, &columns), SC_OK);
	EXPECT(m.n_inputs, 0, 0, 0, 2, 1, 1, 5);
	EXPECT(m.input, 0, 2, 1, 2, 0, 1, 2, 5, 3);
	job_columns_free(columns);
	sc_job_free(job);
}

Test(job_build, bulk_inputs_are_the_same_as_single_ones)
{
	static const uint32_t counts[] = {1, 0, 2}, inputs[] = {0, 1, 2};
	struct sc_job *job = new_job();
	struct job_columns *columns;
	struct msg_submit m;

	add(job, "a", 3);
	add(job, "b", 3);
	cr_assert_eq(sc_job_add_inputs(job, 3, 3, counts, inputs), SC_OK);
	cr_assert_eq(sc_job_check(job), SC_OK);
	cr_assert_eq(job_message(job, &m, &columns), SC_OK);
	EXPECT(m.n_inputs, 0, 0, 0, 1, 0, 2);
	EXPECT(m.input, 0, 1, 2);
	job_columns_free(columns);
	sc_job_free(job);
}

Test(job_build, equal_bodies_and_requests_are_shared)
{
	static const char *const argv[] = {"true", NULL};
	struct sc_job *job = new_job();
	struct job_columns *columns;
	struct msg_submit m;
	char name[16];

	for (int i = 0; i < 100; i++) {
		struct sc_group_spec spec = {
			.name = name, .kind = SC_KIND_EXEC, .argv = argv, .resources = i % 2 ? "cpus=2" : NULL};

		snprintf(name, sizeof(name), "g%d", i);
		cr_assert_eq(sc_job_add_group(job, &spec, NULL), SC_OK);
	}
	cr_assert_eq(job_message(job, &m, &columns), SC_OK);
	cr_expect_eq(m.bodies.n, 1u);
	cr_expect_eq(m.requests.n, 2u);
	cr_expect_eq(m.group_retries.count, 0u, "a column of defaults is left out");
	cr_expect_eq(m.group_request.count, 100u);
	job_columns_free(columns);
	sc_job_free(job);
}

Test(job_build, items_go_to_their_groups)
{
	static const struct sc_bytes items[] = {{"x", 1}, {"", 0}, {"long", 4}};
	struct sc_group_spec spec = {.name = "i", .items = items, .n_items = 3};
	struct sc_job *job = new_job();
	struct job_columns *columns;
	struct msg_submit m;
	char key[64];

	cr_assert_eq(sc_job_add_group(job, &spec, NULL), SC_OK);
	cr_assert_eq(job_message(job, &m, &columns), SC_OK);
	cr_assert_eq(m.items.n, 3u);
	cr_expect(slice_is(m.items.v[0], "x") && slice_is(m.items.v[1], "") && slice_is(m.items.v[2], "long"));
	EXPECT(m.group_flags, SC_GROUP_ARRAY | SC_GROUP_ITEMS);
	cr_expect_str_eq(job_key(job, 2, key, sizeof(key)), "i-2");
	job_columns_free(columns);
	sc_job_free(job);
}

static void expect_refused(sc_err err, sc_err wanted, const char *text)
{
	cr_expect_eq(err, wanted, "%s instead of %s", sc_err_name(err), sc_err_name(wanted));
	cr_expect(strstr(sc_client_error_text(NULL), text) != NULL, "'%s' does not mention '%s'",
		  sc_client_error_text(NULL), text);
}

Test(job_build, a_cycle_names_the_tasks_on_it)
{
	struct sc_job *job = new_job();
	uint32_t a = add(job, "first", 0), b = add(job, "second", 2), c = add(job, "third", 0);

	cr_assert_eq(sc_job_join_groups(job, a, c, SC_JOIN_ALL), SC_OK);
	cr_assert_eq(sc_job_join_groups(job, c, b, SC_JOIN_ALL), SC_OK);
	cr_assert_eq(sc_job_check(job), SC_OK, "backwards, but no cycle: %s", sc_client_error_text(NULL));
	cr_assert_eq(sc_job_add_input(job, sc_job_first_task(job, b) + 1, sc_job_first_task(job, a)), SC_OK);
	expect_refused(sc_job_check(job), SC_CYCLE, "first -> third -> second-1 -> first");
	sc_job_free(job);
}

Test(job_build, a_task_that_takes_its_own_result_is_a_cycle)
{
	struct sc_job *job = new_job();

	add(job, "self", 0);
	cr_assert_eq(sc_job_add_input(job, 0, 0), SC_OK);
	expect_refused(sc_job_check(job), SC_CYCLE, "self -> self");
	sc_job_free(job);
}

Test(job_build, keys_may_not_clash)
{
	struct sc_job *job = new_job();

	add(job, "a", 10);
	add(job, "a-10", 0);
	add(job, "a-03", 0);
	cr_assert_eq(sc_job_check(job), SC_OK, "%s", sc_client_error_text(NULL));
	add(job, "a-3", 0);
	expect_refused(sc_job_check(job), SC_EXISTS, "a-3");
	expect_refused(sc_job_add_group(job, &(struct sc_group_spec){.name = "a"}, NULL), SC_EXISTS, "named a");
	sc_job_free(job);
}

Test(job_build, what_cannot_be_is_refused_with_a_reason)
{
	static const char *const argv[] = {"true", NULL}, *const env[] = {"NOVALUE", NULL};
	static const struct {
		struct sc_group_spec spec;
		const char *text;
	} bad[] = {
		{{.name = "a/b"}, "allowed"},
		{{.name = ".a"}, "allowed"},
		{{.name = "a", .kind = SC_KIND_EXEC}, "no command"},
		{{.name = "a", .kind = SC_KIND_EXEC, .argv = argv, .env = env}, "NAME=VALUE"},
		{{.name = "a", .kind = SC_KIND_EXEC, .argv = argv, .stdin_path = "x", .stdin_bytes = {"y", 1}},
		 "only one"},
		{{.name = "a", .kind = SC_KIND_CALL, .module = "m"}, "function"},
		{{.name = "a", .resources = "gpu"}, "NAME=AMOUNT"},
		{{.name = "a", .resources = "gpu=1,gpu=2"}, "twice"},
		{{.name = "a", .resources = "gpu=x"}, "not an amount"},
		{{.name = "a", .resources = "cpus=1|"}, "empty"},
		{{.name = "a", .resources = "cpus=1||gpu=1"}, "KEY=VALUE"},
		{{.name = "a", .resources = "label:=x"}, "KEY=VALUE"},
		{{.name = "a", .resources = "memory=much"}, "2GiB"},
		{{.name = "a", .priority = 2000000}, "priority"},
		{{.name = "a", .count = 2, .index_first = UINT64_MAX}, "2^64"},
	};
	struct sc_job *job = new_job();

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_refused(sc_job_add_group(job, &bad[i].spec, NULL), SC_INVALID, bad[i].text);
	expect_refused(sc_job_add_group(job, &(struct sc_group_spec){.name = "a", .count = UINT32_MAX}, NULL), SC_LIMIT,
		       "at most");
	expect_refused(sc_job_check(job), SC_INVALID, "no tasks");
	expect_refused(
		sc_job_add_group(job, &(struct sc_group_spec){.name = "a", .resources = "x=1|x=1|x=1|x=1|x=1"}, NULL),
		SC_LIMIT, "alternatives");
	add(job, "ok", 2);
	add(job, "three", 3);
	expect_refused(sc_job_join_groups(job, 0, 1, SC_JOIN_EACH), SC_INVALID, "one to one");
	expect_refused(sc_job_join_groups(job, 0, 2, SC_JOIN_ALL), SC_INVALID, "only 2 groups");
	cr_assert_eq(sc_job_add_input(job, 0, 5), SC_OK);
	expect_refused(sc_job_check(job), SC_INVALID, "there are only 5");
	sc_job_free(job);
}

Test(job_build, standard_input_may_be_a_group_that_comes_later)
{
	static const char *const argv[] = {"cat", NULL};
	struct sc_group_spec reader = {.name = "r", .kind = SC_KIND_EXEC, .argv = argv, .stdin_group = 2};
	struct sc_job *job = new_job();

	cr_assert_eq(sc_job_add_group(job, &reader, NULL), SC_OK);
	expect_refused(sc_job_check(job), SC_INVALID, "group r: its standard input is a group that is not there");
	add(job, "later", 1);
	cr_assert_eq(sc_job_check(job), SC_OK);
	reader = (struct sc_group_spec){.name = "self", .kind = SC_KIND_EXEC, .argv = argv, .stdin_group = 3};
	cr_assert_eq(sc_job_add_group(job, &reader, NULL), SC_OK);
	expect_refused(sc_job_check(job), SC_INVALID, "group self: its standard input is a group that is not there");
	sc_job_free(job);
}

Test(job_build, too_many_inputs_are_refused_before_they_cost_anything)
{
	struct sc_job *job = new_job();
	uint32_t a = add(job, "a", 100000000), b = add(job, "b", 100000000);

	cr_assert_eq(sc_job_join_groups(job, b, a, SC_JOIN_ALL), SC_OK);
	expect_refused(sc_job_check(job), SC_LIMIT, "inputs in all");
	sc_job_free(job);
}

/* One of everything; the first failure ends it. */
static sc_err build(struct sc_job **out)
{
	static const char *const argv[] = {"a", "b", NULL}, *const env[] = {"X=1", NULL};
	static const struct sc_bytes items[] = {{"x", 1}, {"y", 1}};
	struct sc_group_spec first = {.name = "a",
				      .kind = SC_KIND_EXEC,
				      .argv = argv,
				      .env = env,
				      .items = items,
				      .n_items = 2,
				      .resources = "cpus=2"};
	struct job_columns *columns;
	struct msg_submit m;
	uint32_t a, b;
	sc_err err = sc_job_new("j", out);

	if (err == SC_OK)
		err = sc_job_set_namespace(*out, "ns");
	if (err == SC_OK)
		err = sc_job_add_after(*out, 1);
	if (err == SC_OK)
		err = sc_job_add_group(*out, &first, &a);
	if (err == SC_OK)
		err = sc_job_add_group(*out, &(struct sc_group_spec){.name = "b"}, &b);
	if (err == SC_OK)
		err = sc_job_join_groups(*out, b, a, SC_JOIN_ALL);
	if (err == SC_OK)
		err = sc_job_add_input(*out, 2, 1);
	if (err == SC_OK)
		err = sc_job_add_input(*out, 0, 1);
	if (err == SC_OK)
		err = sc_job_check(*out);
	if (err == SC_OK) {
		err = job_message(*out, &m, &columns);
		if (err == SC_OK)
			job_columns_free(columns);
	}
	return err;
}

Test(job_build, survives_any_failed_allocation)
{
	sc_err err = SC_NOMEM;

	for (long n = 0; err != SC_OK; n++) {
		struct sc_job *job = NULL;

		cr_assert_lt(n, 1000);
		mem_fail_nth(n);
		err = build(&job);
		mem_fail_nth(-1);
		cr_assert(err == SC_OK || err == SC_NOMEM, "allocation %ld: %s", n, sc_err_name(err));
		sc_job_free(job);
	}
}
