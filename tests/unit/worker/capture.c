/* capture.c - tests of worker/capture.h. */
#include "worker/capture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/support/cluster.h"

static char *dir;
static struct spool spool;
static struct store *s;
static struct capture c;
static int writer;

static void begin(void)
{
	struct buf error;

	dir = dir_new();
	buf_init(&error, 0);
	cr_assert_eq(spool_init(&spool, dir, &error), SC_OK);
	cr_assert_eq(store_new(&(struct store_config){.spool = &spool, .memory_bytes = 1u << 20}, &s), SC_OK);
	capture_init(&c);
	cr_assert_eq(capture_open(&c, &writer), 0);
}

static void end(void)
{
	capture_fini(&c);
	store_free(s);
	dir_remove(dir);
	mem_free(dir);
}

TestSuite(capture, .init = begin, .fini = end);

static void put(size_t n)
{
	static char text[4096];

	memset(text, 'x', sizeof(text));
	cr_assert_eq(write(writer, text, n), (ssize_t)n);
}

/* What became of it. */
static struct result *stored(void)
{
	struct result *r;

	cr_assert_eq(result_new(s, &r), SC_OK);
	cr_assert_eq(capture_store(&c, r, STREAM_STDERR), SC_OK);
	return r;
}

Test(capture, short_output_stays_in_memory)
{
	const struct capture_limits limits = {100, 1000};
	struct result *r;

	put(60);
	cr_assert_eq(capture_read(&c, &limits, &spool), 1);
	put(40);
	close(writer);
	capture_finish(&c, &limits, &spool);
	cr_assert_eq(c.error, 0);
	r = stored();
	cr_assert_eq(r->stream[STREAM_STDERR].place, BLOB_MEMORY);
	cr_assert_eq(r->stream[STREAM_STDERR].bytes, 100);
	result_unref(r);
}

Test(capture, long_output_goes_to_a_file)
{
	const struct capture_limits limits = {100, 100000};
	struct result *r;
	char text[4200];

	put(60);
	capture_read(&c, &limits, &spool);
	put(4000);
	close(writer);
	cr_assert_eq(capture_read(&c, &limits, &spool), 1);
	cr_assert_eq(capture_read(&c, &limits, &spool), 0);
	r = stored();
	cr_assert_eq(r->stream[STREAM_STDERR].place, BLOB_FILE);
	cr_assert_eq(blob_read(&r->stream[STREAM_STDERR], 0, text, sizeof(text)), 4060);
	result_unref(r);
}

Test(capture, too_much_is_an_error_and_the_beginning_is_kept)
{
	const struct capture_limits limits = {100, 150};
	struct result *r;

	put(4000);
	cr_assert_eq(capture_read(&c, &limits, &spool), -1);
	cr_assert_eq(c.error, EFBIG);
	close(writer);
	capture_finish(&c, &limits, &spool);
	r = stored();
	cr_assert_eq(r->stream[STREAM_STDERR].bytes, 150);
	result_unref(r);
}

Test(capture, a_spool_that_cannot_be_written)
{
	const struct capture_limits limits = {10, 1000};

	snprintf(spool.dir, sizeof(spool.dir), "/proc/nowhere");
	put(60);
	cr_assert_eq(capture_read(&c, &limits, &spool), -1);
	cr_assert_eq(c.error, ENOENT);
	close(writer);
}

Test(capture, does_not_wait_for_writers_that_stay)
{
	const struct capture_limits limits = {100, 1000};

	put(10);
	capture_finish(&c, &limits, &spool); /* the writer is still open */
	cr_assert_eq(c.total_bytes, 10);
	close(writer);
}
