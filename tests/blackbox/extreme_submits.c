/*
 * extreme_submits.c - clients that submit what the client library would refuse to: they, and nobody else, are told.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "net/handshake.h"
#include "tests/support/cluster.h"
#include "tests/support/raw.h"

#define HUGE_BYTES ((size_t)65 * 1024 * 1024) /* over the frame a worker accepts */

struct submit {
	struct cluster *c;
	struct raw *raw;
	struct column_writer one, zero, kind, flags;
	struct slice name, body, item;
	struct msg_submit m;
};

static const char *const large_frames[] = {"--set", "net.max-frame=128MiB", NULL};

/* One group of one task, with an empty body. */
static void submit_init(struct submit *s, unsigned kind, unsigned flags)
{
	char *secret;

	s->c = cluster_start(&(struct cluster_spec){.n_workers = 1, .slots = 2, .sched_args = large_frames});
	s->raw = raw_connect(s->c->address);
	secret = cluster_secret(s->c, "client-secret");
	raw_hello(s->raw, ROLE_CLIENT, secret);
	mem_free(secret);
	column_writer_init(&s->one);
	column_writer_init(&s->zero);
	column_writer_init(&s->kind);
	column_writer_init(&s->flags);
	column_put(&s->one, 1);
	column_put(&s->zero, 0);
	column_put(&s->kind, kind);
	column_put(&s->flags, flags);
	s->name = slice_of("g");
	s->body = slice_of("");
	s->m = (struct msg_submit){.request = 7, .name = slice_of("j"), .namespace = slice_of("")};
	s->m.group_name = (struct slices){&s->name, 1};
	s->m.bodies = (struct slices){&s->body, 1};
	s->m.group_n_tasks = column_of(&s->one);
	s->m.group_kind = column_of(&s->kind);
	s->m.group_body = column_of(&s->zero);
	s->m.group_flags = column_of(&s->flags);
}

/* Everybody else is undisturbed. */
static void submit_fini(struct submit *s)
{
	mem_free(cluster_ctl_ok(s->c, "submit", "--wait", "--", "true", NULL));
	cr_assert_null(strstr(proc_stderr(s->c->sched), "worker lost"), "%s", proc_stderr(s->c->sched));
	raw_free(s->raw);
	column_writer_fini(&s->one);
	column_writer_fini(&s->zero);
	column_writer_fini(&s->kind);
	column_writer_fini(&s->flags);
	cluster_stop(s->c);
}

static void refused(struct submit *s, const char *text)
{
	const struct msg *answer;

	cr_assert(raw_send(s->raw, MSG_submit, &s->m));
	answer = raw_expect(s->raw, MSG_error);
	cr_assert_eq(answer->u.error.request, 7);
	cr_assert_not_null(memmem(answer->u.error.text.p, answer->u.error.text.n, text, strlen(text)), "%.*s",
			   (int)answer->u.error.text.n, answer->u.error.text.p);
}

Test(extreme_submits, a_kind_that_cannot_be_told_to_a_worker)
{
	struct submit s;

	submit_init(&s, 300, 0);
	refused(&s, "kind 300");
	submit_fini(&s);
}

Test(extreme_submits, flags_nobody_knows)
{
	struct submit s;

	submit_init(&s, KIND_NOOP, 1u << 20);
	refused(&s, "flags 0x100000");
	submit_fini(&s);
}

Test(extreme_submits, an_item_beyond_the_limit)
{
	struct submit s;
	char *item = mem_calloc(1, 65537);

	submit_init(&s, KIND_NOOP, GROUP_ITEMS);
	s.item = (struct slice){item, 65537};
	s.m.items = (struct slices){&s.item, 1};
	refused(&s, "item 0 has 65537 bytes");
	submit_fini(&s);
	mem_free(item);
}

/* The task fails with a reason; the worker that could not be told stays, with all it has. */
Test(extreme_submits, a_body_larger_than_a_worker_accepts)
{
	struct submit s;
	char *body = mem_calloc(1, HUGE_BYTES), *shown;
	char job[32];

	submit_init(&s, KIND_EXEC, 0);
	s.body = (struct slice){body, HUGE_BYTES};
	cr_assert(raw_send(s.raw, MSG_submit, &s.m));
	snprintf(job, sizeof(job), "%llu", (unsigned long long)raw_expect(s.raw, MSG_submitted)->u.submitted.job);
	cluster_until(s.c, "\"failed\": 1", PROC_DEADLINE_MS, "--json", "job", "show", job, NULL);
	shown = cluster_ctl_ok(s.c, "task", "show", job, "g", NULL);
	cr_assert_not_null(strstr(shown, "larger than a worker accepts"), "%s", shown);
	submit_fini(&s);
	mem_free(shown);
	mem_free(body);
}
