/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge_lookup.h"

void bridge_lookup_learn(struct lcore_ctx *ctx, struct port_rxq *q, mac_key_t mac,
			 uint32_t generation)
{
	struct bridge *bridge = q->port->bridge;
	struct bridge_memo *memo = bridge_memo_of(q);
	struct mac_value value;
	bool known = mac_table_lookup(bridge->macs, mac, &value);

	/* Whatever comes of a report: the same address is not reported again before the table or the second has
	 * changed. */
	memo->src_mac = mac;
	memo->src_gen = generation;
	memo->src_epoch = ctx->epoch;
	if (known && (value.is_static || (value.port == q->port->id &&
					  value.epoch == mac_epoch(ctx->epoch))))
		return;
	report_post(ctx->reports, &(struct report){
					  .kind = REPORT_MAC_SEEN,
					  .key = mac,
					  .port = q->port->id,
					  .bridge = bridge->index,
				  });
}

uint16_t bridge_lookup_find(struct port_rxq *q, mac_key_t mac, uint32_t generation)
{
	struct bridge_memo *memo = bridge_memo_of(q);
	struct mac_value value;

	memo->dst_mac = mac;
	memo->dst_gen = generation;
	memo->dst_port =
		mac_table_lookup(q->port->bridge->macs, mac, &value) ? value.port : TO_FLOOD;
	return memo->dst_port;
}
