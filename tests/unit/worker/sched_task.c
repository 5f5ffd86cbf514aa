/* sched_task.c - tests of what a function is told: what the agent puts into a call, read as the function reads it. */
#include "worker/sched_task.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "worker/resource_env.h"
#include "worker/slot_task.h"

static struct resources r;
static struct request request;
static struct unit_share *units;
static struct arena agent, slot;
static struct buf error;
static struct msg_slot_call call;
static sc_task t;

static void begin(void)
{
	buf_init(&error, 0);
	resources_init(&r, 4);
	cr_assert_eq(resources_add(&r, "gpu=[0,1,GPU-7f]", &error), SC_OK);
	cr_assert_eq(resources_add(&r, "big-disk=8", &error), SC_OK);
}

static void end(void)
{
	resources_give_back(&r, &request, units);
	request_fini(&request);
	resources_fini(&r);
	arena_fini(&agent);
	arena_fini(&slot);
	buf_fini(&error);
}

TestSuite(sched_task, .init = begin, .fini = end);

/* A call of a task that took this. */
static void take(const char *text)
{
	cr_assert_eq(request_parse(&r, slice_of(text), &request), SC_OK);
	cr_assert_null(request.problem, "%s", request.problem);
	cr_assert(resources_take(&r, &request, &units));
	cr_assert_eq(resource_words(&agent, &r, &request, units, &call.granted), SC_OK);
	cr_assert_eq(slot_task_init(&t, &call, &slot), SC_OK);
}

static void expect(const char *resource, const char *amount, const char *names)
{
	cr_expect_str_eq(sc_task_resource(&t, resource), amount);
	cr_expect_str_eq(sc_task_resource_units(&t, resource), names);
}

Test(sched_task, knows_its_units)
{
	take("cpus=0.5,gpu=1.5,big-disk=2,memory=1MiB");
	expect("cpus", "0.5", "");
	expect("gpu", "1.5", "0,1");
	expect("big-disk", "2", "");
	expect("memory", "1048576", "");
	cr_expect_null(sc_task_resource(&t, "nosuch"));
	cr_expect_null(sc_task_resource_units(&t, "nosuch"));
}

/* Most tasks ask for nothing in particular; their calls are not longer for it. */
Test(sched_task, the_usual_request_costs_nothing)
{
	take("cpus=1");
	cr_assert_eq(call.granted.n, 0);
	cr_assert_null(agent.chunks);
	expect("cpus", "1", "");
	cr_expect_null(sc_task_resource(&t, "gpu"));
}

Test(sched_task, no_processor_is_said_too)
{
	take("cpus=0");
	expect("cpus", "0", "");
}

Test(sched_task, half_of_it_is_not_taken)
{
	struct slice words[] = {slice_of("gpu"), slice_of("1")};

	call.granted = (struct slices){words, 2};
	cr_assert_eq(slot_task_init(&t, &call, &slot), SC_MALFORMED);
}

Test(sched_task, survives_any_failed_allocation)
{
	sc_err err = SC_NOMEM;

	cr_assert_eq(request_parse(&r, slice_of("gpu=3,big-disk=1"), &request), SC_OK);
	cr_assert(resources_take(&r, &request, &units));
	for (long n = 0; err != SC_OK; n++) {
		arena_fini(&agent);
		arena_fini(&slot);
		agent.failed = slot.failed = 0;
		mem_fail_nth(n);
		err = resource_words(&agent, &r, &request, units, &call.granted);
		if (err == SC_OK)
			err = slot_task_init(&t, &call, &slot);
		mem_fail_nth(-1);
		cr_assert(err == SC_OK || err == SC_NOMEM);
	}
	expect("gpu", "3", "0,1,GPU-7f");
}
