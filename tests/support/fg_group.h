/* SPDX-License-Identifier: BSD-3-Clause */
/* fg_group.h: what hosts and routers say of multicast groups, written as the RFCs draw it and by nothing of the switch's:
 * IGMP v1 to v3, MLD v1 and v2, PIM hellos, MRD advertisements; and a datagram for a group.
 */
#ifndef FG_GROUP_H
#define FG_GROUP_H

#include <stddef.h>
#include <stdint.h>

enum { FG_GROUP_FRAME = 256 };

struct fg_said {
	enum { FG_JOINS, FG_LEAVES, FG_ASKS, FG_PIM_HELLO, FG_MRD, FG_MRD_ENDS, FG_DATA } what;
	unsigned int version;	  /* of IGMP 1 to 3, of MLD 1 and 2 */
	const char *group;	  /* whose family is that of the rest; a query without one: "0.0.0.0" or "::" */
	const char *from;	  /* NULL: 10.0.0.9, fe80::9 */
	unsigned int response_ms; /* of a query; and how long a router holds */
	unsigned int interval_s;  /* of a query */
	unsigned int record;	  /* of a report: the type of its record; 0: 4 (joins) or 3 (leaves) */
	unsigned int sources;	  /* of a record or a query */
	uint16_t vlan;		  /* with a tag; 0: without */
	size_t len;		  /* of data, beyond its headers */
};

/* Returns its length. */
size_t fg_group_write(uint8_t *frame, const uint8_t mac[6], const struct fg_said *said);
/* Where the IP header begins, and where the message does. */
size_t fg_group_ip(const uint8_t *frame);
size_t fg_group_message(const uint8_t *frame);
/* Makes the checksums right again after something was changed. */
void fg_group_sum(uint8_t *frame, size_t len);

#endif
