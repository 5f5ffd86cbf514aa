/* balance.c - tasks queued at one agent move to another that has nothing to do, and each runs once all the same. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "tests/support/cluster.h"

#define TASKS 16

/*
 * The first task is quick, so that the rest is queued ahead at the only agent; the second of them holds it up until a
 * task has run at the other agent, which is started when everything is queued.  Nothing ends unless something moves.
 */
Test(balance, a_queue_behind_a_task_that_hangs_is_taken_over)
{
	static const char *const args[] = {"--set", "scheduler.prefetch-time=10s", NULL};
	struct cluster *c = cluster_start(&(struct cluster_spec){.n_workers = 1, .slots = 1, .sched_args = args});
	char script[1024], key[64];
	char *ran;
	size_t n_bytes;

	snprintf(script, sizeof(script), "%s/fifo", c->dir);
	cr_assert_eq(mkfifo(script, 0600), 0);
	snprintf(script, sizeof(script),
		 "cd '%s'; echo $SCHED_INDEX >> ran; test $SCHED_INDEX -ne 1 || until [ $(wc -l < ran) -ge %d ]; do "
		 "read -t 0.05 x <> fifo; done; true",
		 c->dir, TASKS / 2);
	mem_free(cluster_ctl_ok(c, "submit", "--name", "t", "--array", "0-15", "--", "bash", "-c", script, NULL));
	cluster_until(c, "\"ready\": 0", PROC_DEADLINE_MS, "--json", "job", "show", "1", NULL);
	cluster_worker_start(c, 1, NULL);
	mem_free(cluster_ctl_ok(c, "job", "wait", "1", NULL));
	snprintf(script, sizeof(script), "%s/ran", c->dir);
	ran = file_read(script, &n_bytes);
	for (int i = 0; i < TASKS; i++) {
		const char *at = ran;
		int times = 0;

		snprintf(key, sizeof(key), "%d\n", i);
		for (; (at = strstr(at, key)) != NULL; at++)
			times += at == ran || at[-1] == '\n';
		cr_expect_eq(times, 1, "task %d ran %d times", i, times);
	}
	mem_free(ran);
	cluster_stop(c);
}
