/* SPDX-License-Identifier: BSD-3-Clause */
/* lcore_tiers.h: which of its queues an lcore looks at, and how often: what is idle costs nothing.
 *
 * A queue is in one of four tiers.
 * - Hot: received from in each round. A queue that joins is hot.
 * - Warm: nothing came for TIER_HOT_US. Only the word that changes with its next frame (port_ops.watch) is looked at: those
 *   of all warm queues stand in one array, and some are read in each round that has nothing else to do, and for at most a
 *   fifth of the time of a busy lcore.
 * - Held: it has frames that its port may not send yet (lcore_pace.c). Nothing of it is looked at before their time comes, and it
 *   is not armed, since a kick would say nothing new.
 * - Cold: nothing came for TIER_WARM_US, or the lcore is about to sleep. The queue is armed, so its driver kicks, and
 *   nothing of it is looked at. A queue without a kick does not become cold; one without a word becomes so from hot,
 *   after TIER_SILENT_US.
 *
 * The way back. A kick of a cold queue is an event of the lcore's epoll set. The lcore that sleeps takes it itself; for one
 * that is awake the bell does (lcore_bell.h). Either sets the bit of the queue's place, and the lcore receives from it in
 * its next round. If that brings frames, the queue is hot, and its driver need not kick. If not, it is armed again and stays
 * cold: who rings for nothing gains nothing.
 *
 * Nothing is lost (A7): arm() stores the wish for a kick, then a full fence, then looks at the ring again; the driver stores
 * what it has made available, then a full fence, then looks at the wish. One of the two sees the other's store. From then on
 * an edge of the kick descriptor stands for the frames until an epoll_wait() has taken it, then the bit does, and whoever clears
 * the bit looks at the ring. A descriptor that was written before it got into the set counts as an edge.
 *
 * Places (A8). A queue has a place with its lcore while it is in the poll set; bits and events name the place and the number
 * under which it joined, never the queue. What is left over from a queue that has moved or gone hits an empty place, or another
 * queue, which is looked at once more than needed. The word of a warm queue is a pointer into guest memory that stays
 * valid while the queue is in the poll set, as its ring and its memory do: control takes the queue out before it
 * withdraws the ring, and waits for the lcore before it unmaps. Where there is no memory for a smaller poll set, it says so by
 * port_rxq.withdrawn, and has all words given up.
 *
 * Context: the lcore, but for what is marked.
 * Units: TSC ticks, unless a name says otherwise.
 */
#ifndef VUS_LCORE_TIERS_H
#define VUS_LCORE_TIERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "port_rxq.h"
#include "role.h"

struct lcore;
struct poll_set;

enum {
	/* Queues of one lcore: all of all ports, twice. */
	LCORE_QUEUES_MAX = 32768,
	/* A few rounds of a busy lcore: it is worth looking at the whole queue again. */
	TIER_HOT_US = 10,
	/* A guest that sends 100 frames a second, at any moments, is far from it: it does not kick while its lcore is awake. */
	TIER_WARM_US = 50000,
	/* A broken ring is reported for as long (vhost_rings.c). */
	TIER_SILENT_US = 2000000,
	/* Words of warm queues that are looked at in a round, so that hot ones do not wait for long. */
	TIER_SCAN_WORDS = 64,
	/* Between two rounds of a busy lcore that look at some, at least. */
	TIER_SCAN_US = 4,
	/* A look at so few takes less time than it takes to measure it. */
	TIER_SCAN_FEW = 8,
	/* And for each tick of a look, so many without. */
	TIER_SCAN_PART = 4,
};

enum lcore_tier { TIER_NONE, TIER_HOT, TIER_WARM, TIER_HELD, TIER_COLD };

/* What was rung. Written by the bell, the lcore clears what it answers. */
struct lcore_rung {
	_Atomic bool any; /* a bit may be set */
	_Atomic uint32_t given_up; /* control: one more each time a queue could not be taken out */
	_Alignas(64) _Atomic uint64_t word[LCORE_QUEUES_MAX / 4096]; /* a bit for each of: */
	_Alignas(64) _Atomic uint64_t place[LCORE_QUEUES_MAX / 64];
};

struct lcore_hot {
	struct port_rxq *q;
	uint64_t moved;	  /* when frames came last */
	uint64_t cool_at; /* when to see whether it can be less than hot */
	uint16_t slot;
	bool armed; /* for a sleep */
};

struct lcore_warm {
	struct port_word word;
	uint16_t slot;
};

struct lcore_held {
	uint64_t until;
	uint16_t slot;
};

/* A place. */
struct lcore_place {
	struct port_rxq *q;
	uint64_t moved;	  /* warm: when frames came last */
	uint32_t joined;  /* the queue's; 0: none */
	uint32_t seen;	  /* the last poll set that had it */
	uint16_t at;	  /* hot, warm, held: where in the array */
	uint8_t tier;	  /* enum lcore_tier */
};

struct lcore_tiers {
	struct lcore_hot *hot;	 /* [LCORE_QUEUES_MAX], all four; the system gives memory for what is used */
	struct lcore_warm *warm;
	struct lcore_held *held; /* a heap: lcore_held.h */
	struct lcore_place *place;
	uint32_t hot_n, warm_n, held_n, cold_n;
	uint64_t held_until;	 /* the first of those that are held; UINT64_MAX: none is */
	uint32_t slots;		 /* places above are empty */
	uint32_t generation;	 /* of the poll set that they are of */
	uint32_t given_up;	 /* as last seen in lcore_rung */
	uint32_t turn;		 /* of warm queues, to see whether they can be cold */
	uint32_t scanned;	 /* warm queues whose words have been looked at, in this turn of all of them: the first ones */
	uint64_t scan_at;	 /* when a busy lcore looks at some again */
};

int lcore_tiers_init(struct lcore_tiers *tiers);
void lcore_tiers_fini(struct lcore_tiers *tiers);

/* The poll set is another one: what left it is forgotten, what joined is hot and not armed. `at`: now, as everywhere here. */
void lcore_take_set(struct lcore *lc, const struct poll_set *set, uint64_t at) RUNS_ON(lcore_thread);
/* Every word is given up: what was warm is hot. */
void lcore_give_up_words(struct lcore *lc, uint64_t at) RUNS_ON(lcore_thread);

/* The i-th hot queue is silent: it becomes warm or cold if it can. True: another one is i-th now. */
bool lcore_cool(struct lcore *lc, uint32_t i, uint64_t at) RUNS_ON(lcore_thread);
/* What was held up to now is hot. */
void lcore_let_go(struct lcore *lc, uint64_t at) RUNS_ON(lcore_thread);
/* Looks at some of the words, and receives from those that changed: frames moved. */
uint32_t lcore_scan(struct lcore *lc, uint64_t *at) RUNS_ON(lcore_thread);
/* Receives from what was rung: frames moved. */
uint32_t lcore_answer(struct lcore *lc, uint64_t *at) RUNS_ON(lcore_thread);

/* Before a sleep: all that can be is cold, the rest is armed. False: frames are waiting. */
bool lcore_cool_all(struct lcore *lc, bool *all_wake) RUNS_ON(lcore_thread);
/* After it: what is polled is not armed. */
void lcore_warm_up(struct lcore *lc) RUNS_ON(lcore_thread);

#endif
