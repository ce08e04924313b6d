/* SPDX-License-Identifier: BSD-3-Clause */
/* policy_rate.h: what configuration says of how much may come from a port, go to it, and be flooded from it; and how much of
 * that has been taken.
 *
 * Limits and their meters change together: a policy with other limits has meters of its own, which begin with what the ones
 * before have. An lcore that still has the policy before takes from those; what it takes after they were looked at and before the
 * new policy is there counts, too. They go on when another part of the policy changes.
 *
 * Context: control makes and frees meters; lcores take from them. Ownership: of the port (port.policy_part). One piece of
 * memory, so that free() frees all of it.
 */
#ifndef VUS_POLICY_RATE_H
#define VUS_POLICY_RATE_H

#include "frame_rate.h"
#include "lines.h"
#include "port.h"

/* All zero: no limits. */
struct policy_rates {
	struct frame_limits from; /* what exceeds it waits with the sender (lcore_pace.c) */
	struct frame_limits to;	  /* what exceeds it is dropped */
	struct rate_limit storm[PORT_STORMS]; /* in packets; what exceeds it is dropped */
};

/* What meters had when others took their place. */
struct policy_meters_seen {
	uint64_t ns;
	struct frame_meters from, to;
	struct rate_meter storm[PORT_STORMS];
};

/* Any lcore writes that polls the port, delivers to it, floods from it. */
struct policy_meters {
	_Alignas(LINE_BYTES) struct frame_meters from;
	_Alignas(LINE_BYTES) struct frame_meters to;
	_Alignas(LINE_BYTES) struct rate_meter storm[PORT_STORMS];
	_Alignas(LINE_BYTES) struct policy_meters_seen before; /* control's: of the ones that these go on from */
};
BEGINS_A_LINE(struct policy_meters, from);
BEGINS_A_LINE(struct policy_meters, to);
BEGINS_A_LINE(struct policy_meters, storm);
BEGINS_A_LINE(struct policy_meters, before);
WHOLE_LINES(struct policy_meters);

bool policy_rates_are_same(const struct policy_rates *a, const struct policy_rates *b);
/* New meters that go on from those of the limits before; `from` and `was` may be NULL: there were none.
 * Returns: NULL: no memory. */
struct policy_meters *policy_meters_create(const struct policy_rates *rates, const struct policy_meters *from,
					   const struct policy_rates *was);
/* They have been published: what was taken meanwhile of those that they go on from counts.
 * Context: control, before the ones before are given up. */
void policy_meters_settle(struct policy_meters *meters, const struct policy_rates *rates, const struct policy_meters *from,
			  const struct policy_rates *was);

#endif
