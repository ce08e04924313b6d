/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame_offload.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "frame_checksum.h"
#include "vus_limits.h"

enum {
	VLANS_MAX = 2, /* of a sender; one of ours may come in front */
	L3_MAX = sizeof(struct rte_ether_hdr) + VLANS_MAX * sizeof(struct rte_vlan_hdr),
	IP_LEN_MAX = 65535, /* what an IP header can say of its length, or of its payload's */
};

/* --- what was agreed --------------------------------------------------------------------------------------------- */

struct agreement {
	uint8_t from_guest, to_guest; /* feature bits */
	uint32_t offload;
};

/* virtio 1.3, 5.1.3.1: all but the first need the first. */
static const struct agreement agreements[] = {
	{VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_CSUM, FRAME_CSUM},
	{VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_GUEST_TSO4, FRAME_TSO4},
	{VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_GUEST_TSO6, FRAME_TSO6},
	{VIRTIO_NET_F_HOST_ECN, VIRTIO_NET_F_GUEST_ECN, FRAME_ECN},
	{VIRTIO_NET_F_HOST_USO, VIRTIO_NET_F_GUEST_USO4, FRAME_USO4},
	{VIRTIO_NET_F_HOST_USO, VIRTIO_NET_F_GUEST_USO6, FRAME_USO6},
};

static uint32_t offloads_of(uint64_t features, size_t column)
{
	uint32_t offloads = 0;

	for (unsigned int i = 0; i < RTE_DIM(agreements); i++) {
		uint8_t bit = *((const uint8_t *)&agreements[i] + column);

		if ((features >> bit & 1) != 0)
			offloads |= agreements[i].offload;
	}
	return (offloads & FRAME_CSUM) != 0 ? offloads : 0;
}

uint32_t frame_offloads_from_guest(uint64_t features)
{
	return offloads_of(features, offsetof(struct agreement, from_guest));
}

uint32_t frame_offloads_to_guest(uint64_t features)
{
	return offloads_of(features, offsetof(struct agreement, to_guest));
}

/* --- where the headers are --------------------------------------------------------------------------------------- */

/* Behind the addresses and up to three tags: the type, and in *at where the packet begins; 0 if there is no room for one. */
static uint16_t ether_type(const struct frame *frame, uint32_t *at)
{
	uint16_t type;

	*at = offsetof(struct rte_ether_hdr, ether_type);
	for (int tags = 0;; tags++) {
		if (*at + sizeof(type) > frame->head_len)
			return 0;
		type = (uint16_t)(frame->head[*at] << 8 | frame->head[*at + 1]);
		*at += (uint32_t)sizeof(type);
		if ((type != RTE_ETHER_TYPE_VLAN && type != RTE_ETHER_TYPE_QINQ) ||
		    tags == VLANS_MAX + 1)
			return type;
		*at += (uint32_t)sizeof(struct rte_vlan_hdr) - (uint32_t)sizeof(type);
	}
}

/* These return what follows the IP header(s), and in *at where; IPPROTO_RAW if nothing of use does. */
static uint8_t skip_ipv4(const struct frame *frame, uint32_t *at)
{
	const struct rte_ipv4_hdr *ip = (const void *)(frame->head + *at);
	const uint16_t fragment = RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK);

	if (*at + sizeof(*ip) > frame->head_len || ip->version_ihl >> 4 != 4 ||
	    rte_ipv4_hdr_len(ip) < sizeof(*ip) || (ip->fragment_offset & fragment) != 0)
		return IPPROTO_RAW;
	*at += rte_ipv4_hdr_len(ip);
	return ip->next_proto_id;
}

