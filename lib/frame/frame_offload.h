/* SPDX-License-Identifier: BSD-3-Clause */
/* frame_offload.h: what a sender left to be done to a frame, and where in the frame it is to be done.
 *
 * frame->offload is either zero, or has gone through frame_offload_check(): then it is in agreement with what the sender
 * may ask and with our own reading of the head, all of its fields are ours, and no more checks are needed:
 *
 * flags	NEEDS_CSUM, always: a checksum field has the sum of the pseudo header only
 * csum_start	where the sum begins: at the TCP or UDP header; or, if the frame is not to be cut up, anywhere behind it,
 *		in a tunnel that is the guest's own, and below 64 KiB with a tag of ours, too; csum_offset: from there to the
 *		field, which may lie in the body
 * gso_type	NONE, or what the frame is to be cut up as, maybe with ECN
 * gso_size	bytes of payload of each piece but the last; there are at least two
 * hdr_len	bytes of all headers, TCP's options included; they all lie in the head
 *
 * UFO, the cutting of a UDP datagram into IP fragments, is neither offered nor done: no driver of the last years
 * asks for it, and a receiver that loses one fragment loses 64 KiB. USO, cutting into datagrams, took its place.
 *
 * virtio 1.2, 5.1.6 (1.3 for USO); O1 to O4.
 *
 * Context: any thread.
 * Units: bytes.
 */
#ifndef VUS_FRAME_OFFLOAD_H
#define VUS_FRAME_OFFLOAD_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>

#include "frame.h"

/* Kernel headers before 6.2 do not name these. */
#ifndef VIRTIO_NET_F_HOST_USO
#define VIRTIO_NET_F_GUEST_USO4 54
#define VIRTIO_NET_F_GUEST_USO6 55
#define VIRTIO_NET_F_HOST_USO 56
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/* What a frame may need, and what a receiver can do: a set of these. */
enum {
	FRAME_CSUM = 1 << 0, /* checksum of TCP or UDP */
	FRAME_TSO4 = 1 << 1,
	FRAME_TSO6 = 1 << 2,
	FRAME_ECN = 1 << 3, /* a TSO frame with CWR set: only the first piece keeps it */
	FRAME_USO4 = 1 << 4,
	FRAME_USO6 = 1 << 5,
	FRAME_OFFLOADS = (1 << 6) - 1,
};

/* What a driver that agreed to these virtio features may ask of us, and what it may be asked. */
uint32_t frame_offloads_from_guest(uint64_t features);
uint32_t frame_offloads_to_guest(uint64_t features);

/* Where the headers of a TCP or UDP packet in an IP packet are, all of them in the head. */
struct frame_layers {
	uint16_t l3;	  /* IP header */
	uint16_t l4;	  /* TCP or UDP header */
	uint16_t payload; /* what follows it */
	bool ipv6;
	bool tcp;	/* else UDP */
	bool plain;	/* nothing between the IP header and l4 that a NIC might not know: no extension header */
};

/* False: it is something else, a fragment, or its headers do not lie in the first FRAME_HEAD_MAX bytes of the head, beyond
 * which nothing is looked at (TCP's options may: then `payload` is beyond). */
bool frame_layers_find(const struct frame *whole, struct frame_layers *layers);

/* Whether anything is left to be done. */
static inline bool frame_needs_offload(const struct frame *frame)
{
	return (frame->offload.flags | frame->offload.gso_type) != 0;
}

/* Checks what a sender wrote against what it may ask (`agreed`) and against the frame, and leaves it in the form above, or
 * zero where nothing is left to be done. False: the frame is to be dropped. */
bool frame_offload_check(struct frame *frame, uint32_t agreed);

/* Puts a checksum that a checked frame's sender left to be done into the head now, if its field lies there and is not the TCP or
 * UDP header's own; nothing is left to be done then. For who judges a frame by its head: a sender that may name any field and
 * choose what is summed may write there whatever it likes, later. The head is the caller's own, and no other holds it.
 * Returns: false: the field lies in the head in part, so it cannot be done. */
bool frame_offload_settle(struct frame *frame);

/* The offloads that a checked frame needs. */
uint32_t frame_offloads_needed(const struct frame *frame);

/* What the port adds to the frame, and to each piece of it, where it puts tags in. */
static inline uint32_t frame_inserted_len(const struct frame *frame)
{
	return (frame->tag & FRAME_TAG_INSERT) != 0 ? FRAME_TAG : 0;
}

/* The longest frame that will be on a wire, once a checked frame is cut up. */
static inline uint32_t frame_wire_len(const struct frame *frame)
{
	return frame->offload.gso_type == VIRTIO_NET_HDR_GSO_NONE
		       ? frame->len
		       : (uint32_t)frame->offload.hdr_len + frame->offload.gso_size;
}

#endif
