/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Bytes between a record and what is fetched for later ones: a long frame, or some short ones. */
enum { AHEAD = 2048 };

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

	if (ring->full)
		return NULL;
	if (ring->claimed + fill + size - ring->tail_seen > CAPTURE_RING_BYTES) {
		/* Pairs with tell_tail(): the consumer has read what lay there. */
		ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
		ring->full = ring->claimed + fill + size - ring->tail_seen > CAPTURE_RING_BYTES;
		if (ring->full)
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
	/* The consumer has read these lines last. */
	for (uint32_t at = 0; at < size; at += LINE_BYTES)
		__builtin_prefetch(capture_ring_at(ring, ring->claimed + AHEAD + at), 1);
	return record;
}

/* What has been done since was so much. */
static void tell_tail(struct capture_ring *ring, uint32_t at_least)
{
	if (ring->next - atomic_load_explicit(&ring->tail, memory_order_relaxed) >= at_least)
		/* Pairs with capture_ring_claim(). */
		atomic_store_explicit(&ring->tail, ring->next, memory_order_release);
}

/* Past what is not to be written. */
static bool find(struct capture_ring *ring)
{
	const struct capture_record *record;

	while (ring->next != ring->head_seen && (record = capture_ring_at(ring, ring->next))->skip)
		ring->next += record->size;
	return ring->next != ring->head_seen;
}

struct capture_record *capture_ring_next(struct capture_ring *ring)
{
	if (!find(ring)) {
		/* Pairs with capture_ring_publish(). */
		ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
		if (!find(ring)) {
			tell_tail(ring, 1);
			return NULL;
		}
	}
	return capture_ring_at(ring, ring->next);
}

void capture_ring_done(struct capture_ring *ring, const struct capture_record *record)
{
	ring->next += record->size;
	tell_tail(ring, CAPTURE_TAIL_STEP);
}
