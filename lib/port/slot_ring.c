/* SPDX-License-Identifier: BSD-3-Clause */
#include "slot_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int slot_ring_init(struct slot_ring *ring, uint32_t n, uint32_t slot_bytes)
{
	size_t size = (size_t)n * slot_bytes;

	*ring = (struct slot_ring){.n = n, .slot_bytes = slot_bytes, .slots = aligned_alloc(LINE_BYTES, size)};
	if (ring->slots == NULL)
		return -ENOMEM;
	/* Backed by pages now: an lcore takes no page fault for it. */
	memset(ring->slots, 0, size);
	return 0;
}

void slot_ring_fini(struct slot_ring *ring)
{
	free(ring->slots);
	ring->slots = NULL;
}
