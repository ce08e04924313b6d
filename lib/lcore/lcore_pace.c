/* SPDX-License-Identifier: BSD-3-Clause */
/* Back-pressure: what a port may not send yet stays in its guest's ring, until its time comes. Nothing is dropped and nothing is
 * kept here: a ring that is stopped, reset or migrated has all of it still.
 *
 * The queues of a port, on whatever lcores, take from the same meters (policy_rate.h). A queue that finds too little there is
 * held (lcore_tiers.h) until there will be a worth of it, so that a limit costs few wake-ups and few visits of a frame or two. It
 * is far less than the burst, which is what the meters keep for a queue that comes late. One that has just taken something waits
 * for two: another queue of the port that has frames, too, comes first then. */
#include "container_of.h"
#include "frame_rate.h"
#include "lcore_private.h"

enum { WORTH_PART = 64 /* of the burst */ };

uint16_t lcore_receive_paced(struct lcore_ctx *ctx, struct port_rxq *q, const struct policy *policy)
{
	const struct frame_limits *limits = &policy->rates.from;
	struct port_rxq_pace *pace = &q->pace;
	struct frame_allowance allowance = {
		.meters = &policy->meters->from,
		.limits = limits,
		.now_ns = lcore_ctx_ns(ctx),
		.worth_ns = limits->burst_ns / WORTH_PART * (pace->took ? 2 : 1),
	};
	uint64_t now, until = pace->until;
	uint16_t n;

	ctx->allowance = &allowance;
	n = q->port->ops->receive(q, ctx);
	ctx->allowance = NULL;
	pace->until = 0;
	if (allowance.wait_ns == 0 && pace->since == 0) {
		pace->took |= n > 0;
		return n;
	}
	now = rte_rdtsc();
	if (allowance.wait_ns > 0) {
		/* Its time has come, and another queue was first. */
		if (until != 0 && now >= until)
			pace->took = false;
		pace->until = now + allowance.wait_ns * lcores.us / 1000 + 1;
		if (pace->since == 0)
			pace->since = now;
		return 0;
	}
	if (pace->since != 0)
		count(&q->waited, now - pace->since);
	if (n > 0 && pace->since != 0)
		container_of(ctx, struct lcore, ctx)->rest.foreseen++;
	pace->since = 0;
	if (n > 0)
		pace->took = true;
	return n;
}
