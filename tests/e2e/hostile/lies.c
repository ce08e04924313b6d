/* SPDX-License-Identifier: BSD-3-Clause */
/* Headers of virtio-net that say of a frame what is not so (O1 to O5), and frames that no machine sends. */
#include <linux/virtio_net.h>
#include <stddef.h>
#include <string.h>

#include "play.h"

enum { PLAIN, TCP4, TCP6, UDP4, IP = 14, TCP = 34, TCP_6 = 54 };

struct lie {
	int frame;
	uint32_t len; /* 0: FRAME_LEN */
	struct virtio_net_hdr_mrg_rxbuf header;
	uint16_t at; /* a byte of the frame is: */
	uint8_t byte;
};

#define OFFLOADS                                                                                                          \
	(FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_HOST_TSO6))

/* Headers of a protocol behind the Ethernet header that is there, for a frame of this length. */
static void make_frame(uint8_t *at, int kind, uint32_t len)
{
	bool v6 = kind == TCP6;
	uint8_t *ip = at + IP, *l4 = ip + (v6 ? 40 : 20);

	if (kind == PLAIN)
		return;
	at[12] = v6 ? 0x86 : 0x08;
	at[13] = v6 ? 0xdd : 0x00;
	ip[0] = v6 ? 0x60 : 0x45;
	ip[v6 ? 4 : 2] = (uint8_t)((len - IP - (v6 ? 40 : 0)) >> 8);
	ip[v6 ? 5 : 3] = (uint8_t)(len - IP - (v6 ? 40 : 0));
	ip[v6 ? 6 : 9] = kind == UDP4 ? 17 : 6;
	ip[v6 ? 7 : 8] = 64;
	if (kind == UDP4)
		l4[5] = (uint8_t)(len - TCP);
	else
		l4[12] = 0x50;
}

static void lie(struct play *play, const struct hostile_case *c)
{
	const struct lie *lie = c->data;
	uint32_t len = lie->len != 0 ? lie->len : FRAME_LEN;
	uint8_t *at = memory_at(BUFFER);

	make_frame(at + HEADER_LEN, lie->frame, len);
	memcpy(at, &lie->header, sizeof(lie->header));
	if (lie->at != 0)
		at[HEADER_LEN + lie->at] = lie->byte;
	ring_put(&play->tx, 0, (struct desc){BUFFER, HEADER_LEN + len, 0, 0});
	ring_offer(&play->tx, 1);
}

#define LIE(...) (&(const struct lie){__VA_ARGS__})
#define CSUM	 VIRTIO_NET_HDR_F_NEEDS_CSUM
/* flags, type, header length, size, where a checksum begins, where it goes, buffers */
#define SAYS(flags, type, hdr, size, start, offset, buffers) .header = {{flags, type, hdr, size, start, offset}, buffers}
#define L(name, expect, ...) {name, BOTH, expect, lie, OFFLOADS, 0, LIE(__VA_ARGS__), false}
#define DROP "drop rx_drop.offload"

