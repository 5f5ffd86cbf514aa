/*
 * tap.c - see tap.h.
 *
 * The thread polls; it is woken through wake_fd when a limit changes.  When a limit is reached, reached_fd becomes
 * readable.  A holder that may not send is not polled: it would be reported as gone again and again.
 */
#include "tests/support/tap.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/support/proc.h"

#define PAIRS_MAX   16u
#define CHUNK_BYTES ((size_t)64 * 1024)
#define FDS_BEFORE  2u /* of the pairs, in the list that is polled */

struct pair {
	int client, holder;
};

struct tap {
	struct sockaddr_un behind; /* the holder's own socket */
	int listen_fd, wake_fd, reached_fd;
	pthread_t thread;
	int is_cut; /* the test's thread: there is no thread any more */
	struct pair pairs[PAIRS_MAX];
	size_t n_pairs;
	pthread_mutex_t lock; /* of what follows */
	uint64_t limit, passed;
	int is_ending;
	uint8_t chunk[CHUNK_BYTES]; /* the thread's */
};

static void signal_fd(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
		abort();
}

/* ---- the thread ------------------------------------------------------------------------------------------------- */

static size_t may_pass(struct tap *t)
{
	uint64_t left;

	pthread_mutex_lock(&t->lock);
	left = t->is_ending || t->passed >= t->limit ? 0 : t->limit - t->passed;
	pthread_mutex_unlock(&t->lock);
	return left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;
}

static void count(struct tap *t, size_t n)
{
	pthread_mutex_lock(&t->lock);
	t->passed += n;
	pthread_mutex_unlock(&t->lock);
}

static void tell_if_reached(struct tap *t)
{
	int reached;

	pthread_mutex_lock(&t->lock);
	reached = t->passed >= t->limit;
	pthread_mutex_unlock(&t->lock);
	if (reached)
		signal_fd(t->reached_fd);
}

/* All of it; 0 when the other side is gone. */
static int send_all(int fd, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent < 0 && errno != EINTR)
			return 0;
		if (sent > 0) {
			p += sent;
			n -= (size_t)sent;
		}
	}
	return 1;
}

/*
 * At most n bytes from one side to the other; how many, 0 at the end of either.  Counted before they are there: who
 * acts on them may set a limit, from which on is counted anew.
 */
static size_t pass(struct tap *t, int from, int to, size_t n, int is_counted)
{
	ssize_t got = recv(from, t->chunk, n, 0);

	if (got > 0 && is_counted)
		count(t, (size_t)got);
	return got > 0 && send_all(to, t->chunk, (size_t)got) ? (size_t)got : 0;
}

static void let_in(struct tap *t)
{
	struct pair p = {accept4(t->listen_fd, NULL, NULL, SOCK_CLOEXEC),
			 socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};

	if (p.client >= 0 && p.holder >= 0 && t->n_pairs < PAIRS_MAX &&
	    connect(p.holder, (struct sockaddr *)&t->behind, sizeof(t->behind)) == 0) {
		t->pairs[t->n_pairs++] = p;
		return;
	}
	close(p.client);
	close(p.holder);
}

static void end_pair(struct tap *t, size_t i)
{
	close(t->pairs[i].client);
	close(t->pairs[i].holder);
	t->pairs[i] = t->pairs[--t->n_pairs];
}

static void serve(struct tap *t, size_t i, const struct pollfd fds[2])
{
	const struct pair *p = &t->pairs[i];
	size_t may = may_pass(t);
	int is_over = 0;

	if (fds[0].revents != 0)
		is_over = pass(t, p->client, p->holder, CHUNK_BYTES, 0) == 0;
	if (!is_over && fds[1].revents != 0 && may > 0) {
		is_over = pass(t, p->holder, p->client, may, 1) == 0;
		tell_if_reached(t);
	}
	if (is_over)
		end_pair(t, i);
}

