/*
 * buf.h - a growing byte buffer with an upper bound.
 *
 * A failed append (no memory, over the bound) makes the buffer "failed" and every later append a no-op, so that a
 * sequence of appends is checked once at its end with buf_err().
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/sched_error.h"

struct buf {
	uint8_t *data; /* owned */
	size_t len;
	size_t cap;
	size_t max; /* bytes; 0 means BUF_MAX_DEFAULT */
	sc_err err;
};

#define BUF_MAX_DEFAULT ((size_t)1 << 32)

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);
void buf_reset(struct buf *b); /* empty and not failed; keeps the memory */

/* Room for n more bytes, to be filled by the caller who then adds to len.  NULL on failure. */
uint8_t *buf_reserve(struct buf *b, size_t n);
void buf_append(struct buf *b, const void *p, size_t n);
void buf_append_str(struct buf *b, const char *s);
void buf_append_byte(struct buf *b, uint8_t byte);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* SC_OK, or the first failure (SC_NOMEM, SC_TOO_BIG). */
sc_err buf_err(const struct buf *b);

/* The contents as a terminated string, borrowed until the next change; "" when failed. */
const char *buf_str(struct buf *b);

#endif
