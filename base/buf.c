/* buf.c - see buf.h. */
#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

void buf_init(struct buf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max ? max : BUF_MAX_DEFAULT;
}

void buf_fini(struct buf *b)
{
	mem_free(b->data);
	buf_init(b, b->max);
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->err = SC_OK;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
	size_t max = b->max ? b->max : BUF_MAX_DEFAULT;
	void *p;

	if (b->err != SC_OK)
		return NULL;
	if (n > max || b->len > max - n) {
		b->err = SC_TOO_BIG;
		return NULL;
	}
	if (b->data == NULL || b->len + n > b->cap) {
		p = mem_grow(b->data, &b->cap, b->len + n < 64 ? 64 : b->len + n, 1);
		if (p == NULL) {
			b->err = SC_NOMEM;
			return NULL;
		}
		b->data = p;
	}
	return b->data + b->len;
}

void buf_append(struct buf *b, const void *p, size_t n)
{
	uint8_t *room = n > 0 ? buf_reserve(b, n) : NULL;

	if (room == NULL)
		return;
	memcpy(room, p, n);
	b->len += n;
}

void buf_append_str(struct buf *b, const char *s)
{
	buf_append(b, s, strlen(s));
}

void buf_append_byte(struct buf *b, uint8_t byte)
{
	uint8_t *room = buf_reserve(b, 1);

	if (room == NULL)
		return;
	*room = byte;
	b->len++;
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char small[256];
	int n;

	va_copy(again, ap);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	if (n >= 0 && (size_t)n < sizeof(small)) {
		buf_append(b, small, (size_t)n);
	} else if (n >= 0) {
		uint8_t *room = buf_reserve(b, (size_t)n + 1);

		if (room != NULL) {
			vsnprintf((char *)room, (size_t)n + 1, fmt, again);
			b->len += (size_t)n;
		}
	}
	va_end(again);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

sc_err buf_err(const struct buf *b)
{
	return b->err;
}

const char *buf_str(struct buf *b)
{
	uint8_t *room = buf_reserve(b, 1);

	if (room == NULL)
		return "";
	*room = '\0';
	return (const char *)b->data;
}
