/*
 * slot.h - one function slot as the agent sees it: a process that calls functions, and the calls given to it in order.
 *
 * The process may be killed and started again under its calls; slots.c decides which of them go on.  Loop thread only.
 */
#ifndef WORKER_SLOT_H
#define WORKER_SLOT_H

#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "net/conn.h"
#include "worker/call_plan.h"
#include "worker/plan.h"
#include "worker/slot_main.h"
#include "worker/task.h"
#include "worker/watch.h"

/* A task given to a slot. */
struct call {
	TAILQ_ENTRY(call) link; /* in the slot's calls, in the order they were sent */
	struct slot *slot;
	struct task *task;
	uint64_t number;
	unsigned is_stopped : 1; /* by request */
	unsigned timed_out : 1;
	char *result_path; /* owned */
};

TAILQ_HEAD(call_list, call);

/* A module the process has loaded. */
struct loaded_module {
	struct loaded_module *next;
	struct module_file file;
	char path[];
};

struct slot_parts {
	struct loop *loop;
	struct watch *watch;
	const struct base_env *env;
	struct conn_limits limits;
	/* The process is gone, its last words have been heard. */
	void (*on_dead)(struct slot *s, void *arg);
	void (*on_return)(struct slot *s, const struct msg_slot_return *r, void *arg);
	void *arg;
};

struct slot {
	TAILQ_ENTRY(slot) link;
	const struct slot_parts *parts;
	struct call_list calls;
	unsigned n_calls;
	pid_t pid; /* -1: no process */
	int pidfd;
	struct conn *conn; /* NULL: closed */
	struct slot_shared *shared;
	struct watched end;
	int status;		 /* as wait tells it, once it has ended */
	uint64_t culprit;	 /* number of the call that ran when it ended, 0: none */
	unsigned was_killed : 1; /* by us */
	unsigned false_starts;	 /* deaths in a row in which nothing ran */
	int log_fd;		 /* its standard output and error; -1: not wanted */
	struct watched log_ready;
	struct loaded_module *loaded;
	struct deadline idle;
};

/* A slot without process.  SC_NOMEM. */
sc_err slot_new(const struct slot_parts *parts, struct slot **out);

/* Kills the process.  Its calls have to be gone. */
void slot_free(struct slot *s);

/* Start the process.  SC_IO with errno set; SC_NOMEM. */
sc_err slot_start(struct slot *s);

/* It is dead: forget the process, keep the calls. */
void slot_reset(struct slot *s);

/* SIGKILL; on_dead follows. */
void slot_kill(struct slot *s);

/* The number of the call that is running, 0: none. */
uint64_t slot_running(const struct slot *s);

/* Whether it has loaded this module when it was another file. */
int slot_has_old(const struct slot *s, const struct call_plan *p);

/* It is about to load this module. */
void slot_note_module(struct slot *s, const struct call_plan *p);

#endif
