/*
 * bits.h - a set of small numbers, a bit each, that grows.
 *
 * Looking for the next member costs a step per 64 numbers, so a set of ten thousand is searched in 157.  Not for
 * several threads at once.
 */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

#define BITS_NONE UINT32_MAX

/* All zero: empty. */
struct bits {
	uint64_t *words;
	size_t n_words;
	size_t n; /* members */
};

static inline void bits_fini(struct bits *b)
{
	mem_free(b->words);
	*b = (struct bits){0};
}

/* Make room for numbers below n; -1 when there is no memory. */
static inline int bits_reserve(struct bits *b, uint32_t n)
{
	size_t old = b->n_words;
	void *p = mem_grow(b->words, &b->n_words, (size_t)n / 64 + 1, sizeof(*b->words));

	if (p == NULL)
		return -1;
	b->words = p;
	for (size_t i = old; i < b->n_words; i++)
		b->words[i] = 0;
	return 0;
}

static inline int bits_has(const struct bits *b, uint32_t i)
{
	return i / 64 < b->n_words && (b->words[i / 64] >> i % 64 & 1) != 0;
}

/* i is below what was reserved. */
static inline void bits_set(struct bits *b, uint32_t i, int on)
{
	uint64_t bit = (uint64_t)1 << i % 64, *word = &b->words[i / 64];

	if (((*word & bit) != 0) == (on != 0))
		return;
	*word ^= bit;
	if (on)
		b->n++;
	else
		b->n--;
}

static inline void bits_clear_all(struct bits *b)
{
	for (size_t i = 0; b->n > 0 && i < b->n_words; i++)
		b->words[i] = 0;
	b->n = 0;
}

/* The first member of both sets in [from, end), or BITS_NONE.  b == NULL: of a alone. */
static inline uint32_t bits_next(const struct bits *a, const struct bits *b, uint32_t from, uint32_t end)
{
	for (size_t k = from / 64; k < a->n_words && k * 64 < end; k++) {
		uint64_t word = a->words[k];
		uint32_t i;

		if (b != NULL)
			word &= k < b->n_words ? b->words[k] : 0;
		if (k == from / 64)
			word &= ~(uint64_t)0 << from % 64;
		if (word == 0)
			continue;
		i = (uint32_t)(k * 64) + (uint32_t)__builtin_ctzll(word);
		return i < end ? i : BITS_NONE;
	}
	return BITS_NONE;
}

#endif
