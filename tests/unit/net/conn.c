/* conn.c - a connection over a socket pair, its other end in the hand of the test. */
#include "net/conn.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/address.h"
#include "proto/frame.h"
#include "tests/support/proc.h"
#include "tests/support/raw.h"
#include "tests/support/turns.h"

#define SOON_MS 10000u

struct fixture {
	struct loop *loop;
	struct conn *c; /* NULL when it is over */
	struct raw *peer;
	unsigned n_messages;
	unsigned n_wanted;
	msg_type last;
	unsigned n_connected;
	sc_err answer;	/* what the handler returns */
	int echo_bytes; /* answer each message with so many bytes */
	unsigned pause_after;
	size_t charge; /* for each message */
	sc_err why;
	char why_text[512];
};

static sc_err on_message(struct conn *c, const struct msg *m, void *arg)
{
	static char bytes[1 << 20];
	struct fixture *f = arg;

	f->n_messages++;
	f->last = m->type;
	if (f->echo_bytes > 0) {
		struct msg_data_part part = {.bytes = {bytes, (size_t)f->echo_bytes}};

		if (conn_send(c, MSG_data_part, &part) != SC_OK)
			return SC_NOMEM;
	}
	if (f->pause_after == f->n_messages)
		conn_pause(c, 1);
	if (f->charge > 0)
		conn_charge(c, f->charge);
	return f->answer;
}

static void on_connect(struct conn *c, void *arg)
{
	struct fixture *f = arg;

	(void)c;
	f->n_connected++;
}

static void on_close(struct conn *c, sc_err why, const char *text, void *arg)
{
	struct fixture *f = arg;

	cr_assert(c == f->c);
	f->c = NULL;
	f->why = why;
	snprintf(f->why_text, sizeof(f->why_text), "%s", text);
}

static const struct conn_handlers handlers = {on_connect, on_message, on_close};

static void setup(struct fixture *f, const struct conn_limits *limits)
{
	int pair[2];

	memset(f, 0, sizeof(*f));
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	cr_assert_eq(loop_new(&f->loop), SC_OK);
	cr_assert_eq(conn_new(f->loop, pair[0], limits != NULL ? limits : &conn_limits_default, &handlers, f, &f->c),
		     SC_OK);
	f->peer = raw_over(pair[1]);
}

static void teardown(struct fixture *f)
{
	raw_free(f->peer);
	loop_free(f->loop);
	cr_assert_null(f->c, "on_close is called for what is still open");
}

static int is_closed(void *arg)
{
	return ((struct fixture *)arg)->c == NULL;
}

static int has_messages(void *arg)
{
	struct fixture *f = arg;

	return f->n_messages >= f->n_wanted;
}

static void wait_messages(struct fixture *f, unsigned n)
{
	f->n_wanted = n;
	cr_assert(turns_until(f->loop, has_messages, f, SOON_MS), "%u of %u messages", f->n_messages, n);
}

static void wait_closed(struct fixture *f)
{
	cr_assert(turns_until(f->loop, is_closed, f, SOON_MS), "not closed");
}

static void send_ping(struct raw *peer, uint64_t nonce)
{
	cr_assert(raw_send(peer, MSG_ping, &(struct msg_ping){.nonce = nonce}));
}

/* n pings in one frame. */
static void pings(struct buf *out, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		cr_assert_eq(msg_encode(out, MSG_ping, &(struct msg_ping){.nonce = 1}, NULL), SC_OK);
}

Test(conn, messages_arrive_one_by_one_and_many_in_a_frame)
{
	struct fixture f;
	struct buf b;

	setup(&f, NULL);
	send_ping(f.peer, 1);
	wait_messages(&f, 1);
	buf_init(&b, 0);
	pings(&b, 100);
	cr_assert(raw_send_frame(f.peer, b.data, b.len));
	wait_messages(&f, 101);
	cr_assert_eq(f.last, MSG_ping);
	cr_assert(raw_send_frame(f.peer, NULL, 0), "a frame of nothing is one");
	send_ping(f.peer, 1);
	wait_messages(&f, 102);
	cr_assert_eq(conn_bytes_in(f.c), 4 * FRAME_HEADER_BYTES + b.len + 2 * 3);
	buf_fini(&b);
	teardown(&f);
}

