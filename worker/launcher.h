/*
 * launcher.h - threads that start processes and wait for their ends.
 *
 * Starting a process keeps the one who starts it waiting until the other program has been loaded, from a disk that may
 * be slow, and so does not belong into the loop.  And a thread that waits for a process is woken where that process
 * ended, on a processor that has just become free: if it knows what to start next, nobody else has to be woken in
 * between.  So every process has a thread, and behind those that run, in lanes, there may be followers: prepared, and
 * started by the thread whose process has ended.
 *
 * The functions here belong to the loop thread.  A launch is the launcher's from launcher_start() or launcher_follow()
 * until its end has been told, or it was withdrawn.
 */
#ifndef WORKER_LAUNCHER_H
#define WORKER_LAUNCHER_H

#include <stdint.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "proto/sched_error.h"
#include "worker/spawn.h"
#include "worker/watch.h"

struct launcher;
struct launch;

TAILQ_HEAD(launch_list, launch);

/* Processes that may follow each other, as they need the same.  Embedded in its owner, who only makes it; the rest is
 * the launcher's. */
struct launch_lane {
	struct launch_list followers; /* in order */
	unsigned n_followers;
	unsigned n_busy;	  /* launches that are under way, the followers not counted */
	uint64_t last_started_us; /* monotonic */
};

enum launch_state {
	LAUNCH_IDLE,	 /* not the launcher's */
	LAUNCH_FOLLOWS,	 /* waits in its lane */
	LAUNCH_WAITS,	 /* for a thread */
	LAUNCH_STARTING, /* there is no process yet that could be sent a signal */
	LAUNCH_RUNS,
	LAUNCH_ENDED,
};

/* One process.  Embedded in its owner; launch_init() first. */
struct launch {
	/* The owner's to fill in; what it refers to stays as it is as long as the launcher has it. */
	struct spawn_request request; /* with SPAWN_NEW_GROUP, without SPAWN_PIDFD */
	unsigned own_fds;	      /* bits: those of request.fds that are closed when the child has them */

	/* To be read when its end is told. */
	struct spawn_child child; /* with error: it did not start, and what follows is not set */
	int status;		  /* of wait() */
	struct rusage used;
	uint64_t started_us, ended_us;

	/* The launcher's, under its lock. */
	enum launch_state state;
	int signo; /* to be sent as soon as it runs; 0: none */
	struct launch *successor;
	struct launch_lane *lane;
	TAILQ_ENTRY(launch) link;
};

void lane_init(struct launch_lane *lane);
void launch_init(struct launch *it);
void launch_close_fds(struct launch *it); /* of request.fds those that are its own; for a launch that is idle */

/*
 * `it` has ended, whoever was left of its process group has been killed, and it is the owner's again, who may free it.
 * successor is started in its place, or NULL; it is told of as started by this.
 *
 * Told at once when nothing followed; else when something else has to be told, or launcher_collect() is called.
 */
typedef void (*launch_ended_fn)(struct launch *it, struct launch *successor, void *arg);

/* SC_NOMEM. */
sc_err launcher_new(struct watch *w, launch_ended_fn ended, void *arg, struct launcher **out);
void launcher_free(struct launcher *l); /* waits for the threads: nothing may be under way; NULL is fine */

/*
 * Start a process.  When there are as many threads, or processes, as the system allows, it waits until one of those
 * that run has ended.  0, or the errno of why there is no thread for it and none to wait for.
 */
int launcher_start(struct launcher *l, struct launch *it, struct launch_lane *lane);

/* Whether there is room for one more follower: something is under way, was started after since_us, and has fewer than
 * `each` followers for each process. */
int launcher_has_room(struct launcher *l, struct launch_lane *lane, uint64_t since_us, uint64_t each);

/* Start it when one of its lane has ended.  1, or 0 if nothing is under way there any more. */
int launcher_follow(struct launcher *l, struct launch *it, struct launch_lane *lane);

/* Take a follower back, if nothing in its lane was started after since_us.  1: it has not started and will not; 0: it
 * has, or something was. */
int launcher_withdraw(struct launcher *l, struct launch *it, uint64_t since_us);

/*
 * Send a signal to its process group, as soon as there is one; nothing if it has ended.  Whoever waits for a thread is
 * ended by SIGTERM and SIGKILL.  A follower has to be withdrawn first.
 */
void launcher_signal(struct launcher *l, struct launch *it, int signo);

/* Its process, 0 if there is none yet. */
pid_t launcher_pid(struct launcher *l, const struct launch *it);

/* Try again to get threads for those that wait.  1: some wait still. */
int launcher_retry(struct launcher *l);

/* Where it is, and since when it runs, which may be later while it waits for a thread. */
enum launch_state launcher_state(struct launcher *l, const struct launch *it, uint64_t *started_us);

/* Tell of what has ended up to now. */
void launcher_collect(struct launcher *l);

#endif
