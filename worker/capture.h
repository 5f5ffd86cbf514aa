/*
 * capture.h - one output stream of a running task, read from a pipe: in memory first, in a file of the spool once it is
 * longer than worker.output-memory, never longer than worker.output-max.
 *
 * The pipe blocks; reading never does, as only what is known to be there is read.
 */
#ifndef WORKER_CAPTURE_H
#define WORKER_CAPTURE_H

#include <stdint.h>

#include "base/buf.h"
#include "worker/store.h"

struct capture_limits {
	uint64_t memory_bytes;
	uint64_t max_bytes;
};

/* Zeroed memory with fd and spill_fd -1 is a closed capture. */
struct capture {
	int fd; /* read end, owned; -1: closed */
	int spill_fd;
	char *spill_path; /* owned */
	uint64_t total_bytes;
	struct buf memory;
	int error; /* errno of a failed write to the spool; EFBIG: over max_bytes */
};

void capture_init(struct capture *c);

/* Closes and removes whatever is left. */
void capture_fini(struct capture *c);

/* Make the pipe.  *write_fd is the child's end, the caller's to close.  0, or -1 with errno set. */
int capture_open(struct capture *c, int *write_fd);

/*
 * Read what is there, a bounded amount.  1: there may be more later; 0: the end, the pipe is closed; -1: c->error is
 * set, what came so far is kept and the rest is thrown away.
 */
int capture_read(struct capture *c, const struct capture_limits *limits, struct spool *spool);

/* The task is over: read what is left in the pipe, at most what a pipe holds, and close it. */
void capture_finish(struct capture *c, const struct capture_limits *limits, struct spool *spool);

/* Move what was captured into a stream of r.  SC_NOMEM; SC_IO with errno set. */
sc_err capture_store(struct capture *c, struct result *r, enum stream stream);

#endif
