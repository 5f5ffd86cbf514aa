/*
 * watch.h - descriptors of children (pidfds and pipes) in an epoll set of their own, nested in the loop.
 *
 * A task lives for less than a millisecond, perhaps: adding a descriptor is one system call and removing it none, as
 * closing it removes it.  Not at once, though: a child that is just being started has copies of all our descriptors
 * until its exec closes them, and meanwhile the set reports events of what we have closed.  So events carry the number
 * and the generation of a place in a table, and those of an earlier generation are ignored.  Loop thread only.
 */
#ifndef WORKER_WATCH_H
#define WORKER_WATCH_H

#include <stdint.h>

#include "net/loop.h"

struct watch;

/* Embedded in its owner. */
struct watched {
	void (*fn)(struct watched *item, uint32_t events); /* EPOLLIN, EPOLLHUP, ... */
	uint32_t place;					   /* in the table, from 1; 0: not watched */
};

/* SC_NOMEM. */
sc_err watch_new(struct loop *l, struct watch **out);
void watch_free(struct watch *w); /* NULL is fine */

/* Call item->fn as long as fd is readable (or hung up).  Borrows item until watch_forget().
 * SC_IO, SC_NOMEM. */
sc_err watch_add(struct watch *w, struct watched *item, int fd);

/* The same as long as fd is writable (or nobody reads any more). */
sc_err watch_add_writable(struct watch *w, struct watched *item, int fd);

/* No more calls for item, which may be freed then.  The caller closes fd right after, or calls watch_remove(). */
void watch_forget(struct watch *w, struct watched *item);

/* The same for a descriptor that stays open. */
void watch_remove(struct watch *w, struct watched *item, int fd);

#endif
