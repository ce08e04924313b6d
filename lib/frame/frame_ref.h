/* SPDX-License-Identifier: BSD-3-Clause */
/* frame_ref.h: a frame whose body is read where it lies after its burst is over: by a NIC, without a copy.
 *
 * A receive queue that can wait for its buffers offers the bodies of a burst: burst->refs has a reference for each frame of
 * it, in the order they came. A driver that passes the place of a body on to a device takes a reference for each time it
 * does, and drops it when the device has read it. The queue gives its buffers back in order, each once its count is zero,
 * and never waits for that. A driver that knows nothing of this copies.
 *
 * A reference remembers by which generation of the guest's memory map its place was found, so that control can wait for the
 * devices that may be reading what it is about to unmap. A table of references outlives its queue while a device has not given
 * back all of them: frame_refs_destroy().
 *
 * Context: frame_ref_take() between receive() and complete() on the lcore of the burst; frame_ref_drop() on any
 * thread, later.
 */
#ifndef VUS_FRAME_REF_H
#define VUS_FRAME_REF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "frame.h"
#include "lines.h"
#include "role.h"
#include "vus_limits.h"

/* References in the lower half, the map's generation in the upper. */
struct frame_ref {
	_Atomic uint32_t word;
};

/* Chain i of a queue has the entry i modulo their number. */
struct frame_refs {
	_Alignas(64) struct frame_ref ref[VIRTQ_IN_HAND_LIST];
	/* Whether the chain in hand waits for its count. The queue's lcore. */
	_Alignas(64) bool zc[VIRTQ_IN_HAND_LIST] OWNED_BY(lcore_thread);
	uint64_t since_ns OWNED_BY(lcore_thread); /* when the oldest chain in hand became the oldest */
};
BEGINS_A_LINE(struct frame_refs, ref);
BEGINS_A_LINE(struct frame_refs, zc);
WHOLE_LINES(struct frame_refs);

/* How many ports take them: while there are none, every body is copied. Control writes. */
extern _Atomic unsigned int frame_ref_users;

static inline bool frame_ref_wanted(void)
{
	return atomic_load_explicit(&frame_ref_users, memory_order_relaxed) != 0;
}

/* NULL: no memory. */
struct frame_refs *frame_refs_create(void) RUNS_ON(control_thread);
/* Kept for good if a device has not given all of them back. NULL is fine. */
void frame_refs_destroy(struct frame_refs *refs) RUNS_ON(control_thread);
/* Whether a reference to an earlier generation of the map than this one is still counted.
 * Context: any thread. */
bool frame_refs_before(const struct frame_refs *refs, uint16_t generation);

static inline uint16_t frame_ref_count(const struct frame_ref *ref)
{
	/* Pairs with frame_ref_drop(): what was read has been read. */
	return (uint16_t)atomic_load_explicit(&ref->word, memory_order_acquire);
}

/* That of a frame in the lcore's burst, or NULL: its body is not to be had after complete(). */
static inline struct frame_ref *frame_ref_of(const struct burst *burst, const struct frame *frame)
{
	uint64_t i = (uint64_t)(frame - burst->frame);

	return burst->refs != NULL && i < burst->n
		       ? &burst->refs->ref[(burst->first_ref + i) % VIRTQ_IN_HAND_LIST]
		       : NULL;
}

static inline void frame_ref_take(struct frame_ref *ref)
{
	atomic_fetch_add_explicit(&ref->word, 1, memory_order_relaxed);
}

static inline void frame_ref_drop(struct frame_ref *ref)
{
	/* Pairs with frame_ref_count() and frame_refs_before(). */
	atomic_fetch_sub_explicit(&ref->word, 1, memory_order_release);
}

#endif
