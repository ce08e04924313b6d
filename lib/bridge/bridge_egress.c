/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge_egress.h"

#include "bridge_filter.h"
#include "bridge_mirror.h"
#include "bridge_rate.h"

verdict_t bridge_egress_verdict(const struct ingress *in, const struct policy *policy)
{
	uint32_t both = policy->flags & (in->policy != NULL ? in->policy->flags : 0);

	if (__builtin_expect((policy->flags & POLICY_CLOSED) != 0, 0))
		return RX_DROP_CLOSED;
	return (both & POLICY_ISOLATED) != 0 ? RX_DROP_ISOLATED : VERDICT_PASS;
}

/* Those of n frames that pass, in *frames: they are these, or are in `pass`. What a filter denies takes nothing of a limit. */
static uint16_t let_pass(const struct ingress *in, struct port *port, const struct policy *policy, struct frame ***frames,
			 uint16_t n, struct frame **pass) RUNS_ON(lcore_thread)
{
	if (policy->filter[FILTER_TO] != NULL) {
		n = bridge_filter_egress(in, port, policy->filter[FILTER_TO], *frames, n, pass);
		*frames = pass;
	}
	if (n > 0 && (policy->flags & POLICY_RATE_TO) != 0)
		n = bridge_rate_to(in->ctx, port, policy, *frames, n);
	return n;
}

void bridge_egress_some(const struct ingress *in, struct port *port, const struct policy *policy, struct frame **frames,
			uint16_t n)
{
	struct frame *pass[BURST_MAX];

	n = let_pass(in, port, policy, &frames, n, pass);
	if (n > 0)
		port->ops->deliver(port, in->ctx, frames, n);
}

/* Whom a frame is for has it before its copies are made. */
verdict_t bridge_egress_mirrored(const struct ingress *in, struct port *port, const struct policy *policy, struct frame **frames,
				 uint16_t n)
{
	uint32_t flags = policy != NULL ? policy->flags : 0;
	struct frame *pass[BURST_MAX];

	if (port_set_has(&in->mirrors->sinks, port->id))
		return RX_DROP_MIRROR_SINK;
	if ((flags & POLICY_EGRESS_BURST) != 0) {
		verdict_t verdict = bridge_egress_verdict(in, policy);

		if (verdict != VERDICT_PASS)
			return verdict;
	}
	if (in->vlan != NULL)
		bridge_vlan_retag(policy_vlan_of(policy), in->ctx->burst, frames, n);
	if ((flags & POLICY_EGRESS_FRAMES) != 0)
		n = let_pass(in, port, policy, &frames, n, pass);
	if (n > 0) {
		port->ops->deliver(port, in->ctx, frames, n);
		bridge_mirror_to(in, port, frames, n);
	}
	return VERDICT_PASS;
}
