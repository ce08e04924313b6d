/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int capture_ring_init(struct capture_ring *ring)
{
	memset(ring, 0, sizeof(*ring));
	ring->bytes = aligned_alloc(LINE_BYTES, CAPTURE_RING_BYTES);
	return ring->bytes != NULL ? 0 : -ENOMEM;
}

void capture_ring_fini(struct capture_ring *ring)
{
	free(ring->bytes);
	ring->bytes = NULL;
}

struct capture_record *capture_ring_claim(struct capture_ring *ring, uint32_t n)
{
	uint32_t size = ((uint32_t)sizeof(struct capture_record) + n + CAPTURE_RECORD_ALIGN - 1) & ~(CAPTURE_RECORD_ALIGN - 1u);
	uint32_t to_end = CAPTURE_RING_BYTES - (ring->claimed & (CAPTURE_RING_BYTES - 1));
	uint32_t fill = size > to_end ? to_end : 0;
	struct capture_record *record;

	if (ring->claimed + fill + size - ring->tail_seen > CAPTURE_RING_BYTES) {
		/* Pairs with capture_ring_done(): the consumer has read what lay there. */
		ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
		if (ring->claimed + fill + size - ring->tail_seen > CAPTURE_RING_BYTES)
			return NULL;
	}
	if (fill > 0) {
		/* There may be room for no more than these two. */
		record = capture_ring_at(ring, ring->claimed);
		record->size = fill;
		record->skip = true;
		ring->claimed += fill;
	}
	record = capture_ring_at(ring, ring->claimed);
	record->size = size;
	record->skip = false;
	ring->claimed += size;
	return record;
}

struct capture_record *capture_ring_next(struct capture_ring *ring)
{
	/* Pairs with capture_ring_publish(). */
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	struct capture_record *record = NULL;

	while (tail != head && (record = capture_ring_at(ring, tail))->skip)
		tail += record->size;
	/* Pairs with capture_ring_claim(). */
	atomic_store_explicit(&ring->tail, tail, memory_order_release);
	return tail != head ? record : NULL;
}

void capture_ring_done(struct capture_ring *ring, const struct capture_record *record)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	/* Pairs with capture_ring_claim(). */
	atomic_store_explicit(&ring->tail, tail + record->size, memory_order_release);
}
