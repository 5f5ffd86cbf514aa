/*
 * column.h - a column of unsigned integers as bytes: how arrays travel.
 *
 * A column is the count as a LEB128 varint, then for each value the difference to the one before (the first to 0),
 * modulo 2^64, zigzag-coded as a LEB128 varint.  Rising task numbers cost a byte each, a million equal values a
 * megabyte before compression.  A column of no bytes is an empty column.
 *
 * Reading allocates nothing: column_check() walks the bytes once, after which the reader needs no further checks.
 */
#ifndef PROTO_COLUMN_H
#define PROTO_COLUMN_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "proto/sched_error.h"

/* An encoded column.  Borrows the bytes. */
struct column {
	const uint8_t *p;
	size_t size_bytes;
	size_t count;
};

/* Check size_bytes at p and fill *out.  SC_MALFORMED: truncated, trailing bytes, a count larger than the bytes left. */
sc_err column_check(const uint8_t *p, size_t size_bytes, struct column *out);

struct column_reader {
	const uint8_t *p;
	size_t left;
	uint64_t last;
};

void column_read(struct column_reader *r, const struct column *c);

/* The next value; 0 when there is none left.  Only on a checked column. */
uint64_t column_next(struct column_reader *r);

/* Appends values, then yields the column.  Reusable; buf_fini(&w->bytes) at the end of its life. */
struct column_writer {
	struct buf bytes;
	size_t count;
	uint64_t last;
};

void column_writer_init(struct column_writer *w);
void column_writer_fini(struct column_writer *w);
void column_writer_reset(struct column_writer *w);
void column_put(struct column_writer *w, uint64_t value);

/* The column so far, borrowed until the next change.  A failed writer yields an empty column: check buf_err(&w->bytes).
 */
struct column column_of(struct column_writer *w);

/* LEB128, as used above.  varint_get returns the bytes used, 0 when truncated or over 64 bits. */
size_t varint_get(const uint8_t *p, size_t n, uint64_t *out);
void varint_put(struct buf *b, uint64_t v);

#endif
