/* namespaces.c - the option scheduler.namespaces: what is read from it, and every mistake by its name. */
#include "scheduler/namespaces.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct core *core;
static struct buf error;

static void begin(void)
{
	struct core_options o = {.max_tasks = 1000, .jobs_kept = 10, .crash_limit = 3};

	cr_assert_eq(core_new(&o, &core), SC_OK);
	buf_init(&error, 0);
}

static void end(void)
{
	core_free(core);
	buf_fini(&error);
}

TestSuite(namespaces, .init = begin, .fini = end);

Test(namespaces, shares_and_quotas)
{
	const struct namespace *n;

	cr_assert_eq(namespaces_configure(core, "", &error), SC_OK);
	cr_assert_null(core_namespace_first(core));
	cr_assert_eq(namespaces_configure(core,
					  "team-a: weight=2.5 max-cpus=10; b: max-tasks=7;\n c: max-tasks=none "
					  "weight=1 ;",
					  &error),
		     SC_OK, "%s", buf_str(&error));
	n = core_namespace(core, slice_of("team-a"));
	cr_assert_not_null(n);
	cr_expect_eq(n->limits.weight, 2500);
	cr_expect_eq(n->limits.max_cpus, 10 * (uint64_t)AMOUNT_ONE);
	cr_expect_eq(n->limits.max_tasks, UINT64_MAX);
	cr_expect_eq(core_namespace_next(n)->limits.max_tasks, 7);
	cr_expect_null(core_namespace(core, slice_of("c")), "it is as usual");
}

Test(namespaces, mistakes)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"team-a", "'team-a' is not of the form"},
		{"a b: weight=1", "is not of the form"},
		{"a: weight=0", "namespace a: weight '0' is not allowed; a number from 0.001 to 1000"},
		{"a: weight=1001", "weight '1001'"},
		{"a: max-tasks=x", "max-tasks 'x'"},
		{"a: max-cpus", "max-cpus '' is not allowed"},
		{"a: weight=1; b: wieght=2", "namespace b: 'wieght' is not known; known: weight, max-tasks, max-cpus"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&error);
		cr_expect_eq(namespaces_configure(core, rows[i].text, &error), SC_INVALID, "%s", rows[i].text);
		cr_expect(strstr(buf_str(&error), rows[i].says) != NULL, "%s", buf_str(&error));
	}
}

Test(namespaces, what_is_set_is_bounded_and_given_back)
{
	struct namespace_limits set = {2 * NAMESPACE_WEIGHT_ONE, UINT64_MAX, UINT64_MAX};
	char name[16];

	for (unsigned i = 0; i <= NAMESPACES_SET_MAX; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		cr_assert_eq(core_namespace_set(core, slice_of(name), &set), i < NAMESPACES_SET_MAX ? SC_OK : SC_LIMIT);
	}
	set.weight = NAMESPACE_WEIGHT_ONE;
	cr_assert_eq(core_namespace_set(core, slice_of("n7"), &set), SC_OK);
	cr_assert_null(core_namespace(core, slice_of("n7")));
	set.weight++;
	cr_assert_eq(core_namespace_set(core, slice_of(name), &set), SC_OK);
}
