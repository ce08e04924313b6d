/* SPDX-License-Identifier: BSD-3-Clause */
/* group_types.h: the types of messages about multicast groups, as IANA lists them.
 *
 * Context: any thread.
 */
#ifndef VUS_GROUP_TYPES_H
#define VUS_GROUP_TYPES_H

/* Types of IGMP messages. */
enum {
	IGMP_BYTES = 8,
	IGMP_QUERY = 0x11,
	IGMP_REPORT_V1 = 0x12,
	IGMP_REPORT_V2 = 0x16,
	IGMP_LEAVE = 0x17,
	IGMP_REPORT_V3 = 0x22,
	IGMP_MRD_ADVERTISEMENT = 0x30, /* RFC 4286 */
	IGMP_MRD_TERMINATION = 0x32,
};

/* Types of ICMPv6 messages. */
enum {
	MLD_BYTES = 24,
	MRD_IPV6_BYTES = 4,
	MLD_QUERY = 130,
	MLD_REPORT_V1 = 131,
	MLD_DONE = 132,
	MLD_REPORT_V2 = 143,
	MLD_MRD_ADVERTISEMENT = 151, /* RFC 4286 */
	MLD_MRD_TERMINATION = 153,
};

#endif
