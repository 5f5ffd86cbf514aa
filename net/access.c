/*
 * access.c - see access.h.  The lock is on PATH.lock, which is never renamed, so that two schedulers starting at once
 * cannot both believe they own PATH.
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

sc_err access_claim(const char *path, struct access *a, struct access_lock **out, struct buf *error)
{
	struct access_lock *lock = mem_calloc(1, sizeof(*lock));
	struct access old;
	struct buf ignored;

	if (lock == NULL)
		return SC_NOMEM;
	make_directory(path);
	snprintf(lock->path, sizeof(lock->path), "%s", path);
	snprintf(lock->lock_path, sizeof(lock->lock_path), "%s.lock", path);
	lock->fd = open(lock->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock->fd < 0) {
		buf_printf(error, "access file %s: cannot create %s: %s", path, lock->lock_path, strerror(errno));
		mem_free(lock);
		return SC_DENIED;
	}
	buf_init(&ignored, 0);
	if (flock(lock->fd, LOCK_EX | LOCK_NB) != 0) {
		old.pid = 0;
		access_read(path, &old, &ignored);
		buf_printf(error,
			   "access file %s belongs to a live scheduler (pid %ld); stop it with 'schedctl shutdown' "
			   "or use another file with --access-file",
			   path, old.pid);
		buf_fini(&ignored);
		close(lock->fd);
		mem_free(lock);
		return SC_IN_USE;
	}
	memset(a, 0, sizeof(*a));
	if (access_read(path, &old, &ignored) == SC_OK && old.client_secret[0] && old.worker_secret[0]) {
		memcpy(a->client_secret, old.client_secret, sizeof(a->client_secret));
		memcpy(a->worker_secret, old.worker_secret, sizeof(a->worker_secret));
	} else {
		text_random_hex(a->client_secret, SECRET_BYTES);
		text_random_hex(a->worker_secret, SECRET_BYTES);
	}
	buf_fini(&ignored);
	text_random_hex(a->incarnation, 16);
	a->pid = (long)getpid();
	*out = lock;
	return SC_OK;
}

sc_err access_publish(struct access_lock *lock, const struct access *a, struct buf *error)
{
	char temp[4200];
	FILE *f;
	int fd, failed;

	snprintf(temp, sizeof(temp), "%s.%ld", lock->path, (long)getpid());
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (f == NULL) {
		buf_printf(error, "access file %s: %s", temp, strerror(errno));
		if (fd >= 0)
			close(fd);
		return SC_IO;
	}
	fprintf(f, "# Access to a scheduler.  Whoever can read this file can use it.\n");
	fprintf(f, "incarnation: \"%s\"\npid: %ld\naddresses:\n", a->incarnation, a->pid);
	for (size_t i = 0; i < a->n_addresses; i++)
		fprintf(f, "  - \"%s\"\n", a->addresses[i]);
	if (a->http[0] != '\0')
		fprintf(f, "http: \"%s\"\n", a->http);
	fprintf(f, "client-secret: \"%s\"\nworker-secret: \"%s\"\n", a->client_secret, a->worker_secret);
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
