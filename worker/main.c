/*
 * main.c - sched-worker: runs tasks of a scheduler.
 *
 * The same program is, with a hidden first argument, each of its helpers: the guardian, a function slot, and
 * what removes large directories.  Exit status: 0 ended as told; 2 wrong usage or configuration; 3 the scheduler cannot
 * be reached or does not let us in.
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/std_fds.h"
#include "worker/agent.h"
#include "worker/guard.h"
#include "worker/settings.h"
#include "worker/slot_main.h"
#include "worker/sweeper.h"

#define SLICE_NS 100000u /* the shortest there is */

static const struct {
	const char *argument;
	int (*main)(int argc, char **argv);
} helpers[] = {
	{"--guard", guard_main},
	{"--function-slot", slot_main},
	{"--remove-tree", sweeper_main},
};

/* Whatever was inherited besides the standard descriptors stays with us. */
static int tidy_descriptors(void)
{
	if (std_fds_ensure(O_RDWR) != 0)
		return -1;
	syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, 1u << 2 /* CLOSE_RANGE_CLOEXEC */);
	return 0;
}

/*
 * With as many children running as there are processors, the agent has to wait for one of them when a child has ended
 * and a slot is idle.  A short slice lets it run at once, for the little it does (EEVDF, Linux 6.12; earlier kernels
 * take no notice).  Children have slices like everybody's.
 */
static void ask_for_short_slices(void)
{
	struct sched_attr a = {
		.size = sizeof(a),
		.sched_policy = SCHED_NORMAL,
		.sched_flags = SCHED_FLAG_RESET_ON_FORK,
		.sched_runtime = SLICE_NS,
	};

	(void)syscall(SYS_sched_setattr, 0, &a, 0); /* nothing is lost without it but some speed */
}

int main(int argc, char **argv)
{
	struct settings settings;
	int status;

	for (size_t i = 0; argc > 1 && i < sizeof(helpers) / sizeof(helpers[0]); i++)
		if (strcmp(argv[1], helpers[i].argument) == 0)
			return helpers[i].main(argc, argv);
	ask_for_short_slices();
	if (tidy_descriptors() != 0) {
		perror("sched-worker: /dev/null");
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL); /* ignored, as it may be inherited, it would take the exit statuses of tasks away */
	switch (settings_read(argc, argv, &settings)) {
	case SETTINGS_DONE:
		return 0;
	case SETTINGS_BAD:
		return 2;
	case SETTINGS_OK:
		break;
	}
	log_set_level((enum log_level)log_level_parse(settings.options.log_level));
	status = agent_run(&settings);
	settings_fini(&settings);
	return status;
}
