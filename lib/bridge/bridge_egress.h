/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge_egress.h: the one way out: frames leave by a port through bridge_egress(), whether its address was known or they
 * are flooded; lib/bridge only.
 *
 * Context: an lcore, between two quiescent states.
 */
#ifndef VUS_BRIDGE_EGRESS_H
#define VUS_BRIDGE_EGRESS_H

#include "bridge_ingress.h"
#include "bridge_vlan.h"

/* Whether frames of a burst may leave by a port that has a policy. */
verdict_t bridge_egress_verdict(const struct ingress *in, const struct policy *policy)
	RUNS_ON(lcore_thread);

/* Delivers those of n frames (1 to BURST_MAX) that the port's filter and its limits let pass, in order, and counts the others as
 * the port's. Captures of the port get all of them. */
void bridge_egress_some(const struct ingress *in, struct port *port, const struct policy *policy, struct frame **frames,
			uint16_t n) RUNS_ON(lcore_thread);

/* The same, and those that were delivered are in *frames then, which are these or `pass`, with room for n.
 * Returns: how many. */
uint16_t bridge_egress_pass(const struct ingress *in, struct port *port, const struct policy *policy, struct frame ***frames,
			    uint16_t n, struct frame **pass) RUNS_ON(lcore_thread);

/* The way of frames out of a port that puts tags in, where nobody looks at them on the way. */
void bridge_egress_insert(const struct ingress *in, struct port *port, const struct policy *policy, struct frame **frames,
			  uint16_t n) RUNS_ON(lcore_thread);

/* What bridge_egress_by() does on a bridge with mirrors: bridge_mirror.c. */
verdict_t bridge_egress_mirrored(const struct ingress *in, struct port *port, const struct policy *policy, struct frame **frames,
				 uint16_t n) RUNS_ON(lcore_thread);

/* Delivers n frames (1 to BURST_MAX) to `port`, which has this policy, in order, if frames from there may leave by it. On a
 * vlan-aware bridge the port takes their VLANs (bridge_vlan_egress()); `retags`: not all of them stay as they are.
 * Returns: VERDICT_PASS: they were delivered, or the port's filter dropped them, and the port accounts for them; else why not,
 * not counted yet. */
static inline verdict_t bridge_egress_by(const struct ingress *in, struct port *port, const struct policy *policy,
					 bool retags, struct frame **frames, uint16_t n) RUNS_ON(lcore_thread)
{
	if (__builtin_expect(port == in->port, 0))
		return RX_DROP_REFLECTION;
	if (__builtin_expect(in->mirrors != NULL, 0))
		return bridge_egress_mirrored(in, port, policy, frames, n);
	if (__builtin_expect(policy != NULL && (policy->flags & POLICY_EGRESS_BURST) != 0, 0)) {
		verdict_t verdict = bridge_egress_verdict(in, policy);

		if (verdict != VERDICT_PASS)
			return verdict;
	}
	if (__builtin_expect(retags, 0)) {
		if (port->inserts && (policy == NULL || (policy->flags & POLICY_EGRESS_FRAMES) == 0)) {
			bridge_egress_insert(in, port, policy, frames, n);
			return VERDICT_PASS;
		}
		bridge_vlan_retag(policy_vlan_of(policy), in->ctx->burst, frames, n);
	}
	if (__builtin_expect(policy != NULL && (policy->flags & POLICY_EGRESS_FRAMES) != 0, 0))
		bridge_egress_some(in, port, policy, frames, n);
	else
		port->ops->deliver(port, in->ctx, frames, n);
	return VERDICT_PASS;
}

/* The same with the policy that the port has, where VLANs do not matter. */
static inline verdict_t bridge_egress(const struct ingress *in, struct port *port, struct frame **frames, uint16_t n)
	RUNS_ON(lcore_thread)
{
	return bridge_egress_by(in, port, rcu_get(&port->policy), false, frames, n);
}

#endif
