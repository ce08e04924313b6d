/* SPDX-License-Identifier: BSD-3-Clause */
/* tick_clock.h: monotonic time for who has just read the cycle counter: a multiplication, where clock_ns() costs more than a
 * small burst may.
 *
 *	tick_clock_init(&clock, hz);
 *	now = tick_clock_ns(&clock, ticks);
 *
 * It is clock_ns() at most a millisecond before, and goes on from there with the counter; so it differs from that by less than
 * the counter drifts in a millisecond, and by the age of `ticks`. All zero is clock_ns() itself.
 *
 * Context: the thread that owns it.
 * Units: cycles, nanoseconds.
 */
#ifndef VUS_TICK_CLOCK_H
#define VUS_TICK_CLOCK_H

#include "clock.h"

struct tick_clock {
	uint64_t ticks, ns; /* the same moment */
	uint64_t each;	    /* nanoseconds of a cycle, times 2^32 */
	uint64_t fresh;	    /* cycles for which that moment is good */
};

static inline void tick_clock_init(struct tick_clock *clock, uint64_t hz)
{
	/* A counter of 0, which nobody has read, is not fresh. */
	*clock = (struct tick_clock){.ticks = 0 - hz / 1000, .each = ((uint64_t)NS_PER_S << 32) / hz, .fresh = hz / 1000};
}

static inline uint64_t tick_clock_ns(struct tick_clock *clock, uint64_t ticks)
{
	uint64_t past = ticks - clock->ticks;

	/* One that is before that moment seems far behind it. */
	if (__builtin_expect(past < clock->fresh, 1))
		return clock->ns + (past * clock->each >> 32);
	clock->ticks = ticks;
	clock->ns = clock_ns();
	return clock->ns;
}

#endif
