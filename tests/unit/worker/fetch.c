/* fetch.c - tests of worker/fetch.h with holders that answer what the test says. */
#include "worker/fetch.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/support/proc.h"
#include "tests/support/raw.h"
#include "tests/support/turns.h"
#include "worker/share.h"

#define MEMORY	 1000u /* what is larger goes into a file */
#define SOON_US	 ((uint64_t)400000)
#define NEVER_US ((uint64_t)3600000000)

static struct loop *l;
static struct deadlines *deadlines;
static struct spool spool;
static struct store *store;
static struct fetcher *fetcher;
static struct input in;
static int n_settled, share_files;

/* ---- the world -------------------------------------------------------------------------------------------------- */

static struct holder {
	int fd; /* listens */
	char address[64];
	struct raw *raw;
} a, b;

static void listen_at(struct holder *h)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(at);

	*h = (struct holder){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	cr_assert_eq(bind(h->fd, (struct sockaddr *)&at, n), 0);
	cr_assert_eq(listen(h->fd, 4), 0);
	cr_assert_eq(getsockname(h->fd, (struct sockaddr *)&at, &n), 0);
	snprintf(h->address, sizeof(h->address), "tcp://127.0.0.1:%u", ntohs(at.sin_port));
}

static void on_settled(struct input *i, void *arg)
{
	(void)arg;
	cr_assert_eq(i, &in);
	n_settled++;
}

static void begin(void)
{
	struct buf error;

	buf_init(&error, 0);
	cr_assert_eq(loop_new(&l), SC_OK);
	cr_assert_eq(deadlines_new(l, &deadlines), SC_OK);
	cr_assert_eq(spool_init(&spool, "", &error), SC_OK, "%s", buf_str(&error));
	cr_assert_eq(store_new(&(struct store_config){.spool = &spool, .memory_bytes = MEMORY}, &store), SC_OK);
	listen_at(&a);
	listen_at(&b);
	n_settled = share_files = 0;
	buf_fini(&error);
}

static void finish(void)
{
	size_t budget = 100;

	fetcher_forget(fetcher, &in);
	fetcher_free(fetcher);
	store_free(store);
	deadlines_free(deadlines);
	loop_free(l);
	raw_free(a.raw);
	raw_free(b.raw);
	close(a.fd);
	close(b.fd);
	cr_assert_eq(tree_remove(spool.dir, &budget), SC_OK);
}

TestSuite(fetch, .init = begin, .fini = finish);

static void want(uint64_t bytes, uint64_t timeout_us)
{
	struct fetch_config config = {.parallel = 4,
				      .timeout_us = timeout_us,
				      .memory_bytes = MEMORY,
				      .share_files = share_files,
				      .limits = conn_limits_default,
				      .settled = on_settled};

	cr_assert_eq(fetcher_new(l, deadlines, store, &spool, &config, &fetcher), SC_OK);
	fetcher_identify(fetcher, "secret", "tcp://127.0.0.1:1");
	in = (struct input){.job = 1, .number = 7, .bytes = bytes, .n_holders = 2, .holders = {a.address, b.address}};
	cr_assert_eq(fetcher_want(fetcher, &in), FETCH_COMING);
}

static int is_readable(void *fd)
{
	fetcher_turn(fetcher);
	return poll(&(struct pollfd){.fd = *(int *)fd, .events = POLLIN}, 1, 0) == 1;
}

static const struct msg *expect(struct holder *h, msg_type type)
{
	int fd = h->raw != NULL ? raw_fd(h->raw) : h->fd;

	cr_assert(turns_until(l, is_readable, &fd, PROC_DEADLINE_MS), "no %s", msg_name(type));
	if (h->raw == NULL) {
		h->raw = raw_over(accept4(h->fd, NULL, NULL, SOCK_CLOEXEC));
		return expect(h, type);
	}
	return raw_expect(h->raw, type);
}

static uint64_t asked_link; /* by the first request */

