/* SPDX-License-Identifier: BSD-3-Clause */
/* lcore_ctx.h: what an lcore brings along to every call: its number, its burst, and where it reports to.
 *
 * Context: the lcore it belongs to. lib/lcore makes one for each lcore.
 */
#ifndef VUS_LCORE_CTX_H
#define VUS_LCORE_CTX_H

#include <stdbool.h>
#include <stdint.h>

#include "share.h"
#include "tick_clock.h"

struct burst;
struct frame_allowance;
struct punt_ring;
struct report_ring;

/* Something an lcore looks after once a round, until it is done; it stays awake meanwhile. Embedded in a driver's own,
 * and of one lcore. */
struct lcore_work {
	struct lcore_work *next;
	bool (*run)(struct lcore_work *work); /* whether it is done */
	bool started;
};

/* What an lcore brings along to every call. */
struct lcore_ctx {
	uint16_t index; /* its number: whose counters it writes, which reader it is to RCU */
	uint16_t epoch; /* seconds, for aging; wraps */
	struct report_ring *reports;
	struct punt_ring *punts;
	struct burst *burst;
	struct lcore_work *work;
	struct share_round share; /* of this round */
	uint32_t cost;		  /* of this visit, so far (share.h) */
	struct frame_allowance *allowance; /* of the visit: what its receive() may take (frame_rate.h); NULL: any */
	uint32_t bound;		  /* the cost at which a flood is left for the next visit; 0: never */
	uint64_t at;		  /* when the visit began, in cycles */
	struct tick_clock clock;
};

/* The time of the visit, clock_ns(). */
static inline uint64_t lcore_ctx_ns(struct lcore_ctx *ctx)
{
	return tick_clock_ns(&ctx->clock, ctx->at);
}

static inline void lcore_work_start(struct lcore_ctx *ctx, struct lcore_work *work)
{
	if (work->started)
		return;
	work->started = true;
	work->next = ctx->work;
	ctx->work = work;
}

#endif
