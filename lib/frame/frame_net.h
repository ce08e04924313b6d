/* SPDX-License-Identifier: BSD-3-Clause */
/* frame_net.h: where the packet is that a frame carries, and what is in it, as its head says: a pure reading, which sees through
 * two tags, IPv4's options and IPv6's extension headers.
 *
 * It is strict, for those who have to know what a receiver may take the frame for: what is not seen whole, because it lies beyond
 * the head, ends within itself, contradicts itself or hides behind what nobody sends, is odd, and says so.
 *
 * IEEE 802.1Q-2018 9.3; RFC 791 3.1; RFC 8200 4, RFC 4302 2, RFC 6275 6.3, RFC 7112 5 (a first fragment has all headers).
 *
 * Context: any thread.
 * Units: bytes from the beginning of the frame.
 */
#ifndef VUS_FRAME_NET_H
#define VUS_FRAME_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"

/* Types of packets (IEEE 802 numbers); what is not above FRAME_NET_LLC_MAX is the length of an 802.2 frame. */
enum {
	FRAME_NET_LLC_MAX = 1500,
	FRAME_NET_IPV4 = 0x0800,
	FRAME_NET_ARP = 0x0806,
	FRAME_NET_RARP = 0x8035,
	FRAME_NET_IPV6 = 0x86dd,
};

/* Protocols in IP packets (IANA). */
enum {
	FRAME_NET_ICMP = 1,
	FRAME_NET_TCP = 6,
	FRAME_NET_UDP = 17,
	FRAME_NET_ICMPV6 = 58,
};

struct frame_net {
	uint16_t type; /* behind the tags */
	uint16_t l3;   /* what follows the type; at most the head's length */
	/* Of IPv4 and IPv6 packets: */
	uint16_t l4;	  /* behind the IP headers; 0: it is not in this frame, which is a fragment and not the first */
	uint16_t home;	  /* an address that IPv6's sender says it has, in an option for the destination (RFC 6275); 0: none */
	uint32_t end;	  /* where the packet ends by its own account, within the frame */
	uint8_t protocol; /* at l4 */
	bool fragment;	  /* a part of a packet, or one that says so of itself */
};

/* Reads a head.
 * Returns: false: it is odd; the frame's addresses, *type and *l3 may be read still, where `type` is not 0. */
bool frame_net_find(const struct frame *frame, struct frame_net *net);

/* Whether n bytes at `at` of a packet are there and in the head. */
static inline bool frame_net_has(const struct frame *frame, const struct frame_net *net, uint32_t at, uint32_t n)
{
	return at + n <= frame->head_len && at + n <= net->end;
}

#endif
