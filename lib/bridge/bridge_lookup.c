/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge_lookup.h"

#include "fdb_lookup.h"

void bridge_lookup_begin(const struct lcore_ctx *ctx, struct port_rxq *q)
{
	const struct fdb *fdb = q->port->bridge->fdb;
	struct bridge_memo *memo = bridge_memo_of(q);
	struct fdb_mark src = {.generation = memo->src_generation, .bucket = memo->src_bucket};
	struct fdb_mark dst = {.generation = memo->dst_generation, .bucket = memo->dst_bucket};

	if (memo->src_epoch != ctx->epoch || !fdb_mark_holds(fdb, src))
		memo->src = BRIDGE_MEMO_NONE;
	if (!fdb_mark_holds(fdb, dst))
		memo->dst = BRIDGE_MEMO_NONE;
}

void bridge_lookup_learn(struct lcore_ctx *ctx, struct port_rxq *q, fdb_key_t src)
{
	struct bridge *bridge = q->port->bridge;
	struct bridge_memo *memo = bridge_memo_of(q);
	struct fdb_value value;
	struct fdb_mark mark;
	bool known = fdb_lookup_inline(bridge->fdb, src, &value, &mark);

	/* Whatever comes of a report: the same address is not reported again before its entry or the second has
	 * changed. */
	memo->src = src;
	memo->src_generation = mark.generation;
	memo->src_bucket = mark.bucket;
	memo->src_epoch = ctx->epoch;
	if (known && (value.is_static ||
		      (value.destination == q->port->id && value.epoch == fdb_epoch(ctx->epoch))))
		return;
	report_post(ctx->reports, &(struct report){
					  .kind = REPORT_MAC_SEEN,
					  .key = src,
					  .port = q->port->id,
					  .bridge = bridge->index,
				  });
}

uint32_t bridge_lookup_find(struct port_rxq *q, fdb_key_t dst)
{
	struct bridge_memo *memo = bridge_memo_of(q);
	struct fdb_value value;
	struct fdb_mark mark;
	bool known = fdb_lookup_inline(q->port->bridge->fdb, dst, &value, &mark);

	memo->destination = known ? value.destination : TO_FLOOD;
	memo->dst = dst;
	memo->dst_generation = mark.generation;
	memo->dst_bucket = mark.bucket;
	return memo->destination;
}
