/* SPDX-License-Identifier: BSD-3-Clause */
/* lcore_ctx.h: what an lcore brings along to every call: its number, its burst, and where it reports to.
 *
 * Context: the lcore it belongs to. lib/lcore makes one for each lcore.
 */
#ifndef VUS_LCORE_CTX_H
#define VUS_LCORE_CTX_H

#include <stdbool.h>
#include <stdint.h>

struct burst;
struct punt_ring;
struct report_ring;

/* Something an lcore looks after once a round, until it is done; it stays awake meanwhile. Embedded in a driver's own,
 * and of one lcore. */
struct lcore_errand {
	struct lcore_errand *next;
	bool (*run)(struct lcore_errand *errand); /* whether it is done */
	bool started;
};

/* What an lcore brings along to every call. */
struct lcore_ctx {
	uint16_t index; /* its number: whose counters it writes, which reader it is to RCU */
	uint16_t epoch; /* seconds, for aging; wraps */
	struct report_ring *reports;
	struct punt_ring *punts;
	struct burst *burst;
	struct lcore_errand *errands;
};

static inline void lcore_errand_start(struct lcore_ctx *ctx, struct lcore_errand *errand)
{
	if (errand->started)
		return;
	errand->started = true;
	errand->next = ctx->errands;
	ctx->errands = errand;
}

#endif
