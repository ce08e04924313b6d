/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge_lookup.h"

#include "fdb_lookup.h"

/* A frame whose addresses the queue does not remember is probably followed by others: the addresses of this one and of the next
 * are looked up together, so that the lines of all of them are on their way at once. What is found is good for this burst. */
enum { LOOKUP_AHEAD = 16 };
static _Thread_local __attribute__((tls_model("local-exec"))) struct {
	uint32_t n; /* frames of the burst that were looked up, or passed */
	/* BRIDGE_MEMO_NONE: this source has to be learned or renewed. */
	fdb_key_t src[BURST_MAX], dst[BURST_MAX];
	uint32_t to[BURST_MAX];
} ahead;

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
	ahead.n = 0;
}

/* Whether control need not hear of it: it is there, and was renewed in this second. */
static inline bool is_learned(uint32_t word, uint32_t renewed)
{
	return word == renewed || (word != FDB_WORD_NONE && (word >> FDB_STATIC_SHIFT & 1) != 0);
}

/* The value of an address that was learned from the queue in this second. */
static inline uint32_t renewed_word(const struct lcore_ctx *ctx, const struct port_rxq *q)
{
	return fdb_word(&(struct fdb_value){.destination = q->port->id, .epoch = ctx->epoch});
}

static void learn(struct lcore_ctx *ctx, struct port_rxq *q, fdb_key_t src) RUNS_ON(lcore_thread)
{
	struct bridge *bridge = q->port->bridge;
	struct bridge_memo *memo = bridge_memo_of(q);
	struct fdb_mark mark;
	uint32_t word = fdb_lookup_inline(bridge->fdb, src, &mark);
	bool ours = word != FDB_WORD_NONE && fdb_word_destination(word) == q->port->id;

	ctx->cost += SHARE_ADDRESS;
	/* Whatever comes of a report that control gets: the same address is not reported again before its entry or the second
	 * has changed. */
	memo->src = src;
	memo->src_generation = mark.generation;
	memo->src_bucket = mark.bucket;
	memo->src_epoch = ctx->epoch;
	if (is_learned(word, renewed_word(ctx, q)))
		return;
	ctx->cost += SHARE_ADDRESS;
	if (!report_address(ctx->reports, &(struct report){
						  .kind = ours ? REPORT_MAC_RENEWED : REPORT_MAC_SEEN,
						  .key = src,
						  .port = q->port->id,
						  .bridge = bridge->index,
					  }))
		memo->src = BRIDGE_MEMO_NONE;
}

static inline uint32_t destination_of(uint32_t word)
{
	return word != FDB_WORD_NONE ? fdb_word_destination(word) : TO_FLOOD;
}

static uint32_t find(struct port_rxq *q, fdb_key_t dst) RUNS_ON(lcore_thread)
{
	struct bridge_memo *memo = bridge_memo_of(q);
	struct fdb_mark mark;

	memo->destination = destination_of(fdb_lookup_inline(q->port->bridge->fdb, dst, &mark));
	memo->dst = dst;
	memo->dst_generation = mark.generation;
	memo->dst_bucket = mark.bucket;
	return memo->destination;
}

/* The frames of the burst from number `i` on. They need not be in the same filtering database, but most are. */
static __attribute__((noinline)) void look_ahead(const struct lcore_ctx *ctx, const struct port_rxq *q, uint32_t i, uint16_t fid)
	RUNS_ON(lcore_thread)
{
	const struct frame *frame = &ctx->burst->frame[i];
	const struct fdb *fdb = q->port->bridge->fdb;
	uint32_t n = ctx->burst->n - i < LOOKUP_AHEAD ? ctx->burst->n - i : LOOKUP_AHEAD;
	uint64_t src_hash[LOOKUP_AHEAD], dst_hash[LOOKUP_AHEAD];
	fdb_key_t *src = &ahead.src[i], *dst = &ahead.dst[i];
	uint32_t renewed = renewed_word(ctx, q);

	for (uint32_t k = 0; k < n; k++) {
		src[k] = fdb_key(fid, mac_at(frame[k].head + 6));
		src_hash[k] = fdb_hash(fdb, src[k]);
		fdb_lookup_prefetch(fdb, src_hash[k]);
		dst[k] = fdb_key(fid, mac_at(frame[k].head));
		dst_hash[k] = fdb_hash(fdb, dst[k]);
		fdb_lookup_prefetch(fdb, dst_hash[k]);
	}
	for (uint32_t k = 0; k < n; k++) {
		if (!is_learned(fdb_lookup_word(fdb, src[k], src_hash[k]), renewed))
			src[k] = BRIDGE_MEMO_NONE;
		ahead.to[i + k] = destination_of(fdb_lookup_word(fdb, dst[k], dst_hash[k]));
	}
	ahead.n = i + n;
}

uint32_t bridge_lookup_unknown(struct lcore_ctx *ctx, struct port_rxq *q, const struct frame *frame, fdb_key_t src, fdb_key_t dst)
{
	uint32_t i = (uint32_t)(frame - ctx->burst->frame);
	const struct bridge_memo *memo = bridge_memo_of(q);

	if (i >= ahead.n)
		look_ahead(ctx, q, i, fdb_key_fid(dst));
	ctx->cost += SHARE_ADDRESS;
	/* The last of them is remembered, for all that may follow. */
	if (i + 1 < ahead.n && src == ahead.src[i] && dst == ahead.dst[i])
		return ahead.to[i];
	if (src != memo->src)
		learn(ctx, q, src);
	if (dst == memo->dst)
		return memo->destination;
	return (dst & MAC_GROUP) != 0 ? TO_FLOOD : find(q, dst);
}
