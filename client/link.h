/*
 * link.h - a connection made when it is needed, and the calls under way on it.
 *
 * A link leads to the scheduler or to the data port of a worker.  It is down, connecting or up; a call given to a link
 * that is down makes it connect, once: when that fails, or the connection is lost later, every call on it ends with
 * that error.  Links belong to the client's thread.
 *
 * A call is one request and its answer (or answers).  Its memory is the caller's, who must leave it alone from
 * call_start() until it has ended.  A blocking call is waited for with call_wait(); an asynchronous one has on_end.
 */
#ifndef CLIENT_LINK_H
#define CLIENT_LINK_H

#include "base/buf.h"
#include "base/hash.h"
#include "client/client.h"
#include "proto/message.h"

struct call {
	/* set by the caller, after call_init() */
	const char *address; /* of a data port, borrowed; NULL: the scheduler */
	msg_type answer;     /* type of the answer */
	struct msg request;  /* request.type and the fields; the request number is filled in */
	/*
	 * An answer has come; m is valid until this returns.  Runs in the client's thread.  Non-zero: the call is
	 * over.  NULL: the answer is copied to `reply` and ends the call.
	 */
	int (*on_answer)(struct call *c, const struct msg *m);
	/* The call is over: err, text are set.  Runs in the client's thread and may free c.  NULL: somebody waits. */
	void (*on_end)(struct call *c);
	uint64_t timeout_us; /* for the first answer; 0: none.  call_init() sets client.request-timeout */

	/* results */
	struct buf reply; /* the answer, encoded: call_decode() */
	sc_err err;
	struct buf text; /* of an error */

	/* private */
	struct sc_client *client;
	struct link *link;
	struct post post;
	TAILQ_ENTRY(call) list;
	UT_hash_handle hh;
	uint64_t number;
	uint64_t deadline_us;
	int is_sent;
	int is_over; /* under client->lock */
	pthread_cond_t changed;
};

void call_init(struct call *c, struct sc_client *client, msg_type request, msg_type answer);
void call_fini(struct call *c); /* not while it is under way */

/* Hand it to the client's thread.  SC_CLOSED: the client is being closed; the call has not begun. */
sc_err call_start(struct call *c);

/* Wait until it is over; sets the error text of this thread when it failed. */
sc_err call_wait(struct call *c);

/* call_start and call_wait. */
sc_err call_run(struct call *c);

/* End it now, with SC_CLOSED, if it is not over; returns when it is. */
void call_abandon(struct call *c);

/* In the client's thread: it is no longer wanted; it ends without on_end, and may be started again.  Late answers find
 * nothing.  Not for calls that somebody waits for, nor before it has reached the client's thread. */
void call_drop(struct call *c);

/* In the client's thread: as call_start(), but it may fail and end before this returns. */
void call_begin(struct call *c);

/* The answer kept in `reply`; *out borrows it and d. */
sc_err call_decode(const struct call *c, struct msg_decoder *d, struct msg *out);

/* Connect to the scheduler now, to know whether it is there. */
sc_err link_reach_scheduler(struct sc_client *client);

/* In the client's thread: how many messages, after welcome, have come from the scheduler, over all connections. */
uint64_t link_scheduler_n_heard(const struct sc_client *client);

/* In the client's thread: the connection to the scheduler, if it is up, is no longer of use; calls on it end with
 * SC_CLOSED, and the next one makes another. */
void link_scheduler_give_up(struct sc_client *client, const char *why);

sc_err links_init(struct sc_client *client);
void links_end(struct sc_client *client);  /* every call under way ends with SC_CLOSED */
void links_free(struct sc_client *client); /* after its thread, before the loop */

#endif
