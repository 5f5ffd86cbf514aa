/* mem.c - see mem.h. */
#include "base/mem.h"

#include <event2/event.h>
#include <stdint.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local long fail_in = -1;

static int must_fail(void)
{
	if (__builtin_expect(fail_in < 0, 1))
		return 0;
	return fail_in-- == 0;
}

void mem_fail_nth(long n)
{
	fail_in = n < 0 ? -1 : n;
}

long mem_fail_left(void)
{
	return fail_in;
}

void *mem_malloc(size_t size)
{
	return must_fail() ? NULL : malloc(size ? size : 1);
}

void *mem_calloc(size_t n, size_t size)
{
	return must_fail() ? NULL : calloc(n ? n : 1, size ? size : 1);
}

void *mem_realloc(void *p, size_t size)
{
	return must_fail() ? NULL : realloc(p, size ? size : 1);
}

char *mem_strndup(const char *s, size_t n)
{
	char *copy = mem_malloc(n + 1);

	if (copy == NULL)
		return NULL;
	if (n > 0)
		memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}

char *mem_strdup(const char *s)
{
	return mem_strndup(s, strlen(s));
}

void mem_free(void *p)
{
	free(p);
}

void *mem_grow(void *array, size_t *cap, size_t need, size_t elem_size)
{
	size_t want = *cap < 8 ? 8 : *cap;
	void *p;

	if (need <= *cap)
		return array;
	while (want < need) {
		if (want > SIZE_MAX / 2)
			return NULL;
		want *= 2;
	}
	if (want > SIZE_MAX / elem_size)
		return NULL;
	p = mem_realloc(array, want * elem_size);
	if (p != NULL)
		*cap = want;
	return p;
}

/* The allocator programs are linked with, if it is that one: jemalloc(3), MALLCTL_ARENAS_ALL. */
extern int mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size) __attribute__((weak));

void mem_release_unused(void)
{
	if (mallctl != NULL)
		mallctl("arena.4096.purge", NULL, NULL, NULL, 0);
	else
		malloc_trim(0);
}

void mem_adopt_libraries(void)
{
	event_set_mem_functions(mem_malloc, mem_realloc, mem_free);
}
