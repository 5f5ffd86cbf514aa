/* frame.c - headers within limits and in sequence; compression that pays, does not pay, or lies. */
#include "proto/frame.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "proto/column.h"

#define LIMIT 1000u

static sc_err read_back(uint32_t length, uint8_t flags, uint32_t sequence, uint32_t expected, struct frame_header *h)
{
	uint8_t bytes[FRAME_HEADER_BYTES];

	frame_header_write(bytes, &(struct frame_header){length, flags, sequence});
	return frame_header_read(bytes, LIMIT, expected, h);
}

Test(frame, header)
{
	static const uint8_t wanted[] = {0x00, 0x00, 0x02, 0x03, FRAME_ZSTD, 0xab, 0xcd, 0xef};
	uint8_t bytes[FRAME_HEADER_BYTES];
	struct frame_header h;

	frame_header_write(bytes, &(struct frame_header){0x203, FRAME_ZSTD, 0xabcdef});
	cr_assert_eq(memcmp(bytes, wanted, sizeof(wanted)), 0);
	cr_assert_eq(frame_header_read(bytes, LIMIT, 0xabcdef, &h), SC_OK);
	cr_assert(h.length == 0x203 && h.flags == FRAME_ZSTD && h.sequence == 0xabcdef);
}

Test(frame, the_limit_is_exact)
{
	struct frame_header h;

	cr_assert_eq(read_back(LIMIT, 0, 0, 0, &h), SC_OK);
	cr_assert_eq(read_back(LIMIT + 1, 0, 0, 0, &h), SC_TOO_BIG);
	cr_assert_eq(read_back(UINT32_MAX, 0, 0, 0, &h), SC_TOO_BIG);
	cr_assert_eq(read_back(0, 0, 0, 0, &h), SC_OK);
}

Test(frame, sequence_wraps_and_is_checked)
{
	struct frame_header h;

	cr_assert_eq(read_back(0, 0, 5, 5, &h), SC_OK);
	cr_assert_eq(read_back(0, 0, 5, 4, &h), SC_SEQUENCE);
	cr_assert_eq(read_back(0, 0, 5, 6, &h), SC_SEQUENCE);
	cr_assert_eq(read_back(0, 0, FRAME_SEQUENCE_MASK, FRAME_SEQUENCE_MASK, &h), SC_OK);
	cr_assert_eq(read_back(0, 0, 0, FRAME_SEQUENCE_MASK + 1, &h), SC_OK, "modulo 2^24");
}

Test(frame, unknown_flags_and_other_protocols_are_no_frames)
{
	struct frame_header h;

	for (unsigned bit = 1; bit < 8; bit++)
		cr_assert_eq(read_back(0, (uint8_t)(1u << bit), 0, 0, &h), SC_BAD_FRAME);
	cr_assert_neq(frame_header_read((const uint8_t *)"GET / HT", UINT32_MAX, 0, &h), SC_OK);
	cr_assert_neq(frame_header_read((const uint8_t *)"\x16\x03\x01\x02\x00\x01\x00\x01", 1u << 26, 0, &h), SC_OK);
}

struct fixture {
	struct frame_codec codec;
	struct buf packed, plain;
};

static void setup(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	buf_init(&f->packed, 0);
	buf_init(&f->plain, 0);
}

static void teardown(struct fixture *f)
{
	frame_codec_fini(&f->codec);
	buf_fini(&f->packed);
	buf_fini(&f->plain);
}

Test(frame, compression_that_pays)
{
	static uint8_t data[100000];
	struct fixture f;

	setup(&f);
	buf_append(&f.packed, "head", 4);
	cr_assert_eq(frame_compress(&f.codec, data, sizeof(data), &f.packed), SC_OK);
	cr_assert_lt(f.packed.len, 1000);
	cr_assert_eq(memcmp(f.packed.data, "head", 4), 0, "it is appended");
	buf_append(&f.plain, "head", 4);
	cr_assert_eq(frame_decompress(&f.codec, f.packed.data + 4, f.packed.len - 4, sizeof(data), &f.plain), SC_OK);
	cr_assert_eq(f.plain.len, 4 + sizeof(data));
	cr_assert_eq(memcmp(f.plain.data + 4, data, sizeof(data)), 0);
	teardown(&f);
}

