/* SPDX-License-Identifier: BSD-3-Clause */
/* lane_ring.h: a ring of whole frames between two processes: one producer, one consumer, in memory that both map.
 *
 * The other end is not trusted: the lane (lane_link.h) shares its address space with the holder of its userfaultfd. So each
 * end keeps its own index to itself and only publishes it; what it reads of the other's, index or record, is loaded
 * once, checked, and only the copy is used. A ring whose other end wrote nonsense is broken: it gives and takes nothing
 * more, and its owner ends the lane. What a record says is left to be done to its frame is checked like what a guest says
 * of its own (frame_offload.h); that the guest may ask it was checked by the lane, and does no harm if it was not.
 *
 * Sending copies a frame once into the ring. Receiving copies its head into the burst and leaves the body where it lies,
 * exactly as a guest's ring does, until lane_done() gives the space back.
 *
 * Context: any one thread at a time at each end; nothing blocks.
 * Units: bytes.
 */
#ifndef VUS_LANE_RING_H
#define VUS_LANE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "frame.h"
#include "lines.h"
#include "vus_limits.h"

/* What a frame is preceded by. */
struct lane_record {
	uint32_t len; /* of the frame; 0 is no record */
	uint32_t reserved;
	struct virtio_net_hdr offload;
	uint8_t padding[6];
};
_Static_assert(sizeof(struct lane_record) == 24, "read in three loads");

/* What both ends map. Indexes count bytes since the beginning and never wrap. */
struct lane_shared_ring {
	_Alignas(64) _Atomic uint64_t head; /* the producer's */
	_Alignas(64) _Atomic uint64_t tail; /* the consumer's */
	_Atomic uint32_t asleep;	    /* the consumer wants to be woken */
	_Alignas(64) uint8_t data[LANE_RING_BYTES];
};
BEGINS_A_LINE(struct lane_shared_ring, tail);
BEGINS_A_LINE(struct lane_shared_ring, data);

struct lane_producer {
	struct lane_shared_ring *ring;
	uint64_t head;	 /* the truth; ring->head is for the other end */
	uint64_t frames; /* sent since the beginning */
};

struct lane_consumer {
	struct lane_shared_ring *ring;
	uint64_t tail; /* what was given back */
	uint64_t next; /* what was received */
	atomic_bool broken; /* anyone may read */
};

/* Where records begin: their own bytes are never in two pieces. */
enum { LANE_RECORD_ALIGN = 32 };

/* Bytes a frame takes in a ring. */
static inline uint64_t lane_record_bytes(uint32_t len)
{
	return (sizeof(struct lane_record) + len + LANE_RECORD_ALIGN - 1) &
	       ~(uint64_t)(LANE_RECORD_ALIGN - 1);
}

/* Whether a consumer takes what is left to be done to a checked frame: it looks at the first FRAME_HEAD bytes. With a tag of
 * ours (frame_head.h) headers may reach further, or there be a tag too many, and to the consumer that is nonsense. */
bool lane_takes(const struct frame *frame);
/* Bytes there are for frames to come. */
uint64_t lane_room(const struct lane_producer *producer);
/* Appends the first of n frames for which there is room, in order: their number. The consumer takes all of them, and sees
 * them at once. */
uint16_t lane_send(struct lane_producer *producer, struct frame *const *frames, uint16_t n);
/* After lane_send(): whether the consumer is asleep and has to be woken. True once for each time it fell asleep. */
bool lane_wants_wake(struct lane_producer *producer);

/* Fills a burst with what has come, at most `max` frames, and BURST_BYTES and the frame that passes them: burst->n, 0 for
 * nothing, or for a ring that is (or has turned out to be) broken. The frames are valid until lane_done(). */
uint16_t lane_receive(struct lane_consumer *consumer, struct burst *burst, uint16_t max);
/* Of the burst that was received last, all but the first n frames stay in the ring: they come again. */
void lane_keep(struct lane_consumer *consumer, struct burst *burst, uint16_t n);
void lane_done(struct lane_consumer *consumer);
/* Nothing is there that was not given back. */
bool lane_empty(const struct lane_consumer *consumer);
/* The consumer is about to sleep: true if frames are waiting already. */
bool lane_arm(struct lane_consumer *consumer);
void lane_disarm(struct lane_consumer *consumer);

#endif
