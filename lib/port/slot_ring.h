/* SPDX-License-Identifier: BSD-3-Clause */
/* slot_ring.h: a ring of slots of one size between two threads: one fills a slot where it lies, the other reads it there.
 *
 *	if ((slot = slot_ring_claim(ring)) != NULL) { ... slot_ring_commit(ring); }     producer
 *	if ((slot = slot_ring_next(ring)) != NULL) { ... slot_ring_done(ring); }        consumer
 *
 * Context: one producer and one consumer thread; neither waits. All memory is taken at the start.
 */
#ifndef VUS_SLOT_RING_H
#define VUS_SLOT_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lines.h"

/* Indexes count slots since the start and wrap at 2^32. */
struct slot_ring {
	_Alignas(LINE_BYTES) uint32_t n; /* slots, a power of two */
	uint32_t slot_bytes;
	uint8_t *slots;
	_Alignas(LINE_BYTES) _Atomic uint32_t head; /* the producer's: slots filled */
	_Alignas(LINE_BYTES) _Atomic uint32_t tail; /* the consumer's: slots given back */
};
BEGINS_A_LINE(struct slot_ring, head);
BEGINS_A_LINE(struct slot_ring, tail);
WHOLE_LINES(struct slot_ring);

/* Returns: 0 or -ENOMEM. `n` is a power of two, `slot_bytes` a multiple of a cache line. */
int slot_ring_init(struct slot_ring *ring, uint32_t n, uint32_t slot_bytes);
void slot_ring_fini(struct slot_ring *ring);

static inline void *slot_ring_at(const struct slot_ring *ring, uint32_t i)
{
	return ring->slots + (uint64_t)(i & (ring->n - 1)) * ring->slot_bytes;
}

/* Producer. Returns: the next slot to fill; NULL: the ring is full. */
static inline void *slot_ring_claim(struct slot_ring *ring)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	/* Pairs with slot_ring_done(): the consumer has read what was in the slot. */
	if (head - atomic_load_explicit(&ring->tail, memory_order_acquire) == ring->n)
		return NULL;
	return slot_ring_at(ring, head);
}

static inline void slot_ring_commit(struct slot_ring *ring)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	/* Pairs with slot_ring_next(): the slot before the index. */
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

/* Consumer. */
static inline bool slot_ring_waiting(struct slot_ring *ring)
{
	return atomic_load_explicit(&ring->head, memory_order_relaxed) !=
	       atomic_load_explicit(&ring->tail, memory_order_relaxed);
}

/* Consumer. Returns: the oldest slot; NULL: the ring is empty. It is the consumer's until slot_ring_done(). */
static inline void *slot_ring_next(struct slot_ring *ring)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	/* Pairs with slot_ring_commit(). */
	if (atomic_load_explicit(&ring->head, memory_order_acquire) == tail)
		return NULL;
	return slot_ring_at(ring, tail);
}

static inline void slot_ring_done(struct slot_ring *ring)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	/* Pairs with slot_ring_claim(). */
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
}

#endif
