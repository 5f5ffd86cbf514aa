/*
 * spawn.c - see spawn.h.
 *
 * The child runs in the agent's memory, on a piece of the stack of the thread that started it, which stands still until
 * the child has become another program; other threads go on.  So the child makes nothing but system calls, touches
 * nothing but what that thread gave it, leaves no signal handler of the agent's reachable before it unblocks signals,
 * and says what went wrong by writing it where that thread will look.
 */
#include "worker/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_BYTES 16384 /* a few frames of ours; it is on the stack of the caller */
#define PATH_USUAL  "/usr/local/bin:/usr/bin:/bin"

/* The child's frames are never left, so a sanitizer would take their remains on the stack for errors. */
#define IN_CHILD __attribute__((no_sanitize("address", "undefined", "thread")))

/*
 * What sanitizers watch over is in our memory, too: of signal() and dup2() they must not learn.  The kernel's own
 * struct sigaction, all zero, is SIG_DFL.
 */
static const uint64_t default_action[8];

/* ThreadSanitizer takes every clone() for a fork, and from then on ignores what this thread does. */
#ifdef __SANITIZE_THREAD__
int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
#define clone __clone
#endif

static pid_t own_pid;
static sigset_t children_mask;	     /* signals that are blocked: what the agent was started with */
static struct rlimit children_files; /* descriptors a child may have: what the agent was started with */

/* What the agent handles or ignores; of the others that it might have inherited as ignored, those that were. */
static const int handled_signals[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE};
static const int inherited_signals[] = {SIGQUIT, SIGUSR1, SIGUSR2};
static int reset_signals[8];
static size_t n_reset_signals;
static int files_are_raised; /* above children_files */

struct child_args {
	const struct spawn_request *q;
	struct spawn_child *out;
};

static void find_signals(void)
{
	struct sigaction now;

	n_reset_signals = 0;
	for (size_t i = 0; i < sizeof(handled_signals) / sizeof(handled_signals[0]); i++)
		reset_signals[n_reset_signals++] = handled_signals[i];
	for (size_t i = 0; i < sizeof(inherited_signals) / sizeof(inherited_signals[0]); i++)
		if (sigaction(inherited_signals[i], NULL, &now) != 0 || now.sa_handler != SIG_DFL)
			reset_signals[n_reset_signals++] = inherited_signals[i];
}

int spawn_init(void)
{
	struct rlimit files;

	own_pid = getpid();
	if (getrlimit(RLIMIT_NOFILE, &children_files) != 0 || sigprocmask(SIG_SETMASK, NULL, &children_mask) != 0)
		return -1;
	files = children_files;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files); /* if not, there are fewer */
	files_are_raised = files.rlim_cur != children_files.rlim_cur;
	find_signals();
	return 0;
}

/* ---- in the child --------------------------------------------------------------------------------------------- */

IN_CHILD static int place_fds(const struct spawn_request *q)
{
	int fds[SPAWN_FDS_MAX];

	for (size_t i = 0; i < q->n_fds; i++) { /* out of the way of the places */
		fds[i] = q->fds[i];
		if (fds[i] < (int)q->n_fds && fds[i] != (int)i)
			fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, SPAWN_FDS_MAX);
		if (fds[i] < 0)
			return -1;
	}
	for (size_t i = 0; i < q->n_fds; i++)
		if (fds[i] == (int)i ? fcntl(fds[i], F_SETFD, 0) != 0 : syscall(SYS_dup3, fds[i], (int)i, 0) < 0)
			return -1;
	return 0;
}

IN_CHILD static int setup(const struct child_args *a)
{
	const struct spawn_request *q = a->q;

	if ((q->flags & SPAWN_NEW_GROUP) != 0 && setpgid(0, 0) != 0)
		return -1;
	if ((q->flags & SPAWN_DIES_WITH_US) != 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
			return -1;
		if (getppid() != own_pid) { /* it was quicker */
			errno = ESRCH;
			return -1;
		}
	}
	if (place_fds(q) != 0)
		return -1;
	/* At once: what another thread closes now is not to live on here, were it only until exec. */
	close_range((unsigned)q->n_fds, ~0u, 0); /* not known to old kernels, where exec does it */
	if (files_are_raised && setrlimit(RLIMIT_NOFILE, &children_files) != 0)
		return -1;
	for (size_t i = 0; i < n_reset_signals; i++)
		syscall(SYS_rt_sigaction, reset_signals[i], default_action, NULL, sizeof(uint64_t));
	return 0;
}

