/* SPDX-License-Identifier: BSD-3-Clause */
/* frame_head.h: rewrites a frame on its head: a tag that is pushed or popped moves where the head begins, and no byte of
 * the body.
 *
 * A head in a burst's room has FRAME_HEADROOM bytes free in front and may be rewritten between the deliveries of one frame:
 * no deliverer reads it after deliver() has returned. A head in an mbuf may be read by devices that the frame was delivered
 * to, now or later: frame_head_own() gives the frame another one before anything is written. As long as nobody else has a
 * reference to the mbuf, its head is rewritten where it is, and the mbuf begins where the head does.
 *
 * Context: the lcore of the burst, between receive() and complete().
 * Units: bytes.
 */
#ifndef VUS_FRAME_HEAD_H
#define VUS_FRAME_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"

/* Whether the head is the lcore's own. */
static inline bool frame_head_is_own(const struct frame *frame)
{
	return frame->mbuf == NULL || frame->mbuf_skip != 0;
}

/* Makes the head the lcore's own: that of a frame from a NIC is copied to `room`, at most FRAME_HEAD bytes of it, and what
 * is left becomes a part of the body. The mbuf is not written.
 * Ownership: `room` and `spans` are the frame's as long as it is delivered; `spans` has room for one more than the body's. */
void frame_head_own(struct frame *frame, struct frame_room *room, struct mem_span *spans);

/* The same for a frame of a burst, with the room that the burst has for it, unless its mbuf is nobody else's: then the head
 * may be rewritten where it is. */
void frame_head_own_in(struct burst *burst, struct frame *frame);

/* In place of the mbuf of a frame that is only thought of: it has no bytes, and is never the frame's alone. */
struct rte_mbuf *frame_head_stand_in(void);

/* The types of tags: IEEE 802.1Q's, and a service provider's (802.1ad). */
enum { FRAME_TYPE_TAG = 0x8100, FRAME_TYPE_SERVICE_TAG = 0x88a8 };
static inline bool frame_type_is_tag(uint16_t type)
{
	return type == FRAME_TYPE_TAG || type == FRAME_TYPE_SERVICE_TAG;
}

/* Puts a tag behind the addresses that says frame->vlan; of which type frame->tag says. The head may be rewritten and has
 * FRAME_TAG bytes free in front.
 * Returns: false: the frame would be longer than FRAME_LEN_MAX; it is as it was. */
bool frame_head_push_tag(struct frame *frame);

/* Takes the first tag out of the head, which may be rewritten, and leaves what it says in frame->vlan, and its type in
 * frame->tag.
 * Returns: false: there is none; the frame is as it was. */
bool frame_head_pop_tag(struct frame *frame);

#endif
