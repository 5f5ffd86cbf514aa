/*
 * graph.c - any text as a graph file: read and checked, or refused with file and line.
 *
 * The file may name others (globs, lines, modules): inputs with a slash are left out, so that nothing is read but what
 * lies in the working directory.
 */
#include "client/ctl/graph.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	struct graph *g = NULL;
	struct buf error;
	const char *path;
	sc_err err;

	if (n_bytes > 0 && memchr(data, '/', n_bytes) != NULL)
		return 0;
	path = fuzz_file(data, n_bytes);
	buf_init(&error, 0);
	err = graph_load(path, &g, &error);
	if (err == SC_OK)
		FUZZ_CHECK(g != NULL && error.len == 0);
	else
		FUZZ_CHECK(err == SC_INVALID && strncmp(buf_str(&error), path, strlen(path)) == 0);
	graph_free(g);
	buf_fini(&error);
	return 0;
}
