/*
 * fuzz.h - what every fuzz target has: one function that takes any bytes and must survive them.
 *
 * Built twice: with libFuzzer (make fuzz), and with replay.c, which feeds it the files of its corpus (make test).
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

/* An invariant of the code under test; unlike assert() it is there in every build. */
#define FUZZ_CHECK(condition)                                                                                          \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                        \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

/* A file with these bytes, for code that wants a path; static, valid until the next call. */
const char *fuzz_file(const uint8_t *data, size_t n_bytes);

#endif
