/* launcher.c - tests of worker/launcher.h: processes, what follows them, and what their owner hears of it. */
#include "worker/launcher.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/proc.h"
#include "tests/support/turns.h"

static struct loop *l;
static struct watch *watch;
static struct launcher *launcher;
static struct launch_lane lane;

/* A shell line as a launch; it can be held up by a pipe. */
struct line {
	struct launch launch; /* first */
	char *argv[5], *programs[2], *envp[1];
	int has_ended;
	struct launch *successor;
	unsigned place; /* in the order of ends, from 1 */
};

static unsigned n_ended;

static void on_ended(struct launch *it, struct launch *successor, void *arg)
{
	struct line *x = (struct line *)it;

	(void)arg;
	cr_assert(!x->has_ended);
	x->has_ended = 1;
	x->successor = successor;
	x->place = ++n_ended;
}

static void begin(void)
{
	cr_assert_eq(spawn_init(), 0);
	cr_assert_eq(loop_new(&l), SC_OK);
	cr_assert_eq(watch_new(l, &watch), SC_OK);
	cr_assert_eq(launcher_new(watch, on_ended, NULL, &launcher), SC_OK);
	lane_init(&lane);
	n_ended = 0;
}

static void finish(void)
{
	launcher_free(launcher);
	watch_free(watch);
	loop_free(l);
}

TestSuite(launcher, .init = begin, .fini = finish);

/* `in` becomes its standard input. */
static void line_init(struct line *x, const char *text, int in)
{
	memset(x, 0, sizeof(*x));
	launch_init(&x->launch);
	memcpy(x->argv, (char *[]){NULL, (char *)"sh", (char *)"-c", (char *)text, NULL}, sizeof(x->argv));
	x->programs[0] = (char *)"/bin/sh";
	x->launch.request = (struct spawn_request){
		.programs = x->programs,
		.argv = x->argv + 1,
		.envp = x->envp,
		.fds = {in, 1, 2},
		.n_fds = 3,
		.flags = SPAWN_DIES_WITH_US | SPAWN_NEW_GROUP,
	};
}

static void start(struct line *x, const char *text, int in)
{
	line_init(x, text, in);
	cr_assert_eq(launcher_start(launcher, &x->launch, &lane), 0);
}

static void follow(struct line *x, const char *text)
{
	line_init(x, text, 0);
	cr_assert(launcher_follow(launcher, &x->launch, &lane));
}

static int has_ended(void *arg)
{
	return ((struct line *)arg)->has_ended;
}

static int runs(void *arg)
{
	return launcher_pid(launcher, &((struct line *)arg)->launch) > 0;
}

static void until(int (*is_so)(void *arg), struct line *x)
{
	cr_assert(turns_until(l, is_so, x, PROC_DEADLINE_MS));
}

/* A line that goes on until its input is closed. */
static int start_held(struct line *x)
{
	int fds[2];

	cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
	line_init(x, "read x; exit 5", fds[0]);
	cr_assert_eq(launcher_start(launcher, &x->launch, &lane), 0);
	until(runs, x);
	close(fds[0]);
	return fds[1];
}

/* A line whose output can be read here; the child alone has the other end. */
static int start_heard(struct line *x, const char *text)
{
	int fds[2];

	cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
	line_init(x, text, 0);
	x->launch.request.fds[1] = fds[1];
	x->launch.own_fds = 1u << 1;
	cr_assert_eq(launcher_start(launcher, &x->launch, &lane), 0);
	return fds[0];
}

Test(launcher, tells_how_it_ended)
{
	struct line x;

	start(&x, "exit 3", 0);
	until(has_ended, &x);
	cr_assert_eq(x.launch.child.error, 0);
	cr_assert_eq(WEXITSTATUS(x.launch.status), 3);
	cr_assert_null(x.successor);
	cr_assert_geq(x.launch.ended_us, x.launch.started_us);
	cr_assert_gt(x.launch.used.ru_maxrss, 0);
	cr_assert_eq(lane.n_busy, 0);
}

Test(launcher, tells_why_it_did_not_start)
{
	struct line x, next;

	line_init(&x, "true", 0);
	x.programs[0] = (char *)"/no/such/program";
	cr_assert_eq(launcher_start(launcher, &x.launch, &lane), 0);
	until(has_ended, &x);
	cr_assert_eq(x.launch.child.step, SPAWN_RUN);
	cr_assert_eq(x.launch.child.error, ENOENT);
	start(&next, "true", 0); /* the thread is none the worse for it */
	until(has_ended, &next);
	cr_assert_eq(next.launch.status, 0);
}

Test(launcher, closes_what_the_child_was_given)
{
	struct line x;
	int fd;
	char c;

	fd = start_heard(&x, "echo hello");
	until(has_ended, &x);
	cr_assert_eq(read(fd, &c, 1), 1);
	while (read(fd, &c, 1) == 1) /* to its end: nobody else has it */
		;
	close(fd);
}

