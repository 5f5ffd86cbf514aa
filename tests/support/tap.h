/*
 * tap.h - stands between the data port of an agent and those who fetch from it, and decides how much they get.
 *
 *     agent with --set worker.data-listen=unix://DIR/w1.sock is ready
 *     struct tap *t = tap_new("DIR/w1.sock");
 *     tap_limit(t, 1000000);                    exactly so many bytes pass, then nothing more does
 *     ... somebody begins to fetch ...
 *     tap_wait(&t, 1);                          they have passed: it is in the middle of the transfer
 *     kill the agent; tap_cut(t);
 *
 * So a holder can be killed or stopped at a certain byte, whatever the machine does meanwhile.  What is asked of the
 * holder always passes.  A thread of its own moves the bytes; the calls are for the test's thread.
 */
#ifndef TESTS_SUPPORT_TAP_H
#define TESTS_SUPPORT_TAP_H

#include <stddef.h>
#include <stdint.h>

struct tap;

/* Takes the place of the unix socket at path, whose listener is connected to under another name.  Lets all pass. */
struct tap *tap_new(const char *path);
void tap_free(struct tap *t); /* cuts it; NULL is fine */

/* From now on at most so many bytes pass to those who fetch, all together. */
void tap_limit(struct tap *t, uint64_t n_bytes);

/* No limit any more. */
void tap_open(struct tap *t);

/* How many have passed since a limit was set, or at all. */
uint64_t tap_passed(struct tap *t);

/* Wait until as many as the limit have passed at one of n taps: which.  Fails the test at PROC_DEADLINE_MS. */
size_t tap_wait(struct tap *const *taps, size_t n);

/* End all connections, as the death of the holder would, and let none in.  What has passed before is still read. */
void tap_cut(struct tap *t);

#endif
