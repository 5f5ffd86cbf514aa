/*
 * access.c - see access.h.  The lock is on PATH.lock and not on PATH, which is replaced by rename: two schedulers
 * starting at once cannot both believe they own PATH.
 */
#include "net/access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/yaml_doc.h"

#define FILE_MAX_BYTES ((size_t)64 * 1024)
#define SECRET_BYTES   16
#define LOCK_TRIES     100

struct access_lock {
	int fd;
	int published;
	char path[4096];
	char lock_path[4104];
};

sc_err access_path(const char *given, char *path, size_t cap)
{
	const char *env = getenv("SCHED_ACCESS_FILE"), *run = getenv("XDG_RUNTIME_DIR"), *home = getenv("HOME");
	int n;

	if (given == NULL && env != NULL && *env != '\0')
		given = env;
	if (given != NULL)
		n = snprintf(path, cap, "%s", given);
	else if (run != NULL && *run != '\0')
		n = snprintf(path, cap, "%s/sched/access.yaml", run);
	else if (home != NULL && *home != '\0')
		n = snprintf(path, cap, "%s/.sched/access.yaml", home);
	else
		return SC_NOT_FOUND;
	return n > 0 && (size_t)n < cap ? SC_OK : SC_TOO_BIG;
}

static sc_err copy_text(const char *path, const struct yaml_item *map, const char *key, char *out, size_t cap,
			struct buf *error)
{
	const struct yaml_item *v = yaml_get(map, key);

	out[0] = '\0';
	if (v == NULL)
		return SC_OK;
	if (v->kind != YAML_SCALAR || v->text_bytes >= cap) {
		buf_printf(error, "%s:%u: %s: text of at most %zu bytes is expected", path, v->line, key, cap - 1);
		return SC_INVALID;
	}
	snprintf(out, cap, "%s", v->text);
	return SC_OK;
}

static sc_err copy_addresses(const char *path, const struct yaml_item *map, struct access *out, struct buf *error)
{
	const struct yaml_item *list = yaml_get(map, "addresses");

	if (list == NULL || list->kind != YAML_LIST || list->n == 0 || list->n > ACCESS_ADDRESSES_MAX) {
		buf_printf(error, "%s: addresses: a list of 1 to %d addresses is expected", path, ACCESS_ADDRESSES_MAX);
		return SC_INVALID;
	}
	for (size_t i = 0; i < list->n; i++) {
		if (list->values[i]->kind != YAML_SCALAR || list->values[i]->text_bytes >= ADDRESS_MAX) {
			buf_printf(error, "%s:%u: tcp://HOST:PORT or unix:///PATH is expected", path,
				   list->values[i]->line);
			return SC_INVALID;
		}
		snprintf(out->addresses[i], ADDRESS_MAX, "%s", list->values[i]->text);
	}
	out->n_addresses = list->n;
	return SC_OK;
}

sc_err access_read(const char *path, struct access *out, struct buf *error)
{
	struct yaml_doc *d;
	const struct yaml_item *map;
	char pid[32];
	sc_err err = yaml_doc_load(path, FILE_MAX_BYTES, &d, error);

	if (err != SC_OK)
		return err;
	memset(out, 0, sizeof(*out));
	map = yaml_doc_root(d);
	err = copy_addresses(path, map, out, error);
	if (err == SC_OK)
		err = copy_text(path, map, "incarnation", out->incarnation, sizeof(out->incarnation), error);
	if (err == SC_OK)
		err = copy_text(path, map, "http", out->http, sizeof(out->http), error);
	if (err == SC_OK)
		err = copy_text(path, map, "client-secret", out->client_secret, ACCESS_SECRET_MAX, error);
	if (err == SC_OK)
		err = copy_text(path, map, "worker-secret", out->worker_secret, ACCESS_SECRET_MAX, error);
	if (err == SC_OK)
		err = copy_text(path, map, "pid", pid, sizeof(pid), error);
	if (err == SC_OK)
		out->pid = strtol(pid, NULL, 10);
	yaml_doc_free(d);
	return err;
}

/* The directory of the file, if it is missing.  One level: more would hide a mistyped path. */
static void make_directory(const char *path)
{
	char dir[4096];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash == NULL || slash == dir)
		return;
	*slash = '\0';
	mkdir(dir, 0700);
}

