/* turns.h - run an event loop in a test until something is so, with a deadline and without sleeping. */
#ifndef TESTS_SUPPORT_TURNS_H
#define TESTS_SUPPORT_TURNS_H

#include <stdint.h>

#include "net/loop.h"

/* Take turns until is_so(arg) holds at the end of one.  1 when it does, 0 when the deadline passed first. */
int turns_until(struct loop *l, int (*is_so)(void *arg), void *arg, unsigned deadline_ms);

/* Take exactly n turns; each is due at once. */
void turns_take(struct loop *l, unsigned n);

#endif
