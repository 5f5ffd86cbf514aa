/* info_ctl.c - `schedctl info`, `stats` and `top` against a real scheduler and real workers. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/handshake.h"
#include "tests/support/cluster.h"
#include "tests/support/raw.h"

static struct cluster *c;

static void start(void)
{
	static const char *const args[] = {"--set", "scheduler.heartbeat-interval=100ms", NULL};
	static const char *const of_a_pool[] = {"--pool", "fast", "--label", "rack=r1", NULL};

	c = cluster_start(&(struct cluster_spec){.n_workers = 2, .slots = 2, .sched_args = args});
	cluster_worker_start(c, 2, of_a_pool);
}

static void stop(void)
{
	cluster_stop(c);
}

TestSuite(info_ctl, .init = start, .fini = stop);

/* ---- reading JSON ----------------------------------------------------------------------------------------------- */

static json_t *parse(const char *text)
{
	json_error_t error;
	json_t *o = json_loads(text, 0, &error);

	cr_assert_not_null(o, "%s:\n%s", error.text, text);
	return o;
}

static json_t *ctl_json(const char *const *args)
{
	struct run r = cluster_ctl_args(c, args);
	json_t *o;

	cr_assert_eq(r.status, 0, "%s", r.err);
	o = parse(r.out);
	run_free(&r);
	return o;
}

#define CTL_JSON(...) ctl_json((const char *const[]){"--json", __VA_ARGS__, NULL})

static json_int_t number(const json_t *o, const char *key)
{
	cr_assert(json_is_integer(json_object_get(o, key)), "no number %s", key);
	return json_integer_value(json_object_get(o, key));
}

static const char *text(const json_t *o, const char *key)
{
	cr_assert(json_is_string(json_object_get(o, key)), "no text %s", key);
	return json_string_value(json_object_get(o, key));
}

static const json_t *worker(const json_t *o, const char *name)
{
	const json_t *list = json_object_get(o, "workers"), *w;
	size_t i;

	json_array_foreach(list, i, w) if (strcmp(text(w, "name"), name) == 0) return w;
	return NULL;
}

static size_t n_workers(const json_t *o)
{
	return json_array_size(json_object_get(o, "workers"));
}

static json_int_t metric(const char *name)
{
	json_t *o = CTL_JSON("stats");
	json_int_t v = number(json_object_get(o, "metrics"), name);

	json_decref(o);
	return v;
}

/* ---- info ------------------------------------------------------------------------------------------------------- */

Test(info_ctl, info_shows_totals_and_workers)
{
	json_t *o = CTL_JSON("info");
	const json_t *totals = json_object_get(o, "totals");
	char *table;

	cr_assert_eq(number(totals, "n_workers"), 3);
	cr_assert_eq(number(totals, "cpus"), 6);
	cr_assert_eq(n_workers(o), 3);
	cr_assert_eq(strlen(text(o, "incarnation")), 32);
	cr_assert_str_eq(text(worker(o, "w3"), "pool"), "fast");
	cr_assert_str_eq(text(worker(o, "w3"), "labels"), "rack=r1");
	cr_assert_str_eq(text(worker(o, "w1"), "status"), "active");
	json_decref(o);
	table = cluster_ctl_ok(c, "info", NULL);
	cr_assert_not_null(strstr(table, "3 workers, 6 cpus"));
	cr_assert_not_null(strstr(table, "w3"));
	cr_assert_null(strchr(table, '\033'), "no escape sequences where nobody can see them");
	mem_free(table);
	cr_assert_eq(metric("sched_info_subscribers"), 0, "a single question");
	cr_assert_eq(metric("sched_info_pushes_total"), 0);
}

/* Whoever shows the host of w1 shows this. */
static void host_is(const char *expected)
{
	json_t *info = CTL_JSON("info"), *list = CTL_JSON("worker", "list");

	cr_assert_str_eq(text(worker(info, "w1"), "host"), text(worker(list, "w1"), "host"));
	cr_assert_str_eq(text(worker(list, "w1"), "host"), expected);
	json_decref(info);
	json_decref(list);
}

Test(info_ctl, a_host_has_one_name)
{
	char own[256] = "";

	host_is("127.0.0.1");
	cluster_stop(c);
	c = cluster_start(&(struct cluster_spec){.n_workers = 1, .listen = "unix"});
	cr_assert_eq(gethostname(own, sizeof(own) - 1), 0);
	host_is(own);
}

