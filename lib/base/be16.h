/* SPDX-License-Identifier: BSD-3-Clause */
/* be16.h: numbers of two bytes in packets, at any address.
 *
 * Context: any thread.
 */
#ifndef VUS_BE16_H
#define VUS_BE16_H

#include <stdint.h>

static inline uint16_t be16_at(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

#endif