Test(conn, a_frame_may_arrive_in_any_pieces)
{
	struct fixture f;
	uint8_t frame[FRAME_HEADER_BYTES + 3] = {0, 0, 0, 3, 0, 0, 0, 0, 0x92, 4, 1};

	setup(&f, NULL);
	for (size_t i = 0; i < sizeof(frame); i++) {
		cr_assert_eq(f.n_messages, 0);
		cr_assert(raw_send_bytes(f.peer, frame + i, 1));
		turns_take(f.loop, 2);
	}
	wait_messages(&f, 1);
	teardown(&f);
}

Test(conn, what_is_sent_in_a_turn_leaves_in_one_frame)
{
	struct fixture f;
	uint8_t bytes[4096];
	ssize_t n;

	setup(&f, NULL);
	for (uint64_t i = 0; i < 50; i++)
		cr_assert_eq(conn_send(f.c, MSG_ping, &(struct msg_ping){.nonce = i}), SC_OK);
	cr_assert_gt(conn_output_bytes(f.c), 0);
	turns_take(f.loop, 1);
	cr_assert_eq(conn_output_bytes(f.c), 0);
	n = recv(raw_fd(f.peer), bytes, sizeof(bytes), MSG_PEEK);
	cr_assert_eq(n, (ssize_t)FRAME_HEADER_BYTES + 50 * 3);
	cr_assert_eq(bytes[3], 150);
	for (uint64_t i = 0; i < 50; i++)
		cr_assert_eq(raw_expect(f.peer, MSG_ping)->u.ping.nonce, i);
	teardown(&f);
}

Test(conn, a_message_larger_than_a_socket_buffer)
{
	static char bytes[8 << 20];
	struct fixture f;
	struct msg_data_part part = {.bytes = {bytes, sizeof(bytes)}};
	const struct msg *m = NULL;

	setup(&f, NULL);
	memset(bytes, 'x', sizeof(bytes));
	cr_assert_eq(conn_send(f.c, MSG_data_part, &part), SC_OK);
	for (int i = 0; i < 10000 && m == NULL; i++) {
		turns_take(f.loop, 1);
		m = raw_receive(f.peer, 0);
	}
	cr_assert_not_null(m);
	cr_assert_eq(m->u.data_part.bytes.n, sizeof(bytes));
	cr_assert_eq(memcmp(m->u.data_part.bytes.p, bytes, sizeof(bytes)), 0);
	teardown(&f);
}

Test(conn, an_unknown_message_is_skipped)
{
	struct fixture f;

	setup(&f, NULL);
	cr_assert(raw_send_frame(f.peer, "\x92\x7f\x01\x92\x04\x01", 6));
	wait_messages(&f, 1);
	cr_assert_eq(f.last, MSG_ping);
	teardown(&f);
}

/* ---- bad peers ------------------------------------------------------------------------------------------------ */

static void refused(const void *bytes, size_t n, sc_err why)
{
	struct conn_limits limits = conn_limits_default;
	struct fixture f;

	limits.max_frame_bytes = 1000;
	setup(&f, &limits);
	cr_assert(raw_send_bytes(f.peer, bytes, n));
	turns_take(f.loop, 3);
	raw_expect_refused(f.peer, why);
	raw_free(f.peer);
	wait_closed(&f);
	cr_assert_eq(f.why, why, "%s", sc_err_text(f.why));
	cr_assert_eq(f.n_messages, 0);
	f.peer = NULL;
	teardown(&f);
}

