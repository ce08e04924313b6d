/* SPDX-License-Identifier: BSD-3-Clause */
/* group_wire.h: lengths and checksums of the messages of group_message.h and group_query.h; lib/multicast only.
 *
 * Context: any thread.
 * Units: bytes.
 */
#ifndef VUS_GROUP_WIRE_H
#define VUS_GROUP_WIRE_H

#include <linux/if_ether.h>
#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>

#include "group_types.h"

enum {
	ETHERNET_BYTES = 14,
	IPV4_BYTES = 20,
	IPV6_BYTES = 40,
	IPV6_OPTION_PAD1 = 0,
	IPV6_OPTION_ALERT = 5, /* RFC 2711 */
};

/* The sum (RFC 1071) of what was summed before, and of these bytes; 0xffff if a right checksum is among them. */
static inline uint16_t group_wire_sum(uint16_t before, const uint8_t *bytes, size_t len)
{
	uint32_t sum = (uint32_t)before + rte_raw_cksum(bytes, len);

	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* Of the pseudo-header of IPv6 (RFC 8200, 8.1). */
static inline uint16_t group_wire_pseudo_sum(const uint8_t *ip, uint8_t protocol, size_t len)
{
	struct {
		uint8_t addresses[32];
		uint32_t len, protocol;
	} header = {.len = rte_cpu_to_be_32((uint32_t)len), .protocol = rte_cpu_to_be_32(protocol)};

	memcpy(header.addresses, ip + 8, sizeof(header.addresses));
	return rte_raw_cksum(&header, sizeof(header));
}

#endif
