/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge_vlan.h"

/* What the head says, whether it may come in or not. */
static inline void read_tag(struct frame *frame)
{
	uint16_t tag = FRAME_TAGGED;

	frame->vlan = type_at(frame, VLAN_TCI_AT);
	if (type_at(frame, VLAN_TYPE_AT) == FRAME_TYPE_SERVICE_TAG)
		tag |= FRAME_TAG_SERVICE;
	if (frame_type_is_tag(type_at(frame, VLAN_NEXT_AT)))
		tag |= FRAME_TAG_INNER;
	frame->tag = tag;
}

/* From a customer: whatever it says is below the service tag. */
static verdict_t enter_tunnel(const struct policy_vlan *vlan, struct frame *frame)
{
	frame->vlan = vlan->native;
	frame->tag = vlan->service ? FRAME_TAG_SERVICE : 0;
	if (frame_type_is_tag(type_at(frame, VLAN_TYPE_AT)))
		frame->tag |= FRAME_TAG_INNER;
	return frame->len > FRAME_LEN_MAX - FRAME_TAG ? RX_DROP_LONG : VERDICT_PASS;
}

static verdict_t enter_untagged(const struct policy_vlan *vlan, struct frame *frame)
{
	frame->vlan = vlan->native;
	frame->tag = 0;
	if (frame->len > FRAME_LEN_MAX - FRAME_TAG)
		return RX_DROP_LONG;
	return vlan->native == 0 ? RX_DROP_VLAN_UNTAGGED : VERDICT_PASS;
}

static verdict_t enter_tagged(const struct policy_vlan *vlan, struct frame *frame)
{
	if (frame->head_len < FRAME_LEN_MIN + FRAME_TAG)
		return RX_DROP_VLAN_SHORT;
	read_tag(frame);
	if (frame_vid(frame) != 0) {
		if (!vlan->tagged)
			return RX_DROP_VLAN_TAGGED;
		return vlan_set_has(&vlan->members, frame_vid(frame)) ? VERDICT_PASS : RX_DROP_VLAN_NOT_MEMBER;
	}
	/* A priority, and no VLAN (IEEE 802.1Q-2018, 6.9.1): as if there were no tag. */
	if (!vlan->tagged && (frame->tag & FRAME_TAG_INNER) != 0)
		return RX_DROP_VLAN_TAGGED;
	if (vlan->native == 0)
		return RX_DROP_VLAN_UNTAGGED;
	frame->vlan |= vlan->native;
	frame->tag |= FRAME_TAG_OTHER;
	return VERDICT_PASS;
}

verdict_t bridge_vlan_classify(const struct policy_vlan *vlan, struct frame *frame)
{
	if (vlan->tunnel)
		return enter_tunnel(vlan, frame);
	if (frame_type_is_tag(type_at(frame, VLAN_TYPE_AT)))
		return enter_tagged(vlan, frame);
	return enter_untagged(vlan, frame);
}

/* The head is the lcore's own, and has the tag. What frame->vlan says stays. */
static inline void pop(struct frame *frame)
{
	uint16_t vlan = frame->vlan;

	frame_head_pop_tag(frame);
	frame->vlan = vlan;
	frame->tag &= (uint16_t) ~(FRAME_TAGGED | FRAME_TAG_OTHER);
}

static inline void push(struct frame *frame)
{
	frame_head_push_tag(frame);
	frame->tag |= FRAME_TAGGED;
}

/* What a device puts in: one tag of type 0x8100, in front of none, of a frame that is copied anyway. */
static inline bool is_for_device(const struct frame *frame)
{
	return frame->mbuf == NULL && (frame->tag & (FRAME_TAGGED | FRAME_TAG_INNER | FRAME_TAG_SERVICE)) == 0;
}

static inline __attribute__((always_inline)) void retag(const struct policy_vlan *vlan, struct burst *burst,
							struct frame *const *frames, uint16_t n, bool inserts)
{
	for (uint16_t i = 0; i < n; i++) {
		struct frame *frame = frames[i];

		if (bridge_vlan_stays(vlan, frame))
			continue;
		if (inserts && is_for_device(frame)) {
			frame->tag |= FRAME_TAG_INSERT;
			continue;
		}
		frame_head_own_in(burst, frame);
		if ((frame->tag & FRAME_TAGGED) != 0)
			pop(frame);
		if (frame_vid(frame) != vlan->untagged)
			push(frame);
	}
}

void bridge_vlan_retag(const struct policy_vlan *vlan, struct burst *burst, struct frame *const *frames, uint16_t n)
{
	retag(vlan, burst, frames, n, false);
}

void bridge_vlan_insert(const struct policy_vlan *vlan, struct burst *burst, struct frame *const *frames, uint16_t n)
{
	retag(vlan, burst, frames, n, true);
}

void bridge_vlan_inserted(struct frame *const *frames, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		frames[i]->tag &= (uint16_t)~FRAME_TAG_INSERT;
}
