/* agent_death.c - no child survives its agent, however that ends. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/support/cluster.h"

/* Starts a child, a grandchild in the same group and one in a session of its own; their pids are in files. */
static const char family[] = "echo $$ > leader; sh -c 'echo $$ > child; exec sleep 1000' & "
			     "setsid sh -c 'echo $$ > escaped; exec sleep 1000' & "
			     "until [ -s child ] && [ -s escaped ]; do sleep 0.01; done; echo > up; exec sleep 1000";

static pid_t pid_in(struct cluster *c, const char *name)
{
	char path[4200], *text;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/%s", c->dir, name);
	text = file_read(path, NULL);
	cr_assert_not_null(text, "%s", path);
	pid = (pid_t)strtol(text, NULL, 10);
	mem_free(text);
	cr_assert_gt(pid, 1);
	return pid;
}

static struct cluster *start_family(pid_t pids[3])
{
	static const char *const names[] = {"leader", "child", "escaped"};
	struct cluster *c = cluster_start(&(struct cluster_spec){.n_workers = 1, .slots = 1});
	const char *args[] = {"-c", "until [ -e up ]; do sleep 0.02; done", NULL};
	struct run r;

	mem_free(cluster_ctl_ok(c, "submit", "--", "sh", "-c", family, NULL));
	r = run_program(&(struct proc_spec){.program = "sh", .args = args, .cwd = c->dir}, PROC_DEADLINE_MS);
	run_free(&r);
	for (int i = 0; i < 3; i++) {
		pids[i] = pid_in(c, names[i]);
		cr_assert_eq(kill(pids[i], 0), 0, "%s runs", names[i]);
	}
	return c;
}

static void expect_gone(const pid_t pids[3])
{
	for (int i = 0; i < 3; i++)
		cr_assert(proc_wait_gone(pids[i], PROC_DEADLINE_MS), "process %d is still there", (int)pids[i]);
}

Test(agent_death, by_kill_9)
{
	pid_t pids[3];
	struct cluster *c = start_family(pids);

	cluster_worker_kill(c, 0);
	expect_gone(pids);
	cluster_stop(c);
}

Test(agent_death, by_terminate)
{
	pid_t pids[3];
	struct cluster *c = start_family(pids);

	proc_signal(c->workers[0], SIGTERM);
	cr_assert_eq(proc_wait_exit(c->workers[0], PROC_DEADLINE_MS), 0);
	expect_gone(pids);
	proc_free(c->workers[0]);
	c->workers[0] = NULL;
	cluster_stop(c);
}

Test(agent_death, of_a_task_that_is_cancelled)
{
	pid_t pids[3];
	struct cluster *c = start_family(pids);

	mem_free(cluster_ctl_ok(c, "job", "cancel", "1", NULL));
	/* Those of its process group; one in a session of its own goes with the agent. */
	cr_assert(proc_wait_gone(pids[0], PROC_DEADLINE_MS));
	cr_assert(proc_wait_gone(pids[1], PROC_DEADLINE_MS));
	cluster_worker_kill(c, 0);
	expect_gone(pids);
	cluster_stop(c);
}

/* The scheduler dies: the agent stops what it ran, says so, and comes back when there is one again. */
Test(agent_death, of_the_scheduler)
{
	pid_t pids[3];
	struct cluster *c = start_family(pids);

	proc_signal(c->sched, SIGKILL);
	proc_wait_exit(c->sched, PROC_DEADLINE_MS);
	cr_assert(proc_wait_gone(pids[0], PROC_DEADLINE_MS));
	cr_assert(proc_wait_gone(pids[1], PROC_DEADLINE_MS));
	cluster_sched_start(c);
	proc_wait_log(c->sched, "worker registered", 0, PROC_DEADLINE_MS);
	mem_free(cluster_ctl_ok(c, "submit", "--wait", "--", "true", NULL));
	cluster_worker_kill(c, 0);
	expect_gone(pids);
	cluster_stop(c);
}
