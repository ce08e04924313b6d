/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge_rate.h"

uint16_t bridge_rate_to(struct lcore_ctx *ctx, struct port *port, const struct policy *policy, struct frame *const *frames,
			uint16_t n)
{
	uint16_t taken = frame_limits_take(&policy->rates.to, &policy->meters->to, lcore_ctx_ns(ctx), frames, n);

	if (taken < n)
		port_drop_tx_frames(port, ctx, TX_DROP_RATE, frames + taken, (uint64_t)(n - taken));
	return taken;
}

enum port_storm bridge_storm_of(const struct frame *frame)
{
	mac_key_t dst = mac_at(frame->head);

	if ((dst & MAC_GROUP) == 0)
		return PORT_STORM_UNKNOWN;
	return dst == UINT64_C(0xffffffffffff) ? PORT_STORM_BROADCAST : PORT_STORM_MULTICAST;
}

verdict_t bridge_storm(struct lcore_ctx *ctx, const struct policy *policy, const struct frame *frame)
{
	static const verdict_t why[PORT_STORMS] = {
		[PORT_STORM_BROADCAST] = RX_DROP_STORM_BROADCAST,
		[PORT_STORM_MULTICAST] = RX_DROP_STORM_MULTICAST,
		[PORT_STORM_UNKNOWN] = RX_DROP_STORM_UNKNOWN,
	};
	enum port_storm storm = bridge_storm_of(frame);
	const struct rate_limit *limit = &policy->rates.storm[storm];
	uint32_t packets;

	if (!rate_limit_is_set(limit))
		return VERDICT_PASS;
	packets = frame_wire_packets(frame);
	if (rate_meter_take(&policy->meters->storm[storm], limit, lcore_ctx_ns(ctx), &packets, 1) == 1)
		return VERDICT_PASS;
	return why[storm];
}
