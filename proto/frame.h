/*
 * frame.h - what carries messages: a header of eight bytes, then messages one after the other.
 *
 *     0        4       5             8
 *     | length | flags | sequence    | payload ...
 *
 * All big endian.  length counts the payload only; sequence counts the frames of one direction of a connection from
 * 0 (modulo 2^24), so that a lost or repeated frame is noticed.  With FRAME_ZSTD the payload is the varint of its
 * size before compression and one zstd frame.
 */
#ifndef PROTO_FRAME_H
#define PROTO_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "proto/sched_error.h"

#define FRAME_HEADER_BYTES  8u
#define FRAME_SEQUENCE_MASK 0xffffffu
#define FRAME_ZSTD	    0x01u
#define FRAME_FLAGS_KNOWN   FRAME_ZSTD

struct frame_header {
	uint32_t length;
	uint8_t flags;
	uint32_t sequence;
};

void frame_header_write(uint8_t out[FRAME_HEADER_BYTES], const struct frame_header *h);

/* SC_BAD_FRAME: unknown flags; SC_TOO_BIG: longer than max_bytes; SC_SEQUENCE: not the one expected. */
sc_err frame_header_read(const uint8_t in[FRAME_HEADER_BYTES], uint32_t max_bytes, uint32_t expected_sequence,
			 struct frame_header *h);

/* zstd contexts, made on first use.  One per thread. */
struct frame_codec {
	void *compress;
	void *decompress;
};

void frame_codec_fini(struct frame_codec *c);

/* Append the compressed form of a payload to out.  SC_INVALID when it saves less than an eighth: send it plain. */
sc_err frame_compress(struct frame_codec *c, const uint8_t *p, size_t n, struct buf *out);

/* Append the payload to out.  SC_TOO_BIG when it claims more than max_bytes, SC_BAD_FRAME when it is damaged. */
sc_err frame_decompress(struct frame_codec *c, const uint8_t *p, size_t n, size_t max_bytes, struct buf *out);

#endif
