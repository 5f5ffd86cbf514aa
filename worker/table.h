/* table.h - hash tables of the worker: base/hash.h, and how to ask whether an addition had the memory it needed. */
#ifndef WORKER_TABLE_H
#define WORKER_TABLE_H

#include "base/hash.h"

/* Whether the HASH_ADD of an element (by its UT_hash_handle `hh`) had the memory it needed. */
#define table_has_added(element) ((element)->hh.tbl != NULL)

#endif
