/*
 * column.c - see column.h.  The writer leaves COUNT_ROOM bytes at the front for the count, which is known last;
 * column_of() writes it so that it ends where the values start.
 */
#include "proto/column.h"

#include <string.h>

#define VARINT_MAX 10
#define COUNT_ROOM VARINT_MAX

size_t varint_get(const uint8_t *p, size_t n, uint64_t *out)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n && i < VARINT_MAX; i++) {
		v |= (uint64_t)(p[i] & 0x7f) << (7 * i);
		if ((p[i] & 0x80) == 0) {
			if (i == VARINT_MAX - 1 && p[i] > 1)
				return 0;
			*out = v;
			return i + 1;
		}
	}
	return 0;
}

static size_t varint_write(uint8_t *p, uint64_t v)
{
	size_t n = 0;

	while (v >= 0x80) {
		p[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	p[n++] = (uint8_t)v;
	return n;
}

void varint_put(struct buf *b, uint64_t v)
{
	uint8_t *room = buf_reserve(b, VARINT_MAX);

	if (room != NULL)
		b->len += varint_write(room, v);
}

static uint64_t zigzag(uint64_t delta)
{
	return (delta << 1) ^ (uint64_t)(-(int64_t)(delta >> 63));
}

static uint64_t unzigzag(uint64_t z)
{
	return (z >> 1) ^ (uint64_t)(-(int64_t)(z & 1));
}

sc_err column_check(const uint8_t *p, size_t size_bytes, struct column *out)
{
	uint64_t count, v;
	size_t at, n;

	if (size_bytes == 0) {
		*out = (struct column){NULL, 0, 0};
		return SC_OK;
	}
	at = varint_get(p, size_bytes, &count);
	if (at == 0 || count > size_bytes - at)
		return SC_MALFORMED;
	for (uint64_t i = 0; i < count; i++) {
		if (at < size_bytes && p[at] < 0x80) { /* the usual case: one byte a value */
			at++;
			continue;
		}
		n = varint_get(p + at, size_bytes - at, &v);
		if (n == 0)
			return SC_MALFORMED;
		at += n;
	}
	if (at != size_bytes)
		return SC_MALFORMED;
	*out = (struct column){p, size_bytes, (size_t)count};
	return SC_OK;
}

void column_read(struct column_reader *r, const struct column *c)
{
	uint64_t count;
	size_t n;

	*r = (struct column_reader){0};
	if (c->count == 0)
		return;
	n = varint_get(c->p, c->size_bytes, &count);
	r->p = c->p + n;
	r->left = c->count;
}

uint64_t column_next(struct column_reader *r)
{
	uint64_t v;

	if (r->left == 0)
		return 0;
	if (*r->p < 0x80) {
		v = *r->p++;
	} else {
		r->p += varint_get(r->p, VARINT_MAX, &v);
	}
	r->left--;
	r->last += unzigzag(v);
	return r->last;
}

void column_writer_init(struct column_writer *w)
{
	buf_init(&w->bytes, 0);
	column_writer_reset(w);
}

void column_writer_fini(struct column_writer *w)
{
	buf_fini(&w->bytes);
}

void column_writer_reset(struct column_writer *w)
{
	buf_reset(&w->bytes);
	w->count = 0;
	w->last = 0;
}

void column_put(struct column_writer *w, uint64_t value)
{
	if (w->bytes.len == 0) {
		if (buf_reserve(&w->bytes, COUNT_ROOM) == NULL)
			return;
		w->bytes.len = COUNT_ROOM;
	}
	varint_put(&w->bytes, zigzag(value - w->last));
	w->last = value;
	w->count++;
}

struct column column_of(struct column_writer *w)
{
	uint8_t count[VARINT_MAX];
	size_t n;

	if (w->count == 0 || buf_err(&w->bytes) != SC_OK)
		return (struct column){NULL, 0, 0};
	n = varint_write(count, w->count);
	memcpy(w->bytes.data + COUNT_ROOM - n, count, n);
	return (struct column){w->bytes.data + COUNT_ROOM - n, w->bytes.len - COUNT_ROOM + n, w->count};
}
