/* proc.c - see proc.h. */
#include "tests/support/proc.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

#define OUTPUT_MAX_BYTES ((size_t)256 * 1024 * 1024)
#define SHOWN_BYTES	 4000u

struct line {
	struct line *next;
	char text[];
};

struct proc {
	char *name;
	pid_t pid;
	int pidfd;
	int out_fd; /* -1 at its end */
	int err_fd; /* the log file, read with pread */
	char *err_path;
	int reaped;
	int status;
	struct buf out;
	size_t out_taken; /* lines before this were looked at by proc_wait_line */
	struct buf err;
	struct line *lines;
};

int proc_ms_left(uint64_t until_us)
{
	uint64_t now = clock_monotonic_us();

	return now >= until_us ? 0 : (int)((until_us - now + 999) / 1000);
}

uint64_t proc_until(unsigned deadline_ms)
{
	return clock_monotonic_us() + (uint64_t)deadline_ms * US_PER_MS;
}

char *proc_program(const char *name)
{
	const char *bin = getenv("SCHED_BIN");
	struct buf path;
	char *copy;

	buf_init(&path, 4096);
	if (bin != NULL && strchr(name, '/') == NULL)
		buf_printf(&path, "%s/%s", bin, name);
	copy = mem_strdup(path.len > 0 && access(buf_str(&path), X_OK) == 0 ? buf_str(&path) : name);
	buf_fini(&path);
	return copy;
}

/* ---- starting ------------------------------------------------------------------------------------------------- */

static char **build_argv(const char *program, const char *const *args)
{
	size_t n = 0;
	char **argv;

	while (args != NULL && args[n] != NULL)
		n++;
	argv = mem_calloc(n + 2, sizeof(*argv));
	argv[0] = mem_strdup(program);
	for (size_t i = 0; i < n; i++)
		argv[i + 1] = mem_strdup(args[i]);
	return argv;
}

static int same_name(const char *a, const char *b)
{
	size_t na = strcspn(a, "="), nb = strcspn(b, "=");

	return na == nb && memcmp(a, b, na) == 0;
}

static char **build_env(const char *const *added)
{
	size_t n = 0, n_added = 0, at = 0;
	char **env;

	while (environ[n] != NULL)
		n++;
	while (added != NULL && added[n_added] != NULL)
		n_added++;
	env = mem_calloc(n + n_added + 1, sizeof(*env));
	for (size_t i = 0; i < n; i++) {
		int replaced = 0;

		for (size_t k = 0; k < n_added; k++)
			replaced |= same_name(environ[i], added[k]);
		if (!replaced)
			env[at++] = mem_strdup(environ[i]);
	}
	for (size_t k = 0; k < n_added; k++)
		if (strchr(added[k], '=') != NULL)
			env[at++] = mem_strdup(added[k]);
	return env;
}

static void free_strings(char **v)
{
	for (size_t i = 0; v[i] != NULL; i++)
		mem_free(v[i]);
	mem_free(v);
}

struct child_setup {
	char **argv, **env;
	const char *cwd;
	int in, out, err;
	pid_t parent;
};

/* In the child, between fork and exec: only calls that are safe there. */
static void become(const struct child_setup *s)
{
	sigset_t none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != s->parent)
		_exit(126);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(s->in, 0) < 0 || dup2(s->out, 1) < 0 || dup2(s->err, 2) < 0)
		_exit(126);
	syscall(SYS_close_range, 3, ~0u, 0);
	if (s->cwd != NULL && chdir(s->cwd) != 0)
		_exit(126);
	execvpe(s->argv[0], s->argv, s->env);
	_exit(127);
}

/* A file that holds the text, open at its beginning: no pipe, so nobody has to write while the program reads. */
static int stdin_of(const char *text)
{
	char path[] = "/tmp/sched-test-stdin.XXXXXX";
	int fd;

	if (text == NULL)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	fd = mkostemp(path, O_CLOEXEC);
	cr_assert(fd >= 0, "mkstemp: %s", strerror(errno));
	unlink(path);
	cr_assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	lseek(fd, 0, SEEK_SET);
	return fd;
}

