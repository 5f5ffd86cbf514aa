/* frame.c - a stream of frames as a connection reads it: headers, decompression, the messages inside. */
#include "proto/frame.h"
#include "proto/message.h"
#include "tests/fuzz/fuzz.h"

#define MAX_FRAME_BYTES ((uint32_t)1 << 20)

static struct msg_decoder *decoder;
static struct frame_codec codec;

static void read_messages(const uint8_t *p, size_t n)
{
	while (n > 0) {
		struct msg m;
		size_t used = 0;
		sc_err err = msg_decode(decoder, p, n, &m, &used, NULL);

		if (err != SC_OK && !(err == SC_UNKNOWN_MESSAGE && used > 0))
			return;
		FUZZ_CHECK(used > 0 && used <= n);
		p += used;
		n -= used;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	uint32_t sequence = 0;
	size_t at = 0;
	struct buf plain;

	if (decoder == NULL)
		FUZZ_CHECK(msg_decoder_new(&decoder) == SC_OK);
	buf_init(&plain, MAX_FRAME_BYTES);
	while (n_bytes - at >= FRAME_HEADER_BYTES) {
		const uint8_t *payload = data + at + FRAME_HEADER_BYTES;
		struct frame_header h;

		if (frame_header_read(data + at, MAX_FRAME_BYTES, sequence++, &h) != SC_OK)
			break;
		at += FRAME_HEADER_BYTES;
		if (h.length > n_bytes - at)
			break;
		at += h.length;
		if ((h.flags & FRAME_ZSTD) == 0) {
			read_messages(payload, h.length);
			continue;
		}
		buf_reset(&plain);
		if (frame_decompress(&codec, payload, h.length, MAX_FRAME_BYTES, &plain) != SC_OK)
			break;
		FUZZ_CHECK(plain.len <= MAX_FRAME_BYTES);
		read_messages(plain.data, plain.len);
	}
	buf_fini(&plain);
	return 0;
}
