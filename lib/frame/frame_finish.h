/* SPDX-License-Identifier: BSD-3-Clause */
/* frame_finish.h: does for a frame the offloads that its receiver cannot do (O6).
 *
 * Drivers take this way only with a burst in which a frame needs an offload. A frame that needs no more than the receiver
 * can do goes through as it is. Of any other the receiver gets frames that need nothing: a copy of the head with the
 * checksum finished, or the pieces. The frame itself is not touched: other receivers may be able to do more.
 *
 *	frame_finish_begin(&finish, frames, n, &caps);
 *	while ((n = frame_finish_next(&finish)) > 0)
 *		... deliver finish.out[0 .. n) ...
 *	... account for finish.too_big and the others ...
 *
 * Context: any thread. Too large for small stacks (45 KiB). Nothing is allocated.
 * Ownership: frames of one round are valid until the next.
 */
#ifndef VUS_FRAME_FINISH_H
#define VUS_FRAME_FINISH_H

#include <stdbool.h>
#include <stdint.h>

#include "frame_offload.h"
#include "frame_segment.h"
#include "vus_limits.h"

/* What a receiver takes. */
struct frame_capabilities {
	uint32_t offloads; /* FRAME_CSUM | ... */
	uint32_t len_max;  /* longest frame on its wire */
	uint32_t cut_max;  /* longest frame that it cuts up itself */
	bool plain;	   /* only TCP and UDP behind IP, with no extension header between, and nothing in tunnels */
	bool inserts;	   /* frames may say that a tag is to be put in (FRAME_TAG_INSERT), pieces as what they are cut out of */
	uint8_t too_big;   /* what a frame that is longer than len_max says (frame.tx_drop) */
};

struct frame_finish {
	struct frame *out[BURST_MAX];
	struct frame *of[BURST_MAX]; /* the frame that each of them is, or is made of */

	/* So far. A frame too big is not passed on. */
	uint16_t too_big;
	struct frame *big; /* the last of these */
	uint64_t checksummed; /* frames whose checksum was finished here */
	uint64_t segmented;   /* frames cut up */
	uint64_t segments;    /* frames that there are more than before, by that */

	/* Inside. */
	const struct frame_capabilities *caps;
	struct frame *const *frames;
	uint16_t n, next;
	bool cutting;
	struct frame_cut cut;
	struct frame *whole; /* that is being cut */
	struct frame own[BURST_MAX];
	struct frame_room room[BURST_MAX];
	uint16_t checksum[BURST_MAX]; /* of those whose field is not in the head */
	/* Those of the burst's bodies; and what is cut out of them: where a piece begins and ends, around a checksum. */
	struct mem_span span[BURST_SPANS + 4 * BURST_MAX];
};

/* Whether one of n frames, at most BURST_MAX, needs an offload. */
static inline bool frames_need_offload(struct frame *const *frames, uint16_t n)
{
	unsigned int asked = 0;

	for (uint16_t i = 0; i < n; i++)
		asked |= frames[i]->offload.flags | frames[i]->offload.gso_type;
	return asked != 0;
}

/* `frames` and `caps` must outlive it. */
void frame_finish_begin(struct frame_finish *finish, struct frame *const *frames, uint16_t n,
			const struct frame_capabilities *caps);
/* The next frames, in order: their number, at most BURST_MAX; 0 at the end. */
uint16_t frame_finish_next(struct frame_finish *finish);
/* The first n of `out` were delivered, or say why not (frame.tx_drop): so do the frames that they are made of. */
void frame_finish_tell(const struct frame_finish *finish, uint16_t n);

#endif
