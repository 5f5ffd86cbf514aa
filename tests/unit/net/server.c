/* server.c, handshake.c - who gets in, who does not and is told why, and that it costs nobody else anything. */
#include "net/server.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/address.h"
#include "tests/support/cluster.h"
#include "tests/support/proc.h"
#include "tests/support/raw.h"
#include "tests/support/turns.h"

#define SOON_MS 10000u
#define PEERS	8

struct fixture {
	struct loop *loop;
	struct server *server;
	char address[ADDRESS_MAX];
	const char *client_secret;
	unsigned n_in;
	unsigned n_wanted;
	unsigned n_messages;
	char role[32];
	struct conn *peers[PEERS];
	sc_err on_peer_answer;
	int takes_over;
};

static sc_err peer_message(struct conn *c, const struct msg *m, void *arg)
{
	struct fixture *f = arg;

	f->n_messages++;
	return m->type == MSG_ping ? conn_send(c, MSG_pong, &(struct msg_pong){.nonce = m->u.ping.nonce}) : SC_OK;
}

static void peer_closed(struct conn *c, sc_err why, const char *text, void *arg)
{
	struct fixture *f = arg;

	(void)c;
	(void)why;
	(void)text;
	f->n_in--;
	if (f->server != NULL)
		server_left(f->server);
}

static const struct conn_handlers peer_handlers = {NULL, peer_message, peer_closed};

static sc_err on_peer(struct conn *c, const char *role, const struct msg_hello *hello, void *arg)
{
	struct fixture *f = arg;

	(void)hello;
	snprintf(f->role, sizeof(f->role), "%s", role);
	if (f->takes_over) {
		f->n_in++;
		conn_set_handlers(c, &peer_handlers, f);
	}
	return f->on_peer_answer;
}

static const char *secret_of(const char *role, void *arg)
{
	struct fixture *f = arg;

	if (strcmp(role, ROLE_CLIENT) == 0)
		return f->client_secret;
	return strcmp(role, ROLE_PEER) == 0 ? "" : NULL;
}

static void setup(struct fixture *f, uint64_t hello_timeout_us, size_t max_connections)
{
	struct server_config config = {
		.module = "test",
		.rules = {secret_of, f, "0123", "data", CONN_MAX_FRAME_DEFAULT, 0},
		.limits = conn_limits_default,
		.hello_timeout_us = hello_timeout_us,
		.max_connections = max_connections,
		.on_peer = on_peer,
		.arg = f,
	};

	memset(f, 0, sizeof(*f));
	f->client_secret = "sesame";
	f->takes_over = 1;
	cr_assert_eq(loop_new(&f->loop), SC_OK);
	cr_assert_eq(server_new(f->loop, &config, &f->server), SC_OK);
	cr_assert_eq(server_listen(f->server, "tcp://127.0.0.1:0", f->address, sizeof(f->address)), SC_OK);
}

static void teardown(struct fixture *f)
{
	server_free(f->server);
	f->server = NULL;
	loop_free(f->loop);
}

static int are_in(void *arg)
{
	struct fixture *f = arg;

	return f->n_in == f->n_wanted;
}

static void wait_in(struct fixture *f, unsigned n)
{
	f->n_wanted = n;
	cr_assert(turns_until(f->loop, are_in, f, SOON_MS), "%u instead of %u peers are in", f->n_in, n);
}

struct hello {
	uint64_t version_min, version_max;
	const char *role, *secret;
};

static struct raw *say_hello(struct fixture *f, const struct hello *h)
{
	struct raw *r = raw_connect(f->address);
	struct msg_hello m = {.version_min = h->version_min,
			      .version_max = h->version_max,
			      .role = slice_of(h->role),
			      .secret = slice_of(h->secret)};

	cr_assert(raw_send(r, MSG_hello, &m));
	return r;
}

static const struct hello good = {PROTO_VERSION_MIN, PROTO_VERSION_MAX, ROLE_CLIENT, "sesame"};

/* What the peer is told; NULL when it has not been closed or has been told nothing. */
struct ending {
	struct raw *r;
	const struct msg *m;
};

static int has_answer(void *arg)
{
	struct ending *e = arg;

	e->m = raw_receive(e->r, 0);
	return e->m != NULL;
}

