/* SPDX-License-Identifier: BSD-3-Clause */
/* policy_rate.h: what configuration says of how much may come from a port, go to it, and be flooded from it.
 *
 * Context: as policy.h. How much of it has been taken is in the port (port.h): it outlives a change of the policy.
 */
#ifndef VUS_POLICY_RATE_H
#define VUS_POLICY_RATE_H

#include "frame_rate.h"
#include "port.h"

/* All zero: no limits. */
struct policy_rates {
	struct frame_limits from; /* what exceeds it waits with the sender (lcore_pace.c) */
	struct frame_limits to;	  /* what exceeds it is dropped */
	struct rate_limit storm[PORT_STORMS]; /* in packets; what exceeds it is dropped */
};

#endif
