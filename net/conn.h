/*
 * conn.h - a connection that carries messages, in both directions, within limits.
 *
 * Reading: at most CONN_READ_BYTES and CONN_TURN_MESSAGES a turn, so that a peer that floods is read less, not more.  A
 * message whose handling is as much work as many counts as many (conn_charge), as does inflating a frame.
 * Writing: messages sent in one turn share frames; above output_soft_bytes not yet written, nothing more is read
 * from the peer until half of it has drained; above output_hard_bytes the peer is cut off (SC_SLOW_PEER).
 *
 * Life: conn_close() marks; what is queued is still written (for CONN_LINGER_US at most), then on_close is called
 * once, at the end of a turn, and the connection is freed.  Loop thread only.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include <stddef.h>
#include <stdint.h>

#include "net/loop.h"
#include "proto/message.h"
#include "proto/sched_error.h"

#define CONN_READ_BYTES	       ((size_t)256 * 1024)
#define CONN_TURN_MESSAGES     10000u
#define CONN_LINGER_US	       1000000u
#define CONN_MAX_FRAME_DEFAULT ((uint32_t)64 * 1024 * 1024)

struct conn;

struct conn_limits {
	uint32_t max_frame_bytes; /* largest frame accepted, and largest payload after decompression */
	size_t output_soft_bytes;
	size_t output_hard_bytes;
};

extern const struct conn_limits conn_limits_default;

struct conn_handlers {
	/* Connected (for conn_connect; not called for accepted sockets).  May be NULL. */
	void (*on_connect)(struct conn *c, void *arg);
	/* A message has arrived; m borrows the connection's buffers until the handler returns.  An error closes the
	 * connection: the peer is told code and text (conn_fail to give a text). */
	sc_err (*on_message)(struct conn *c, const struct msg *m, void *arg);
	/* The connection is over; it is freed when this returns.  text says why in words. */
	void (*on_close)(struct conn *c, sc_err why, const char *text, void *arg);
};

/* Takes fd (connected, non-blocking).  Handlers are borrowed.  SC_NOMEM. */
sc_err conn_new(struct loop *l, int fd, const struct conn_limits *limits, const struct conn_handlers *h, void *arg,
		struct conn **out);

/* Begin to connect to "tcp://..." or "unix://...".  Errors as address_parse and address_connect. */
sc_err conn_connect(struct loop *l, const char *address, const struct conn_limits *limits,
		    const struct conn_handlers *h, void *arg, struct conn **out);

void conn_set_handlers(struct conn *c, const struct conn_handlers *h, void *arg);
void conn_set_max_frame(struct conn *c, uint32_t max_frame_bytes);
uint32_t conn_max_frame(const struct conn *c);
void *conn_arg(const struct conn *c);
struct loop *conn_loop(const struct conn *c);

/*
 * Queue a message (a struct msg_TYPE); it leaves at the end of the turn.  On a closing connection nothing happens and
 * SC_CLOSED is returned.  SC_TOO_BIG: a field over its bound, or the whole over the peer's frame limit; nothing is
 * queued then.
 */
sc_err conn_send(struct conn *c, msg_type type, const void *m);

/*
 * The same for what nobody waits for: it leaves with the next message, or after LOOP_PATIENCE_US.  The order of
 * messages stays as it is.
 */
sc_err conn_send_later(struct conn *c, msg_type type, const void *m);

/*
 * Queue a message whose last field, a BIN, is n_bytes at bytes, which are not copied: released(arg) is called when they
 * have been written or the connection is over.  m's last field is ignored.  Not compressed.  On failure it is not
 * called.
 */
sc_err conn_send_shared(struct conn *c, msg_type type, const void *m, const void *bytes, size_t n_bytes,
			void (*released)(void *arg), void *arg);

/*
 * Queue a message and, right behind the frame it ends, n bytes of a file from an offset, which the kernel sends without
 * a copy in our memory.  Takes fd, on success.  A file that ends before is the end of the connection (SC_IO).
 */
sc_err conn_send_file(struct conn *c, msg_type type, const void *m, int fd, uint64_t offset, uint64_t n_bytes);

/*
 * From the handler of a message that announces them: the next n bytes behind its frame are no messages but go into a
 * file, from an offset on.  got is called for every piece that was written (err SC_OK), or once when that failed (SC_IO
 * with errno set, nothing more is written, the rest is thrown away); not any more after conn_set_handlers().  fd stays
 * the caller's.  SC_MALFORMED: the frame goes on behind the message; SC_IO.
 */
sc_err conn_receive_file(struct conn *c, int fd, uint64_t offset, uint64_t n_bytes,
			 void (*got)(struct conn *c, uint64_t n_bytes, sc_err err, void *arg));

/* The same for bytes nobody wants any more. */
sc_err conn_skip(struct conn *c, uint64_t n_bytes);

/* What is still to come for the file goes nowhere; got is called as if it had. */
void conn_forget_file(struct conn *c);

/* Queue an error message; request 0 when it is not about one. */
void conn_send_error(struct conn *c, uint64_t request, sc_err code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Send an error about the connection itself, then close it.  Returns code, so a handler can return it. */
sc_err conn_fail(struct conn *c, sc_err code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * What anybody may send once the connection is open: ping is answered, pong taken, an error logged for `module`;
 * SC_UNEXPECTED for the rest (hello, welcome, ok), which only make sense where somebody waits for them.
 */
sc_err conn_common_message(struct conn *c, const struct msg *m, const char *module);

/* Close after writing what is queued. */
void conn_close(struct conn *c, sc_err why, const char *text);
/* Close without writing what is queued: the peer is beyond reach. */
void conn_abort(struct conn *c, sc_err why, const char *text);
int conn_is_closing(const struct conn *c);

/* Write now rather than at the end of the turn. */
void conn_flush(struct conn *c);

/* The message at hand was as much work as n small ones: fewer are taken from this peer in this turn. */
void conn_charge(struct conn *c, size_t n);

/* Bytes queued and not yet written. */
size_t conn_output_bytes(const struct conn *c);

/* Stop and resume reading, for back pressure of the owner's. */
void conn_pause(struct conn *c, int paused);

/* Compress frames of at least min_bytes (0: never), once the peer said that it can read them. */
void conn_set_compression(struct conn *c, size_t min_bytes);

/*
 * What the kernel may keep for a peer that does not read: without it the buffer of a TCP connection grows to megabytes.
 */
void conn_limit_kernel_buffer(struct conn *c, int bytes);

/* The largest frame the peer accepts, as it said in welcome. */
void conn_set_peer_max_frame(struct conn *c, uint32_t bytes);

/* "tcp://127.0.0.1:4711", for logs.  Borrowed for the connection's life. */
const char *conn_peer(const struct conn *c);
int conn_fd(const struct conn *c);
int conn_is_local(const struct conn *c);

/* For statistics. */
uint64_t conn_bytes_in(const struct conn *c);
uint64_t conn_bytes_out(const struct conn *c);

#endif
