/* Jobs: what is refused, and how tasks are named. */
#include "tests/unit/scheduler/core/world.h"

static void refused(const struct group_spec *g, uint32_t n, const char *edges, sc_err wanted, const char *text)
{
	struct world w;
	struct buf error;
	sc_err err;

	world_init(&w);
	buf_init(&error, 0);
	err = world_try_submit(&w, g, n, edges, 0, NULL, &error);
	cr_assert_eq(err, wanted, "%s instead of %s", sc_err_name(err), sc_err_name(wanted));
	cr_assert_not_null(strstr(buf_str(&error), text), "'%s' is not in '%s'", text, buf_str(&error));
	cr_assert_eq(core_n_tasks(w.core), 0);
	cr_assert_null(core_job_first(w.core));
	buf_fini(&error);
	world_fini(&w);
}

Test(job, refuses_what_is_wrong_and_says_what)
{
	struct group_spec a = {.name = slice_of("a"), .n_tasks = 1}, two[] = {a, a}, bad = a, none = a, body = a,
			  req = a;

	bad.name = slice_of("a b");
	none.n_tasks = 0;
	body.body = 3;
	req.request = slice_of("cpus=lots");
	refused(two, 2, NULL, SC_INVALID, "two groups of tasks are named 'a'");
	refused(&bad, 1, NULL, SC_INVALID, "group 'a b' is not a name; allowed are");
	refused(&none, 1, NULL, SC_INVALID, "group 'a' has no tasks");
	refused(&body, 1, NULL, SC_INVALID, "body 3 of 1");
	refused(&req, 1, NULL, SC_INVALID, "'lots' is not an amount");
	req.request = slice_of("gpu=1,gpu=2");
	refused(&req, 1, NULL, SC_INVALID, "resource 'gpu' is named twice");
	refused(&a, 0, NULL, SC_INVALID, "at least one task");
}

Test(job, a_cycle_names_its_tasks)
{
	struct group_spec g[] = {{.name = slice_of("a"), .n_tasks = 1},
				 {.name = slice_of("b"), .n_tasks = 1},
				 {.name = slice_of("c"), .n_tasks = 1},
				 {.name = slice_of("tail"), .n_tasks = 1}};

	refused(g, 4, "0>1 1>2 2>0 2>3", SC_CYCLE, "needs");
	refused(g, 4, "0>1 1>2 2>0 2>3", SC_CYCLE, "dependencies form a cycle: ");
	refused(g, 1, "0>0", SC_CYCLE, "a needs a");
	refused(g, 4, "0>3 1>2 2>1", SC_CYCLE, "b needs c needs b");
	refused(g, 2, "7>1", SC_INVALID, "task 'b' takes input from task number 7, but there are only 2");
}

/* A cycle of two, one of which takes input from very many others: finding it takes a look at each of them, once. */
Test(job, a_short_cycle_beside_many_inputs_is_found_at_once, .timeout = 30)
{
	enum { LEAVES = 500000 };
	struct group_spec g[] = {{.name = slice_of("leaf"), .n_tasks = LEAVES},
				 {.name = slice_of("a"), .n_tasks = 1},
				 {.name = slice_of("b"), .n_tasks = 1}};
	struct slice body = slice_of("");
	struct job_spec s = {.name = slice_of("job"), .namespace = slice_of("default"), .groups = g, .n_groups = 3};
	struct world w;
	struct buf error;
	uint64_t id;

	world_init(&w);
	buf_init(&error, 0);
	s.bodies = (struct slices){&body, 1};
	s.in_start = mem_calloc(LEAVES + 3, sizeof(*s.in_start));
	s.in = mem_malloc((LEAVES + 2) * sizeof(*s.in));
	for (uint32_t i = 0; i < LEAVES; i++)
		s.in[i] = i;
	s.in[LEAVES] = LEAVES + 1;
	s.in[LEAVES + 1] = LEAVES;
	s.in_start[LEAVES + 1] = LEAVES + 1;
	s.in_start[LEAVES + 2] = LEAVES + 2;
	cr_assert_eq(core_submit(w.core, &s, w.now_us, &id, &error), SC_CYCLE);
	cr_assert_not_null(strstr(buf_str(&error), "a needs b needs a"), "%s", buf_str(&error));
	mem_free(s.in_start);
	mem_free(s.in);
	buf_fini(&error);
	world_fini(&w);
}

Test(job, no_key_occurs_twice)
{
	struct group_spec array = {.name = slice_of("a"), .n_tasks = 5, .flags = GROUP_ARRAY}, single = array,
			  two[] = {array, single}, wide = array;
	struct world w;

	two[1].n_tasks = 1;
	two[1].flags = 0;
	two[1].name = slice_of("a-3");
	refused(two, 2, NULL, SC_INVALID, "two tasks have the key 'a-3'");
	world_init(&w);
	two[1].name = slice_of("a-5");
	world_submit(&w, two, 2, NULL);
	two[1].name = slice_of("a-03");
	world_submit(&w, two, 2, NULL);
	two[1].name = slice_of("a-3");
	two[1].flags = GROUP_ARRAY; /* a-3-0 */
	world_submit(&w, two, 2, NULL);
	world_fini(&w);
	wide.index_step = UINT64_MAX / 2;
	refused(&wide, 1, NULL, SC_INVALID, "its last index is beyond 2^64");
	wide.index_step = 1;
	wide.index_first = UINT64_MAX - 3;
	refused(&wide, 1, NULL, SC_INVALID, "its last index is beyond 2^64");
}

Test(job, edges_backwards_are_fine_without_a_cycle)
{
	struct group_spec g[] = {{.name = slice_of("a"), .n_tasks = 1}, {.name = slice_of("b"), .n_tasks = 1}};
	struct world w;
	struct job *j;

	world_init(&w);
	j = world_submit(&w, g, 2, "1>0");
	cr_assert_eq(j->tasks[0].state, TASK_WAITING);
	cr_assert_eq(j->tasks[1].state, TASK_READY);
	world_fini(&w);
}

Test(job, keys_go_both_ways)
{
	struct group_spec g[] = {{.name = slice_of("one"), .n_tasks = 1},
				 {.name = slice_of("many"), .n_tasks = 3, .index_first = 5, .index_step = 2},
				 {.name = slice_of("lone"), .n_tasks = 1, .flags = GROUP_ARRAY, .index_first = 9}};
	const char *keys[] = {"one", "many-5", "many-7", "many-9", "lone-9"};
	const char *unknown[] = {"many", "many-6", "many-11", "many-3", "one-0", "lone", "", "many-", "nothing", "99"};
	char key[JOB_KEY_MAX];
	struct world w;
	struct job *j;
	uint32_t task;

	world_init(&w);
	j = world_submit(&w, g, 3, NULL);
	for (uint32_t t = 0; t < 5; t++) {
		cr_assert_str_eq(job_key(j, t, key, sizeof(key)), keys[t]);
		cr_assert_eq(job_find_task(j, slice_of(keys[t]), &task), SC_OK);
		cr_assert_eq(task, t);
	}
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		cr_assert_eq(job_find_task(j, slice_of(unknown[i]), &task), SC_NOT_FOUND, "%s", unknown[i]);
	cr_assert_eq(job_find_task(j, slice_of("3"), &task), SC_OK, "a number is a task, too");
	cr_assert_eq(task, 3);
	world_fini(&w);
}

Test(job, more_tasks_than_allowed_are_refused)
{
	struct group_spec g = {.name = slice_of("t"), .n_tasks = 10000001};

	refused(&g, 1, NULL, SC_LIMIT, "scheduler.max-tasks=10000000");
}
