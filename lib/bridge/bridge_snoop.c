/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge_snoop.h"

#include <linux/if_ether.h>
#include <netinet/in.h>

#include "bridge_vlan.h"
#include "group_types.h"

enum {
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	OPTIONS_HEADER = 8, /* of IPv6, at least */
	PIM_HELLO = 2 << 4,
};

/* The packet of a frame: what of it is in the head. */
struct packet {
	const uint8_t *at;
	uint32_t len;
	uint16_t type;
};

static const struct snooped to_all = {.to = NULL, .punt = PUNT_KINDS};

/* A tag that is not the frame's own VLAN is passed on unread, and so is what is behind it. */
static struct packet packet_of(const struct frame *frame, bool vlans)
{
	uint32_t skip = vlans && (frame->tag & FRAME_TAGGED) != 0 ? FRAME_TAG : 0, at = FRAME_LEN_MIN + skip;

	if (frame->head_len < at)
		return (struct packet){.type = 0};
	return (struct packet){frame->head + at, frame->head_len - at, type_at(frame, (uint16_t)(at - 2))};
}

enum message_is {
	IS_OTHER,
	IS_REPORT, /* for routers */
	IS_TOLD,   /* to all */
};

/* RFC 2236, RFC 3376, RFC 4286. */
static enum message_is igmp_is(uint8_t type)
{
	switch (type) {
	case IGMP_REPORT_V1:
	case IGMP_REPORT_V2:
	case IGMP_LEAVE:
	case IGMP_REPORT_V3:
		return IS_REPORT;
	case IGMP_QUERY:
	case IGMP_MRD_ADVERTISEMENT:
	case IGMP_MRD_TERMINATION:
		return IS_TOLD;
	default:
		return IS_OTHER;
	}
}

/* RFC 2710, RFC 3810, RFC 4286. */
static enum message_is mld_is(uint8_t type)
{
	switch (type) {
	case MLD_REPORT_V1:
	case MLD_DONE:
	case MLD_REPORT_V2:
		return IS_REPORT;
	case MLD_QUERY:
	case MLD_MRD_ADVERTISEMENT:
	case MLD_MRD_TERMINATION:
		return IS_TOLD;
	default:
		return IS_OTHER;
	}
}

static struct snooped message(const struct port_set *routers, enum message_is is, enum punt_kind kind)
{
	if (is == IS_OTHER)
		return to_all;
	return (struct snooped){.to = is == IS_REPORT ? routers : NULL, .punt = kind};
}

/* What is no message: by its address. */
static struct snooped group(const struct group_map *map, const struct port_set *routers, fdb_key_t key)
{
	const struct port_set *ports;

	if (routers == NULL)
		return to_all;
	ports = group_map_find(map, key);
	if (ports == NULL && !map->floods_unregistered)
		ports = routers;
	return (struct snooped){.to = ports, .punt = PUNT_KINDS};
}

static struct snooped snoop_ipv4(const struct group_map *map, const struct packet *packet, fdb_key_t key)
{
	const struct port_set *routers = group_map_routers(map, fdb_key_fid(key), GROUP_IPV4);
	const uint8_t *ip = packet->at;
	uint32_t header;
	bool first;

	if (packet->len < IPV4_HEADER)
		return to_all;
	header = 4u * (ip[0] & 0xf);
	first = ((ip[6] & 0x1f) | ip[7]) == 0; /* of the fragments */
	if (first && packet->len > header && ip[9] == IPPROTO_IGMP)
		return message(routers, igmp_is(ip[header]), PUNT_IGMP);
	if (first && packet->len > header && ip[9] == IPPROTO_PIM && ip[header] == PIM_HELLO)
		return message(routers, IS_TOLD, PUNT_IGMP);
	if (ip[16] == 224 && ip[17] == 0 && ip[18] == 0)
		return to_all;
	return group(map, routers, key);
}

static struct snooped snoop_ipv6(const struct group_map *map, const struct packet *packet, fdb_key_t key)
{
	const struct port_set *routers = group_map_routers(map, fdb_key_fid(key), GROUP_IPV6);
	const uint8_t *ip = packet->at;
	uint32_t body = IPV6_HEADER;

	if (packet->len < IPV6_HEADER)
		return to_all;
	if (ip[6] == IPPROTO_HOPOPTS && packet->len >= IPV6_HEADER + OPTIONS_HEADER && ip[IPV6_HEADER] == IPPROTO_ICMPV6) {
		body += 8u * (ip[IPV6_HEADER + 1] + 1u);
		if (packet->len > body && mld_is(ip[body]) != IS_OTHER)
			return message(routers, mld_is(ip[body]), PUNT_MLD);
	}
	if (ip[6] == IPPROTO_PIM && packet->len > body && ip[body] == PIM_HELLO)
		return message(routers, IS_TOLD, PUNT_MLD);
	if (ip[24] == 0xff && (ip[25] & 0xf) <= 2)
		return to_all;
	return group(map, routers, key);
}

struct snooped bridge_snoop(const struct group_map *map, const struct frame *frame, bool vlans)
{
	mac_key_t mac = mac_at(frame->head);
	fdb_key_t key = fdb_key(vlans ? frame_vid(frame) : FID_DEFAULT, mac);
	struct packet packet;

	if ((mac & 0xffffff) == 0x5e0001) {
		packet = packet_of(frame, vlans);
		return packet.type == ETH_P_IP ? snoop_ipv4(map, &packet, key) : to_all;
	}
	if ((mac & 0xffff) == 0x3333) {
		packet = packet_of(frame, vlans);
		return packet.type == ETH_P_IPV6 ? snoop_ipv6(map, &packet, key) : to_all;
	}
	return to_all;
}
