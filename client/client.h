/*
 * client.h - inside the library: the client object, its thread, and how other threads hand work to it.
 *
 * The client's thread runs the loop and owns all connections (link.h).  Other threads reach it only through
 * client_post(): a locked list of things to run there.  `lock` also guards the state of calls somebody waits for; it is
 * never held while calling out.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/options.h"
#include "client/sched_client.h"
#include "net/loop.h"

struct link;
struct info;

/* Something to run in the client's thread.  Embedded in what it is about. */
struct post {
	TAILQ_ENTRY(post) next;
	void (*fn)(struct post *p);
};

TAILQ_HEAD(posts, post);

struct sc_client {
	struct options options; /* read-only once open */
	char access_file[4096];
	const char *role;
	uint64_t own_job; /* of a client inside a task: the job of that; 0: none */
	char software[128];

	pthread_t thread;
	pthread_mutex_t lock;
	struct posts posts;	     /* under lock */
	int stopping;		     /* under lock */
	size_t n_async;		     /* asynchronous calls under way; under lock */
	_Atomic(struct info *) info; /* info.h; NULL until it is used.  Set under lock */

	/* the client's thread only, from here on */
	struct loop *loop;
	struct link *scheduler;
	struct link *holders; /* data ports, hashed by address */
	uint64_t last_request;
	char data_secret[129];
	int ended; /* the loop is over: whatever still comes fails */
};

/* Run p->fn(p) in the client's thread, soon.  SC_CLOSED: the client is being closed, it will not run.  Any thread. */
sc_err client_post(struct sc_client *client, struct post *p);

/* An asynchronous call begins (SC_LIMIT: too many are under way), has ended.  Any thread. */
sc_err client_async_begin(struct sc_client *client);
void client_async_end(struct sc_client *client);

/* Set this thread's error text and return err, so that `return client_error(SC_INVALID, ...)` works. */
sc_err client_error(sc_err err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
