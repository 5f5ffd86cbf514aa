/* fake_scheduler.c - see fake_scheduler.h. */
#include "tests/support/fake_scheduler.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/address.h"
#include "net/handshake.h"
#include "tests/support/cluster.h"

#define ARGS_MAX 32

struct fake_scheduler *fake_start(void)
{
	struct fake_scheduler *f = mem_calloc(1, sizeof(*f));
	struct address a;
	FILE *out;

	f->dir = dir_new();
	buf_init(&f->body, 0);
	cr_assert(address_parse("tcp://127.0.0.1:0", &a) == SC_OK);
	cr_assert(address_listen(&a, &f->listen_fd) == SC_OK);
	address_of_socket(f->listen_fd, f->address, sizeof(f->address));
	text_random_hex(f->worker_secret, 16);
	snprintf(f->access_file, sizeof(f->access_file), "%s/access.yaml", f->dir);
	out = fopen(f->access_file, "w");
	cr_assert(out != NULL);
	fprintf(out, "incarnation: \"0\"\npid: 1\naddresses: [\"%s\"]\nworker-secret: \"%s\"\n", f->address,
		f->worker_secret);
	fclose(out);
	return f;
}

void fake_stop(struct fake_scheduler *f)
{
	if (f == NULL)
		return;
	raw_free(f->raw);
	if (f->listen_fd >= 0)
		close(f->listen_fd);
	buf_fini(&f->body);
	dir_remove(f->dir);
	mem_free(f->dir);
	mem_free(f);
}

struct proc *fake_worker(struct fake_scheduler *f, const char *const *args)
{
	char spool[600];
	const char *all[ARGS_MAX] = {"--access-file", f->access_file, "--slots", "2", "--set", spool};
	size_t n = 6;

	snprintf(spool, sizeof(spool), "worker.spool-dir=%s", f->dir);
	for (; args != NULL && *args != NULL && n + 1 < ARGS_MAX; args++)
		all[n++] = *args;
	all[n] = NULL;
	return proc_start(&(struct proc_spec){.program = "sched-worker", .args = all});
}

static const struct msg *accept_hello(struct fake_scheduler *f)
{
	struct pollfd p = {.fd = f->listen_fd, .events = POLLIN};
	const struct msg *m;
	int fd;

	raw_free(f->raw);
	f->raw = NULL;
	cr_assert(poll(&p, 1, (int)PROC_DEADLINE_MS) == 1, "no worker connects");
	fd = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	cr_assert(fd >= 0, "accept: %s", strerror(errno));
	f->raw = raw_over(fd);
	m = raw_expect(f->raw, MSG_hello);
	cr_assert(slice_is(m->u.hello.role, ROLE_WORKER));
	cr_assert(slice_is(m->u.hello.secret, f->worker_secret));
	return m;
}

static void copy(char *out, size_t cap, struct slice s)
{
	snprintf(out, cap, "%.*s", (int)s.n, s.p);
}

void fake_accept(struct fake_scheduler *f)
{
	struct msg_welcome w = {
		.version = PROTO_VERSION_MAX,
		.incarnation = slice_of("0"),
		.data_secret = slice_of(FAKE_DATA_SECRET),
		.max_frame_bytes = CONN_MAX_FRAME_DEFAULT,
	};
	struct msg_worker_registered r = {.worker = 1, .heartbeat_ms = 100};
	const struct msg *m;

	accept_hello(f);
	raw_send(f->raw, MSG_welcome, &w);
	m = raw_expect(f->raw, MSG_worker_register);
	copy(f->worker_name, sizeof(f->worker_name), m->u.worker_register.name);
	copy(f->data_address, sizeof(f->data_address), m->u.worker_register.data_address);
	copy(f->resources, sizeof(f->resources), m->u.worker_register.resources);
	if (f->worker_name[0] == '\0')
		snprintf(f->worker_name, sizeof(f->worker_name), "w1");
	r.name = slice_of(f->worker_name);
	raw_send(f->raw, MSG_worker_registered, &r);
}

void fake_refuse(struct fake_scheduler *f, sc_err code, const char *text)
{
	struct msg_error e = {.code = (uint64_t)code, .text = slice_of(text)};

	accept_hello(f);
	raw_send(f->raw, MSG_error, &e);
	raw_free(f->raw);
	f->raw = NULL;
}

/* ---- tasks ---------------------------------------------------------------------------------------------------- */

void fake_define(struct fake_scheduler *f, const struct msg_group_define *m)
{
	cr_assert(raw_send(f->raw, MSG_group_define, m) == 1);
}

