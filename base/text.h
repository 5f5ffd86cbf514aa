/*
 * text.h - numbers with units and other small texts, read and shown in one way everywhere.
 *
 * Parsers take the whole string or fail with SC_INVALID, leaving *out alone; the caller knows what was allowed and
 * says so.  Any thread.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "proto/sched_error.h"

/* Decimal, no sign, no space. */
sc_err text_u64(const char *s, uint64_t *out);
sc_err text_i64(const char *s, int64_t *out);

/* "500ms", "2s", "1.5h", "24h", "3d", "250us"; a bare number is seconds; "off" is UINT64_MAX.  -> microseconds */
sc_err text_duration_us(const char *s, uint64_t *out);

/* "64MiB", "1GB", "4096", "1.5G": k/M/G/T are powers of 1000, Ki/Mi/Gi/Ti of 1024, with or without B.  -> bytes */
sc_err text_bytes(const char *s, uint64_t *out);

/* "1%", "0.5%", with the sign.  -> parts of a million */
sc_err text_share(const char *s, uint64_t *out);

/* Amounts of a resource are kept in ten-thousandths: "1" -> 10000, "0.5" -> 5000; up to four decimals. */
#define TEXT_AMOUNT_ONE 10000u
sc_err text_amount(const char *s, uint64_t *out);

/* For people: "1.2 s", "3m 20s", "512 B", "1.3 MiB"; amounts as "1" or "0.5".  Returns buf. */
const char *text_show_us(uint64_t us, char *buf, size_t cap);
const char *text_show_bytes(uint64_t bytes, char *buf, size_t cap);
const char *text_show_amount(uint64_t amount, char *buf, size_t cap);

/* 2n hex digits and a terminator from n random bytes of the kernel. */
void text_random_hex(char *out, size_t n_bytes);

/* Equal, in time that does not depend on where they differ (secrets).  */
int text_equal_secret(const char *a, const char *b);

/* How many letters have to be changed, added or left out to make one of the other; at least UINT_MAX / 2 when either is
 * longer than 60 bytes. */
unsigned text_distance(const char *a, const char *b);

/* The distance, when it is small enough for `word` to be a slip of the pen ("did you mean"): at most 3 letters, and at
 * most half of `known`, lest every short word is near to every other.  Else UINT_MAX. */
unsigned text_slip(const char *word, const char *known);

/* Whether s may be the name of a job, namespace, pool, worker, resource, group: 1..200 bytes of A-Za-z0-9_.-+:@, not
 * starting with a dot (a key is also a file name). */
int text_is_name(const char *s, size_t len);
#define TEXT_NAME_ALLOWED "1 to 200 of A-Z a-z 0-9 _ . - + : @, not starting with a dot"

#endif
