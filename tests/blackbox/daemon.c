/* daemon.c - starting and ending the scheduler, and what a client is told when there is none. */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/handshake.h"
#include "tests/support/cluster.h"
#include "tests/support/raw.h"

static struct run sched(const char *const *args)
{
	return run_program(&(struct proc_spec){.program = "sched", .args = args}, PROC_DEADLINE_MS);
}

static void fails(struct run r, int status, const char *what)
{
	cr_assert_eq(r.status, status, "status %d: %s", r.status, r.err);
	cr_assert_not_null(strstr(r.err, what), "'%s' is not in: %s", what, r.err);
	run_free(&r);
}

Test(daemon, a_port_that_is_taken)
{
	struct cluster *c = cluster_start(&(struct cluster_spec){0});
	char other[4200];

	snprintf(other, sizeof(other), "%s/other.yaml", c->dir);
	fails(sched((const char *const[]){"--listen", c->address, "--access-file", other, NULL}), 3, c->address);
	cr_assert_neq(access(other, F_OK), 0, "no access file is left behind");
	cluster_stop(c);
}

Test(daemon, an_access_file_of_a_live_scheduler)
{
	struct cluster *c = cluster_start(&(struct cluster_spec){0});
	char pid[32];

	snprintf(pid, sizeof(pid), "(pid %d)", (int)proc_pid(c->sched));
	fails(sched((const char *const[]){"--access-file", c->access_file, NULL}), 3, pid);
	mem_free(cluster_ctl_ok(c, "job", "list", NULL));
	cluster_stop(c);
}

