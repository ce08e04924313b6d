/* SPDX-License-Identifier: BSD-3-Clause */
#include "histogram.h"

void histogram_add(struct histogram *h, uint64_t value)
{
	unsigned int octave = value < HISTOGRAM_SUB ? 0 : 58 - (unsigned int)__builtin_clzll(value); /* 1: 64 to 127 */
	uint64_t at = value;

	if (octave > 0)
		at = (uint64_t)octave * HISTOGRAM_SUB + (value >> (octave - 1)) - HISTOGRAM_SUB;
	h->bin[at < HISTOGRAM_BINS ? at : HISTOGRAM_BINS - 1]++;
	h->n++;
}

static uint64_t least_of(unsigned int bin)
{
	unsigned int octave = bin / HISTOGRAM_SUB;

	return octave == 0 ? bin : (uint64_t)(HISTOGRAM_SUB + bin % HISTOGRAM_SUB) << (octave - 1);
}

void histogram_print(const struct histogram *h, FILE *to)
{
	const char *between = "";

	fprintf(to, "[");
	for (unsigned int i = 0; i < HISTOGRAM_BINS; i++) {
		if (h->bin[i] == 0)
			continue;
		fprintf(to, "%s[%llu, %u]", between, (unsigned long long)least_of(i), h->bin[i]);
		between = ", ";
	}
	fprintf(to, "]");
}
