/* world.h - a core, small jobs and workers in one line each, for the tests of scheduler/core/. */
#ifndef TESTS_UNIT_SCHEDULER_CORE_WORLD_H
#define TESTS_UNIT_SCHEDULER_CORE_WORLD_H

#include <criterion/criterion.h>
#include <stdio.h>

#include "base/mem.h"
#include "scheduler/core/core.h"

struct world {
	struct core *core;
	uint64_t now_us;
	const char *namespace; /* of the jobs submitted; NULL: default */
};

static inline void world_init(struct world *w)
{
	struct core_options o = {.max_tasks = 10000000,
				 .jobs_kept = 100,
				 .crash_limit = 3,
				 .retry_delay_us = 1000000,
				 .retry_delay_max_us = 4000000,
				 .prefetch_us = 20000,
				 .move_after_us = 20000,
				 .reserve_after_us = 1000000};

	w->now_us = 1000000;
	w->namespace = NULL;
	cr_assert_eq(core_new(&o, &w->core), SC_OK);
}

static inline void world_fini(struct world *w)
{
	core_free(w->core);
}

static inline void world_check(struct world *w)
{
	struct buf why;

	buf_init(&why, 0);
	cr_assert_eq(core_check(w->core, &why), SC_OK, "%s", buf_str(&why));
	buf_fini(&why);
}

/* A worker with a label and a limit to its memory. */
static inline uint32_t world_labelled(struct world *w, const char *name, const char *resources, const char *label,
				      uint64_t memory_bytes)
{
	struct slice labels = slice_of(label);
	struct worker_spec s = {.name = slice_of(name),
				.pool = slice_of(""),
				.address = slice_of(name),
				.resources = slice_of(resources),
				.labels = {&labels, labels.n > 0},
				.memory_limit_bytes = memory_bytes,
				.pid = 1};
	struct buf error;
	uint32_t number = 0;

	buf_init(&error, 0);
	cr_assert_eq(core_worker_add(w->core, &s, w->now_us, &number, &error), SC_OK, "%s", buf_str(&error));
	buf_fini(&error);
	return number;
}

/* A worker reserved for a namespace; "": it serves all. */
static inline uint32_t world_reserved(struct world *w, const char *name, const char *resources, const char *namespace)
{
	struct worker_spec s = {.name = slice_of(name),
				.pool = slice_of(""),
				.address = slice_of(name),
				.resources = slice_of(resources),
				.pid = 1,
				.namespace = slice_of(namespace)};
	struct buf error;
	uint32_t number = 0;

	buf_init(&error, 0);
	cr_assert_eq(core_worker_add(w->core, &s, w->now_us, &number, &error), SC_OK, "%s", buf_str(&error));
	buf_fini(&error);
	return number;
}

static inline uint32_t world_worker(struct world *w, const char *name, const char *resources)
{
	return world_reserved(w, name, resources, "");
}

/* A round; the actions are left for the test to look at. */
static inline const struct action *world_round(struct world *w, size_t *n)
{
	const struct action *a;

	core_actions_done(w->core);
	core_schedule(w->core, w->now_us);
	world_check(w);
	a = core_actions(w->core, n);
	return a;
}

static inline size_t world_count(struct world *w, enum action_kind kind)
{
	size_t n, count = 0;
	const struct action *a = core_actions(w->core, &n);

	for (size_t i = 0; i < n; i++)
		count += a[i].kind == kind;
	return count;
}

/* A job of groups; edges "3>5 4>5" say that task 5 takes the results of 3 and 4. */
static inline sc_err world_try_submit(struct world *w, const struct group_spec *groups, uint32_t n_groups,
				      const char *edges, uint64_t after, struct job **out, struct buf *error)
{
	struct slice body = slice_of("body");
	struct job_spec s = {.name = slice_of("job"),
			     .namespace = slice_of(w->namespace != NULL ? w->namespace : "default"),
			     .groups = groups,
			     .n_groups = n_groups};
	uint32_t n = 0, n_edges = 0, from[256], to[256];
	uint64_t id = 0;
	sc_err err;

	s.bodies = (struct slices){&body, 1};
	for (uint32_t i = 0; i < n_groups; i++)
		n += groups[i].n_tasks;
	while (edges != NULL && *edges != '\0') {
		int used = 0;

		cr_assert_lt(n_edges, 256);
		cr_assert_eq(sscanf(edges, "%u>%u%n", &from[n_edges], &to[n_edges], &used), 2);
		edges += (size_t)used + strspn(edges + used, " ");
		n_edges++;
	}
	if (n_edges > 0) {
		uint32_t e = 0;

		s.in_start = mem_malloc((n + 1) * sizeof(uint32_t));
		s.in = mem_malloc(n_edges * sizeof(uint32_t));
		for (uint32_t t = 0; t < n; t++) {
			s.in_start[t] = e;
			for (uint32_t k = 0; k < n_edges; k++)
				if (to[k] == t)
					s.in[e++] = from[k];
		}
		s.in_start[n] = e;
	}
	if (after != 0) {
		s.after = &after;
		s.n_after = 1;
	}
	err = core_submit(w->core, &s, w->now_us, &id, error);
	if (err != SC_OK) {
		mem_free(s.in_start);
		mem_free(s.in);
		return err;
	}
	if (out != NULL)
		*out = core_job(w->core, id);
	world_check(w);
	return SC_OK;
}

static inline struct job *world_submit(struct world *w, const struct group_spec *groups, uint32_t n_groups,
				       const char *edges)
{
	struct buf error;
	struct job *j = NULL;

	buf_init(&error, 0);
	cr_assert_eq(world_try_submit(w, groups, n_groups, edges, 0, &j, &error), SC_OK, "%s", buf_str(&error));
	buf_fini(&error);
	return j;
}

/* n tasks named t-0, t-1 ... that ask for one cpu. */
static inline struct job *world_array(struct world *w, uint32_t n)
{
	struct group_spec g = {.name = slice_of("t"), .n_tasks = n, .flags = GROUP_ARRAY};

	return world_submit(w, &g, 1, NULL);
}

static inline void world_done(struct world *w, uint32_t worker, struct job *j, uint32_t task, uint64_t result_bytes)
{
	struct task_outcome o = {.result_bytes = result_bytes, .elapsed_us = 1000000};

	cr_assert_eq(core_task_done(w->core, worker, j, task, &o, w->now_us), SC_OK, "task %u", task);
	world_check(w);
}

static inline void world_failed(struct world *w, uint32_t worker, struct job *j, uint32_t task)
{
	struct task_failure f = {FAIL_EXIT, 7, slice_of("exit code 7"), slice_of("oops"), {0}};

	cr_assert_eq(core_task_failed(w->core, worker, j, task, &f, w->now_us), SC_OK, "task %u", task);
	world_check(w);
}

static inline void world_lose(struct world *w, uint32_t worker)
{
	core_worker_lost(w->core, worker, w->now_us);
	world_check(w);
}

#endif
