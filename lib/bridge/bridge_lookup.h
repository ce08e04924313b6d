/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge_lookup.h: where a frame goes: source learned, destination looked up, both by way of what the queue remembers;
 * lib/bridge only.
 *
 * Context: an lcore, between two quiescent states.
 */
#ifndef VUS_BRIDGE_LOOKUP_H
#define VUS_BRIDGE_LOOKUP_H

#include "bridge_ingress.h"

/* Where a frame goes, when it is not a port. */
enum { TO_FLOOD = PORTS_MAX };
_Static_assert(TO_FLOOD < UINT16_MAX, "a destination fits the memo, and leaves a number for none");

/* What the queue does not remember: reports the source to control if it has to be learned or renewed, and the port of a
 * destination, or TO_FLOOD. Both remember what they were asked. */
void bridge_lookup_learn(struct lcore_ctx *ctx, struct port_rxq *q, mac_key_t mac, uint32_t generation)
	RUNS_ON(lcore_thread);
uint16_t bridge_lookup_find(struct port_rxq *q, mac_key_t mac, uint32_t generation)
	RUNS_ON(lcore_thread);

/* The key of an address of `fid` in a frame's head. */
static inline mac_key_t lookup_key(uint16_t fid, const uint8_t *bytes)
{
	return mac_at(bytes) | (mac_key_t)fid << 48;
}

/* Returns: the port an admitted frame is for, or TO_FLOOD. */
static inline uint16_t bridge_lookup(struct lcore_ctx *ctx, struct port_rxq *q, uint16_t fid,
				     const struct frame *frame, uint32_t generation)
	RUNS_ON(lcore_thread)
{
	const struct bridge_memo *memo = bridge_memo_of(q);
	mac_key_t dst = lookup_key(fid, frame->head), src = lookup_key(fid, frame->head + 6);

	if (__builtin_expect(src != memo->src_mac || generation != memo->src_gen ||
				     ctx->epoch != memo->src_epoch,
			     0))
		bridge_lookup_learn(ctx, q, src, generation);
	if (__builtin_expect(dst == memo->dst_mac && generation == memo->dst_gen, 1))
		return memo->dst_port;
	return (dst & MAC_GROUP) != 0 ? TO_FLOOD : bridge_lookup_find(q, dst, generation);
}

#endif