Test(conn, bad_bytes_are_answered_with_the_reason)
{
	refused("GET / HTTP/1.1\r\n\r\n", 18, SC_BAD_FRAME);
	refused("\x7f\xff\xff\xff\x00\x00\x00\x00", 8, SC_TOO_BIG);
	refused("\x00\x00\x03\xe9\x00\x00\x00\x00", 8, SC_TOO_BIG);
	refused("\x00\x00\x00\x01\x00\x00\x00\x01\x00", 9, SC_SEQUENCE);
	refused("\x00\x00\x00\x01\x00\x00\x00\x00\xc1", 9, SC_MALFORMED);
	refused("\x00\x00\x00\x05\x00\x00\x00\x00\xdd\xff\xff\xff\xff", 13, SC_MALFORMED);
	refused("\x00\x00\x00\x07\x00\x00\x00\x00\x92\x01\xce\x00\x01\x00\x00", 15, SC_TOO_BIG);
	refused("\x00\x00\x00\x03\x01\x00\x00\x00\x05xx", 11, SC_BAD_FRAME);
	refused("\x00\x00\x00\x06\x01\x00\x00\x00\xff\xff\xff\xff\x0fx", 14, SC_TOO_BIG);
	refused("\x00\x00\x00\x00\x01\x00\x00\x00", 8, SC_BAD_FRAME);
}

Test(conn, a_frame_sent_twice_is_noticed)
{
	static const uint8_t ping[] = {0, 0, 0, 3, 0, 0, 0, 0, 0x92, 4, 1};
	struct fixture f;

	setup(&f, NULL);
	cr_assert(raw_send_bytes(f.peer, ping, sizeof(ping)));
	cr_assert(raw_send_bytes(f.peer, ping, sizeof(ping)));
	turns_take(f.loop, 3);
	cr_assert_eq(f.n_messages, 1);
	raw_expect_refused(f.peer, SC_SEQUENCE);
	teardown(&f);
}

Test(conn, the_error_reaches_a_peer_that_goes_on_sending)
{
	static char flood[1 << 16];
	struct fixture f;

	setup(&f, NULL);
	cr_assert(raw_send_bytes(f.peer, "\xff\xff\xff\xff\xff\xff\xff\xff", 8));
	for (int i = 0; i < 20; i++) {
		send(raw_fd(f.peer), flood, sizeof(flood), MSG_DONTWAIT | MSG_NOSIGNAL);
		turns_take(f.loop, 2);
	}
	raw_expect_refused(f.peer, SC_BAD_FRAME);
	wait_closed(&f);
	teardown(&f);
}

Test(conn, an_error_of_the_handler_closes)
{
	struct fixture f;

	setup(&f, NULL);
	f.answer = SC_UNEXPECTED;
	send_ping(f.peer, 1);
	send_ping(f.peer, 2);
	wait_messages(&f, 1);
	raw_expect_refused(f.peer, SC_UNEXPECTED);
	raw_free(f.peer);
	f.peer = NULL;
	wait_closed(&f);
	cr_assert_eq(f.n_messages, 1, "nothing is handled after it");
	cr_assert_eq(f.why, SC_UNEXPECTED);
	cr_assert_str_eq(f.why_text, "ping: message not allowed from this peer now");
	teardown(&f);
}

Test(conn, a_peer_that_goes_away)
{
	struct fixture f;

	setup(&f, NULL);
	raw_free(f.peer);
	f.peer = NULL;
	wait_closed(&f);
	cr_assert_eq(f.why, SC_CLOSED);
	cr_assert_str_eq(f.why_text, "closed by the peer");
	teardown(&f);
}

/* A library must not take its program down by SIGPIPE, nor change how the program handles it. */
Test(conn, writing_to_a_peer_that_has_gone_raises_no_signal)
{
	struct fixture f;

	signal(SIGPIPE, SIG_DFL);
	setup(&f, NULL);
	raw_free(f.peer);
	f.peer = NULL;
	cr_assert_eq(conn_send(f.c, MSG_ping, &(struct msg_ping){0}), SC_OK);
	conn_flush(f.c);
	wait_closed(&f);
	cr_assert_eq(f.why, SC_CLOSED);
	teardown(&f);
}

/* ---- limits --------------------------------------------------------------------------------------------------- */

