/* access.c - the access file: claimed once, private, kept or replaced after a dead scheduler, read with reasons. */
#include "net/access.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/support/cluster.h"

struct fixture {
	char *dir;
	char path[4200];
	struct buf error;
};

static void setup(struct fixture *f)
{
	f->dir = dir_new();
	snprintf(f->path, sizeof(f->path), "%s/access.yaml", f->dir);
	buf_init(&f->error, 0);
}

static void teardown(struct fixture *f)
{
	dir_remove(f->dir);
	mem_free(f->dir);
	buf_fini(&f->error);
}

static void write_file(struct fixture *f, const char *text, mode_t mode)
{
	FILE *out = fopen(f->path, "we");

	cr_assert_not_null(out);
	fputs(text, out);
	fclose(out);
	cr_assert_eq(chmod(f->path, mode), 0);
}

static void expect_error(struct fixture *f, const char *wanted)
{
	cr_expect_not_null(strstr(buf_str(&f->error), wanted), "'%s' does not say '%s'", buf_str(&f->error), wanted);
	buf_reset(&f->error);
}

static struct access_lock *claim(struct fixture *f, struct access *a)
{
	struct access_lock *lock = NULL;

	cr_assert_eq(access_claim(f->path, a, &lock, &f->error), SC_OK, "%s", buf_str(&f->error));
	return lock;
}

static void publish(struct fixture *f, struct access_lock *lock, struct access *a)
{
	a->n_addresses = 2;
	snprintf(a->addresses[0], ADDRESS_MAX, "tcp://127.0.0.1:1");
	snprintf(a->addresses[1], ADDRESS_MAX, "unix:///tmp/odd \"name\\");
	cr_assert_eq(access_publish(lock, a, &f->error), SC_OK, "%s", buf_str(&f->error));
}

Test(access, published_and_read)
{
	struct access a, b;
	struct access_lock *lock;
	struct fixture f;
	struct stat st;

	setup(&f);
	lock = claim(&f, &a);
	a.n_addresses = 1;
	snprintf(a.addresses[0], ADDRESS_MAX, "tcp://127.0.0.1:1");
	snprintf(a.http, sizeof(a.http), "http://127.0.0.1:2");
	cr_assert_eq(access_publish(lock, &a, &f.error), SC_OK, "%s", buf_str(&f.error));
	cr_assert(stat(f.path, &st) == 0 && (st.st_mode & 0777) == 0600);
	cr_assert_eq(access_read(f.path, &b, &f.error), SC_OK, "%s", buf_str(&f.error));
	cr_assert_str_eq(b.incarnation, a.incarnation);
	cr_assert_eq(strlen(a.incarnation), 32);
	cr_assert_str_eq(b.client_secret, a.client_secret);
	cr_assert_str_eq(b.worker_secret, a.worker_secret);
	cr_assert(strcmp(a.client_secret, a.worker_secret) != 0);
	cr_assert_eq(b.pid, (long)getpid());
	cr_assert_str_eq(b.http, a.http);
	cr_assert_str_eq(b.addresses[0], a.addresses[0]);
	access_release(lock);
	cr_assert_eq(access_read(f.path, &b, &f.error), SC_NOT_FOUND, "removed at the end");
	access_release(NULL);
	teardown(&f);
}

Test(access, belongs_to_one_live_scheduler)
{
	struct access_lock *lock, *second = NULL;
	struct access a, b;
	struct fixture f;
	char pid[40];

	setup(&f);
	lock = claim(&f, &a);
	a.n_addresses = 1;
	snprintf(a.addresses[0], ADDRESS_MAX, "tcp://127.0.0.1:1");
	cr_assert_eq(access_publish(lock, &a, &f.error), SC_OK);
	cr_assert_eq(access_claim(f.path, &b, &second, &f.error), SC_IN_USE);
	cr_assert_null(second);
	snprintf(pid, sizeof(pid), "live scheduler (pid %ld)", (long)getpid());
	expect_error(&f, pid);
	access_release(lock);
	lock = claim(&f, &b);
	cr_assert(strcmp(a.incarnation, b.incarnation) != 0);
	access_release(lock);
	teardown(&f);
}

static const char stale[] = "incarnation: \"00\"\npid: 1\naddresses: [\"tcp://127.0.0.1:1\"]\n"
			    "client-secret: \"old-client\"\nworker-secret: \"old-worker\"\n";

Test(access, secrets_of_a_dead_scheduler_are_kept)
{
	struct access_lock *lock;
	struct fixture f;
	struct access a;

	setup(&f);
	write_file(&f, stale, 0600);
	lock = claim(&f, &a);
	cr_assert_str_eq(a.client_secret, "old-client");
	cr_assert_str_eq(a.worker_secret, "old-worker");
	cr_assert_str_neq(a.incarnation, "00");
	access_release(lock);
	teardown(&f);
}

Test(access, secrets_others_could_read_are_not_kept)
{
	static const mode_t modes[] = {0644, 0640, 0602};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct access_lock *lock;
		struct fixture f;
		struct access a;
		struct stat st;

		setup(&f);
		write_file(&f, stale, modes[i]);
		lock = claim(&f, &a);
		cr_assert_str_neq(a.client_secret, "old-client");
		a.n_addresses = 1;
		snprintf(a.addresses[0], ADDRESS_MAX, "tcp://127.0.0.1:1");
		cr_assert_eq(access_publish(lock, &a, &f.error), SC_OK);
		cr_assert(stat(f.path, &st) == 0 && (st.st_mode & 0777) == 0600);
		access_release(lock);
		teardown(&f);
	}
}

