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
 * How many frames a visit takes at most follows how many queues are busy: the more frames, the more lines of theirs are on
 * their way side by side, and the longer everybody else waits. The quantum is what so many short frames cost.
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
	/* A copy of a frame that is flooded: as a rule its receiver's lines are in no cache of ours. */
	SHARE_COPY = 2,
	/* So many ports that a flood may not leave by (they are in other VLANs, or isolated) are passed over for as much as a
	 * short frame costs. */
	SHARE_PASSED = 8,
	/* So many bytes are copied for as much. */
	SHARE_BYTES = 512,
	/* Further pieces of frames, in guest memory, for as much. */
	SHARE_PIECES = 4,
	/* An address that the queue did not remember is looked up, or reported to control. */
	SHARE_ADDRESS = 2,
	/* A piece that a frame is cut into, or a checksum that is computed, beside its bytes. */
	SHARE_FINISH = 4,
	/* Instructions of filters are run for as much. */
	SHARE_STEPS = 16,
	/* What a visit may cost before a flood is left at the receiver that it has come to, for the next visit: two receivers of
	 * a burst, so that finding the place again is little beside them. */
	SHARE_VISIT = 2 * (BURST_SHARED + SHARE_DELIVERY + BURST_SHARED * 64 / SHARE_BYTES),
	/* No visit is counted as more, so that what is owed stays far below 2^32. */
	SHARE_COST_MAX = 1 << 24,
};

/* Of `frames` copies of frames with so many bytes in all, in so many deliveries. */
static inline uint32_t share_cost(uint32_t frames, uint32_t deliveries, uint64_t bytes)
{
	return frames + deliveries * SHARE_DELIVERY + (uint32_t)(bytes / SHARE_BYTES);
}

/* What a queue may have done in a round: a burst of so many frames of 64 bytes for one receiver. */
static inline uint32_t share_quantum(uint32_t frames)
{
	return share_cost(frames, 1, frames * 64);
}

/* An lcore's part in it. */
struct share_round {
	uint32_t frames;  /* a visit takes at most */
	uint32_t quantum; /* of so many */
	uint32_t pays;	  /* what a queue pays in this round: a quantum at least */
	uint32_t least;	  /* owed by a queue that was passed over in this round, at least; 0: none was */
};

/* A round in which a visit takes so many frames at most. */
static inline void share_begin(struct share_round *round, uint32_t frames)
{
	round->frames = frames;
	round->quantum = round->pays = share_quantum(frames);
	round->least = 0;
}

/* What a queue owes after a visit that cost so much, of which nothing is left if all was within the round's quantum. */
static inline uint32_t share_visited(const struct share_round *round, uint32_t owed, uint32_t cost)
{
	if (owed == 0 && cost <= round->quantum)
		return 0;
	return owed + (cost < SHARE_COST_MAX ? cost : SHARE_COST_MAX);
}

/* What it owes in the next round. */
static inline uint32_t share_paid(const struct share_round *round, uint32_t owed)
{
	return owed > round->pays ? owed - round->pays : 0;
}

/* Whether it may be visited. */
static inline bool share_may(const struct share_round *round, uint32_t owed)
{
	return owed < round->quantum;
}

/* A queue that owes something has its turn: whether it is visited. */
static inline bool share_turn(struct share_round *round, uint32_t *owed)
{
	*owed = share_paid(round, *owed);
	if (share_may(round, *owed))
		return true;
	if (round->least == 0 || *owed < round->least)
		round->least = *owed;
	return false;
}

/* After a round in which so many queues moved frames, with so many that are busy. */
static inline void share_next(struct share_round *round, uint32_t movers, uint32_t busy)
{
	uint32_t least = round->least;

	share_begin(round, busy > BURST_SHARED_ABOVE ? BURST_SHARED : BURST_MAX);
	if (movers == 0 && least > round->pays)
		round->pays = least;
	else if (movers == 1 && least == 0)
		round->pays = UINT32_MAX;
}

#endif
