/*
 * conn.c - see conn.h.
 *
 * Input is one linear buffer: [ consumed | frames not yet decoded | room ].  A frame is decoded where it lies (or
 * where it was decompressed to); when a turn's budget of messages is used up, `payload` remembers where to go on and
 * nothing more is received until that frame is finished.
 *
 * A connection has an input buffer of its own only while something incomplete is in it: it receives into the one the
 * loop keeps spare, and gives that back, so that quiet connections cost no more than their struct.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/queue.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/conn_internal.h"

#define INFLATE_BYTES	 ((size_t)8 * 1024)  /* inflating so much is as much work as a message */
#define INPUT_KEEP_BYTES ((size_t)64 * 1024) /* a larger, empty buffer is not kept */
#define INPUT_MOVE_BYTES ((size_t)16 * 1024) /* a rest up to this is moved out of the loop's buffer */

const struct conn_limits conn_limits_default = {
	CONN_MAX_FRAME_DEFAULT,
	(size_t)32 * 1024 * 1024,
	(size_t)512 * 1024 * 1024,
};

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_linger(void *arg);
static void turn_end(struct loop_member *m);
static void destroy_member(struct loop_member *m);

static struct conn *conn_of(struct loop_member *m)
{
	return (struct conn *)((char *)m - offsetof(struct conn, member));
}

void conn_update_reading(struct conn *c)
{
	unsigned want = !c->connecting && !conn_is_blocked(c) && !c->closing;

	if (want == c->reading)
		return;
	c->reading = want & 1u;
	if (want)
		event_add(c->read_ev, NULL);
	else
		event_del(c->read_ev);
}

void conn_update_writing(struct conn *c, unsigned want)
{
	if (want == c->writing)
		return;
	c->writing = want & 1u;
	if (want)
		event_add(c->write_ev, NULL);
	else
		event_del(c->write_ev);
}

static void tune_socket(int fd)
{
	int on = 1, idle_s = 30, every_s = 10, tries = 3;

	/* Fails on unix sockets, which need none of it. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof(every_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof(tries));
}

void conn_forget_file(struct conn *c)
{
	if (c->file_in.fd >= 0)
		close(c->file_in.fd);
	c->file_in.fd = -1;
}

static void file_input_end(struct conn *c)
{
	conn_forget_file(c);
	c->file_in.got = NULL;
}

static void release(struct conn *c)
{
	conn_drop_output(c);
	file_input_end(c);
	for (int i = 0; i < 2; i++)
		if (c->file_in.pipe[i] > 0)
			close(c->file_in.pipe[i]);
	if (c->read_ev != NULL)
		event_free(c->read_ev);
	if (c->write_ev != NULL)
		event_free(c->write_ev);
	loop_timer_free(c->linger);
	buf_fini(&c->in);
	buf_fini(&c->inflated);
	buf_fini(&c->pending);
	if (c->out != NULL)
		evbuffer_free(c->out);
	if (c->fd >= 0)
		close(c->fd);
	mem_free(c);
}

static sc_err create(struct loop *l, int fd, const struct conn_limits *limits, const struct conn_handlers *h, void *arg,
		     struct conn **out)
{
	struct conn *c = mem_calloc(1, sizeof(*c));

	if (c == NULL)
		return SC_NOMEM;
	c->fd = -1; /* not ours until we succeed */
	c->file_in.fd = -1;
	STAILQ_INIT(&c->files);
	c->loop = l;
	c->limits = *limits;
	c->peer_max_frame_bytes = CONN_MAX_FRAME_DEFAULT;
	c->handlers = h;
	c->arg = arg;
	buf_init(&c->in, (size_t)limits->max_frame_bytes + FRAME_HEADER_BYTES + CONN_READ_BYTES);
	buf_init(&c->inflated, limits->max_frame_bytes);
	buf_init(&c->pending, 0);
	c->out = evbuffer_new();
	c->read_ev = event_new(loop_base(l), fd, EV_READ | EV_PERSIST, on_readable, c);
	c->write_ev = event_new(loop_base(l), fd, EV_WRITE | EV_PERSIST, conn_on_writable, c);
	if (c->out == NULL || c->read_ev == NULL || c->write_ev == NULL ||
	    loop_timer_new(l, on_linger, c, &c->linger) != SC_OK) {
		release(c);
		return SC_NOMEM;
	}
	c->fd = fd;
	c->member.turn_end = turn_end;
	c->member.destroy = destroy_member;
	loop_join(l, &c->member);
	*out = c;
	return SC_OK;
}

