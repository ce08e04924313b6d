/* SPDX-License-Identifier: BSD-3-Clause */
/* fg_packet: TCP and UDP packets in Ethernet frames, made and checked byte by byte.
 *
 * fg_packet_build() makes a frame with the headers asked for, whose checksum is left to the sender of
 * it: the field holds the sum of the pseudo header (virtio 1.2, 5.1.6.2), and the virtio-net header
 * that says so comes along. fg_packet_check() reads a frame as a receiver does that trusts no sender:
 * lengths, IPv4's checksum and that of TCP or UDP must all be right.
 *
 * Any thread; lengths in bytes.
 */
#ifndef FG_PACKET_H
#define FG_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The virtio-net header without num_buffers. */
struct fg_vnet {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset;
};

enum { FG_NEEDS_CSUM = 1, FG_DATA_VALID = 2 };
enum { FG_GSO_NONE, FG_GSO_TCPV4, FG_GSO_UDP = 3, FG_GSO_TCPV6, FG_GSO_UDP_L4, FG_GSO_ECN = 0x80 };
enum { FG_FIN = 1, FG_PSH = 8, FG_ACK = 16, FG_CWR = 128 };

struct fg_packet {
	bool ipv6, udp;
	unsigned int vlans;	/* tags: 0 to 2 */
	unsigned int ip_more;	/* bytes of IPv4 options or of IPv6 extension headers: multiples of 8 */
	unsigned int tcp_more;	/* bytes of TCP options: multiples of 4 */
	uint8_t tcp_flags;
	uint32_t seq;
	uint16_t ip_id;
	uint32_t payload; /* bytes, filled with a pattern of `seed` */
	uint32_t seed;
	uint16_t gso_size; /* 0: not to be cut up */
};

/* Writes the frame, at most FG_PACKET_ROOM bytes more than the payload, and what is to be said of it. Its length. */
enum { FG_PACKET_ROOM = 14 + 8 + 40 + 64 + 60 };
uint32_t fg_packet_build(const struct fg_packet *, const uint8_t dst[6], const uint8_t src[6],
			 uint8_t *frame, struct fg_vnet *header);
/* Byte @i of the payload. */
uint8_t fg_packet_byte(uint32_t seed, uint32_t i);

/* What a frame turned out to be. */
struct fg_parsed {
	uint32_t l3, l4, payload; /* where each begins */
	uint32_t len;		  /* of the payload */
	uint32_t seq;
	uint16_t ip_id;
	uint8_t tcp_flags;
};

/* NULL if all is right, else what is not. @checksum: whether that of TCP or UDP has to be right. */
const char *fg_packet_check(const struct fg_packet *, const uint8_t *frame, size_t len, bool checksum,
			    struct fg_parsed *);

/* RFC 1071, the slow way: the sum over bytes, on top of @sum; and its end. */
uint32_t fg_sum(const uint8_t *at, size_t len, uint32_t sum);
uint16_t fg_sum_end(uint32_t sum);

#endif
