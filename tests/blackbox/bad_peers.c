/*
 * bad_peers.c - peers that lie, flood, stall or talk nonsense: told why where they can read it, logged in one line with
 * peer and reason, cut off; everybody else goes on.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/handshake.h"
#include "tests/support/cluster.h"
#include "tests/support/raw.h"

static struct cluster *c;

static void start(void)
{
	static const char *const args[] = {"--set", "net.hello-timeout=300ms",	  "--set", "net.output-limit=64KiB",
					   "--set", "net.output-hard-limit=1MiB", NULL};

	c = cluster_start(&(struct cluster_spec){.n_workers = 1, .slots = 2, .sched_args = args});
}

static void stop(void)
{
	mem_free(cluster_ctl_ok(c, "submit", "--wait", "--", "true", NULL)); /* everybody else is undisturbed */
	cluster_stop(c);
}

TestSuite(bad_peers, .init = start, .fini = stop);

/* One log line with this error, a peer and a reason. */
static void logged(const char *error)
{
	char wanted[64];
	size_t end;

	snprintf(wanted, sizeof(wanted), "error=%s reason=", error);
	end = proc_wait_log(c->sched, wanted, 0, PROC_DEADLINE_MS);
	cr_assert_null(strstr(proc_stderr(c->sched) + end, wanted), "logged twice");
}

static void hello(struct raw *r, unsigned min, unsigned max, const char *role, const char *secret)
{
	struct msg_hello m = {
		.version_min = min, .version_max = max, .role = slice_of(role), .secret = slice_of(secret)};

	m.software = slice_of("test");
	raw_send(r, MSG_hello, &m);
}

Test(bad_peers, wrong_secret)
{
	struct raw *r = raw_connect(c->address);

	hello(r, PROTO_VERSION_MIN, PROTO_VERSION_MAX, ROLE_CLIENT, "0123456789abcdef0123456789abcdef");
	raw_expect_refused(r, SC_AUTH);
	raw_free(r);
	logged("AUTH");
}

Test(bad_peers, a_clients_secret_is_not_a_workers)
{
	char *secret = cluster_secret(c, "client-secret");
	struct raw *r = raw_connect(c->address);

	hello(r, PROTO_VERSION_MIN, PROTO_VERSION_MAX, ROLE_WORKER, secret);
	raw_expect_refused(r, SC_AUTH);
	raw_free(r);
	mem_free(secret);
}

Test(bad_peers, wrong_version)
{
	struct raw *r = raw_connect(c->address);

	hello(r, 900, 901, ROLE_CLIENT, "");
	raw_expect_refused(r, SC_VERSION);
	raw_free(r);
	logged("VERSION");
}

Test(bad_peers, frames_too_small_to_be_told_anything)
{
	char *secret = cluster_secret(c, "client-secret");
	struct raw *r = raw_connect(c->address);
	struct msg_hello m = {
		.version_min = PROTO_VERSION_MIN, .version_max = PROTO_VERSION_MAX, .max_frame_bytes = 300};

	m.role = slice_of(ROLE_CLIENT);
	m.secret = slice_of(secret);
	m.software = slice_of("test");
	raw_send(r, MSG_hello, &m);
	raw_expect_refused(r, SC_INVALID);
	raw_free(r);
	mem_free(secret);
	logged("INVALID");
}

Test(bad_peers, unknown_role)
{
	struct raw *r = raw_connect(c->address);

	hello(r, PROTO_VERSION_MIN, PROTO_VERSION_MAX, "emperor", "");
	raw_expect_refused(r, SC_UNEXPECTED);
	raw_free(r);
	logged("UNEXPECTED");
}

Test(bad_peers, garbage)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: here\r\n\r\n";
	struct raw *r = raw_connect(c->address);

	raw_send_bytes(r, text, sizeof(text) - 1);
	cr_assert(raw_is_closed(r, PROC_DEADLINE_MS));
	raw_free(r);
	proc_wait_log(c->sched, "listener refused", 0, PROC_DEADLINE_MS);
}

Test(bad_peers, a_frame_over_the_limit)
{
	char *secret = cluster_secret(c, "client-secret");
	struct raw *r = raw_connect(c->address);
	uint8_t header[] = {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1};

	raw_hello(r, ROLE_CLIENT, secret);
	raw_send_bytes(r, header, sizeof(header));
	raw_expect_refused(r, SC_TOO_BIG);
	raw_free(r);
	mem_free(secret);
	logged("TOO_BIG");
}

Test(bad_peers, five_bytes_that_ask_for_gigabytes)
{
	char *secret = cluster_secret(c, "client-secret");
	struct raw *r = raw_connect(c->address);
	uint8_t lie[] = {0xdd, 0xff, 0xff, 0xff, 0xff};

	raw_hello(r, ROLE_CLIENT, secret);
	raw_send_frame(r, lie, sizeof(lie));
	raw_expect_refused(r, SC_MALFORMED);
	raw_free(r);
	mem_free(secret);
}

Test(bad_peers, silence)
{
	struct raw *r = raw_connect(c->address);

	raw_expect_refused(r, SC_TIMEOUT);
	raw_free(r);
	logged("TIMEOUT");
}

