/* pressure.c - tests of worker/pressure.h: what pauses a worker, and what ends that. */
#include "worker/pressure.h"

#include <criterion/criterion.h>

#include "base/clock.h"
#include "tests/support/proc.h"
#include "tests/support/turns.h"

static struct loop *l;
static struct deadlines *deadlines;
static struct spool spool;
static struct store *store;
static struct pressure *p;
static uint64_t memory, running;
static int is_paused, n_changes;

static uint64_t memory_bytes(void *arg)
{
	(void)arg;
	return memory;
}

static uint64_t n_running(void *arg)
{
	(void)arg;
	return running;
}

static void on_paused(int now, void *arg)
{
	(void)arg;
	is_paused = now;
	n_changes++;
}

static void begin(uint64_t limit_bytes)
{
	struct pressure_config config = {.limit_bytes = limit_bytes,
					 .spill_millionths = 700000,
					 .pause_millionths = 800000,
					 .memory_bytes = memory_bytes,
					 .running = n_running,
					 .disk_pause_us = 50 * US_PER_MS,
					 .paused = on_paused};
	struct buf error;

	buf_init(&error, 0);
	cr_assert_eq(loop_new(&l), SC_OK);
	cr_assert_eq(deadlines_new(l, &deadlines), SC_OK);
	cr_assert_eq(spool_init(&spool, "", &error), SC_OK, "%s", buf_str(&error));
	cr_assert_eq(store_new(&(struct store_config){.spool = &spool, .memory_bytes = 1000}, &store), SC_OK);
	cr_assert_eq(pressure_new(l, deadlines, store, &config, &p), SC_OK);
	buf_fini(&error);
}

static void finish(void)
{
	size_t budget = 100;

	pressure_free(p);
	store_free(store);
	deadlines_free(deadlines);
	loop_free(l);
	cr_assert_eq(tree_remove(spool.dir, &budget), SC_OK);
}

TestSuite(pressure, .fini = finish);

static int goes_on(void *arg)
{
	(void)arg;
	return !is_paused;
}

Test(pressure, a_full_disk_pauses_for_a_while)
{
	begin(0);
	pressure_disk_full(p);
	cr_assert(is_paused);
	cr_assert(pressure_is_paused(p));
	pressure_disk_full(p); /* the next one that was running */
	cr_assert_eq(n_changes, 1);
	cr_assert(turns_until(l, goes_on, NULL, PROC_DEADLINE_MS));
	cr_assert_eq(n_changes, 2);
}

Test(pressure, memory_and_disk_are_two_reasons)
{
	begin(1000);
	running = 1;
	memory = 900;
	pressure_check(p);
	cr_assert(is_paused);
	pressure_disk_full(p);
	memory = 100;
	pressure_check(p);
	cr_assert(is_paused, "the disk is full still");
	cr_assert(turns_until(l, goes_on, NULL, PROC_DEADLINE_MS));
	cr_assert_eq(n_changes, 2);
}

Test(pressure, memory_that_cannot_become_less_is_no_reason)
{
	begin(1000);
	memory = 900;
	pressure_check(p);
	cr_assert_not(is_paused);
}
