/* spawn.c - tests of worker/spawn.h: children as they are started, and why they are not. */
#include "worker/spawn.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/support/cluster.h"

static char *const no_env[] = {NULL};

static void begin(void)
{
	cr_assert_eq(spawn_init(), 0);
}

TestSuite(spawn, .init = begin);

/* Run a shell line with descriptor `out` as standard output; the wait status. */
static int shell(const char *line, int out, unsigned flags)
{
	char *argv[] = {NULL, "sh", "-c", (char *)line, NULL}, *programs[] = {"/bin/sh", NULL};
	struct spawn_request q = {.programs = programs,
				  .argv = argv + 1,
				  .envp = no_env,
				  .cwd = "/",
				  .fds = {0, out, 2},
				  .n_fds = 3,
				  .flags = flags};
	struct spawn_child c;
	int status;

	cr_assert_eq(spawn_start(&q, &c), 0, "%s", strerror(c.error));
	cr_assert_eq(waitpid(c.pid, &status, 0), c.pid);
	if (c.pidfd >= 0)
		close(c.pidfd);
	return status;
}

static const char *output_of(const char *line, unsigned flags)
{
	static char text[256];
	int fds[2];
	ssize_t n;

	cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
	cr_assert_eq(shell(line, fds[1], flags), 0);
	close(fds[1]);
	n = read(fds[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	close(fds[0]);
	return text;
}

Test(spawn, runs_and_tells_its_status)
{
	cr_assert_eq(WEXITSTATUS(shell("exit 7", 1, 0)), 7);
	cr_assert_str_eq(output_of("pwd", 0), "/\n");
}

Test(spawn, leads_a_group)
{
	cr_assert_str_eq(output_of("read a b c d g rest < /proc/self/stat; echo $((g == $$))", SPAWN_NEW_GROUP), "1\n");
	cr_assert_str_eq(output_of("read a b c d g rest < /proc/self/stat; echo $((g == $$))", 0), "0\n");
}

/* Signals 32 and 33 are the C library's own: nobody can set them, and they come from whoever started the tests. */
#define SIGNALS_OF_PROGRAMS 0x7fffffffu

Test(spawn, signals_are_as_a_program_expects)
{
	static const char *const which[] = {"SigBlk", "SigIgn"};
	char line[100];

	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	for (int i = 0; i < 2; i++) {
		snprintf(line, sizeof(line), "sed -n 's/^%s:.//p' /proc/self/status", which[i]);
		cr_assert_eq(strtoull(output_of(line, 0), NULL, 16) & SIGNALS_OF_PROGRAMS, 0, "%s", which[i]);
	}
}

Test(spawn, has_the_descriptors_it_was_given_alone)
{
	int extra = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char line[100];

	snprintf(line, sizeof(line), "[ -e /proc/$$/fd/2 ] && [ ! -e /proc/$$/fd/%d ] && echo so", extra);
	cr_assert_str_eq(output_of(line, 0), "so\n");
	close(extra);
}

static void expect_failure(char *program, const char *cwd, enum spawn_step step, int error)
{
	char *argv[] = {NULL, program, NULL}, *programs[] = {program, NULL};
	struct spawn_request q = {
		.programs = programs, .argv = argv + 1, .envp = no_env, .cwd = cwd, .fds = {0, 1, 2}, .n_fds = 3};
	struct spawn_child c;

	cr_assert_eq(spawn_start(&q, &c), -1);
	cr_assert_eq(c.step, step);
	cr_assert_eq(c.error, error, "%s", strerror(c.error));
	cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left to wait for */
}

Test(spawn, says_what_failed)
{
	expect_failure("/no/such/program", NULL, SPAWN_RUN, ENOENT);
	expect_failure("/etc/passwd", NULL, SPAWN_RUN, EACCES);
	expect_failure("/bin/true", "/no/such", SPAWN_ENTER, ENOENT);
}

Test(spawn, candidates)
{
	struct arena a = {0};
	char *env[] = {"PATH=/nowhere:/bin", NULL};
	char **programs = spawn_candidates(&a, "sh", env);
	char *argv[] = {NULL, "sh", "-c", "exit 3", NULL};
	unsigned hint = 0;
	struct spawn_request q = {
		.programs = programs, .hint = &hint, .argv = argv + 1, .envp = env, .fds = {0, 1, 2}, .n_fds = 3};
	struct spawn_child c;
	int status;

	for (int i = 0; i < 2; i++) {
		cr_assert_eq(spawn_start(&q, &c), 0);
		cr_assert_eq(hint, 1); /* the directory where it was */
		cr_assert_eq(waitpid(c.pid, &status, 0), c.pid);
		cr_assert_eq(WEXITSTATUS(status), 3);
		close(c.pidfd);
	}
	cr_assert_str_eq(spawn_candidates(&a, "./x", env)[0], "./x");
	arena_fini(&a);
}

Test(spawn, script_without_a_first_line)
{
	char *dir = dir_new(), path[600], *programs[] = {path, NULL};
	char *argv[] = {NULL, "script", "5", NULL};
	struct spawn_request q = {.programs = programs, .argv = argv + 1, .envp = no_env, .fds = {0, 1, 2}, .n_fds = 3};
	struct spawn_child c;
	int status, fd;

	snprintf(path, sizeof(path), "%s/script", dir);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0700);
	cr_assert_eq(write(fd, "exit $1\n", 8), 8);
	close(fd);
	cr_assert_eq(spawn_start(&q, &c), 0);
	waitpid(c.pid, &status, 0);
	cr_assert_eq(WEXITSTATUS(status), 5);
	close(c.pidfd);
	dir_remove(dir);
	mem_free(dir);
}
