/*
 * hash.h - uthash, with our allocator and without its habit of calling exit() when memory runs out: an element that
 * could not be added has hh.tbl == NULL afterwards.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/mem.h"

#define HASH_NONFATAL_OOM	1
#define uthash_malloc(size)	mem_malloc(size)
#define uthash_free(ptr, size_) mem_free(ptr)
#include <uthash.h>

#ifdef __clang_analyzer__
/* Too deep for it: it takes the bytes of a key for uninitialised, and a table that is there for missing. */
#undef HASH_FUNCTION
#define HASH_FUNCTION(key, n_bytes, hash) ((void)(key), (hash) = (unsigned)(n_bytes))
#undef HASH_DELETE_HH
#define HASH_DELETE_HH(hh, head, element) ((void)(head), (void)(element))
#endif

#endif
