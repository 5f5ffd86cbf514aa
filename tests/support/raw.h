/*
 * raw.h - a peer made of a socket and nothing else: sends any bytes, well formed or not, and reads what comes back.
 *
 * For garbage, wrong versions, half-open connections, and for acting as a client or worker one message at a time.
 * Blocking, with deadlines; a call that cannot do what it is for fails the test.
 */
#ifndef TESTS_SUPPORT_RAW_H
#define TESTS_SUPPORT_RAW_H

#include <stddef.h>
#include <stdint.h>

#include "proto/message.h"

struct raw;

/* Connect to "tcp://..." or "unix:///...". */
struct raw *raw_connect(const char *address);

/* Over a connected socket, which it takes. */
struct raw *raw_over(int fd);

/* Close.  raw_reset() ends the connection with RST instead of FIN (TCP).  NULL is fine. */
void raw_free(struct raw *r);
void raw_reset(struct raw *r);
int raw_fd(const struct raw *r);

/* Bytes as they are.  0 when the peer has closed or takes no more within the deadline, 1 when all were sent. */
int raw_send_bytes(struct raw *r, const void *p, size_t n);

/* A frame around a payload, with the next sequence number. */
int raw_send_frame(struct raw *r, const void *payload, size_t n);

/* As if n frames had been lost on the way (n > 0), or the last -n came again. */
void raw_shift_sequence(struct raw *r, int n);

/* One message (a struct msg_TYPE) in a frame of its own. */
int raw_send(struct raw *r, msg_type type, const void *m);

/* hello with this role and secret, then expect welcome. */
void raw_hello(struct raw *r, const char *role, const char *secret);

/* The next message; lives until the next call.  NULL when the peer closed or the deadline passed. */
const struct msg *raw_receive(struct raw *r, unsigned deadline_ms);

/* The next message of this type, skipping others; fails the test when it does not come. */
const struct msg *raw_expect(struct raw *r, msg_type type);

/* An error with this code, then the end of the connection. */
void raw_expect_refused(struct raw *r, sc_err code);

/* 1 when the peer has closed by the deadline, whatever it said before. */
int raw_is_closed(struct raw *r, unsigned deadline_ms);

/* Send FIN, keep reading. */
void raw_half_close(struct raw *r);

#endif
