/* SPDX-License-Identifier: BSD-3-Clause */
/* mem_copy.h: copies that fit the size. Any thread. */
#ifndef VUS_MEM_COPY_H
#define VUS_MEM_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The first and the last `half` bytes of a copy; together all of it if n is at most twice `half`. The constant sizes
 * become vector loads and stores, without a call. */
#define MEM_COPY_ENDS(to, from, n, half)                                                           \
	do {                                                                                       \
		uint8_t first_[half], last_[half];                                                 \
		memcpy(first_, from, half);                                                        \
		memcpy(last_, (from) + (n) - (half), half);                                        \
		memcpy(to, first_, half);                                                          \
		memcpy((to) + (n) - (half), last_, half);                                          \
	} while (0)

/* Copies n bytes, at most 128: a frame's head. */
static inline void mem_copy_short(uint8_t *to, const uint8_t *from, size_t n)
{
	if (n > 64)
		MEM_COPY_ENDS(to, from, n, 64);
	else if (n >= 32)
		MEM_COPY_ENDS(to, from, n, 32);
	else if (n >= 16)
		MEM_COPY_ENDS(to, from, n, 16);
	else
		for (size_t i = 0; i < n; i++)
			to[i] = from[i];
}

#endif
