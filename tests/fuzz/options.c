/* options.c - any text as a configuration file and, line by line, as --set: taken, or refused with a reason. */
#include "base/options.h"

#include <string.h>

#include "base/mem.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	struct options o;
	struct buf error;
	char *text, *line, *rest;

	FUZZ_CHECK(options_init(&o) == SC_OK);
	buf_init(&error, 0);
	if (options_load_file(&o, fuzz_file(data, n_bytes), &error) != SC_OK)
		FUZZ_CHECK(error.len > 0);
	text = mem_strndup((const char *)data, n_bytes);
	FUZZ_CHECK(text != NULL);
	for (rest = text; (line = strsep(&rest, "\n")) != NULL;) {
		buf_reset(&error);
		if (options_set_pair(&o, "--set", line, &error) != SC_OK)
			FUZZ_CHECK(error.len > 0);
	}
	mem_free(text);
	options_fini(&o);
	buf_fini(&error);
	return 0;
}
