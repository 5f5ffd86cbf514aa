/* slice.h - bytes that belong to somebody else. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stddef.h>
#include <string.h>

#include "base/mem.h"

/* Borrowed, not terminated. */
struct slice {
	const char *p;
	size_t n;
};

struct slices {
	const struct slice *v;
	size_t n;
};

static inline struct slice slice_of(const char *s)
{
	return (struct slice){s, s == NULL ? 0 : strlen(s)};
}

static inline int slice_is(struct slice a, const char *s)
{
	return a.n == strlen(s) && (a.n == 0 || memcmp(a.p, s, a.n) == 0);
}

static inline int slice_equal(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* A terminated copy, owned by the caller; NULL when out of memory. */
static inline char *slice_dup(struct slice s)
{
	return mem_strndup(s.p, s.n);
}

#endif
