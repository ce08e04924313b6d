/* SPDX-License-Identifier: BSD-3-Clause */
/* guard_describe.c: a frame in words, for a line of the log. */
#include "guard.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

#include "mac_text.h"

struct words {
	char *at;
	size_t room;
};

static __attribute__((format(printf, 2, 3))) void say(struct words *words, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(words->at, words->room, fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= words->room)
		n = words->room > 0 ? (int)words->room - 1 : 0;
	words->at += n;
	words->room -= (size_t)n;
}

static const char *ip_text(int family, const uint8_t *ip, char text[INET6_ADDRSTRLEN])
{
	return inet_ntop(family, ip, text, INET6_ADDRSTRLEN) != NULL ? text : "?";
}

static void say_arp(struct words *words, const uint8_t *arp, const char *name)
{
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];

	say(words, ", %s from %s at %s for %s", name, ip_text(AF_INET, arp + 14, from), mac_text(arp + 8).text,
	    ip_text(AF_INET, arp + 24, to));
}

static void say_ip(struct words *words, const struct frame_net *net, const uint8_t *ip)
{
	bool six = net->type == FRAME_NET_IPV6;
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];

	say(words, ", %s from %s to %s, protocol %u%s", six ? "IPv6" : "IPv4",
	    ip_text(six ? AF_INET6 : AF_INET, ip + (six ? 8 : 12), from),
	    ip_text(six ? AF_INET6 : AF_INET, ip + (six ? 24 : 16), to), net->protocol, net->fragment ? ", a fragment" : "");
}

/* What ND says beside the packet's source. */
static void say_nd(struct words *words, const struct frame *frame, const struct frame_net *net)
{
	const uint8_t *nd = frame->head + net->l4;
	char target[INET6_ADDRSTRLEN];

	if (net->l4 == 0 || net->protocol != FRAME_NET_ICMPV6 || !frame_net_has(frame, net, net->l4, 24))
		return;
	if (nd[0] == 135 || nd[0] == 136)
		say(words, ", neighbour %s %s", nd[0] == 135 ? "solicitation for" : "advertisement of",
		    ip_text(AF_INET6, nd + 8, target));
}

struct guard_text guard_describe(const struct frame *frame)
{
	struct guard_text text = {""};
	struct words words = {text.text, sizeof(text.text)};
	struct frame_net net;
	bool read = frame_net_find(frame, &net);
	uint32_t rest = net.l3 != 0 ? (uint32_t)frame->head_len - net.l3 : 0;
	const uint8_t *packet = frame->head + net.l3;

	say(&words, "%s to %s", mac_text(frame->head + 6).text, mac_text(frame->head).text);
	if (net.type == FRAME_NET_ARP && rest >= 28)
		say_arp(&words, packet, "ARP");
	else if (net.type == FRAME_NET_RARP && rest >= 28)
		say_arp(&words, packet, "RARP");
	else if ((net.type == FRAME_NET_IPV4 && rest >= 20) || (net.type == FRAME_NET_IPV6 && rest >= 40))
		say_ip(&words, &net, packet);
	else if (net.l3 != 0)
		say(&words, ", type 0x%04x", net.type);
	if (read && net.type == FRAME_NET_IPV6)
		say_nd(&words, frame, &net);
	return text;
}
