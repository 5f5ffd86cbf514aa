/*
 * transfer.c - one large result from worker to worker, and as many bytes through a bare TCP connection over loopback,
 * from one process to another, in turn.
 *
 * The result is made by a task that only the first worker can run; the time is that of a job of one task, which does
 * nothing with its input, that only the second can run.  So all that lies between is in it: scheduling, starting the
 * task, the file the result is in.  The bare connection is written from and read into memory that is used again; once
 * more, what was read is also written to a file beside those of the workers, because a result has to be somewhere.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bench/bench.h"

#define ROUNDS_MAX  32u
#define BLOCK_BYTES ((size_t)1024 * 1024)

static int failed(const char *what)
{
	fprintf(stderr, "sched-bench: %s: %s\n", what, strerror(errno));
	return -1;
}

/* Write n bytes to a descriptor, or read as many and keep them in a file, unless that is -1. */
static int pass(int fd, uint64_t n, int writes, int keep)
{
	char *block = mem_calloc(1, BLOCK_BYTES);
	ssize_t done = 1;

	while (block != NULL && n > 0 && done > 0) {
		size_t some = n < BLOCK_BYTES ? (size_t)n : BLOCK_BYTES;

		done = writes ? write(fd, block, some) : read(fd, block, some);
		if (done > 0 && keep >= 0 && write(keep, block, (size_t)done) != done)
			break;
		n -= done > 0 ? (uint64_t)done : 0;
	}
	mem_free(block);
	return n == 0 ? 0 : -1;
}

/* A connected pair of TCP sockets. */
static int tcp_pair(int fds[2])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), error = -1;

	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fds[1] = -1;
	if (listener >= 0 && fds[0] >= 0 && bind(listener, (struct sockaddr *)&a, len) == 0 &&
	    listen(listener, 1) == 0 && getsockname(listener, (struct sockaddr *)&a, &len) == 0 &&
	    connect(fds[0], (struct sockaddr *)&a, len) == 0) {
		fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		error = fds[1] >= 0 ? 0 : -1;
	}
	if (listener >= 0)
		close(listener);
	return error;
}

