/* store.c - tests of worker/store.h: what is put is got, shares are kept, nothing leaks when memory runs out. */
#include "worker/store.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/support/cluster.h"

static char *dir;
static struct spool spool;
static struct store *s;

static void begin(void)
{
	struct buf error;

	dir = dir_new();
	buf_init(&error, 0);
	cr_assert_eq(spool_init(&spool, dir, &error), SC_OK);
	cr_assert_eq(store_new(&(struct store_config){.spool = &spool, .memory_bytes = 1000}, &s), SC_OK);
}

static void end(void)
{
	store_free(s);
	dir_remove(dir);
	mem_free(dir);
}

TestSuite(store, .init = begin, .fini = end);

static struct result *text_result(const char *text)
{
	struct result *r;
	struct buf b;

	cr_assert_eq(result_new(s, &r), SC_OK);
	buf_init(&b, 0);
	buf_append_str(&b, text);
	cr_assert_eq(result_take_buf(r, STREAM_RESULT, &b), SC_OK);
	return r;
}

static void expect_text(const struct result *r, const char *text)
{
	char got[4096];
	ssize_t n = blob_read(&r->stream[STREAM_RESULT], 0, got, sizeof(got));

	cr_assert_eq((size_t)n, strlen(text));
	cr_assert_eq(memcmp(got, text, (size_t)n), 0);
}

Test(store, keeps_by_job_and_task)
{
	cr_assert_eq(store_put(s, 1, 5, text_result("one")), SC_OK);
	cr_assert_eq(store_put(s, 2, 5, text_result("two")), SC_OK);
	cr_assert_eq(store_put(s, 1, 5, text_result("again")), SC_OK);
	expect_text(store_get(s, 1, 5), "again");
	expect_text(store_get(s, 2, 5), "two");
	cr_assert_null(store_get(s, 1, 6));
	cr_assert_eq(store_totals(s)->held, 2);
	cr_assert_eq(store_totals(s)->held_bytes, 8);
	store_drop_job(s, 1);
	cr_assert_null(store_get(s, 1, 5));
	store_drop(s, 2, 5);
	store_drop(s, 2, 5);
	cr_assert_eq(store_totals(s)->held, 0);
	cr_assert_eq(store_totals(s)->memory_bytes, 0);
}

Test(store, reader_keeps_a_dropped_result)
{
	struct result *r;

	store_put(s, 1, 0, text_result("kept"));
	r = result_ref(store_get(s, 1, 0));
	store_drop(s, 1, 0);
	expect_text(r, "kept");
	result_unref(r);
	cr_assert_eq(store_totals(s)->memory_bytes, 0);
}

Test(store, spills_above_its_share)
{
	char text[301];
	struct blob *b;

	memset(text, 'x', 300);
	text[300] = '\0';
	for (uint32_t i = 0; i < 5; i++)
		store_put(s, 1, i, text_result(text));
	cr_assert_eq(store_totals(s)->memory_bytes, 900);
	cr_assert_eq(store_totals(s)->spilled_bytes, 600);
	cr_assert_eq(store_get(s, 1, 4)->stream[STREAM_RESULT].place, BLOB_MEMORY);
	b = &store_get(s, 1, 0)->stream[STREAM_RESULT];
	cr_assert_eq(b->place, BLOB_FILE);
	cr_assert_eq(access(b->at, F_OK), 0);
	expect_text(store_get(s, 1, 0), text);
	{
		char *path = mem_strdup(b->at);

		store_drop(s, 1, 0);
		cr_assert_neq(access(path, F_OK), 0);
		mem_free(path);
	}
}

static uint32_t gone[8];
static size_t n_gone;

static void on_gone(uint64_t job, uint32_t task, void *arg)
{
	(void)job;
	(void)arg;
	gone[n_gone++] = task;
}