struct proc *proc_start(const struct proc_spec *spec)
{
	struct proc *p = mem_calloc(1, sizeof(*p));
	char *program = proc_program(spec->program), err_path[] = "/tmp/sched-test-stderr.XXXXXX";
	struct child_setup s = {.cwd = spec->cwd, .parent = getpid()};
	int pipe_fds[2];

	p->name = mem_strdup(spec->program);
	buf_init(&p->out, OUTPUT_MAX_BYTES);
	buf_init(&p->err, OUTPUT_MAX_BYTES);
	s.argv = build_argv(program, spec->args);
	s.env = build_env(spec->env);
	s.in = stdin_of(spec->stdin_text);
	s.err = mkostemp(err_path, O_CLOEXEC | O_APPEND);
	cr_assert(s.in >= 0 && s.err >= 0 && pipe2(pipe_fds, O_CLOEXEC) == 0, "%s: %s", p->name, strerror(errno));
	s.out = pipe_fds[1];
	p->err_path = mem_strdup(err_path);
	p->pid = fork();
	if (p->pid == 0)
		become(&s);
	cr_assert(p->pid > 0, "fork: %s", strerror(errno));
	setpgid(p->pid, p->pid); /* whoever comes first: a signal to the group must not miss it */
	p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	cr_assert(p->pidfd >= 0, "pidfd_open: %s", strerror(errno));
	p->out_fd = pipe_fds[0];
	p->err_fd = s.err;
	fcntl(p->out_fd, F_SETFL, O_NONBLOCK);
	close(s.in);
	close(s.out);
	free_strings(s.argv);
	free_strings(s.env);
	mem_free(program);
	return p;
}

static void reap(struct proc *p, int options)
{
	if (p->reaped || waitpid(p->pid, &p->status, options) != p->pid)
		return;
	p->reaped = 1;
}

void proc_free(struct proc *p)
{
	struct line *l;

	if (p == NULL)
		return;
	if (!p->reaped)
		kill(p->pid, SIGKILL);
	kill(-p->pid, SIGKILL);
	reap(p, 0);
	while ((l = p->lines) != NULL) {
		p->lines = l->next;
		mem_free(l);
	}
	if (p->out_fd >= 0)
		close(p->out_fd);
	close(p->err_fd);
	close(p->pidfd);
	unlink(p->err_path);
	buf_fini(&p->out);
	buf_fini(&p->err);
	mem_free(p->err_path);
	mem_free(p->name);
	mem_free(p);
}

pid_t proc_pid(const struct proc *p)
{
	return p->pid;
}

