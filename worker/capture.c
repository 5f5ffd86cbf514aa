/* capture.c - see capture.h. */
#include "worker/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/mem.h"

#define READ_BYTES	 ((size_t)64 * 1024)
#define READ_ROUNDS	 16 /* at most 1 MiB of one stream a turn */
#define LARGE_PIPE_BYTES (1 << 20)

void capture_init(struct capture *c)
{
	*c = (struct capture){.fd = -1, .spill_fd = -1};
}

static void close_pipe(struct capture *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

void capture_fini(struct capture *c)
{
	close_pipe(c);
	if (c->spill_fd >= 0)
		close(c->spill_fd);
	if (c->spill_path != NULL)
		unlink(c->spill_path);
	mem_free(c->spill_path);
	buf_fini(&c->memory);
	capture_init(c);
}

int capture_open(struct capture *c, int *write_fd)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -1;
	c->fd = fds[0];
	*write_fd = fds[1];
	return 0;
}

static void spill(struct capture *c, const uint8_t *p, size_t n)
{
	while (n > 0 && c->error == 0) {
		ssize_t done = write(c->spill_fd, p, n);

		if (done < 0 && errno != EINTR) {
			c->error = errno;
		} else if (done > 0) {
			p += done;
			n -= (size_t)done;
			c->total_bytes += (uint64_t)done;
		}
	}
}

/* Go on in a file.  A task that writes this much is served with fewer, larger reads. */
static void begin_spill(struct capture *c, struct spool *spool)
{
	char path[SPOOL_PATH_MAX];

	spool_path(spool, "output", path);
	c->spill_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (c->spill_fd < 0) {
		c->error = errno;
		return;
	}
	c->spill_path = mem_strdup(path);
	if (c->spill_path == NULL) {
		unlink(path);
		c->error = ENOMEM;
		return;
	}
	fcntl(c->fd, F_SETPIPE_SZ, LARGE_PIPE_BYTES); /* refused when the user has too many large pipes: fine */
	c->total_bytes = 0;
	spill(c, c->memory.data, c->memory.len);
	if (c->error == 0)
		buf_fini(&c->memory);
}

static void keep(struct capture *c, const uint8_t *p, size_t n, const struct capture_limits *limits,
		 struct spool *spool)
{
	if (c->error != 0)
		return;
	if (n > limits->max_bytes - c->total_bytes) {
		n = (size_t)(limits->max_bytes - c->total_bytes);
		keep(c, p, n, limits, spool);
		if (c->error == 0)
			c->error = EFBIG;
		return;
	}
	if (c->spill_fd < 0 && c->total_bytes + n > limits->memory_bytes)
		begin_spill(c, spool);
	if (c->error != 0)
		return;
	if (c->spill_fd >= 0) {
		spill(c, p, n);
		return;
	}
	buf_append(&c->memory, p, n);
	if (buf_err(&c->memory) != SC_OK)
		c->error = ENOMEM;
	else
		c->total_bytes += n;
}

/* One read() of a descriptor that has something to read, or whose writers are gone. */
static ssize_t read_once(struct capture *c, const struct capture_limits *limits, struct spool *spool)
{
	static uint8_t scratch[READ_BYTES];
	ssize_t n = read(c->fd, scratch, sizeof(scratch));

	if (n > 0)
		keep(c, scratch, (size_t)n, limits, spool);
	return n;
}

static int bytes_there(const struct capture *c)
{
	int n = 0;

	return c->fd < 0 || ioctl(c->fd, FIONREAD, &n) != 0 ? 0 : n;
}

int capture_read(struct capture *c, const struct capture_limits *limits, struct spool *spool)
{
	for (int round = 0; round < READ_ROUNDS; round++) {
		ssize_t n = read_once(c, limits, spool);

		if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) {
			close_pipe(c);
			break;
		}
		if (c->error != 0 || n < (ssize_t)READ_BYTES || bytes_there(c) == 0)
			break;
	}
	return c->error != 0 ? -1 : c->fd >= 0;
}

void capture_finish(struct capture *c, const struct capture_limits *limits, struct spool *spool)
{
	size_t left = LARGE_PIPE_BYTES; /* a process that left the group may go on writing for ever */

	while (left > 0 && bytes_there(c) > 0) {
		ssize_t got = read_once(c, limits, spool);

		if (got <= 0 && errno != EINTR)
			break;
		left -= got > 0 && (size_t)got < left ? (size_t)got : left;
	}
	close_pipe(c);
}

sc_err capture_store(struct capture *c, struct result *r, enum stream stream)
{
	sc_err err;

	if (c->spill_fd < 0)
		return c->memory.len == 0 ? SC_OK : result_take_buf(r, stream, &c->memory);
	if (c->spill_path == NULL || c->total_bytes == 0)
		return SC_OK;
	err = result_take_file(r, stream, BLOB_FILE, c->spill_path, c->total_bytes);
	mem_free(c->spill_path);
	c->spill_path = NULL;
	return err;
}
