/* SPDX-License-Identifier: BSD-3-Clause */
#include "guard.h"

#include "be16.h"

static const enum rx_drop PASS = RX_DROPS;

/* Where things stand in a header. */
enum {
	SOURCE_AT = 6, /* Ethernet */
	IPV4_SOURCE_AT = 12,
	IPV4_DESTINATION_AT = 16,
	IPV6_SOURCE_AT = 8,
	ARP_OPERATION_AT = 6,
	ARP_STATION_AT = 8,
	ARP_SENDER_AT = 14,
	ARP_TARGET_AT = 24,
	ARP_LEN = 28,
	UDP_LEN = 8,
	/* DHCP's, behind UDP's: op, htype, hlen. */
	DHCP_STATION_AT = 28,
	ND_TARGET_AT = 8,
};

enum { ARP_REQUEST = 1, ARP_REPLY, RARP_REQUEST, RARP_REPLY };
enum { ICMP_REDIRECT_TYPE = 5, ICMP_ROUTER = 9 };
enum {
	MLD_REPORT = 131,
	MLD_DONE = 132,
	ND_ROUTER_SOLICIT = 133,
	ND_ROUTER_ADVERTISE,
	ND_SOLICIT,
	ND_ADVERTISE,
	ND_REDIRECT,
	MLD2_REPORT = 143,
};
enum { ND_SOURCE_OPTION = 1, ND_TARGET_OPTION };
enum {
	DHCP_REQUEST = 1,
	DHCP6_ADVERTISE = 2,
	DHCP6_REPLY = 7,
	DHCP6_RECONFIGURE = 10,
	DHCP6_RELAYED = 13,
	DHCP6_DHCP4_RESPONSE = 21
};

/* --- addresses --------------------------------------------------------------------------------------------------- */

static mac_key_t mac_of(const uint8_t *at)
{
	uint64_t word = 0;

	memcpy(&word, at, 6);
	return le64toh(word);
}

static bool has_mac(const struct policy_guard *guard, const uint8_t *at)
{
	mac_key_t mac = mac_of(at);

	for (uint16_t i = 0; i < guard->mac_n; i++)
		if (guard->mac[i] == mac)
			return true;
	return (guard->checks & GUARD_MACS) == 0;
}

static bool has_ip4(const struct policy_guard *guard, const uint8_t *at)
{
	uint32_t ip;

	memcpy(&ip, at, sizeof(ip));
	for (uint16_t i = 0; i < guard->ip4_n; i++)
		if ((ip & guard->ip4[i].mask) == guard->ip4[i].bits)
			return true;
	return (guard->checks & GUARD_IPS) == 0;
}

static bool has_ip6(const struct policy_guard *guard, const uint8_t *at)
{
	uint64_t ip[2];

	memcpy(ip, at, sizeof(ip));
	for (uint16_t i = 0; i < guard->ip6_n; i++) {
		const struct guard_ip6 *one = &guard->ip6[i];

		if ((ip[0] & one->mask[0]) == one->bits[0] && (ip[1] & one->mask[1]) == one->bits[1])
			return true;
	}
	return (guard->checks & GUARD_IPS) == 0;
}

static bool is_zero(const uint8_t *at, unsigned int n)
{
	uint8_t any = 0;

	for (unsigned int i = 0; i < n; i++)
		any |= at[i];
	return any == 0;
}

/* --- ARP, RARP --------------------------------------------------------------------------------------------------- */

static enum rx_drop read_arp(const struct policy_guard *guard, const struct frame *frame, const struct frame_net *net)
{
	static const uint8_t ethernet_ipv4[] = {0, 1, 8, 0, 6, 4};
	const uint8_t *arp = frame->head + net->l3;
	bool reverse = net->type == FRAME_NET_RARP;
	uint16_t operation;

