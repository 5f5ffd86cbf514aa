/*
 * measure.c - how long a msgpack value is, before anybody believes it.
 *
 * msgpack-c reserves whatever an array header claims; this walk makes sure first that the claim can be true: each
 * element needs a byte at least, so a count larger than the bytes left is a lie.  Containers are counted down on an
 * explicit stack (depth is bounded), nothing is allocated.  Format: github.com/msgpack/msgpack/blob/master/spec.md.
 */
#include "proto/message.h"

#define DEPTH_MAX 16

static uint64_t big_endian(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | *p++;
	return v;
}

struct head {
	size_t head_bytes;   /* the type byte and the length after it */
	uint64_t body_bytes; /* of a string, number ... */
	uint64_t children;   /* of an array or map */
};

enum counts { BYTES, VALUES, PAIRS, NEVER };

/* Types 0xc0 to 0xdf: bytes of the length that follows, what it counts, and bytes that are there in any case. */
static const struct {
	uint8_t length_bytes;
	uint8_t counts;
	uint8_t fixed_bytes;
} types[32] = {
	[0x00] = {0, BYTES, 0},							  /* nil */
	[0x01] = {0, NEVER, 0},							  /* never used */
	[0x02] = {0, BYTES, 0},	 [0x03] = {0, BYTES, 0},			  /* false, true */
	[0x04] = {1, BYTES, 0},	 [0x05] = {2, BYTES, 0},  [0x06] = {4, BYTES, 0}, /* bin */
	[0x07] = {1, BYTES, 1},	 [0x08] = {2, BYTES, 1},  [0x09] = {4, BYTES, 1}, /* ext: its type is a byte more */
	[0x0a] = {0, BYTES, 4},	 [0x0b] = {0, BYTES, 8},			  /* float */
	[0x0c] = {0, BYTES, 1},	 [0x0d] = {0, BYTES, 2},  [0x0e] = {0, BYTES, 4}, [0x0f] = {0, BYTES, 8}, /* uint */
	[0x10] = {0, BYTES, 1},	 [0x11] = {0, BYTES, 2},  [0x12] = {0, BYTES, 4}, [0x13] = {0, BYTES, 8}, /* int */
	[0x14] = {0, BYTES, 2},	 [0x15] = {0, BYTES, 3},  [0x16] = {0, BYTES, 5}, /* fixext 1, 2, 4 */
	[0x17] = {0, BYTES, 9},	 [0x18] = {0, BYTES, 17},			  /* fixext 8, 16 */
	[0x19] = {1, BYTES, 0},	 [0x1a] = {2, BYTES, 0},  [0x1b] = {4, BYTES, 0}, /* str */
	[0x1c] = {2, VALUES, 0}, [0x1d] = {4, VALUES, 0},			  /* array */
	[0x1e] = {2, PAIRS, 0},	 [0x1f] = {4, PAIRS, 0},			  /* map */
};

/* Read the head of the value at p; 0 when it is incomplete or of no known type. */
static int head_read(const uint8_t *p, size_t n, struct head *h)
{
	uint64_t length;
	size_t length_bytes;
	uint8_t t;

	*h = (struct head){1, 0, 0};
	if (n == 0)
		return 0;
	t = p[0];
	if (t < 0x80 || t >= 0xe0) /* a small number */
		return 1;
	if (t < 0x90)
		h->children = 2u * (t & 0x0fu);
	else if (t < 0xa0)
		h->children = t & 0x0fu;
	else if (t < 0xc0)
		h->body_bytes = t & 0x1fu;
	if (t < 0xc0)
		return 1;
	length_bytes = types[t - 0xc0].length_bytes;
	if (types[t - 0xc0].counts == NEVER || n < 1 + length_bytes)
		return 0;
	length = big_endian(p + 1, length_bytes);
	h->head_bytes = 1 + length_bytes;
	h->body_bytes = types[t - 0xc0].fixed_bytes;
	switch (types[t - 0xc0].counts) {
	case VALUES:
		h->children = length;
		break;
	case PAIRS:
		h->children = 2 * length;
		break;
	default:
		h->body_bytes += length;
		break;
	}
	return 1;
}

size_t msgpack_array_head(const uint8_t *p, size_t n, uint64_t *count)
{
	struct head h;

	if (!head_read(p, n, &h) || ((p[0] & 0xf0) != 0x90 && p[0] != 0xdc && p[0] != 0xdd))
		return 0;
	*count = h.children;
	return h.head_bytes;
}

size_t msgpack_measure(const uint8_t *p, size_t n, unsigned max_depth)
{
	uint64_t left[DEPTH_MAX + 1]; /* children still to come, per open container */
	unsigned depth = 0;
	size_t at = 0;
	struct head h;

	if (max_depth > DEPTH_MAX)
		max_depth = DEPTH_MAX;
	left[0] = 1;
	for (;;) {
		while (left[depth] == 0) {
			if (depth == 0)
				return at;
			depth--;
		}
		left[depth]--;
		if (!head_read(p + at, n - at, &h))
			return 0;
		at += h.head_bytes;
		if (h.body_bytes > n - at || h.children > n - at)
			return 0;
		at += (size_t)h.body_bytes;
		if (h.children > 0) {
			if (depth == max_depth)
				return 0;
			left[++depth] = h.children;
		}
	}
}