static void *run(void *arg)
{
	struct tap *t = arg;
	struct pollfd fds[FDS_BEFORE + 2 * PAIRS_MAX];
	uint64_t ignored;
	int is_ending = 0;

	while (!is_ending) {
		size_t n = t->n_pairs, may = may_pass(t);

		fds[0] = (struct pollfd){t->wake_fd, POLLIN, 0};
		fds[1] = (struct pollfd){t->listen_fd, POLLIN, 0};
		for (size_t i = 0; i < n; i++) {
			fds[FDS_BEFORE + 2 * i] = (struct pollfd){t->pairs[i].client, POLLIN, 0};
			fds[FDS_BEFORE + 2 * i + 1] = (struct pollfd){may > 0 ? t->pairs[i].holder : -1, POLLIN, 0};
		}
		if (poll(fds, FDS_BEFORE + 2 * n, -1) < 0)
			continue;
		if (fds[0].revents != 0 && read(t->wake_fd, &ignored, sizeof(ignored)) < 0)
			break;
		while (n-- > 0) /* from the end: one that ends is replaced by the last */
			serve(t, n, &fds[FDS_BEFORE + 2 * n]);
		if (fds[1].revents != 0)
			let_in(t);
		pthread_mutex_lock(&t->lock);
		is_ending = t->is_ending;
		pthread_mutex_unlock(&t->lock);
	}
	while (t->n_pairs > 0)
		end_pair(t, 0);
	return NULL;
}

/* ---- the test's thread ------------------------------------------------------------------------------------------ */

struct tap *tap_new(const char *path)
{
	struct tap *t = mem_calloc(1, sizeof(*t));
	struct sockaddr_un own = {.sun_family = AF_UNIX};

	t->behind.sun_family = AF_UNIX;
	t->limit = UINT64_MAX;
	cr_assert((size_t)snprintf(t->behind.sun_path, sizeof(t->behind.sun_path), "%s-own", path) <
			  sizeof(t->behind.sun_path),
		  "%s is too long for a socket", path);
	snprintf(own.sun_path, sizeof(own.sun_path), "%s", path);
	cr_assert_eq(rename(path, t->behind.sun_path), 0, "%s: %s", path, strerror(errno));
	t->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(t->listen_fd, (struct sockaddr *)&own, sizeof(own)), 0, "%s: %s", path, strerror(errno));
	cr_assert_eq(listen(t->listen_fd, PAIRS_MAX), 0);
	t->wake_fd = eventfd(0, EFD_CLOEXEC);
	t->reached_fd = eventfd(0, EFD_CLOEXEC);
	pthread_mutex_init(&t->lock, NULL);
	cr_assert(t->wake_fd >= 0 && t->reached_fd >= 0);
	cr_assert_eq(pthread_create(&t->thread, NULL, run, t), 0);
	return t;
}

void tap_limit(struct tap *t, uint64_t n_bytes)
{
	pthread_mutex_lock(&t->lock);
	t->limit = n_bytes;
	t->passed = 0;
	pthread_mutex_unlock(&t->lock);
	signal_fd(t->wake_fd);
}

void tap_open(struct tap *t)
{
	pthread_mutex_lock(&t->lock);
	t->limit = UINT64_MAX;
	pthread_mutex_unlock(&t->lock);
	signal_fd(t->wake_fd);
}

uint64_t tap_passed(struct tap *t)
{
	uint64_t n;

	pthread_mutex_lock(&t->lock);
	n = t->passed;
	pthread_mutex_unlock(&t->lock);
	return n;
}

size_t tap_wait(struct tap *const *taps, size_t n)
{
	struct pollfd fds[8];
	uint64_t ignored;
	size_t i = 0;

	cr_assert(n <= sizeof(fds) / sizeof(fds[0]));
	for (size_t k = 0; k < n; k++)
		fds[k] = (struct pollfd){taps[k]->reached_fd, POLLIN, 0};
	cr_assert_gt(poll(fds, n, (int)PROC_DEADLINE_MS), 0, "not as many bytes pass as the limit, but %llu",
		     (unsigned long long)tap_passed(taps[0]));
	while (fds[i].revents == 0)
		i++;
	cr_assert(read(fds[i].fd, &ignored, sizeof(ignored)) > 0);
	return i;
}

void tap_cut(struct tap *t)
{
	if (t->is_cut)
		return;
	t->is_cut = 1;
	pthread_mutex_lock(&t->lock);
	t->is_ending = 1;
	pthread_mutex_unlock(&t->lock);
	signal_fd(t->wake_fd);
	pthread_join(t->thread, NULL);
	close(t->listen_fd);
}

void tap_free(struct tap *t)
{
	if (t == NULL)
		return;
	tap_cut(t);
	close(t->wake_fd);
	close(t->reached_fd);
	pthread_mutex_destroy(&t->lock);
	mem_free(t);
}
