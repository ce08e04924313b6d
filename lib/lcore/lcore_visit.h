/* SPDX-License-Identifier: BSD-3-Clause */
/* lcore_visit.h: a visit of a receive queue: whether it has its turn (share.h), a burst of it, and what that is charged as;
 * lib/lcore only.
 *
 * Context: the lcore that polls the queue, between two quiescent states.
 */
#ifndef VUS_LCORE_VISIT_H
#define VUS_LCORE_VISIT_H

#include "bridge.h"
#include "policy.h"

/* lcore_aside.c. Keeps a burst whose flood was left in the middle for the queue's next turn. False: that cannot be, and the rest
 * was done at once. */
bool lcore_set_aside(struct lcore_ctx *ctx, struct port_rxq *q) RUNS_ON(lcore_thread);
/* Goes on with it. */
void lcore_take_up(struct lcore_ctx *ctx, struct port_rxq *q) RUNS_ON(lcore_thread);

/* lcore_pace.c. Receives from a queue of a port with rate-from-vm what it may send by now: the rest stays in the ring, and
 * pace.until says until when. */
uint16_t lcore_receive_paced(struct lcore_ctx *ctx, struct port_rxq *q, const struct policy *policy) RUNS_ON(lcore_thread);

/* Returns: the number of frames received; ctx->cost is 0 if nothing was done. */
static inline uint16_t lcore_visit(struct lcore_ctx *ctx, struct port_rxq *q) RUNS_ON(lcore_thread)
{
	const struct port_ops *ops = q->port->ops;
	const struct policy *policy;
	uint16_t n;

	ctx->cost = 0;
	if (__builtin_expect(q->owed != 0, 0) && !share_turn(&ctx->share, &q->owed))
		return 0;
	if (__builtin_expect(q->waits, 0)) {
		lcore_take_up(ctx, q);
		q->owed = share_visited(&ctx->share, q->owed, ctx->cost);
		return 0;
	}
	policy = rcu_get(&q->port->policy);
	if (__builtin_expect(policy != NULL && (policy->flags & POLICY_RATE_FROM) != 0, 0))
		n = lcore_receive_paced(ctx, q, policy);
	else
		n = ops->receive(q, ctx);
	if (n == 0 && __builtin_expect(ctx->burst->cost == 0, 1))
		return 0;
	ctx->cost = n + ctx->burst->cost;
	ctx->burst->cost = 0;
	if (n > 0 && (__builtin_expect(bridge_forward(ctx, q), 1) || !lcore_set_aside(ctx, q)))
		ops->complete(q, ctx);
	q->owed = share_visited(&ctx->share, q->owed, ctx->cost);
	return n;
}

#endif
