/* raw.c - see raw.h. */
#include "tests/support/raw.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/address.h"
#include "net/handshake.h"
#include "proto/frame.h"
#include "tests/support/proc.h"

#define RAW_MAX_FRAME_BYTES ((uint32_t)128 * 1024 * 1024)

struct raw {
	int fd;
	int ended;
	uint32_t out_sequence, in_sequence;
	struct buf in;	    /* bytes received, frames not taken out yet */
	struct buf payload; /* of the frame being read */
	size_t payload_at;
	struct frame_codec codec;
	struct msg_decoder *decoder;
	struct msg msg;
};

struct raw *raw_over(int fd)
{
	struct raw *r = mem_calloc(1, sizeof(*r));

	r->fd = fd;
	buf_init(&r->in, 0);
	buf_init(&r->payload, 0);
	cr_assert(msg_decoder_new(&r->decoder) == SC_OK);
	return r;
}

struct raw *raw_connect(const char *address)
{
	struct address a;
	struct pollfd pfd;
	int fd, error = 0;
	socklen_t len = sizeof(error);

	cr_assert(address_parse(address, &a) == SC_OK, "address '%s'", address);
	cr_assert(address_connect(&a, &fd) == SC_OK, "cannot connect to %s: %s", address, strerror(errno));
	pfd = (struct pollfd){fd, POLLOUT, 0};
	cr_assert(poll(&pfd, 1, (int)PROC_DEADLINE_MS) == 1, "cannot connect to %s in time", address);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	cr_assert(error == 0, "cannot connect to %s: %s", address, strerror(error));
	return raw_over(fd);
}

void raw_free(struct raw *r)
{
	if (r == NULL)
		return;
	close(r->fd);
	buf_fini(&r->in);
	buf_fini(&r->payload);
	frame_codec_fini(&r->codec);
	msg_decoder_free(r->decoder);
	mem_free(r);
}

void raw_reset(struct raw *r)
{
	struct linger hard = {1, 0};

	setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	raw_free(r);
}

int raw_fd(const struct raw *r)
{
	return r->fd;
}

void raw_half_close(struct raw *r)
{
	shutdown(r->fd, SHUT_WR);
}

