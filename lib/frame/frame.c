/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame.h"

#include <linux/if_ether.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_hash_crc.h>

#include "be16.h"
#include "frame_head.h"
#include "mem_copy.h"

/* Where a copy into spans has come to. */
struct cursor {
	const struct mem_span *span;
	uint32_t offset; /* in *span */
};

static inline void cursor_put(struct cursor *to, const uint8_t *from, uint32_t n)
{
	while (n > 0) {
		uint32_t room = to->span->len - to->offset;
		uint32_t part = n < room ? n : room;

		mem_copy(to->span->at + to->offset, from, part);
		from += part;
		n -= part;
		to->offset += part;
		if (part == room) {
			to->span++;
			to->offset = 0;
		}
	}
}

void frame_copy_spans(const struct frame *frame, const struct mem_span *to, uint32_t skip)
{
	struct cursor at = {.span = to};

	while (skip > 0 && skip >= at.span->len) {
		skip -= at.span->len;
		at.span++;
	}
	at.offset = skip;
	cursor_put(&at, frame->head, frame->head_len);
	for (uint16_t i = 0; i < frame->body_spans; i++) {
		cursor_put(&at, frame->body[i].at, frame->body[i].len);
		mem_fetch_body(frame->body[i].at, frame->body[i].len);
	}
}

/* --- flow hash --------------------------------------------------------------------------------------------------- */

enum {
	ETHER_TYPE_AT = 12, /* after the two addresses */
	ETHER_LEN = 14,
	VLAN_LEN = 4,
	VLANS_MAX = 2,
	IPV4_LEN_MIN = 20,
	IPV6_LEN = 40,
};

/* The head is not aligned to anything once there is a tag. */
static inline uint32_t hash4(const uint8_t *at, uint32_t hash)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return rte_hash_crc_4byte(word, hash);
}

static inline uint32_t hash8(const uint8_t *at, uint32_t hash)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return rte_hash_crc_8byte(word, hash);
}

/* TCP, UDP, DCCP, SCTP and UDP-Lite begin with a source and a destination port of 16 bits each. */
static inline bool has_ports(uint8_t protocol)
{
	return protocol == 6 || protocol == 17 || protocol == 33 || protocol == 132 ||
	       protocol == 136;
}

static uint32_t hash_ipv4(const uint8_t *ip, uint32_t len, uint32_t hash)
{
	uint32_t ip_len = (ip[0] & 0x0f) * 4u;
	uint8_t protocol = ip[9];
	bool fragment = be16_at(ip + 6) & 0x3fff; /* more fragments, or an offset: only the first has ports */

	hash = hash8(ip + 12, hash);
	if (fragment || ip_len < IPV4_LEN_MIN || !has_ports(protocol) || len < ip_len + 4)
		return hash;
	return hash4(ip + ip_len, hash ^ protocol);
}

static uint32_t hash_ipv6(const uint8_t *ip, uint32_t len, uint32_t hash)
{
	uint8_t protocol = ip[6];

	for (uint32_t at = 8; at < IPV6_LEN; at += 8)
		hash = hash8(ip + at, hash);
	/* Behind an extension header the addresses must do, as they do for fragments. */
	if (!has_ports(protocol) || len < IPV6_LEN + 4)
		return hash;
	return hash4(ip + IPV6_LEN, hash ^ protocol);
}

uint32_t frame_flow_hash(const struct frame *frame)
{
	const uint8_t *head = frame->head;
	uint32_t len = frame->head_len, at = ETHER_TYPE_AT, hash = 0;
	uint16_t type;

	if (len < ETHER_LEN)
		return 0;
	type = be16_at(head + at);
	for (int tags = 0; tags < VLANS_MAX && frame_type_is_tag(type); tags++) {
		if (len < at + VLAN_LEN + 2)
			break;
		hash = rte_hash_crc_4byte(be16_at(head + at + 2) & 0x0fff, hash);
		at += VLAN_LEN;
		type = be16_at(head + at);
	}
	at += 2;
	if (type == ETH_P_IP && len >= at + IPV4_LEN_MIN && head[at] >> 4 == 4)
		return hash_ipv4(head + at, len - at, hash);
	if (type == ETH_P_IPV6 && len >= at + IPV6_LEN && head[at] >> 4 == 6)
		return hash_ipv6(head + at, len - at, hash);
	return hash4(head + 8, hash8(head, hash));
}
