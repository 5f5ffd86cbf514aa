/*
 * cluster.c - a scheduler and workers for the length of a scenario.
 *
 * They run in a directory of their own, log to a file there, and die with us (PR_SET_PDEATHSIG) whatever happens.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/bench.h"

#define READY_US (20 * (uint64_t)US_PER_S)
#define ARGV_MAX 16

void bench_path(const char *name, char *out, size_t cap)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n < 0 ? 0 : n] = '\0';
	slash = strrchr(self, '/');
	if (slash != NULL)
		*slash = '\0';
	snprintf(out, cap, "%s/%s", slash != NULL ? self : ".", name);
}

/* Wait for the line that says it serves. */
static int wait_ready(int fd)
{
	uint64_t until = clock_monotonic_us() + READY_US;
	char line[1024];
	size_t n = 0;

	while (n + 1 < sizeof(line)) {
		struct pollfd p = {fd, POLLIN, 0};
		uint64_t now = clock_monotonic_us();
		ssize_t got;

		if (now >= until || poll(&p, 1, (int)((until - now) / US_PER_MS) + 1) <= 0)
			return -1;
		got = read(fd, line + n, sizeof(line) - 1 - n);
		if (got <= 0)
			return -1;
		n += (size_t)got;
		line[n] = '\0';
		if (strchr(line, '\n') != NULL)
			return strncmp(line, "ready ", 6) == 0 ? 0 : -1;
	}
	return -1;
}

static pid_t start(const struct bench_cluster *c, const char *name, char *const *argv)
{
	char path[4200], log[128];
	int out[2];
	pid_t pid;

	bench_path(name, path, sizeof(path));
	snprintf(log, sizeof(log), "%s/log", c->dir);
	if (pipe2(out, O_CLOEXEC) != 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(out[1], STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		execv(path, argv);
		_exit(127);
	}
	close(out[1]);
	if (pid > 0 && wait_ready(out[0]) != 0) {
		fprintf(stderr, "sched-bench: %s did not start; its log is %s\n", path, log);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		pid = -1;
	}
	close(out[0]);
	return pid;
}

int bench_cluster_start(struct bench_cluster *c, size_t n_workers, unsigned slots)
{
	struct sc_client_options o = {0};
	char name[16], label[32], slots_text[16];

	memset(c, 0, sizeof(*c));
	snprintf(c->dir, sizeof(c->dir), "/tmp/sched-bench-XXXXXX");
	if (mkdtemp(c->dir) == NULL) {
		fprintf(stderr, "sched-bench: cannot make a directory in /tmp: %s\n", strerror(errno));
		return -1;
	}
	snprintf(c->access_file, sizeof(c->access_file), "%s/access.yaml", c->dir);
	snprintf(slots_text, sizeof(slots_text), "%u", slots);
	c->sched = start(c, "sched", (char *[]){"sched", "--access-file", c->access_file, NULL});
	if (c->sched < 0)
		return -1;
	for (size_t i = 0; i < n_workers && i < sizeof(c->workers) / sizeof(c->workers[0]); i++) {
		snprintf(name, sizeof(name), "w%zu", i + 1);
		snprintf(label, sizeof(label), "name=%s", name);
		c->workers[i] = start(c, "sched-worker",
				      (char *[]){"sched-worker", "--access-file", c->access_file, "--slots", slots_text,
						 "--name", name, "--label", label, NULL});
		if (c->workers[i] < 0) {
			bench_cluster_stop(c);
			return -1;
		}
		c->n_workers++;
	}
	o.access_file = c->access_file;
	o.software = "sched-bench";
	if (sc_client_open(&o, &c->client) != SC_OK) {
		fprintf(stderr, "sched-bench: %s\n", sc_client_error_text(NULL));
		bench_cluster_stop(c);
		return -1;
	}
	return 0;
}

static void end(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
}

void bench_cluster_stop(struct bench_cluster *c)
{
	char log[128];

	sc_client_close(c->client);
	for (size_t i = 0; i < c->n_workers; i++)
		end(c->workers[i]);
	end(c->sched);
	snprintf(log, sizeof(log), "%s/log", c->dir);
	unlink(log);
	rmdir(c->dir);
}

/* Field number `field`, from 0, of a file that is one line of numbers. */
static uint64_t proc_field(pid_t pid, const char *file, int field)
{
	char path[64], text[1024], *at;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	at = text;
	while (field-- > 0 && (at = strchr(at, ' ')) != NULL)
		at++;
	return at == NULL ? 0 : strtoull(at, NULL, 10);
}

uint64_t process_rss_bytes(pid_t pid)
{
	return proc_field(pid, "statm", 1) * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t process_peak_bytes(pid_t pid)
{
	char path[64], line[128];
	unsigned long long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "VmHWM:", 6) == 0)
			kib = strtoull(line + 6, NULL, 10);
	fclose(f);
	return kib * 1024;
}

uint64_t process_cpu_us(pid_t pid)
{
	clockid_t id; /* of all its threads, finer than the ticks in /proc */

	return clock_getcpuclockid(pid, &id) == 0 ? clock_us(id) : 0;
}

uint64_t descriptors_raise(void)
{
	struct rlimit l;

	getrlimit(RLIMIT_NOFILE, &l);
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
	return l.rlim_max;
}

uint64_t process_children_cpu_us(pid_t pid)
{
	uint64_t ticks =
		proc_field(pid, "stat", 15) + proc_field(pid, "stat", 16); /* our programs' names have no space */

	return ticks * US_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
}

int bench_run_group(struct bench_cluster *c, const struct sc_group_spec *g, uint64_t *us)
{
	struct sc_progress last = {0};
	struct sc_job *job = NULL;
	uint64_t start_us = clock_monotonic_us(), id = 0;
	sc_err err = sc_job_new("bench", &job);

	if (err == SC_OK)
		err = sc_job_add_group(job, g, NULL);
	if (err == SC_OK)
		err = sc_client_submit(c->client, job, &id);
	if (err == SC_OK)
		err = sc_client_wait(c->client, id, 0, UINT64_MAX, NULL, NULL, &last);
	*us = clock_monotonic_us() - start_us;
	sc_job_free(job);
	if (err != SC_OK || last.state != SC_JOB_DONE) {
		fprintf(stderr, "sched-bench: the job did not succeed: %s\n",
			err != SC_OK ? sc_client_error_text(c->client) : last.text);
		return -1;
	}
	sc_client_forget(c->client, id, NULL);
	return 0;
}
