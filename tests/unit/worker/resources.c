/* resources.c - tests of worker/resources.h. */
#include "worker/resources.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "base/text.h"

static struct resources r;
static struct buf error;

static void begin(void)
{
	buf_init(&error, 0);
	resources_init(&r, 4);
	cr_assert_eq(resources_add(&r, "gpu=1.5", &error), SC_OK);
}

static void end(void)
{
	buf_fini(&error);
}

TestSuite(resources, .init = begin, .fini = end);

Test(resources, shows_what_it_has)
{
	buf_reset(&error);
	resources_show(&r, &error);
	cr_assert_str_eq(buf_str(&error), "cpus=4,gpu=1.5");
}

Test(resources, refuses_nonsense)
{
	const char *const bad[] = {"gpu", "gpu=", "gpu=x", "=1", "a b=1", "cpus=2", "gpu=1", "x=1.00001", "x=-1"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		buf_reset(&error);
		cr_assert_eq(resources_add(&r, bad[i], &error), SC_INVALID, "%s", bad[i]);
		cr_assert(error.len > 0);
	}
	cr_assert_eq(r.n, 2);
}

Test(resources, number_of_kinds_is_bounded)
{
	char pair[32];
	sc_err err = SC_OK;

	for (int i = 0; i < RESOURCES_MAX && err == SC_OK; i++) {
		snprintf(pair, sizeof(pair), "r%d=1", i);
		err = resources_add(&r, pair, &error);
	}
	cr_assert_eq(err, SC_INVALID);
	cr_assert_eq(r.n, RESOURCES_MAX);
}

Test(resources, takes_all_or_nothing)
{
	struct request q;

	cr_assert_eq(request_parse(&r, slice_of("cpus=2,gpu=1"), &q, &error), SC_OK);
	cr_assert(resources_take(&r, &q));
	cr_assert_not(resources_take(&r, &q));
	cr_assert_eq(r.v[0].free, 2 * TEXT_AMOUNT_ONE);
	cr_assert_eq(r.v[1].free, TEXT_AMOUNT_ONE / 2);
	resources_give_back(&r, &q);
	cr_assert_eq(r.v[0].free, r.v[0].total);
	cr_assert_eq(r.v[1].free, r.v[1].total);
	request_fini(&q);
}

Test(resources, request_has_a_default_and_limits)
{
	const char *const bad[] = {"cpus=5", "fpga=1", "cpus=1,", ",", "cpus"};
	struct request q;

	cr_assert_eq(request_parse(&r, slice_of(""), &q, &error), SC_OK);
	cr_assert_eq(q.n, 1);
	cr_assert_eq(q.v[0].amount, TEXT_AMOUNT_ONE);
	request_fini(&q);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		buf_reset(&error);
		cr_assert_eq(request_parse(&r, slice_of(bad[i]), &q, &error), SC_INVALID, "%s", bad[i]);
		cr_assert(error.len > 0);
	}
}
