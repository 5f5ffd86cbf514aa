/* local.c - see local.h. */
#include "client/ctl/local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client/ctl/interrupt.h"

#define READY_WITHIN_US	 (20u * US_PER_S)
#define STATUS_WITHIN_MS 1000 /* a child that has closed its output ends soon */
#define END_WITHIN_MS	 8000 /* asked to end; then they are killed */
#define LOG_SHOWN_BYTES	 4096
#define ARGS_MAX	 300
/* A socket's path has 108 bytes: this, the name, and what the worker puts beside it. */
#define DIRECTORY_MAX 80

struct child {
	const char *program;
	pid_t pid;  /* 0: not running */
	int out;    /* its standard output, or -1 */
	int status; /* once it has ended */
	char log[PATH_MAX];
};

struct local {
	char directory[DIRECTORY_MAX];
	char access_file[DIRECTORY_MAX + 32];
	struct child sched, worker;
};

/* For the signal handler; set while there is one. */
static struct local *volatile running;

const char *local_access_file(const struct local *l)
{
	return l->access_file;
}

/* ---- the directory ---------------------------------------------------------------------------------------------- */

static const char *const known_files[] = {"access.yaml", "access.yaml.lock", "sched.sock", "sched.log", "worker.log"};

static int make_directory(struct ctl *c, struct local *l)
{
	const char *base = getenv("TMPDIR");

	if (base == NULL || base[0] != '/' || strlen(base) > DIRECTORY_MAX - 24)
		base = "/tmp";
	snprintf(l->directory, sizeof(l->directory), "%s/schedctl-XXXXXX", base);
	if (mkdtemp(l->directory) == NULL) {
		int status =
			ctl_fail(c, EXIT_WORK_FAILED, "cannot make a directory %s: %s", l->directory, strerror(errno));

		l->directory[0] = '\0';
		return status;
	}
	snprintf(l->access_file, sizeof(l->access_file), "%s/access.yaml", l->directory);
	snprintf(l->sched.log, sizeof(l->sched.log), "%s/sched.log", l->directory);
	snprintf(l->worker.log, sizeof(l->worker.log), "%s/worker.log", l->directory);
	return EXIT_DONE;
}

static void remove_directory(const struct local *l)
{
	DIR *d = l->directory[0] != '\0' ? opendir(l->directory) : NULL;
	const struct dirent *e;

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	rmdir(l->directory);
}

/* ---- children --------------------------------------------------------------------------------------------------- */

/* The program beside schedctl itself, else the one PATH finds. */
static void find_program(const char *name, char *out, size_t cap)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	snprintf(out, cap, "%s", name);
	if (n <= 0)
		return;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash == NULL || (size_t)(slash - self) + strlen(name) + 2 > cap)
		return;
	snprintf(out, cap, "%.*s/%s", (int)(slash - self), self, name);
	if (access(out, X_OK) != 0)
		snprintf(out, cap, "%s", name);
}

/* In the child, up to exec. */
static void become(const char *program, char *const *argv, int out, const char *log, pid_t parent)
{
	int null = open("/dev/null", O_RDONLY);
	int err = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent) /* it was quicker */
		_exit(1);
	setpgid(0, 0); /* Ctrl-C is for schedctl, which ends us in order */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	if (err >= 0)
		dup2(err, STDERR_FILENO);
	execvp(program, argv);
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", program, strerror(errno));
	_exit(127);
}

static int start(struct ctl *c, struct child *child, char *const *argv)
{
	char program[PATH_MAX];
	pid_t parent = getpid();
	int out[2];

	find_program(child->program, program, sizeof(program));
	if (pipe2(out, O_CLOEXEC) != 0)
		return ctl_fail(c, EXIT_WORK_FAILED, "cannot make a pipe: %s", strerror(errno));
	fflush(NULL);
	child->pid = fork();
	if (child->pid == 0)
		become(program, argv, out[1], child->log, parent);
	close(out[1]);
	child->out = out[0];
	if (child->pid > 0)
		return EXIT_DONE;
	child->pid = 0;
	return ctl_fail(c, EXIT_WORK_FAILED, "cannot start %s: %s", program, strerror(errno));
}

/* Non-zero: it has ended within the time. */
static int wait_end(struct child *child, int ms)
{
	int fd = child->pid > 0 ? pidfd_open(child->pid, 0) : -1;
	uint64_t deadline = clock_monotonic_us() + (uint64_t)ms * US_PER_MS;
	int ended = 0;

	while (fd >= 0 && !ended) {
		struct pollfd p = {fd, POLLIN, 0};
		uint64_t now = clock_monotonic_us();

		if (now >= deadline)
			break;
		ended = poll(&p, 1, (int)((deadline - now) / US_PER_MS) + 1) > 0;
	}
	if (fd >= 0)
		close(fd);
	if (child->pid > 0 && (ended || fd < 0)) {
		waitpid(child->pid, &child->status, 0);
		child->pid = 0;
	}
	return child->pid == 0;
}

/* Why it did not start: the end of its log. */
static int not_started(struct ctl *c, struct child *child, const char *why)
{
	char text[LOG_SHOWN_BYTES + 1];
	FILE *f = fopen(child->log, "re");
	size_t n = 0;
	const char *from = text;
	int status = EXIT_NO_ACCESS;

	if (f != NULL) {
		if (fseek(f, -LOG_SHOWN_BYTES, SEEK_END) != 0)
			rewind(f);
		n = fread(text, 1, LOG_SHOWN_BYTES, f);
		fclose(f);
	}
	while (n > 0 && text[n - 1] == '\n')
		n--;
	text[n] = '\0';
	for (unsigned lines = 0; n > 0; n--)
		if (text[n - 1] == '\n' && ++lines > 10) {
			from = text + n;
			break;
		}
	if (wait_end(child, STATUS_WITHIN_MS) && WIFEXITED(child->status) && WEXITSTATUS(child->status) == EXIT_USAGE)
		status = EXIT_USAGE; /* it was given configuration that we were given */
	return ctl_fail(c, status, "%s: %s%s%s", child->program, why, *from != '\0' ? "; its log ends:\n" : "", from);
}