Test(launcher, followers_go_on_in_order)
{
	struct line head, followers[20];
	int held = start_held(&head);

	for (size_t i = 0; i < 20; i++)
		follow(&followers[i], "true");
	close(held);
	until(has_ended, &followers[19]);
	cr_assert_eq(WEXITSTATUS(head.launch.status), 5);
	cr_assert_eq(head.successor, &followers[0].launch);
	for (unsigned i = 0; i < 20; i++) {
		cr_assert_eq(followers[i].place, i + 2);
		cr_assert_eq(followers[i].successor, i < 19 ? &followers[i + 1].launch : NULL);
	}
	cr_assert_geq(followers[1].launch.started_us, followers[0].launch.ended_us);
	cr_assert_eq(lane.n_busy + lane.n_followers, 0);
}

/* When somebody asks, or nobody is left to go on. */
Test(launcher, ends_are_told_together)
{
	struct line head, next;
	int held = start_held(&head), fds[2];

	cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
	line_init(&next, "read x", fds[0]);
	cr_assert(launcher_follow(launcher, &next.launch, &lane));
	close(held);
	until(runs, &next);
	turns_take(l, 3);
	cr_assert_eq(n_ended, 0);
	launcher_collect(launcher);
	cr_assert(head.has_ended);
	cr_assert_eq(head.successor, &next.launch);
	close(fds[0]);
	close(fds[1]);
	until(has_ended, &next);
}

Test(launcher, nobody_follows_where_nothing_runs)
{
	struct line x;

	line_init(&x, "true", 0);
	cr_assert_not(launcher_follow(launcher, &x.launch, &lane));
	cr_assert_not(launcher_has_room(launcher, &lane, 0, 10));
}

Test(launcher, followers_are_taken_back_until_they_start)
{
	uint64_t before = clock_monotonic_us() - 1;
	struct line head, first, second;
	int held = start_held(&head);

	cr_assert(launcher_has_room(launcher, &lane, before, 2));
	follow(&first, "true");
	follow(&second, "true");
	cr_assert_not(launcher_has_room(launcher, &lane, before, 2));
	cr_assert(launcher_has_room(launcher, &lane, before, 3));
	cr_assert_not(launcher_has_room(launcher, &lane, clock_monotonic_us(), 3)); /* nothing has started since */
	cr_assert_not(launcher_withdraw(launcher, &first.launch, before));	    /* something has: it gets on */
	cr_assert(launcher_withdraw(launcher, &first.launch, UINT64_MAX));
	cr_assert_not(launcher_withdraw(launcher, &first.launch, UINT64_MAX));
	cr_assert_not(launcher_withdraw(launcher, &head.launch, UINT64_MAX)); /* it runs */
	close(held);
	until(has_ended, &second);
	cr_assert_not(first.has_ended);
	cr_assert_eq(head.successor, &second.launch);
}

/* Also one that is sent before there is anybody to have it. */
Test(launcher, signals)
{
	struct line x;

	start(&x, "sleep 1000 & wait", 0);
	launcher_signal(launcher, &x.launch, SIGKILL);
	launcher_signal(launcher, &x.launch, SIGTERM); /* not in its stead */
	until(has_ended, &x);
	cr_assert(WIFSIGNALED(x.launch.status));
	cr_assert_eq(WTERMSIG(x.launch.status), SIGKILL);
	launcher_signal(launcher, &x.launch, SIGTERM); /* to nobody */
	start(&x, "sleep 1000 & wait", 0);
	until(runs, &x);
	launcher_signal(launcher, &x.launch, SIGTERM);
	until(has_ended, &x);
	cr_assert_eq(WTERMSIG(x.launch.status), SIGTERM);
}

Test(launcher, one_that_left_its_group_is_found_all_the_same)
{
	struct line x;
	int fd;
	char c;

	fd = start_heard(&x, "exec perl -e 'setpgrp(0, getpgrp(getppid())); syswrite(STDOUT, \"x\"); sleep 1000'");
	until(runs, &x);
	cr_assert_eq(read(fd, &c, 1), 1);
	close(fd);
	launcher_signal(launcher, &x.launch, SIGTERM);
	until(has_ended, &x);
	cr_assert(WIFSIGNALED(x.launch.status));
	cr_assert_eq(WTERMSIG(x.launch.status), SIGTERM);
}

Test(launcher, nobody_of_the_group_is_left)
{
	struct line x;
	int fd;
	char c;

	fd = start_heard(&x, "sleep 1000 & exit 0");
	until(has_ended, &x);
	cr_assert_eq(x.launch.status, 0);
	cr_assert_eq(read(fd, &c, 1), 0); /* comes to its end when the last one that has it is gone */
	close(fd);
}

/* As many at once as there are, and afterwards not more threads than are kept. */
Test(launcher, each_has_a_thread)
{
	enum { N = 100 };
	static struct line x[N];
	int fds[2];

	cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
	for (size_t i = 0; i < N; i++)
		start(&x[i], "read x", fds[0]);
	for (size_t i = 0; i < N; i++)
		until(runs, &x[i]);
	close(fds[0]);
	close(fds[1]);
	for (size_t i = 0; i < N; i++)
		until(has_ended, &x[i]);
	cr_assert_eq(lane.n_busy, 0);
}
