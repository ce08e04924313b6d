/* SPDX-License-Identifier: BSD-3-Clause */
#include "histogram.h"

#define US(n) (UINT64_C(1000) << (n))

const uint64_t histogram_bounds[HISTOGRAM_BOUNDS] = {
	US(0),	US(1),	US(2),	US(3),	US(4),	US(5),	US(6),	US(7),	US(8),	US(9),	US(10), US(11),
	US(12), US(13), US(14), US(15), US(16), US(17), US(18), US(19), US(20), US(21), US(22), US(23),
};

void histogram_read(const struct histogram *histogram, uint64_t values[HISTOGRAM_VALUES])
{
	for (unsigned int i = 0; i < HISTOGRAM_VALUES; i++)
		values[i] = atomic_load_explicit(&histogram->value[i], memory_order_relaxed);
}