	if (!frame_net_has(frame, net, net->l3, ARP_LEN) || memcmp(arp, ethernet_ipv4, sizeof(ethernet_ipv4)) != 0)
		return RX_DROP_GUARD_ODD;
	operation = be16_at(arp + ARP_OPERATION_AT);
	if (operation < (reverse ? RARP_REQUEST : ARP_REQUEST) || operation > (reverse ? RARP_REPLY : ARP_REPLY))
		return RX_DROP_GUARD_ODD;
	if (operation == RARP_REPLY && (guard->checks & GUARD_DHCP) != 0)
		return RX_DROP_GUARD_DHCP;
	if (!has_ip4(guard, arp + ARP_SENDER_AT)) {
		/* Without an address: a probe for the one that it is about to have; or it asks for one. */
		bool asks = is_zero(arp + ARP_SENDER_AT, 4) &&
			    (operation == RARP_REQUEST || (operation == ARP_REQUEST && has_ip4(guard, arp + ARP_TARGET_AT)));

		if (!asks)
			return RX_DROP_GUARD_IP;
	}
	return has_mac(guard, arp + ARP_STATION_AT) ? PASS : RX_DROP_GUARD_MAC;
}

/* --- IPv4 -------------------------------------------------------------------------------------------------------- */

/* A message that is for DHCP servers: of a client, or of one that carries it on. */
static enum rx_drop read_dhcp_request(const struct policy_guard *guard, const struct frame *frame, const struct frame_net *net)
{
	const uint8_t *dhcp = frame->head + net->l4 + UDP_LEN;

	if (net->fragment || !frame_net_has(frame, net, net->l4, UDP_LEN + DHCP_STATION_AT + 6))
		return RX_DROP_GUARD_ODD;
	if (dhcp[0] != DHCP_REQUEST)
		return (guard->checks & GUARD_DHCP) != 0 ? RX_DROP_GUARD_DHCP : PASS;
	if ((guard->checks & GUARD_MACS) == 0)
		return PASS;
	/* Ethernet's, of six bytes. */
	return dhcp[1] == 1 && dhcp[2] == 6 && has_mac(guard, dhcp + DHCP_STATION_AT) ? PASS : RX_DROP_GUARD_MAC;
}

/* `unset`: the source is 0.0.0.0, which the port does not have. */
static enum rx_drop read_udp4(const struct policy_guard *guard, const struct frame *frame, const struct frame_net *net,
			      bool unset)
{
	const uint8_t *udp = frame->head + net->l4;
	enum rx_drop verdict;

	if (!frame_net_has(frame, net, net->l4, UDP_LEN))
		return RX_DROP_GUARD_ODD;
	if (be16_at(udp + 2) == GUARD_DHCP_CLIENT && (guard->checks & GUARD_DHCP) != 0)
		return RX_DROP_GUARD_DHCP;
	if (be16_at(udp + 2) != GUARD_DHCP_SERVER)
		return unset ? RX_DROP_GUARD_IP : PASS;
	verdict = read_dhcp_request(guard, frame, net);
	if (verdict != PASS || !unset)
		return verdict;
	return be16_at(udp) == GUARD_DHCP_CLIENT && udp[UDP_LEN] == DHCP_REQUEST &&
			       be16_at(frame->head + net->l3 + IPV4_DESTINATION_AT) == 0xffff &&
			       be16_at(frame->head + net->l3 + IPV4_DESTINATION_AT + 2) == 0xffff
		       ? PASS
		       : RX_DROP_GUARD_IP;
}

static enum rx_drop read_ipv4(const struct policy_guard *guard, const struct frame *frame, const struct frame_net *net)
{
	const uint8_t *source = frame->head + net->l3 + IPV4_SOURCE_AT;
	bool has = has_ip4(guard, source);
	uint8_t type;

	if (!has && !is_zero(source, 4))
		return RX_DROP_GUARD_IP;
	if (net->l4 != 0 && net->protocol == FRAME_NET_UDP)
		return read_udp4(guard, frame, net, !has);
	if (!has)
		return RX_DROP_GUARD_IP;
	if (net->l4 == 0 || net->protocol != FRAME_NET_ICMP || (guard->checks & GUARD_RA) == 0)
		return PASS;
	if (!frame_net_has(frame, net, net->l4, 1))
		return RX_DROP_GUARD_ODD;
	type = frame->head[net->l4];
	return type == ICMP_REDIRECT_TYPE || type == ICMP_ROUTER ? RX_DROP_GUARD_RA : PASS;
}

