/*
 * arena.h - memory for what lives exactly as long as one step (the arguments of one child): taken in small pieces,
 * given back at once.  A failed piece makes the arena failed; a sequence is checked once, at its end.
 */
#ifndef WORKER_ARENA_H
#define WORKER_ARENA_H

#include <stddef.h>

struct arena_chunk;

/* Zeroed memory is an empty arena. */
struct arena {
	struct arena_chunk *chunks; /* newest first, owned */
	int failed;
};

void arena_fini(struct arena *a);
void arena_reset(struct arena *a); /* all pieces are gone; keeps a chunk for the next round */

/* Aligned for pointers; NULL when out of memory. */
void *arena_alloc(struct arena *a, size_t n);

/* A terminated copy. */
char *arena_copy(struct arena *a, const char *p, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
