/* arena.c - see arena.h. */
#include "worker/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define CHUNK_MIN_BYTES ((size_t)1024) /* there is an arena for every group of tasks: small ones have to be small */
#define CHUNK_MAX_BYTES ((size_t)16 * 1024)
#define KEEP_BYTES	(4 * CHUNK_MAX_BYTES)

struct arena_chunk {
	struct arena_chunk *older;
	size_t used, size;
	max_align_t data[];
};

static void free_older(struct arena_chunk *c)
{
	while (c != NULL) {
		struct arena_chunk *older = c->older;

		mem_free(c);
		c = older;
	}
}

void arena_fini(struct arena *a)
{
	free_older(a->chunks);
	a->chunks = NULL;
}

void arena_reset(struct arena *a)
{
	a->failed = 0;
	if (a->chunks == NULL)
		return;
	free_older(a->chunks->older);
	a->chunks->older = NULL;
	a->chunks->used = 0;
	if (a->chunks->size > KEEP_BYTES)
		arena_fini(a);
}

/* Chunks double, so that few are needed, and the newest, which is kept, is large enough for the next round. */
static size_t chunk_size(const struct arena *a, size_t n)
{
	size_t size = a->chunks == NULL ? CHUNK_MIN_BYTES : 2 * a->chunks->size;

	if (size > CHUNK_MAX_BYTES)
		size = CHUNK_MAX_BYTES;
	return n > size ? n : size;
}

void *arena_alloc(struct arena *a, size_t n)
{
	struct arena_chunk *c = a->chunks;
	void *p;

	n = (n + sizeof(void *) - 1) & ~(sizeof(void *) - 1);
	if (c == NULL || n > c->size - c->used) {
		size_t size = chunk_size(a, n);

		if (n > SIZE_MAX / 4 || (c = mem_malloc(sizeof(*c) + size)) == NULL) {
			a->failed = 1;
			return NULL;
		}
		*c = (struct arena_chunk){a->chunks, 0, size};
		a->chunks = c;
	}
	p = (char *)c->data + c->used;
	c->used += n;
	return p;
}

char *arena_copy(struct arena *a, const char *p, size_t n)
{
	char *copy = arena_alloc(a, n + 1);

	if (copy == NULL)
		return NULL;
	if (n > 0)
		memcpy(copy, p, n);
	copy[n] = '\0';
	return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	char *out = NULL;
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	if (n >= 0)
		out = arena_alloc(a, (size_t)n + 1);
	if (out != NULL)
		vsnprintf(out, (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return out;
}
