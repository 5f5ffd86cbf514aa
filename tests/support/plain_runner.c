/*
 * plain_runner.c - runs Criterion tests where Criterion's own runner cannot: under ThreadSanitizer, whose address space
 * has no room for the arena Criterion shares with its children.
 *
 * Takes the place of the runner and of the functions with which a test reports to it; the rest of Criterion is used as
 * it is.  One child a test, one after the other.  Prints the same closing line.  Arguments are ignored but for --filter
 * PREFIX
 * ("suite" or "suite/test") and --timeout SECONDS.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/proc.h"

extern struct criterion_test *__start_cr_tst[] __attribute__((weak));
extern struct criterion_test *__stop_cr_tst[] __attribute__((weak));
extern struct criterion_suite *__start_cr_sts[] __attribute__((weak));
extern struct criterion_suite *__stop_cr_sts[] __attribute__((weak));

static const struct criterion_test *current;
static int asserts_failed;

void cri_asserts_passed_incr(void)
{
}

void criterion_send_assert(struct criterion_assert_stats *stats)
{
	if (stats->passed)
		return;
	asserts_failed++;
	fprintf(stderr, "[----] %s:%u: Assertion Failed\n[----]   %s\n", stats->file, stats->line, stats->message);
}

void criterion_abort_test(void)
{
	exit(1);
}

static const struct criterion_test_extra_data *suite_data(void)
{
	for (struct criterion_suite **s = __start_cr_sts; s < __stop_cr_sts; s++)
		if (*s != NULL && strcmp((*s)->name, current->category) == 0)
			return (*s)->data;
	return NULL;
}

void criterion_internal_test_setup(void)
{
	const struct criterion_test_extra_data *suite = suite_data();

	if (suite != NULL && suite->init != NULL)
		suite->init();
	if (current->data->init != NULL)
		current->data->init();
}

void criterion_internal_test_main(void (*fn)(void))
{
	fn();
}

void criterion_internal_test_teardown(void)
{
	const struct criterion_test_extra_data *suite = suite_data();

	if (current->data->fini != NULL)
		current->data->fini();
	if (suite != NULL && suite->fini != NULL)
		suite->fini();
}

static int run_one(const struct criterion_test *t, double timeout_s)
{
	struct pollfd pfd = {-1, POLLIN, 0};
	double limit_s = t->data->timeout > timeout_s ? t->data->timeout : timeout_s;
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		current = t;
		t->test();
		exit(asserts_failed > 0);
	}
	pfd.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (poll(&pfd, 1, (int)(limit_s * 1000)) == 0) {
		fprintf(stderr, "[FAIL] %s::%s: Timed out.\n", t->category, t->name);
		kill(pid, SIGKILL);
	}
	waitpid(pid, &status, 0);
	close(pfd.fd);
	if (t->data->signal != 0)
		return WIFSIGNALED(status) && WTERMSIG(status) == t->data->signal;
	return WIFEXITED(status) && WEXITSTATUS(status) == t->data->exit_code;
}

int main(int argc, char **argv)
{
	const char *filter = "";
	double timeout_s = 60;
	unsigned tested = 0, failed = 0;

	for (int i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], "--filter") == 0)
			filter = argv[i + 1];
		else if (strcmp(argv[i], "--timeout") == 0)
			timeout_s = strtod(argv[i + 1], NULL);
	}
	for (struct criterion_test **t = __start_cr_tst; t < __stop_cr_tst; t++) {
		char name[256];

		if (*t == NULL || (*t)->data->disabled)
			continue;
		snprintf(name, sizeof(name), "%s/%s", (*t)->category, (*t)->name);
		if (strncmp(name, filter, strcspn(filter, "*")) != 0)
			continue;
		tested++;
		if (!run_one(*t, timeout_s)) {
			failed++;
			fprintf(stderr, "[FAIL] %s::%s\n", (*t)->category, (*t)->name);
		}
	}
	fprintf(stderr, "[====] Synthesis: Tested: %u | Passing: %u | Failing: %u | Crashing: 0\n", tested,
		tested - failed, failed);
	return failed > 0;
}
