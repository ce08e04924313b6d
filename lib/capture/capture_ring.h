/* SPDX-License-Identifier: BSD-3-Clause */
/* capture_ring.h: frames on their way from an lcore to the thread that writes them: a ring of bytes with one record for each.
 *
 *	if ((record = capture_ring_claim(ring, n)) != NULL) { ... }   capture_ring_publish(ring);     producer
 *	while ((record = capture_ring_next(ring)) != NULL) { ... capture_ring_done(ring, record); }   consumer
 *
 * A record is one piece; where the ring's end is too near, an empty one fills it. What was claimed may be changed until it is
 * published: what becomes of a frame is known later than its bytes. A full ring refuses.
 *
 * Context: one producer and one consumer thread; neither waits. The ring's pages are taken as they are first used.
 * Units: bytes. Positions count from the start and wrap at 2^32.
 */
#ifndef VUS_CAPTURE_RING_H
#define VUS_CAPTURE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lines.h"
#include "vus_limits.h"

enum {
	CAPTURE_RING_BYTES = 4 << 20, /* 4 ms of 8 Gbit/s; the writer looks each millisecond */
	CAPTURE_RECORD_ALIGN = 8,
	/* What the consumer has done is told in pieces of this: a line that both write goes back and forth. */
	CAPTURE_TAIL_STEP = 64 << 10,
};

struct capture_record {
	uint32_t size; /* of the record, with what fills it up */
	uint16_t interface;
	uint8_t direction; /* enum pcapng_direction */
	bool skip;	   /* nothing is to be written of it */
	uint32_t reason;   /* 1 + the row of port_counter_table under which the frame was dropped; 0: it was not */
	uint32_t n;	   /* at `bytes` */
	uint32_t len;	   /* of the frame */
	uint64_t time_ns;  /* since 1970 */
	uint8_t bytes[];
};
_Static_assert(sizeof(struct capture_record) % CAPTURE_RECORD_ALIGN == 0, "records lie on words");

struct capture_ring {
	_Alignas(LINE_BYTES) uint8_t *bytes;
	_Alignas(LINE_BYTES) uint32_t claimed; /* the producer's */
	uint32_t tail_seen;
	bool held;	  /* what is claimed is not to be published yet */
	bool full;	  /* the tail was looked at since something was published, and there was no room */
	uint64_t time_ns; /* of the burst for which it is held */
	/* The producer's, while it is held: what was done with the frame of this number of its burst, and where it is. */
	uint8_t taken[BURST_MAX];
	uint32_t at[BURST_MAX];
	_Alignas(LINE_BYTES) _Atomic uint32_t head; /* written by the producer */
	_Alignas(LINE_BYTES) uint32_t next; /* the consumer's */
	uint32_t head_seen;
	_Alignas(LINE_BYTES) _Atomic uint32_t tail; /* written by the consumer: at most CAPTURE_TAIL_STEP before `next` */
};
BEGINS_A_LINE(struct capture_ring, claimed);
BEGINS_A_LINE(struct capture_ring, head);
BEGINS_A_LINE(struct capture_ring, next);
BEGINS_A_LINE(struct capture_ring, tail);
WHOLE_LINES(struct capture_ring);

/* 0 or -ENOMEM. */
int capture_ring_init(struct capture_ring *ring);
void capture_ring_fini(struct capture_ring *ring);

static inline struct capture_record *capture_ring_at(const struct capture_ring *ring, uint32_t position)
{
	return (struct capture_record *)(void *)(ring->bytes + (position & (CAPTURE_RING_BYTES - 1)));
}

/* Producer. A record with room for `n` bytes, of which `size` is filled in, and skip is false. NULL: the ring is full, and stays
 * so until something is published. */
struct capture_record *capture_ring_claim(struct capture_ring *ring, uint32_t n);

/* Producer. All that was claimed is the consumer's from now on, unless it is held. */
static inline void capture_ring_publish(struct capture_ring *ring)
{
	ring->full = false;
	/* Pairs with capture_ring_next(): the records before the position. */
	if (!ring->held)
		atomic_store_explicit(&ring->head, ring->claimed, memory_order_release);
}

/* Consumer. The oldest record that is to be written, which is its own until capture_ring_done(); NULL: none is there. */
struct capture_record *capture_ring_next(struct capture_ring *ring);
void capture_ring_done(struct capture_ring *ring, const struct capture_record *record);

#endif
