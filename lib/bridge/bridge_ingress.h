/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge_ingress.h: what happens to a frame before it is looked up: admitted or dropped, by name, and which filtering
 * database it is in; lib/bridge only.
 *
 * Context: an lcore, between two quiescent states.
 */
#ifndef VUS_BRIDGE_INGRESS_H
#define VUS_BRIDGE_INGRESS_H

#include <endian.h>
#include <string.h>

#include "bridge_private.h"
#include "policy.h"

/* The first bit of an address that travels: a group, broadcast included. */
static const mac_key_t MAC_GROUP = 1;

/* What the bridge says to a frame: VERDICT_PASS, or the counter that it is dropped under. */
typedef enum rx_drop verdict_t;
static const verdict_t VERDICT_PASS = RX_DROPS;

/* Where a burst comes from, and what configuration says of that port for all of the burst. */
struct ingress {
	struct lcore_ctx *ctx;
	struct port *port;
	const struct policy *policy; /* NULL: nothing is configured */
	const struct policy_vlan *vlan; /* NULL: the bridge is not vlan-aware */
	const struct policy_guard *guard; /* NULL: the port has none, and is not closed */
	const struct port_filter *filter; /* NULL: all frames may come from the port */
	const struct mirror_map *mirrors; /* NULL: the bridge has none */
	const struct capture_points *capture; /* NULL: nobody looks at the port's frames */
};

/* `port` NULL: the switch itself sends. */
static inline struct ingress ingress_of(struct lcore_ctx *ctx, const struct bridge *bridge, struct port *port)
{
	const struct policy *policy = port != NULL ? rcu_get(&port->policy) : NULL;

	return (struct ingress){
		.ctx = ctx,
		.port = port,
		.policy = policy,
		.vlan = __builtin_expect(bridge->vlan_aware, 0)
				? (port != NULL ? policy_vlan_of(policy) : &policy_vlan_switch)
				: NULL,
		.guard = __builtin_expect(policy != NULL, 0) ? policy->guard : NULL,
		.filter = __builtin_expect(policy != NULL, 0) ? policy->filter[FILTER_FROM] : NULL,
		.mirrors = rcu_get(&bridge->mirrors),
		.capture = __builtin_expect(policy != NULL && (policy->flags & POLICY_CAPTURE) != 0, 0) ? &policy->capture : NULL,
	};
}

/* An address in a head, which has at least FRAME_LEN_MIN bytes: eight are read, two too many. */
static inline mac_key_t mac_at(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return fdb_key_mac(le64toh(word));
}
_Static_assert(FRAME_LEN_MIN >= 6 + 8, "eight bytes from the source address on are there");

/* Returns: VERDICT_PASS: the frame is admitted, and *fid is the filtering database it is in; else why not, not counted yet. */
static inline verdict_t bridge_ingress(const struct frame *frame, uint16_t *fid)
{
	mac_key_t src = mac_at(frame->head + 6);

	*fid = FID_DEFAULT;
	/* No station has such an address (IEEE 802.1Q-2018, 8.8.1). */
	if (__builtin_expect(src == 0 || (src & MAC_GROUP) != 0, 0))
		return RX_DROP_SOURCE;
	return VERDICT_PASS;
}

#endif