Test(conn, a_flood_is_read_over_several_turns)
{
	struct fixture f;
	struct buf b;
	unsigned n = 3 * CONN_TURN_MESSAGES;

	setup(&f, NULL);
	buf_init(&b, 0);
	pings(&b, n);
	cr_assert(raw_send_frame(f.peer, b.data, b.len));
	for (unsigned before = 0; f.n_messages < n; before = f.n_messages) {
		turns_take(f.loop, 1);
		cr_assert_leq(f.n_messages - before, CONN_TURN_MESSAGES);
	}
	cr_assert_eq(f.n_messages, n);
	buf_fini(&b);
	teardown(&f);
}

/* What costs as much as a thousand messages counts as a thousand, and what costs a turn is one a turn. */
Test(conn, costly_messages_are_fewer_a_turn)
{
	struct fixture f;
	struct buf b;

	setup(&f, NULL);
	buf_init(&b, 0);
	pings(&b, 40);
	cr_assert(raw_send_frame(f.peer, b.data, b.len));
	f.charge = 1000;
	for (unsigned before = 0; f.n_messages < 20; before = f.n_messages) {
		turns_take(f.loop, 1);
		cr_assert_leq(f.n_messages - before, CONN_TURN_MESSAGES / 1000);
	}
	f.charge = SIZE_MAX;
	for (unsigned before = f.n_messages; f.n_messages < 40; before = f.n_messages) {
		turns_take(f.loop, 1);
		cr_assert_leq(f.n_messages - before, 1);
	}
	buf_fini(&b);
	teardown(&f);
}

static const struct conn_limits tight = {4u << 20, 1u << 20, 8u << 20};

/* Whoever does not read answers is asked no more: neither further frames nor the rest of this one are handled. */
Test(conn, a_slow_reader_is_read_less)
{
	struct fixture f;
	struct buf b;
	unsigned handled;

	setup(&f, &tight);
	f.echo_bytes = 64 * 1024;
	buf_init(&b, 0);
	pings(&b, 5000);
	cr_assert(raw_send_frame(f.peer, b.data, b.len));
	cr_assert(raw_send_frame(f.peer, b.data, b.len));
	turns_take(f.loop, 20);
	handled = f.n_messages;
	cr_assert_lt(handled, 100, "%u messages of 64 KiB answered within a limit of 1 MiB", handled);
	cr_assert_leq(conn_output_bytes(f.c), tight.output_soft_bytes + 2 * 64 * 1024);
	turns_take(f.loop, 20);
	cr_assert_eq(f.n_messages, handled, "it has read nothing, so it is still not read");
	cr_assert_not_null(f.c, "and not cut off");
	f.n_wanted = 10000;
	for (unsigned i = 0; i < 10000; i++) {
		const struct msg *m;

		while ((m = raw_receive(f.peer, 0)) == NULL)
			turns_take(f.loop, 1);
		cr_assert_eq(m->type, MSG_data_part);
	}
	cr_assert_eq(f.n_messages, 10000, "once it reads, all are answered");
	buf_fini(&b);
	teardown(&f);
}

Test(conn, beyond_the_hard_limit_the_peer_is_cut_off)
{
	static char bytes[1 << 20];
	struct msg_data_part part = {.bytes = {bytes, sizeof(bytes)}};
	struct fixture f;

	setup(&f, &tight);
	for (int i = 0; i < 12; i++)
		conn_send(f.c, MSG_data_part, &part);
	wait_closed(&f);
	cr_assert_eq(f.why, SC_SLOW_PEER);
	teardown(&f);
}

Test(conn, a_message_over_the_peers_limit_is_not_sent)
{
	static char bytes[70000];
	struct msg_data_part part = {.bytes = {bytes, sizeof(bytes)}};
	struct fixture f;

	setup(&f, NULL);
	conn_set_peer_max_frame(f.c, 65536);
	cr_assert_eq(conn_send(f.c, MSG_data_part, &part), SC_TOO_BIG);
	part.bytes.n = 40000;
	cr_assert_eq(conn_send(f.c, MSG_data_part, &part), SC_OK);
	cr_assert_eq(conn_send(f.c, MSG_data_part, &part), SC_OK, "in a frame of its own");
	turns_take(f.loop, 2);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(raw_expect(f.peer, MSG_data_part)->u.data_part.bytes.n, 40000);
	cr_assert_not_null(f.c);
	teardown(&f);
}

