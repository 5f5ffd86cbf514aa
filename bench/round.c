/*
 * round.c - what one round of scheduling costs while requests of many kinds wait, in one namespace or in many.
 *
 * The core alone: every worker is busy, and before each round one task has ended, so that one place is free.  All
 * classes of requests but one find no room, and which of them is the most urgent has to be known.  The time is that of
 * core_schedule(), and nothing else.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bench/bench.h"
#include "bench/chance.h"
#include "scheduler/core/core.h"

#define CPUS	   4u
#define PRIORITIES 16u
#define TASKS_MIN  4u	    /* of each class */
#define TASK_US	   1000000u /* they take too long for any to be queued ahead */
#define STEP_US	   1000u    /* virtual time from round to round */
#define ROUNDS_MAX 1000000u
#define NAME_BYTES 48
#define NS_PER_US  1000.0

static const struct core_options options = {
	.max_tasks = 100000000,
	.jobs_kept = 10,
	.crash_limit = 3,
	.retry_delay_us = 1000000,
	.retry_delay_max_us = 60000000,
	.prefetch_us = 20000,
	.move_after_us = 20000,
	.probe_tasks = 32,
	.probe_us = 2000,
	.reserve_after_us = 1000000,
};

static sc_err add_workers(struct core *c, uint64_t n, struct buf *error)
{
	sc_err err = SC_OK;

	for (uint64_t i = 0; i < n && err == SC_OK; i++) {
		char name[NAME_BYTES], resources[NAME_BYTES];
		struct worker_spec spec = {.pool = slice_of(""), .pid = 1};
		uint32_t number;

		snprintf(name, sizeof(name), "w%llu", (unsigned long long)i);
		snprintf(resources, sizeof(resources), "cpus=%u", CPUS);
		spec.name = spec.address = slice_of(name);
		spec.resources = slice_of(resources);
		err = core_worker_add(c, &spec, 0, &number, error);
	}
	return err;
}

/* One job of n_tasks and more; each of its groups asks for something else, with a priority of its own. */
static sc_err submit(struct core *c, const char *namespace, uint32_t n, uint64_t n_tasks, struct buf *error)
{
	struct group_spec *groups = mem_calloc(n, sizeof(*groups));
	char(*names)[NAME_BYTES] = mem_calloc(n, NAME_BYTES), (*requests)[NAME_BYTES] = mem_calloc(n, NAME_BYTES);
	struct job_spec spec = {.name = slice_of("round"), .namespace = slice_of(namespace), .groups = groups};
	struct slice body = slice_of("");
	uint64_t id, random = 1;
	sc_err err = groups == NULL || names == NULL || requests == NULL ? SC_NOMEM : SC_OK;

	for (uint32_t i = 0; i < n && err == SC_OK; i++) {
		snprintf(names[i], NAME_BYTES, "g%u", i);
		snprintf(requests[i], NAME_BYTES, "cpus=1,memory=%uMiB", i + 1);
		groups[i] = (struct group_spec){.name = slice_of(names[i]),
						.request = slice_of(requests[i]),
						.n_tasks = (uint32_t)(n_tasks / n + TASKS_MIN),
						.index_step = 1,
						.flags = GROUP_ARRAY,
						.priority = (int64_t)chance_roll(&random, PRIORITIES)};
	}
	spec.n_groups = n;
	spec.bodies = (struct slices){&body, 1};
	if (err == SC_OK)
		err = core_submit(c, &spec, 0, &id, error);
	mem_free(groups);
	mem_free(names);
	mem_free(requests);
	return err;
}

/* The classes of requests are dealt out to the namespaces, each of which has a job. */
static sc_err submit_all(struct core *c, const struct scenario *s, struct buf *error)
{
	uint64_t n = param(s, "namespaces"), classes = param(s, "classes");
	uint64_t n_tasks = param(s, "rounds") + param(s, "workers") * CPUS;
	sc_err err = SC_OK;

	for (uint64_t i = 0; i < n && err == SC_OK; i++) {
		char name[NAME_BYTES];

		snprintf(name, sizeof(name), "n%llu", (unsigned long long)i);
		err = submit(c, name, (uint32_t)(classes / n + (i < classes % n)), n_tasks / n, error);
	}
	return err;
}

