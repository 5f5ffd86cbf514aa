/* conn_internal.h - the inside of a connection, for net/conn.c (life, reading) and net/conn_write.c (writing) alone. */
#ifndef NET_CONN_INTERNAL_H
#define NET_CONN_INTERNAL_H

#include <event2/util.h>
#include <sys/queue.h>

#include "net/address.h"
#include "net/conn.h"

#define FILE_STEP_BYTES ((size_t)1024 * 1024) /* of a file at a time, in and out */
#define FILE_STEPS	8u		      /* in a turn */

/* Part of a file that is to be sent behind some of the bytes in `out`. */
struct file_piece {
	STAILQ_ENTRY(file_piece) link;
	size_t before; /* bytes of out between the piece before it and this one */
	int fd;	       /* owned */
	off_t offset;
	uint64_t left;
};

/* What comes in behind a frame and goes into a file. */
struct file_input {
	uint64_t left; /* 0: messages come */
	int fd;	       /* ours: the other may be closed before the end; -1: thrown away */
	off_t offset;
	void (*got)(struct conn *c, uint64_t n_bytes, sc_err err, void *arg);
	int pipe[2]; /* from the socket to the file, without a copy; made once; 0: not yet, -1: there is no such way */
};

struct conn {
	struct loop_member member;
	struct loop *loop;
	int fd;
	struct event *read_ev;
	struct event *write_ev;
	const struct conn_handlers *handlers;
	void *arg;
	struct conn_limits limits;
	uint32_t peer_max_frame_bytes;
	size_t compress_min_bytes;
	unsigned compress_skip; /* frames to send plain because the last ones did not compress */
	char peer[ADDRESS_MAX];

	unsigned connecting : 1;
	unsigned paused : 1;	/* by the owner */
	unsigned held_back : 1; /* by our own output limit */
	unsigned reading : 1;	/* read_ev is added */
	unsigned writing : 1;	/* write_ev is added */
	unsigned closing : 1;
	unsigned local : 1;
	unsigned inflated_frame : 1; /* payload points into `inflated` */
	unsigned say_goodbye : 1;    /* closing with an error the peer should get to read */
	unsigned draining : 1;	     /* said it; waiting for the peer to close */

	struct buf in;
	size_t in_at; /* consumed */
	struct buf inflated;
	const uint8_t *payload; /* rest of the frame being decoded, or NULL */
	size_t payload_left;
	uint32_t in_sequence;
	unsigned turn_messages;

	struct buf pending; /* messages of this turn, not framed yet */
	struct evbuffer *out;
	STAILQ_HEAD(, file_piece) files;
	size_t before_files;  /* bytes of out before the last of them */
	uint64_t files_bytes; /* of them left to send */
	struct file_input file_in;
	uint32_t out_sequence;
	uint64_t bytes_in, bytes_out;

	sc_err why;
	char why_text[512];
	struct loop_timer *linger;
};

/* Whether nothing more may be taken from the peer for now. */
static inline int conn_is_blocked(const struct conn *c)
{
	return c->paused || c->held_back;
}

static inline void conn_mark_dirty(struct conn *c)
{
	loop_dirty(c->loop, &c->member);
}

/* ---- conn.c ---- */
/* Listen for input as the state wants it; for room to write or not. */
void conn_update_reading(struct conn *c);
void conn_update_writing(struct conn *c, unsigned want);
/* It has just been connected. */
void conn_opened(struct conn *c);
/* The other side is gone: what is queued cannot be written any more. */
void conn_broken(struct conn *c, sc_err why, const char *text);

/* ---- conn_write.c ---- */
void conn_drop_output(struct conn *c);
unsigned conn_has_output(const struct conn *c);
/* Stop reading above the limit, begin again when half of it has drained. */
void conn_update_held_back(struct conn *c);
void conn_on_writable(evutil_socket_t fd, short what, void *arg);

#endif
