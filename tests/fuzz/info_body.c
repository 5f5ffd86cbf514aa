/*
 * info_body.c - what a client makes of an update of cluster info.  The first byte says how: bit 0, it is a snapshot;
 * bit 1, it is compressed; the rest is the body.  What is refused has changed nothing; what is taken can be published
 * and read.
 */
#include <string.h>

#include "client/view.h"
#include "tests/fuzz/fuzz.h"

/* The size before compression that the bytes claim: 7 bits a byte, lowest first; 0 when there is none. */
static uint64_t claimed_bytes(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n && i < 9; i++) {
		v |= (uint64_t)(p[i] & 0x7f) << (7 * i);
		if ((p[i] & 0x80) == 0)
			return v;
	}
	return 0;
}

static void read_all(const struct view_version *x)
{
	size_t n_found = 0;

	for (size_t i = 0; i < x->n; i++) {
		const struct view_record *r = x->records[i];

		FUZZ_CHECK(r != NULL && (i == 0 || x->records[i - 1]->worker < r->worker));
		if (r->identity != NULL)
			n_found += view_by_name(x, r->identity->name) != NULL;
		else
			n_found++;
	}
	FUZZ_CHECK(n_found == x->n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	const struct view_version *x;
	struct view_totals totals;
	struct slice body;
	struct view *v;
	uint64_t raw = 0;
	size_t n;
	sc_err err;

	if (n_bytes == 0)
		return 0;
	FUZZ_CHECK(view_new(&v) == SC_OK);
	body = (struct slice){(const char *)data + 1, n_bytes - 1};
	if (data[0] & 2)
		raw = claimed_bytes(data + 1, n_bytes - 1);
	for (unsigned round = 0; round < 2; round++) { /* onto nothing, and onto what it left */
		totals = *view_totals(v);
		n = view_n_workers(v);
		err = view_apply(v, body, raw, data[0] & 1);
		if (err != SC_OK)
			FUZZ_CHECK(n == view_n_workers(v) && memcmp(&totals, view_totals(v), sizeof(totals)) == 0);
		FUZZ_CHECK(view_publish(v, "fuzz", round + 1) == SC_OK);
		x = view_pin(v);
		FUZZ_CHECK(x->n == view_n_workers(v));
		read_all(x);
		view_unpin(x);
	}
	view_free(v);
	return 0;
}