Test(info_ctl, filters_and_sections)
{
	json_t *o = CTL_JSON("info", "--pool", "fast");
	struct run r;

	cr_assert_eq(n_workers(o), 1);
	cr_assert_not_null(worker(o, "w3"));
	cr_assert_eq(number(json_object_get(o, "totals"), "n_workers"), 1);
	json_decref(o);
	o = CTL_JSON("info", "--label", "rack=r1", "--sections", "members");
	cr_assert_eq(n_workers(o), 1);
	cr_assert_null(json_object_get(o, "totals"));
	cr_assert_null(json_object_get(worker(o, "w3"), "running"));
	json_decref(o);
	o = CTL_JSON("info", "--pool", "none-of-this-name");
	cr_assert_eq(n_workers(o), 0);
	json_decref(o);
	o = CTL_JSON("info", "--sections", "totals");
	cr_assert_null(json_object_get(o, "workers"));
	cr_assert_eq(number(json_object_get(o, "totals"), "n_workers"), 3);
	json_decref(o);
	r = cluster_ctl(c, "info", "--sections", "totals,member", NULL);
	cr_assert_eq(r.status, 2);
	cr_assert_not_null(strstr(r.err, "'member' is not a section"));
	run_free(&r);
	r = cluster_ctl(c, "info", "--watch", "--interval", "1ms", NULL);
	cr_assert_eq(r.status, 2);
	cr_assert_not_null(strstr(r.err, "100ms is the shortest"));
	run_free(&r);
	r = cluster_ctl(c, "top", NULL);
	cr_assert_eq(r.status, 2);
	cr_assert_not_null(strstr(r.err, "top needs a terminal"));
	run_free(&r);
}

Test(info_ctl, mistakes_in_the_command_line_are_json_as_well)
{
	static const char *const lines[][5] = {{"--json", "bogus"},
					       {"--json", "job"},
					       {"--json", "job", "show"},
					       {"job", "lits", "--json"},
					       {"job", "show", "--bogus", "--json"}};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct run r = cluster_ctl_args(c, lines[i]);
		json_t *o = parse(r.out);

		cr_expect_eq(r.status, 2);
		cr_expect_str_eq(json_string_value(json_object_get(o, "code")), "USAGE");
		cr_expect_not_null(json_string_value(json_object_get(o, "error")));
		json_decref(o);
		run_free(&r);
	}
}

/* ---- watching --------------------------------------------------------------------------------------------------- */

static struct proc *watch(void)
{
	return cluster_ctl_start(c, "--json", "info", "--watch", "--interval", "100ms", NULL);
}

/* The next document. */
static json_t *next(struct proc *p)
{
	return parse(proc_wait_line(p, "{", PROC_DEADLINE_MS));
}

static void end_watch(struct proc *p)
{
	proc_signal(p, SIGINT);
	cr_assert_eq(proc_wait_exit(p, PROC_DEADLINE_MS), 0);
	proc_free(p);
}

Test(info_ctl, watch_gives_a_line_per_change)
{
	struct proc *p = watch();
	json_t *o = next(p);
	json_int_t epoch = number(o, "epoch");

	cr_assert_str_eq(text(o, "event"), "updated");
	cr_assert_eq(n_workers(o), 3);
	cr_assert_eq(number(o, "interval_us"), 100000);
	mem_free(cluster_ctl_ok(c, "worker", "drain", "w2", NULL));
	while (strcmp(text(worker(o, "w2"), "status"), "draining") != 0) {
		json_decref(o);
		o = next(p);
		cr_assert_str_eq(text(o, "event"), "updated");
		cr_assert_gt(number(o, "epoch"), epoch, "a line without a change");
		epoch = number(o, "epoch");
	}
	cluster_worker_kill(c, 0);
	while (worker(o, "w1") != NULL) {
		json_decref(o);
		o = next(p);
	}
	cr_assert_eq(number(json_object_get(o, "totals"), "n_workers"), 2);
	json_decref(o);
	end_watch(p);
}

Test(info_ctl, a_restarted_scheduler_is_one_resynchronisation)
{
	struct proc *p = watch();
	json_t *o = next(p);
	unsigned n_lost = 0, n_resynchronised = 0;
	char before[64];

	snprintf(before, sizeof(before), "%s", text(o, "incarnation"));
	json_decref(o);
	proc_signal(c->sched, SIGKILL);
	proc_wait_exit(c->sched, PROC_DEADLINE_MS);
	cluster_sched_start(c);
	for (int is_over = 0; !is_over;) {
		o = next(p);
		n_lost += strcmp(text(o, "event"), "lost") == 0;
		n_resynchronised += strcmp(text(o, "event"), "resynchronised") == 0;
		if (n_resynchronised > 0) {
			cr_assert_str_neq(text(o, "incarnation"), before);
			is_over = n_workers(o) == 3; /* they have come back, each once */
			cr_assert_leq(n_workers(o), 3);
		}
		json_decref(o);
	}
	cr_assert_eq(n_lost, 1);
	cr_assert_eq(n_resynchronised, 1);
	end_watch(p);
}

