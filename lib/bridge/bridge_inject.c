/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge_inject.c: a frame of the switch's own on its way out. It was received from nowhere, so nothing is learned, and a
 * queue's memory of its last addresses is left alone. */
#include "bridge.h"

#include "bridge_egress.h"
#include "bridge_lookup.h"
#include "bridge_mirror.h"
#include "bridge_private.h"

/* The member a frame is for; NULL: it is to be flooded. */
static struct port *bridge_inject_find(const struct bridge *bridge, const struct bridge_members *members, uint16_t fid,
				       const struct frame *frame) RUNS_ON(lcore_thread)
{
	fdb_key_t dst = fdb_key(fid, mac_at(frame->head));
	struct fdb_value value;
	struct fdb_mark mark;

	if ((dst & MAC_GROUP) != 0 || !fdb_lookup(bridge->fdb, dst, &value, &mark) || value.destination >= PORTS_MAX)
		return NULL;
	return members->by_id[value.destination];
}

/* Whether it was delivered. */
static bool leaves_by(const struct ingress *in, struct port *port, struct frame *frame) RUNS_ON(lcore_thread)
{
	const struct policy *policy = rcu_get(&port->policy);

	if (in->vlan != NULL && bridge_vlan_egress(policy_vlan_of(policy), frame) != VERDICT_PASS)
		return false;
	return bridge_egress_by(in, port, policy, in->vlan != NULL, &frame, 1) == VERDICT_PASS;
}

bool bridge_inject_port(struct lcore_ctx *ctx, struct port *to, struct frame *frame)
{
	const struct ingress in = ingress_of(ctx, to->bridge, NULL);
	uint32_t tagging;

	if (in.vlan != NULL && bridge_vlan_ingress(in.vlan, bridge_vlan_untagged(in.vlan), frame, &tagging) != VERDICT_PASS)
		return false;
	if (!leaves_by(&in, to, frame))
		return false;
	count(&port_counters_of(to, ctx)->injected, 1);
	return true;
}

unsigned int bridge_inject(struct lcore_ctx *ctx, const struct bridge *bridge, struct port *from,
			   struct frame *frame)
{
	const struct bridge_members *members = rcu_get(&bridge->members);
	const struct ingress in = ingress_of(ctx, bridge, from);
	uint32_t tagging = 0;
	const struct port *known;
	unsigned int sent = 0;

	if (in.mirrors != NULL && bridge_mirror_is_sink(&in))
		return 0;
	if (in.vlan != NULL && bridge_vlan_ingress(in.vlan, bridge_vlan_untagged(in.vlan), frame, &tagging) != VERDICT_PASS)
		return 0;
	known = bridge_inject_find(bridge, members, in.vlan != NULL ? tagging_fid(tagging) : FID_DEFAULT, frame);
	for (unsigned int i = 0; i < members->n; i++) {
		struct port *port = members->port[i];

		if ((known != NULL && port != known) || !leaves_by(&in, port, frame))
			continue;
		count(&port_counters_of(port, ctx)->injected, 1);
		sent++;
	}
	return sent;
}