void conn_opened(struct conn *c)
{
	tune_socket(c->fd);
	address_of_peer(c->fd, c->peer, sizeof(c->peer));
	c->local = address_is_local(c->fd) ? 1 : 0;
	conn_update_reading(c);
}

sc_err conn_new(struct loop *l, int fd, const struct conn_limits *limits, const struct conn_handlers *h, void *arg,
		struct conn **out)
{
	sc_err err = create(l, fd, limits, h, arg, out);

	if (err == SC_OK)
		conn_opened(*out);
	return err;
}

sc_err conn_connect(struct loop *l, const char *address, const struct conn_limits *limits,
		    const struct conn_handlers *h, void *arg, struct conn **out)
{
	struct address a;
	sc_err err = address_parse(address, &a);
	int fd = -1;

	if (err == SC_OK)
		err = address_connect(&a, &fd);
	if (err == SC_OK)
		err = create(l, fd, limits, h, arg, out);
	if (err != SC_OK) {
		if (fd >= 0)
			close(fd);
		return err;
	}
	snprintf((*out)->peer, sizeof((*out)->peer), "%s", address);
	(*out)->connecting = 1;
	conn_update_writing(*out, 1);
	return SC_OK;
}

void conn_set_handlers(struct conn *c, const struct conn_handlers *h, void *arg)
{
	c->handlers = h;
	c->arg = arg;
	c->file_in.got = NULL;
}

void conn_set_max_frame(struct conn *c, uint32_t max_frame_bytes)
{
	c->limits.max_frame_bytes = max_frame_bytes;
	c->in.max = (size_t)max_frame_bytes + FRAME_HEADER_BYTES + CONN_READ_BYTES;
	c->inflated.max = max_frame_bytes;
}

uint32_t conn_max_frame(const struct conn *c)
{
	return c->limits.max_frame_bytes;
}

void *conn_arg(const struct conn *c)
{
	return c->arg;
}

struct loop *conn_loop(const struct conn *c)
{
	return c->loop;
}

/* ---- closing -------------------------------------------------------------------------------------------------- */

void conn_close(struct conn *c, sc_err why, const char *text)
{
	if (c->closing)
		return;
	c->closing = 1;
	c->why = why;
	snprintf(c->why_text, sizeof(c->why_text), "%s", text != NULL ? text : sc_err_text(why));
	conn_update_reading(c);
	loop_timer_set(c->linger, CONN_LINGER_US);
	conn_mark_dirty(c);
}

/* The other side is gone: what is queued cannot be written any more. */
void conn_broken(struct conn *c, sc_err why, const char *text)
{
	conn_close(c, why, text);
	c->say_goodbye = 0;
	c->draining = 0;
	conn_drop_output(c);
	buf_reset(&c->pending);
	conn_update_writing(c, 0);
	conn_mark_dirty(c);
}

void conn_abort(struct conn *c, sc_err why, const char *text)
{
	conn_broken(c, why, text);
}

static void on_linger(void *arg)
{
	struct conn *c = arg;

	conn_broken(c, c->why, NULL);
}

int conn_is_closing(const struct conn *c)
{
	return c->closing;
}

static void destroy(struct conn *c)
{
	const struct conn_handlers *h = c->handlers;

	loop_leave(c->loop, &c->member);
	if (h->on_close != NULL)
		h->on_close(c, c->why, c->why_text, c->arg);
	release(c);
}

