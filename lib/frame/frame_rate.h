/* SPDX-License-Identifier: BSD-3-Clause */
/* frame_rate.h: how much of a rate a frame takes, and a limit of bits and packets a second for frames.
 *
 * A frame takes what it would on an Ethernet wire: its bytes, 60 at least, and FRAME_WIRE_MORE for preamble, FCS and the gap
 * behind it. One that is to be cut up takes what its pieces do, each with the headers.
 *
 * Context: any thread; what several lcores share is a meter (rate_meter.h).
 * Units: bits and packets.
 */
#ifndef VUS_FRAME_RATE_H
#define VUS_FRAME_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"
#include "rate_meter.h"

/* IEEE 802.3-2018, 4.2.3.2.2 and 4.4.2: preamble and start (8), FCS (4), interpacket gap (12); the shortest frame without FCS. */
enum { FRAME_WIRE_MORE = 8 + 4 + 12, FRAME_WIRE_LEAST = 60 };

/* All zero: no limit. */
struct frame_limits {
	struct rate_limit bits, packets;
	uint64_t burst_ns;
};

struct frame_meters {
	struct rate_meter bits, packets;
};

/* What a receive() may take: no more than there is of a limit, and nothing while there is less than `worth_ns` of it. */
struct frame_allowance {
	struct frame_meters *meters;
	const struct frame_limits *limits;
	uint64_t worth_ns;
	uint64_t now_ns;  /* the time */
	uint64_t wait_ns; /* frames wait, for so long: what receive() found. 0: none does */
};

/* Of a checked frame: how many packets, and bits, there will be on a wire. */
uint32_t frame_wire_packets(const struct frame *frame);
uint32_t frame_wire_bits(const struct frame *frame);

/* `bits` and `packets` a second, 0: no limit. */
void frame_limits_set(struct frame_limits *limits, uint64_t bits, uint64_t packets, uint64_t burst_ns);
static inline bool frame_limits_are_set(const struct frame_limits *limits)
{
	return rate_limit_is_set(&limits->bits) || rate_limit_is_set(&limits->packets);
}

/* As rate_meter_copy(), rate_meter_carry() and rate_meter_carry_since(), of both. */
void frame_meters_copy(struct frame_meters *copy, const struct frame_meters *meters);
void frame_meters_carry(struct frame_meters *meters, const struct frame_limits *limits, const struct frame_meters *from,
			const struct frame_limits *was, uint64_t now_ns);
void frame_meters_carry_since(struct frame_meters *meters, const struct frame_limits *limits, const struct frame_meters *from,
			      const struct frame_limits *was, const struct frame_meters *seen, uint64_t seen_ns, uint64_t now_ns);

/* Takes the first of n frames (BURST_MAX at most), as many as the limits allow now.
 * Returns: how many. */
uint16_t frame_limits_take(const struct frame_limits *limits, struct frame_meters *meters, uint64_t now_ns,
			   struct frame *const *frames, uint16_t n);

/* How many of n frames, which are waiting, it is worth looking at: no more of the shortest ones may be received. */
uint16_t frame_allowance_begin(struct frame_allowance *allowance, uint16_t n);
/* Takes for the first of n frames that lie side by side: how many. */
uint16_t frame_allowance_take(struct frame_allowance *allowance, struct frame *frames, uint16_t n);

#endif