void proc_signal(struct proc *p, int signo)
{
	syscall(SYS_pidfd_send_signal, p->pidfd, signo, NULL, 0);
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

static void read_stdout(struct proc *p)
{
	for (;;) {
		uint8_t chunk[65536];
		ssize_t n = p->out_fd < 0 ? 0 : read(p->out_fd, chunk, sizeof(chunk));

		if (n < 0)
			return;
		if (n == 0)
			break;
		buf_append(&p->out, chunk, (size_t)n);
	}
	if (p->out_fd >= 0)
		close(p->out_fd);
	p->out_fd = -1;
}

const char *proc_stdout(struct proc *p, size_t *n_bytes)
{
	read_stdout(p);
	if (n_bytes != NULL)
		*n_bytes = p->out.len;
	return buf_str(&p->out);
}

const char *proc_stderr(struct proc *p)
{
	uint8_t chunk[65536];
	ssize_t n;

	while ((n = pread(p->err_fd, chunk, sizeof(chunk), (off_t)p->err.len)) > 0)
		buf_append(&p->err, chunk, (size_t)n);
	return buf_str(&p->err);
}

static const char *tail(const char *text)
{
	size_t n = strlen(text);

	return n > SHOWN_BYTES ? text + n - SHOWN_BYTES : text;
}

static void give_up(struct proc *p, const char *what, const char *detail)
{
	reap(p, WNOHANG);
	cr_assert_fail("%s: %s%s (%s)\n-- standard output:\n%s\n-- standard error:\n%s", p->name, what, detail,
		       p->reaped ? "it has ended" : "it runs", tail(proc_stdout(p, NULL)), tail(proc_stderr(p)));
}

/* The next whole line not looked at yet, or NULL. */
static struct line *take_line(struct proc *p)
{
	const char *start = (const char *)p->out.data + p->out_taken;
	const char *end = p->out.len > p->out_taken ? memchr(start, '\n', p->out.len - p->out_taken) : NULL;
	struct line *l;

	if (end == NULL)
		return NULL;
	l = mem_calloc(1, sizeof(*l) + (size_t)(end - start) + 1);
	memcpy(l->text, start, (size_t)(end - start));
	l->next = p->lines;
	p->lines = l;
	p->out_taken += (size_t)(end - start) + 1;
	return l;
}

const char *proc_wait_line(struct proc *p, const char *prefix, unsigned deadline_ms)
{
	uint64_t until = proc_until(deadline_ms);

	for (;;) {
		struct pollfd pfd = {p->out_fd, POLLIN, 0};
		struct line *l;

		while ((l = take_line(p)) != NULL)
			if (strncmp(l->text, prefix, strlen(prefix)) == 0)
				return l->text;
		if (p->out_fd < 0 || poll(&pfd, 1, proc_ms_left(until)) == 0)
			give_up(p, "no line on standard output that begins with ", prefix);
		read_stdout(p);
	}
}

size_t proc_wait_log(struct proc *p, const char *text, size_t from, unsigned deadline_ms)
{
	uint64_t until = proc_until(deadline_ms);
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	cr_assert(fd >= 0 && inotify_add_watch(fd, p->err_path, IN_MODIFY) >= 0, "inotify: %s", strerror(errno));
	for (;;) {
		const char *log = proc_stderr(p);
		const char *at = p->err.len >= from ? strstr(log + from, text) : NULL;
		struct pollfd pfds[2] = {{fd, POLLIN, 0}, {p->pidfd, POLLIN, 0}};
		char events[4096];

		if (at != NULL) {
			close(fd);
			return (size_t)(at - log) + strlen(text);
		}
		if (poll(pfds, 2, proc_ms_left(until)) == 0 ||
		    (pfds[1].revents != 0 && strstr(proc_stderr(p) + from, text) == NULL))
			give_up(p, "its log does not say ", text);
		while (read(fd, events, sizeof(events)) > 0)
			;
	}
}

int proc_has_ended(struct proc *p, unsigned deadline_ms)
{
	uint64_t until = proc_until(deadline_ms);

	for (;;) {
		struct pollfd pfds[2] = {{p->pidfd, POLLIN, 0}, {p->out_fd, POLLIN, 0}};

		if (poll(pfds, p->out_fd < 0 ? 1 : 2, proc_ms_left(until)) == 0)
			return 0;
		read_stdout(p);
		if (pfds[0].revents != 0) {
			reap(p, 0);
			read_stdout(p);
			return 1;
		}
	}
}

int proc_wait_exit(struct proc *p, unsigned deadline_ms)
{
	if (!p->reaped && !proc_has_ended(p, deadline_ms))
		give_up(p, "does not end", "");
	return WIFSIGNALED(p->status) ? 128 + WTERMSIG(p->status) : WEXITSTATUS(p->status);
}

char *proc_ready_value(const char *line, const char *key)
{
	size_t n = strlen(key);

	for (const char *at = strchr(line, ' '); at != NULL; at = strchr(at, ' ')) {
		at++;
		if (strncmp(at, key, n) == 0 && at[n] == '=')
			return mem_strndup(at + n + 1, strcspn(at + n + 1, " \n"));
	}
	cr_assert_fail("no %s= in '%s'", key, line);
	return NULL;
}

int proc_wait_gone(pid_t pid, unsigned deadline_ms)
{
	uint64_t until = proc_until(deadline_ms);

	for (;;) {
		int fd = (int)syscall(SYS_pidfd_open, pid, 0);
		struct pollfd pfd = {fd, POLLIN, 0};

		if (fd < 0 && kill(-pid, 0) != 0)
			return 1;
		/* Members of a group whose leader has gone have no descriptor to wait on: look again every 10 ms. */
		poll(&pfd, 1, fd >= 0 ? proc_ms_left(until) : 10);
		if (fd >= 0)
			close(fd);
		if (kill(pid, 0) != 0 && kill(-pid, 0) != 0)
			return 1;
		if (proc_ms_left(until) == 0)
			return 0;
	}
}
