/* SPDX-License-Identifier: BSD-3-Clause */
/* share.h: how an lcore shares its time among the receive queues it polls: what a visit of one costs, and how long a queue is
 * passed over after a visit that cost much.
 *
 * Deficit round robin. In each round of its lcore a queue may have a quantum of work done: a burst of short frames for one
 * receiver. A visit takes what is there, a burst, and may cost more: many receivers, long frames, frames that are cut up. Then
 * the queue owes the rest, pays a quantum in each round, and is not visited before it owes less than one. A queue without
 * frames, or with few, has nothing owed and nothing to its credit. While no other queue of the lcore has frames, nobody is made
 * to wait: a round in which one queue alone moved frames, and none was passed over, pays for all of it; one in which nothing was
 * moved pays what the least indebted queue owes.
 *
 * Work is what the switch did, never how long it took: a receiver that is slow to read or write would be billed to those that
 * send to it.
 *
 * Context: the lcore that polls the queue; the arithmetic is pure.
 * Units: of work: a short frame that is copied to one receiver is 1.
 */
#ifndef VUS_SHARE_H
#define VUS_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "vus_limits.h"

enum {
	/* A burst for one receiver, beside its frames: its turn, its ring, the interrupt. */
	SHARE_DELIVERY = 4,
	/* So many bytes are copied for as much as a short frame costs. */
	SHARE_BYTES = 512,
	/* Further pieces of frames, in guest memory, for as much. */
	SHARE_PIECES = 4,
	/* An address that the queue did not remember is looked up, or reported to control. */
	SHARE_ADDRESS = 2,
	/* A piece that a frame is cut into, or a checksum that is computed, beside its bytes. */
	SHARE_FINISH = 4,
	/* What a queue may have done in a round: a burst of frames of 64 bytes for one receiver. */
	SHARE_QUANTUM = BURST_MAX + SHARE_DELIVERY + BURST_MAX * 64 / SHARE_BYTES,
	/* What a visit may cost before a flood is left at the receiver that it has come to, for the next visit: some receivers of
	 * a whole burst, so that finding the place again is little beside them. */
	SHARE_VISIT = 4 * SHARE_QUANTUM,
	/* No visit is counted as more, so that what is owed stays far below 2^32. */
	SHARE_COST_MAX = 1 << 24,
};

/* Of `frames` copies of frames with so many bytes in all, in so many deliveries. */
static inline uint32_t share_cost(uint32_t frames, uint32_t deliveries, uint64_t bytes)
{
	return frames + deliveries * SHARE_DELIVERY + (uint32_t)(bytes / SHARE_BYTES);
}

/* What a queue owes after a visit that cost so much, of which nothing is left if all was within the round's quantum. */
static inline uint32_t share_visited(uint32_t owed, uint32_t cost)
{
	if (owed == 0 && cost <= SHARE_QUANTUM)
		return 0;
	return owed + (cost < SHARE_COST_MAX ? cost : SHARE_COST_MAX);
}

/* What it owes in the next round, which pays so much: at least a quantum. */
static inline uint32_t share_paid(uint32_t owed, uint32_t pays)
{
	return owed > pays ? owed - pays : 0;
}

/* Whether it may be visited. */
static inline bool share_may(uint32_t owed)
{
	return owed < SHARE_QUANTUM;
}

/* An lcore's part in it. */
struct share_round {
	uint32_t pays;	/* what a queue pays in this round */
	uint32_t least; /* owed by a queue that was passed over in this round, at least; 0: none was */
};

/* A queue that owes something has its turn: whether it is visited. */
static inline bool share_turn(struct share_round *round, uint32_t *owed)
{
	*owed = share_paid(*owed, round->pays);
	if (share_may(*owed))
		return true;
	if (round->least == 0 || *owed < round->least)
		round->least = *owed;
	return false;
}

/* After a round in which so many queues moved frames. */
static inline void share_next(struct share_round *round, uint32_t movers)
{
	round->pays = SHARE_QUANTUM;
	if (movers == 0 && round->least > SHARE_QUANTUM)
		round->pays = round->least;
	else if (movers == 1 && round->least == 0)
		round->pays = UINT32_MAX;
	round->least = 0;
}

#endif