static uint8_t skip_ipv6(const struct frame *frame, uint32_t *at, bool *plain)
{
	const struct rte_ipv6_hdr *ip = (const void *)(frame->head + *at);
	uint8_t next;

	if (*at + sizeof(*ip) > frame->head_len || frame->head[*at] >> 4 != 6)
		return IPPROTO_RAW;
	*at += (uint32_t)sizeof(*ip);
	/* Every step takes 8 bytes of the head at least. */
	for (next = ip->proto; next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING ||
			       next == IPPROTO_DSTOPTS;) {
		const uint8_t *option = frame->head + *at;

		if (*at + 2 > frame->head_len)
			return IPPROTO_RAW;
		next = option[0];
		*at += (option[1] + 1u) * 8u;
		*plain = false;
	}
	return next;
}

/* The length of the header at `at`, 0 if it is none. */
static uint32_t l4_len(const struct frame *frame, uint32_t at, bool tcp)
{
	const struct rte_tcp_hdr *header = (const void *)(frame->head + at);
	uint32_t len;

	if (!tcp)
		return at + sizeof(struct rte_udp_hdr) <= frame->head_len
			       ? (uint32_t)sizeof(struct rte_udp_hdr)
			       : 0;
	if (at + sizeof(*header) > frame->head_len)
		return 0;
	len = (header->data_off >> 4) * 4u;
	return len >= sizeof(*header) && at + len <= frame->len ? len : 0;
}

bool frame_layers_find(const struct frame *whole, struct frame_layers *layers)
{
	/* A NIC's frame may be all head: headers must fit where they are written anew. */
	const struct frame view = {
		.head = whole->head,
		.head_len = RTE_MIN(whole->head_len, (uint16_t)FRAME_HEAD_MAX),
		.len = whole->len,
	};
	const struct frame *frame = &view;
	uint32_t at, len;
	uint16_t type = ether_type(frame, &at);
	uint8_t protocol = IPPROTO_RAW;

	/* Never less than an Ethernet header, whatever was found. */
	*layers = (struct frame_layers){.l3 = (uint16_t)at, .plain = true};
	if (type == RTE_ETHER_TYPE_IPV4) {
		protocol = skip_ipv4(frame, &at);
	} else if (type == RTE_ETHER_TYPE_IPV6) {
		layers->ipv6 = true;
		protocol = skip_ipv6(frame, &at, &layers->plain);
	}
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return false;
	layers->tcp = protocol == IPPROTO_TCP;
	len = l4_len(frame, at, layers->tcp);
	layers->l4 = (uint16_t)at;
	layers->payload = (uint16_t)(at + len);
	return len > 0;
}

/* --- what is asked ----------------------------------------------------------------------------------------------- */

/* What a gso_type without ECN needs of a receiver, if the packet is of that kind; 0: it is not. */
static uint32_t offload_of(uint8_t type, const struct frame_layers *layers)
{
	switch (type) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return layers->tcp && !layers->ipv6 ? FRAME_TSO4 : 0;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return layers->tcp && layers->ipv6 ? FRAME_TSO6 : 0;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		if (layers->tcp)
			return 0;
		return layers->ipv6 ? FRAME_USO6 : FRAME_USO4;
	default:
		return 0;
	}
}

/* Goes by the bytes there are: hdr_len is a hint that drivers get wrong, and IP lengths are written anew. */
static bool check_gso(struct frame *frame, const struct virtio_net_hdr *asked,
		      const struct frame_layers *layers, uint32_t agreed)
{
	uint32_t payload = frame->len - layers->payload;
	uint8_t ecn = asked->gso_type & VIRTIO_NET_HDR_GSO_ECN;
	uint32_t needed = offload_of((uint8_t)(asked->gso_type ^ ecn), layers);

	if (needed == 0 || (needed & ~agreed) != 0)
		return false;
	if (ecn != 0 && (!layers->tcp || (agreed & FRAME_ECN) == 0))
		return false;
	if (layers->payload > RTE_MIN(frame->head_len, FRAME_HEAD) || asked->gso_size < FRAME_GSO_SIZE_MIN ||
	    payload > (uint32_t)asked->gso_size * FRAME_SEGMENTS_MAX ||
	    frame->len - layers->l3 >
		    IP_LEN_MAX + (layers->ipv6 ? sizeof(struct rte_ipv6_hdr) : 0))
		return false;
	if (payload <= asked->gso_size)
		return true; /* a piece by itself: as good as one that says nothing of it */
	frame->offload.gso_type = asked->gso_type;
	frame->offload.gso_size = asked->gso_size;
	frame->offload.hdr_len = layers->payload;
	return true;
}

