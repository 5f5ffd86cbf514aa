/*
 * slot.c - see slot.h.
 *
 * A process is dead when both its socket has been read to its end and it has been waited for: only then is it known
 * which calls have returned and which was running.
 */
#include "worker/slot.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "worker/spawn.h"

static void on_end(struct watched *item, uint32_t events);
static void on_log(struct watched *item, uint32_t events);
static sc_err on_message(struct conn *c, const struct msg *m, void *arg);
static void on_close(struct conn *c, sc_err why, const char *text, void *arg);

static const struct conn_handlers handlers = {NULL, on_message, on_close};

sc_err slot_new(const struct slot_parts *parts, struct slot **out)
{
	struct slot *s = mem_calloc(1, sizeof(*s));

	if (s == NULL)
		return SC_NOMEM;
	s->parts = parts;
	s->pid = s->pidfd = s->log_fd = -1;
	s->end.fn = on_end;
	s->log_ready.fn = on_log;
	TAILQ_INIT(&s->calls);
	*out = s;
	return SC_OK;
}

/* ---- the process ---------------------------------------------------------------------------------------------- */

struct slot_ends {
	int sockets[2];
	int shared_fd;
	int null_fd;
	int log_pipe[2];
};

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* Everything the process needs to have open.  0, or -1 with errno set and what is open still to be closed. */
static int open_ends(struct slot_ends *e)
{
	*e = (struct slot_ends){{-1, -1}, -1, -1, {-1, -1}};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, e->sockets) != 0)
		return -1;
	e->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	e->shared_fd = memfd_create("sched-slot", MFD_CLOEXEC);
	if (e->null_fd < 0 || e->shared_fd < 0 || ftruncate(e->shared_fd, sizeof(struct slot_shared)) != 0)
		return -1;
	return log_enabled(LOG_DEBUG) ? pipe2(e->log_pipe, O_CLOEXEC) : 0;
}

static int spawn(const struct slot_ends *e, const struct base_env *env, struct spawn_child *c)
{
	char place[] = {'0' + SLOT_SOCKET_PLACE, '\0'};
	char *argv[] = {NULL, (char *)"sched-worker", (char *)"--function-slot", place, NULL};
	char *programs[] = {(char *)"/proc/self/exe", NULL};
	char **envp = mem_calloc(env->n + 1, sizeof(char *));
	int out = e->log_pipe[1] >= 0 ? e->log_pipe[1] : e->null_fd;
	struct spawn_request q = {
		.programs = programs,
		.argv = argv + 1,
		.envp = envp,
		.fds = {e->null_fd, out, out, e->sockets[1], e->shared_fd},
		.n_fds = 5,
		.flags = SPAWN_DIES_WITH_US | SPAWN_NEW_GROUP | SPAWN_PIDFD,
	};

	if (envp == NULL) {
		errno = ENOMEM;
		return -1;
	}
	memcpy(envp, env->v, env->n * sizeof(char *));
	spawn_start(&q, c);
	mem_free(envp);
	errno = c->error;
	return c->error == 0 ? 0 : -1;
}

static void forget_process(struct slot *s)
{
	struct loaded_module *m;

	if (s->shared != NULL)
		munmap(s->shared, sizeof(*s->shared));
	s->shared = NULL;
	if (s->log_fd >= 0) {
		watch_forget(s->parts->watch, &s->log_ready);
		close(s->log_fd);
		s->log_fd = -1;
	}
	while ((m = s->loaded) != NULL) {
		s->loaded = m->next;
		mem_free(m);
	}
	s->was_killed = 0;
}

static void kill_group(const struct slot *s)
{
	kill(-s->pid, SIGKILL);
}

/* Our ends of what it has open. */
static int adopt(struct slot *s, struct slot_ends *e, const struct spawn_child *c)
{
	s->pid = c->pid;
	s->pidfd = c->pidfd;
	s->shared = mmap(NULL, sizeof(*s->shared), PROT_READ | PROT_WRITE, MAP_SHARED, e->shared_fd, 0);
	if (s->shared == MAP_FAILED) {
		s->shared = NULL;
		return -1;
	}
	if (conn_new(s->parts->loop, e->sockets[0], &s->parts->limits, &handlers, s, &s->conn) != SC_OK) {
		errno = ENOMEM;
		return -1;
	}
	e->sockets[0] = -1;
	if (e->log_pipe[0] >= 0 && watch_add(s->parts->watch, &s->log_ready, e->log_pipe[0]) == SC_OK) {
		s->log_fd = e->log_pipe[0];
		e->log_pipe[0] = -1;
	}
	return watch_add(s->parts->watch, &s->end, s->pidfd) == SC_OK ? 0 : -1;
}

static void drop_conn(struct slot *s)
{
	static const struct conn_handlers nobody = {NULL, on_message, NULL};

	if (s->conn == NULL)
		return;
	conn_set_handlers(s->conn, &nobody, NULL);
	conn_abort(s->conn, SC_OK, NULL);
	s->conn = NULL;
}

