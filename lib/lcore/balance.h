/* SPDX-License-Identifier: BSD-3-Clause */
/* balance.h: which queue should move to which lcore, from what each queue costs: numbers in, moves out.
 *
 * A queue's load is the share of an lcore's time that its bursts took; an lcore's load is the sum of its queues'. An lcore needs
 * relief if it has BALANCE_BUSY to do and a tenth more than the mean of all lcores (BALANCE_GAIN at least): then the queue
 * moves to the lcore with least to do that leaves the busier of the two with least; of several that bring both below the mean,
 * the lightest. No lcore becomes as busy as that one was, so the way back is never worth it as long as loads stay as they
 * are, and there is an end. What brings less than that tenth, all light queues together, stays: one queue that fills an lcore
 * alone moves nowhere, and what shares the lcore with it moves if it is worth it.
 *
 * On a machine with several NUMA nodes (place.h) a queue that is polled from another node than that of its memory takes longer,
 * and counts with what it would take where it goes. It leaves its node only if no lcore there has room for it, which would have
 * less than BALANCE_ROOM to do then, or less than a tenth more than the mean; and it goes back when one has, if all such
 * queues of an lcore together take BALANCE_HOME at least.
 *
 * Loads do not stay as they are. A queue counts with what it took over BALANCE_LASTING intervals, so that the bursts of
 * hundreds of light queues move nothing; one that takes BALANCE_SUDDEN more or less of an lcore than it did counts with what
 * it takes now. Something has to be gained in BALANCE_PATIENCE intervals in a row before anything moves; then up to
 * BALANCE_MOVES queues do, and stay: BALANCE_BACKOFF intervals, twice as long each time one has moved again soon after, up to
 * BALANCE_BACKOFF_MAX. A load that swings faster than that moves nothing any more.
 *
 * Context: any thread, on data of its own.
 * Units: an interval is a second (switch_balance.c); loads are in millionths of an lcore's time.
 */
#ifndef VUS_BALANCE_H
#define VUS_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "place.h"
#include "port_rxq.h"

enum {
	BALANCE_WHOLE = 1000000, /* an lcore that does nothing else */
	BALANCE_PERCENT = BALANCE_WHOLE / 100,
	BALANCE_BUSY = 25 * BALANCE_PERCENT, /* an lcore with less to do needs no relief */
	BALANCE_GAIN = BALANCE_BUSY / 10,
	BALANCE_ROOM = 60 * BALANCE_PERCENT,
	BALANCE_HOME = BALANCE_PERCENT,
	BALANCE_MOVES = 16,   /* at once */
	BALANCE_PATIENCE = 3, /* intervals */
	BALANCE_LASTING = 32, /* intervals */
	BALANCE_SUDDEN = 10 * BALANCE_PERCENT,
	BALANCE_BACKOFF = 10,
	BALANCE_BACKOFF_MAX = 640,
};

/* What a receive queue costs; in port_rxq.balance_priv. */
struct __attribute__((may_alias)) balance_load {
	uint64_t cycles;       /* the queue's counter at the last look */
	uint32_t share;	       /* of an lcore's time, smoothed over a few intervals */
	uint32_t lasting;      /* over BALANCE_LASTING of them */
	uint32_t backoff, stayed; /* intervals: to be left where it is, and since its last move */
};
_Static_assert(sizeof(struct balance_load) <= PORT_RXQ_BALANCE_BYTES, "a queue has room for it");

static inline struct balance_load *balance_load_of(struct port_rxq *q)
{
	return (struct balance_load *)(void *)q->balance_priv;
}

/* What is known of one queue. */
struct balance_queue {
	uint32_t load;
	uint16_t lcore; /* index */
	bool backs_off; /* stays where it is */
	int8_t node;	/* of its memory, or NODE_UNKNOWN */
};

struct balance_move {
	unsigned int queue; /* index */
	uint16_t from, to;
	uint32_t load;		/* the queue's */
	uint32_t before, after; /* load of `from`, and of the busier of the two afterwards */
	bool home;		/* to the node of its memory */
};

/* The move that brings most, if one is worth it. */
bool balance_find(const struct balance_queue *queues, unsigned int n, const struct place *place,
		  struct balance_move *move);
/* The same, and `queues` says afterwards what would be if loads stay as they are: called again it finds the next move. */
bool balance_foresee(struct balance_queue *queues, unsigned int n, const struct place *place,
		     struct balance_move *move);

/* What to count a queue with. */
uint32_t balance_weight(const struct balance_load *load);
/* Once an interval, of `whole` TSC cycles: the queue's counter of busy cycles stands at `cycles`. */
void balance_measure(struct balance_load *load, uint64_t cycles, uint64_t whole);
bool balance_backs_off(const struct balance_load *load);
void balance_moved(struct balance_load *load);

#endif
