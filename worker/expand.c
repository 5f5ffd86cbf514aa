/* expand.c - see expand.h. */
#include "worker/expand.h"

char *pattern_expand(struct arena *a, struct slice text, const struct pattern_values *v, size_t *n_bytes)
{
	struct buf b;
	char *out;

	if (n_bytes != NULL)
		*n_bytes = text.n;
	if (text.n == 0 || memchr(text.p, '{', text.n) == NULL)
		return arena_copy(a, text.p, text.n);
	buf_init(&b, PATTERN_MAX_BYTES);
	pattern_write(&b, text, v);
	if (buf_err(&b) != SC_OK) {
		a->failed = 1;
		out = NULL;
	} else {
		out = arena_copy(a, (const char *)b.data, b.len);
	}
	if (out != NULL && n_bytes != NULL)
		*n_bytes = b.len;
	buf_fini(&b);
	return out;
}