/* ---- what it costs ---------------------------------------------------------------------------------------------- */

Test(info_ctl, stats_tell_what_is_spent)
{
	json_t *o = CTL_JSON("stats"), *row;
	char *table;
	size_t i;
	int seen = 0;

	cr_assert_eq(number(json_object_get(o, "metrics"), "sched_workers"), 3);
	cr_assert_gt(json_array_size(json_object_get(o, "clients")), 0);
	json_decref(o);
	o = CTL_JSON("stats");
	json_array_foreach(json_object_get(o, "requests"), i, row)
	{
		if (strcmp(text(row, "kind"), "stats") != 0)
			continue;
		seen = 1;
		cr_assert_gt(number(row, "count"), 0);
		cr_assert_geq(number(row, "total_us"), 0);
		cr_assert(json_is_real(json_object_get(row, "mean_us")));
	}
	cr_assert(seen);
	json_decref(o);
	table = cluster_ctl_ok(c, "stats", NULL);
	cr_assert_not_null(strstr(table, "MEAN US"));
	cr_assert_not_null(strstr(table, "sched_info_epochs_total"));
	mem_free(table);
}

Test(info_ctl, stats_are_watched_a_line_each)
{
	struct proc *p = cluster_ctl_start(c, "--json", "stats", "--watch", "--interval", "100ms", NULL);

	for (int i = 0; i < 3; i++) {
		json_t *o = next(p);

		cr_assert_not_null(json_object_get(o, "metrics"));
		json_decref(o);
	}
	end_watch(p);
}

Test(info_ctl, clients_inside_tasks_cost_nothing)
{
	char *program = proc_program("schedctl");
	uint64_t until;

	mem_free(cluster_ctl_ok(c, "submit", "--wait", "--", program, "job", "list", NULL));
	mem_free(cluster_ctl_ok(c, "submit", "--wait", "--", program, "info", NULL));
	cr_assert_eq(metric("sched_info_subscribers"), 0);
	cr_assert_eq(metric("sched_info_worker_client_pushes_total"), 0);
	/* a program there may ask for it, and is known for what it is */
	mem_free(cluster_ctl_ok(c, "submit", "--", program, "--json", "info", "--watch", "--interval", "100ms", NULL));
	until = proc_until(PROC_DEADLINE_MS);
	while (metric("sched_info_worker_client_pushes_total") == 0)
		cr_assert_gt(proc_ms_left(until), 0, "a client inside a task that asked was not told");
	mem_free(cluster_ctl_ok(c, "job", "cancel", "last", NULL));
	mem_free(program);
}

