/* frame.c - see frame.h. */
#include "proto/frame.h"

#include <zstd.h>

#include "proto/column.h"

#define ZSTD_LEVEL 1

void frame_header_write(uint8_t out[FRAME_HEADER_BYTES], const struct frame_header *h)
{
	out[0] = (uint8_t)(h->length >> 24);
	out[1] = (uint8_t)(h->length >> 16);
	out[2] = (uint8_t)(h->length >> 8);
	out[3] = (uint8_t)h->length;
	out[4] = h->flags;
	out[5] = (uint8_t)(h->sequence >> 16);
	out[6] = (uint8_t)(h->sequence >> 8);
	out[7] = (uint8_t)h->sequence;
}

sc_err frame_header_read(const uint8_t in[FRAME_HEADER_BYTES], uint32_t max_bytes, uint32_t expected_sequence,
			 struct frame_header *h)
{
	h->length = (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
	h->flags = in[4];
	h->sequence = (uint32_t)in[5] << 16 | (uint32_t)in[6] << 8 | in[7];
	if ((h->flags & ~FRAME_FLAGS_KNOWN) != 0)
		return SC_BAD_FRAME;
	if (h->length > max_bytes)
		return SC_TOO_BIG;
	if (h->sequence != (expected_sequence & FRAME_SEQUENCE_MASK))
		return SC_SEQUENCE;
	return SC_OK;
}

void frame_codec_fini(struct frame_codec *c)
{
	ZSTD_freeCCtx(c->compress);
	ZSTD_freeDCtx(c->decompress);
	c->compress = NULL;
	c->decompress = NULL;
}

sc_err frame_compress(struct frame_codec *c, const uint8_t *p, size_t n, struct buf *out)
{
	size_t start = out->len;
	uint8_t *room;
	size_t len;

	if (c->compress == NULL)
		c->compress = ZSTD_createCCtx();
	if (c->compress == NULL)
		return SC_NOMEM;
	varint_put(out, n);
	room = buf_reserve(out, n); /* more than that would not pay anyway */
	if (room == NULL)
		return buf_err(out);
	len = ZSTD_compressCCtx(c->compress, room, n - n / 8, p, n, ZSTD_LEVEL);
	if (ZSTD_isError(len)) {
		out->len = start;
		return SC_INVALID;
	}
	out->len += len;
	return SC_OK;
}

sc_err frame_decompress(struct frame_codec *c, const uint8_t *p, size_t n, size_t max_bytes, struct buf *out)
{
	uint64_t size;
	uint8_t *room;
	size_t head, len;

	head = varint_get(p, n, &size);
	if (head == 0)
		return SC_BAD_FRAME;
	if (size > max_bytes)
		return SC_TOO_BIG;
	if (c->decompress == NULL)
		c->decompress = ZSTD_createDCtx();
	if (c->decompress == NULL)
		return SC_NOMEM;
	room = buf_reserve(out, (size_t)size);
	if (room == NULL)
		return buf_err(out);
	len = ZSTD_decompressDCtx(c->decompress, room, (size_t)size, p + head, n - head);
	if (ZSTD_isError(len) || len != size)
		return SC_BAD_FRAME;
	out->len += len;
	return SC_OK;
}