/* execve, or, for a script without #!, the shell, as every shell does. */
IN_CHILD static void execute(const struct spawn_request *q, char *program)
{
	char *first = q->argv[0];

	execve(program, q->argv, q->envp);
	if (errno != ENOEXEC)
		return;
	q->argv[-1] = (char *)"/bin/sh";
	q->argv[0] = program;
	execve("/bin/sh", q->argv - 1, q->envp);
	q->argv[0] = first;
}

/* Like execvpe: go on looking as long as it is a matter of not finding; a file that is not executable is remembered. */
IN_CHILD static void execute_first(const struct spawn_request *q)
{
	unsigned hint = q->hint == NULL ? 0 : *q->hint;
	int denied = 0;

	if (hint > 0)
		execute(q, q->programs[hint]);
	for (unsigned i = 0; q->programs[i] != NULL; i++) {
		if (q->hint != NULL)
			*q->hint = i;
		execute(q, q->programs[i]);
		if (errno == EACCES)
			denied = 1;
		else if (errno != ENOENT && errno != ENOTDIR && errno != ENAMETOOLONG)
			return;
	}
	if (q->hint != NULL)
		*q->hint = 0;
	if (denied)
		errno = EACCES;
}

IN_CHILD static int child_main(void *arg)
{
	const struct child_args *a = arg;

	a->out->step = SPAWN_SETUP;
	if (setup(a) != 0)
		goto fail;
	a->out->step = SPAWN_ENTER;
	if (a->q->cwd != NULL && chdir(a->q->cwd) != 0)
		goto fail;
	a->out->step = SPAWN_RUN;
	sigprocmask(SIG_SETMASK, &children_mask, NULL);
	errno = ENOENT;
	execute_first(a->q);
fail:
	a->out->error = errno != 0 ? errno : EIO;
	_exit(127);
}

/* ---- in the agent --------------------------------------------------------------------------------------------- */

int spawn_start(const struct spawn_request *q, struct spawn_child *out)
{
	_Alignas(16) char stack[STACK_BYTES];
	struct child_args args = {.q = q, .out = out};
	char *first = q->argv[0];
	int flags = CLONE_VM | CLONE_VFORK | SIGCHLD | ((q->flags & SPAWN_PIDFD) != 0 ? CLONE_PIDFD : 0);
	sigset_t all, mask;

	*out = (struct spawn_child){.pid = -1, .pidfd = -1};
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &mask);
	out->pid = clone(child_main, stack + sizeof(stack), flags, &args, &out->pidfd);
	if (out->pid < 0) {
		out->error = errno;
		out->step = SPAWN_SETUP;
	}
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	q->argv[0] = first; /* the child may have put a script's path there, in our memory */
	if (out->error == 0)
		return 0;
	if (out->pid > 0) {
		if (out->pidfd >= 0)
			close(out->pidfd);
		while (waitpid(out->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	out->pid = out->pidfd = -1;
	return -1;
}

static const char *path_of(char *const *envp)
{
	for (; *envp != NULL; envp++)
		if (strncmp(*envp, "PATH=", 5) == 0)
			return *envp + 5;
	return PATH_USUAL;
}

char **spawn_candidates(struct arena *a, const char *program, char *const *envp)
{
	const char *path = path_of(envp);
	size_t n = 2, k = 0;
	char **out;

	for (const char *p = path; *p != '\0'; p++)
		n += *p == ':';
	out = arena_alloc(a, (n + 1) * sizeof(*out));
	if (out == NULL)
		return NULL;
	if (strchr(program, '/') != NULL || *program == '\0') {
		out[k++] = (char *)program;
		out[k] = NULL;
		return out;
	}
	for (;;) {
		size_t len = strcspn(path, ":");

		/* an empty entry is the directory the task runs in */
		out[k] = len == 0 ? arena_printf(a, "./%s", program)
				  : arena_printf(a, "%.*s/%s", (int)len, path, program);
		if (out[k++] == NULL)
			return NULL;
		if (path[len] == '\0')
			break;
		path += len + 1;
	}
	out[k] = NULL;
	return out;
}
