/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge_snoop.h: where frames for multicast groups go on a bridge that snoops (RFC 4541), and which of them control has to see;
 * lib/bridge only.
 *
 *	IGMP and MLD reports, leaves		to routers, and to control
 *	queries, PIM hellos, MRD		to all, and to control
 *	other IPv4 for 224.0.0.0/24, IPv6 for a scope of the link	to all
 *	other IP for a group			to members and routers; without a member: as the bridge is told
 *	all else, and all in a VLAN where nobody asks for members	to all
 *
 * Context: an lcore, between two quiescent states.
 */
#ifndef VUS_BRIDGE_SNOOP_H
#define VUS_BRIDGE_SNOOP_H

#include "bridge_ingress.h"
#include "group_map.h"
#include "punt.h"

struct snooped {
	const struct port_set *to; /* NULL: to all */
	enum punt_kind punt;	   /* PUNT_KINDS: control need not see it */
};

/* Of a frame that is to be flooded. `vlans`: its bridge is vlan-aware. */
struct snooped bridge_snoop(const struct group_map *map, const struct frame *frame, bool vlans) RUNS_ON(lcore_thread);

#endif
