/* SPDX-License-Identifier: BSD-3-Clause */
/* port_drops_slot.h: where a table keeps the head of a port's and reason's last frame, for port_drops.c and port_drops_read.c.
 *
 * Context: any thread.
 */
#ifndef VUS_PORT_DROPS_SLOT_H
#define VUS_PORT_DROPS_SLOT_H

#include "port_drops.h"

enum { DROP_WORDS = DROP_BYTES / sizeof(uint64_t) };

static inline uint64_t drop_key(uint16_t port, unsigned int reason)
{
	return 1 + ((uint64_t)port << 16 | reason);
}

/* Of the places that a key may have, the first. */
static inline unsigned int drop_places(uint64_t key)
{
	return (unsigned int)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) % (DROP_SLOTS / DROP_WAYS) * DROP_WAYS;
}

static inline uint64_t drop_load(const _Atomic uint64_t *at)
{
	return atomic_load_explicit(at, memory_order_relaxed);
}

#endif
