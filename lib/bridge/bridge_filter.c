/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge_filter.h"

static inline struct filter_outcome run(struct lcore_ctx *ctx, const struct port_filter *filter,
					const struct frame *frame)
{
	struct filter_outcome outcome =
		filter_list_run(port_filter_list(filter), frame->head, frame->head_len, frame->len);

	ctx->cost += outcome.steps / SHARE_STEPS;
	return outcome;
}

verdict_t bridge_filter_ingress(const struct ingress *in, const struct frame *frame,
				struct filter_outcome *outcome)
{
	*outcome = run(in->ctx, in->filter, frame);
	if (outcome->verdict == FILTER_MATCH)
		return VERDICT_PASS;
	port_filter_count(in->filter, in->ctx->index, outcome);
	return outcome->verdict == FILTER_UNKNOWN ? RX_DROP_FILTER_UNKNOWN : RX_DROP_FILTER;
}

uint16_t bridge_filter_egress(const struct ingress *in, struct port *port, const struct port_filter *filter,
			      struct frame *const *frames, uint16_t n, struct frame **pass)
{
	uint16_t passed = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct filter_outcome outcome = run(in->ctx, filter, frames[i]);

		port_filter_count(filter, in->ctx->index, &outcome);
		if (outcome.verdict == FILTER_MATCH)
			pass[passed++] = frames[i];
		else
			port_drop_tx_frames(port, in->ctx,
					    outcome.verdict == FILTER_UNKNOWN ? TX_DROP_FILTER_UNKNOWN : TX_DROP_FILTER,
					    &frames[i], 1);
	}
	return passed;
}