static void expect_refused(struct fixture *f, struct raw *r, sc_err code, const char *text)
{
	struct ending e = {r, NULL};

	cr_assert(turns_until(f->loop, has_answer, &e, SOON_MS), "no answer");
	cr_assert_eq(e.m->type, MSG_error);
	cr_expect_eq(e.m->u.error.code, (uint64_t)code, "%s", sc_err_name((sc_err)e.m->u.error.code));
	cr_expect(memmem(e.m->u.error.text.p, e.m->u.error.text.n, text, strlen(text)) != NULL, "'%.*s' lacks '%s'",
		  (int)e.m->u.error.text.n, e.m->u.error.text.p, text);
	turns_take(f->loop, 3);
	cr_assert(raw_is_closed(r, SOON_MS));
	raw_free(r);
}

Test(server, the_right_secret_gets_in)
{
	struct ending e = {0};
	struct fixture f;
	struct raw *r;

	setup(&f, 10 * US_PER_S, 10);
	r = say_hello(&f, &good);
	wait_in(&f, 1);
	cr_assert_str_eq(f.role, ROLE_CLIENT);
	e.r = r;
	cr_assert(turns_until(f.loop, has_answer, &e, SOON_MS));
	cr_assert_eq(e.m->type, MSG_welcome);
	cr_assert_eq(e.m->u.welcome.version, PROTO_VERSION_MAX);
	cr_assert(slice_is(e.m->u.welcome.incarnation, "0123"));
	cr_assert(slice_is(e.m->u.welcome.data_secret, "data"));
	cr_assert_eq(e.m->u.welcome.max_frame_bytes, CONN_MAX_FRAME_DEFAULT);
	raw_free(r);
	wait_in(&f, 0);
	teardown(&f);
}

Test(server, who_is_refused_is_told_why)
{
	struct fixture f;

	setup(&f, 10 * US_PER_S, 10);
	expect_refused(&f, say_hello(&f, &(struct hello){1, 1, ROLE_CLIENT, "wrong"}), SC_AUTH,
		       "wrong secret for role client");
	expect_refused(&f, say_hello(&f, &(struct hello){1, 1, ROLE_CLIENT, ""}), SC_AUTH, "wrong secret");
	expect_refused(&f, say_hello(&f, &(struct hello){1, 1, ROLE_PEER, ""}), SC_AUTH, "wrong secret");
	expect_refused(&f, say_hello(&f, &(struct hello){1, 1, "king", "sesame"}), SC_UNEXPECTED,
		       "role \"king\" is not accepted");
	expect_refused(&f, say_hello(&f, &(struct hello){PROTO_VERSION_MAX + 1, 99, ROLE_CLIENT, "sesame"}), SC_VERSION,
		       "protocol versions 1 to 1 are spoken here");
	expect_refused(&f, say_hello(&f, &(struct hello){0, 0, ROLE_CLIENT, "sesame"}), SC_VERSION,
		       "protocol versions");
	cr_assert_eq(f.n_in, 0);
	teardown(&f);
}

Test(server, hello_comes_first)
{
	struct fixture f;
	struct raw *r;

	setup(&f, 10 * US_PER_S, 10);
	r = raw_connect(f.address);
	cr_assert(raw_send(r, MSG_shutdown, &(struct msg_shutdown){.request = 1}));
	expect_refused(&f, r, SC_UNEXPECTED, "shutdown before hello");
	teardown(&f);
}

Test(server, a_guest_cannot_send_much)
{
	struct fixture f;
	struct raw *r;

	setup(&f, 10 * US_PER_S, 10);
	r = raw_connect(f.address);
	cr_assert(raw_send_bytes(r, "\x00\x00\x10\x01\x00\x00\x00\x00", 8));
	expect_refused(&f, r, SC_TOO_BIG, "limit 4096");
	teardown(&f);
}

/* hello and what follows it in one go: the limit of guests is for guests. */
Test(server, what_follows_hello_at_once_is_for_the_owner)
{
	static char text[8000];
	struct msg_hello h = {
		.version_min = 1, .version_max = 1, .role = slice_of(ROLE_CLIENT), .secret = slice_of("sesame")};
	struct msg_error big = {.text = {text, sizeof(text)}};
	struct fixture f;
	struct raw *r;

	setup(&f, 10 * US_PER_S, 10);
	r = raw_connect(f.address);
	cr_assert(raw_send(r, MSG_hello, &h));
	cr_assert(raw_send(r, MSG_error, &big));
	wait_in(&f, 1);
	turns_take(f.loop, 3);
	cr_assert_eq(f.n_messages, 1);
	raw_free(r);
	teardown(&f);
}

