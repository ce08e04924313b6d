/* SPDX-License-Identifier: BSD-3-Clause */
#include "guard_model.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <string.h>

#include "vus_limits.h"

static const enum rx_drop PASS = RX_DROPS, ODD = RX_DROP_GUARD_ODD, MAC = RX_DROP_GUARD_MAC, IP = RX_DROP_GUARD_IP,
			  DHCP = RX_DROP_GUARD_DHCP, RA = RX_DROP_GUARD_RA;

const char *model_macs(unsigned int set)
{
	return (set & MODEL_MACS) != 0 ? "52:54:00:00:00:01+52:54:00:00:00:02" : NULL;
}

const char *model_ips(unsigned int set)
{
	static const char *const ips[] = {NULL, "192.0.2.1,198.51.100.0/24", "2001:db8::1,2001:db8:1::/64",
					  "192.0.2.1, 198.51.100.0/24+2001:db8::1 ,2001:db8:1::/64"};

	return ips[(set & MODEL_IPS) / MODEL_IP4];
}

/* --- what the port has ------------------------------------------------------------------------------------------- */

static bool own_mac(unsigned int set, const uint8_t *mac)
{
	static const uint8_t first[5] = {0x52, 0x54};

	return (set & MODEL_MACS) == 0 || (memcmp(mac, first, 5) == 0 && (mac[5] == 1 || mac[5] == 2));
}

static bool own_ip4(unsigned int set, struct in_addr ip)
{
	if ((set & MODEL_IPS) == 0)
		return true;
	return (set & MODEL_IP4) != 0 && (ntohl(ip.s_addr) == 0xc0000201 || ntohl(ip.s_addr) >> 8 == 0xc63364);
}

static bool same_ip6(const struct in6_addr *ip, const char *text, unsigned int bytes)
{
	struct in6_addr other;

	return inet_pton(AF_INET6, text, &other) == 1 && memcmp(ip, &other, bytes) == 0;
}

