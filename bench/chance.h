/* chance.h - numbers drawn from a seed: splitmix64 (Steele, Lea, Flood, OOPSLA 2014). */
#ifndef BENCH_CHANCE_H
#define BENCH_CHANCE_H

#include <stdint.h>

static inline uint64_t chance_draw(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Below n; 0 when n is 0. */
static inline uint32_t chance_roll(uint64_t *state, uint32_t n)
{
	return n == 0 ? 0 : (uint32_t)(chance_draw(state) % n);
}

#endif
