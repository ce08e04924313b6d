/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame_line.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "mac_text.h"

enum {
	TAGS_MAX = 3,
	ETHERTYPE_8021AD = 0x88a8,
	ETHERTYPE_LENGTH_MAX = 1500, /* up to here it is a length (IEEE 802.3) */
	ARP_BYTES = 28,
	IPV4_BYTES = 20,
	IPV6_BYTES = 40,
	EXTENSIONS_MAX = 8,
};

/* A frame that is being read, and what has been said of it. */
struct reading {
	const uint8_t *at;
	size_t n; /* from there on */
	char *text;
	size_t used, size;
};

static void say(struct reading *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct reading *r, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (r->used < r->size)
		r->used += (size_t)vsnprintf(r->text + r->used, r->size - r->used, fmt, args);
	va_end(args);
}

static unsigned int word_at(const uint8_t *at)
{
	return (unsigned int)at[0] << 8 | at[1];
}

/* False: it is not all there. */
static bool skip(struct reading *r, size_t n)
{
	if (n > r->n)
		return false;
	r->at += n;
	r->n -= n;
	return true;
}

static const char *protocol_name(unsigned int protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "TCP";
	case IPPROTO_UDP:
		return "UDP";
	case IPPROTO_SCTP:
		return "SCTP";
	case IPPROTO_ICMP:
		return "ICMP";
	case IPPROTO_ICMPV6:
		return "ICMPv6";
	case IPPROTO_IGMP:
		return "IGMP";
	}
	return NULL;
}

static bool has_ports(unsigned int protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

/* From address to address; r->at is behind the IP header. */
static void say_ip(struct reading *r, int family, const uint8_t *from, const uint8_t *to, unsigned int protocol, bool fragment)
{
	const char *name = protocol_name(protocol);
	char source[INET6_ADDRSTRLEN], target[INET6_ADDRSTRLEN];
	bool ports = has_ports(protocol) && !fragment && r->n >= 4, six = family == AF_INET6;

	inet_ntop(family, from, source, sizeof(source));
	inet_ntop(family, to, target, sizeof(target));
	if (name != NULL)
		say(r, ", %s ", name);
	else
		say(r, ", %s protocol %u ", six ? "IPv6" : "IPv4", protocol);
	if (ports)
		say(r, six ? "[%s]:%u > [%s]:%u" : "%s:%u > %s:%u", source, word_at(r->at), target, word_at(r->at + 2));
	else
		say(r, "%s > %s", source, target);
	if (fragment)
		say(r, " (fragment)");
	else if ((protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) && r->n >= 1)
		say(r, " type %u", r->at[0]);
}

static void say_ipv4(struct reading *r)
{
	const uint8_t *header = r->at;

	if (r->n < IPV4_BYTES || header[0] >> 4 != 4 || (header[0] & 15) < 5) {
		say(r, ", IPv4");
		return;
	}
	if (!skip(r, (size_t)4 * (header[0] & 15)))
		r->n = 0;
	say_ip(r, AF_INET, header + 12, header + 16, header[9], (word_at(header + 6) & 0x1fff) != 0);
}

static void say_ipv6(struct reading *r)
{
	const uint8_t *header = r->at;
	unsigned int next;
	bool fragment = false;

	if (!skip(r, IPV6_BYTES) || header[0] >> 4 != 6) {
		say(r, ", IPv6");
		return;
	}
	next = header[6];
	for (int i = 0; i < EXTENSIONS_MAX && r->n >= 8; i++) {
		size_t len = next == IPPROTO_FRAGMENT ? 8 : 8 + (size_t)8 * r->at[1];

		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS && next != IPPROTO_FRAGMENT)
			break;
		fragment |= next == IPPROTO_FRAGMENT && (word_at(r->at + 2) & 0xfff8) != 0;
		next = r->at[0];
		if (!skip(r, len))
			r->n = 0;
	}
	say_ip(r, AF_INET6, header + 8, header + 24, next, fragment);
}

static void say_arp(struct reading *r)
{
	char from[INET_ADDRSTRLEN], to[INET_ADDRSTRLEN];
	unsigned int operation;

	if (r->n < ARP_BYTES || word_at(r->at + 2) != ETHERTYPE_IP) {
		say(r, ", ARP");
		return;
	}
	inet_ntop(AF_INET, r->at + 14, from, sizeof(from));
	inet_ntop(AF_INET, r->at + 24, to, sizeof(to));
	operation = word_at(r->at + 6);
	say(r, ", ARP %s, %s > %s", operation == 1 ? "request" : operation == 2 ? "reply" : "of another kind", from, to);
}

static void say_type(struct reading *r)
{
	unsigned int type;

	for (int tags = 0; tags < TAGS_MAX && r->n >= 4; tags++) {
		type = word_at(r->at);
		if (type != ETHERTYPE_VLAN && type != ETHERTYPE_8021AD)
			break;
		say(r, type == ETHERTYPE_VLAN ? ", VLAN %u" : ", service VLAN %u", word_at(r->at + 2) & 0xfff);
		skip(r, 4);
	}
	if (r->n < 2)
		return;
	type = word_at(r->at);
	skip(r, 2);
	if (type == ETHERTYPE_IP)
		say_ipv4(r);
	else if (type == ETHERTYPE_IPV6)
		say_ipv6(r);
	else if (type == ETHERTYPE_ARP)
		say_arp(r);
	else if (type <= ETHERTYPE_LENGTH_MAX)
		say(r, ", LLC");
	else
		say(r, ", type 0x%04x", type);
}

static void say_mac(struct reading *r, const uint8_t *mac)
{
	say(r, "%s", mac_text(mac).text);
}

void frame_line(const uint8_t *bytes, size_t n, size_t len, char *text, size_t size)
{
	struct reading r = {.at = bytes, .n = n, .text = text, .size = size};

	text[0] = '\0';
	if (n >= 12) {
		const uint8_t *to = bytes, *from = bytes + 6;

		say_mac(&r, from);
		say(&r, " > ");
		say_mac(&r, to);
		skip(&r, 12);
		say_type(&r);
		say(&r, ", ");
	}
	say(&r, "%zu bytes", len);
}
