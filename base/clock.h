/* clock.h - the two clocks, in microseconds.  The core never calls these: it is told the time. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define US_PER_MS 1000u
#define US_PER_S  1000000u

static inline uint64_t clock_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * US_PER_S + (uint64_t)ts.tv_nsec / 1000u;
}

/* Since some start; never steps.  For every interval and deadline. */
static inline uint64_t clock_monotonic_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

/* The same in nanoseconds, for what takes less than a microsecond. */
static inline uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Since 1970.  Only to show a person when something happened. */
static inline uint64_t clock_wall_us(void)
{
	return clock_us(CLOCK_REALTIME);
}

#endif
