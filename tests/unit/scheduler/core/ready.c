/* The ready queue gives tasks in order, whatever order they come in. */
#include "scheduler/core/ready.h"
#include "tests/unit/scheduler/core/world.h"

static uint32_t pop(struct job *j)
{
	struct run_queue *q = ready_top(j->groups[0].class);

	cr_assert_not_null(q);
	return ready_pop(q);
}

Test(ready, out_of_order_comes_out_in_order)
{
	static const uint32_t order[] = {5, 3, 9, 4, 0, 7, 8, 6, 1, 2};
	struct requests r;
	struct job_spec s = {.name = slice_of("j"), .namespace = slice_of("n"), .n_groups = 1};
	struct group_spec g = {.name = slice_of("t"), .n_tasks = 10};
	struct slice body = slice_of("");
	struct buf error;
	struct job *j;

	buf_init(&error, 0);
	cr_assert_eq(requests_init(&r), SC_OK);
	s.groups = &g;
	s.bodies = (struct slices){&body, 1};
	cr_assert_eq(job_new(&r, &s, &j, &error), SC_OK);
	for (size_t i = 0; i < 10; i++) {
		j->tasks[order[i]].state = TASK_READY;
		cr_assert_eq(ready_push(j, order[i]), SC_OK);
		cr_assert_eq(ready_push(j, order[i]), SC_OK, "twice is once");
	}
	j->tasks[4].state = TASK_WAITING; /* stale: it is skipped */
	for (uint32_t t = 0; t < 10; t++)
		if (t != 4)
			cr_assert_eq(pop(j), t);
	cr_assert_null(ready_top(j->groups[0].class));
	job_free(j);
	requests_fini(&r);
	buf_fini(&error);
}
