/* guard.c - see guard.h: the agent's side first, then the guardian's. */
#include "worker/guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "worker/spawn.h"
#include "worker/spool.h"

#define PIPE_PLACE     3
#define RESTART_US     US_PER_S
#define WAIT_AT_END_MS 10000
#define CLEAN_MAX_US   (60u * US_PER_S)
#define SCAN_PAUSE_MS  5

struct guard {
	const char *cookie;
	const char *spool_dir;
	pid_t pid;
	int pidfd;
	int pipe_fd; /* open as long as the agent lives */
	struct loop *loop;
	struct watch *watch;
	struct deadlines *deadlines;
	struct watched end;
	struct deadline restart;
};

static sc_err start(struct guard *g)
{
	char *argv[] = {NULL, (char *)"sched-worker", (char *)"--guard", (char *)g->cookie, (char *)g->spool_dir, NULL};
	char *programs[] = {(char *)"/proc/self/exe", NULL};
	char *envp[] = {(char *)"PATH=/usr/bin:/bin", NULL};
	struct spawn_request q = {
		.programs = programs, .argv = argv + 1, .envp = envp, .cwd = "/", .n_fds = 4, .flags = SPAWN_PIDFD};
	struct spawn_child c = {.error = EMFILE};
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC), fds[2];

	if (null_fd >= 0 && pipe2(fds, O_CLOEXEC) == 0) {
		q.fds[0] = q.fds[1] = q.fds[2] = null_fd;
		q.fds[PIPE_PLACE] = fds[0];
		spawn_start(&q, &c);
		close(fds[0]);
		if (c.error != 0)
			close(fds[1]);
	}
	if (null_fd >= 0)
		close(null_fd);
	if (c.error != 0) {
		log_error("guard", "not-started", "reason=%s", log_quote(strerror(c.error)));
		return SC_IO;
	}
	g->pid = c.pid;
	g->pidfd = c.pidfd;
	g->pipe_fd = fds[1];
	return SC_OK;
}

static void reap(struct guard *g)
{
	if (g->pid > 0)
		waitpid(g->pid, NULL, WNOHANG);
	if (g->pidfd >= 0)
		close(g->pidfd);
	if (g->pipe_fd >= 0)
		close(g->pipe_fd);
	g->pid = g->pidfd = g->pipe_fd = -1;
}

sc_err guard_new(const char *cookie, const char *spool_dir, struct guard **out)
{
	struct guard *g = mem_calloc(1, sizeof(*g));
	sc_err err;

	if (g == NULL)
		return SC_NOMEM;
	g->cookie = cookie;
	g->spool_dir = spool_dir;
	g->pid = g->pidfd = g->pipe_fd = -1;
	err = start(g);
	if (err != SC_OK) {
		mem_free(g);
		return err;
	}
	*out = g;
	return SC_OK;
}

static void on_end(struct watched *item, uint32_t events)
{
	struct guard *g = (struct guard *)((char *)item - offsetof(struct guard, end));

	(void)events;
	log_warn("guard", "died", "pid=%d", (int)g->pid);
	watch_forget(g->watch, &g->end);
	reap(g);
	/* not at once: what kills guardians may do so again */
	deadline_set(g->deadlines, &g->restart, loop_now_us(g->loop) + RESTART_US);
}

static void on_restart(void *arg)
{
	struct guard *g = arg;

	if (start(g) != SC_OK || watch_add(g->watch, &g->end, g->pidfd) != SC_OK)
		deadline_set(g->deadlines, &g->restart, loop_now_us(g->loop) + RESTART_US);
}

void guard_watch(struct guard *g, struct loop *l, struct watch *w, struct deadlines *d)
{
	g->loop = l;
	g->watch = w;
	g->deadlines = d;
	g->end.fn = on_end;
	g->restart.fn = on_restart;
	g->restart.arg = g;
	if (watch_add(w, &g->end, g->pidfd) != SC_OK)
		log_warn("guard", "not-watched", "pid=%d", (int)g->pid);
}

void guard_free(struct guard *g)
{
	struct pollfd p;

	if (g == NULL)
		return;
	if (g->deadlines != NULL)
		deadline_clear(g->deadlines, &g->restart);
	if (g->pipe_fd >= 0) {
		close(g->pipe_fd);
		g->pipe_fd = -1;
		p = (struct pollfd){.fd = g->pidfd, .events = POLLIN};
		while (poll(&p, 1, WAIT_AT_END_MS) < 0 && errno == EINTR)
			;
	}
	reap(g);
	mem_free(g);
}

/* ---- the guardian --------------------------------------------------------------------------------------------- */

/* Whether the environment of a process has the mark; it may be cut anywhere between two reads. */
static int has_mark(const char *pid, const char *mark)
{
	char path[64], text[8192];
	size_t kept = 0, len = strlen(mark);
	ssize_t n;
	int fd, found = 0;

	snprintf(path, sizeof(path), "/proc/%.20s/environ", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	while (!found && (n = read(fd, text + kept, sizeof(text) - kept)) > 0) {
		size_t have = kept + (size_t)n;

		found = memmem(text, have, mark, len) != NULL;
		kept = have < len ? have : len - 1;
		memmove(text, text + have - kept, kept);
	}
	close(fd);
	return found;
}

/* Kill those who bear the mark.  Returns how many there were. */
static size_t kill_marked(const char *mark)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	size_t found = 0;

	while (d != NULL && (e = readdir(d)) != NULL) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
		int fd;

		if (pid <= 1 || pid == getpid())
			continue;
		/* opened before it is looked at: should the number be used again meanwhile, the signal hits nobody */
		fd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (fd < 0)
			continue;
		if (has_mark(e->d_name, mark)) {
			found++;
			syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
		}
		close(fd);
	}
	if (d != NULL)
		closedir(d);
	return found;
}

static void wait_for_end(int fd)
{
	char scrap[16];
	ssize_t n;

	do
		n = read(fd, scrap, sizeof(scrap));
	while (n > 0 || (n < 0 && errno == EINTR));
}

int guard_main(int argc, char **argv)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
	char mark[sizeof(GUARD_COOKIE_NAME) + 1 + 2 * GUARD_COOKIE_HEX];
	uint64_t until;
	size_t budget = SIZE_MAX;

	if (argc != 4 || strlen(argv[2]) != GUARD_COOKIE_HEX) {
		fprintf(stderr, "sched-worker: --guard is not for use from outside\n");
		return 2;
	}
	setsid(); /* signals of the agent's terminal are not for us */
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	prctl(PR_SET_NAME, "sched-guard", 0, 0, 0);
	snprintf(mark, sizeof(mark), GUARD_COOKIE_NAME "=%s", argv[2]);
	wait_for_end(PIPE_PLACE);
	until = clock_monotonic_us() + CLEAN_MAX_US;
	while (kill_marked(mark) > 0 && clock_monotonic_us() < until)
		poll(NULL, 0, SCAN_PAUSE_MS);
	return tree_remove(argv[3], &budget) == SC_OK ? 0 : 1;
}
