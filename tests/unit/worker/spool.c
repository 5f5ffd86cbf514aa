/* spool.c - tests of worker/spool.h: the directory, and removing whatever a task may have left. */
#include "worker/spool.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/support/cluster.h"

static char *dir;

static void begin(void)
{
	dir = dir_new();
}

static void end(void)
{
	dir_remove(dir);
	mem_free(dir);
}

TestSuite(spool, .init = begin, .fini = end);

Test(spool, is_private_and_names_are_new)
{
	struct spool s;
	struct buf error;
	struct stat st;
	char one[SPOOL_PATH_MAX], two[SPOOL_PATH_MAX];

	buf_init(&error, 0);
	cr_assert_eq(spool_init(&s, dir, &error), SC_OK);
	cr_assert_eq(stat(s.dir, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0700);
	spool_path(&s, "x", one);
	spool_path(&s, "x", two);
	cr_assert_str_neq(one, two);
	cr_assert_eq(spool_init(&s, "/no/such/dir", &error), SC_INVALID);
	cr_assert(strstr(buf_str(&error), "/no/such/dir") != NULL);
	buf_fini(&error);
}

static int make(int at, const char *name)
{
	int fd = openat(at, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	return fd < 0 ? -1 : close(fd);
}

/* A tree deeper than any path may be long, with files and dead links on the way, some of it locked. */
Test(spool, removes_deep_trees)
{
	char top[600], name[101];
	size_t budget = SIZE_MAX;
	int at, next;

	snprintf(top, sizeof(top), "%s/deep", dir);
	memset(name, 'd', 100);
	name[100] = '\0';
	cr_assert_eq(mkdir(top, 0700), 0);
	at = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 300; i++) {
		cr_assert_eq(make(at, "file"), 0);
		cr_assert_eq(symlinkat("/nowhere", at, "link"), 0);
		cr_assert_eq(mkdirat(at, "empty", 0700), 0);
		cr_assert_eq(mkdirat(at, name, 0700), 0);
		next = openat(at, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (i % 10 == 0)
			fchmodat(at, "empty", 0, 0);
		close(at);
		at = next;
	}
	close(at);
	cr_assert_eq(tree_remove(top, &budget), SC_OK);
	cr_assert_eq(access(top, F_OK), -1);
	cr_assert_eq(tree_remove(top, &budget), SC_OK); /* not there: fine */
}

Test(spool, follows_no_link)
{
	char top[600], outside[600], link[700];
	size_t budget = SIZE_MAX;

	snprintf(outside, sizeof(outside), "%s/outside", dir);
	snprintf(top, sizeof(top), "%s/top", dir);
	snprintf(link, sizeof(link), "%s/link", top);
	mkdir(outside, 0700);
	mkdir(top, 0700);
	cr_assert_eq(symlink(outside, link), 0);
	cr_assert_eq(tree_remove(top, &budget), SC_OK);
	cr_assert_eq(access(outside, F_OK), 0);
}

Test(spool, stops_at_the_budget)
{
	char top[600], path[700];
	size_t budget = 10;

	snprintf(top, sizeof(top), "%s/many", dir);
	mkdir(top, 0700);
	for (int i = 0; i < 50; i++) {
		snprintf(path, sizeof(path), "%s/%d", top, i);
		cr_assert_eq(make(AT_FDCWD, path), 0);
	}
	cr_assert_eq(tree_remove(top, &budget), SC_LIMIT);
	cr_assert_eq(budget, 0);
	budget = 1000;
	cr_assert_eq(tree_remove(top, &budget), SC_OK);
	cr_assert_eq(access(top, F_OK), -1);
}
