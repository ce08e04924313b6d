/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge_filter.h: what the filters of a port say to frames; lib/bridge only.
 *
 * A filter sees a frame as it is on the port's wire: from the port as it came, with its tags; to
 * the port as it leaves, with those that it leaves with. Of a frame that is longer than its head it
 * sees the head.
 *
 * Context: an lcore, between two quiescent states.
 */
#ifndef VUS_BRIDGE_FILTER_H
#define VUS_BRIDGE_FILTER_H

#include "bridge_ingress.h"
#include "policy_filter.h"

/* What the port's filter says to a frame that came from it. A frame that it drops is counted for
 * its rule here; one that passes by bridge_filter_passed(), once it is certain that the frame is
 * not looked at again. Returns: VERDICT_PASS; or why it is dropped, not counted yet for the port.
 */
verdict_t bridge_filter_ingress(const struct ingress *in, const struct frame *frame,
				struct filter_outcome *outcome) RUNS_ON(lcore_thread);

static inline void bridge_filter_passed(const struct ingress *in,
					const struct filter_outcome *outcome) RUNS_ON(lcore_thread)
{
	port_filter_count(in->filter, in->ctx->index, outcome);
}

/* Those of n frames (1 to BURST_MAX) that the port's filter lets go there, in order, in `pass`; others are counted as the port's.
 * Returns: how many pass. */
uint16_t bridge_filter_egress(const struct ingress *in, struct port *port, const struct port_filter *filter,
			      struct frame *const *frames, uint16_t n, struct frame **pass) RUNS_ON(lcore_thread);

#endif
