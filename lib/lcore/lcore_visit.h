/* SPDX-License-Identifier: BSD-3-Clause */
/* lcore_visit.h: a visit of a receive queue: whether it has its turn (share.h), a burst of it, and what that is charged as;
 * lib/lcore only.
 *
 * Context: the lcore that polls the queue, between two quiescent states.
 */
#ifndef VUS_LCORE_VISIT_H
#define VUS_LCORE_VISIT_H

#include "bridge.h"

/* Returns: the number of frames received. */
static inline uint16_t lcore_visit(struct lcore_ctx *ctx, struct port_rxq *q) RUNS_ON(lcore_thread)
{
	const struct port_ops *ops = q->port->ops;
	uint32_t cost;
	uint16_t n;

	if (__builtin_expect(q->owed != 0, 0) && !share_turn(&ctx->share, &q->owed))
		return 0;
	n = ops->receive(q, ctx);
	ctx->cost = 0;
	if (n > 0) {
		bridge_forward(ctx, q);
		ops->complete(q, ctx);
	} else if (__builtin_expect(ctx->burst->cost == 0, 1)) {
		return 0;
	}
	cost = ctx->cost + ctx->burst->cost;
	ctx->burst->cost = 0;
	q->owed = share_visited(q->owed, cost);
	return n;
}

#endif