/* spool: what comes is kept in a file there; NULL: it is not kept. */
static int bare(uint64_t n_bytes, const char *spool, uint64_t *us)
{
	uint64_t start;
	int fds[2], status = 1, keep = -1;
	pid_t pid;

	if (spool != NULL) {
		keep = open(spool, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
		if (keep < 0)
			return failed(spool);
	}
	if (tcp_pair(fds) != 0)
		return failed("a pair of sockets");
	start = clock_monotonic_us();
	pid = fork();
	if (pid == 0) {
		close(fds[1]);
		_exit(pass(fds[0], n_bytes, 1, -1) == 0 ? 0 : 1);
	}
	close(fds[0]);
	if (pid < 0 || pass(fds[1], n_bytes, 0, keep) != 0)
		status = -1;
	*us = clock_monotonic_us() - start;
	close(fds[1]);
	if (keep >= 0)
		close(keep);
	if (pid > 0 && waitpid(pid, NULL, 0) != pid)
		status = -1;
	return status > 0 ? 0 : failed("the bare connection");
}

/* ---- ours ------------------------------------------------------------------------------------------------------- */

/* Wait until the result that is to be moved is there. */
static int wait_made(struct bench_cluster *c, uint64_t job)
{
	struct timespec pause = {0, 5 * 1000 * 1000};
	enum sc_task_state state = SC_TASK_WAITING;

	while (state != SC_TASK_DONE) {
		struct sc_task_info *info;

		if (sc_client_show_task(c->client, job, "make", &info) != SC_OK)
			return -1;
		state = info->state;
		sc_task_info_free(info);
		if (state == SC_TASK_FAILED)
			return -1;
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* The task that takes the result also waits for one that reads a named pipe: when that is written, it begins. */
static sc_err submit(struct bench_cluster *c, uint64_t n_bytes, const char *fifo, uint64_t *id)
{
	char count[32], line[160];
	const char *make[] = {"head", "-c", count, "/dev/zero", NULL};
	const char *gate[] = {"sh", "-c", line, NULL};
	const char *take[] = {"/bin/true", NULL};
	struct sc_group_spec g[] = {
		{.name = "make", .kind = SC_KIND_EXEC, .argv = make, .resources = "cpus=1,label:name=w1"},
		{.name = "gate", .kind = SC_KIND_EXEC, .argv = gate, .resources = "cpus=1,label:name=w1"},
		{.name = "take", .kind = SC_KIND_EXEC, .argv = take, .resources = "cpus=1,label:name=w2"},
	};
	struct sc_job *job = NULL;
	sc_err err = sc_job_new("transfer", &job);

	snprintf(count, sizeof(count), "%" PRIu64, n_bytes);
	snprintf(line, sizeof(line), "read line < %s", fifo);
	for (size_t i = 0; i < sizeof(g) / sizeof(g[0]) && err == SC_OK; i++)
		err = sc_job_add_group(job, &g[i], NULL);
	for (uint32_t i = 0; i < 2 && err == SC_OK; i++)
		err = sc_job_join_groups(job, 2, i, SC_JOIN_ALL);
	if (err == SC_OK)
		err = sc_client_submit(c->client, job, id);
	sc_job_free(job);
	return err;
}

static int ours(struct bench_cluster *c, uint64_t n_bytes, uint64_t *us)
{
	struct sc_progress last = {0};
	uint64_t id = 0, start;
	char fifo[96];
	int fd;

	snprintf(fifo, sizeof(fifo), "%s/gate", c->dir);
	if (mkfifo(fifo, 0600) != 0)
		return failed(fifo);
	if (submit(c, n_bytes, fifo, &id) != SC_OK || wait_made(c, id) != 0) {
		fprintf(stderr, "sched-bench: no result to move: %s\n", sc_client_error_text(c->client));
		return -1;
	}
	start = clock_monotonic_us();
	fd = open(fifo, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "go\n", 3) != 3)
		return failed(fifo);
	close(fd);
	if (sc_client_wait(c->client, id, 0, UINT64_MAX, NULL, NULL, &last) != SC_OK || last.state != SC_JOB_DONE) {
		fprintf(stderr, "sched-bench: the transfer did not succeed: %s\n", last.text);
		return -1;
	}
	*us = clock_monotonic_us() - start;
	unlink(fifo);
	sc_client_forget(c->client, id, NULL);
	return 0;
}

static int run(const struct scenario *s)
{
	uint64_t n_bytes = param(s, "mib") << 20, rounds = param(s, "rounds");
	uint64_t our_us[ROUNDS_MAX], bare_us[ROUNDS_MAX], kept_us[ROUNDS_MAX], ratio[ROUNDS_MAX],
		ratio_kept[ROUNDS_MAX];
	double mib = (double)param(s, "mib");
	struct bench_cluster c;
	int bad = 0;

	if (rounds == 0 || rounds > ROUNDS_MAX)
		rounds = ROUNDS_MAX;
	setenv("TMPDIR", param_text(s, "spool"), 1); /* of the workers */
	if (bench_cluster_start(&c, 2, 2) != 0)
		return 1;
	for (uint64_t i = 0; i < rounds && !bad; i++) {
		bad = bare(n_bytes, NULL, &bare_us[i]) != 0 || ours(&c, n_bytes, &our_us[i]) != 0 ||
		      bare(n_bytes, param_text(s, "spool"), &kept_us[i]) != 0;
		if (bad)
			break;
		ratio[i] = bare_us[i] * 1000000 / our_us[i];
		ratio_kept[i] = kept_us[i] * 1000000 / our_us[i];
	}
	bench_cluster_stop(&c);
	if (bad)
		return 1;
	sort_u64(our_us, rounds);
	sort_u64(bare_us, rounds);
	sort_u64(kept_us, rounds);
	sort_u64(ratio, rounds);
	sort_u64(ratio_kept, rounds);
	emit(s, "mib_per_s", mib * US_PER_S / quantile(our_us, rounds, 0.5), "MiB/s");
	emit(s, "bare_mib_per_s", mib * US_PER_S / quantile(bare_us, rounds, 0.5), "MiB/s");
	emit(s, "ratio", quantile(ratio, rounds, 0.5) / 1e6, "1");
	emit(s, "ratio_min", quantile(ratio, rounds, 0.0) / 1e6, "1");
	emit(s, "ratio_max", quantile(ratio, rounds, 1.0) / 1e6, "1");
	emit(s, "bare_kept_mib_per_s", mib * US_PER_S / quantile(kept_us, rounds, 0.5), "MiB/s");
	emit(s, "ratio_kept", quantile(ratio_kept, rounds, 0.5) / 1e6, "1");
	return 0;
}

struct scenario scenario_transfer = {
	"transfer",
	"one large result from worker to worker, against a bare connection over loopback; medians",
	run,
	{{"mib", 1024, "size of the result", PARAM_COUNT, NULL},
	 {"rounds", 5, "of both, in turn", PARAM_COUNT, NULL},
	 {"spool", 0, "where the workers keep results", PARAM_TEXT, "/dev/shm"}}};
