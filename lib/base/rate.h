/* SPDX-License-Identifier: BSD-3-Clause */
/* rate.h: at most so many a second, and so many at once: a token bucket kept as one time (GCRA, ITU-T I.371).
 *
 * Context: any thread. Several may take from one bucket at once: none waits, and together they get what one would get. A
 * bucket that is empty is only read.
 * Units: nanoseconds of clock_ns().
 */
#ifndef VUS_RATE_H
#define VUS_RATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

/* All zero is a full bucket. */
struct rate {
	_Atomic uint64_t full_ns; /* when the bucket is full again; in the past: it is */
};

/* Takes one, if there is one. */
static inline bool rate_take(struct rate *rate, uint64_t now_ns, uint32_t per_second, uint32_t at_once)
{
	const uint64_t one = NS_PER_S / per_second;
	uint64_t full = atomic_load_explicit(&rate->full_ns, memory_order_relaxed), next;

	/* Goes round once for each that another thread took meanwhile: at_once times at most. */
	do {
		next = (full > now_ns ? full : now_ns) + one;
		if (next - now_ns > at_once * one)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&rate->full_ns, &full, next,
							memory_order_relaxed, memory_order_relaxed));
	return true;
}

#endif