/* A round at that time, with what it took; how many tasks it gave out. */
static uint64_t run_round(struct core *c, uint64_t now_us, size_t *given)
{
	uint64_t start = clock_ns(), took;

	core_schedule(c, now_us);
	took = clock_ns() - start;
	(void)core_actions(c, given);
	core_actions_done(c);
	return took;
}

/* The longest there of what the worker has, in the time it takes. */
static sc_err end_one(struct core *c, uint32_t worker, uint64_t now_us)
{
	struct task_outcome o = {.elapsed_us = TASK_US};
	const struct worker *w = core_worker(c, worker);

	if (w->in_flight.n == 0)
		return SC_BAD_STATE;
	return core_task_done(c, worker, w->in_flight.v[0].job, w->in_flight.v[0].task, &o, now_us);
}

static sc_err measure(const struct scenario *s, struct core *c, uint64_t *ns, size_t *given)
{
	uint64_t n = param(s, "rounds"), workers = param(s, "workers"), now_us = 1000000, first;
	sc_err err = SC_OK;
	size_t n_given = 0;

	first = run_round(c, now_us, given);
	for (uint64_t i = 0; i < n && err == SC_OK; i++) {
		now_us += STEP_US;
		err = end_one(c, 1 + (uint32_t)(i % workers), now_us);
		if (err == SC_OK)
			ns[i] = run_round(c, now_us, &n_given);
		*given += n_given;
	}
	if (err != SC_OK)
		return err;
	sort_u64(ns, n);
	emit(s, "first_us", (double)first / NS_PER_US, "us");
	emit(s, "fastest_us", (double)ns[0] / NS_PER_US, "us");
	emit(s, "median_us", quantile(ns, n, 0.5) / NS_PER_US, "us");
	emit(s, "tasks_given", (double)*given, "1");
	return SC_OK;
}

static int run(const struct scenario *s)
{
	uint64_t n = param(s, "rounds"), classes = param(s, "classes"), workers = param(s, "workers"), *ns = NULL;
	uint64_t namespaces = param(s, "namespaces");
	struct core *c = NULL;
	struct buf error;
	size_t given;
	sc_err err;

	if (n == 0 || n > ROUNDS_MAX || classes == 0 || classes > CLASSES_MAX || workers == 0 || workers > ROUNDS_MAX ||
	    namespaces == 0 || namespaces > classes) {
		fprintf(stderr,
			"sched-bench: round: --classes 1 to %u, --namespaces 1 to as many, --rounds and --workers 1 to "
			"%u\n",
			CLASSES_MAX, ROUNDS_MAX);
		return 2;
	}
	buf_init(&error, 0);
	err = core_new(&options, &c);
	if (err == SC_OK)
		err = add_workers(c, workers, &error);
	if (err == SC_OK)
		err = submit_all(c, s, &error);
	if (err == SC_OK) {
		ns = mem_calloc(n, sizeof(*ns));
		err = ns == NULL ? SC_NOMEM : measure(s, c, ns, &given);
	}
	if (err != SC_OK)
		fprintf(stderr, "sched-bench: round: %s %s\n", sc_err_text(err), buf_str(&error));
	mem_free(ns);
	core_free(c);
	buf_fini(&error);
	return err != SC_OK;
}

struct scenario scenario_round = {"round",
				  "one round of the core while requests of many kinds wait and one place is free",
				  run,
				  {{"classes", 1000, "different requests that wait, at most 4096", PARAM_COUNT, NULL},
				   {"namespaces", 1, "that they belong to", PARAM_COUNT, NULL},
				   {"workers", 24, "of 4 cpus, all busy", PARAM_COUNT, NULL},
				   {"rounds", 200, "measured, after the first", PARAM_COUNT, NULL}}};
