/*
 * cluster.h - a scheduler, its workers and the command line, for one test: own directory, own access file, any port.
 *
 *     struct cluster *c = cluster_start(&(struct cluster_spec){.n_workers = 2, .slots = 2});
 *     struct run r = cluster_ctl(c, "submit", "--wait", "--", "true", NULL);
 *     cr_assert_eq(r.status, 0, "%s", r.err);
 *     run_free(&r);
 *     cluster_stop(c);
 *
 * Everything is killed when the test ends, also when it fails.  A call that cannot do what it is for fails the test and
 * shows the logs of all processes.
 */
#ifndef TESTS_SUPPORT_CLUSTER_H
#define TESTS_SUPPORT_CLUSTER_H

#include <stddef.h>

#include "tests/support/proc.h"

#define CLUSTER_WORKERS_MAX 16

struct cluster_spec {
	size_t n_workers;	       /* named w1, w2 ... */
	unsigned slots;		       /* of each; 0: 2 */
	const char *listen;	       /* NULL: tcp://127.0.0.1:0; "unix": a socket in the directory */
	const char *const *sched_args; /* more arguments, NULL at the end */
	const char *const *worker_args;
	const char *const *env; /* of all processes, as in struct proc_spec */
};

struct cluster {
	char *dir; /* the test's own; removed by cluster_stop */
	char *access_file;
	char *address; /* of the scheduler */
	struct proc *sched;
	struct proc *workers[CLUSTER_WORKERS_MAX]; /* NULL: not there (any more) */
	struct cluster_spec spec;
};

struct cluster *cluster_start(const struct cluster_spec *spec);

/*
 * SIGTERM to all, which have to end with status 0 within PROC_DEADLINE_MS, then free and remove the directory.  A
 * process the test has killed or ended by other means is not judged.
 */
void cluster_stop(struct cluster *c);

/* Start worker i (from 0; named w<i+1>) with further arguments (NULL: none), and wait until it is registered. */
void cluster_worker_start(struct cluster *c, size_t i, const char *const *args);

/* SIGKILL worker i and forget it.  Only the agent itself is killed: what it leaves behind is for the test to look at.
 */
void cluster_worker_kill(struct cluster *c, size_t i);

/* The same scheduler program again, after it has ended: same access file, same address. */
void cluster_sched_start(struct cluster *c);

/* What a program wrote, and how it ended. */
struct run {
	int status; /* exit code, or 128 + signal */
	char *out;
	size_t out_bytes;
	char *err;
};

void run_free(struct run *r);

/* Run a program to its end.  Fails the test when it takes longer than deadline_ms. */
struct run run_program(const struct proc_spec *spec, unsigned deadline_ms);

/* schedctl with the access file of c and the arguments up to NULL; its working directory is c->dir. */
struct run cluster_ctl(struct cluster *c, ...) __attribute__((sentinel));
struct run cluster_ctl_args(struct cluster *c, const char *const *args);

/* The same in the background. */
struct proc *cluster_ctl_start(struct cluster *c, ...) __attribute__((sentinel));

/* As cluster_ctl, which has to succeed; returns its standard output, owned by the caller. */
char *cluster_ctl_ok(struct cluster *c, ...) __attribute__((sentinel));

/* Repeat schedctl until its output contains `text`; fails the test at the deadline. */
void cluster_until(struct cluster *c, const char *text, unsigned deadline_ms, ...) __attribute__((sentinel));

/* A file in c->dir with this text; returns its path, owned by the caller. */
char *cluster_file(struct cluster *c, const char *name, const char *text);

/* A secret from the access file ("client-secret", "worker-secret"), owned by the caller. */
char *cluster_secret(struct cluster *c, const char *which);

/* Contents of a file, owned by the caller; NULL when it is not there. */
char *file_read(const char *path, size_t *n_bytes);

/* A new directory under $TMPDIR or /tmp, and its end with all that is in it.  The caller frees the path. */
char *dir_new(void);
void dir_remove(const char *path);

/* The top of the source tree, from $SCHED_SRC or the working directory.  Static. */
const char *source_dir(void);

#endif