Test(server, silence_has_a_deadline_and_one_guest_does_not_hold_up_another)
{
	struct fixture f;
	struct raw *a, *b, *c;
	uint64_t start;

	setup(&f, 100 * US_PER_MS, 10);
	start = clock_monotonic_us();
	a = raw_connect(f.address);
	turns_take(f.loop, 2);
	b = raw_connect(f.address);
	turns_take(f.loop, 2);
	c = say_hello(&f, &good);
	wait_in(&f, 1);
	expect_refused(&f, a, SC_TIMEOUT, "no hello within 100 ms");
	expect_refused(&f, b, SC_TIMEOUT, "no hello within 100 ms");
	cr_assert_geq(clock_monotonic_us() - start, 95 * US_PER_MS);
	cr_assert_eq(f.n_in, 1, "who has identified itself stays");
	raw_free(c);
	teardown(&f);
}

Test(server, connections_are_counted)
{
	struct raw *peers[2], *third, *fourth;
	struct fixture f;

	setup(&f, 10 * US_PER_S, 2);
	peers[0] = say_hello(&f, &good);
	peers[1] = say_hello(&f, &good);
	wait_in(&f, 2);
	third = raw_connect(f.address);
	turns_take(f.loop, 3);
	cr_assert(raw_is_closed(third, SOON_MS));
	raw_free(peers[0]);
	wait_in(&f, 1);
	fourth = say_hello(&f, &good);
	wait_in(&f, 2);
	raw_free(peers[1]);
	raw_free(third);
	raw_free(fourth);
	teardown(&f);
}

Test(server, an_owner_that_refuses)
{
	struct fixture f;
	struct ending e = {0};
	struct raw *r;

	setup(&f, 10 * US_PER_S, 10);
	f.takes_over = 0;
	f.on_peer_answer = SC_LIMIT;
	r = say_hello(&f, &good);
	e.r = r;
	cr_assert(turns_until(f.loop, has_answer, &e, SOON_MS));
	cr_assert_eq(e.m->type, MSG_welcome);
	expect_refused(&f, r, SC_LIMIT, "limit");
	teardown(&f);
}

/* The server may end while a connection it refused still lingers. */
Test(server, ends_with_guests_of_all_kinds)
{
	struct raw *silent, *refused, *in;
	struct fixture f;

	setup(&f, 10 * US_PER_S, 10);
	in = say_hello(&f, &good);
	wait_in(&f, 1);
	f.takes_over = 0;
	f.on_peer_answer = SC_LIMIT;
	silent = raw_connect(f.address);
	refused = say_hello(&f, &good);
	turns_take(f.loop, 4);
	server_free(f.server);
	f.server = NULL;
	turns_take(f.loop, 4);
	loop_free(f.loop);
	raw_free(silent);
	raw_free(refused);
	raw_free(in);
}

Test(server, unix_sockets_are_removed_at_the_end)
{
	char *dir = dir_new(), address[ADDRESS_MAX], shown[ADDRESS_MAX];
	struct fixture f;
	struct stat st;
	struct raw *r;

	setup(&f, 10 * US_PER_S, 10);
	snprintf(address, sizeof(address), "unix://%s/s", dir);
	cr_assert_eq(server_listen(f.server, address, shown, sizeof(shown)), SC_OK);
	cr_assert_str_eq(shown, address);
	snprintf(f.address, sizeof(f.address), "%s", shown);
	r = say_hello(&f, &good);
	wait_in(&f, 1);
	raw_free(r);
	teardown(&f);
	cr_assert(stat(address + 7, &st) != 0);
	dir_remove(dir);
	mem_free(dir);
}

Test(server, an_address_that_is_taken)
{
	char shown[ADDRESS_MAX];
	struct fixture f;

	setup(&f, 10 * US_PER_S, 10);
	cr_assert_eq(server_listen(f.server, f.address, shown, sizeof(shown)), SC_IN_USE);
	cr_assert_eq(server_listen(f.server, "nonsense", shown, sizeof(shown)), SC_INVALID);
	teardown(&f);
}

Test(server, a_half_open_peer_is_closed)
{
	struct fixture f;
	struct raw *r;

	setup(&f, 10 * US_PER_S, 10);
	r = say_hello(&f, &good);
	wait_in(&f, 1);
	raw_half_close(r);
	wait_in(&f, 0);
	raw_free(r);
	teardown(&f);
}