/* Kill it, wait for it, forget it.  It cannot take long: nothing holds up SIGKILL. */
static void put_down(struct slot *s)
{
	drop_conn(s);
	if (s->pid > 0) {
		kill_group(s);
		while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
			;
		watch_forget(s->parts->watch, &s->end);
		close(s->pidfd);
	}
	s->pid = s->pidfd = -1;
	forget_process(s);
}

void slot_reset(struct slot *s)
{
	forget_process(s);
}

sc_err slot_start(struct slot *s)
{
	struct slot_ends e;
	struct spawn_child c = {.pid = -1};
	int failed = open_ends(&e) != 0 || spawn(&e, s->parts->env, &c) != 0, saved;

	if (!failed)
		failed = adopt(s, &e, &c) != 0;
	saved = errno;
	close_all(e.sockets, 2);
	close_all(e.log_pipe, 2);
	close_all(&e.shared_fd, 1);
	close_all(&e.null_fd, 1);
	if (!failed)
		return SC_OK;
	put_down(s);
	log_error("slot", "not-started", "reason=%s", log_quote(strerror(saved)));
	errno = saved;
	return SC_IO;
}

void slot_free(struct slot *s)
{
	put_down(s);
	mem_free(s);
}

void slot_kill(struct slot *s)
{
	if (s->pid <= 0 || s->was_killed)
		return;
	s->was_killed = 1;
	kill_group(s);
}

uint64_t slot_running(const struct slot *s)
{
	return s->shared == NULL ? 0 : atomic_load(&s->shared->running);
}

/* ---- what comes from it --------------------------------------------------------------------------------------- */

/* Both ends have been seen: tell. */
static void check_dead(struct slot *s)
{
	if (s->conn != NULL || s->pid > 0)
		return;
	s->culprit = slot_running(s);
	s->parts->on_dead(s, s->parts->arg);
}

static sc_err on_message(struct conn *c, const struct msg *m, void *arg)
{
	struct slot *s = arg;

	(void)c;
	if (s == NULL)
		return SC_OK;
	if (m->type != MSG_slot_return)
		return SC_UNEXPECTED;
	s->parts->on_return(s, &m->u.slot_return, s->parts->arg);
	return SC_OK;
}

static void on_close(struct conn *c, sc_err why, const char *text, void *arg)
{
	struct slot *s = arg;

	(void)c;
	(void)why;
	(void)text;
	s->conn = NULL;
	if (s->pid > 0)
		kill_group(s); /* a function closed our socket: it is of no use any more */
	check_dead(s);
}

static void on_end(struct watched *item, uint32_t events)
{
	struct slot *s = (struct slot *)((char *)item - offsetof(struct slot, end));

	(void)events;
	kill_group(s); /* what functions left behind may hold the socket open */
	if (waitpid(s->pid, &s->status, WNOHANG) != s->pid)
		return;
	watch_forget(s->parts->watch, &s->end);
	close(s->pidfd);
	s->pid = s->pidfd = -1;
	if (s->conn != NULL)
		shutdown(conn_fd(s->conn),
			 SHUT_RDWR); /* what it wrote is read, then comes the end, whoever else has it */
	check_dead(s);
}

/* What functions write, for whoever debugs them; log.h limits how much of it. */
static void on_log(struct watched *item, uint32_t events)
{
	struct slot *s = (struct slot *)((char *)item - offsetof(struct slot, log_ready));
	char text[1024];
	ssize_t n = read(s->log_fd, text, sizeof(text) - 1);

	(void)events;
	if (n > 0) {
		text[n] = '\0';
		log_debug("slot", "output", "pid=%d text=%s", (int)s->pid, log_quote(text));
		return;
	}
	watch_forget(s->parts->watch, item);
	close(s->log_fd);
	s->log_fd = -1;
}

/* ---- modules -------------------------------------------------------------------------------------------------- */

static struct loaded_module *find_module(const struct slot *s, const struct call_plan *p)
{
	struct loaded_module *m = s->loaded;

	while (m != NULL && strcmp(m->path, p->module.p) != 0)
		m = m->next;
	return m;
}

int slot_has_old(const struct slot *s, const struct call_plan *p)
{
	const struct loaded_module *m = find_module(s, p);

	return m != NULL && !module_file_equal(&m->file, &p->file);
}

void slot_note_module(struct slot *s, const struct call_plan *p)
{
	struct loaded_module *m;

	if (find_module(s, p) != NULL)
		return;
	m = mem_malloc(sizeof(*m) + p->module.n + 1);
	if (m == NULL)
		return; /* a newer one will not be noticed */
	m->file = p->file;
	memcpy(m->path, p->module.p, p->module.n + 1);
	m->next = s->loaded;
	s->loaded = m;
}
