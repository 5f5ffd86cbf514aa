/* info_link.c - what heartbeats cost and tell, whoever sends them, and what is not counted as their cost. */
#include "scheduler/info_link.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "scheduler/http.h"
#include "scheduler/scheduler.h"
#include "tests/support/raw.h"
#include "tests/support/turns.h"

#define SOON_MS 10000u

static struct options options;
static struct loop *loop;
static struct scheduler *s;

static void begin(void)
{
	static const struct access access = {.incarnation = "0123", .client_secret = "sesame"};

	cr_assert_eq(options_init(&options), SC_OK);
	options.scheduler_heartbeat_interval = 1000000;
	options.info_heartbeat_budget = 1; /* a millionth of a core */
	cr_assert_eq(loop_new(&loop), SC_OK);
	cr_assert_eq(scheduler_new(loop, &options, &access, &s, NULL), SC_OK);
}

static void end(void)
{
	scheduler_free(s);
	loop_free(loop);
	options_fini(&options);
}

TestSuite(info_link, .init = begin, .fini = end);

/* A worker that is there, without a connection: p stands for it. */
static void join(struct worker_peer *p, uint64_t memory_limit_bytes)
{
	struct worker_spec spec = {.name = slice_of("w"),
				   .pool = slice_of(""),
				   .address = slice_of("tcp://10.0.0.1:1"),
				   .resources = slice_of("cpus=1"),
				   .memory_limit_bytes = memory_limit_bytes,
				   .namespace = slice_of("")};
	struct buf error;

	buf_init(&error, 0);
	memset(p, 0, sizeof(*p));
	p->scheduler = s;
	cr_assert_eq(core_worker_add(s->core, &spec, loop_now_us(loop), &p->number, &error), SC_OK);
	cr_assert_eq(info_link_joined(s->info, core_worker(s->core, p->number), slice_of("h")), SC_OK);
	buf_fini(&error);
}

static const struct info_record *record(const struct worker_peer *p)
{
	return info_find(&info_link_hub(s->info)->cluster, p->number);
}

/* A scheduler so busy that no turn is ever one of heartbeats alone. */
Test(info_link, the_budget_acts_although_nothing_can_be_measured)
{
	struct msg_heartbeat m = {.cpu_percent = 1};
	struct worker_peer p;

	join(&p, 0);
	info_link_heartbeat(s->info, &p, &m);
	info_link_turn(s->info, 1000000, 1);
	cr_assert_gt(info_link_heartbeat_ms(s->info), 1000);
	cr_assert_gt(info_link_spent(s->info)->heartbeats_us, 0.0);
	cr_assert_lt(info_link_spent(s->info)->heartbeats_us, 1000.0);
}

Test(info_link, counters_of_any_size_make_a_rate)
{
	struct msg_heartbeat m = {.sent_bytes = 1000000000, .received_bytes = UINT64_MAX};
	struct worker_peer p;

	join(&p, 0);
	p.heartbeat_us = loop_now_us(loop) - 1000000;
	info_link_heartbeat(s->info, &p, &m);
	cr_assert_geq(p.sent_bytes_s, 999000000);
	cr_assert_leq(p.sent_bytes_s, 1000000000);
	cr_assert_eq(p.received_bytes_s, INFO_VALUE_MAX);
	cr_assert_eq(record(&p)->received_kib_s, INFO_VALUE_MAX / 1024);
	p.heartbeat_us -= 1000000;
	m.sent_bytes = 5; /* began anew */
	info_link_heartbeat(s->info, &p, &m);
	cr_assert_eq(p.sent_bytes_s, 0);
}

Test(info_link, two_heartbeats_in_a_turn_leave_the_rate_alone)
{
	struct msg_heartbeat m = {.sent_bytes = 1000000};
	struct worker_peer p;
	uint64_t rate;

	join(&p, 0);
	p.heartbeat_us = loop_now_us(loop) - 1000000;
	info_link_heartbeat(s->info, &p, &m);
	rate = p.sent_bytes_s;
	cr_assert_gt(rate, 0);
	m.sent_bytes = 2000000;
	p.heartbeat_us = loop_now_us(loop);
	info_link_heartbeat(s->info, &p, &m);
	cr_assert_eq(p.sent_bytes_s, rate);
	cr_assert_eq(p.sent_bytes, 1000000, "what was sent meanwhile counts with the next");
	cr_assert_gt(record(&p)->sent_kib_s, 0);
}

/* ---- what shares a turn ----------------------------------------------------------------------------------------- */

static int is_shared(void *arg)
{
	(void)arg;
	return s->turn_shared;
}

/* A stranger on a socket makes work: 1 when that is known. */
static int stranger_is_seen(void)
{
	int seen = turns_until(loop, is_shared, NULL, SOON_MS);

	s->turn_shared = 0;
	return seen;
}

Test(info_link, guests_are_no_heartbeats)
{
	static const char garbage[] = "GET / HTTP/1.1\r\nHost: here\r\n\r\n";
	char address[ADDRESS_MAX];
	struct raw *r;

	cr_assert_eq(server_listen(s->server, "tcp://127.0.0.1:0", address, sizeof(address)), SC_OK);
	r = raw_connect(address);
	cr_assert(stranger_is_seen(), "it was accepted");
	raw_send_bytes(r, garbage, sizeof(garbage) - 1);
	cr_assert(stranger_is_seen(), "it was refused");
	raw_free(r);
}

static void ask(const char *address, const char *path)
{
	struct raw *r = raw_connect(address);
	char text[128];

	cr_assert(stranger_is_seen(), "it was accepted");
	raw_send_bytes(r, text, (size_t)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: here\r\n\r\n", path));
	cr_assert(stranger_is_seen(), "%s was asked for", path);
	raw_free(r);
}

Test(info_link, who_asks_over_http_is_no_heartbeat)
{
	char shown[ADDRESS_MAX + 8], address[ADDRESS_MAX + 8];
	struct http *h;

	cr_assert_eq(http_new(s, "127.0.0.1:0", shown, sizeof(shown), &h), SC_OK);
	snprintf(address, sizeof(address), "tcp://%s", shown + strlen("http://"));
	ask(address, "/metrics");
	ask(address, "/healthz");
	ask(address, "/nothing");
	http_free(h);
}
