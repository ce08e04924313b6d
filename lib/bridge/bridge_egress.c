/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge_egress.h"

#include "bridge_filter.h"
#include "bridge_rate.h"
#include "capture_lcore.h"

verdict_t bridge_egress_verdict(const struct ingress *in, const struct policy *policy)
{
	uint32_t both = policy->flags & (in->policy != NULL ? in->policy->flags : 0);

	if (__builtin_expect((policy->flags & POLICY_CLOSED) != 0, 0))
		return RX_DROP_CLOSED;
	return (both & POLICY_ISOLATED) != 0 ? RX_DROP_ISOLATED : VERDICT_PASS;
}

/* What a filter denies takes nothing of a limit. */
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

uint16_t bridge_egress_pass(const struct ingress *in, struct port *port, const struct policy *policy, struct frame ***frames,
			    uint16_t n, struct frame **pass)
{
	const struct capture_points *capture = (policy->flags & POLICY_CAPTURE) != 0 ? &policy->capture : NULL;
	struct frame **all = *frames;
	uint64_t time_ns = capture != NULL ? capture_to_begin(all, n) : 0;
	uint16_t all_n = n;

	n = let_pass(in, port, policy, frames, n, pass);
	if (n > 0)
		port->ops->deliver(port, in->ctx, *frames, n);
	if (capture != NULL)
		capture_to(capture, in->ctx, all, all_n, time_ns);
	return n;
}

void bridge_egress_some(const struct ingress *in, struct port *port, const struct policy *policy, struct frame **frames,
			uint16_t n)
{
	struct frame *pass[BURST_MAX];

	bridge_egress_pass(in, port, policy, &frames, n, pass);
}

void bridge_egress_insert(const struct ingress *in, struct port *port, const struct policy *policy, struct frame **frames,
			  uint16_t n)
{
	bridge_vlan_insert(policy_vlan_of(policy), in->ctx->burst, frames, n);
	port->ops->insert(port, in->ctx, frames, n);
	bridge_vlan_inserted(frames, n);
}