static bool own_ip6(unsigned int set, const struct in6_addr *ip)
{
	if ((set & MODEL_IPS) == 0)
		return true;
	if ((set & MODEL_IP6) == 0)
		return false;
	if (same_ip6(ip, "2001:db8::1", 16) || same_ip6(ip, "2001:db8:1::", 8))
		return true;
	return (set & MODEL_MACS) != 0 && (same_ip6(ip, "fe80::5054:ff:fe00:1", 16) || same_ip6(ip, "fe80::5054:ff:fe00:2", 16));
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

struct reader {
	unsigned int set;
	const uint8_t *bytes;
	uint32_t end, seen;
};

static bool get(const struct reader *r, uint32_t at, void *to, uint32_t n)
{
	if (at + n > r->end || at + n > r->seen)
		return false;
	memcpy(to, r->bytes + at, n);
	return true;
}

static enum rx_drop model_arp(struct reader *r, uint32_t at, bool reverse)
{
	struct ether_arp arp;
	struct in_addr from, to;
	uint16_t op;

	if (!get(r, at, &arp, sizeof(arp)) || ntohs(arp.ea_hdr.ar_hrd) != 1 || ntohs(arp.ea_hdr.ar_pro) != 0x800 ||
	    arp.ea_hdr.ar_hln != 6 || arp.ea_hdr.ar_pln != 4)
		return ODD;
	op = ntohs(arp.ea_hdr.ar_op);
	if (reverse ? op != 3 && op != 4 : op != 1 && op != 2)
		return ODD;
	if (op == 4 && (r->set & MODEL_DHCP) != 0)
		return DHCP;
	memcpy(&from, arp.arp_spa, 4);
	memcpy(&to, arp.arp_tpa, 4);
	if (!own_ip4(r->set, from) && (from.s_addr != 0 || op == 2 || op == 4 || (op == 1 && !own_ip4(r->set, to))))
		return IP;
	return own_mac(r->set, arp.arp_sha) ? PASS : MAC;
}

/* A datagram for port 67 (RFC 2131, figure 1). */
static enum rx_drop model_dhcp(struct reader *r, uint32_t at, bool fragment)
{
	struct {
		uint8_t op, htype, hlen, hops;
		uint32_t xid;
		uint16_t secs, flags;
		uint32_t ciaddr, yiaddr, siaddr, giaddr;
		uint8_t chaddr[6], padding[2];
	} bootp;

	if (fragment || !get(r, at + 8, &bootp, sizeof(bootp) - 2))
		return ODD;
	if (bootp.op != 1)
		return (r->set & MODEL_DHCP) != 0 ? DHCP : PASS;
	if ((r->set & MODEL_MACS) != 0 && (bootp.htype != 1 || bootp.hlen != 6 || !own_mac(r->set, bootp.chaddr)))
		return MAC;
	return PASS;
}

static enum rx_drop model_ip4(struct reader *r, uint32_t at)
{
	uint32_t l4, total;
	struct udphdr udp;
	enum rx_drop why;
	uint8_t type, op = 0;
	struct ip ip;
	bool own, first, fragment;

	if (!get(r, at, &ip, sizeof(ip)) || ip.ip_v != 4)
		return ODD;
	l4 = at + ip.ip_hl * 4;
	total = ntohs(ip.ip_len);
	if (ip.ip_hl < 5 || at + total < l4 || at + total > r->end || l4 > r->seen)
		return ODD;
	r->end = at + total;
	own = own_ip4(r->set, ip.ip_src);
	if (!own && ip.ip_src.s_addr != 0)
		return IP;
	first = (ntohs(ip.ip_off) & IP_OFFMASK) == 0;
	fragment = !first || (ntohs(ip.ip_off) & IP_MF) != 0;
	if (!first || ip.ip_p != IPPROTO_UDP) {
		if (!own)
			return IP;
		if (!first || ip.ip_p != IPPROTO_ICMP || (r->set & MODEL_RA) == 0)
			return PASS;
		if (!get(r, l4, &type, 1))
			return ODD;
		return type == ICMP_REDIRECT || type == 9 ? RA : PASS;
	}
	if (!get(r, l4, &udp, sizeof(udp)))
		return ODD;
	if (ntohs(udp.uh_dport) == 68 && (r->set & MODEL_DHCP) != 0)
		return DHCP;
	if (ntohs(udp.uh_dport) != 67)
		return own ? PASS : IP;
	why = model_dhcp(r, l4, fragment);
	if (why != PASS || own)
		return why;
	get(r, l4 + 8, &op, 1);
	return op == 1 && ntohs(udp.uh_sport) == 68 && ip.ip_dst.s_addr == INADDR_BROADCAST ? PASS : IP;
}

static enum rx_drop model_options(struct reader *r, uint32_t at)
{
	while (at < r->end) {
		uint8_t option[8], all[256 * 8];

		if (!get(r, at, option, sizeof(option)) || option[1] == 0 || !get(r, at, all, option[1] * 8u))
			return ODD;
		if (option[0] == ND_OPT_SOURCE_LINKADDR || option[0] == ND_OPT_TARGET_LINKADDR) {
			if (option[1] != 1)
				return ODD;
			if (!own_mac(r->set, option + 2))
				return MAC;
		}
		at += option[1] * 8u;
	}
	return PASS;
}

static enum rx_drop model_nd(struct reader *r, uint32_t at, const struct in6_addr *from, bool fragment)
{
	bool nobody = IN6_IS_ADDR_UNSPECIFIED(from);
	struct nd_redirect nd; /* the longest; its target stands where those of others do */
	uint8_t type = r->bytes[at];
	uint32_t len = type == ND_ROUTER_SOLICIT     ? sizeof(struct nd_router_solicit)
		       : type == ND_ROUTER_ADVERT    ? sizeof(struct nd_router_advert)
		       : type == ND_NEIGHBOR_SOLICIT ? sizeof(struct nd_neighbor_solicit)
		       : type == ND_NEIGHBOR_ADVERT  ? sizeof(struct nd_neighbor_advert)
						     : sizeof(struct nd_redirect);

	if ((r->set & MODEL_RA) != 0 && (type == ND_ROUTER_ADVERT || type == ND_REDIRECT))
		return RA;
	if ((r->set & (MODEL_MACS | MODEL_IPS)) == 0)
		return PASS;
	if (fragment || !get(r, at, &nd, len))
		return ODD;
	if (nobody && (r->set & MODEL_IPS) != 0 && type != ND_ROUTER_SOLICIT && type != ND_NEIGHBOR_SOLICIT)
		return IP;
	if ((type == ND_NEIGHBOR_ADVERT || (type == ND_NEIGHBOR_SOLICIT && nobody)) && !own_ip6(r->set, &nd.nd_rd_target))
		return IP;
	return (r->set & MODEL_MACS) != 0 ? model_options(r, at + len) : PASS;
}

/* What is at the end of the headers. */
static enum rx_drop model_upper6(struct reader *r, uint32_t at, uint8_t next, const struct in6_addr *from, bool fragment)
{
	bool own = own_ip6(r->set, from);
	struct icmp6_hdr icmp;
	struct udphdr udp;
	uint8_t type;

	if (next == IPPROTO_ICMPV6) {
		if (!get(r, at, &icmp, 4))
			return ODD;
		type = icmp.icmp6_type;
		if (type >= 133 && type <= 137)
			return model_nd(r, at, from, fragment);
		return own || type == 131 || type == 132 || type == 143 ? PASS : IP;
	}
	if (!own)
		return IP;
	if (next != IPPROTO_UDP || (r->set & MODEL_DHCP) == 0)
		return PASS;
	if (!get(r, at, &udp, sizeof(udp)))
		return ODD;
	if (ntohs(udp.uh_dport) == 546)
		return DHCP;
	if (ntohs(udp.uh_dport) != 547)
		return PASS;
	if (fragment || !get(r, at + 8, &type, 1))
		return ODD;
	return type == 2 || type == 7 || type == 10 || type == 13 || type == 21 ? DHCP : PASS;
}

/* The home address among the options of a header that is all there, of `len` bytes, in *home. False: they make no sense. */
static bool model_home(struct reader *r, uint32_t at, uint32_t len, struct in6_addr *home, bool *has_home)
{
	uint32_t i = sizeof(struct ip6_dest);
	struct ip6_opt option;

	while (i < len) {
		if (r->bytes[at + i] == IP6OPT_PAD1) {
			i++;
			continue;
		}
		if (i + sizeof(option) > len)
			return false;
		memcpy(&option, r->bytes + at + i, sizeof(option));
		if (i + sizeof(option) + option.ip6o_len > len)
			return false;
		if (option.ip6o_type == 0xc9) {
			if (*has_home || option.ip6o_len != sizeof(*home))
				return false;
			*has_home = true;
			memcpy(home, r->bytes + at + i + sizeof(option), sizeof(*home));
		}
		i += (uint32_t)sizeof(option) + option.ip6o_len;
	}
	return true;
}

/* One header after the other, until one is none. *why: what is to be said of the packet at once; PASS: nothing. */
static uint32_t model_headers(struct reader *r, uint32_t at, uint8_t *next, bool *fragment, bool *later, enum rx_drop *why)
{
	struct in6_addr home = IN6ADDR_ANY_INIT;
	bool has_home = false;

	*why = ODD;
	for (;;) {
		uint8_t header[8];
		uint32_t len;

		if (*next == 253 || *next == 254)
			return at;
		if (*next != 0 && *next != 43 && *next != 44 && *next != 51 && *next != 60 && *next != 135 && *next != 139 &&
		    *next != 140)
			break;
		if (!get(r, at, header, sizeof(header)))
			return at;
		len = *next == 44 ? 8 : *next == 51 ? (header[1] + 2u) * 4 : (header[1] + 1u) * 8;
		if (*next == 44 && *fragment)
			return at;
		if (*next == 44) {
			*fragment = true;
			*later = (header[2] << 8 | header[3]) >> 3 != 0;
		}
		if (*later) {
			*next = header[0];
			break;
		}
		if (at + len > r->end || at + len > r->seen || (*next == 60 && !model_home(r, at, len, &home, &has_home)))
			return at;
		*next = header[0];
		at += len;
	}
	*why = has_home && !own_ip6(r->set, &home) ? IP : PASS;
	return at;
}

static enum rx_drop model_ip6(struct reader *r, uint32_t at)
{
	bool fragment = false, later = false;
	enum rx_drop why;
	struct ip6_hdr ip;
	uint32_t payload;
	uint8_t next;

	if (!get(r, at, &ip, sizeof(ip)) || ip.ip6_vfc >> 4 != 6)
		return ODD;
	payload = ntohs(ip.ip6_plen);
	next = ip.ip6_nxt;
	at += sizeof(ip);
	if (at + payload > r->end || (payload == 0 && next != IPPROTO_NONE))
		return ODD;
	r->end = at + payload;
	at = model_headers(r, at, &next, &fragment, &later, &why);
	if (why != PASS)
		return why;
	if (!own_ip6(r->set, &ip.ip6_src) && !IN6_IS_ADDR_UNSPECIFIED(&ip.ip6_src))
		return IP;
	if (later)
		return own_ip6(r->set, &ip.ip6_src) ? PASS : IP;
	return model_upper6(r, at, next, &ip.ip6_src, fragment);
}

static enum rx_drop model_llc(struct reader *r, uint32_t at, uint16_t len)
{
	uint8_t llc[3];
	bool tree;

	if (len < 3 || at + len > r->end || !get(r, at, llc, sizeof(llc)))
		return ODD;
	tree = llc[0] == 0x42 && llc[1] == 0x42;
	if (tree && (r->set & MODEL_BPDU) != 0)
		return RX_DROP_GUARD_BPDU;
	return tree || (llc[0] == 0xfe && llc[1] == 0xfe) || (r->set & ~(unsigned int)MODEL_BPDU) == 0 ? PASS
												       : RX_DROP_GUARD_TYPE;
}

enum rx_drop model_verdict(unsigned int set, const uint8_t *bytes, uint32_t len, uint32_t seen)
{
	struct reader r = {.set = set, .bytes = bytes, .end = len, .seen = seen};
	struct ether_header ethernet;
	uint32_t at = sizeof(ethernet), tags = 0;
	uint16_t type;

	get(&r, 0, &ethernet, sizeof(ethernet));
	if (!own_mac(set, ethernet.ether_shost))
		return MAC;
	if ((set & MODEL_BPDU) != 0 && (memcmp(ethernet.ether_dhost, "\x01\x80\xc2\0\0\0", 6) == 0 ||
					memcmp(ethernet.ether_dhost, "\x01\x80\xc2\0\0\x08", 6) == 0 ||
					memcmp(ethernet.ether_dhost, "\x01\0\x0c\xcc\xcc\xcd", 6) == 0))
		return RX_DROP_GUARD_BPDU;
	if (set == 0)
		return PASS;
	type = ntohs(ethernet.ether_type);
	for (; type == 0x8100 || type == 0x88a8; at += 4) {
		if (++tags > 2 || !get(&r, at + 2, &type, 2))
			return ODD;
		type = ntohs(type);
	}
	if (type <= 1500)
		return model_llc(&r, at, type);
	if ((set & ~(unsigned int)MODEL_BPDU) == 0)
		return PASS;
	switch (type) {
	case 0x0800:
		return model_ip4(&r, at);
	case 0x86dd:
		return model_ip6(&r, at);
	case 0x0806:
	case 0x8035:
		return model_arp(&r, at, type == 0x8035);
	default:
		return type == 0x888e || type == 0x8809 || type == 0x88cc ? PASS : RX_DROP_GUARD_TYPE;
	}
}