static void destroy_member(struct loop_member *m)
{
	struct conn *c = conn_of(m);

	if (!c->closing) {
		c->why = SC_CLOSED;
		snprintf(c->why_text, sizeof(c->why_text), "closed on this side");
	}
	destroy(c);
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

static void bad_message(struct conn *c, const struct msg *m, sc_err err, const char *field)
{
	if (err == SC_TOO_BIG || err == SC_MALFORMED)
		conn_fail(c, err, "%s: %s%s%s", sc_err_text(err), err == SC_TOO_BIG || field ? msg_name(m->type) : "",
			  field != NULL ? "." : "", field != NULL ? field : "");
	else
		conn_fail(c, err, "%s", sc_err_text(err));
}

/*
 * Decode the rest of the frame at hand; 0 when it has to wait (the turn's budget is used up, the owner pauses, the peer
 * does not read its answers) or the connection ended first.
 */
static int decode_payload(struct conn *c)
{
	struct msg m;
	const char *field;
	size_t used;
	sc_err err;

	while (c->payload_left > 0) {
		if (c->closing)
			return 0;
		conn_update_held_back(c);
		if (c->turn_messages >= CONN_TURN_MESSAGES || conn_is_blocked(c)) {
			conn_mark_dirty(c);
			return 0;
		}
		c->turn_messages++;
		loop_traffic(c->loop)->messages_in++;
		m.type = MSG_none;
		used = 0;
		err = msg_decode(loop_decoder(c->loop), c->payload, c->payload_left, &m, &used, &field);
		if (err == SC_UNKNOWN_MESSAGE && used > 0) { /* from a newer peer: not ours to judge */
			c->payload += used;
			c->payload_left -= used;
			continue;
		}
		if (err != SC_OK) {
			bad_message(c, &m, err, field);
			return 0;
		}
		c->payload += used;
		c->payload_left -= used;
		err = c->handlers->on_message(c, &m, c->arg);
		if (err != SC_OK && !c->closing)
			conn_fail(c, err, "%s: %s", msg_name(m.type), sc_err_text(err));
	}
	c->payload = NULL;
	if (c->inflated_frame && c->inflated.cap > INPUT_KEEP_BYTES)
		buf_fini(&c->inflated);
	c->inflated_frame = 0;
	return !c->closing;
}

static sc_err begin_frame(struct conn *c, const struct frame_header *h, const uint8_t *p)
{
	sc_err err;

	c->in_sequence = (c->in_sequence + 1) & FRAME_SEQUENCE_MASK;
	c->payload = p;
	c->payload_left = h->length;
	if ((h->flags & FRAME_ZSTD) == 0)
		return SC_OK;
	buf_reset(&c->inflated);
	err = frame_decompress(loop_codec(c->loop), p, h->length, c->limits.max_frame_bytes, &c->inflated);
	c->payload = c->inflated.data;
	c->payload_left = err == SC_OK ? c->inflated.len : 0;
	c->inflated_frame = 1;
	conn_charge(c, c->inflated.len / INFLATE_BYTES);
	return err;
}

sc_err conn_skip(struct conn *c, uint64_t n_bytes)
{
	if (c->payload_left > 0 || c->file_in.left > 0)
		return SC_MALFORMED;
	file_input_end(c);
	c->file_in.left = n_bytes;
	return SC_OK;
}

sc_err conn_receive_file(struct conn *c, int fd, uint64_t offset, uint64_t n_bytes,
			 void (*got)(struct conn *c, uint64_t n_bytes, sc_err err, void *arg))
{
	if (c->payload_left > 0 || c->file_in.left > 0)
		return SC_MALFORMED;
	file_input_end(c);
	c->file_in.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (c->file_in.fd < 0)
		return SC_IO;
	c->file_in.left = n_bytes;
	c->file_in.offset = (off_t)offset;
	c->file_in.got = got;
	return SC_OK;
}

/* n bytes are written, or (err) what came could not be. */
static void file_input_got(struct conn *c, size_t n, sc_err err)
{
	void (*got)(struct conn * c, uint64_t n_bytes, sc_err err, void *arg) = c->file_in.got;

	c->file_in.left -= n;
	c->file_in.offset += (off_t)n;
	if (c->file_in.left == 0 || err != SC_OK)
		file_input_end(c);
	if (got != NULL)
		got(c, n, err, c->arg);
}

/* What has come into memory already, together with the frame before it. */
static void file_input_take(struct conn *c)
{
	size_t n = c->in.len - c->in_at;
	ssize_t done;

	while (n > 0 && c->file_in.left > 0) {
		size_t want = c->file_in.left < n ? (size_t)c->file_in.left : n;

		done = (ssize_t)want;
		if (c->file_in.fd >= 0)
			done = pwrite(c->file_in.fd, c->in.data + c->in_at, want, c->file_in.offset);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0) {
			file_input_got(c, 0, SC_IO);
			continue;
		}
		c->in_at += (size_t)done;
		n -= (size_t)done;
		file_input_got(c, (size_t)done, SC_OK);
	}
}

