/*
 * table.h - uthash as this project uses it: memory from mem.h, and a failed HASH_ADD leaves the element out instead of
 * ending the process.  After an addition check table_has_added().
 */
#ifndef WORKER_TABLE_H
#define WORKER_TABLE_H

#include "base/mem.h"

#define HASH_NONFATAL_OOM    1
#define uthash_malloc(size)  mem_malloc(size)
#define uthash_free(p, size) mem_free(p)
#include <uthash.h>

/* Whether the HASH_ADD of an element (by its UT_hash_handle `hh`) had the memory it needed. */
#define table_has_added(element) ((element)->hh.tbl != NULL)

#endif