/* Copies beyond their share go, the one not used for the longest time first; not what is pinned, kept or in use. */
Test(store, copies_make_room)
{
	struct store_config config = {.spool = &spool, .memory_bytes = 1000, .copies_bytes = 12, .gone = on_gone};
	struct result *used;

	store_free(s);
	cr_assert_eq(store_new(&config, &s), SC_OK);
	store_put(s, 1, 0, text_result("own!"));
	for (uint32_t i = 1; i <= 3; i++)
		cr_assert_eq(store_put_copy(s, 1, i, text_result("copy"), 0), SC_OK);
	cr_assert_eq(store_totals(s)->copies_bytes, 12);
	cr_assert_not_null(store_get(s, 1, 1));
	store_put_copy(s, 1, 4, text_result("copy"), 0);
	cr_assert_eq(n_gone, 1);
	cr_assert_eq(gone[0], 2);
	store_keep(s, 1, 3);
	store_put_copy(s, 1, 5, text_result("copy"), 1);
	cr_assert_eq(store_totals(s)->copies_bytes, 8);
	used = result_ref(store_get(s, 1, 4));
	store_put_copy(s, 1, 6, text_result("copy"), 0);
	store_put_copy(s, 1, 7, text_result("copy"), 0);
	cr_assert_eq(n_gone, 2);
	cr_assert_eq(gone[1], 1);
	result_unref(used);
	store_drop_copy(s, 1, 0);
	store_drop_copy(s, 1, 5);
	cr_assert_not_null(store_get(s, 1, 0));
	cr_assert_null(store_get(s, 1, 5));
	cr_assert_eq(n_gone, 3, "told, as what is gone may be another than was meant");
	cr_assert_eq(gone[2], 5);
	cr_assert_eq(store_spill(s, 1000), store_totals(s)->held_bytes);
	cr_assert_eq(store_totals(s)->memory_bytes, 0);
	cr_assert_eq(store_totals(s)->spilled_bytes, store_totals(s)->held_bytes);
	expect_text(store_get(s, 1, 4), "copy");
	store_clear(s);
	cr_assert_eq(store_totals(s)->copies_bytes, 0);
	cr_assert_eq(store_totals(s)->spilled_bytes, 0);
}

Test(store, moves_to_a_file)
{
	struct result *r = text_result("to disk");
	struct stat st;

	cr_assert_eq(result_to_file(r, STREAM_RESULT), SC_OK);
	cr_assert_eq(r->stream[STREAM_RESULT].place, BLOB_FILE);
	cr_assert_eq(stat(r->stream[STREAM_RESULT].at, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0400, "it is for reading");
	expect_text(r, "to disk");
	cr_assert_eq(store_totals(s)->memory_bytes, 0);
	result_unref(r);
}

Test(store, foreign_files_stay)
{
	char path[600];
	struct result *r;
	FILE *f;

	snprintf(path, sizeof(path), "%s/users", dir);
	f = fopen(path, "w");
	fputs("theirs", f);
	fclose(f);
	result_new(s, &r);
	cr_assert_eq(result_take_file(r, STREAM_RESULT, BLOB_FOREIGN, path, 6), SC_OK);
	expect_text(r, "theirs");
	result_unref(r);
	cr_assert_eq(access(path, F_OK), 0);
}

Test(store, survives_any_failed_allocation)
{
	sc_err err = SC_NOMEM;

	for (long n = 0; err != SC_OK; n++) {
		struct result *r = text_result("text");

		mem_fail_nth(n);
		err = store_put(s, 1, 0, r);
		mem_fail_nth(-1);
		cr_assert(err == SC_OK || (err == SC_NOMEM && store_get(s, 1, 0) == NULL));
	}
	store_clear(s);
	cr_assert_eq(store_totals(s)->memory_bytes, 0);
}

/* A task that was given a name of the file has written there. */
Test(store, a_damaged_file_is_not_handed_out)
{
	struct store_config config = {.spool = &spool, .memory_bytes = 1000, .gone = on_gone};
	struct result *r;
	char path[SPOOL_PATH_MAX];
	FILE *f;

	store_free(s);
	cr_assert_eq(store_new(&config, &s), SC_OK);
	cr_assert_eq(result_new(s, &r), SC_OK);
	spool_path(&spool, "output", path);
	f = fopen(path, "we");
	cr_assert_gt(fputs("hello", f), 0);
	cr_assert_eq(fclose(f), 0);
	cr_assert_eq(result_take_file(r, STREAM_RESULT, BLOB_FILE, path, 5), SC_OK);
	cr_assert_eq(store_put(s, 1, 1, r), SC_OK);
	cr_assert_not_null(store_get(s, 1, 1));
	f = fopen(path, "ae");
	cr_assert_gt(fputs("!", f), 0);
	cr_assert_eq(fclose(f), 0);
	cr_assert_null(store_get(s, 1, 1));
	cr_assert_eq(n_gone, 1);
	cr_assert_eq(gone[0], 1);
	cr_assert_eq(store_totals(s)->held, 0);
}
