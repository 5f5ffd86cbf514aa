/* access.c - any text as an access file: read within its limits, or refused with a reason. */
#include "net/access.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	struct access a;
	struct buf error;

	buf_init(&error, 0);
	if (access_read(fuzz_file(data, n_bytes), &a, &error) == SC_OK) {
		FUZZ_CHECK(a.n_addresses >= 1 && a.n_addresses <= ACCESS_ADDRESSES_MAX);
		for (size_t i = 0; i < a.n_addresses; i++)
			FUZZ_CHECK(strlen(a.addresses[i]) < ADDRESS_MAX);
		FUZZ_CHECK(strlen(a.client_secret) < ACCESS_SECRET_MAX);
	} else {
		FUZZ_CHECK(error.len > 0);
	}
	buf_fini(&error);
	return 0;
}
