/* namespace.c - names are interned and counted; workers that are reserved run tasks of their namespace alone. */
#include "scheduler/core/namespace.h"

#include "scheduler/core/core_internal.h"
#include "tests/unit/scheduler/core/world.h"

#define MANY_JOBS 5u

Test(namespace, equal_names_are_one_until_nobody_uses_them)
{
	struct namespaces all = {NULL};
	struct namespace *a, *b, *c;

	cr_assert_eq(namespace_take(&all, slice_of("x"), &a), SC_OK);
	cr_assert_eq(namespace_take(&all, (struct slice){"xy", 1}, &b), SC_OK);
	cr_assert_eq(namespace_take(&all, slice_of("xy"), &c), SC_OK);
	cr_assert_eq(a, b);
	cr_assert_neq(a, c);
	namespace_drop(a);
	namespace_drop(c);
	cr_assert_eq(HASH_COUNT(all.by_name), 1);
	namespace_drop(b);
	cr_assert_null(all.by_name);
	namespace_drop(NULL);
}

/* How many tasks of the job the round gave to this worker. */
static void given_to(struct world *w, const struct job *j, uint32_t number, size_t expected)
{
	size_t n, count = 0;
	const struct action *a = core_actions(w->core, &n);

	for (size_t i = 0; i < n; i++)
		count += a[i].kind == ACTION_ASSIGN && a[i].job == j && a[i].worker == number;
	cr_assert_eq(count, expected, "worker %u has %zu, not %zu", number, count, expected);
}

static struct job *array_of(struct world *w, const char *namespace, uint32_t n)
{
	w->namespace = namespace;
	return world_array(w, n);
}

Test(namespace, a_reserved_worker_never_gets_tasks_of_another)
{
	struct world w;
	struct job *x, *y;
	uint32_t of_x, open;
	size_t n;

	world_init(&w);
	of_x = world_reserved(&w, "of-x", "cpus=4", "x");
	y = array_of(&w, "y", 10);
	world_round(&w, &n);
	cr_assert_eq(n, 0, "nobody may run it");
	open = world_worker(&w, "open", "cpus=2");
	world_round(&w, &n);
	given_to(&w, y, of_x, 0);
	given_to(&w, y, open, 2);
	x = array_of(&w, "x", 10);
	world_round(&w, &n);
	given_to(&w, x, of_x, 4);
	given_to(&w, y, of_x, 0);
	world_done(&w, open, y, 0, 0);
	world_round(&w, &n);
	given_to(&w, y, open, 1);
	cr_assert_eq(n, 1);
	world_fini(&w);
}

Test(namespace, a_worker_reserved_for_none_serves_all)
{
	struct world w;
	struct job *jobs[MANY_JOBS];
	uint32_t open;
	size_t n;

	world_init(&w);
	for (unsigned i = 0; i < MANY_JOBS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%u", i);
		jobs[i] = array_of(&w, name, 1);
	}
	open = world_worker(&w, "open", "cpus=16");
	world_round(&w, &n);
	for (unsigned i = 0; i < MANY_JOBS; i++)
		given_to(&w, jobs[i], open, 1);
	world_fini(&w);
}

/* An open worker is left to those who have no other. */
Test(namespace, its_own_workers_come_first)
{
	struct world w;
	struct job *x, *y;
	uint32_t open, of_x;
	size_t n;

	world_init(&w);
	open = world_worker(&w, "open", "cpus=2");
	of_x = world_reserved(&w, "of-x", "cpus=2", "x");
	x = array_of(&w, "x", 2);
	y = array_of(&w, "y", 2);
	world_round(&w, &n);
	given_to(&w, x, of_x, 2);
	given_to(&w, y, open, 2);
	x = array_of(&w, "x", 6);
	world_done(&w, open, y, 0, 0);
	world_round(&w, &n);
	given_to(&w, x, open, 1);
	world_fini(&w);
}