Test(bad_peers, half_open)
{
	struct raw *r = raw_connect(c->address);
	uint8_t half_a_header[] = {0, 0, 0};

	raw_send_bytes(r, half_a_header, sizeof(half_a_header));
	raw_half_close(r);
	cr_assert(raw_is_closed(r, PROC_DEADLINE_MS));
	raw_free(r);
	proc_wait_log(c->sched, "listener refused", 0, PROC_DEADLINE_MS);
}

Test(bad_peers, a_message_before_hello)
{
	struct raw *r = raw_connect(c->address);
	struct msg_shutdown m = {.request = 1};

	raw_send(r, MSG_shutdown, &m);
	raw_expect_refused(r, SC_UNEXPECTED);
	raw_free(r);
}

Test(bad_peers, a_client_that_speaks_as_a_worker)
{
	char *secret = cluster_secret(c, "client-secret");
	struct raw *r = raw_connect(c->address);
	struct msg_tasks_cancelled m = {.job = 1};

	raw_hello(r, ROLE_CLIENT, secret);
	raw_send(r, MSG_tasks_cancelled, &m);
	raw_expect_refused(r, SC_UNEXPECTED);
	raw_free(r);
	mem_free(secret);
}

Test(bad_peers, a_worker_that_reports_what_it_was_not_given)
{
	char *secret = cluster_secret(c, "worker-secret");
	struct raw *r = raw_connect(c->address);
	struct msg_worker_register reg = {.name = slice_of("liar"), .pool = slice_of(""), .host = slice_of("h")};
	struct msg_task_failed lie = {.job = 1, .task = 0, .cause = FAIL_EXIT};

	mem_free(cluster_ctl_ok(c, "submit", "--name", "t", "--", "sleep", "1000", NULL));
	cluster_until(c, "\"running\": 1", PROC_DEADLINE_MS, "--json", "job", "show", "1", NULL);
	reg.data_address = slice_of("tcp://127.0.0.1:1");
	reg.resources = slice_of("cpus=0.0001");
	lie.text = slice_of("");
	lie.stderr_tail = slice_of("");
	raw_hello(r, ROLE_WORKER, secret);
	raw_send(r, MSG_worker_register, &reg);
	raw_expect(r, MSG_worker_registered);
	raw_send(r, MSG_task_failed, &lie);
	raw_expect_refused(r, SC_UNEXPECTED);
	raw_free(r);
	cluster_until(c, "\"running\": 1", PROC_DEADLINE_MS, "--json", "job", "show", "1", NULL);
	mem_free(cluster_ctl_ok(c, "job", "cancel", "1", NULL));
	mem_free(secret);
}

/* A report that is lost or comes twice ends the connection; what the worker had runs at another, and once. */
static void reports_out_of_sequence(int shift)
{
	char *secret = cluster_secret(c, "worker-secret");
	struct raw *r = raw_connect(c->address);
	struct msg_worker_register reg = {.name = slice_of("raw"), .pool = slice_of(""), .host = slice_of("h")};
	struct msg_heartbeat beat = {0};

	reg.data_address = slice_of("tcp://127.0.0.1:1");
	reg.resources = slice_of("cpus=1,odd=1");
	raw_hello(r, ROLE_WORKER, secret);
	raw_send(r, MSG_worker_register, &reg);
	raw_expect(r, MSG_worker_registered);
	mem_free(cluster_ctl_ok(c, "submit", "--resource", "odd=1", "--", "true", NULL));
	raw_expect(r, MSG_tasks_assign);
	raw_send(r, MSG_heartbeat, &beat);
	raw_shift_sequence(r, shift);
	raw_send(r, MSG_heartbeat, &beat);
	raw_expect_refused(r, SC_SEQUENCE);
	raw_free(r);
	cluster_until(c, "\"ready\": 1", PROC_DEADLINE_MS, "--json", "job", "show", "last", NULL);
	mem_free(cluster_ctl_ok(c, "job", "cancel", "last", NULL));
	mem_free(secret);
}

Test(bad_peers, a_lost_report_is_noticed)
{
	reports_out_of_sequence(1);
}

Test(bad_peers, a_repeated_report_is_noticed)
{
	reports_out_of_sequence(-1);
}

/* Asks and asks and reads nothing: it is not read from any more, then cut off, and nobody else waits. */
Test(bad_peers, a_client_that_does_not_read)
{
	char *secret = cluster_secret(c, "client-secret");
	struct raw *r = raw_connect(c->address);
	struct msg_ping ping = {.nonce = UINT64_MAX};
	struct buf many;
	int taken = 1;

	raw_hello(r, ROLE_CLIENT, secret);
	buf_init(&many, 0);
	for (int i = 0; i < 5000; i++)
		msg_encode(&many, MSG_ping, &ping, NULL);
	for (int i = 0; i < 2000 && taken; i++) {
		taken = raw_send_frame(r, many.data, many.len);
		if (i == 200)
			mem_free(cluster_ctl_ok(c, "submit", "--wait", "--", "true", NULL));
		if (i > 200 && !taken)
			break;
	}
	cr_assert_not(taken, "its socket is full: the scheduler has stopped reading, or closed");
	raw_free(r);
	buf_fini(&many);
	mem_free(secret);
}
