/* SPDX-License-Identifier: BSD-3-Clause */
/* frame.h: one packet for the time of one burst. It is a view, not a buffer.
 *
 * head: the first bytes of the frame, in memory no guest can reach. For a frame from a guest they were read once into
 * the burst's own room; for a frame from a NIC they are the mbuf's. Every decision is taken on the head, and the head
 * is what receivers get: what was checked is what is delivered. A short frame is all head.
 * body: where the rest still lies: spans of guest memory, or the further segments of an mbuf. It is copied once, by
 * the driver that delivers the frame, straight to where it goes; its bytes are not looked at on the way.
 *
 * A burst belongs to one lcore and is filled by a port's receive(); frames are valid until the same port's complete().
 *
 * Context: the lcore that the burst belongs to. Drivers that deliver a frame read it, and change nothing but the fields marked
 * for them.
 * Units: bytes.
 */
#ifndef VUS_FRAME_H
#define VUS_FRAME_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "mem_copy.h"
#include "mem_fetch.h"
#include "mem_map.h"
#include "vus_limits.h"

struct rte_mbuf;
struct frame_refs;

struct frame {
	uint8_t *head;
	uint32_t len;		     /* of the frame: head and body, no FCS */
	uint16_t head_len;	     /* bytes at `head` */
	uint16_t body_spans;	     /* pieces at `body`, 0 for a frame that is all head */
	const struct mem_span *body;
	struct rte_mbuf *mbuf;	     /* a NIC's frame, else NULL; a deliverer that keeps it takes a reference */
	/* What is left to be done to the frame (frame_offload.h); zero: nothing. */
	struct virtio_net_hdr offload;
	/* VIRTIO_NET_HDR_F_DATA_VALID: the device it came from found its checksums right. Else 0. */
	uint8_t valid;
	/* A deliverer's: 1 + the reason (enum tx_drop) for which it has dropped the frame, or a piece of it. It is written then
	 * only: who wants to know clears it before. */
	uint8_t tx_drop;
	/* On a vlan-aware bridge: FRAME_TAGGED | ..., how the head says what `vlan` says. */
	uint16_t tag;
	/* The VLAN the frame is in, with its priority: what is between the type and the next header in a tag (TCI). 0: none. The
	 * head may have tags of its own besides; frame_head.h moves one from here to there and back. */
	uint16_t vlan;
	/* How many of the first bytes of `mbuf` the head stands for, once it is another one (frame_head_own()). 0: the mbuf
	 * is the frame as it is. */
	uint16_t mbuf_skip;
};
_Static_assert(sizeof(struct frame) <= 64, "a frame is one cache line");

/* Of frame.tag. */
enum {
	FRAME_TAGGED = 1 << 0,	    /* the head has the tag */
	FRAME_TAG_OTHER = 1 << 1,   /* ... with another TCI: it names no VLAN, only a priority */
	FRAME_TAG_INNER = 1 << 2,   /* without the tag, the head begins with one still */
	FRAME_TAG_SERVICE = 1 << 3, /* the tag is, or is to be, of type 0x88a8 (IEEE 802.1ad) and not 0x8100 */
	/* During port_ops.insert(): the head has not got the tag, of type 0x8100 and in front of none; the port puts it in. */
	FRAME_TAG_INSERT = 1 << 4,
};

/* Where a head of our own lies: a line begins it, and in front there is room for what is put there later. */
struct frame_room {
	_Alignas(64) uint8_t front[FRAME_HEADROOM];
	uint8_t head[FRAME_HEAD];
};

struct burst {
	uint16_t n; /* frames received */
	/* What receive() had to do beyond a step for each frame (share.h). It adds, and the lcore's loop takes. */
	uint32_t cost;
	/* The guest's ring as it was when receive() took from it, for complete(), whatever control does to it
	 * meanwhile. */
	const void *source;
	/* References to the bodies, for devices that read them after complete() (frame_ref.h): frame i has first_ref + i; NULL:
	 * none. complete() clears it. */
	struct frame_refs *refs;
	uint16_t first_ref;
	/* Of a burst that is set aside in the middle of a flood (bridge.h): the frames that are being flooded, a bit each; the
	 * first frame that was not looked at; and the ports that have had the flood: those whose ids are below this. */
	uint16_t next, port;
	uint64_t flooded[BURST_MAX / 64];
	_Alignas(64) struct frame frame[BURST_MAX];
	/* Where receive() puts the head of a frame of the same number, and frame_head_own() may. */
	struct frame_room room[BURST_MAX];
	/* Where it puts the spans of chains; a frame points into it. In front of those of an mbuf one is free. */
	struct mem_span span[BURST_SPANS];
	/* The body of a frame of the same number whose mbuf is one segment, once it has a head of its own. */
	struct mem_span rest[BURST_MAX];
};

_Static_assert(BURST_MAX % 64 == 0, "a bit for each frame");

/* Writes the whole frame to `to`, which has room for frame->len bytes: the one copy of the common case. */
static inline void frame_copy(const struct frame *frame, uint8_t *to)
{
	uint32_t head_len = frame->head_len, spans = frame->body_spans;
	const struct mem_span *span;

	mem_copy(to, frame->head, head_len);
	to += head_len;
	if (spans == 0)
		return;
	for (span = frame->body; spans > 0; spans--, span++) {
		uint32_t len = span->len;

		memcpy(to, span->at, len);
		mem_fetch_body(span->at, len);
		to += len;
	}
}

/* Writes the whole frame into spans that together hold at least `skip` + frame->len bytes, after the first `skip`. */
void frame_copy_spans(const struct frame *frame, const struct mem_span *to, uint32_t skip);

/* A hash of the flow (addresses, and ports where there are any) that keeps the packets of a flow together. */
uint32_t frame_flow_hash(const struct frame *frame);

/* Whether two frames are so plainly of one flow that their hashes need not be compared: IPv4 without a tag or options, alike in
 * all that frame_flow_hash() reads. False says nothing. */
static inline bool frame_same_flow(const struct frame *one, const struct frame *other)
{
	enum { TYPE_AT = 12, FRAGMENT_AT = 20, ADDRESSES_AT = 26, PORTS_AT = 34, PORTS_END = 38 };
	const uint8_t *a = one->head, *b = other->head;
	uint32_t type[2], fragment[2], ports[2];
	uint64_t addresses[2];

	if (one->head_len < PORTS_END || other->head_len < PORTS_END)
		return false;
	/* The type, the version and the header's length; what else is compared on the way is alike in a flow, too. */
	memcpy(&type[0], a + TYPE_AT, 4);
	memcpy(&type[1], b + TYPE_AT, 4);
	memcpy(&fragment[0], a + FRAGMENT_AT, 4);
	memcpy(&fragment[1], b + FRAGMENT_AT, 4);
	memcpy(&addresses[0], a + ADDRESSES_AT, 8);
	memcpy(&addresses[1], b + ADDRESSES_AT, 8);
	memcpy(&ports[0], a + PORTS_AT, 4);
	memcpy(&ports[1], b + PORTS_AT, 4);
	return ((type[0] ^ type[1]) | (fragment[0] ^ fragment[1]) | (ports[0] ^ ports[1])) == 0 && addresses[0] == addresses[1] &&
	       a[TYPE_AT] == 0x08 && a[TYPE_AT + 1] == 0x00 && a[TYPE_AT + 2] == 0x45;
}

#endif
