/* SPDX-License-Identifier: BSD-3-Clause */
/* histogram.h: how long something took, each time, counted in buckets whose bounds double.
 *
 * A bucket has what took as long as its bound at most and longer than the bound before. Counters only grow.
 *
 * Context: one thread adds; any thread reads, and what it reads of one that is being added may not be whole yet.
 * Units: nanoseconds.
 */
#ifndef VUS_HISTOGRAM_H
#define VUS_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

enum {
	HISTOGRAM_BOUNDS = 24,			 /* from a microsecond to 8.4 seconds */
	HISTOGRAM_VALUES = HISTOGRAM_BOUNDS + 2, /* as metrics_set.h has them: the last two are what is above, and the sum */
};

/* All zero: nothing was added. */
struct histogram {
	_Atomic uint64_t value[HISTOGRAM_VALUES];
};

extern const uint64_t histogram_bounds[HISTOGRAM_BOUNDS];

/* The bucket that a time belongs to; HISTOGRAM_BOUNDS: above the last bound. */
static inline unsigned int histogram_bucket(uint64_t ns)
{
	/* Of the whole microseconds that it takes more than, the number of bits. */
	uint64_t above = ns > 0 ? (ns - 1) / 1000 : 0;
	unsigned int bits = above > 0 ? 64 - (unsigned int)__builtin_clzll(above) : 0;

	return bits < HISTOGRAM_BOUNDS ? bits : HISTOGRAM_BOUNDS;
}

static inline void histogram_grow(_Atomic uint64_t *value, uint64_t more)
{
	atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + more, memory_order_relaxed);
}

static inline void histogram_add(struct histogram *histogram, uint64_t ns)
{
	histogram_grow(&histogram->value[histogram_bucket(ns)], 1);
	histogram_grow(&histogram->value[HISTOGRAM_VALUES - 1], ns);
}

void histogram_read(const struct histogram *histogram, uint64_t values[HISTOGRAM_VALUES]);

#endif
