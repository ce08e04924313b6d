/* SPDX-License-Identifier: BSD-3-Clause */
/* guard.h: whether a frame is what its port may send (policy_guard.h): who it says it is from, in whatever header, and what only
 * a server, a router or a bridge sends. A pure function of a head.
 *
 *	reason		in this order: the frame
 *	GUARD_MAC	has a source that is not in `macs`
 *	GUARD_BPDU	is spanning tree's, by its destination
 *	GUARD_ODD	cannot be read (frame_net.h), or not up to what is to be looked at
 *	GUARD_TYPE	is of a type that may carry whatever it likes
 *	and then, as they stand in it,
 *	GUARD_IP	an address of IP that its sender says it has: source of IPv4 and IPv6, home address of a mobile
 *			node (RFC 6275); sender of ARP and RARP, and
 *			the address that an ARP probe is about; target of a neighbour advertisement, and of a solicitation
 *			without a source
 *	GUARD_MAC	an address of a station: sender of ARP and RARP, options of neighbour discovery, client of DHCP
 *	GUARD_DHCP	what is for a client of DHCP, an answer that is for a relay, an answer of RARP
 *	GUARD_RA	an advertisement or a redirect of a router, of IPv4 and IPv6
 *
 * Without an address of its own a port may send DHCP's requests to all, ARP probes, and from :: neighbour and router
 * solicitations and reports of multicast listeners.
 *
 * A fragment that is not the first of its packet says who it is from, and nothing else: what the packet is stands in
 * the first, which has all headers or is odd. What neighbour discovery and DHCP send in fragments is odd (RFC 6980).
 *
 * RFC 826, 5227; 903; 2131 2; 4861 4; 4862 5.4; 8415 7; 3590, 9777; 1256, 792; 7113; IEEE 802.1Q-2018 8.6.3, table 8-1.
 *
 * Context: any thread.
 * Units: bytes from the beginning of the frame.
 */
#ifndef VUS_GUARD_H
#define VUS_GUARD_H

#include <endian.h>
#include <string.h>

#include "frame_net.h"
#include "policy_guard.h"
#include "port_counters.h"

/* DHCP's ports (RFC 2131 4.1, 8415 7.2). */
enum { GUARD_DHCP_SERVER = 67, GUARD_DHCP_CLIENT = 68, GUARD_DHCP6_CLIENT = 546, GUARD_DHCP6_SERVER = 547 };

/* Reads all that there is to read. Returns: RX_DROPS: the frame may pass; or why not, not counted yet. */
enum rx_drop guard_read(const struct policy_guard *guard, const struct frame *frame);

/* Of TCP or UDP, to a port that is not one of DHCP's two, of which this is the lower. */
static inline bool guard_is_plain_port(uint8_t protocol, uint16_t port, uint16_t lower)
{
	return protocol == FRAME_NET_TCP || (protocol == FRAME_NET_UDP && (uint16_t)(be16toh(port) - lower) > 1);
}

static inline bool guard_is_plain_ipv6(const struct policy_guard *guard, const struct frame *frame)
{
	enum { IP_AT = 14, PORTS_AT = IP_AT + 40, HEADERS = PORTS_AT + 8 };
	const uint8_t *head = frame->head;
	uint64_t source[2];
	uint16_t port, payload;

	if (frame->head_len < HEADERS)
		return false;
	memcpy(&payload, head + IP_AT + 4, sizeof(payload));
	memcpy(source, head + IP_AT + 8, sizeof(source));
	memcpy(&port, head + PORTS_AT + 2, sizeof(port));
	if ((source[0] & guard->plain_ip6.mask[0]) != guard->plain_ip6.bits[0] ||
	    (source[1] & guard->plain_ip6.mask[1]) != guard->plain_ip6.bits[1])
		return false;
	/* Too short is as wrong as too long. */
	if ((uint32_t)be16toh(payload) - (HEADERS - PORTS_AT) > frame->len - HEADERS)
		return false;
	return guard_is_plain_port(head[IP_AT + 6], port, GUARD_DHCP6_CLIENT);
}

static inline bool guard_is_plain_ipv4(const struct policy_guard *guard, const struct frame *frame)
{
	enum { IP_AT = 14, PORTS_AT = IP_AT + 20, HEADERS = PORTS_AT + 8 };
	const uint8_t *head = frame->head;
	uint16_t port, total, fragment;
	uint32_t source;

	/* The caller has seen the version and the header's length. */
	memcpy(&total, head + IP_AT + 2, sizeof(total));
	memcpy(&fragment, head + IP_AT + 6, sizeof(fragment));
	memcpy(&source, head + IP_AT + 12, sizeof(source));
	memcpy(&port, head + PORTS_AT + 2, sizeof(port));
	if ((source & guard->plain_ip4.mask) != guard->plain_ip4.bits || (fragment & htobe16(0x3fff)) != 0)
		return false;
	/* Too short is as wrong as too long. */
	if ((uint32_t)be16toh(total) - (HEADERS - IP_AT) > frame->len - HEADERS)
		return false;
	return guard_is_plain_port(head[IP_AT + 9], port, GUARD_DHCP_SERVER);
}

/* Whether a frame is as most are, and guard_read() says that it passes: from the first addresses to a station, IPv4 in one piece
 * or IPv6, without a tag or options, TCP or UDP but DHCP. False says nothing. */
static inline bool guard_is_plain(const struct policy_guard *guard, const struct frame *frame)
{
	enum { TYPE_AT = 12, LEAST = 14 + 20 + 8 };
	const uint8_t *head = frame->head;
	uint64_t station;
	uint32_t type;

	if (frame->head_len < LEAST || (head[0] & 1) != 0)
		return false;
	memcpy(&station, head + 6, sizeof(station));
	memcpy(&type, head + TYPE_AT, sizeof(type));
	if (((fdb_key_mac(le64toh(station)) ^ guard->plain_mac) & guard->plain_mac_mask) != 0)
		return false;
	/* Behind the type stands the version, and in IPv4 the header's length. */
	if ((type & htobe32(0xffffff00)) == htobe32(0x08004500))
		return guard_is_plain_ipv4(guard, frame);
	return (type & htobe32(0xfffff000)) == htobe32(0x86dd6000) && guard_is_plain_ipv6(guard, frame);
}

static inline enum rx_drop guard_verdict(const struct policy_guard *guard, const struct frame *frame)
{
	return __builtin_expect(guard_is_plain(guard, frame), 1) ? RX_DROPS : guard_read(guard, frame);
}

/* "52:54:00:00:00:01 to ff:ff:ff:ff:ff:ff, ARP from 192.0.2.1 at 52:54:00:00:00:01 for 192.0.2.9": who a frame says it is from,
 * and to. */
struct guard_text {
	char text[256];
};
struct guard_text guard_describe(const struct frame *frame);

#endif