/* That one namespace finds no room spares others the search, but hides no room from them. */
Test(namespace, a_full_cluster_is_full_for_those_who_may_use_no_more)
{
	struct group_spec small = {.name = slice_of("s"), .n_tasks = 4, .request = slice_of("cpus=1")};
	struct group_spec big = {.name = slice_of("b"), .n_tasks = 1, .request = slice_of("cpus=4")};
	struct world w;
	struct job *a, *b, *x;
	uint32_t open, of_x;
	size_t n;

	world_init(&w);
	open = world_worker(&w, "open", "cpus=3");
	of_x = world_reserved(&w, "of-x", "cpus=4", "x");
	w.namespace = "a";
	a = world_submit(&w, &big, 1, NULL); /* fits nowhere it may go */
	w.namespace = "b";
	b = world_submit(&w, &small, 1, NULL);
	w.namespace = "x";
	x = world_submit(&w, &big, 1, NULL);
	world_round(&w, &n);
	given_to(&w, a, open, 0);
	given_to(&w, b, open, 3);
	given_to(&w, x, of_x, 1);
	cr_assert_eq(n, 4);
	world_fini(&w);
}

/* Its input is at a worker it must not run at: bytes do not outweigh the reservation. */
Test(namespace, inputs_do_not_draw_a_task_to_a_worker_of_another)
{
	struct group_spec g[] = {{.name = slice_of("make"), .n_tasks = 1}, {.name = slice_of("take"), .n_tasks = 1}};
	struct world w;
	struct job *j;
	uint32_t open, of_x;
	size_t n;

	world_init(&w);
	open = world_worker(&w, "open", "cpus=1");
	w.namespace = "y";
	j = world_submit(&w, g, 2, "0>1");
	world_round(&w, &n);
	world_done(&w, open, j, 0, 1 << 20);
	core_worker_set_status(w.core, open, WORKER_DRAINING);
	of_x = world_reserved(&w, "of-x", "cpus=1", "x");
	world_round(&w, &n);
	given_to(&w, j, of_x, 0);
	core_worker_set_status(w.core, open, WORKER_ACTIVE);
	world_round(&w, &n);
	given_to(&w, j, open, 1);
	world_fini(&w);
}

static void explained(struct world *w, const struct job *j, const char *expected)
{
	struct buf text;

	buf_init(&text, 0);
	core_explain(w->core, j, 0, w->now_us, &text);
	cr_assert_not_null(strstr(buf_str(&text), expected), "%s", buf_str(&text));
	buf_fini(&text);
}

Test(namespace, explain_says_for_whom_a_worker_is_reserved)
{
	struct world w;
	struct group_spec big = {.name = slice_of("big"), .n_tasks = 1, .request = slice_of("cpus=8")};
	struct job *y;
	size_t n;

	world_init(&w);
	y = array_of(&w, "y", 1);
	world_reserved(&w, "w1", "cpus=1", "x");
	world_round(&w, &n);
	explained(&w, y, "the only worker is reserved for other namespaces than its own, 'y'");
	explained(&w, y, "w1 is reserved for namespace 'x'");
	y = world_submit(&w, &big, 1, NULL);
	world_reserved(&w, "w2", "cpus=1", "y");
	world_round(&w, &n);
	explained(&w, y, "the only worker that serves namespace 'y' does not have what it asks for (cpus=8)");
	world_fini(&w);
}

/* Nothing of a namespace outlasts those that speak of it. */
Test(namespace, names_of_workers_that_left_are_forgotten)
{
	struct world w;
	char name[32];

	world_init(&w);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		world_lose(&w, world_reserved(&w, "w", "cpus=1", name));
	}
	cr_assert_null(w.core->requests.namespaces.by_name);
	world_fini(&w);
}

Test(namespace, survives_any_failed_allocation)
{
	sc_err err = SC_NOMEM;

	for (long n = 0; err != SC_OK; n++) {
		struct namespaces all = {NULL};
		struct namespace *x = NULL;

		mem_fail_nth(n);
		err = namespace_take(&all, slice_of("x"), &x);
		mem_fail_nth(-1);
		cr_assert(err == SC_OK || (err == SC_NOMEM && x == NULL && all.by_name == NULL));
		namespace_drop(x);
	}
}