Test(conn, paused_in_the_middle_of_a_frame)
{
	struct fixture f;
	struct buf b;

	setup(&f, NULL);
	buf_init(&b, 0);
	pings(&b, 10);
	f.pause_after = 4;
	cr_assert(raw_send_frame(f.peer, b.data, b.len));
	cr_assert(raw_send_frame(f.peer, b.data, b.len));
	turns_take(f.loop, 5);
	cr_assert_eq(f.n_messages, 4);
	conn_pause(f.c, 0);
	wait_messages(&f, 20);
	buf_fini(&b);
	teardown(&f);
}

/* ---- compression ---------------------------------------------------------------------------------------------- */

Test(conn, compressed_when_it_pays)
{
	static char zeros[100000];
	struct msg_data_part part = {.bytes = {zeros, sizeof(zeros)}};
	struct fixture f;

	setup(&f, NULL);
	conn_set_compression(f.c, 4096);
	cr_assert_eq(conn_send(f.c, MSG_data_part, &part), SC_OK);
	turns_take(f.loop, 1);
	cr_assert_lt(conn_bytes_out(f.c), 1000);
	cr_assert_eq(raw_expect(f.peer, MSG_data_part)->u.data_part.bytes.n, sizeof(zeros));
	cr_assert_eq(conn_send(f.c, MSG_ping, &(struct msg_ping){0}), SC_OK, "a small one goes plain");
	turns_take(f.loop, 1);
	raw_expect(f.peer, MSG_ping);
	teardown(&f);
}

Test(conn, plain_when_it_does_not_pay)
{
	static char noise[100000];
	struct msg_data_part part = {.bytes = {noise, sizeof(noise)}};
	uint64_t seed = 1;
	struct fixture f;

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)((seed = seed * 6364136223846793005u + 1442695040888963407u) >> 33);
	setup(&f, NULL);
	conn_set_compression(f.c, 4096);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(conn_send(f.c, MSG_data_part, &part), SC_OK);
		turns_take(f.loop, 1);
		cr_assert_eq(memcmp(raw_expect(f.peer, MSG_data_part)->u.data_part.bytes.p, noise, sizeof(noise)), 0);
	}
	teardown(&f);
}

Test(conn, compressed_frames_are_read)
{
	struct frame_codec codec = {0};
	uint8_t head[FRAME_HEADER_BYTES];
	struct buf plain, packed;
	struct fixture f;

	setup(&f, NULL);
	buf_init(&plain, 0);
	buf_init(&packed, 0);
	pings(&plain, 2 * CONN_TURN_MESSAGES); /* more than a turn's worth: the inflated frame has to wait */
	cr_assert_eq(frame_compress(&codec, plain.data, plain.len, &packed), SC_OK);
	frame_header_write(head, &(struct frame_header){(uint32_t)packed.len, FRAME_ZSTD, 0});
	cr_assert(raw_send_bytes(f.peer, head, sizeof(head)));
	cr_assert(raw_send_bytes(f.peer, packed.data, packed.len));
	wait_messages(&f, 2 * CONN_TURN_MESSAGES);
	frame_codec_fini(&codec);
	buf_fini(&plain);
	buf_fini(&packed);
	teardown(&f);
}

/* ---- closing -------------------------------------------------------------------------------------------------- */

Test(conn, what_is_queued_is_written_before_closing)
{
	struct fixture f;

	setup(&f, NULL);
	cr_assert_eq(conn_send(f.c, MSG_ping, &(struct msg_ping){.nonce = 7}), SC_OK);
	conn_close(f.c, SC_SHUTDOWN, "good bye");
	cr_assert(conn_is_closing(f.c));
	cr_assert_eq(conn_send(f.c, MSG_ping, &(struct msg_ping){0}), SC_CLOSED);
	wait_closed(&f);
	cr_assert_eq(f.why, SC_SHUTDOWN);
	cr_assert_str_eq(f.why_text, "good bye");
	cr_assert_eq(raw_expect(f.peer, MSG_ping)->u.ping.nonce, 7);
	cr_assert(raw_is_closed(f.peer, SOON_MS));
	teardown(&f);
}