/* Whether the checksum is that of the TCP or UDP header we found. */
static bool is_own_checksum(const struct virtio_net_hdr *asked, const struct frame_layers *layers)
{
	size_t offset = layers->tcp ? offsetof(struct rte_tcp_hdr, cksum)
				    : offsetof(struct rte_udp_hdr, dgram_cksum);

	return asked->csum_start == layers->l4 && asked->csum_offset == offset;
}

/* Any other checksum: in a tunnel, of a protocol we do not know. It is a sum over bytes and needs no knowledge, but must be
 * in the packet, and behind the headers we do know; behind a tag of ours (frame_head.h), too: its place may not wrap. */
static bool is_inner_checksum(const struct frame *frame, const struct virtio_net_hdr *asked,
			      bool found, const struct frame_layers *layers)
{
	uint32_t start = asked->csum_start;

	return start >= (found ? layers->payload : layers->l3) && start <= UINT16_MAX - FRAME_TAG &&
	       start + asked->csum_offset + sizeof(uint16_t) <= frame->len;
}

bool frame_offload_check(struct frame *frame, uint32_t agreed)
{
	const struct virtio_net_hdr asked = frame->offload;
	struct frame_layers layers;
	bool found, own;

	frame->offload = (struct virtio_net_hdr){0};
	/* virtio 1.2, 5.1.6.2.2: flags that were not agreed upon are ignored, and what a guest says of the validity of
	 * its checksums is nothing to go by. Whatever is to be cut up needs a checksum. */
	if ((asked.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0)
		return asked.gso_type == VIRTIO_NET_HDR_GSO_NONE;
	if ((agreed & FRAME_CSUM) == 0)
		return false;
	found = frame_layers_find(frame, &layers) && layers.l3 <= L3_MAX;
	own = found && is_own_checksum(&asked, &layers);
	if (!own && !is_inner_checksum(frame, &asked, found, &layers))
		return false;
	frame->offload.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	frame->offload.csum_start = asked.csum_start;
	frame->offload.csum_offset = asked.csum_offset;
	return asked.gso_type == VIRTIO_NET_HDR_GSO_NONE ||
	       (own && check_gso(frame, &asked, &layers, agreed));
}

bool frame_offload_settle(struct frame *frame)
{
	uint32_t start = frame->offload.csum_start, field = start + frame->offload.csum_offset;
	struct frame_layers layers;
	uint16_t checksum;

	if (frame->offload.flags == 0 || field >= frame->head_len ||
	    (frame_layers_find(frame, &layers) && is_own_checksum(&frame->offload, &layers)))
		return true;
	if (field + sizeof(checksum) > frame->head_len)
		return false;
	checksum = frame_checksum(frame, start);
	memcpy(frame->head + field, &checksum, sizeof(checksum));
	frame->offload = (struct virtio_net_hdr){0};
	return true;
}

uint32_t frame_offloads_needed(const struct frame *frame)
{
	const struct virtio_net_hdr *offload = &frame->offload;
	uint32_t asked = offload->flags != 0 ? FRAME_CSUM : 0;
	uint32_t l3;

	switch (offload->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		asked |= FRAME_TSO4;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		asked |= FRAME_TSO6;
		break;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		asked |= ether_type(frame, &l3) == RTE_ETHER_TYPE_IPV6 ? FRAME_USO6 : FRAME_USO4;
		break;
	default:
		break;
	}
	return (offload->gso_type & VIRTIO_NET_HDR_GSO_ECN) != 0 ? asked | FRAME_ECN : asked;
}
