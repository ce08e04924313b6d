/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge_egress.h: the one way out: frames leave by a port through bridge_egress(), whether its address was known or they
 * are flooded; lib/bridge only.
 *
 * Context: an lcore, between two quiescent states.
 */
#ifndef VUS_BRIDGE_EGRESS_H
#define VUS_BRIDGE_EGRESS_H

#include "bridge_ingress.h"

/* Whether frames of a burst may leave by a port that has a policy. */
verdict_t bridge_egress_verdict(const struct ingress *in, const struct policy *policy)
	RUNS_ON(lcore_thread);

/* Delivers n frames (1 to BURST_MAX) to `port`, in order, if frames from there may leave by it.
 * Returns: VERDICT_PASS: they were delivered, and the port accounts for them; else why not, not counted yet. */
static inline verdict_t bridge_egress(const struct ingress *in, struct port *port,
				      struct frame **frames, uint16_t n) RUNS_ON(lcore_thread)
{
	const struct policy *policy = rcu_get(&port->policy);

	if (__builtin_expect(port == in->port, 0))
		return RX_DROP_REFLECTION;
	if (__builtin_expect(policy != NULL, 0)) {
		verdict_t verdict = bridge_egress_verdict(in, policy);

		if (verdict != VERDICT_PASS)
			return verdict;
	}
	port->ops->deliver(port, in->ctx, frames, n);
	return VERDICT_PASS;
}

#endif
