/* foremost.c - of many classes of one namespace the most urgent comes first, whatever became of the others. */
#include "scheduler/core/foremost.h"

#include <stdlib.h>

#include "bench/chance.h"
#include "scheduler/core/core_internal.h"
#include "tests/unit/scheduler/core/world.h"

#define N_JOBS	  6u
#define N_CLASSES 150u
#define N_GROUPS  (N_JOBS * N_CLASSES)
#define TEXT	  48

/* A task that should be given out, and what decides when. */
struct due {
	int64_t priority;
	uint64_t job;
	uint32_t order; /* in which its class became ready first */
	uint32_t task;
};

static int compare(const void *a, const void *b)
{
	const struct due *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	if (x->job != y->job)
		return x->job < y->job ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

/* What class k asks for; every third asks for what no worker has. */
static void request_of(uint32_t k, char *out)
{
	snprintf(out, TEXT, k % 3 == 0 ? "cpus=1,gpu=%u" : "cpus=1,memory=%uMiB", k + 1);
}

/*
 * Jobs that have one task of each class, with priorities by chance.  due: of those tasks that can run, in the order in
 * which they should be given out; their number.
 */
static size_t submit_all(struct world *w, uint64_t seed, struct due *due)
{
	static char names[N_CLASSES][TEXT], requests[N_CLASSES][TEXT];
	struct group_spec g[N_CLASSES];
	size_t n = 0;

	for (uint32_t i = 0; i < N_JOBS; i++) {
		struct job *j;

		for (uint32_t k = 0; k < N_CLASSES; k++) {
			snprintf(names[k], TEXT, "g%u", k);
			request_of(k, requests[k]);
			g[k] = (struct group_spec){.name = slice_of(names[k]),
						   .request = slice_of(requests[k]),
						   .n_tasks = 1,
						   .priority = (int64_t)chance_roll(&seed, 9) - 4};
		}
		j = world_submit(w, g, N_CLASSES, NULL);
		for (uint32_t k = 0; k < N_CLASSES; k++)
			if (k % 3 != 0)
				due[n++] = (struct due){g[k].priority, j->id, k, k};
	}
	qsort(due, n, sizeof(*due), compare);
	return n;
}

Test(foremost, one_at_a_time_in_order)
{
	static struct due due[N_GROUPS];
	const struct action *a;
	struct world w;
	uint32_t worker;
	size_t n, n_due;

	world_init(&w);
	worker = world_worker(&w, "w", "cpus=1");
	n_due = submit_all(&w, 1, due);
	cr_assert_eq(n_due, N_GROUPS / 3 * 2);
	for (size_t i = 0; i < n_due; i++) {
		a = world_round(&w, &n);
		cr_assert_eq(n, 1, "round %zu: %zu actions", i, n);
		cr_assert(a->kind == ACTION_ASSIGN && a->job->id == due[i].job && a->task == due[i].task,
			  "round %zu: job %d task %u, not %d, %u", i, (int)a->job->id, a->task, (int)due[i].job,
			  due[i].task);
		world_done(&w, worker, a->job, a->task, 0);
	}
	world_round(&w, &n);
	cr_assert_eq(n, 0, "the rest can run nowhere");
	world_fini(&w);
}

Test(foremost, all_at_once_in_order)
{
	static struct due due[N_GROUPS];

	for (uint64_t seed = 2; seed < 12; seed++) {
		const struct action *a;
		struct world w;
		size_t n, n_due;

		world_init(&w);
		world_worker(&w, "w", "cpus=10000");
		n_due = submit_all(&w, seed, due);
		a = world_round(&w, &n);
		cr_assert_eq(n, n_due);
		for (size_t i = 0; i < n; i++)
			cr_assert(a[i].job->id == due[i].job && a[i].task == due[i].task,
				  "seed %d, %zu: job %d task %u, not %d, %u", (int)seed, i, (int)a[i].job->id,
				  a[i].task, (int)due[i].job, due[i].task);
		world_fini(&w);
	}
}

/* What waits is entered in the order of the round before; what has come since, from the back, finds its place anyway.
 */
Test(foremost, what_comes_in_between_finds_its_place)
{
	struct group_spec g = {.name = slice_of("t"), .n_tasks = 1};
	static struct due due[N_GROUPS];
	char request[TEXT];
	const struct action *a;
	struct world w;
	struct job *j;
	uint32_t worker;
	size_t n;

	world_init(&w);
	worker = world_worker(&w, "w", "cpus=1");
	submit_all(&w, 1, due);
	for (uint32_t i = 0; i < 40; i++) { /* each is more urgent than all before it: given out next, in any class */
		request_of(1 + 3 * (i * 7 % 40), request);
		g.request = slice_of(request);
		g.priority = 5 + i;
		j = world_submit(&w, &g, 1, NULL);
		a = world_round(&w, &n);
		cr_assert(n == 1 && a->job == j, "round %u", i);
		world_done(&w, worker, j, 0, 0);
	}
	a = world_round(&w, &n);
	cr_assert(n == 1 && a->job->id == due[0].job && a->task == due[0].task, "and what waited comes as before");
	world_fini(&w);
}

/* A class without tasks loses its turn among equals: it goes behind those that have waited meanwhile. */
Test(foremost, among_equals_who_has_waited_longest)
{
	struct group_spec g[] = {{.name = slice_of("a"), .n_tasks = 1, .request = slice_of("cpus=1,memory=1MiB")},
				 {.name = slice_of("b"), .n_tasks = 2, .request = slice_of("cpus=1,memory=2MiB")},
				 {.name = slice_of("c"), .n_tasks = 1, .request = slice_of("cpus=1,memory=1MiB")}};
	const struct action *a;
	struct world w;
	struct job *j;
	uint32_t worker;
	size_t n;

	world_init(&w);
	worker = world_worker(&w, "w", "cpus=1");
	j = world_submit(&w, g, 3, "0>3"); /* a, then c with a's request; b has two */
	a = world_round(&w, &n);
	cr_assert(n == 1 && a->task == 0);
	for (uint32_t task = 1; task < 4; task++) { /* a's class comes again after both of b, though it was the first */
		world_done(&w, worker, j, task - 1, 0);
		a = world_round(&w, &n);
		cr_assert_eq(world_count(&w, ACTION_ASSIGN), 1);
		for (size_t i = 0; i < n; i++)
			cr_assert(a[i].kind != ACTION_ASSIGN || a[i].task == task, "%u, not %u", a[i].task, task);
	}
	world_fini(&w);
}

/* ---- by hand ---------------------------------------------------------------------------------------------------- */

/* Take the tasks of all classes out, setting aside some of them at times, and see each time that it is the right one.
 */
Test(foremost, by_hand)
{
	static struct due due[N_GROUPS];
	struct world w;
	struct namespace *ns;
	size_t n_taken = 0, n_aside = 0;
	uint64_t random = 7, pass = 1000000;

	world_init(&w);
	submit_all(&w, 3, due);
	ns = namespace_find(&w.core->requests.namespaces, slice_of("default"));
	cr_assert_not_null(ns);
	for (; n_taken < N_GROUPS; pass++) {
		struct request_class *cl;

		foremost_begin(ns);
		cr_assert_not_null(foremost(ns), "%zu taken", n_taken);
		while ((cl = foremost(ns)) != NULL) {
			cr_assert(core_check_foremost(ns, pass));
			cr_assert_eq(cl->front, ready_top(cl));
			if (chance_roll(&random, 4) > 0) {
				cl->blocked_pass = pass;
				foremost_set_aside(ns);
				n_aside++;
				continue;
			}
			(void)ready_pop(cl->front);
			cl->front = ready_top(cl);
			foremost_settle(ns);
			n_taken++;
		}
		cr_assert(core_check_foremost(ns, pass));
	}
	foremost_begin(ns);
	cr_assert_null(foremost(ns));
	cr_assert_eq(n_taken, N_GROUPS);
	cr_assert_gt(n_aside, N_GROUPS);
	world_fini(&w);
}

/* ---- the checker ------------------------------------------------------------------------------------------------ */

static void expect_wrong(const struct world *w, const char *what)
{
	struct buf why;

	buf_init(&why, 0);
	cr_expect_eq(core_check(w->core, &why), SC_BAD_STATE, "%s: not seen", what);
	cr_expect_neq(strstr(buf_str(&why), what), NULL, "%s: %s", what, buf_str(&why));
	buf_fini(&why);
}

Test(foremost, what_does_not_hold_is_seen)
{
	static struct due due[N_GROUPS];
	struct request_class *cl, *other;
	struct run_queue *q;
	struct namespace *ns;
	struct world w;

	world_init(&w);
	submit_all(&w, 1, due);
	ns = namespace_find(&w.core->requests.namespaces, slice_of("default"));
	cl = TAILQ_FIRST(&ns->classes);
	cr_assert_gt(cl->n_heap, 2);

	foremost_begin(ns);
	expect_wrong(&w, "a pass has left class");
	cr_assert(core_check_foremost(ns, 1));
	ns->foremost = ns->foremost->child;
	cr_assert_not(core_check_foremost(ns, 1), "it is not the first");
	ns->foremost = NULL;
	cr_assert_not(core_check_foremost(ns, 1), "there are some");

	TAILQ_REMOVE(&ns->classes, cl, ready_link);
	expect_wrong(&w, "are listed");
	TAILQ_INSERT_TAIL(&ns->classes, cl, ready_link);
	world_check(&w); /* the list is in no order */

	cl->ready_since = ns->home->n_entered + 1;
	expect_wrong(&w, "nobody knows since when");
	cl->ready_since = 0;
	expect_wrong(&w, "nobody knows since when");
	cl->ready_since = 1;

	other = TAILQ_FIRST(&ns->classes);
	cr_assert_neq(other, cl);
	cl->heap[1]->class = other;
	expect_wrong(&w, "does not know of it");
	cl->heap[1]->class = cl;

	q = cl->heap[0];
	cl->heap[0] = cl->heap[cl->n_heap - 1];
	cl->heap[cl->n_heap - 1] = q;
	expect_wrong(&w, "does not know of it");
	cl->heap[0]->at = 0;
	q->at = cl->n_heap - 1;
	expect_wrong(&w, "before a more urgent one");
	cl->heap[cl->n_heap - 1] = cl->heap[0];
	cl->heap[cl->n_heap - 1]->at = cl->n_heap - 1;
	cl->heap[0] = q;
	q->at = 0;

	world_check(&w);
	world_fini(&w);
}
