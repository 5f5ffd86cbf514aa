/* share.c - tests of worker/share.h: what is taken, and all that is not. */
#include "worker/share.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file of the giver's, as described by share_give(). */
static struct spool giver, taker;
static struct blob blob;
static struct msg_data_link m;
static char path[SPOOL_PATH_MAX], name[256];

static void begin(void)
{
	struct buf error;
	int fd;

	buf_init(&error, 0);
	cr_assert_eq(spool_init(&giver, "", &error), SC_OK, "%s", buf_str(&error));
	cr_assert_eq(spool_init(&taker, "", &error), SC_OK, "%s", buf_str(&error));
	buf_fini(&error);
	spool_path(&giver, "output", path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	cr_assert_eq(write(fd, "hello", 5), 5);
	close(fd);
	blob = (struct blob){.place = BLOB_FILE, .bytes = 5, .at = path};
	m = (struct msg_data_link){0};
	cr_assert_eq(share_give(&giver, &blob, &m), SC_OK);
	snprintf(name, sizeof(name), "%.*s", (int)m.name.n, m.name.p);
}

static void finish(void)
{
	size_t budget = 100;

	cr_assert_eq(tree_remove(giver.dir, &budget), SC_OK);
	cr_assert_eq(tree_remove(taker.dir, &budget), SC_OK);
}

TestSuite(share, .init = begin, .fini = finish);

static void refused(const char *why)
{
	char out[SPOOL_PATH_MAX] = "";
	sc_err err = share_take(&taker, &m, out);

	cr_assert_neq(err, SC_OK, "%s", why);
	cr_assert_neq(err, SC_IO, "%s", why);
	cr_assert_neq(access(out, F_OK), 0, "%s", why);
}

Test(share, gives_a_second_name)
{
	char out[SPOOL_PATH_MAX];
	struct stat a, b;

	cr_assert_eq(share_take(&taker, &m, out), SC_OK);
	cr_assert_eq(strncmp(out, taker.dir, strlen(taker.dir)), 0);
	cr_assert_eq(stat(path, &a), 0);
	cr_assert_eq(stat(out, &b), 0);
	cr_assert_eq(a.st_ino, b.st_ino);
	cr_assert_eq(a.st_nlink, 2);
	cr_assert_eq(unlink(path), 0, "each removes its own name");
	cr_assert_eq(stat(out, &b), 0);
	cr_assert_eq(b.st_size, 5);
}

Test(share, gives_only_files_of_its_own_spool)
{
	struct blob foreign = blob, memory = blob, longer = blob, outside = blob;

	foreign.place = BLOB_FOREIGN;
	memory.place = BLOB_MEMORY;
	longer.bytes = 6;
	outside.at = (char *)"/etc/hostname";
	cr_assert_eq(share_give(&giver, &foreign, &m), SC_INVALID);
	cr_assert_eq(share_give(&giver, &memory, &m), SC_INVALID);
	cr_assert_eq(share_give(&giver, &longer, &m), SC_INVALID);
	cr_assert_eq(share_give(&giver, &outside, &m), SC_INVALID);
}

Test(share, another_file_than_was_meant_is_refused)
{
	struct msg_data_link good = m;

	m.inode++;
	refused("another number");
	m = good;
	m.total_bytes++;
	refused("another size");
	m = good;
	m.changed_ns++;
	refused("another time");
}

Test(share, names_that_lead_elsewhere_are_refused)
{
	static const char *const names[] = {
		"",
		"/",
		"/etc/passwd",
		"../etc/passwd",
		"sched-worker-/../../etc/passwd",
		"sched-worker-x/..",
		"sched-worker-x/",
		"sched-worker-x/.hidden",
		"other/output-1",
		"output-1",
	};
	char longest[300];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		m.name = slice_of(names[i]);
		refused(names[i]);
	}
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, name, strlen(name));
	m.name = (struct slice){longest, sizeof(longest)};
	refused("too long");
	m.name = (struct slice){name, strlen(name) + 1};
	refused("a zero byte in it");
}

/* Everything below is described as it is, so that only what it is can be the reason. */
static void describe(const char *at)
{
	struct stat st;

	cr_assert_eq(stat(at, &st), 0);
	m.inode = (uint64_t)st.st_ino;
	m.total_bytes = (uint64_t)st.st_size;
	m.changed_ns = spool_changed_ns(&st);
}

Test(share, what_is_no_file_is_refused)
{
	cr_assert_eq(unlink(path), 0);
	refused("gone");
	cr_assert_eq(symlink("/etc/passwd", path), 0);
	describe("/etc/passwd");
	refused("a symbolic link");
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(mkfifo(path, 0600), 0);
	describe(path);
	refused("a named pipe");
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(mkdir(path, 0700), 0);
	describe(path);
	refused("a directory");
}

Test(share, a_directory_that_is_a_link_is_refused)
{
	char link[SPOOL_PATH_MAX], short_name[256];

	snprintf(link, sizeof(link), "%s-link", giver.dir);
	snprintf(short_name, sizeof(short_name), "%s-link%s", strrchr(giver.dir, '/') + 1, strrchr(path, '/'));
	cr_assert_eq(symlink(giver.dir, link), 0);
	m.name = slice_of(short_name);
	refused("a symbolic link to the directory");
	cr_assert_eq(unlink(link), 0);
	describe(path);
	m.name = slice_of(name);
	cr_assert_eq(share_take(&taker, &m, link), SC_OK, "by its own name it is taken");
}
