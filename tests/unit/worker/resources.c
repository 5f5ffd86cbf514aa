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
	resources_fini(&r);
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
	const char *const bad[] = {"gpu",  "gpu=",     "gpu=x", "=1",	  "a b=1",   "cpus=2", "gpu=1",	 "x=1.00001",
				   "x=-1", "memory=1", "x=[]",	"x=[0,]", "x=[0,0]", "x=[0",   "x=[a b]"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		buf_reset(&error);
		cr_assert_eq(resources_add(&r, bad[i], &error), SC_INVALID, "%s", bad[i]);
		cr_assert(error.len > 0);
	}
	cr_assert_eq(r.n, 3);
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

static struct request request(const char *text)
{
	struct request q;

	cr_assert_eq(request_parse(&r, slice_of(text), &q), SC_OK);
	cr_assert_null(q.problem, "%s", q.problem);
	return q;
}

Test(resources, takes_all_or_nothing)
{
	struct request q = request("cpus=2,gpu=1,label:x=1,prefer:y=2");
	struct unit_share *units;

	cr_assert(resources_take(&r, &q, &units));
	cr_assert_null(units);
	cr_assert_not(resources_take(&r, &q, &units));
	cr_assert_eq(r.v[0].free, 2 * TEXT_AMOUNT_ONE);
	cr_assert_eq(r.v[2].free, TEXT_AMOUNT_ONE / 2);
	resources_give_back(&r, &q, NULL);
	cr_assert_eq(r.v[0].free, r.v[0].total);
	cr_assert_eq(r.v[2].free, r.v[2].total);
	request_fini(&q);
}

Test(resources, request_has_a_default_and_limits)
{
	const char *const bad[] = {"cpus=5", "fpga=1", "cpus=1,", ",", "cpus", "memory=x"};
	struct request q = request("");

	cr_assert_eq(q.n, 1);
	cr_assert_eq(q.v[0].amount, TEXT_AMOUNT_ONE);
	request_fini(&q);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(request_parse(&r, slice_of(bad[i]), &q), SC_OK);
		cr_assert_not_null(q.problem, "%s", bad[i]);
		request_fini(&q);
	}
}

Test(resources, memory_has_a_limit_or_none)
{
	struct request q = request("memory=1GiB");
	struct unit_share *units;

	for (int i = 0; i < 100; i++)
		cr_assert(resources_take(&r, &q, &units));
	for (int i = 0; i < 100; i++)
		resources_give_back(&r, &q, NULL);
	resources_limit_memory(&r, (uint64_t)1536 << 20);
	cr_assert(resources_take(&r, &q, &units));
	cr_assert_not(resources_take(&r, &q, &units));
	request_fini(&q);
	cr_assert_eq(request_parse(&r, slice_of("memory=2GiB"), &q), SC_OK);
	cr_expect(strstr(q.problem, "1.5 GiB") != NULL, "%s", q.problem);
	request_fini(&q);
}

Test(resources, units_belong_to_one_or_are_shared)
{
	struct request two, one_and_half, part;
	struct unit_share *a, *b, *c, *d;

	cr_assert_eq(resources_add(&r, "fpga=[a,b,c,d]", &error), SC_OK, "%s", buf_str(&error));
	buf_reset(&error);
	resources_show(&r, &error);
	cr_expect_str_eq(buf_str(&error), "cpus=4,gpu=1.5,fpga=4");
	two = request("fpga=2");
	one_and_half = request("fpga=1.5");
	part = request("cpus=0,fpga=0.5");
	cr_assert(resources_take(&r, &part, &a));
	cr_expect_eq(a[1].shared, 1);
	cr_assert(resources_take(&r, &two, &b));
	cr_expect_eq(b[0].whole, 6, "not the one of which a part is gone");
	cr_assert(resources_take(&r, &one_and_half, &c), "the other half, and one of its own");
	cr_expect_eq(c[0].whole, 8);
	cr_expect_eq(c[0].shared, 1);
	cr_expect_not(resources_take(&r, &part, &d));
	resources_give_back(&r, &part, a);
	resources_give_back(&r, &two, b);
	cr_assert(resources_take(&r, &part, &d));
	cr_expect_eq(d[1].shared, 1, "units in use are filled first");
	cr_assert(resources_take(&r, &two, &b));
	resources_give_back(&r, &one_and_half, c);
	resources_give_back(&r, &part, d);
	resources_give_back(&r, &two, b);
	for (unsigned i = 0; i < 4; i++)
		cr_expect_eq(r.v[3].units[i].free, TEXT_AMOUNT_ONE);
	cr_expect_eq(r.v[3].free, r.v[3].total);
	request_fini(&two);
	request_fini(&one_and_half);
	request_fini(&part);
}
