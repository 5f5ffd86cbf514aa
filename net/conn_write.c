/*
 * conn_write.c - what goes out over a connection: messages are framed at the end of the turn, written while the peer
 * takes them; files go behind the frame that announces them without a copy.  See conn.h.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/conn_internal.h"

#define WRITE_PIECES	  64
#define PATIENT_BYTES	  ((size_t)16 * 1024)	/* more than this does not wait for company */
#define FRAME_SPLIT_BYTES ((size_t)1024 * 1024) /* begin a new frame when one has become this long */

static void file_piece_free(struct conn *c, struct file_piece *p)
{
	STAILQ_REMOVE_HEAD(&c->files, link);
	c->files_bytes -= p->left;
	close(p->fd);
	mem_free(p);
}

void conn_drop_output(struct conn *c)
{
	while (!STAILQ_EMPTY(&c->files))
		file_piece_free(c, STAILQ_FIRST(&c->files));
	c->before_files = 0;
	if (c->out != NULL)
		evbuffer_drain(c->out, evbuffer_get_length(c->out));
}

unsigned conn_has_output(const struct conn *c)
{
	return evbuffer_get_length(c->out) > 0 || !STAILQ_EMPTY(&c->files);
}

/* Whether to try: a stream that did not compress is tried again only now and then. */
static int worth_compressing(struct conn *c)
{
	if (c->compress_min_bytes == 0 || c->pending.len < c->compress_min_bytes)
		return 0;
	if (c->compress_skip > 0) {
		c->compress_skip--;
		return 0;
	}
	return 1;
}

static void frame_out(struct conn *c, const uint8_t *p, size_t n, uint8_t flags)
{
	uint8_t head[FRAME_HEADER_BYTES];

	frame_header_write(head, &(struct frame_header){(uint32_t)n, flags, c->out_sequence});
	c->out_sequence = (c->out_sequence + 1) & FRAME_SEQUENCE_MASK;
	if (evbuffer_add(c->out, head, sizeof(head)) != 0 || evbuffer_add(c->out, p, n) != 0)
		conn_broken(c, SC_NOMEM, NULL);
}

/* Frame what is pending in compressed form; 0 when that does not pay (or there is no memory for it). */
static int frame_compressed(struct conn *c)
{
	struct buf small;
	int ok;

	buf_init(&small, 0);
	ok = frame_compress(loop_codec(c->loop), c->pending.data, c->pending.len, &small) == SC_OK;
	if (ok)
		frame_out(c, small.data, small.len, FRAME_ZSTD);
	else
		c->compress_skip = 16;
	buf_fini(&small);
	return ok;
}

static void frame_pending(struct conn *c)
{
	if (c->pending.len == 0)
		return;
	if (!worth_compressing(c) || !frame_compressed(c))
		frame_out(c, c->pending.data, c->pending.len, 0);
	buf_reset(&c->pending);
	if (c->pending.cap > FRAME_SPLIT_BYTES)
		buf_fini(&c->pending);
}

static sc_err queue_message(struct conn *c, msg_type type, const void *m)
{
	size_t before = c->pending.len;
	const char *field;
	sc_err err;

	if (c->closing)
		return SC_CLOSED;
	err = msg_encode(&c->pending, type, m, &field);
	if (err != SC_OK) {
		log_warn("conn", "not-sent", "peer=%s message=%s error=%s field=%s", c->peer, msg_name(type),
			 sc_err_name(err), field != NULL ? field : "-");
		return err;
	}
	if (c->pending.len - before > c->peer_max_frame_bytes) {
		c->pending.len = before;
		return SC_TOO_BIG;
	}
	if (c->pending.len > c->peer_max_frame_bytes) { /* the new message begins a frame of its own */
		struct buf rest;

		buf_init(&rest, 0);
		buf_append(&rest, c->pending.data + before, c->pending.len - before);
		c->pending.len = before;
		frame_pending(c);
		buf_append(&c->pending, rest.data, rest.len);
		err = buf_err(&rest) != SC_OK ? buf_err(&rest) : buf_err(&c->pending);
		buf_fini(&rest);
		if (err != SC_OK) {
			conn_broken(c, err, NULL);
			return err;
		}
	}
	loop_traffic(c->loop)->messages_out++;
	if (c->pending.len >= FRAME_SPLIT_BYTES)
		frame_pending(c);
	return SC_OK;
}

sc_err conn_send(struct conn *c, msg_type type, const void *m)
{
	sc_err err = queue_message(c, type, m);

	if (err == SC_OK)
		conn_mark_dirty(c);
	return err;
}