/* Its first line is "ready ...", when it serves. */
static int wait_ready(struct ctl *c, struct child *child)
{
	uint64_t deadline = clock_monotonic_us() + READY_WITHIN_US;
	char line[512];
	size_t n = 0;

	while (n + 1 < sizeof(line)) {
		struct pollfd p = {child->out, POLLIN, 0};
		uint64_t now = clock_monotonic_us();
		ssize_t got;

		if (interrupt_count() > 0)
			return EXIT_WORK_FAILED;
		if (now >= deadline)
			return not_started(c, child, "did not get ready in time");
		if (poll(&p, 1, (int)((deadline - now) / US_PER_MS) + 1) <= 0)
			continue;
		got = read(child->out, line + n, 1);
		if (got == 0 || (got < 0 && errno != EINTR))
			return not_started(c, child, "ended at once");
		if (got < 0)
			continue;
		if (line[n++] == '\n')
			break;
	}
	if (n >= 6 && memcmp(line, "ready ", 6) == 0)
		return EXIT_DONE;
	return not_started(c, child, "did not say that it is ready");
}

/* ---- start ------------------------------------------------------------------------------------------------------ */

/* Configuration given to us is meant for them as well. */
static size_t add_configuration(const struct ctl *c, const char **argv, size_t n)
{
	const char *config = cli_value(&c->cli, "config"), *set;
	size_t at = 0;

	if (config != NULL) {
		argv[n++] = "--config";
		argv[n++] = config;
	}
	while ((set = cli_next_value(&c->cli, "set", &at)) != NULL && n + 3 < ARGS_MAX) {
		argv[n++] = "--set";
		argv[n++] = set;
	}
	argv[n] = NULL;
	return n;
}

static int start_sched(struct ctl *c, struct local *l)
{
	char listen[DIRECTORY_MAX + 32];
	const char *argv[ARGS_MAX] = {"sched", "--listen", listen, "--access-file", l->access_file};
	int status;

	snprintf(listen, sizeof(listen), "unix://%s/sched.sock", l->directory);
	add_configuration(c, argv, 5);
	status = start(c, &l->sched, (char *const *)(uintptr_t)argv);
	return status == EXIT_DONE ? wait_ready(c, &l->sched) : status;
}

static int start_worker(struct ctl *c, struct local *l, uint64_t slots)
{
	char number[24];
	const char *argv[ARGS_MAX] = {"sched-worker", "--access-file", l->access_file};
	size_t n = 3;
	int status;

	if (slots > 0) {
		snprintf(number, sizeof(number), "%" PRIu64, slots);
		argv[n++] = "--slots";
		argv[n++] = number;
	}
	add_configuration(c, argv, n);
	status = start(c, &l->worker, (char *const *)(uintptr_t)argv);
	return status == EXIT_DONE ? wait_ready(c, &l->worker) : status;
}

int local_start(struct ctl *c, uint64_t slots, struct local **out)
{
	struct local *l = mem_calloc(1, sizeof(*l));
	int status;

	if (l == NULL)
		return ctl_fail(c, EXIT_WORK_FAILED, "out of memory");
	l->sched = (struct child){.program = "sched", .out = -1};
	l->worker = (struct child){.program = "sched-worker", .out = -1};
	status = make_directory(c, l);
	running = l;
	if (status == EXIT_DONE)
		status = start_sched(c, l);
	if (status == EXIT_DONE)
		status = start_worker(c, l, slots);
	if (status != EXIT_DONE) {
		local_stop(c, l);
		return status;
	}
	*out = l;
	return EXIT_DONE;
}

/* ---- stop ------------------------------------------------------------------------------------------------------- */

static void end(struct child *child, int asked)
{
	if (child->pid > 0 && !asked)
		kill(child->pid, SIGTERM);
	if (!wait_end(child, END_WITHIN_MS)) {
		kill(child->pid, SIGKILL);
		waitpid(child->pid, NULL, 0);
		child->pid = 0;
	}
	if (child->out >= 0)
		close(child->out);
	child->out = -1;
}

void local_stop(struct ctl *c, struct local *l)
{
	int asked;

	if (l == NULL)
		return;
	asked = c->client != NULL && sc_client_shutdown(c->client, 1) == SC_OK;
	end(&l->worker, asked);
	end(&l->sched, asked);
	running = NULL;
	remove_directory(l);
	mem_free(l);
}

void local_kill(void)
{
	const struct local *l = running;
	char path[DIRECTORY_MAX + 32];

	if (l == NULL)
		return;
	if (l->worker.pid > 0)
		kill(l->worker.pid, SIGKILL); /* its guardian cleans up after it */
	if (l->sched.pid > 0)
		kill(l->sched.pid, SIGKILL);
	if (l->directory[0] == '\0')
		return;
	for (size_t i = 0; i < sizeof(known_files) / sizeof(known_files[0]); i++) {
		size_t n = strlen(l->directory), len = strlen(known_files[i]);

		memcpy(path, l->directory, n);
		path[n] = '/';
		memcpy(path + n + 1, known_files[i], len + 1);
		unlink(path);
	}
	rmdir(l->directory);
}
