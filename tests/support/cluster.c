/* cluster.c - see cluster.h. */
#include "tests/support/cluster.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/access.h"

#define ARGS_MAX 64

/* ---- files ---------------------------------------------------------------------------------------------------- */

char *dir_new(void)
{
	const char *tmp = getenv("TMPDIR");
	struct buf path;
	char *copy;

	buf_init(&path, 4096);
	buf_printf(&path, "%s/sched-test.XXXXXX", tmp != NULL && *tmp != '\0' ? tmp : "/tmp");
	copy = mem_strdup(buf_str(&path));
	buf_fini(&path);
	cr_assert(mkdtemp(copy) != NULL, "%s: %s", copy, strerror(errno));
	return copy;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	remove(path);
	return 0;
}

void dir_remove(const char *path)
{
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

char *file_read(const char *path, size_t *n_bytes)
{
	FILE *f = fopen(path, "re");
	char chunk[65536], *copy;
	struct buf b;
	size_t n;

	if (f == NULL)
		return NULL;
	buf_init(&b, 0);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_append(&b, chunk, n);
	fclose(f);
	copy = mem_strndup(buf_str(&b), b.len);
	if (n_bytes != NULL)
		*n_bytes = b.len;
	buf_fini(&b);
	return copy;
}

const char *source_dir(void)
{
	const char *dir = getenv("SCHED_SRC");

	return dir != NULL ? dir : ".";
}

static char *path_in(const char *dir, const char *name)
{
	struct buf path;
	char *copy;

	buf_init(&path, 4096);
	buf_printf(&path, "%s/%s", dir, name);
	copy = mem_strdup(buf_str(&path));
	buf_fini(&path);
	return copy;
}

char *cluster_file(struct cluster *c, const char *name, const char *text)
{
	char *path = path_in(c->dir, name);
	FILE *f = fopen(path, "we");

	cr_assert(f != NULL, "%s: %s", path, strerror(errno));
	fputs(text, f);
	cr_assert(fclose(f) == 0, "%s: %s", path, strerror(errno));
	return path;
}

/* ---- one program ---------------------------------------------------------------------------------------------- */

void run_free(struct run *r)
{
	mem_free(r->out);
	mem_free(r->err);
	*r = (struct run){0};
}

static struct run finish(struct proc *p, unsigned deadline_ms)
{
	struct run r;
	const char *out;

	r.status = proc_wait_exit(p, deadline_ms);
	out = proc_stdout(p, &r.out_bytes);
	r.out = mem_strndup(out, r.out_bytes);
	r.err = mem_strdup(proc_stderr(p));
	proc_free(p);
	return r;
}

struct run run_program(const struct proc_spec *spec, unsigned deadline_ms)
{
	return finish(proc_start(spec), deadline_ms);
}

/* ---- the daemons ---------------------------------------------------------------------------------------------- */

struct args {
	const char *v[ARGS_MAX + 1];
	size_t n;
};

static void args_add(struct args *a, const char *arg)
{
	cr_assert(a->n < ARGS_MAX, "too many arguments");
	a->v[a->n++] = arg;
}

static void args_add_all(struct args *a, const char *const *more)
{
	for (; more != NULL && *more != NULL; more++)
		args_add(a, *more);
}

static void args_add_va(struct args *a, va_list ap)
{
	const char *arg;

	while ((arg = va_arg(ap, const char *)) != NULL)
		args_add(a, arg);
}

static struct proc *start(struct cluster *c, const char *program, const struct args *a)
{
	return proc_start(&(struct proc_spec){.program = program, .args = a->v, .env = c->spec.env, .cwd = c->dir});
}

void cluster_sched_start(struct cluster *c)
{
	struct args a = {0};
	const char *ready;

	proc_free(c->sched);
	args_add(&a, "--access-file");
	args_add(&a, c->access_file);
	args_add(&a, "--listen");
	args_add(&a, c->address);
	args_add_all(&a, c->spec.sched_args);
	c->sched = start(c, "sched", &a);
	ready = proc_wait_line(c->sched, "ready ", PROC_DEADLINE_MS);
	mem_free(c->address);
	c->address = proc_ready_value(ready, "address");
}

static void worker_start(struct cluster *c, size_t i, const char *const *args)
{
	char name[16], slots[16];
	struct args a = {0};

	cr_assert(i < CLUSTER_WORKERS_MAX);
	proc_free(c->workers[i]);
	snprintf(name, sizeof(name), "w%zu", i + 1);
	snprintf(slots, sizeof(slots), "%u", c->spec.slots != 0 ? c->spec.slots : 2);
	args_add(&a, "--access-file");
	args_add(&a, c->access_file);
	args_add(&a, "--name");
	args_add(&a, name);
	args_add(&a, "--slots");
	args_add(&a, slots);
	args_add_all(&a, c->spec.worker_args);
	args_add_all(&a, args);
	c->workers[i] = start(c, "sched-worker", &a);
}

void cluster_worker_start(struct cluster *c, size_t i, const char *const *args)
{
	worker_start(c, i, args);
	proc_wait_line(c->workers[i], "ready ", PROC_DEADLINE_MS);
}

struct cluster *cluster_start(const struct cluster_spec *spec)
{
	struct cluster *c = mem_calloc(1, sizeof(*c));

	c->spec = *spec;
	c->dir = dir_new();
	c->access_file = path_in(c->dir, "access.yaml");
	if (spec->listen != NULL && strcmp(spec->listen, "unix") == 0) {
		struct buf b;

		buf_init(&b, 0);
		buf_printf(&b, "unix://%s/sched.sock", c->dir);
		c->address = mem_strdup(buf_str(&b));
		buf_fini(&b);
	} else {
		c->address = mem_strdup(spec->listen != NULL ? spec->listen : "tcp://127.0.0.1:0");
	}
	cluster_sched_start(c);
	for (size_t i = 0; i < spec->n_workers; i++)
		worker_start(c, i, NULL);
	for (size_t i = 0; i < spec->n_workers; i++)
		proc_wait_line(c->workers[i], "ready ", PROC_DEADLINE_MS);
	return c;
}

void cluster_worker_kill(struct cluster *c, size_t i)
{
	proc_signal(c->workers[i], SIGKILL);
	proc_wait_exit(c->workers[i], PROC_DEADLINE_MS);
	proc_free(c->workers[i]);
	c->workers[i] = NULL;
}

static void stop_one(struct proc *p, const char *what)
{
	int status;

	if (p == NULL)
		return;
	if (!proc_has_ended(p, 0)) {
		proc_signal(p, SIGTERM);
		status = proc_wait_exit(p, PROC_DEADLINE_MS);
		cr_expect(status == 0, "%s ended with %d on SIGTERM\n%s", what, status, proc_stderr(p));
	}
	proc_free(p);
}

void cluster_stop(struct cluster *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < CLUSTER_WORKERS_MAX; i++)
		if (c->workers[i] != NULL && !proc_has_ended(c->workers[i], 0))
			proc_signal(c->workers[i], SIGTERM); /* all at once, so that they end side by side */
	for (size_t i = 0; i < CLUSTER_WORKERS_MAX; i++) {
		if (c->workers[i] == NULL)
			continue;
		proc_wait_exit(c->workers[i], PROC_DEADLINE_MS);
		stop_one(c->workers[i], "worker");
	}
	stop_one(c->sched, "scheduler");
	dir_remove(c->dir);
	mem_free(c->dir);
	mem_free(c->access_file);
	mem_free(c->address);
	mem_free(c);
}