/* --- IPv6 -------------------------------------------------------------------------------------------------------- */

/* Stations in the options of neighbour discovery, from `at` on; up to the end, or something is hidden. */
static enum rx_drop read_nd_options(const struct policy_guard *guard, const struct frame *frame, const struct frame_net *net,
				    uint32_t at)
{
	while (at < net->end) {
		const uint8_t *option = frame->head + at;
		uint32_t len;

		if (!frame_net_has(frame, net, at, 8))
			return RX_DROP_GUARD_ODD;
		len = option[1] * 8u;
		if (len == 0 || !frame_net_has(frame, net, at, len))
			return RX_DROP_GUARD_ODD;
		if (option[0] == ND_SOURCE_OPTION || option[0] == ND_TARGET_OPTION) {
			if (len != 8)
				return RX_DROP_GUARD_ODD;
			if (!has_mac(guard, option + 2))
				return RX_DROP_GUARD_MAC;
		}
		at += len;
	}
	return PASS;
}

static enum rx_drop read_nd(const struct policy_guard *guard, const struct frame *frame, const struct frame_net *net, bool unset)
{
	static const uint8_t lens[] = {8, 16, 24, 24, 40};
	const uint8_t *nd = frame->head + net->l4;
	uint32_t len = lens[nd[0] - ND_ROUTER_SOLICIT];

	if ((guard->checks & GUARD_RA) != 0 && (nd[0] == ND_ROUTER_ADVERTISE || nd[0] == ND_REDIRECT))
		return RX_DROP_GUARD_RA;
	if ((guard->checks & (GUARD_MACS | GUARD_IPS)) == 0)
		return PASS;
	if (net->fragment || !frame_net_has(frame, net, net->l4, len))
		return RX_DROP_GUARD_ODD;
	if (unset && nd[0] != ND_ROUTER_SOLICIT && nd[0] != ND_SOLICIT)
		return RX_DROP_GUARD_IP;
	/* Without a source a solicitation is about an address that its sender is going to have. */
	if ((nd[0] == ND_ADVERTISE || (nd[0] == ND_SOLICIT && is_zero(frame->head + net->l3 + IPV6_SOURCE_AT, 16))) &&
	    !has_ip6(guard, nd + ND_TARGET_AT))
		return RX_DROP_GUARD_IP;
	return (guard->checks & GUARD_MACS) != 0 ? read_nd_options(guard, frame, net, net->l4 + len) : PASS;
}

/* `unset`: the source is ::, which the port does not have. */
static enum rx_drop read_icmpv6(const struct policy_guard *guard, const struct frame *frame, const struct frame_net *net,
				bool unset)
{
	uint8_t type;

	if (!frame_net_has(frame, net, net->l4, 4))
		return RX_DROP_GUARD_ODD;
	type = frame->head[net->l4];
	if (type >= ND_ROUTER_SOLICIT && type <= ND_REDIRECT)
		return read_nd(guard, frame, net, unset);
	return !unset || type == MLD_REPORT || type == MLD_DONE || type == MLD2_REPORT ? PASS : RX_DROP_GUARD_IP;
}

static enum rx_drop read_udp6(const struct policy_guard *guard, const struct frame *frame, const struct frame_net *net)
{
	const uint8_t *udp = frame->head + net->l4;
	uint16_t port;

	if ((guard->checks & GUARD_DHCP) == 0)
		return PASS;
	if (!frame_net_has(frame, net, net->l4, UDP_LEN))
		return RX_DROP_GUARD_ODD;
	port = be16_at(udp + 2);
	if (port == GUARD_DHCP6_CLIENT)
		return RX_DROP_GUARD_DHCP;
	if (port != GUARD_DHCP6_SERVER)
		return PASS;
	if (net->fragment || !frame_net_has(frame, net, net->l4, UDP_LEN + 1))
		return RX_DROP_GUARD_ODD;
	switch (udp[UDP_LEN]) {
	case DHCP6_ADVERTISE:
	case DHCP6_REPLY:
	case DHCP6_RECONFIGURE:
	case DHCP6_RELAYED:
	case DHCP6_DHCP4_RESPONSE:
		return RX_DROP_GUARD_DHCP;
	default:
		return PASS;
	}
}