Test(frame, compression_that_does_not_pay)
{
	uint8_t data[4096];
	uint64_t seed = 1;
	struct fixture f;

	setup(&f);
	for (size_t i = 0; i < sizeof(data); i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		data[i] = (uint8_t)(seed >> 33);
	}
	buf_append(&f.packed, "head", 4);
	cr_assert_eq(frame_compress(&f.codec, data, sizeof(data), &f.packed), SC_INVALID);
	cr_assert_eq(f.packed.len, 4, "nothing is left behind");
	teardown(&f);
}

Test(frame, a_payload_that_grows_beyond_the_limit)
{
	static uint8_t data[100000];
	struct fixture f;

	setup(&f);
	cr_assert_eq(frame_compress(&f.codec, data, sizeof(data), &f.packed), SC_OK);
	cr_assert_eq(frame_decompress(&f.codec, f.packed.data, f.packed.len, sizeof(data) - 1, &f.plain), SC_TOO_BIG);
	cr_assert_eq(f.plain.len, 0);
	teardown(&f);
}

Test(frame, a_payload_that_lies_about_its_size)
{
	static uint8_t data[1000];
	struct fixture f;
	struct buf lie;
	uint64_t size;
	size_t head;

	setup(&f);
	buf_init(&lie, 0);
	cr_assert_eq(frame_compress(&f.codec, data, sizeof(data), &f.packed), SC_OK);
	head = varint_get(f.packed.data, f.packed.len, &size);
	cr_assert_eq(size, sizeof(data));
	for (int delta = -1; delta <= 1; delta += 2) {
		buf_reset(&lie);
		varint_put(&lie, size + (uint64_t)(int64_t)delta);
		buf_append(&lie, f.packed.data + head, f.packed.len - head);
		buf_reset(&f.plain);
		cr_assert_eq(frame_decompress(&f.codec, lie.data, lie.len, 100000, &f.plain), SC_BAD_FRAME);
		cr_assert_eq(f.plain.len, 0);
	}
	buf_fini(&lie);
	teardown(&f);
}

Test(frame, a_damaged_payload)
{
	static uint8_t data[1000];
	struct fixture f;

	setup(&f);
	cr_assert_eq(frame_compress(&f.codec, data, sizeof(data), &f.packed), SC_OK);
	for (size_t n = 0; n < f.packed.len; n++) {
		buf_reset(&f.plain);
		cr_assert_eq(frame_decompress(&f.codec, f.packed.data, n, 100000, &f.plain), SC_BAD_FRAME, "cut at %zu",
			     n);
	}
	cr_assert_eq(frame_decompress(&f.codec, (const uint8_t *)"\x05hello", 6, 100, &f.plain), SC_BAD_FRAME);
	cr_assert_eq(frame_decompress(&f.codec, (const uint8_t *)"", 0, 100, &f.plain), SC_BAD_FRAME);
	buf_append_byte(&f.packed, 'x');
	buf_reset(&f.plain);
	cr_assert_eq(frame_decompress(&f.codec, f.packed.data, f.packed.len, 100000, &f.plain), SC_BAD_FRAME, "a tail");
	teardown(&f);
}

Test(frame, no_memory)
{
	static uint8_t data[1000];
	struct fixture f;

	setup(&f);
	mem_fail_nth(0);
	cr_assert_eq(frame_compress(&f.codec, data, sizeof(data), &f.packed), SC_NOMEM);
	mem_fail_nth(-1);
	buf_reset(&f.packed);
	cr_assert_eq(frame_compress(&f.codec, data, sizeof(data), &f.packed), SC_OK);
	mem_fail_nth(0);
	cr_assert_eq(frame_decompress(&f.codec, f.packed.data, f.packed.len, 100000, &f.plain), SC_NOMEM);
	mem_fail_nth(-1);
	teardown(&f);
}