/* Open and lock PATH.lock.  SC_IN_USE when another process has it. */
static sc_err take_lock(struct access_lock *lock, struct buf *error)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		struct stat ours, there;

		lock->fd = open(lock->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (lock->fd < 0) {
			buf_printf(error, "access file %s: cannot create %s: %s", lock->path, lock->lock_path,
				   strerror(errno));
			return SC_DENIED;
		}
		if (flock(lock->fd, LOCK_EX | LOCK_NB) != 0)
			return SC_IN_USE;
		/* Its last owner removes the file: a lock on what is no longer there keeps nobody out. */
		if (fstat(lock->fd, &ours) == 0 && stat(lock->lock_path, &there) == 0 && ours.st_ino == there.st_ino &&
		    ours.st_dev == there.st_dev)
			return SC_OK;
		close(lock->fd);
		lock->fd = -1;
	}
	buf_printf(error, "access file %s: %s keeps being replaced", lock->path, lock->lock_path);
	return SC_IO;
}

/* Secrets of a file that others could read, or have written, are no secrets. */
static int is_private(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 077) == 0;
}

static void choose_secrets(const char *path, struct access *a)
{
	struct access old;
	struct buf ignored;

	buf_init(&ignored, 0);
	if (is_private(path) && access_read(path, &old, &ignored) == SC_OK && old.client_secret[0] != '\0' &&
	    old.worker_secret[0] != '\0') {
		memcpy(a->client_secret, old.client_secret, sizeof(a->client_secret));
		memcpy(a->worker_secret, old.worker_secret, sizeof(a->worker_secret));
	} else {
		text_random_hex(a->client_secret, SECRET_BYTES);
		text_random_hex(a->worker_secret, SECRET_BYTES);
	}
	buf_fini(&ignored);
}

static void explain_in_use(const char *path, struct buf *error)
{
	struct access old = {.pid = 0};
	struct buf ignored;

	buf_init(&ignored, 0);
	access_read(path, &old, &ignored);
	buf_fini(&ignored);
	buf_printf(error,
		   "access file %s belongs to a live scheduler (pid %ld); stop it with 'schedctl shutdown' or use "
		   "another file with --access-file",
		   path, old.pid);
}

sc_err access_claim(const char *path, struct access *a, struct access_lock **out, struct buf *error)
{
	struct access_lock *lock;
	sc_err err;

	if (strlen(path) >= sizeof(lock->path)) {
		buf_printf(error, "access file: a path of at most %zu bytes is possible", sizeof(lock->path) - 1);
		return SC_TOO_BIG;
	}
	lock = mem_calloc(1, sizeof(*lock));
	if (lock == NULL)
		return SC_NOMEM;
	make_directory(path);
	snprintf(lock->path, sizeof(lock->path), "%s", path);
	snprintf(lock->lock_path, sizeof(lock->lock_path), "%s.lock", path);
	err = take_lock(lock, error);
	if (err == SC_IN_USE)
		explain_in_use(path, error);
	if (err != SC_OK) {
		if (lock->fd >= 0)
			close(lock->fd);
		mem_free(lock);
		return err;
	}
	memset(a, 0, sizeof(*a));
	choose_secrets(path, a);
	text_random_hex(a->incarnation, 16);
	a->pid = (long)getpid();
	*out = lock;
	return SC_OK;
}

/* A path may have any character in it. */
static void put_text(FILE *f, const char *before, const char *text)
{
	fprintf(f, "%s\"", before);
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c == 0x7f)
			fprintf(f, "\\x%02x", c);
		else if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else
			fputc(c, f);
	}
	fprintf(f, "\"\n");
}

sc_err access_publish(struct access_lock *lock, const struct access *a, struct buf *error)
{
	char temp[4200];
	FILE *f;
	int fd, failed;

	snprintf(temp, sizeof(temp), "%s.%ld", lock->path, (long)getpid());
	unlink(temp); /* of a process that had our number and died: its mode may be another */
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (f == NULL) {
		buf_printf(error, "access file %s: %s", temp, strerror(errno));
		if (fd >= 0)
			close(fd);
		return SC_IO;
	}
	fprintf(f, "# Access to a scheduler.  Whoever can read this file can use it.\n");
	put_text(f, "incarnation: ", a->incarnation);
	fprintf(f, "pid: %ld\naddresses:\n", a->pid);
	for (size_t i = 0; i < a->n_addresses; i++)
		put_text(f, "  - ", a->addresses[i]);
	if (a->http[0] != '\0')
		put_text(f, "http: ", a->http);
	put_text(f, "client-secret: ", a->client_secret);
	put_text(f, "worker-secret: ", a->worker_secret);
	failed = ferror(f);
	failed |= fclose(f);
	if (failed || rename(temp, lock->path) != 0) {
		buf_printf(error, "access file %s: %s", lock->path, strerror(errno));
		unlink(temp);
		return SC_IO;
	}
	lock->published = 1;
	return SC_OK;
}

void access_release(struct access_lock *lock)
{
	if (lock == NULL)
		return;
	if (lock->published)
		unlink(lock->path);
	unlink(lock->lock_path);
	close(lock->fd);
	mem_free(lock);
}