/* ---- schedctl ------------------------------------------------------------------------------------------------- */

static struct proc *ctl_start(struct cluster *c, const struct args *more)
{
	struct args a = {0};

	args_add(&a, "--access-file");
	args_add(&a, c->access_file);
	args_add_all(&a, more->v);
	return start(c, "schedctl", &a);
}

struct run cluster_ctl_args(struct cluster *c, const char *const *args)
{
	struct args a = {0};

	args_add_all(&a, args);
	return finish(ctl_start(c, &a), 3 * PROC_DEADLINE_MS);
}

struct run cluster_ctl(struct cluster *c, ...)
{
	struct args a = {0};
	va_list ap;

	va_start(ap, c);
	args_add_va(&a, ap);
	va_end(ap);
	return cluster_ctl_args(c, a.v);
}

struct proc *cluster_ctl_start(struct cluster *c, ...)
{
	struct args a = {0};
	va_list ap;

	va_start(ap, c);
	args_add_va(&a, ap);
	va_end(ap);
	return ctl_start(c, &a);
}

static void show_logs(struct cluster *c)
{
	fprintf(stderr, "-- log of the scheduler:\n%s", proc_stderr(c->sched));
	for (size_t i = 0; i < CLUSTER_WORKERS_MAX; i++)
		if (c->workers[i] != NULL)
			fprintf(stderr, "-- log of w%zu:\n%s", i + 1, proc_stderr(c->workers[i]));
}

char *cluster_ctl_ok(struct cluster *c, ...)
{
	struct args a = {0};
	struct run r;
	va_list ap;

	va_start(ap, c);
	args_add_va(&a, ap);
	va_end(ap);
	r = cluster_ctl_args(c, a.v);
	if (r.status != 0) {
		show_logs(c);
		cr_assert_fail("schedctl %s %s: status %d\n%s%s", a.n > 0 ? a.v[0] : "", a.n > 1 ? a.v[1] : "",
			       r.status, r.out, r.err);
	}
	mem_free(r.err);
	return r.out;
}

void cluster_until(struct cluster *c, const char *text, unsigned deadline_ms, ...)
{
	uint64_t until = proc_until(deadline_ms);
	struct args a = {0};
	struct run r;
	va_list ap;

	va_start(ap, deadline_ms);
	args_add_va(&a, ap);
	va_end(ap);
	for (;;) {
		int found;

		r = cluster_ctl_args(c, a.v);
		found = strstr(r.out, text) != NULL;
		if (found || proc_ms_left(until) == 0) {
			if (!found) {
				show_logs(c);
				cr_assert_fail("schedctl %s %s never says '%s', but\n%s%s", a.n > 0 ? a.v[0] : "",
					       a.n > 1 ? a.v[1] : "", text, r.out, r.err);
			}
			run_free(&r);
			return;
		}
		run_free(&r);
	}
}

char *cluster_secret(struct cluster *c, const char *which)
{
	struct access a;
	struct buf error;

	buf_init(&error, 0);
	cr_assert(access_read(c->access_file, &a, &error) == SC_OK, "%s", buf_str(&error));
	buf_fini(&error);
	return mem_strdup(strcmp(which, "worker-secret") == 0 ? a.worker_secret : a.client_secret);
}