static enum rx_drop read_ipv6(const struct policy_guard *guard, const struct frame *frame, const struct frame_net *net)
{
	const uint8_t *source = frame->head + net->l3 + IPV6_SOURCE_AT;
	bool has = has_ip6(guard, source);

	if (!has && !is_zero(source, 16))
		return RX_DROP_GUARD_IP;
	if (net->home != 0 && !has_ip6(guard, frame->head + net->home))
		return RX_DROP_GUARD_IP;
	if (net->l4 != 0 && net->protocol == FRAME_NET_ICMPV6)
		return read_icmpv6(guard, frame, net, !has);
	if (!has)
		return RX_DROP_GUARD_IP;
	return net->l4 != 0 && net->protocol == FRAME_NET_UDP ? read_udp6(guard, frame, net) : PASS;
}

/* --- the whole --------------------------------------------------------------------------------------------------- */

/* Bridges' and providers' bridges', and Cisco's of each VLAN. */
static bool is_to_bridges(const uint8_t *head)
{
	static const uint8_t groups[][6] = {
		{0x01, 0x80, 0xc2, 0x00, 0x00, 0x00}, {0x01, 0x80, 0xc2, 0x00, 0x00, 0x08}, {0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd}};

	for (unsigned int i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (memcmp(head, groups[i], sizeof(groups[i])) == 0)
			return true;
	return false;
}

/* An 802.2 frame: spanning tree, or IS-IS of routers; what else there is may have a type of its own in it (SNAP). */
static enum rx_drop read_llc(const struct policy_guard *guard, const struct frame *frame, const struct frame_net *net)
{
	enum { SPANNING_TREE = 0x4242, ROUTERS = 0xfefe };
	uint16_t access;

	if (net->type < 3 || (uint32_t)net->l3 + net->type > frame->len || net->l3 + 3u > frame->head_len)
		return RX_DROP_GUARD_ODD;
	access = be16_at(frame->head + net->l3);
	if (access == SPANNING_TREE && (guard->checks & GUARD_BPDU) != 0)
		return RX_DROP_GUARD_BPDU;
	if (access == SPANNING_TREE || access == ROUTERS || (guard->checks & GUARD_READS) == 0)
		return PASS;
	return RX_DROP_GUARD_TYPE;
}

static enum rx_drop read_packet(const struct policy_guard *guard, const struct frame *frame, const struct frame_net *net)
{
	enum { PORT_ACCESS = 0x888e, SLOW_PROTOCOLS = 0x8809, LLDP = 0x88cc };

	switch (net->type) {
	case FRAME_NET_IPV4:
		return read_ipv4(guard, frame, net);
	case FRAME_NET_IPV6:
		return read_ipv6(guard, frame, net);
	case FRAME_NET_ARP:
	case FRAME_NET_RARP:
		return read_arp(guard, frame, net);
	case PORT_ACCESS:
	case SLOW_PROTOCOLS:
	case LLDP:
		return PASS;
	default:
		return RX_DROP_GUARD_TYPE;
	}
}

enum rx_drop guard_read(const struct policy_guard *guard, const struct frame *frame)
{
	struct frame_net net;
	bool read;

	if (!has_mac(guard, frame->head + SOURCE_AT))
		return RX_DROP_GUARD_MAC;
	if ((guard->checks & GUARD_BPDU) != 0 && is_to_bridges(frame->head))
		return RX_DROP_GUARD_BPDU;
	if ((guard->checks & (GUARD_READS | GUARD_BPDU)) == 0)
		return PASS;
	read = frame_net_find(frame, &net);
	/* Where its type is. */
	if (net.l3 == 0)
		return RX_DROP_GUARD_ODD;
	if (net.type <= FRAME_NET_LLC_MAX)
		return read_llc(guard, frame, &net);
	if ((guard->checks & GUARD_READS) == 0)
		return PASS;
	return read ? read_packet(guard, frame, &net) : RX_DROP_GUARD_ODD;
}
