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

static inline void learn(struct lcore_ctx *ctx, struct port_rxq *q, fdb_key_t src) RUNS_ON(lcore_thread)
{
	struct bridge *bridge = q->port->bridge;
	struct bridge_memo *memo = bridge_memo_of(q);
	struct fdb_value value;
	struct fdb_mark mark;
	bool known = fdb_lookup_inline(bridge->fdb, src, &value, &mark);

	ctx->cost += SHARE_ADDRESS;
	/* Whatever comes of a report that control gets: the same address is not reported again before its entry or the second
	 * has changed. */
	memo->src = src;
	memo->src_generation = mark.generation;
	memo->src_bucket = mark.bucket;
	memo->src_epoch = ctx->epoch;
	if (known && (value.is_static ||
		      (value.destination == q->port->id && value.epoch == fdb_epoch(ctx->epoch))))
		return;
	ctx->cost += SHARE_ADDRESS;
	if (!report_address(ctx->reports, &(struct report){
						  .kind = known && value.destination == q->port->id ? REPORT_MAC_RENEWED
												    : REPORT_MAC_SEEN,
						  .key = src,
						  .port = q->port->id,
						  .bridge = bridge->index,
					  }))
		memo->src = BRIDGE_MEMO_NONE;
}

static inline uint32_t find(struct port_rxq *q, fdb_key_t dst) RUNS_ON(lcore_thread)
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

/* A frame whose addresses the queue does not remember is probably followed by others: in a large table the lines of the
 * address at `at` in the heads of the next LOOKUP_AHEAD frames are on their way while this one is looked up. */
enum { LOOKUP_AHEAD = 4 };

static inline __attribute__((always_inline)) void prefetch_ahead(const struct burst *burst, const struct frame *frame,
								 const struct fdb *fdb, uint16_t fid, int at)
{
	const struct frame *end = burst->frame + burst->n;
	const struct frame *next = frame == burst->frame ? frame + 1 : frame + LOOKUP_AHEAD;

	for (; next <= frame + LOOKUP_AHEAD && next < end; next++)
		fdb_lookup_prefetch(fdb, fdb_key(fid, mac_at(next->head + at)));
}

/* Functions of their own: what they need registers for is no matter of a small table. */
static __attribute__((noinline)) void learn_large(struct lcore_ctx *ctx, struct port_rxq *q, const struct frame *frame,
						  fdb_key_t src) RUNS_ON(lcore_thread)
{
	prefetch_ahead(ctx->burst, frame, q->port->bridge->fdb, fdb_key_fid(src), 6);
	learn(ctx, q, src);
}

static __attribute__((noinline)) uint32_t find_large(const struct lcore_ctx *ctx, struct port_rxq *q,
						     const struct frame *frame, fdb_key_t dst) RUNS_ON(lcore_thread)
{
	prefetch_ahead(ctx->burst, frame, q->port->bridge->fdb, fdb_key_fid(dst), 0);
	return find(q, dst);
}

void bridge_lookup_learn(struct lcore_ctx *ctx, struct port_rxq *q, const struct frame *frame, fdb_key_t src)
{
	if (fdb_is_large(q->port->bridge->fdb))
		learn_large(ctx, q, frame, src);
	else
		learn(ctx, q, src);
}

uint32_t bridge_lookup_find(const struct lcore_ctx *ctx, struct port_rxq *q, const struct frame *frame, fdb_key_t dst)
{
	return fdb_is_large(q->port->bridge->fdb) ? find_large(ctx, q, frame, dst) : find(q, dst);
}
