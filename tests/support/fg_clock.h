/* SPDX-License-Identifier: BSD-3-Clause */
/* fg_clock: deadlines for the fake guest. Every wait in the tests ends at one; nothing here blocks
 * for ever. Times are milliseconds of CLOCK_MONOTONIC. Any thread may call.
 */
#ifndef FG_CLOCK_H
#define FG_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* What a healthy switch needs for anything, with room for sanitizers on a busy machine. */
enum { FG_WAIT_MS = 8000 };

static inline uint64_t fg_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static inline int64_t fg_now_ms(void)
{
	return (int64_t)(fg_now_us() / 1000);
}

static inline int64_t fg_deadline(int ms)
{
	return fg_now_ms() + ms;
}

/* Milliseconds until @deadline, never negative: what poll(2) wants. */
static inline int fg_left_ms(int64_t deadline)
{
	int64_t left = deadline - fg_now_ms();

	return left < 0 ? 0 : (int)left;
}

static inline void fg_sleep_us(unsigned int us)
{
	struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};

	nanosleep(&t, NULL);
}

#endif
