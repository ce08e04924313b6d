/* SPDX-License-Identifier: BSD-3-Clause */
/* mem_copy.h: copies that fit the size.
 *
 * Context: any thread.
 */
#ifndef VUS_MEM_COPY_H
#define VUS_MEM_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "vus_limits.h"

_Static_assert(FRAME_HEAD <= 128, "two moves of 64 bytes cover every head");

/* Copies n bytes, at most FRAME_HEAD. Two overlapping moves of a constant size cover every length between one move and
 * two, so that hardly any length takes a loop and none a call. */
static inline void mem_copy_short(uint8_t *restrict to, const uint8_t *restrict from, size_t n)
{
	if (n > 64) {
		memcpy(to, from, 64);
		memcpy(to + n - 64, from + n - 64, 64);
	} else if (n >= 32) {
		memcpy(to, from, 32);
		memcpy(to + n - 32, from + n - 32, 32);
	} else if (n >= 16) {
		memcpy(to, from, 16);
		memcpy(to + n - 16, from + n - 16, 16);
	} else if (n >= 8) {
		memcpy(to, from, 8);
		memcpy(to + n - 8, from + n - 8, 8);
	} else {
		for (size_t i = 0; i < n; i++)
			to[i] = from[i];
	}
}

/* Copies n bytes. */
static inline void mem_copy(uint8_t *restrict to, const uint8_t *restrict from, size_t n)
{
	if (n <= FRAME_HEAD)
		mem_copy_short(to, from, n);
	else
		memcpy(to, from, n);
}

#endif
