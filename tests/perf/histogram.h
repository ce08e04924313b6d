/* SPDX-License-Identifier: BSD-3-Clause */
/* histogram: how long many things took, to about one part in sixty-four, in a few thousand counters.
 *
 * Below 64 every value has a counter; above, each octave has 64. Values are whatever the caller counts, here nanoseconds.
 * Thread-safety: one thread.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

enum { HISTOGRAM_SUB = 64, HISTOGRAM_BINS = 32 * HISTOGRAM_SUB };

struct histogram {
	uint64_t n;
	uint32_t bin[HISTOGRAM_BINS];
};

void histogram_add(struct histogram *, uint64_t value);

/* The non-empty bins as JSON: [[the least value of the bin, count], ...]. */
void histogram_print(const struct histogram *, FILE *);

#endif
