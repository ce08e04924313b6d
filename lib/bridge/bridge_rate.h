/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge_rate.h: what exceeds a limit is dropped: of frames to a port, and of those that are flooded from one (storms);
 * lib/bridge only. What comes from a VM waits instead (lib/lcore/lcore_pace.c).
 *
 * Context: an lcore, between two quiescent states.
 */
#ifndef VUS_BRIDGE_RATE_H
#define VUS_BRIDGE_RATE_H

#include "bridge_ingress.h"

/* Of n frames that leave by the port, which has this policy with POLICY_RATE_TO, the first that may; counts the others.
 * Returns: how many. */
uint16_t bridge_rate_to(struct lcore_ctx *ctx, struct port *port, const struct policy *policy, struct frame *const *frames,
			uint16_t n) RUNS_ON(lcore_thread);

/* What kind of a flood a frame is, by its destination.
 * Context: any thread. */
enum port_storm bridge_storm_of(const struct frame *frame);

/* Whether a frame from a port, which has this policy with POLICY_STORM, may be flooded.
 * Returns: VERDICT_PASS; or why not, not counted yet. */
verdict_t bridge_storm(struct lcore_ctx *ctx, const struct policy *policy, const struct frame *frame)
	RUNS_ON(lcore_thread);

#endif