/* From the socket through a pipe into the file: the kernel moves pages, or copies once.  As recv(). */
static ssize_t file_input_splice(struct conn *c)
{
	struct file_input *f = &c->file_in;
	size_t most = f->left < FILE_STEP_BYTES ? (size_t)f->left : FILE_STEP_BYTES;
	ssize_t n = splice(c->fd, NULL, f->pipe[1], NULL, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK), left = n;

	if (n > 0)
		c->bytes_in += (uint64_t)n;
	while (left > 0) {
		off_t at = f->offset;
		ssize_t done = splice(f->pipe[0], NULL, f->fd, &at, (size_t)left, SPLICE_F_MOVE);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) { /* what is left is lost, so there is no going on with this connection */
			int why = done == 0 ? EIO : errno;

			errno = why;
			file_input_got(c, 0, SC_IO);
			conn_broken(c, SC_IO, strerror(why));
			return n;
		}
		left -= done;
		file_input_got(c, (size_t)done, SC_OK);
	}
	return n;
}

static void no_splice(struct conn *c)
{
	for (int i = 0; i < 2; i++) {
		if (c->file_in.pipe[i] > 0)
			close(c->file_in.pipe[i]);
		c->file_in.pipe[i] = -1;
	}
}

static int can_splice(struct conn *c)
{
	struct file_input *f = &c->file_in;

	if (f->fd < 0 || f->pipe[0] < 0)
		return 0;
	if (f->pipe[0] > 0)
		return 1;
	if (pipe2(f->pipe, O_CLOEXEC) != 0) {
		no_splice(c);
		return 0;
	}
	(void)fcntl(f->pipe[1], F_SETPIPE_SZ, (int)FILE_STEP_BYTES); /* a smaller one does as well, more slowly */
	return 1;
}

static void decode_input(struct conn *c)
{
	struct frame_header h;
	sc_err err;

	if (c->payload != NULL && !decode_payload(c))
		return;
	for (;;) {
		const uint8_t *p;

		file_input_take(c);
		if (c->in.len - c->in_at < FRAME_HEADER_BYTES || c->file_in.left > 0)
			break;
		p = c->in.data + c->in_at;

		err = frame_header_read(p, c->limits.max_frame_bytes, c->in_sequence, &h);
		if (err != SC_OK) {
			conn_fail(c, err, "%s (frame of %u bytes, limit %u)", sc_err_text(err), h.length,
				  c->limits.max_frame_bytes);
			return;
		}
		if (c->in.len - c->in_at - FRAME_HEADER_BYTES < h.length)
			break;
		c->in_at += FRAME_HEADER_BYTES + h.length;
		err = begin_frame(c, &h, p + FRAME_HEADER_BYTES);
		if (err != SC_OK) {
			conn_fail(c, err, "%s (compressed)", sc_err_text(err));
			return;
		}
		if (!decode_payload(c))
			return;
	}
	/* Everything complete is consumed: move the incomplete rest to the front. */
	if (c->in_at > 0) {
		memmove(c->in.data, c->in.data + c->in_at, c->in.len - c->in_at);
		c->in.len -= c->in_at;
		c->in_at = 0;
	}
}

static void exchange(struct buf *a, struct buf *b)
{
	struct buf t = *a;
	size_t max_a = a->max, max_b = b->max;

	*a = *b;
	*b = t;
	a->max = max_a; /* a limit stays where it is */
	b->max = max_b;
}

/* Receive into the loop's spare buffer, if there is nothing here that what comes has to be joined to. */
static void borrow_input(struct conn *c)
{
	if (c->in.cap == 0)
		exchange(&c->in, loop_spare_input(c->loop));
}

/*
 * Give a buffer back that is empty, or has only a small rest in it, which is moved to one of its own.  A larger rest
 * keeps it, and the loop makes itself another.
 */
static void return_input(struct conn *c)
{
	struct buf *spare = loop_spare_input(c->loop);
	struct buf rest;

	if (c->payload != NULL || c->in.len > INPUT_MOVE_BYTES || c->in.cap <= INPUT_MOVE_BYTES * 2)
		goto tidy;
	buf_init(&rest, c->in.max);
	if (c->in.len > 0)
		buf_append(&rest, c->in.data, c->in.len);
	if (buf_err(&rest) != SC_OK) { /* no memory: it stays where it is */
		buf_fini(&rest);
		return;
	}
	if (c->in.cap <= 4 * CONN_READ_BYTES && c->in.cap > spare->cap) {
		c->in.len = 0;
		exchange(&c->in, spare);
	}
	buf_fini(&c->in);
	c->in = rest;
tidy:
	if (c->payload == NULL && c->in.len == 0)
		buf_fini(&c->in);
}

