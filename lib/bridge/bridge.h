/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge.h: a learning Ethernet bridge: ingress, look-up, egress for each frame of a burst.
 *
 * Context: the control thread creates, adds and removes ports, learns (from the lcores' reports) and ages; lcores forward. The
 * set of ports is an immutable object published by RCU; a port that left is not called any more once every lcore has passed.
 *
 * Forwarding (IEEE 802.1D-2004, 7.7 to 7.9): a frame whose destination is known leaves by that port only; one that is
 * unknown, broadcast or multicast leaves by every port but the one it came from; nothing is ever sent back where it came
 * from. Frames do not go between two ports that are isolated (policy.h). A frame whose source is a group address or zero
 * is dropped. Link-local group addresses (01-80-C2-00-00-00 to -0F) are passed on like other multicast (the guests' LLDP and LACP
 * are their own affair) unless configuration says otherwise. On a vlan-aware bridge a frame is in one VLAN (IEEE 802.1Q-2018),
 * which is its fid, and leaves by ports of that VLAN only (bridge_vlan.h). On one that snoops, frames for multicast groups
 * leave by ports that have a member or a router (bridge_snoop.h). A port that a mirror copies to (its sink, bridge_mirror.h)
 * takes no part in any of this. Order is kept between any two ports, whether frames were
 * flooded or not.
 */
#ifndef VUS_BRIDGE_H
#define VUS_BRIDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "fdb.h"
#include "mac_text.h"
#include "port.h"
#include "role.h"

struct bridge;
struct group_map;
struct mirror_map;

struct bridge_config {
	const char *name;
	uint32_t mac_table_size;     /* 0: MAC_TABLE_SIZE_DEFAULT */
	uint32_t mac_limit_per_port; /* 0: as large as the table */
	int mac_aging;		     /* seconds, 0: never, negative: MAC_AGING_DEFAULT */
	bool vlan_aware;	     /* its ports are in VLANs (policy.h); else tags are bytes like others */
	bool drops_link_local;
};

/* `index` is the bridge's number in reports. NULL and errno. */
struct bridge *bridge_create(const struct bridge_config *config, uint16_t index)
	RUNS_ON(control_thread);
/* Without ports, and after every lcore has passed. */
void bridge_destroy(struct bridge *bridge) RUNS_ON(control_thread);

const char *bridge_name(const struct bridge *bridge);
uint16_t bridge_index(const struct bridge *bridge);
bool bridge_is_vlan_aware(const struct bridge *bridge);
/* The filtering database of frames that come from the port without a tag. False: there is none, they are dropped. */
bool bridge_fid_of(const struct bridge *bridge, const struct port *port, uint16_t *fid) RUNS_ON(control_thread);
struct fdb *bridge_fdb(struct bridge *bridge);

/* 0 or -ENOMEM. A port is in one bridge at most (port->bridge). */
int bridge_add_port(struct bridge *bridge, struct port *port) RUNS_ON(control_thread);
/* Forgets the port and its addresses. The caller waits for the lcores (rcu.h) before the port may go. 0 or -ENOMEM. */
int bridge_remove_port(struct bridge *bridge, struct port *port) RUNS_ON(control_thread);
/* The port's addresses are forgotten: its peer is another one now. */
void bridge_forget_port(struct bridge *bridge, struct port *port) RUNS_ON(control_thread);

/* Whether it is a member. */
bool bridge_has_port(const struct bridge *bridge, const struct port *port) RUNS_ON(control_thread);
unsigned int bridge_ports_n(const struct bridge *bridge) RUNS_ON(control_thread);

/* Frames that the switch itself sends into the bridge from no port: their rate, and how many were refused. */
struct bridge_injects {
	struct rate rate;
	uint64_t drops;
};
struct bridge_injects *bridge_injects(struct bridge *bridge) RUNS_ON(control_thread);

/* From the next burst on frames for multicast groups go where `groups` says; NULL, as at first: to all ports.
 * Ownership: the bridge's. */
void bridge_set_groups(struct bridge *bridge, struct group_map *groups) RUNS_ON(control_thread);

/* From the next burst on frames are mirrored as `mirrors` says (mirror_map.h); NULL, as at first: none is.
 * Ownership: the bridge's, and so are the mirrors in it; of those in the map before, the ones that are not in this one end. */
void bridge_set_mirrors(struct bridge *bridge, struct mirror_map *mirrors) RUNS_ON(control_thread);
/* NULL: there are none. Good until the next bridge_set_mirrors(). */
const struct mirror_map *bridge_mirrors(const struct bridge *bridge) RUNS_ON(control_thread);

/* Which lcores can hold what its ports have published; lib/lcore writes it down (lcore_readers.h). */
struct bridge_readers {
	uint16_t queues[LCORES_MAX]; /* of its ports, that each polls */
	uint64_t left[LCORES_MAX];   /* the moment (rcu_mark()) the last one left its poll set */
	bool injected[LCORES_MAX];   /* frames for it may wait in the lcore's ring of such, */
	uint32_t injects_end[LCORES_MAX]; /* up to this one */
};
struct bridge_readers *bridge_readers(struct bridge *bridge) RUNS_ON(control_thread);

/* A REPORT_MAC_SEEN. */
void bridge_learn(struct bridge *bridge, fdb_key_t key, uint16_t port) RUNS_ON(control_thread);
/* A REPORT_MAC_RENEWED: an address that has moved meanwhile, or has gone, stays as it is. */
void bridge_renew(struct bridge *bridge, fdb_key_t key, uint16_t port) RUNS_ON(control_thread);
/* Once a second; `epoch` is that of lcore_ctx. */
void bridge_tick(struct bridge *bridge, uint16_t epoch) RUNS_ON(control_thread);
/* Then, until it returns false: forgets some of the addresses that are too old, in a fraction of a millisecond. */
bool bridge_age(struct bridge *bridge) RUNS_ON(control_thread);

/* --- lcores ----------------------------------------------------------------------------------------------------- */

/* Forwards ctx->burst, which was received from `q`: each frame is delivered, copied to several ports, or dropped and
 * counted. The frames are the source's again on return.
 * Returns: false: a flood was left at the receiver it had come to, because it had cost ctx->bound; bridge_go_on() is called
 * with the same burst later. What is remembered is the number of a port and not a port. */
bool bridge_forward(struct lcore_ctx *ctx, struct port_rxq *q) RUNS_ON(lcore_thread);
/* Goes on where it was left, with the members that the bridge has by now. Returns: as bridge_forward(). */
bool bridge_go_on(struct lcore_ctx *ctx, struct port_rxq *q) RUNS_ON(lcore_thread);
/* Instead: counts those frames as dropped that were not looked at. */
void bridge_give_up(struct lcore_ctx *ctx, struct port_rxq *q) RUNS_ON(lcore_thread);

/* Sends a frame of the switch's own (lcore_inject.h) to where one from `from` would go, or, if that is NULL, one from no port of
 * the bridge. Counts it as injected at each port that it leaves by: their number. */
unsigned int bridge_inject(struct lcore_ctx *ctx, const struct bridge *bridge, struct port *from,
			   struct frame *frame) RUNS_ON(lcore_thread);

/* Sends one out of a port, whatever its destination, if one from no port of the bridge may leave there; and counts it as
 * injected.
 * Returns: whether it may. */
bool bridge_inject_port(struct lcore_ctx *ctx, struct port *to, struct frame *frame) RUNS_ON(lcore_thread);

static inline mac_key_t mac_key(const uint8_t *bytes)
{
	return (mac_key_t)bytes[0] | (mac_key_t)bytes[1] << 8 | (mac_key_t)bytes[2] << 16 |
	       (mac_key_t)bytes[3] << 24 | (mac_key_t)bytes[4] << 32 | (mac_key_t)bytes[5] << 40;
}
/* Any thread but an lcore. */
struct mac_text mac_key_text(mac_key_t mac);

#endif