/* As far as the first request, whose number it returns. */
static uint64_t let_in(struct holder *h, uint64_t offset)
{
	const struct msg_data_get *m;

	expect(h, MSG_hello);
	raw_send(h->raw, MSG_welcome,
		 &(struct msg_welcome){.version = PROTO_VERSION_MAX,
				       .incarnation = slice_of("0"),
				       .max_frame_bytes = CONN_MAX_FRAME_DEFAULT});
	m = &expect(h, MSG_data_get)->u.data_get;
	cr_assert_eq(m->offset, offset);
	asked_link = m->link;
	return m->request;
}

/* That n bytes from an offset on come behind this. */
static void announce_raw(struct holder *h, uint64_t request, uint64_t offset, uint64_t total, uint64_t n)
{
	raw_send(h->raw, MSG_data_raw,
		 &(struct msg_data_raw){.request = request, .total_bytes = total, .offset = offset, .n_bytes = n});
}

static void send_bytes(struct holder *h, char c, size_t n)
{
	char bytes[3000];

	memset(bytes, c, n);
	cr_assert(raw_send_bytes(h->raw, bytes, n));
}

static int is_settled(void *arg)
{
	(void)arg;
	return n_settled > 0;
}

/* It came, and is so many times c, then so many times d. */
static void expect_result(char c, size_t n_c, char d, size_t n_d)
{
	char got[4000], wanted[4000];

	cr_assert(turns_until(l, is_settled, NULL, PROC_DEADLINE_MS));
	cr_assert_not(in.failed);
	memset(wanted, c, n_c);
	memset(wanted + n_c, d, n_d);
	cr_assert_eq(blob_read(&in.result->stream[STREAM_RESULT], 0, got, sizeof(got)), (ssize_t)(n_c + n_d));
	cr_assert_arr_eq(got, wanted, n_c + n_d);
}

/* ---- tests ------------------------------------------------------------------------------------------------------ */

/* One more message that helps nobody, every turn. */
static int is_settled_in_spite_of(void *arg)
{
	raw_send(a.raw, MSG_data_part,
		 &(struct msg_data_part){.request = *(uint64_t *)arg, .total_bytes = 10, .offset = 5});
	return n_settled > 0;
}

Test(fetch, messages_without_use_do_not_keep_a_fetch_waiting)
{
	uint64_t request;

	want(10, SOON_US);
	in.tried = 2; /* nobody else has it */
	request = let_in(&a, 0);
	cr_assert(turns_until(l, is_settled_in_spite_of, &request, PROC_DEADLINE_MS), "it waits for ever");
	cr_assert(in.failed);
}

Test(fetch, an_empty_answer_with_bytes_missing_is_none)
{
	want(3000, NEVER_US);
	announce_raw(&a, let_in(&a, 0), 0, 3000, 0);
	announce_raw(&b, let_in(&b, 0), 0, 3000, 3000);
	send_bytes(&b, 'b', 3000);
	expect_result('b', 3000, 0, 0);
}

Test(fetch, what_answers_a_repeated_request_is_skipped)
{
	char bytes[2000];
	uint64_t request;

	memset(bytes, 'p', sizeof(bytes));
	want(3000, NEVER_US);
	in.tried = 2;
	request = let_in(&a, 0);
	raw_send(a.raw, MSG_data_part,
		 &(struct msg_data_part){.request = request, .total_bytes = 3000, .bytes = {bytes, sizeof(bytes)}});
	announce_raw(&a, request, 1000, 3000, 500);
	send_bytes(&a, 'x', 500);
	announce_raw(&a, request, 2000, 3000, 1000);
	send_bytes(&a, 'r', 1000);
	expect_result('p', 2000, 'r', 1000);
}

static int has_received(void *n_bytes)
{
	return fetcher_received_bytes(fetcher) == *(uint64_t *)n_bytes;
}

Test(fetch, late_bytes_of_a_slow_holder_are_not_written)
{
	uint64_t request;

	want(3000, SOON_US);
	announce_raw(&a, let_in(&a, 0), 0, 3000, 3000);
	send_bytes(&a, 'a', 1000);
	request = let_in(&b, 1000); /* once it is clear that the first is slow */
	announce_raw(&b, request, 1000, 3000, 2000);
	send_bytes(&b, 'b', 1000);
	cr_assert(turns_until(l, has_received, &(uint64_t){2000}, PROC_DEADLINE_MS));
	send_bytes(&a, 'x', 2000);
	raw_send(a.raw, MSG_ping, &(struct msg_ping){1}); /* refused when all before it has been read */
	expect(&a, MSG_error);
	send_bytes(&b, 'b', 1000);
	expect_result('a', 1000, 'b', 2000);
}