/* A lock file that its last owner removes while another opens it must not let two in. */
Test(access, a_lock_on_a_removed_file_keeps_nobody_out)
{
	struct access_lock *first, *second = NULL;
	struct access a, b;
	struct fixture f;
	char lock_path[4300];
	int fd;

	setup(&f);
	snprintf(lock_path, sizeof(lock_path), "%s.lock", f.path);
	fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	cr_assert(fd >= 0 && flock(fd, LOCK_EX) == 0);
	unlink(lock_path); /* as access_release() does just before it closes */
	first = claim(&f, &a);
	cr_assert_eq(access_claim(f.path, &b, &second, &f.error), SC_IN_USE);
	access_release(first);
	close(fd);
	teardown(&f);
}

Test(access, its_directory_is_made_but_one_level_only)
{
	struct access_lock *lock = NULL;
	struct fixture f;
	struct access a;
	struct stat st;

	setup(&f);
	snprintf(f.path, sizeof(f.path), "%s/new/access.yaml", f.dir);
	lock = claim(&f, &a);
	access_release(lock);
	snprintf(f.path, sizeof(f.path), "%s/new", f.dir);
	cr_assert(stat(f.path, &st) == 0 && (st.st_mode & 0777) == 0700);
	snprintf(f.path, sizeof(f.path), "%s/no/such/access.yaml", f.dir);
	lock = NULL;
	cr_assert_eq(access_claim(f.path, &a, &lock, &f.error), SC_DENIED);
	expect_error(&f, "cannot create");
	cr_assert_null(lock);
	teardown(&f);
}

Test(access, mistakes_in_a_file_say_what_is_expected)
{
	struct fixture f;
	struct access a;
	char text[400];

	setup(&f);
	cr_expect_eq(access_read(f.path, &a, &f.error), SC_NOT_FOUND);
	expect_error(&f, "access.yaml");
	write_file(&f, "pid: 1\n", 0600);
	cr_expect_eq(access_read(f.path, &a, &f.error), SC_INVALID);
	expect_error(&f, "addresses: a list of 1 to 8 addresses is expected");
	write_file(&f, "addresses: [1,2,3,4,5,6,7,8,9]\n", 0600);
	cr_expect_eq(access_read(f.path, &a, &f.error), SC_INVALID);
	expect_error(&f, "a list of 1 to 8");
	write_file(&f, "addresses:\n  - [a]\n", 0600);
	cr_expect_eq(access_read(f.path, &a, &f.error), SC_INVALID);
	expect_error(&f, "access.yaml:2: tcp://HOST:PORT or unix:///PATH is expected");
	snprintf(text, sizeof(text), "addresses: [\"tcp://127.0.0.1:1\"]\nclient-secret: \"%0200d\"\n", 0);
	write_file(&f, text, 0600);
	cr_expect_eq(access_read(f.path, &a, &f.error), SC_INVALID);
	expect_error(&f, "access.yaml:2: client-secret: text of at most 127 bytes is expected");
	write_file(&f, "addresses: [", 0600);
	cr_expect_eq(access_read(f.path, &a, &f.error), SC_INVALID);
	expect_error(&f, "access.yaml:");
	write_file(&f, "[a, b]\n", 0600);
	cr_expect_eq(access_read(f.path, &a, &f.error), SC_INVALID, "a list at the top");
	teardown(&f);
}

Test(access, unknown_keys_are_for_later_versions)
{
	struct fixture f;
	struct access a;

	setup(&f);
	write_file(&f, "addresses: [\"tcp://127.0.0.1:1\"]\nnew-thing: {a: 1}\n", 0600);
	cr_assert_eq(access_read(f.path, &a, &f.error), SC_OK, "%s", buf_str(&f.error));
	cr_assert_str_eq(a.client_secret, "");
	cr_assert_eq(a.pid, 0);
	teardown(&f);
}

Test(access, where_it_is)
{
	char path[200];

	setenv("SCHED_ACCESS_FILE", "/env/file", 1);
	setenv("XDG_RUNTIME_DIR", "/run/me", 1);
	setenv("HOME", "/home/me", 1);
	cr_assert_eq(access_path("/given", path, sizeof(path)), SC_OK);
	cr_assert_str_eq(path, "/given");
	cr_assert_eq(access_path(NULL, path, sizeof(path)), SC_OK);
	cr_assert_str_eq(path, "/env/file");
	unsetenv("SCHED_ACCESS_FILE");
	cr_assert_eq(access_path(NULL, path, sizeof(path)), SC_OK);
	cr_assert_str_eq(path, "/run/me/sched/access.yaml");
	unsetenv("XDG_RUNTIME_DIR");
	cr_assert_eq(access_path(NULL, path, sizeof(path)), SC_OK);
	cr_assert_str_eq(path, "/home/me/.sched/access.yaml");
	unsetenv("HOME");
	cr_assert_eq(access_path(NULL, path, sizeof(path)), SC_NOT_FOUND);
	cr_assert_eq(access_path("/a/path/that/is/long", path, 10), SC_TOO_BIG);
}

Test(access, a_path_too_long)
{
	char path[5000];
	struct access_lock *lock = NULL;
	struct fixture f;
	struct access a;

	setup(&f);
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	cr_assert_eq(access_claim(path, &a, &lock, &f.error), SC_TOO_BIG);
	cr_assert_null(lock);
	teardown(&f);
}

Test(access, values_with_odd_characters_survive)
{
	struct access_lock *lock;
	struct access a, b;
	struct fixture f;

	setup(&f);
	lock = claim(&f, &a);
	publish(&f, lock, &a);
	cr_assert_eq(access_read(f.path, &b, &f.error), SC_OK, "%s", buf_str(&f.error));
	cr_assert_str_eq(b.addresses[1], a.addresses[1]);
	access_release(lock);
	teardown(&f);
}