Test(conn, a_peer_that_never_reads_cannot_hold_a_closing_connection)
{
	static char bytes[1 << 20];
	struct msg_data_part part = {.bytes = {bytes, sizeof(bytes)}};
	struct fixture f;

	setup(&f, NULL);
	for (int i = 0; i < 4; i++)
		conn_send(f.c, MSG_data_part, &part);
	conn_fail(f.c, SC_AUTH, "no");
	wait_closed(&f); /* after CONN_LINGER_US */
	cr_assert_eq(f.why, SC_AUTH);
	teardown(&f);
}

Test(conn, the_loop_takes_its_connections_along)
{
	struct fixture f;

	setup(&f, NULL);
	loop_free(f.loop);
	f.loop = NULL;
	cr_assert_null(f.c);
	cr_assert_eq(f.why, SC_CLOSED);
	cr_assert(raw_is_closed(f.peer, SOON_MS));
	raw_free(f.peer);
}

/* ---- connecting ----------------------------------------------------------------------------------------------- */

static int is_connected(void *arg)
{
	struct fixture *f = arg;

	return f->n_connected > 0 || f->c == NULL;
}

Test(conn, connecting_and_sending_before_it_is_done)
{
	char shown[ADDRESS_MAX];
	struct address a;
	struct fixture f = {0};
	int listening, fd;

	cr_assert_eq(address_parse("tcp://127.0.0.1:0", &a), SC_OK);
	cr_assert_eq(address_listen(&a, &listening), SC_OK);
	address_of_socket(listening, shown, sizeof(shown));
	cr_assert_eq(loop_new(&f.loop), SC_OK);
	cr_assert_eq(conn_connect(f.loop, shown, &conn_limits_default, &handlers, &f, &f.c), SC_OK);
	cr_assert_eq(conn_send(f.c, MSG_ping, &(struct msg_ping){.nonce = 3}), SC_OK);
	cr_assert(turns_until(f.loop, is_connected, &f, SOON_MS));
	cr_assert_eq(f.n_connected, 1);
	cr_assert_str_eq(conn_peer(f.c), shown);
	cr_assert(conn_is_local(f.c));
	fd = accept(listening, NULL, NULL);
	cr_assert(fd >= 0);
	f.peer = raw_over(fd);
	turns_take(f.loop, 2);
	cr_assert_eq(raw_expect(f.peer, MSG_ping)->u.ping.nonce, 3);
	close(listening);
	teardown(&f);
}

Test(conn, nobody_listens)
{
	char shown[ADDRESS_MAX];
	struct address a;
	struct fixture f = {0};
	int listening;

	cr_assert_eq(address_parse("tcp://127.0.0.1:0", &a), SC_OK);
	cr_assert_eq(address_listen(&a, &listening), SC_OK);
	address_of_socket(listening, shown, sizeof(shown));
	close(listening);
	cr_assert_eq(loop_new(&f.loop), SC_OK);
	if (conn_connect(f.loop, shown, &conn_limits_default, &handlers, &f, &f.c) == SC_OK) {
		wait_closed(&f);
		cr_assert_eq(f.why, SC_UNREACHABLE);
	}
	cr_assert_eq(conn_connect(f.loop, "nonsense", &conn_limits_default, &handlers, &f, &f.c), SC_INVALID);
	cr_assert_eq(conn_connect(f.loop, "unix:///nonexistent/s", &conn_limits_default, &handlers, &f, &f.c),
		     SC_UNREACHABLE);
	loop_free(f.loop);
}

/* ---- memory --------------------------------------------------------------------------------------------------- */