const struct hostile_case lie_cases[] = {
	L("header_buffers_ffff", "sent 1", .frame = PLAIN, SAYS(0, 0, 0, 0, 0, 0, 0xffff)),
	L("header_length_ffff", "sent 1", .frame = PLAIN, SAYS(0, 0, 0xffff, 0, 0, 0, 0)),
	L("header_size_without_a_type", "sent 1", .frame = PLAIN, SAYS(0, 0, 0, 0xffff, 0xffff, 0xffff, 0)),
	L("header_says_it_is_valid", "sent 1", .frame = PLAIN, SAYS(VIRTIO_NET_HDR_F_DATA_VALID | 0xf8, 0, 0, 0, 0, 0, 0)),
	{"header_checksum_not_agreed", BOTH, DROP, lie, 0, 0, LIE(.frame = TCP4, SAYS(CSUM, 0, 0, 0, TCP, 16, 0)), false},
	{"header_segmentation_not_agreed", BOTH, DROP, lie, FEATURE(VIRTIO_NET_F_CSUM), 0,
	 LIE(.frame = TCP4, .len = 3000, SAYS(CSUM, VIRTIO_NET_HDR_GSO_TCPV4, TCP + 20, 1000, TCP, 16, 0)), false},
	/* O1 */
	L("header_checksum_begins_beyond", DROP, .frame = TCP4, SAYS(CSUM, 0, 0, 0, 0xffff, 16, 0)),
	L("header_checksum_goes_beyond", DROP, .frame = TCP4, SAYS(CSUM, 0, 0, 0, TCP, 0xffff, 0)),
	L("header_checksum_over_the_end", DROP, .frame = TCP4, SAYS(CSUM, 0, 0, 0, 90, 9, 0)),
	L("header_checksum_in_the_addresses", DROP, .frame = TCP4, SAYS(CSUM, 0, 0, 0, 0, 6, 0)),
	L("header_checksum_of_a_plain_frame", DROP, .frame = PLAIN, SAYS(CSUM, 0, 0, 0, 2, 4, 0)),
	/* O2 */
	L("header_segments_of_0", DROP, .frame = TCP4, .len = 3000,
	  SAYS(CSUM, VIRTIO_NET_HDR_GSO_TCPV4, TCP + 20, 0, TCP, 16, 0)),
	L("header_segments_of_1", DROP, .frame = TCP4, .len = 3000,
	  SAYS(CSUM, VIRTIO_NET_HDR_GSO_TCPV4, TCP + 20, 1, TCP, 16, 0)),
	L("header_64_kib_in_segments_of_8", DROP, .frame = TCP4, .len = 65000,
	  SAYS(CSUM, VIRTIO_NET_HDR_GSO_TCPV4, TCP + 20, 8, TCP, 16, 0)),
	/* O3 */
	L("header_tcp6_of_an_ipv4_packet", DROP, .frame = TCP4, .len = 3000,
	  SAYS(CSUM, VIRTIO_NET_HDR_GSO_TCPV6, TCP_6 + 20, 1000, TCP, 16, 0)),
	L("header_tcp4_of_an_ipv6_packet", DROP, .frame = TCP6, .len = 3000,
	  SAYS(CSUM, VIRTIO_NET_HDR_GSO_TCPV4, TCP_6 + 20, 1000, TCP_6, 16, 0)),
	L("header_tcp4_of_a_udp_packet", DROP, .frame = UDP4, .len = 3000,
	  SAYS(CSUM, VIRTIO_NET_HDR_GSO_TCPV4, TCP + 8, 1000, TCP, 6, 0)),
	L("header_ecn_alone", DROP, .frame = TCP4, .len = 3000, SAYS(CSUM, VIRTIO_NET_HDR_GSO_ECN, TCP + 20, 1000, TCP, 16, 0)),
	L("header_type_7f", DROP, .frame = TCP4, .len = 3000, SAYS(CSUM, 0x7f, TCP + 20, 1000, TCP, 16, 0)),
	L("header_ufo", DROP, .frame = UDP4, .len = 3000, SAYS(CSUM, VIRTIO_NET_HDR_GSO_UDP, TCP + 8, 1000, TCP, 6, 0)),
	L("header_type_without_a_checksum", DROP, .frame = TCP4, .len = 3000,
	  SAYS(0, VIRTIO_NET_HDR_GSO_TCPV4, TCP + 20, 1000, 0, 0, 0)),
	/* O4 */
	L("header_ihl_15", DROP, .frame = TCP4, .len = 3000,
	  SAYS(CSUM, VIRTIO_NET_HDR_GSO_TCPV4, TCP + 20, 1000, TCP, 16, 0), .at = IP, .byte = 0x4f),
	L("header_doff_0", DROP, .frame = TCP4, .len = 3000,
	  SAYS(CSUM, VIRTIO_NET_HDR_GSO_TCPV4, TCP + 20, 1000, TCP, 16, 0), .at = TCP + 12, .byte = 0),
	L("header_doff_15_of_60_bytes", DROP, .frame = TCP4, .len = 60,
	  SAYS(CSUM, VIRTIO_NET_HDR_GSO_TCPV4, 0xffff, 1, TCP, 16, 0), .at = TCP + 12, .byte = 0xf0),
	/* the source */
	{"frame_from_a_group", BOTH, "drop rx_drop.source", lie, 0, 0, LIE(.frame = PLAIN, .at = 6, .byte = 0x53), false},
	{0},
};
