/* sweeper.c - see sweeper.h. */
#include "worker/sweeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "worker/spawn.h"
#include "worker/spool.h"

struct sweep {
	LIST_ENTRY(sweep) link;
	struct sweeper *sweeper;
	struct watched end;
	pid_t pid;
	int pidfd;
};

struct sweeper {
	struct watch *watch;
	LIST_HEAD(, sweep) running;
};

sc_err sweeper_new(struct watch *w, struct sweeper **out)
{
	struct sweeper *s = mem_calloc(1, sizeof(*s));

	if (s == NULL)
		return SC_NOMEM;
	s->watch = w;
	LIST_INIT(&s->running);
	*out = s;
	return SC_OK;
}

static void sweep_free(struct sweep *x)
{
	LIST_REMOVE(x, link);
	watch_forget(x->sweeper->watch, &x->end);
	close(x->pidfd);
	mem_free(x);
}

void sweeper_free(struct sweeper *s)
{
	struct sweep *x;

	if (s == NULL)
		return;
	while ((x = LIST_FIRST(&s->running)) != NULL)
		sweep_free(x);
	mem_free(s);
}

static void on_end(struct watched *item, uint32_t events)
{
	struct sweep *x = (struct sweep *)((char *)item - offsetof(struct sweep, end));
	int status = 0;

	(void)events;
	if (waitpid(x->pid, &status, WNOHANG) == x->pid && status != 0)
		log_warn("sweeper", "not-removed", "status=%d", status);
	sweep_free(x);
}

/* It does not die with the agent: then it helps the guardian. */
static sc_err launch(const char *path, struct sweep *x)
{
	char *argv[] = {NULL, (char *)"sched-worker", (char *)"--remove-tree", (char *)path, NULL};
	char *programs[] = {(char *)"/proc/self/exe", NULL};
	char *envp[] = {(char *)"PATH=/usr/bin:/bin", NULL};
	struct spawn_request q = {
		.programs = programs, .argv = argv + 1, .envp = envp, .cwd = "/", .n_fds = 3, .flags = SPAWN_PIDFD};
	struct spawn_child c;
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null_fd < 0)
		return SC_IO;
	q.fds[0] = q.fds[1] = q.fds[2] = null_fd;
	spawn_start(&q, &c);
	close(null_fd);
	x->pid = c.pid;
	x->pidfd = c.pidfd;
	errno = c.error;
	return c.error == 0 ? SC_OK : SC_IO;
}

void sweeper_remove(const char *path, void *arg)
{
	struct sweeper *s = arg;
	struct sweep *x = mem_calloc(1, sizeof(*x));

	if (x == NULL || launch(path, x) != SC_OK) {
		log_warn("sweeper", "not-started", "path=%s reason=%s", log_quote(path), log_quote(strerror(errno)));
		mem_free(x);
		return;
	}
	x->sweeper = s;
	x->end.fn = on_end;
	LIST_INSERT_HEAD(&s->running, x, link);
	if (watch_add(s->watch, &x->end, x->pidfd) != SC_OK)
		sweep_free(x);
}

int sweeper_main(int argc, char **argv)
{
	size_t budget = SIZE_MAX;

	if (argc != 3) {
		fprintf(stderr, "sched-worker: --remove-tree is not for use from outside\n");
		return 2;
	}
	return tree_remove(argv[2], &budget) == SC_OK ? 0 : 1;
}