Test(conn, survives_any_failed_allocation_when_made)
{
	sc_err err = SC_NOMEM;

	mem_adopt_libraries();
	for (long n = 0; err != SC_OK; n++) {
		struct fixture f = {0};
		int pair[2];

		cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
		cr_assert_eq(loop_new(&f.loop), SC_OK);
		mem_fail_nth(n);
		err = conn_new(f.loop, pair[0], &conn_limits_default, &handlers, &f, &f.c);
		mem_fail_nth(-1);
		cr_assert(err == SC_OK || (err == SC_NOMEM && f.c == NULL));
		if (err != SC_OK)
			cr_assert_eq(close(pair[0]), 0, "still the caller's");
		close(pair[1]);
		loop_free(f.loop);
	}
}

/* Whatever fails in the middle: the message goes through or the connection is over, and nothing else happens. */
Test(conn, survives_any_failed_allocation_at_work)
{
	static char text[3000];
	int was_reached = 1;

	mem_adopt_libraries();
	memset(text, 'x', sizeof(text));
	for (long n = 0; was_reached; n++) {
		struct msg_error m = {.text = {text, sizeof(text)}};
		struct fixture f;

		setup(&f, NULL);
		f.echo_bytes = 100000;
		conn_set_compression(f.c, 1000);
		cr_assert(raw_send(f.peer, MSG_error, &m));
		mem_fail_nth(n);
		turns_take(f.loop, 3);
		was_reached = mem_fail_left() < 0;
		mem_fail_nth(-1);
		turns_take(f.loop, 2);
		if (f.c != NULL && f.n_messages == 1 && !conn_is_closing(f.c))
			raw_expect(f.peer, MSG_data_part);
		cr_assert(was_reached || (f.c != NULL && f.n_messages == 1));
		teardown(&f);
	}
}

static int peer_has_input(void *arg)
{
	struct pollfd p = {raw_fd(((struct fixture *)arg)->peer), POLLIN, 0};

	return poll(&p, 1, 0) > 0;
}

/* What nobody waits for leaves with the next message, in order, or by itself when there is none. */
Test(conn, what_can_wait_does_but_not_for_ever, .timeout = 20)
{
	struct msg_job_drop later = {.job = 1}, now = {.job = 2};
	struct fixture f;

	setup(&f, NULL);
	cr_assert_eq(conn_send_later(f.c, MSG_job_drop, &later), SC_OK);
	loop_end_turn(f.loop);
	cr_expect_not(peer_has_input(&f), "it waits for company");
	cr_assert_eq(conn_send(f.c, MSG_job_drop, &now), SC_OK);
	loop_end_turn(f.loop);
	cr_assert_eq(raw_expect(f.peer, MSG_job_drop)->u.job_drop.job, 1);
	cr_assert_eq(raw_expect(f.peer, MSG_job_drop)->u.job_drop.job, 2);

	cr_assert_eq(conn_send_later(f.c, MSG_job_drop, &later), SC_OK);
	cr_assert(turns_until(f.loop, peer_has_input, &f, SOON_MS), "nothing else was sent");
	cr_assert_eq(raw_expect(f.peer, MSG_job_drop)->u.job_drop.job, 1);

	cr_assert_eq(conn_send_later(f.c, MSG_job_drop, &later), SC_OK);
	conn_close(f.c, SC_CLOSED, NULL);
	loop_end_turn(f.loop);
	cr_assert_eq(raw_expect(f.peer, MSG_job_drop)->u.job_drop.job, 1, "what was to come later is not lost");
	teardown(&f);
}

/* Much of it does not wait. */
Test(conn, what_can_wait_does_not_pile_up)
{
	struct msg_job_drop later = {.job = UINT64_MAX};
	unsigned n = 0;
	struct fixture f;

	setup(&f, NULL);
	while (!peer_has_input(&f)) {
		cr_assert_eq(conn_send_later(f.c, MSG_job_drop, &later), SC_OK);
		loop_end_turn(f.loop);
		cr_assert_lt(++n, 10000);
	}
	teardown(&f);
}
