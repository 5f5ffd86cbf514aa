/* column.c - a column that passes its check is read to its end, and written again means the same. */
#include "proto/column.h"

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	struct column c, c2;
	struct column_reader r, r2;
	struct column_writer w;

	if (column_check(data, n_bytes, &c) != SC_OK)
		return 0;
	FUZZ_CHECK(c.count <= n_bytes);
	column_writer_init(&w);
	column_read(&r, &c);
	for (size_t i = 0; i < c.count; i++)
		column_put(&w, column_next(&r));
	FUZZ_CHECK(r.left == 0);
	c2 = column_of(&w);
	FUZZ_CHECK(column_check(c2.p, c2.size_bytes, &c2) == SC_OK && c2.count == c.count);
	column_read(&r, &c);
	column_read(&r2, &c2);
	for (size_t i = 0; i < c.count; i++)
		FUZZ_CHECK(column_next(&r) == column_next(&r2));
	column_writer_fini(&w);
	return 0;
}
