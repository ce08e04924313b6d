/* SPDX-License-Identifier: BSD-3-Clause */
/* A burst that is set aside in the middle of a flood: the queue and its lcore exchange a burst for a spare one. */
#include "lcore_visit.h"

static void exchange(struct lcore_ctx *ctx, struct port_rxq *q) RUNS_ON(lcore_thread)
{
	struct burst *burst = ctx->burst;

	ctx->burst = *q->aside;
	*q->aside = burst;
}

bool lcore_set_aside(struct lcore_ctx *ctx, struct port_rxq *q)
{
	uint32_t bound = ctx->bound;

	q->waits = q->aside != NULL && q->port->ops->set_aside(q, ctx);
	if (q->waits) {
		exchange(ctx, q);
		return true;
	}
	ctx->bound = 0;
	bridge_go_on(ctx, q);
	ctx->bound = bound;
	return false;
}

void lcore_take_up(struct lcore_ctx *ctx, struct port_rxq *q)
{
	exchange(ctx, q);
	switch (q->port->ops->take_up(q, ctx)) {
	case PORT_LATER:
		exchange(ctx, q);
		break;
	case PORT_LOST:
		bridge_give_up(ctx, q);
		q->waits = false;
		break;
	case PORT_TAKEN:
		q->waits = false;
		if (bridge_go_on(ctx, q) || !lcore_set_aside(ctx, q))
			q->port->ops->complete(q, ctx);
		break;
	}
}