static void discard_input(struct conn *c)
{
	uint8_t scrap[4096];
	ssize_t n = recv(c->fd, scrap, sizeof(scrap), 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		conn_broken(c, c->why, NULL);
}

/* What came of reading: n as of recv(). */
static void received(struct conn *c, ssize_t n)
{
	if (n == 0)
		conn_broken(c, SC_CLOSED, "closed by the peer");
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		conn_broken(c, SC_CLOSED, errno == ECONNRESET ? "closed by the peer" : sc_err_text(SC_IO));
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	size_t room_bytes;
	uint8_t *room;
	ssize_t n;

	(void)what;
	if (c->draining) {
		discard_input(c);
		return;
	}
	if (c->closing)
		return;
	c->turn_messages = 0;
	if (c->payload != NULL) { /* still busy with what came before */
		decode_input(c);
		return_input(c);
		return;
	}
	if (c->file_in.left > 0 && c->in.len == 0 && can_splice(c)) {
		unsigned steps = 0;

		do
			n = file_input_splice(c);
		while (n > 0 && c->file_in.left > 0 && !c->closing && can_splice(c) && ++steps < FILE_STEPS);
		if (n < 0 && errno == EINVAL) /* no such way between these two */
			no_splice(c);
		else
			received(c, n);
		return;
	}
	borrow_input(c);
	room_bytes = c->in.cap - c->in.len > INPUT_KEEP_BYTES / 4 ? c->in.cap - c->in.len : INPUT_KEEP_BYTES;
	if (room_bytes > CONN_READ_BYTES)
		room_bytes = CONN_READ_BYTES;
	room = buf_reserve(&c->in, room_bytes);
	if (room == NULL) {
		conn_broken(c, buf_err(&c->in), NULL);
		return;
	}
	n = recv(fd, room, room_bytes, 0);
	if (n > 0) {
		c->in.len += (size_t)n;
		c->bytes_in += (uint64_t)n;
		loop_traffic(c->loop)->bytes_in += (uint64_t)n;
		decode_input(c);
	}
	received(c, n);
	return_input(c);
}

void conn_pause(struct conn *c, int paused)
{
	c->paused = paused ? 1 : 0;
	conn_update_reading(c);
	if (!paused)
		conn_mark_dirty(c); /* a frame may be waiting half read */
}

/*
 * Closing a socket with unread input resets it, and the peer may lose the error it was just sent.  So: no more output,
 * read and discard until the peer closes as well or the linger time is over.
 */
static void begin_draining(struct conn *c)
{
	c->draining = 1;
	shutdown(c->fd, SHUT_WR);
	event_add(c->read_ev, NULL);
}

static void turn_end(struct loop_member *m)
{
	struct conn *c = conn_of(m);

	if (!c->connecting || c->closing)
		conn_flush(c);
	if (c->closing) {
		if (conn_has_output(c) && !c->connecting)
			return;
		if (c->say_goodbye && !c->draining)
			begin_draining(c);
		else if (!c->draining)
			destroy(c);
		return;
	}
	if (c->payload != NULL && !conn_is_blocked(c))
		event_active(c->read_ev, EV_READ, 1); /* go on next turn, though nothing new may arrive */
}

/* ---- small things --------------------------------------------------------------------------------------------- */

void conn_set_compression(struct conn *c, size_t min_bytes)
{
	c->compress_min_bytes = min_bytes;
}

void conn_limit_kernel_buffer(struct conn *c, int bytes)
{
	setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)); /* if it fails there is just more in it */
}

void conn_set_peer_max_frame(struct conn *c, uint32_t bytes)
{
	c->peer_max_frame_bytes = bytes;
}

const char *conn_peer(const struct conn *c)
{
	return c->peer;
}

int conn_fd(const struct conn *c)
{
	return c->fd;
}

int conn_is_local(const struct conn *c)
{
	return c->local;
}

uint64_t conn_bytes_in(const struct conn *c)
{
	return c->bytes_in;
}

uint64_t conn_bytes_out(const struct conn *c)
{
	return c->bytes_out;
}
