/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame_head.h"

#include <string.h>

#include <rte_mbuf.h>

enum { ADDRESSES = 12 };

void frame_head_own(struct frame *frame, struct frame_room *room, struct mem_span *spans)
{
	uint16_t len = frame->head_len < FRAME_HEAD ? frame->head_len : FRAME_HEAD;

	if (frame_head_is_own(frame))
		return;
	/* A head that was in several segments is in the room already. */
	if (frame->head != room->head)
		memcpy(room->head, frame->head, len);
	if (len < frame->head_len) {
		spans[0] = (struct mem_span){frame->head + len, (uint32_t)frame->head_len - len};
		if (frame->body_spans > 0 && frame->body != spans + 1)
			memcpy(spans + 1, frame->body, frame->body_spans * sizeof(*spans));
		frame->body = spans;
		frame->body_spans++;
	}
	frame->head = room->head;
	frame->head_len = len;
	frame->mbuf_skip = len;
}

/* Whether a head in an mbuf may be rewritten where it is: no port has a reference to send it later, the buffer is the mbuf's
 * own, and the head is where the mbuf says. Whoever gave a reference back has read what it was for: the count is lowered with
 * release semantics, and what is written here depends on it. */
static inline bool is_alone(const struct frame *frame)
{
	const struct rte_mbuf *mbuf = frame->mbuf;

	return rte_mbuf_refcnt_read(mbuf) == 1 && RTE_MBUF_DIRECT(mbuf) && mbuf->data_off >= FRAME_TAG &&
	       frame->head == rte_pktmbuf_mtod(mbuf, uint8_t *);
}

struct rte_mbuf *frame_head_stand_in(void)
{
	static struct rte_mbuf stand_in = {.refcnt = 2};

	return &stand_in;
}

void frame_head_own_in(struct burst *burst, struct frame *frame)
{
	struct mem_span *spans;
	size_t i;

	/* It may be none of the burst's (bridge_inject()), or its body be in burst.rest already. */
	if (frame_head_is_own(frame) || is_alone(frame))
		return;
	i = (size_t)(frame - burst->frame);
	spans = frame->body_spans > 0 ? &burst->span[frame->body - burst->span] - 1 : &burst->rest[i];
	frame_head_own(frame, &burst->room[i], spans);
}

/* The head begins `more` bytes earlier, or later, and what stands behind the addresses has moved away from its beginning by
 * as much. */
static void head_moved(struct frame *frame, int more)
{
	struct virtio_net_hdr *offload = &frame->offload;
	struct rte_mbuf *mbuf = frame->mbuf;

	if (mbuf != NULL && frame->mbuf_skip == 0) {
		mbuf->data_off = (uint16_t)(mbuf->data_off - more);
		mbuf->data_len = (uint16_t)(mbuf->data_len + more);
		mbuf->pkt_len = (uint32_t)((int)mbuf->pkt_len + more);
	}
	frame->head -= more;
	frame->head_len = (uint16_t)(frame->head_len + more);
	frame->len = (uint32_t)((int)frame->len + more);
	if ((offload->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0)
		offload->csum_start = (uint16_t)(offload->csum_start + more);
	if (offload->gso_type != VIRTIO_NET_HDR_GSO_NONE)
		offload->hdr_len = (uint16_t)(offload->hdr_len + more);
}

bool frame_head_push_tag(struct frame *frame)
{
	uint16_t type = (frame->tag & FRAME_TAG_SERVICE) != 0 ? FRAME_TYPE_SERVICE_TAG : FRAME_TYPE_TAG;
	const uint8_t tag[FRAME_TAG] = {
		(uint8_t)(type >> 8),
		(uint8_t)type,
		(uint8_t)(frame->vlan >> 8),
		(uint8_t)frame->vlan,
	};

	if (frame->len > FRAME_LEN_MAX - FRAME_TAG)
		return false;
	memmove(frame->head - FRAME_TAG, frame->head, ADDRESSES);
	head_moved(frame, FRAME_TAG);
	memcpy(frame->head + ADDRESSES, tag, sizeof(tag));
	return true;
}

bool frame_head_pop_tag(struct frame *frame)
{
	const uint8_t *tag = frame->head + ADDRESSES;
	uint16_t type = (uint16_t)(tag[0] << 8 | tag[1]);

	/* Behind the tag there is a type: what is left is not shorter than an Ethernet header. */
	if (frame->head_len < FRAME_LEN_MIN + FRAME_TAG || !frame_type_is_tag(type))
		return false;
	frame->tag = (uint16_t)((frame->tag & ~FRAME_TAG_SERVICE) | (type == FRAME_TYPE_SERVICE_TAG ? FRAME_TAG_SERVICE : 0));
	frame->vlan = (uint16_t)(tag[2] << 8 | tag[3]);
	memmove(frame->head + FRAME_TAG, frame->head, ADDRESSES);
	head_moved(frame, -FRAME_TAG);
	return true;
}
