/* feed.c - see feed.h. */
#include "worker/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

#define PIPE_BYTES (1 << 20)
#define TURN_BYTES ((size_t)1024 * 1024)

static void on_ready(struct watched *item, uint32_t events);

void feed_init(struct feed *f)
{
	*f = (struct feed){.ready = {.fn = on_ready}, .fd = -1, .from_fd = -1};
}

int feed_open(struct feed *f, const struct task *t, struct group *g, int *child_fd)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -1;
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES); /* refused when the user has too many large pipes: fine */
	f->fd = fds[1];
	f->task = t;
	f->group = group_ref(g);
	*child_fd = fds[0];
	return 0;
}

sc_err feed_start(struct feed *f, struct watch *w)
{
	if (f->fd < 0)
		return SC_OK;
	f->watch = w;
	return watch_add_writable(w, &f->ready, f->fd);
}

static void close_file(struct feed *f)
{
	if (f->from_fd >= 0)
		close(f->from_fd);
	f->from_fd = -1;
}

void feed_close(struct feed *f)
{
	close_file(f);
	if (f->watch != NULL)
		watch_forget(f->watch, &f->ready);
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	group_unref(f->group);
	f->group = NULL;
}

/* Where to go on: the result at hand, or NULL when all is written. */
static const struct blob *current(struct feed *f)
{
	for (; f->at < f->task->n_inputs; f->at++) {
		const struct input *in = &f->task->inputs[f->at];

		if (group_has(f->group, in->number) && in->result != NULL &&
		    f->offset < in->result->stream[STREAM_RESULT].bytes)
			return &in->result->stream[STREAM_RESULT];
		close_file(f);
		f->offset = 0;
	}
	return NULL;
}

/* How much was written, 0 when there is no more of it, -1 with errno set. */
static ssize_t write_some(struct feed *f, const struct blob *b, size_t n)
{
	off_t offset = (off_t)f->offset;

	if (n > b->bytes - f->offset)
		n = (size_t)(b->bytes - f->offset);
	if (b->place == BLOB_MEMORY)
		return write(f->fd, b->at + f->offset, n);
	if (f->from_fd < 0)
		f->from_fd = open(b->at, O_RDONLY | O_CLOEXEC);
	if (f->from_fd < 0)
		return -1;
	return splice(f->from_fd, &offset, f->fd, NULL, n, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
}

static void on_ready(struct watched *item, uint32_t events)
{
	struct feed *f = (struct feed *)((char *)item - offsetof(struct feed, ready));
	size_t left = TURN_BYTES;
	const struct blob *b = NULL;

	(void)events;
	while (left > 0 && (b = current(f)) != NULL) {
		ssize_t n = write_some(f, b, left);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) { /* the task reads no more, or the file is not what it was: it sees the end */
			b = NULL;
			break;
		}
		f->offset += (uint64_t)n;
		left -= (size_t)n;
	}
	if (b == NULL)
		feed_close(f);
}
