/*
 * proc.h - a real program under test: started, waited for with deadlines, ended whatever happens.
 *
 * Standard output is a pipe that every waiting call reads; standard error is a file, so that a program that logs much
 * never blocks on a test that does not read.  Waiting is poll() with a deadline, never sleeping.  The program leads its
 * own process group, which is killed by proc_free(), and dies with the test.  A call that cannot do what it is for
 * fails the test and shows the end of what the program wrote.
 */
#ifndef TESTS_SUPPORT_PROC_H
#define TESTS_SUPPORT_PROC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROC_DEADLINE_MS                                                                                               \
	20000u /* for what should take no time; generous, because machines are slow under sanitizers                   \
		*/

struct proc;

struct proc_spec {
	const char *program;	 /* a path, or a name in $SCHED_BIN when it has no slash and is there, else in PATH */
	const char *const *args; /* without the program's name, NULL at the end; NULL: none */
	const char *const *env;	 /* NAME=VALUE added to ours, NULL at the end; a plain NAME is removed; NULL: none */
	const char *cwd;	 /* NULL: ours */
	const char *stdin_text;	 /* written to standard input, which is then closed; NULL: /dev/null */
};

/* Fails the test when it cannot be started. */
struct proc *proc_start(const struct proc_spec *spec);

/* SIGKILL to the group, reap, free.  NULL is fine. */
void proc_free(struct proc *p);

pid_t proc_pid(const struct proc *p);
void proc_signal(struct proc *p, int signo); /* the program alone; nothing when it has ended */

/*
 * Wait for a line on standard output that begins with `prefix` and has not been returned yet.  The line, without its
 * end, lives as long as p.  Fails the test at the deadline or when the program ends first.
 */
const char *proc_wait_line(struct proc *p, const char *prefix, unsigned deadline_ms);

/* Wait until standard error contains `text`, counting from `from`; returns where it ends.  Fails as above. */
size_t proc_wait_log(struct proc *p, const char *text, size_t from, unsigned deadline_ms);

/* Wait for its end: exit code, or 128 + signal.  Fails the test at the deadline.  Standard output is complete then. */
int proc_wait_exit(struct proc *p, unsigned deadline_ms);

/* 1 when it has ended by the deadline, 0 otherwise; never fails. */
int proc_has_ended(struct proc *p, unsigned deadline_ms);

/* What it wrote so far, terminated; lives until the next call of the same function. */
const char *proc_stdout(struct proc *p, size_t *n_bytes);
const char *proc_stderr(struct proc *p);

/* The value of KEY in a line "ready KEY=VALUE KEY=VALUE"; fails the test when it is not there.  Caller frees. */
char *proc_ready_value(const char *line, const char *key);

/* Milliseconds left until a point of the monotonic clock, for poll(); 0 when it has passed. */
int proc_ms_left(uint64_t until_us);
uint64_t proc_until(unsigned deadline_ms);

/*
 * Wait until no process has this pid as its process group (or as its id).  For "no child survives".  1 when so by the
 * deadline.
 */
int proc_wait_gone(pid_t pid, unsigned deadline_ms);

/* Path of a program under test: in $SCHED_BIN if it is there, else the name itself.  Caller frees. */
char *proc_program(const char *name);

#endif
