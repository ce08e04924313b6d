/* SPDX-License-Identifier: BSD-3-Clause */
/* group_message.h: what hosts and routers say of multicast groups, read from a frame: IGMP v1 to v3 (RFC 1112, 2236, 3376),
 * MLD v1 and v2 (RFC 2710, 3810), and by what else a router is known: PIM hellos (RFC 7761, 4.9.2) and router
 * advertisements of MRD (RFC 4286).
 *
 * Strict: a message counts only if each length fits the one around it, each checksum is right, it has come over one link only
 * (TTL or hop limit 1), and an MLD message has the router alert and the source that its RFC demands. A query counts only if
 * those who are to answer hear it: it is for all nodes, or for the group it asks for, by its IP and its Ethernet address. What
 * is read is checked whole before any of it is used, so that half a report changes nothing.
 *
 * Context: any thread; nothing is kept.
 * Units: bytes, milliseconds.
 */
#ifndef VUS_GROUP_MESSAGE_H
#define VUS_GROUP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum group_family { GROUP_IPV4, GROUP_IPV6, GROUP_FAMILIES };

/* An address of either family; of IPv4 the first four bytes, and the rest is 0. */
struct group_address {
	uint8_t bytes[16];
};

static inline size_t group_address_bytes(enum group_family family)
{
	return family == GROUP_IPV4 ? 4 : 16;
}

bool group_address_is_none(const struct group_address *address);
/* 239.1.2.3, or ff1e::1. */
enum { GROUP_ADDRESS_TEXT = 46 };
void group_address_text(enum group_family family, const struct group_address *address, char text[GROUP_ADDRESS_TEXT]);
/* 224.0.0.0/24, or a scope of the interface or the link (RFC 4541, 2.1.2 and 3; RFC 4291, 2.7): no router passes it on, and not
 * every host says that it listens. */
bool group_is_link_local(enum group_family family, const struct group_address *group);
/* The Ethernet address of the group (RFC 1112, 6.4; RFC 2464, 7). */
void group_mac(enum group_family family, const struct group_address *group, uint8_t mac[6]);

enum group_message_kind {
	GROUP_MESSAGE_REPORT,	   /* of a host: joins and leaves, group_message_next() */
	GROUP_MESSAGE_QUERY,	   /* of a router */
	GROUP_MESSAGE_ROUTER,	   /* a router is there, for hold_ms */
	GROUP_MESSAGE_ROUTER_GONE, /* and goes */
};

struct group_message {
	enum group_message_kind kind;
	enum group_family family;
	struct group_address from;
	/* GROUP_MESSAGE_QUERY */
	struct group_address group; /* none: a general query */
	uint32_t response_ms;	    /* in which hosts answer */
	uint32_t interval_ms;	    /* between two general queries; 0: it does not say */
	bool of_sources;	    /* it asks for some sources of the group only */
	bool suppress;		    /* routers are not to change timers by it (the S flag) */
	/* GROUP_MESSAGE_ROUTER */
	uint32_t hold_ms;
	/* GROUP_MESSAGE_REPORT: what is left of it. */
	const uint8_t *records;
	uint16_t records_n;
	bool leaves; /* of a report without records: IGMP v1 and v2, MLD v1 */
};

/* An Ethernet frame, with one tag at most, into *message, which points into it.
 * Returns: 0; -EBADMSG: it is not as it has to be; -ENOMSG: it is none of these messages. */
int group_message_read(const uint8_t *frame, size_t len, struct group_message *message);

/* What a host says of a group. Sources are not told apart: who wants any source of a group is a member. */
struct group_record {
	struct group_address group;
	enum {
		GROUP_RECORD_JOIN,
		GROUP_RECORD_LEAVE,
		GROUP_RECORD_NOTHING, /* it says which sources are not wanted any more: the membership stays until its time is
					 over */
	} what;
};
/* The next record of a report. False: there is none. */
bool group_message_next(struct group_message *message, struct group_record *record);

#endif