void fake_define_plain(struct fake_scheduler *f, uint64_t job, uint64_t group, unsigned kind, uint64_t first,
		       uint64_t n)
{
	char name[32];

	snprintf(name, sizeof(name), "g%u", (unsigned)group);
	fake_define(f, &(struct msg_group_define){
			       .job = job,
			       .group = group,
			       .name = slice_of(name),
			       .first_task = first,
			       .n_tasks = n,
			       .index_step = 1,
			       .kind = kind,
			       .job_name = slice_of("job"),
		       });
}

struct slice fake_exec_body(struct fake_scheduler *f, const struct msg_body_exec *b)
{
	buf_reset(&f->body);
	cr_assert(msg_encode(&f->body, MSG_body_exec, b, NULL) == SC_OK);
	return (struct slice){(const char *)f->body.data, f->body.len};
}

struct slice fake_shell_body(struct fake_scheduler *f, const char *line)
{
	struct slice argv[] = {slice_of("/bin/sh"), slice_of("-c"), slice_of(line)};

	return fake_exec_body(f, &(struct msg_body_exec){.argv = {argv, 3}, .cwd = slice_of(f->dir)});
}

void fake_define_shell(struct fake_scheduler *f, uint64_t job, uint64_t n, const char *line)
{
	fake_define(f, &(struct msg_group_define){
			       .job = job,
			       .name = slice_of("t"),
			       .n_tasks = n,
			       .index_step = 1,
			       .flags = n > 1 ? GROUP_ARRAY : 0,
			       .kind = KIND_EXEC,
			       .body = fake_shell_body(f, line),
			       .job_name = slice_of("job"),
		       });
}

static struct column numbers(struct column_writer *w, uint64_t first, uint64_t n)
{
	column_writer_init(w);
	for (uint64_t i = 0; i < n; i++)
		column_put(w, first + i);
	return column_of(w);
}

void fake_assign(struct fake_scheduler *f, uint64_t job, uint64_t group, uint64_t first, uint64_t n)
{
	struct column_writer w;
	struct msg_tasks_assign m = {.job = job, .group = group, .task = numbers(&w, first, n)};

	cr_assert(raw_send(f->raw, MSG_tasks_assign, &m) == 1);
	column_writer_fini(&w);
}

void fake_cancel(struct fake_scheduler *f, uint64_t job, uint64_t task)
{
	struct column_writer w;
	struct msg_tasks_cancel m = {.job = job, .task = numbers(&w, task, 1)};

	cr_assert(raw_send(f->raw, MSG_tasks_cancel, &m) == 1);
	column_writer_fini(&w);
}

void fake_wait_done(struct fake_scheduler *f, uint64_t job, size_t n)
{
	while (n > 0) {
		const struct msg *m = raw_receive(f->raw, PROC_DEADLINE_MS);

		cr_assert(m != NULL, "%zu tasks of job %u are not done", n, (unsigned)job);
		if (m->type == MSG_task_failed)
			cr_assert_fail("task %u failed: %.*s", (unsigned)m->u.task_failed.task,
				       (int)m->u.task_failed.text.n, m->u.task_failed.text.p);
		if (m->type != MSG_tasks_done || m->u.tasks_done.job != job)
			continue;
		cr_assert(m->u.tasks_done.task.count <= n, "more tasks are done than were given");
		n -= m->u.tasks_done.task.count;
	}
}

char *fake_fetch(struct fake_scheduler *f, uint64_t job, uint64_t task, unsigned stream, size_t *n_bytes)
{
	struct msg_data_get get = {.request = 1, .job = job, .task = task, .stream = stream, .max_bytes = 1 << 20};
	struct raw *r = raw_connect(f->data_address);
	struct buf all;
	char *out;

	buf_init(&all, 0);
	raw_hello(r, ROLE_PEER, FAKE_DATA_SECRET);
	for (;;) {
		const struct msg *m;

		get.offset = all.len;
		raw_send(r, MSG_data_get, &get);
		m = raw_expect(r, MSG_data_part);
		cr_assert_eq(m->u.data_part.offset, all.len);
		buf_append(&all, m->u.data_part.bytes.p, m->u.data_part.bytes.n);
		if (all.len >= m->u.data_part.total_bytes)
			break;
	}
	raw_free(r);
	if (n_bytes != NULL)
		*n_bytes = all.len;
	out = mem_strndup((const char *)all.data, all.len);
	buf_fini(&all);
	return out;
}
