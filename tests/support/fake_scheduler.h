/*
 * fake_scheduler.h - what a worker sees of a scheduler, one message at a time, under the control of a test.
 *
 *     struct fake_scheduler *f = fake_start();
 *     struct proc *w = fake_worker(f, NULL);          the real sched-worker
 *     fake_accept(f);                                  until it is registered
 *     fake_define(f, &(struct msg_group_define){...});
 *     fake_assign(f, 1, 0, 0, 4);
 *     const struct msg *m = raw_expect(f->raw, MSG_tasks_done);
 *
 * Blocking, with deadlines; what cannot be done fails the test.
 */
#ifndef TESTS_SUPPORT_FAKE_SCHEDULER_H
#define TESTS_SUPPORT_FAKE_SCHEDULER_H

#include <stdint.h>

#include "proto/message.h"
#include "tests/support/proc.h"
#include "tests/support/raw.h"

#define FAKE_DATA_SECRET "data-secret-of-the-fake"

struct fake_scheduler {
	char *dir; /* removed by fake_stop */
	char access_file[512];
	char address[256];
	char worker_secret[64];
	int listen_fd;
	struct raw *raw; /* the worker at hand, or NULL */
	char worker_name[256];
	char data_address[256];
	char resources[256];
	struct buf body; /* encoded by fake_exec_body and the like */
};

/* Listens on loopback and has written its access file. */
struct fake_scheduler *fake_start(void);
void fake_stop(struct fake_scheduler *f); /* NULL is fine */

/* A sched-worker with this access file, a spool in f->dir, and further arguments up to NULL (args itself may be NULL).
 */
struct proc *fake_worker(struct fake_scheduler *f, const char *const *args);

/* Let the next worker in: hello to worker_registered.  It becomes f->raw; the one before is closed. */
void fake_accept(struct fake_scheduler *f);

/* As far as hello, which is answered with this error. */
void fake_refuse(struct fake_scheduler *f, sc_err code, const char *text);

void fake_define(struct fake_scheduler *f, const struct msg_group_define *m);

/* A group of n tasks numbered from first, without body. */
void fake_define_plain(struct fake_scheduler *f, uint64_t job, uint64_t group, unsigned kind, uint64_t first,
		       uint64_t n);

/* The body of `sh -c line`; borrowed until the next one.  */
struct slice fake_shell_body(struct fake_scheduler *f, const char *line);
struct slice fake_exec_body(struct fake_scheduler *f, const struct msg_body_exec *b);

/* A group of n tasks from number 0 that run a shell line in f->dir. */
void fake_define_shell(struct fake_scheduler *f, uint64_t job, uint64_t n, const char *line);

/* Give n tasks from number first on. */
void fake_assign(struct fake_scheduler *f, uint64_t job, uint64_t group, uint64_t first, uint64_t n);

void fake_cancel(struct fake_scheduler *f, uint64_t job, uint64_t task);

/* Wait until n tasks of a job are done, over any number of messages; none may fail. */
void fake_wait_done(struct fake_scheduler *f, uint64_t job, size_t n);

/* The whole of a stream of a result, from the worker's data port; owned by the caller, terminated. */
char *fake_fetch(struct fake_scheduler *f, uint64_t job, uint64_t task, unsigned stream, size_t *n_bytes);

#endif
