/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge_vlan.h: VLANs of a vlan-aware bridge (IEEE 802.1Q-2018): which one a frame is in when it comes, which ports it may
 * leave by, and whether with a tag; lib/bridge only.
 *
 * A frame stays as it came until it leaves: ingress reads the tag and writes down what it says (frame.vlan, frame.tag), so
 * that it may look at a frame twice. On the way out a tag is pushed or popped where the head and the port differ: between two
 * trunk ports, or two access ports, nothing is moved. One deliverer after the other may have the frame with a tag and without.
 *
 * Context: an lcore, between two quiescent states.
 */
#ifndef VUS_BRIDGE_VLAN_H
#define VUS_BRIDGE_VLAN_H

#include "bridge_ingress.h"
#include "frame_head.h"

static inline uint16_t frame_vid(const struct frame *frame)
{
	return frame->vlan & VLAN_VID_MASK;
}

/* The type at `at` in a head. */
static inline uint16_t type_at(const struct frame *frame, uint16_t at)
{
	return (uint16_t)(frame->head[at] << 8 | frame->head[at + 1]);
}

enum { VLAN_TYPE_AT = 12, VLAN_TCI_AT = 14, VLAN_NEXT_AT = 16 };

/* Frames of which this is the same leave by a port in the same way. */
static const uint32_t FRAME_TAGGING_NONE = UINT32_MAX;
static inline uint32_t frame_tagging(const struct frame *frame)
{
	return (uint32_t)frame->vlan << 16 | frame->tag;
}

/* The filtering database of a frame: its VLAN. */
static inline uint16_t tagging_fid(uint32_t tagging)
{
	return tagging >> 16 & VLAN_VID_MASK;
}

/* What all frames of a burst that come without a tag have in common. */
struct vlan_untagged {
	uint32_t tagging;
	uint32_t len_max; /* of those that are plain; 0: of this port none is */
};

/* With a tag a frame may not be longer than what is switched. */
static inline struct vlan_untagged bridge_vlan_untagged(const struct policy_vlan *vlan)
{
	return (struct vlan_untagged){
		.tagging = (uint32_t)vlan->native << 16,
		.len_max = vlan->tunnel || vlan->native == 0 ? 0 : FRAME_LEN_MAX - FRAME_TAG,
	};
}

/* A frame that is not plain: it begins with a tag, is too long for one, or comes from a port that takes no other, as a
 * customer's (qinq). */
verdict_t bridge_vlan_classify(const struct policy_vlan *vlan, struct frame *frame) RUNS_ON(lcore_thread);

/* Which VLAN a frame is in that comes from a port, and how its head says so, in the frame and in *tagging. Reads the head and
 * changes nothing of it.
 * Returns: VERDICT_PASS; or why it is dropped, not counted yet. */
static inline verdict_t bridge_vlan_ingress(const struct policy_vlan *vlan, struct vlan_untagged untagged, struct frame *frame,
					    uint32_t *tagging) RUNS_ON(lcore_thread)
{
	verdict_t verdict;

	if (__builtin_expect(!frame_type_is_tag(type_at(frame, VLAN_TYPE_AT)) && frame->len <= untagged.len_max, 1)) {
		*tagging = untagged.tagging;
		frame->tag = (uint16_t)untagged.tagging;
		frame->vlan = (uint16_t)(untagged.tagging >> 16);
		return VERDICT_PASS;
	}
	verdict = bridge_vlan_classify(vlan, frame);
	*tagging = frame_tagging(frame);
	return verdict;
}

/* Whether a frame may leave by a port.
 * Returns: VERDICT_PASS; or why not, not counted yet. */
static inline verdict_t bridge_vlan_egress(const struct policy_vlan *vlan, const struct frame *frame) RUNS_ON(lcore_thread)
{
	uint16_t vid = frame_vid(frame);

	if (__builtin_expect(!vlan_set_has(&vlan->members, vid), 0))
		return RX_DROP_VLAN_NOT_MEMBER;
	if (__builtin_expect((frame->tag & FRAME_TAG_INNER) != 0, 0) && vid == vlan->untagged && !vlan->tunnel)
		return RX_DROP_VLAN_INNER;
	return VERDICT_PASS;
}

/* Whether a frame that may leave by a port has the tag that it leaves with, or none. */
static inline bool bridge_vlan_stays(const struct policy_vlan *vlan, const struct frame *frame)
{
	return (frame->tag & (FRAME_TAGGED | FRAME_TAG_OTHER)) == (frame_vid(frame) != vlan->untagged ? FRAME_TAGGED : 0);
}

/* Whether the same ports take both of two frames that are flooded. */
static inline bool bridge_vlan_same(const struct frame *one, const struct frame *other)
{
	return frame_vid(one) == frame_vid(other) && ((one->tag ^ other->tag) & FRAME_TAG_INNER) == 0;
}

/* Pushes and pops tags, so that the frames, which may leave by the port, are as it sends them. Their heads become the lcore's own
 * where that is needed. */
void bridge_vlan_retag(const struct policy_vlan *vlan, struct burst *burst, struct frame *const *frames, uint16_t n)
	RUNS_ON(lcore_thread);

/* The same for a port whose device puts tags in (port.inserts): frames that want no more than that say so, and their heads stay
 * as they are. When they are delivered bridge_vlan_inserted() follows: for the next port they are without a tag. */
void bridge_vlan_insert(const struct policy_vlan *vlan, struct burst *burst, struct frame *const *frames, uint16_t n)
	RUNS_ON(lcore_thread);
void bridge_vlan_inserted(struct frame *const *frames, uint16_t n) RUNS_ON(lcore_thread);

#endif
