/* constants.h - the rows of constants.def as enumerators (TASK_READY, KIND_EXEC ...) and their names. */
#ifndef PROTO_CONSTANTS_H
#define PROTO_CONSTANTS_H

#include <stdint.h>

enum {
#define CONST(family, name, value, shown, text) family##_##name = (value),
#include "proto/constants.def"
#undef CONST
};

#define TASK_STATES 8

/* Shown name of a constant, "?" when there is none.  Static; any thread. */
const char *const_name_TASK(uint64_t value);
const char *const_name_JOB(uint64_t value);
const char *const_name_WORKER(uint64_t value);
const char *const_name_KIND(uint64_t value);
const char *const_name_FAIL(uint64_t value);

#endif