sc_err conn_send_later(struct conn *c, msg_type type, const void *m)
{
	sc_err err = queue_message(c, type, m);

	if (err == SC_OK && conn_output_bytes(c) < PATIENT_BYTES)
		loop_dirty_later(c->loop, &c->member);
	else if (err == SC_OK)
		conn_mark_dirty(c);
	return err;
}

/* What evbuffer calls back with; one per send. */
struct shared_bytes {
	void (*release)(void *arg);
	void *arg;
};

static void shared_written(const void *bytes, size_t n_bytes, void *arg)
{
	struct shared_bytes *s = arg;

	(void)bytes;
	(void)n_bytes;
	s->release(s->arg);
	mem_free(s);
}

sc_err conn_send_shared(struct conn *c, msg_type type, const void *m, const void *bytes, size_t n_bytes,
			void (*released)(void *arg), void *arg)
{
	uint8_t head[FRAME_HEADER_BYTES];
	struct shared_bytes *shared;
	sc_err err;

	if (c->closing)
		return SC_CLOSED;
	frame_pending(c); /* what was sent before goes first */
	err = msg_encode_head(&c->pending, type, m, n_bytes);
	if (err == SC_OK && c->pending.len + n_bytes > c->peer_max_frame_bytes)
		err = SC_TOO_BIG;
	shared = err == SC_OK ? mem_malloc(sizeof(*shared)) : NULL;
	if (err == SC_OK && shared == NULL)
		err = SC_NOMEM;
	if (err != SC_OK) {
		buf_reset(&c->pending);
		return err;
	}
	*shared = (struct shared_bytes){released, arg};
	frame_header_write(head, &(struct frame_header){(uint32_t)(c->pending.len + n_bytes), 0, c->out_sequence});
	c->out_sequence = (c->out_sequence + 1) & FRAME_SEQUENCE_MASK;
	if (evbuffer_add(c->out, head, sizeof(head)) != 0 ||
	    evbuffer_add(c->out, c->pending.data, c->pending.len) != 0 ||
	    evbuffer_add_reference(c->out, bytes, n_bytes, shared_written, shared) != 0) {
		mem_free(shared);
		conn_broken(c, SC_NOMEM, NULL);
		return SC_NOMEM;
	}
	loop_traffic(c->loop)->messages_out++;
	buf_reset(&c->pending);
	conn_mark_dirty(c);
	return SC_OK;
}

sc_err conn_send_file(struct conn *c, msg_type type, const void *m, int fd, uint64_t offset, uint64_t n_bytes)
{
	struct file_piece *p;
	sc_err err;

	if (c->closing)
		return SC_CLOSED;
	p = mem_malloc(sizeof(*p));
	if (p == NULL)
		return SC_NOMEM;
	frame_pending(c); /* a frame of its own: a limit of the peer's on frames is kept by others */
	err = conn_send(c, type, m);
	if (err != SC_OK) {
		mem_free(p);
		return err;
	}
	frame_pending(c);
	if (c->closing) { /* for want of memory */
		mem_free(p);
		return SC_CLOSED;
	}
	*p = (struct file_piece){.before = evbuffer_get_length(c->out) - c->before_files,
				 .fd = fd,
				 .offset = (off_t)offset,
				 .left = n_bytes};
	STAILQ_INSERT_TAIL(&c->files, p, link);
	c->before_files += p->before;
	c->files_bytes += n_bytes;
	conn_mark_dirty(c);
	return SC_OK;
}

static void send_error(struct conn *c, uint64_t request, sc_err code, const char *fmt, va_list ap)
{
	struct msg_error m = {.request = request, .code = (uint64_t)code};
	char text[2048];
	int n = vsnprintf(text, sizeof(text), fmt, ap);

	m.text = (struct slice){text, n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1};
	conn_send(c, MSG_error, &m);
}

void conn_send_error(struct conn *c, uint64_t request, sc_err code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	send_error(c, request, code, fmt, ap);
	va_end(ap);
}

sc_err conn_fail(struct conn *c, sc_err code, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!c->closing) {
		conn_send_error(c, 0, code, "%s", text);
		conn_close(c, code, text);
		c->say_goodbye = 1;
	}
	return code;
}

