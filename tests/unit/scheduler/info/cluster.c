/* cluster.c - what workers say of themselves, true or not, and the totals of all. */
#include "scheduler/info/cluster.h"

#include <criterion/criterion.h>

static void join(struct info_cluster *c, uint32_t worker, uint64_t any)
{
	struct info_identity id = {.name = slice_of("w"),
				   .pool = slice_of(""),
				   .address = slice_of("tcp://10.0.0.1:1"),
				   .resources = slice_of(""),
				   .labels = slice_of(""),
				   .namespace = slice_of(""),
				   .slots = any,
				   .memory_limit_bytes = any};

	cr_assert_eq(info_join(c, worker, &id), SC_OK);
}

Test(info_cluster, a_lie_moves_the_totals_up_and_never_round)
{
	const struct info_metrics lie = {.cpu_percent = UINT64_MAX,
					 .memory_bytes = UINT64_MAX,
					 .spilled_bytes = UINT64_MAX - 1,
					 .running = UINT64_MAX,
					 .queued = UINT64_MAX,
					 .held = UINT64_MAX,
					 .sent_bytes_s = UINT64_MAX,
					 .received_bytes_s = UINT64_MAX},
				  truth = {.cpu_percent = 7, .memory_bytes = 5 * INFO_MIB, .running = 3};
	const struct info_record *r;
	struct info_cluster c;

	info_cluster_init(&c, 10);
	join(&c, 1, 10000);
	info_set_metrics(&c, 1, &truth);
	for (uint32_t i = 2; i < 10; i++) {
		join(&c, i, UINT64_MAX);
		info_set_metrics(&c, i, &lie);
	}
	r = info_find(&c, 2);
	cr_assert_eq(r->memory_mib, INFO_VALUE_MAX / INFO_MIB);
	cr_assert_eq(r->spilled_mib, INFO_VALUE_MAX / INFO_MIB);
	cr_assert_eq(r->sent_kib_s, INFO_VALUE_MAX / 1024);
	cr_assert_eq(c.totals.memory_limit_bytes, 10000 + 8 * INFO_VALUE_MAX);
	cr_assert_eq(c.totals.slots, 10000 + 8 * INFO_VALUE_MAX);
	cr_assert_eq(c.totals.cpu_percent, 7 + 8 * INFO_VALUE_MAX);
	cr_assert_eq(c.totals.memory_mib, 5 + 8 * (INFO_VALUE_MAX / INFO_MIB));
	cr_assert_eq(c.totals.running, 3 + 8 * INFO_VALUE_MAX);
	for (uint32_t i = 2; i < 10; i++)
		info_leave(&c, i);
	cr_assert_eq(c.totals.memory_limit_bytes, 10000);
	cr_assert_eq(c.totals.memory_mib, 5);
	cr_assert_eq(c.totals.running, 3);
	info_cluster_fini(&c);
}
