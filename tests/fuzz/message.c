/* message.c - the decoder of every message; what it takes, it can write and read again as the same. */
#include <string.h>

#include "proto/message.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	static struct msg_decoder *decoder, *again;
	struct buf once, twice;
	struct msg m, m2;
	size_t used = 0;

	if (decoder == NULL)
		FUZZ_CHECK(msg_decoder_new(&decoder) == SC_OK && msg_decoder_new(&again) == SC_OK);
	if (msg_decode(decoder, data, n_bytes, &m, &used, NULL) != SC_OK)
		return 0;
	FUZZ_CHECK(used > 0 && used <= n_bytes);
	buf_init(&once, 0);
	buf_init(&twice, 0);
	FUZZ_CHECK(msg_encode(&once, m.type, &m.u, NULL) == SC_OK);
	FUZZ_CHECK(msg_decode(again, once.data, once.len, &m2, &used, NULL) == SC_OK);
	FUZZ_CHECK(m2.type == m.type && used == once.len);
	FUZZ_CHECK(msg_encode(&twice, m2.type, &m2.u, NULL) == SC_OK);
	FUZZ_CHECK(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
	buf_fini(&once);
	buf_fini(&twice);
	return 0;
}