/* ---- files of holders on this machine --------------------------------------------------------------------------- */

static struct spool theirs;
static char shared_path[SPOOL_PATH_MAX];

/* A file of 3000 times c in the spool of a holder, and the answer that names it. */
static struct msg_data_link make_shared(uint64_t request, char c)
{
	struct blob made = {.place = BLOB_FILE, .bytes = 3000, .at = shared_path};
	struct msg_data_link m = {.request = request};
	char bytes[3000];
	struct buf error;
	int fd;

	buf_init(&error, 0);
	cr_assert_eq(spool_init(&theirs, "", &error), SC_OK, "%s", buf_str(&error));
	buf_fini(&error);
	spool_path(&theirs, "output", shared_path);
	fd = open(shared_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	memset(bytes, c, sizeof(bytes));
	cr_assert_eq(write(fd, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
	close(fd);
	cr_assert_eq(share_give(&theirs, &made, &m), SC_OK);
	return m;
}

static void remove_shared(void)
{
	size_t budget = 100;

	cr_assert_eq(tree_remove(theirs.dir, &budget), SC_OK);
}

Test(fetch, a_file_of_this_machine_is_not_copied)
{
	struct msg_data_link m;

	share_files = 1;
	want(3000, NEVER_US);
	m = make_shared(let_in(&a, 0), 's');
	cr_assert_eq(asked_link, 1);
	raw_send(a.raw, MSG_data_link, &m);
	expect_result('s', 3000, 0, 0);
	cr_assert_eq(fetcher_received_bytes(fetcher), 0);
	remove_shared();
	expect_result('s', 3000, 0, 0); /* the name of ours keeps it */
}

Test(fetch, a_file_that_is_not_to_be_had_is_sent)
{
	struct msg_data_link m;
	const struct msg_data_get *get;

	share_files = 1;
	want(3000, NEVER_US);
	m = make_shared(let_in(&a, 0), 's');
	cr_assert_eq(asked_link, 1);
	m.inode++;
	raw_send(a.raw, MSG_data_link, &m);
	get = &expect(&a, MSG_data_get)->u.data_get;
	cr_assert_eq(get->link, 0);
	cr_assert_eq(get->offset, 0);
	raw_send(a.raw, MSG_data_link, &m); /* nobody asked */
	announce_raw(&a, get->request, 0, 3000, 3000);
	send_bytes(&a, 'r', 3000);
	expect_result('r', 3000, 0, 0);
	remove_shared();
}

Test(fetch, a_link_nobody_asked_for_is_passed_over)
{
	struct msg_data_link m;
	uint64_t request;

	want(3000, NEVER_US);
	request = let_in(&a, 0);
	cr_assert_eq(asked_link, 0);
	m = make_shared(request, 's');
	raw_send(a.raw, MSG_data_link, &m);
	announce_raw(&a, request, 0, 3000, 3000);
	send_bytes(&a, 'r', 3000);
	expect_result('r', 3000, 0, 0);
	remove_shared();
}

Test(fetch, a_holder_that_sends_instead_of_naming_a_file_is_asked_on)
{
	uint64_t request;
	char bytes[2000];

	share_files = 1;
	memset(bytes, 'p', sizeof(bytes));
	want(3000, NEVER_US);
	request = let_in(&a, 0);
	cr_assert_eq(asked_link, 1);
	raw_send(a.raw, MSG_data_part,
		 &(struct msg_data_part){.request = request, .total_bytes = 3000, .bytes = {bytes, sizeof(bytes)}});
	cr_assert_eq(expect(&a, MSG_data_get)->u.data_get.offset, 2000);
	announce_raw(&a, request, 2000, 3000, 1000);
	send_bytes(&a, 'r', 1000);
	expect_result('p', 2000, 'r', 1000);
}