Test(daemon, an_access_file_a_dead_one_left_is_taken_over_with_its_secrets)
{
	struct cluster *c = cluster_start(&(struct cluster_spec){.n_workers = 1});
	char *before = cluster_secret(c, "client-secret"), *after;
	struct stat st;

	proc_signal(c->sched, SIGKILL);
	proc_wait_exit(c->sched, PROC_DEADLINE_MS);
	cluster_sched_start(c);
	after = cluster_secret(c, "client-secret");
	cr_assert_str_eq(before, after);
	cr_assert_eq(stat(c->access_file, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
	mem_free(cluster_ctl_ok(c, "submit", "--wait", "--", "true", NULL));
	mem_free(before);
	mem_free(after);
	cluster_stop(c);
}

Test(daemon, ends_gracefully_and_takes_its_access_file_along)
{
	struct cluster *c = cluster_start(&(struct cluster_spec){0});

	proc_signal(c->sched, SIGTERM);
	cr_assert_eq(proc_wait_exit(c->sched, PROC_DEADLINE_MS), 0);
	cr_assert_neq(access(c->access_file, F_OK), 0);
	fails(cluster_ctl(c, "job", "list", NULL), 3, c->access_file);
	cluster_stop(c);
}

Test(daemon, shutdown_takes_the_workers_along)
{
	struct cluster *c = cluster_start(&(struct cluster_spec){.n_workers = 2});

	mem_free(cluster_ctl_ok(c, "shutdown", "--workers", NULL));
	cr_assert_eq(proc_wait_exit(c->sched, PROC_DEADLINE_MS), 0);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(proc_wait_exit(c->workers[i], PROC_DEADLINE_MS), 0, "%s", proc_stderr(c->workers[i]));
	cluster_stop(c);
}

Test(daemon, serves_on_a_unix_socket)
{
	struct cluster *c = cluster_start(&(struct cluster_spec){.n_workers = 1, .listen = "unix"});
	char *out;

	mem_free(cluster_ctl_ok(c, "submit", "--wait", "--", "echo", "over unix", NULL));
	out = cluster_ctl_ok(c, "job", "cat", "1", NULL);
	cr_assert_str_eq(out, "over unix\n");
	mem_free(out);
	cluster_stop(c);
}

Test(daemon, configuration_errors_are_status_2)
{
	fails(sched((const char *const[]){"--set", "scheduler.crash-limit=0", NULL}), 2,
	      "--set: scheduler.crash-limit: '0' is not allowed; it has to be a whole number from 1 to 1000");
	fails(sched((const char *const[]){"--set", "scheduler.crash-limt=3", NULL}), 2,
	      "did you mean 'scheduler.crash-limit'");
	fails(sched((const char *const[]){"--config", "/no/such/file", NULL}), 2, "/no/such/file");
	fails(sched((const char *const[]){"--listen", "somewhere", "--access-file", "/tmp/sched-test-unused.yaml",
					  NULL}),
	      2, "tcp://HOST:PORT or unix:///PATH");
	fails(sched((const char *const[]){"extra", NULL}), 2, "extra");
}

Test(daemon, a_stopped_worker_is_lost_after_the_timeout)
{
	static const char *const args[] = {"--set", "scheduler.worker-timeout=500ms", "--set",
					   "scheduler.heartbeat-interval=100ms", NULL};
	struct cluster *c = cluster_start(&(struct cluster_spec){.n_workers = 2, .slots = 1, .sched_args = args});

	mem_free(cluster_ctl_ok(c, "worker", "drain", "w2", NULL));
	mem_free(cluster_ctl_ok(c, "submit", "--name", "t", "--", "sh", "-c", "echo ran", NULL));
	mem_free(cluster_ctl_ok(c, "job", "wait", "1", NULL));
	proc_signal(c->workers[0], SIGSTOP);
	proc_wait_log(c->sched, "error=TIMEOUT", 0, PROC_DEADLINE_MS);
	mem_free(cluster_ctl_ok(c, "worker", "drain", "w2", "--undo", NULL));
	mem_free(cluster_ctl_ok(c, "submit", "--wait", "--", "true", NULL));
	proc_signal(c->workers[0], SIGCONT);
	/* It notices that it was given up, and comes back. */
	proc_wait_log(c->workers[0], "registered", proc_wait_log(c->workers[0], "registered", 0, PROC_DEADLINE_MS),
		      PROC_DEADLINE_MS);
	cluster_stop(c);
}

/* GET `path` from the HTTP port, which the access file names; the whole answer, owned by the caller. */
static char *http_get(struct cluster *c, const char *path)
{
	char *access = file_read(c->access_file, NULL), *at = strstr(access, "http: \"http://"), address[64],
	     request[128];
	struct raw *r;
	struct buf answer;
	char *copy;
	ssize_t n;

	cr_assert_not_null(at, "%s", access);
	at += strlen("http: \"http://");
	snprintf(address, sizeof(address), "tcp://%.*s", (int)strcspn(at, "\""), at);
	snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\n\r\n", path);
	r = raw_connect(address);
	raw_send_bytes(r, request, strlen(request));
	buf_init(&answer, 0);
	do {
		uint8_t *room = buf_reserve(&answer, 4096);
		struct pollfd p = {raw_fd(r), POLLIN, 0};

		cr_assert_eq(poll(&p, 1, (int)PROC_DEADLINE_MS), 1);
		n = read(raw_fd(r), room, 4096);
		answer.len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	copy = mem_strdup(buf_str(&answer));
	buf_fini(&answer);
	raw_free(r);
	mem_free(access);
	return copy;
}

Test(daemon, tells_its_metrics)
{
	static const char *const args[] = {"--http", "127.0.0.1:0", NULL};
	struct cluster *c = cluster_start(&(struct cluster_spec){.n_workers = 1, .sched_args = args});
	char *text;

	mem_free(cluster_ctl_ok(c, "submit", "--wait", "--array", "0-4", "--", "true", NULL));
	text = http_get(c, "/metrics");
	cr_assert_not_null(strstr(text, "200 OK"), "%s", text);
	cr_assert_not_null(strstr(text, "\nsched_workers 1\n"), "%s", text);
	cr_assert_not_null(strstr(text, "\nsched_tasks{state=\"done\"} 5\n"), "%s", text);
	mem_free(text);
	text = http_get(c, "/healthz");
	cr_assert_not_null(strstr(text, "\r\n\r\nok\n"), "%s", text);
	mem_free(text);
	text = http_get(c, "/secrets");
	cr_assert_not_null(strstr(text, "404"), "%s", text);
	mem_free(text);
	cluster_stop(c);
}

/* What it was owed is dropped; its end needs the scheduler, which is still there. */
Test(daemon, ends_while_a_client_does_not_read)
{
	struct cluster *c = cluster_start(&(struct cluster_spec){0});
	char *secret = cluster_secret(c, "client-secret");
	struct raw *r = raw_connect(c->address);
	struct msg_ping ping = {.nonce = UINT64_MAX};
	struct buf many;

	raw_hello(r, ROLE_CLIENT, secret);
	buf_init(&many, 0);
	for (int i = 0; i < 5000; i++)
		msg_encode(&many, MSG_ping, &ping, NULL);
	for (int i = 0; i < 300; i++) /* more than the sockets hold, less than the scheduler's limit */
		cr_assert(raw_send_frame(r, many.data, many.len));
	mem_free(cluster_ctl_ok(c, "shutdown", NULL));
	cr_assert_eq(proc_wait_exit(c->sched, PROC_DEADLINE_MS), 0, "%s", proc_stderr(c->sched));
	raw_free(r);
	buf_fini(&many);
	mem_free(secret);
	cluster_stop(c);
}

/* What a peer says stays on its line of the log. */
Test(daemon, a_peer_cannot_write_lines_of_the_log)
{
	struct cluster *c = cluster_start(&(struct cluster_spec){0});
	char *secret = cluster_secret(c, "worker-secret");
	struct raw *r = raw_connect(c->address);
	struct msg_worker_register reg = {.name = slice_of("w"), .pool = slice_of(""), .host = slice_of("h")};
	struct msg_worker_leaving leaving = {.reason = slice_of("x\ninfo forged line")};
	struct msg_error error = {.text = slice_of("y\ninfo forged line")};

	reg.data_address = slice_of("tcp://127.0.0.1:1");
	reg.resources = slice_of("cpus=1");
	raw_hello(r, ROLE_WORKER, secret);
	raw_send(r, MSG_worker_register, &reg);
	raw_expect(r, MSG_worker_registered);
	raw_send(r, MSG_error, &error);
	raw_send(r, MSG_worker_leaving, &leaving);
	proc_wait_log(c->sched, "worker leaving", 0, PROC_DEADLINE_MS);
	raw_free(r);
	proc_wait_log(c->sched, "worker left", 0, PROC_DEADLINE_MS);
	cr_assert_null(strstr(proc_stderr(c->sched), "\ninfo forged"), "%s", proc_stderr(c->sched));
	mem_free(secret);
	cluster_stop(c);
}

/* Else a page of workers would not fit into an answer. */
/* Started without standard descriptors, neither program writes into a descriptor that is something else by then. */
Test(daemon, closed_standard_descriptors)
{
	static const char line[] = "exec 3>&1 1>&-; \"$0\" --access-file \"$1\" job list 2>&3; "
				   "exec \"$2\" --access-file \"$3\" <&- 2>&- 3>&-";
	struct cluster *c = cluster_start(&(struct cluster_spec){0}), without;
	char *ctl = proc_program("schedctl"), *sched = proc_program("sched"), path[64], place[4096];
	char *other = cluster_file(c, "other", "");
	const char *args[] = {"-c", line, ctl, c->access_file, sched, other, NULL};
	struct proc *p;

	cr_assert_eq(unlink(other), 0);
	p = proc_start(&(struct proc_spec){.program = "sh", .args = args});
	proc_wait_line(p, "schedctl: cannot write to standard output: Bad file descriptor", PROC_DEADLINE_MS);
	without = *c;
	without.access_file = other;
	cluster_until(&without, "NAME", PROC_DEADLINE_MS, "worker", "list", NULL);
	for (int fd = 0; fd <= 2; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)proc_pid(p), fd);
		n = readlink(path, place, sizeof(place) - 1);
		cr_assert_gt(n, 0);
		place[n] = '\0';
		cr_assert_str_eq(place, "/dev/null");
	}
	proc_signal(p, SIGTERM);
	cr_assert_eq(proc_wait_exit(p, PROC_DEADLINE_MS), 0);
	proc_free(p);
	mem_free(other);
	mem_free(ctl);
	mem_free(sched);
	cluster_stop(c);
}

Test(daemon, labels_without_end_are_refused)
{
	struct cluster *c = cluster_start(&(struct cluster_spec){0});
	char *secret = cluster_secret(c, "worker-secret"), *label = mem_calloc(1, 100000);
	struct slice one = {label, 100000};
	struct raw *r = raw_connect(c->address);
	struct msg_worker_register reg = {.name = slice_of("w"), .pool = slice_of(""), .host = slice_of("h")};

	reg.data_address = slice_of("tcp://127.0.0.1:1");
	reg.resources = slice_of("cpus=1");
	reg.labels = (struct slices){&one, 1};
	raw_hello(r, ROLE_WORKER, secret);
	raw_send(r, MSG_worker_register, &reg);
	raw_expect_refused(r, SC_TOO_BIG);
	raw_free(r);
	mem_free(label);
	mem_free(secret);
	cluster_stop(c);
}