/* evbuffer_write() would raise SIGPIPE when the peer has gone; a library leaves the signals of its program alone. */
static ssize_t send_some(struct conn *c)
{
	struct file_piece *file = STAILQ_FIRST(&c->files);
	struct iovec pieces[WRITE_PIECES];
	size_t most = file != NULL ? file->before : SIZE_MAX;
	int n = evbuffer_peek(c->out, file != NULL ? (ev_ssize_t)most : -1, NULL, pieces, WRITE_PIECES);
	struct msghdr m = {.msg_iov = pieces, .msg_iovlen = (size_t)(n < WRITE_PIECES ? n : WRITE_PIECES)};
	ssize_t sent;

	for (size_t i = 0; i < m.msg_iovlen; i++) { /* the last may go on behind what was asked for */
		pieces[i].iov_len = pieces[i].iov_len < most ? pieces[i].iov_len : most;
		most -= pieces[i].iov_len;
	}
	sent = sendmsg(c->fd, &m, MSG_NOSIGNAL | (file != NULL ? MSG_MORE : 0));
	if (sent > 0) {
		evbuffer_drain(c->out, (size_t)sent);
		c->bytes_out += (uint64_t)sent;
		loop_traffic(c->loop)->bytes_out += (uint64_t)sent;
	}
	if (sent > 0 && file != NULL) {
		file->before -= (size_t)sent;
		c->before_files -= (size_t)sent;
	}
	return sent;
}

/*
 * The same for the file that is next.  Our programs ignore SIGPIPE, which sendfile() has no flag against; libraries do
 * not send files.
 */
static ssize_t send_some_file(struct conn *c)
{
	struct file_piece *p = STAILQ_FIRST(&c->files);
	size_t n = p->left < FILE_STEP_BYTES ? (size_t)p->left : FILE_STEP_BYTES;
	ssize_t sent = n == 0 ? 0 : sendfile(c->fd, p->fd, &p->offset, n);

	if (sent > 0) {
		p->left -= (uint64_t)sent;
		c->files_bytes -= (uint64_t)sent;
		c->bytes_out += (uint64_t)sent;
	}
	if (p->left == 0)
		file_piece_free(c, p);
	else if (sent == 0)
		conn_broken(c, SC_IO, "a file has become shorter while it was sent");
	return sent;
}

/* Stop reading above the limit, begin again when half of it has drained. */
void conn_update_held_back(struct conn *c)
{
	size_t left = conn_output_bytes(c);

	if (!c->held_back && left > c->limits.output_soft_bytes) {
		c->held_back = 1;
	} else if (c->held_back && left <= c->limits.output_soft_bytes / 2) {
		c->held_back = 0;
		conn_mark_dirty(c);
	}
	conn_update_reading(c);
}

sc_err conn_common_message(struct conn *c, const struct msg *m, const char *module)
{
	struct msg_pong pong;
	char text[201];

	switch (m->type) {
	case MSG_ping:
		pong.nonce = m->u.ping.nonce;
		return conn_send(c, MSG_pong, &pong);
	case MSG_pong:
		return SC_OK;
	case MSG_error:
		snprintf(text, sizeof(text), "%.*s", (int)m->u.error.text.n, m->u.error.text.p);
		log_warn(module, "error", "peer=%s code=%u text=%s", c->peer, (unsigned)m->u.error.code,
			 log_quote(text));
		return SC_OK;
	default:
		return SC_UNEXPECTED;
	}
}

static void write_some(struct conn *c)
{
	const struct file_piece *file;
	unsigned files = 0;
	size_t left;

	while (conn_has_output(c) && files < FILE_STEPS) {
		int is_file = (file = STAILQ_FIRST(&c->files)) != NULL && file->before == 0;

		files += (unsigned)is_file;
		if ((is_file ? send_some_file(c) : send_some(c)) >= 0 || errno == EINTR)
			continue;
		if (errno == EAGAIN)
			break;
		conn_broken(c, SC_CLOSED,
			    errno == EPIPE || errno == ECONNRESET ? "closed by the peer" : sc_err_text(SC_IO));
		return;
	}
	left = evbuffer_get_length(c->out);
	conn_update_writing(c, conn_has_output(c));
	if (left > c->limits.output_hard_bytes) {
		conn_broken(c, SC_SLOW_PEER, NULL);
		return;
	}
	conn_update_held_back(c);
}

void conn_flush(struct conn *c)
{
	frame_pending(c);
	if (!c->connecting)
		write_some(c);
}

void conn_on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)what;
	if (c->connecting) {
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
			c->connecting = 0;
			conn_broken(c, SC_UNREACHABLE, error != 0 ? strerror(error) : NULL);
			return;
		}
		c->connecting = 0;
		conn_update_writing(c, 0);
		conn_opened(c);
		if (c->handlers->on_connect != NULL)
			c->handlers->on_connect(c, c->arg);
	}
	conn_mark_dirty(c);
}

size_t conn_output_bytes(const struct conn *c)
{
	return evbuffer_get_length(c->out) + c->pending.len + (size_t)c->files_bytes;
}

void conn_charge(struct conn *c, size_t n)
{
	c->turn_messages += n < CONN_TURN_MESSAGES ? (unsigned)n : CONN_TURN_MESSAGES;
	if (c->turn_messages > CONN_TURN_MESSAGES)
		c->turn_messages = CONN_TURN_MESSAGES;
}