int raw_send_bytes(struct raw *r, const void *p, size_t n)
{
	const uint8_t *at = p;
	uint64_t until = proc_until(PROC_DEADLINE_MS);

	while (n > 0) {
		ssize_t sent = send(r->fd, at, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		struct pollfd pfd = {r->fd, POLLOUT, 0};

		if (sent > 0) {
			at += sent;
			n -= (size_t)sent;
		} else if (sent < 0 && errno != EAGAIN && errno != EINTR) {
			return 0;
		} else if (poll(&pfd, 1, proc_ms_left(until)) == 0) {
			return 0;
		}
	}
	return 1;
}

void raw_shift_sequence(struct raw *r, int n)
{
	r->out_sequence = (r->out_sequence + (uint32_t)n) & FRAME_SEQUENCE_MASK;
}

int raw_send_frame(struct raw *r, const void *payload, size_t n)
{
	struct buf frame;
	uint8_t head[FRAME_HEADER_BYTES];
	int ok;

	frame_header_write(head, &(struct frame_header){(uint32_t)n, 0, r->out_sequence});
	r->out_sequence = (r->out_sequence + 1) & FRAME_SEQUENCE_MASK;
	buf_init(&frame, 0);
	buf_append(&frame, head, sizeof(head));
	buf_append(&frame, payload, n);
	cr_assert(buf_err(&frame) == SC_OK);
	ok = raw_send_bytes(r, frame.data, frame.len);
	buf_fini(&frame);
	return ok;
}

int raw_send(struct raw *r, msg_type type, const void *m)
{
	const char *field;
	struct buf b;
	sc_err err;
	int ok;

	buf_init(&b, 0);
	err = msg_encode(&b, type, m, &field);
	cr_assert(err == SC_OK, "%s: %s: %s", msg_name(type), sc_err_text(err), field != NULL ? field : "-");
	ok = raw_send_frame(r, b.data, b.len);
	buf_fini(&b);
	return ok;
}

void raw_hello(struct raw *r, const char *role, const char *secret)
{
	struct msg_hello h = {
		.version_min = PROTO_VERSION_MIN,
		.version_max = PROTO_VERSION_MAX,
		.role = slice_of(role),
		.secret = slice_of(secret),
		.software = slice_of("test"),
	};

	cr_assert(raw_send(r, MSG_hello, &h), "hello could not be sent");
	raw_expect(r, MSG_welcome);
}

/* Take the next frame out of the bytes received; 0 when it is not complete. */
static int next_frame(struct raw *r)
{
	struct frame_header h;
	sc_err err;

	if (r->in.len < FRAME_HEADER_BYTES)
		return 0;
	err = frame_header_read(r->in.data, RAW_MAX_FRAME_BYTES, r->in_sequence, &h);
	cr_assert(err == SC_OK, "bad frame from the program under test: %s", sc_err_text(err));
	if (r->in.len - FRAME_HEADER_BYTES < h.length)
		return 0;
	r->in_sequence = (r->in_sequence + 1) & FRAME_SEQUENCE_MASK;
	buf_reset(&r->payload);
	r->payload_at = 0;
	if (h.flags & FRAME_ZSTD)
		err = frame_decompress(&r->codec, r->in.data + FRAME_HEADER_BYTES, h.length, RAW_MAX_FRAME_BYTES,
				       &r->payload);
	else
		buf_append(&r->payload, r->in.data + FRAME_HEADER_BYTES, h.length);
	cr_assert(err == SC_OK && buf_err(&r->payload) == SC_OK, "damaged frame from the program under test");
	r->in.len -= FRAME_HEADER_BYTES + h.length;
	memmove(r->in.data, r->in.data + FRAME_HEADER_BYTES + h.length, r->in.len);
	return 1;
}

/* More bytes; 0 at the end of the connection or at the deadline. */
static int receive_bytes(struct raw *r, uint64_t until)
{
	struct pollfd pfd = {r->fd, POLLIN, 0};
	uint8_t chunk[65536];
	ssize_t n;

	if (r->ended || poll(&pfd, 1, proc_ms_left(until)) <= 0)
		return 0;
	n = recv(r->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		r->ended = 1;
	else if (n > 0)
		buf_append(&r->in, chunk, (size_t)n);
	return !r->ended;
}

const struct msg *raw_receive(struct raw *r, unsigned deadline_ms)
{
	uint64_t until = proc_until(deadline_ms);
	size_t used;
	sc_err err;

	while (r->payload_at >= r->payload.len)
		if (!next_frame(r) && !receive_bytes(r, until) && !next_frame(r))
			return NULL;
	err = msg_decode(r->decoder, r->payload.data + r->payload_at, r->payload.len - r->payload_at, &r->msg, &used,
			 NULL);
	cr_assert(err == SC_OK, "bad message from the program under test: %s", sc_err_text(err));
	r->payload_at += used;
	return &r->msg;
}

const struct msg *raw_expect(struct raw *r, msg_type type)
{
	uint64_t until = proc_until(PROC_DEADLINE_MS);
	const struct msg *m;

	while ((m = raw_receive(r, (unsigned)proc_ms_left(until))) != NULL) {
		if (m->type == type)
			return m;
		cr_assert(m->type != MSG_error, "error instead of %s: %.*s", msg_name(type), (int)m->u.error.text.n,
			  m->u.error.text.p);
	}
	cr_assert_fail("no %s: %s", msg_name(type), r->ended ? "connection closed" : "nothing in time");
	return NULL;
}

void raw_expect_refused(struct raw *r, sc_err code)
{
	const struct msg *m = raw_expect(r, MSG_error);

	cr_assert(m->u.error.code == (uint64_t)code, "error %s, not %s: %.*s", sc_err_name((sc_err)m->u.error.code),
		  sc_err_name(code), (int)m->u.error.text.n, m->u.error.text.p);
	cr_assert(raw_is_closed(r, PROC_DEADLINE_MS), "not closed after the error");
}

int raw_is_closed(struct raw *r, unsigned deadline_ms)
{
	uint64_t until = proc_until(deadline_ms);

	while (receive_bytes(r, until))
		buf_reset(&r->in);
	return r->ended;
}
