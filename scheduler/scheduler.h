/*
 * scheduler.h - the shell around the core: who is connected, and one turn of the loop.
 *
 * Messages are decoded and handed to the core as they arrive; at the end of the turn the core schedules, its actions
 * become messages (outbox.c) and are written.  All on the loop's thread.
 */
#ifndef SCHEDULER_SCHEDULER_H
#define SCHEDULER_SCHEDULER_H

#include <sys/queue.h>

#include "base/bits.h"
#include "base/hash.h"
#include "base/options.h"
#include "net/access.h"
#include "net/loop.h"
#include "net/server.h"
#include "scheduler/core/core.h"
#include "scheduler/info/subscribers.h"

/* Walking over so many tasks, jobs or groups for a request is as much work as a small message: see conn_charge(). */
#define WALK_PER_MESSAGE 100u
/* So many workers are looked at for a request, to know what none can meet. */
#define UNMET_LOOKS 1000000u

struct scheduler;
struct outbox;
struct info_link;

/* Groups of one job that a worker has been told about. */
struct known_job {
	uint64_t job;
	UT_hash_handle hh;
	struct bits defined; /* by group; grows with the job */
};

/* A connected worker; `number` is 0 until it has registered. */
struct worker_peer {
	TAILQ_ENTRY(worker_peer) link;
	struct scheduler *scheduler;
	struct conn *conn;
	uint32_t number;
	int leaving; /* it said so: its end is no surprise */
	uint64_t seen_us;
	struct known_job *known;
	/* of its last heartbeat */
	uint64_t cpu_percent, memory_bytes, running, queued, held, held_bytes, spilled_bytes;
	uint64_t sent_bytes, received_bytes, heartbeat_us; /* when these were told */
	uint64_t receiving_us;
	uint64_t sent_bytes_s, received_bytes_s; /* since the time before */
	/* this turn's actions for it: indices into the core's array, chained by outbox */
	uint32_t first_action, last_action;
	int is_touched;
	STAILQ_ENTRY(worker_peer) touched_link;
};

struct watch;
struct await;
struct await_table;

/* A connected client. */
struct client_peer {
	TAILQ_ENTRY(client_peer) link;
	struct scheduler *scheduler;
	struct conn *conn;
	TAILQ_HEAD(, watch) watches;
	unsigned n_watches;
	int is_worker_client; /* runs inside a task */
	uint64_t own_job;     /* then: of this job, the only one it may change */
	TAILQ_HEAD(, await) awaits;
	unsigned n_awaits;
	size_t n_awaited; /* tasks and jobs, in all of them */
	struct info_subscriber subscription;
	uint64_t info_request; /* of the subscription */
	uint64_t identity_us;  /* token bucket of its single questions: used up until then */
	uint64_t n_requests, requests_ns;
};

struct scheduler {
	struct loop *loop;
	struct core *core;
	struct server *server;
	const struct options *options;
	struct access access;
	char data_secret[64];
	struct worker_peer **peers; /* by worker number */
	size_t cap_peers;
	TAILQ_HEAD(, worker_peer) workers;
	TAILQ_HEAD(, client_peer) clients;
	struct outbox *outbox;
	struct watch_table *watches;
	struct await_table *awaits;
	struct info_link *info;
	struct loop_timer *core_timer;	/* the core's next due time */
	struct loop_timer *watch_timer; /* silent workers */
	uint64_t next_name;
	uint64_t n_turns, n_actions, n_clients;	       /* for metrics.def */
	uint64_t turn_us, turn_max_us, turn_max_at_us; /* spent in turns; the longest lately, and when */
	uint64_t cpu_us;			       /* of this thread when the last turn ended */
	int turn_shared;			       /* this turn did something else than take in heartbeats */
	struct {
		uint64_t count, ns;
	} requests[MSG_CODES]; /* of clients, by message */
	int stopping;
};

/* options are borrowed.  SC_NOMEM; SC_INVALID, SC_LIMIT with *error: an option that cannot be met. */
sc_err scheduler_new(struct loop *l, const struct options *o, const struct access *a, struct scheduler **out,
		     struct buf *error);
void scheduler_free(struct scheduler *s); /* NULL is fine */

/* End soon: workers are told to go if asked, then the loop stops. */
void scheduler_stop(struct scheduler *s, int stop_workers);

/* worker_link.c */
sc_err worker_link_new(struct scheduler *s, struct conn *c);
void worker_link_check_silence(struct scheduler *s);
struct worker_peer *worker_link_of(const struct scheduler *s, uint32_t number); /* NULL: none */

/* client_link.c */
/* own_job: of a worker client, the job it is a task of. */
sc_err client_link_new(struct scheduler *s, struct conn *c, int is_worker_client, uint64_t own_job);

/* outbox.c - actions become messages */
sc_err outbox_new(struct outbox **out);
void outbox_free(struct outbox *o);
void outbox_dispatch(struct scheduler *s);

/* watches.c - clients that want to know how far a job is */
sc_err watch_table_new(struct scheduler *s, struct watch_table **out);
void watch_table_free(struct watch_table *t);
/* Sends the state now; SC_LIMIT. */
sc_err watch_add(struct client_peer *p, struct job *j, uint64_t request, uint64_t interval_us);
void watch_job_ended(struct scheduler *s, const struct job *j);
void watch_client_gone(struct client_peer *p);

/* awaits.c - clients that want to know which tasks have ended, as they do */
sc_err await_table_new(struct scheduler *s, struct await_table **out);
void await_table_free(struct await_table *t);
sc_err await_add(struct client_peer *p, const struct msg_tasks_await *m, struct buf *error);
int await_stop(struct client_peer *p, uint64_t request); /* 0: there is none (any more) */
void await_task_ended(struct scheduler *s, const struct job *j, uint32_t task);
void await_job_ended(struct scheduler *s, const struct job *j);
void await_job_forgotten(struct scheduler *s, const struct job *j);
void await_send(struct scheduler *s); /* what is to be told, to those that read */
void await_client_gone(struct client_peer *p);

/* submit.c */
/* More tasks for a job; *first is the number of the first. */
sc_err submit_more_tasks(struct scheduler *s, const struct msg_submit_more *m, struct job *j, uint32_t *first,
			 struct buf *error);
sc_err submit_job(struct scheduler *s, const struct msg_submit *m, uint64_t *id, struct buf *error);

/* report.c - answers to questions */
sc_err report_jobs(struct scheduler *s, struct conn *c, const struct msg_job_list *m);
sc_err report_tasks(struct scheduler *s, struct conn *c, const struct msg_task_list *m);
sc_err report_task(struct scheduler *s, struct conn *c, const struct msg_task_show *m);
sc_err report_places(struct scheduler *s, struct conn *c, const struct msg_result_locate *m);
sc_err report_workers(struct scheduler *s, struct conn *c, const struct msg_worker_list *m);

/* report_groups.c */
sc_err report_groups(struct scheduler *s, struct conn *c, const struct msg_group_list *m);

/* report_stats.c */
sc_err report_stats(struct scheduler *s, struct conn *c, const struct msg_stats *m);

#endif
