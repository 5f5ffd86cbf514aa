/*
 * mem.h - every allocation of the project goes through here, so that a test can fail the n-th.
 *
 * Sizes are bytes.  NULL means out of memory; the caller turns it into SC_NOMEM.  Any thread, but mem_fail_nth()
 * counts per thread.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

void *mem_malloc(size_t size);
void *mem_calloc(size_t n, size_t size); /* zeroed; NULL when n * size overflows */
void *mem_realloc(void *p, size_t size);
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n); /* copies n bytes and terminates them */
void mem_free(void *p);			    /* NULL is fine */

/*
 * Make room for `need` elements in an array that has room for *cap: doubles, so that appending is O(1) amortised.
 * Returns the array (moved, perhaps) or NULL, in which case the old one is untouched and still the caller's.
 */
void *mem_grow(void *array, size_t *cap, size_t need, size_t elem_size);

/* The n-th allocation of this thread from now fails (0 is the next one); negative: none.  For tests. */
void mem_fail_nth(long n);
long mem_fail_left(void); /* how many more will succeed before that; -1: it has failed, or none is to fail */

/* Give back to the system what was freed and is kept for later. */
void mem_release_unused(void);

/* Route libevent's allocations through here as well.  Once, before it is used. */
void mem_adopt_libraries(void);

#endif
