/*
 * feed.h - updates of cluster info, from the client's thread to the command that shows them.
 *
 * The callback of the subscription only notes what has happened and wakes the command, which polls feed_fd().  Events
 * that come faster than they are shown are merged; that one was lost or resynchronised is not forgotten.
 */
#ifndef CLIENT_CTL_FEED_H
#define CLIENT_CTL_FEED_H

#include <pthread.h>

#include "client/ctl/ctl.h"

#define FEED_EVENTS_MAX 32u

struct feed {
	pthread_mutex_t lock;
	enum sc_info_event events[FEED_EVENTS_MAX]; /* not taken yet; under lock */
	size_t n_events;
	int fd; /* readable when there are any */
};

/* The options --namespace, --pool, --label, --interval of a command. */
struct feed_options {
	struct sc_info_options info;
	const char *labels[16];
};

/* EXIT_DONE, or the exit status after having said what is allowed. */
int feed_read_options(struct ctl *c, struct feed_options *o);
int feed_read_sections(struct ctl *c, unsigned *sections); /* --sections; *sections is 0 before */

/* Subscribe.  EXIT_DONE, or the exit status after having said why not; feed_end() in any case. */
int feed_begin(struct feed *f, struct ctl *c, const struct sc_info_options *o);
void feed_end(struct feed *f, struct ctl *c); /* no callback comes any more */

/* 1 and the next event; 0: there is none. */
int feed_next(struct feed *f, enum sc_info_event *event);

/* Wait for an event, a key on standard input (if with_keys), a signal, or this long. */
void feed_wait(struct feed *f, int with_keys, int timeout_ms);

#endif
