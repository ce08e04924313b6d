/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_class.h: what most frames are, by bytes that most programs begin with: no tag, and of IPv4 no options and no fragment.
 * filter_known.c knows the same bytes by heart; lib/filter only.
 *
 * Context: any thread.
 * Units: bytes.
 */
#ifndef VUS_FILTER_CLASS_H
#define VUS_FILTER_CLASS_H

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdint.h>

enum filter_class {
	FILTER_CLASS_TCP4,
	FILTER_CLASS_UDP4,
	FILTER_CLASS_ICMP4,
	FILTER_CLASS_TCP6,
	FILTER_CLASS_UDP6,
	FILTER_CLASS_ICMP6,
	FILTER_CLASS_ARP,
	FILTER_CLASS_ANY, /* nothing is known */
	FILTER_CLASSES,
};

enum {
	/* Of the head: all frames of these classes have them, ports included. */
	FILTER_CLASS_BYTES_IPV4 = 14 + 20 + 4,
	FILTER_CLASS_BYTES_IPV6 = 14 + 40 + 4,
	FILTER_CLASS_BYTES_ARP = 14 + 28,
	FILTER_CLASS_BYTES = FILTER_CLASS_BYTES_IPV6, /* at most */
	FILTER_FRAGMENT = 0x3fff, /* more fragments, and where this one is */
};

static inline uint32_t filter_be16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

/* `tcp`: the first class of this version of IP. */
static inline enum filter_class filter_class_by(uint8_t protocol, enum filter_class tcp, uint8_t icmp)
{
	if (protocol == IPPROTO_TCP)
		return tcp;
	if (protocol == IPPROTO_UDP)
		return (enum filter_class)(tcp + 1);
	return protocol == icmp ? (enum filter_class)(tcp + 2) : FILTER_CLASS_ANY;
}

static inline enum filter_class filter_class_of(const uint8_t *head, uint32_t head_len)
{
	if (head_len < FILTER_CLASS_BYTES_IPV4)
		return FILTER_CLASS_ANY;
	switch (filter_be16(head + 12)) {
	case ETH_P_IP:
		if (head[14] == 0x45 && (filter_be16(head + 20) & FILTER_FRAGMENT) == 0)
			return filter_class_by(head[23], FILTER_CLASS_TCP4, IPPROTO_ICMP);
		return FILTER_CLASS_ANY;
	case ETH_P_IPV6:
		if (head[14] >> 4 == 6 && head_len >= FILTER_CLASS_BYTES_IPV6)
			return filter_class_by(head[20], FILTER_CLASS_TCP6, IPPROTO_ICMPV6);
		return FILTER_CLASS_ANY;
	case ETH_P_ARP:
		return head_len >= FILTER_CLASS_BYTES_ARP ? FILTER_CLASS_ARP : FILTER_CLASS_ANY;
	default:
		return FILTER_CLASS_ANY;
	}
}

#endif
