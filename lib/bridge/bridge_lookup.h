/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge_lookup.h: where a frame goes: source learned, destination looked up, both by way of what the queue remembers;
 * lib/bridge only.
 *
 * Context: an lcore, between two quiescent states.
 */
#ifndef VUS_BRIDGE_LOOKUP_H
#define VUS_BRIDGE_LOOKUP_H

#include "bridge_ingress.h"

/* Where a frame goes, when it is not a destination of the FDB. */
enum { TO_FLOOD = FDB_DESTINATIONS };

/* Before a burst: forgets what the queue remembers and is not true any more. */
void bridge_lookup_begin(const struct lcore_ctx *ctx, struct port_rxq *q) RUNS_ON(lcore_thread);

/* Where a frame goes of whose addresses the queue does not remember one: reports the source to control if it has to be learned or
 * renewed. `frame` is one of ctx->burst; those behind it are looked up with it, and the last of them is remembered. */
uint32_t bridge_lookup_unknown(struct lcore_ctx *ctx, struct port_rxq *q, const struct frame *frame, fdb_key_t src, fdb_key_t dst)
	RUNS_ON(lcore_thread);

/* Context: after bridge_lookup_begin() of the burst, which is ctx->burst.
 * Returns: the destination of an admitted frame, or TO_FLOOD. */
static inline uint32_t bridge_lookup(struct lcore_ctx *ctx, struct port_rxq *q, uint16_t fid,
				     const struct frame *frame) RUNS_ON(lcore_thread)
{
	const struct bridge_memo *memo = bridge_memo_of(q);
	fdb_key_t dst = fdb_key(fid, mac_at(frame->head)),
		  src = fdb_key(fid, mac_at(frame->head + 6));

	if (__builtin_expect(src == memo->src && dst == memo->dst, 1))
		return memo->destination;
	return bridge_lookup_unknown(ctx, q, frame, src, dst);
}

#endif
