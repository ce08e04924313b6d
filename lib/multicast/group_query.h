/* SPDX-License-Identifier: BSD-3-Clause */
/* group_query.h: a query of a switch's own: IGMP v3 (RFC 3376, 4.1) or MLD v2 (RFC 3810, 5.1), which hosts of earlier versions
 * take for one of theirs.
 *
 * Context: any thread.
 * Units: bytes, milliseconds.
 */
#ifndef VUS_GROUP_QUERY_H
#define VUS_GROUP_QUERY_H

#include "group_message.h"

struct group_query {
	enum group_family family;
	const uint8_t *mac;		   /* its source */
	const struct group_address *from;  /* IPv6: link-local */
	const struct group_address *group; /* NULL: general */
	uint16_t vlan;			   /* in whose tag it is; 0: without one */
	uint32_t response_ms, interval_ms;
};

enum { GROUP_QUERY_BYTES = 14 + 4 + 40 + 8 + 28 };

/* Writes the frame. Returns its length. */
uint16_t group_query_write(const struct group_query *query, uint8_t frame[GROUP_QUERY_BYTES]);

/* The link-local address that goes with an Ethernet address (RFC 4291, appendix A). */
struct group_address group_link_local_of(const uint8_t mac[6]);

#endif