/* A peer that subscribes, asks for a lot and reads nothing: it is passed over, others are told as before. */
Test(info_ctl, who_does_not_read_is_passed_over)
{
	struct msg_info_subscribe m = {.request = 1, .interval_us = 100000};
	struct msg_stats q = {.request = 2};
	char *secret = cluster_secret(c, "client-secret");
	struct raw *slow = raw_connect(c->address);
	uint64_t until = proc_until(PROC_DEADLINE_MS);
	struct proc *p = watch();
	json_t *o = next(p);
	int small = 4096; /* or the kernel would keep megabytes of answers for it */

	cr_assert_eq(setsockopt(raw_fd(slow), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	raw_hello(slow, ROLE_CLIENT, secret);
	mem_free(secret);
	m.pool = slice_of("");
	m.incarnation = slice_of("");
	raw_send(slow, MSG_info_subscribe, &m);
	while (metric("sched_info_skipped_total") == 0) { /* only who has something to be told can be passed over */
		cr_assert_gt(proc_ms_left(until), 0, "nobody was passed over:\n%s", cluster_ctl_ok(c, "stats", NULL));
		for (int i = 0; i < 2000; i++) /* how much the kernel takes for it differs */
			raw_send(slow, MSG_stats, &q);
		mem_free(cluster_ctl_ok(c, "worker", "drain", "w1", NULL));
		mem_free(cluster_ctl_ok(c, "worker", "drain", "--undo", "w1", NULL));
	}
	mem_free(cluster_ctl_ok(c, "worker", "drain", "w2", NULL));
	while (strcmp(text(worker(o, "w2"), "status"), "draining") != 0) {
		json_decref(o);
		o = next(p);
	}
	json_decref(o);
	cr_assert_eq(metric("sched_info_subscribers"), 2, "nobody is disconnected for being slow");
	end_watch(p);
	raw_free(slow);
}

/* ---- a terminal ------------------------------------------------------------------------------------------------- */

/* schedctl with a terminal of its own, 10 lines of 70 characters; what it draws comes out of `fd`. */
struct terminal {
	int fd, its_end;
	pid_t pid;
	struct termios before;
	char drawn[65536];
	size_t n;
};

static void terminal_start(struct terminal *t, const char *const *args)
{
	struct winsize size = {.ws_row = 10, .ws_col = 70};
	char *program = proc_program("schedctl");

	memset(t, 0, sizeof(*t));
	t->fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	cr_assert(t->fd >= 0 && grantpt(t->fd) == 0 && unlockpt(t->fd) == 0);
	t->its_end = open(ptsname(t->fd), O_RDWR | O_NOCTTY | O_CLOEXEC);
	cr_assert_geq(t->its_end, 0);
	cr_assert_eq(ioctl(t->its_end, TIOCSWINSZ, &size), 0);
	cr_assert_eq(tcgetattr(t->its_end, &t->before), 0);
	t->pid = fork();
	if (t->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setenv("SCHED_ACCESS_FILE", c->access_file, 1);
		for (int fd = 0; fd < 3; fd++)
			dup2(t->its_end, fd);
		execv(program, (char *const *)(uintptr_t)args);
		_exit(127);
	}
	mem_free(program);
}

/* What comes after it is there for the next call. */
static void terminal_until(struct terminal *t, const char *wanted)
{
	uint64_t until = proc_until(PROC_DEADLINE_MS);
	struct pollfd p = {.fd = t->fd, .events = POLLIN};
	const char *found;

	while ((found = strstr(t->drawn, wanted)) == NULL) {
		ssize_t n;

		cr_assert(poll(&p, 1, proc_ms_left(until)) > 0, "'%s' has not been drawn:\n%s", wanted, t->drawn);
		if (sizeof(t->drawn) - t->n < 8192)
			t->n = 0;
		n = read(t->fd, t->drawn + t->n, 4096);
		cr_assert_gt(n, 0);
		t->n += (size_t)n;
		t->drawn[t->n] = '\0';
	}
	found += strlen(wanted);
	t->n -= (size_t)(found - t->drawn);
	memmove(t->drawn, found, t->n + 1);
}

static void terminal_end(struct terminal *t)
{
	struct termios now;
	int status;

	cr_assert_eq(waitpid(t->pid, &status, 0), t->pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
	cr_assert_eq(tcgetattr(t->its_end, &now), 0);
	cr_assert_eq(now.c_lflag, t->before.c_lflag, "the terminal is as it was");
	cr_assert_eq(now.c_cc[VSUSP], t->before.c_cc[VSUSP]);
	close(t->its_end);
	close(t->fd);
}

static void press(const struct terminal *t, const char *key)
{
	cr_assert_eq(write(t->fd, key, 1), 1);
}

Test(info_ctl, top_sorts_and_gives_the_terminal_back)
{
	static const char *const args[] = {"schedctl", "top", "--interval", "100ms", NULL};
	struct terminal t;

	terminal_start(&t, args);
	terminal_until(&t, "\033[?1049h");
	terminal_until(&t, "3 workers, 6 cpus");
	press(&t, "n");
	terminal_until(&t, "sorted by name");
	press(&t, "m");
	terminal_until(&t, "sorted by memory");
	press(&t, "r");
	terminal_until(&t, "sorted by running");
	press(&t, "q");
	terminal_until(&t, "\033[?1049l");
	terminal_end(&t);
	terminal_start(&t, args);
	terminal_until(&t, "3 workers, 6 cpus");
	kill(t.pid, SIGTERM);
	terminal_until(&t, "\033[?1049l");
	terminal_end(&t);
}

Test(info_ctl, watch_is_redrawn_in_place)
{
	static const char *const args[] = {"schedctl", "info", "--watch", "--interval", "100ms", NULL};
	struct terminal t;

	terminal_start(&t, args);
	terminal_until(&t, "\033[H");
	terminal_until(&t, "3 workers, 6 cpus");
	mem_free(cluster_ctl_ok(c, "worker", "drain", "w2", NULL));
	terminal_until(&t, "\033[H");
	terminal_until(&t, "draining");
	kill(t.pid, SIGINT);
	terminal_end(&t);
}
