/*
 * transfer.c - one large result from worker to worker, and as many bytes through a bare TCP connection over loopback,
 * from one process to another, in turn.  First with workers that send it, as they do between machines; then with
 * workers as they are, which on one machine give the file a second name (worker.share-files): the figures `linked`.
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

/*
 * Write a file as large as the result, and remove it: memory that a virtual machine has not used for seconds has been
 * given back to its host, and costs several times as much to use again, which would be measured instead of the
 * transfer. Several times as much as is needed, because the kernel does not hand out first what it got back last.
 */
static int warm_memory(uint64_t n_bytes, const char *spool)
{
	int fd = open(spool, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	int bad = fd < 0 || pass(fd, n_bytes, 1, -1) != 0;

	if (fd >= 0)
		close(fd);
	return bad ? failed(spool) : 0;
}

/* spool: what comes is kept in a file there; NULL: it is not kept. */
static int bare(uint64_t n_bytes, const char *spool, uint64_t *us)
{
	uint64_t start;
	int fds[2], status = 1, keep = -1;
	pid_t pid;

	if (spool != NULL) {
		if (warm_memory(3 * n_bytes, spool) != 0)
			return -1;
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

/* One result moved: how long it took, and of the processor time of either worker. */
struct move {
	uint64_t us, sender_us, receiver_us;
};

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

static int ours(struct bench_cluster *c, uint64_t n_bytes, const char *spool, struct move *out)
{
	const pid_t *w = c->workers;
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
	if (warm_memory(3 * n_bytes, spool) != 0)
		return -1;
	out->sender_us = process_cpu_us(w[0]);
	out->receiver_us = process_cpu_us(w[1]);
	start = clock_monotonic_us();
	fd = open(fifo, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "go\n", 3) != 3)
		return failed(fifo);
	close(fd);
	if (sc_client_wait(c->client, id, 0, UINT64_MAX, NULL, NULL, &last) != SC_OK || last.state != SC_JOB_DONE) {
		fprintf(stderr, "sched-bench: the transfer did not succeed: %s\n", last.text);
		return -1;
	}
	out->us = clock_monotonic_us() - start;
	out->sender_us = process_cpu_us(w[0]) - out->sender_us;
	out->receiver_us = process_cpu_us(w[1]) - out->receiver_us;
	unlink(fifo);
	sc_client_forget(c->client, id, NULL);
	return 0;
}

/* ---- series ----------------------------------------------------------------------------------------------------- */

struct series {
	uint64_t n;
	uint64_t bare_us[ROUNDS_MAX], kept_us[ROUNDS_MAX], our_us[ROUNDS_MAX];
	uint64_t sender_us[ROUNDS_MAX], receiver_us[ROUNDS_MAX];
	uint64_t ratio[ROUNDS_MAX], ratio_kept[ROUNDS_MAX]; /* millionths */
};

/* As many rounds as r->n says.  Workers that share files do not need to be held against a receiver that keeps a copy.
 */
static int measure(const struct scenario *s, int share, struct series *r)
{
	uint64_t n_bytes = param(s, "mib") << 20;
	const char *spool = param_text(s, "spool");
	struct bench_cluster c;
	struct move m = {0};
	int bad = 0;

	setenv("TMPDIR", spool, 1); /* of the workers */
	setenv("SCHED_WORKER__SHARE_FILES", share ? "yes" : "no", 1);
	if (bench_cluster_start(&c, 2, 2) != 0)
		return -1;
	for (uint64_t i = 0; i < r->n; i++) {
		bad = bare(n_bytes, NULL, &r->bare_us[i]) != 0 || ours(&c, n_bytes, spool, &m) != 0 ||
		      (!share && bare(n_bytes, spool, &r->kept_us[i]) != 0);
		if (bad)
			break;
		r->our_us[i] = m.us;
		r->sender_us[i] = m.sender_us;
		r->receiver_us[i] = m.receiver_us;
		r->ratio[i] = r->bare_us[i] * 1000000 / m.us;
		r->ratio_kept[i] = r->kept_us[i] * 1000000 / m.us;
	}
	bench_cluster_stop(&c);
	return bad ? -1 : 0;
}

static double median(uint64_t *v, uint64_t n)
{
	sort_u64(v, n);
	return quantile(v, n, 0.5);
}

static int run(const struct scenario *s)
{
	uint64_t rounds = param(s, "rounds");
	double mib_us = (double)param(s, "mib") * US_PER_S;
	struct series sent = {0}, linked = {0};

	sent.n = linked.n = rounds == 0 || rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
	if (measure(s, 0, &sent) != 0 || measure(s, 1, &linked) != 0)
		return 1;
	emit(s, "mib_per_s", mib_us / median(sent.our_us, sent.n), "MiB/s");
	emit(s, "bare_mib_per_s", mib_us / median(sent.bare_us, sent.n), "MiB/s");
	emit(s, "ratio", median(sent.ratio, sent.n) / 1e6, "1");
	emit(s, "ratio_min", quantile(sent.ratio, sent.n, 0.0) / 1e6, "1");
	emit(s, "ratio_max", quantile(sent.ratio, sent.n, 1.0) / 1e6, "1");
	emit(s, "bare_kept_mib_per_s", mib_us / median(sent.kept_us, sent.n), "MiB/s");
	emit(s, "ratio_kept", median(sent.ratio_kept, sent.n) / 1e6, "1");
	emit(s, "sender_cpu_ms", median(sent.sender_us, sent.n) / US_PER_MS, "ms");
	emit(s, "receiver_cpu_ms", median(sent.receiver_us, sent.n) / US_PER_MS, "ms");
	emit(s, "linked_mib_per_s", mib_us / median(linked.our_us, linked.n), "MiB/s");
	emit(s, "linked_ratio", median(linked.ratio, linked.n) / 1e6, "1");
	return 0;
}

struct scenario scenario_transfer = {
	"transfer",
	"one large result from worker to worker, against a bare connection over loopback; medians",
	run,
	{{"mib", 1024, "size of the result", PARAM_COUNT, NULL},
	 {"rounds", 5, "of each, in turn", PARAM_COUNT, NULL},
	 {"spool", 0, "where the workers keep results", PARAM_TEXT, "/dev/shm"}}};
