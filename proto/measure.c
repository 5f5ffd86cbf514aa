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
	size_t head_bytes;  /* the type byte and what belongs to it */
	uint64_t body_bytes; /* of a string, number ... */
	uint64_t children;  /* of an array or map */
};

/* Read the head of the value at p; 0 when it is incomplete or of no known type. */
static int head_read(const uint8_t *p, size_t n, struct head *h)
{
	uint8_t t;
	size_t len_bytes = 0; /* bytes of the length that follows the type */
	uint64_t extra = 0;   /* ext types have one more byte */

	*h = (struct head){1, 0, 0};
	if (n == 0)
		return 0;
	t = p[0];
	if (t <= 0x7f || t >= 0xe0 || t == 0xc0 || t == 0xc2 || t == 0xc3)
		return 1;
	if (t <= 0x8f) {
		h->children = 2u * (t & 0x0fu);
		return 1;
	}
	if (t <= 0x9f) {
		h->children = t & 0x0fu;
		return 1;
	}
	if (t <= 0xbf) {
		h->body_bytes = t & 0x1fu;
		return 1;
	}
	switch (t) {
	case 0xc4: case 0xd9: len_bytes = 1; break;
	case 0xc5: case 0xda: len_bytes = 2; break;
	case 0xc6: case 0xdb: len_bytes = 4; break;
	case 0xc7: len_bytes = 1; extra = 1; break;
	case 0xc8: len_bytes = 2; extra = 1; break;
	case 0xc9: len_bytes = 4; extra = 1; break;
	case 0xca: case 0xce: case 0xd2: h->body_bytes = 4; return 1;
	case 0xcb: case 0xcf: case 0xd3: h->body_bytes = 8; return 1;
	case 0xcc: case 0xd0: h->body_bytes = 1; return 1;
	case 0xcd: case 0xd1: h->body_bytes = 2; return 1;
	case 0xd4: h->body_bytes = 2; return 1;
	case 0xd5: h->body_bytes = 3; return 1;
	case 0xd6: h->body_bytes = 5; return 1;
	case 0xd7: h->body_bytes = 9; return 1;
	case 0xd8: h->body_bytes = 17; return 1;
	case 0xdc: case 0xde: len_bytes = 2; break;
	case 0xdd: case 0xdf: len_bytes = 4; break;
	default: return 0; /* 0xc1 is never used */
	}
	if (n < 1 + len_bytes)
		return 0;
	h->head_bytes = 1 + len_bytes;
	if (t == 0xdc || t == 0xdd)
		h->children = big_endian(p + 1, len_bytes);
	else if (t == 0xde || t == 0xdf)
		h->children = 2 * big_endian(p + 1, len_bytes);
	else
		h->body_bytes = big_endian(p + 1, len_bytes) + extra;
	return 1;
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
