/*
 * loop.h - one event loop, in turns.
 *
 * A turn: wait; run every callback that is due (read, decode, change state); then the turn hook (decide); then write
 * what is to be written and free what was closed.  So whatever arrived together is decided on together, answers to
 * it share frames, and nothing is freed inside its own callback.
 *
 * Everything here belongs to the thread that runs the loop, except loop_wake().
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdint.h>
#include <sys/queue.h>

#include "proto/frame.h"
#include "proto/sched_error.h"

struct event_base;
struct msg_decoder;
struct loop;
struct loop_timer;

typedef void (*loop_fn)(void *arg);

/* SC_NOMEM. */
sc_err loop_new(struct loop **out);
void loop_free(struct loop *l); /* closes and frees the connections still open; NULL is fine */

/* Called once a turn, after all callbacks, before writing. */
void loop_set_turn_hook(struct loop *l, loop_fn hook, void *arg);

void loop_run(struct loop *l); /* until loop_stop() */
void loop_stop(struct loop *l);
void loop_end_turn(struct loop *l); /* write and free now; for the end of a program, outside of callbacks */

/* Make the loop take a turn; its wake hook is called.  Any thread. */
void loop_wake(struct loop *l);
void loop_set_wake_hook(struct loop *l, loop_fn hook, void *arg);

/* The monotonic time of this turn, read once. */
uint64_t loop_now_us(struct loop *l);

struct event_base *loop_base(struct loop *l);
struct frame_codec *loop_codec(struct loop *l);

/* What all connections of the loop have received and sent since it began; they count here. */
struct loop_traffic {
	uint64_t bytes_in, bytes_out;
	uint64_t messages_in, messages_out;
};
struct loop_traffic *loop_traffic(struct loop *l);

/*
 * What connections use one after the other, so that ten thousand quiet ones do not each keep their own: a decoder, for
 * the length of a handler, and a buffer to receive into, which a connection takes over while it holds an incomplete
 * frame.  The spare may be empty; whoever takes it leaves an empty one.
 */
struct msg_decoder *loop_decoder(struct loop *l);
struct buf *loop_spare_input(struct loop *l);

/* A timer that fires once each time it is set.  Setting again moves it. */
sc_err loop_timer_new(struct loop *l, loop_fn fn, void *arg, struct loop_timer **out);
void loop_timer_free(struct loop_timer *t); /* NULL is fine */
void loop_timer_set(struct loop_timer *t, uint64_t after_us);
void loop_timer_clear(struct loop_timer *t);
int loop_timer_is_set(const struct loop_timer *t);

/* Call fn in the loop when the signal arrives.  Lasts as long as the loop. */
sc_err loop_on_signal(struct loop *l, int signo, loop_fn fn, void *arg);

/*
 * Something that has work to do at the end of turns (a connection).  Embedded in its owner.  turn_end may free
 * it; destroy is called by loop_free for what is left.
 */
struct loop_member {
	TAILQ_ENTRY(loop_member) all;
	TAILQ_ENTRY(loop_member) dirty;
	TAILQ_ENTRY(loop_member) patient;
	int is_dirty, is_patient;
	void (*turn_end)(struct loop_member *m);
	void (*destroy)(struct loop_member *m);
};

void loop_join(struct loop *l, struct loop_member *m);
void loop_leave(struct loop *l, struct loop_member *m);
void loop_dirty(struct loop *l, struct loop_member *m); /* call turn_end at the end of this turn */
/* Call turn_end at the end of a turn when something else asks for it, but after LOOP_PATIENCE_US at the latest. */
void loop_dirty_later(struct loop *l, struct loop_member *m);
#define LOOP_PATIENCE_US 5000u

#endif
