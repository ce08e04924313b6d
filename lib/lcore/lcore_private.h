/* SPDX-License-Identifier: BSD-3-Clause */
/* lcore_private.h: an lcore from inside; lib/lcore only.
 *
 * Context: as each field and function says (OWNED_BY, RUNS_ON).
 */
#ifndef VUS_LCORE_PRIVATE_H
#define VUS_LCORE_PRIVATE_H

#include <rte_cycles.h>

#include "doorbell.h"
#include "lcore.h"
#include "lcore_tiers.h"
#include "lcore_visit.h"
#include "lines.h"
#include "slot_ring.h"

/* What an lcore knows of how traffic has come lately, and of its own sleep. */
struct lcore_rest {
	uint32_t soon, later; /* of the last gaps, how many were over within VIGIL_SOON_US, VIGIL_LATER_US; VIGIL_ALL: all */
	uint64_t woke;	      /* TSC when it woke up last */
	uint64_t sleep_at;    /* not before: it has just found out that it could not */
	uint64_t kicked;      /* TSC when a kick woke it up, and it has moved no frame since; 0: it has */
	uint32_t foreseen;    /* visits of this round whose frames had waited for their time (lcore_pace.c) */
	bool bell_on;	      /* the bell listens for it */
};
enum { VIGIL_ALL = 4096 };

struct lcore {
	/* Control publishes, the lcore reads. */
	_Alignas(64) RCU_PTR(const struct poll_set) set;
	struct rcu_scope scope;			/* control's: of what only this lcore reads, its poll set */
	struct doorbell bell;			/* wakes the lcore */
	int epoll_fd;				/* what its queues ring; control adds and removes descriptors */
	unsigned int id;			/* EAL's number */
	/* Control's. */
	uint32_t joined;			/* the last number that was given to a queue that joined */
	uint64_t places[LCORE_QUEUES_MAX / 64]; /* that are taken, a bit each */
	/* Control's and the bell thread's for the lcore. */
	_Alignas(64) struct lcore_rung rung;
	/* The lcore's own. */
	_Alignas(64) struct lcore_ctx ctx OWNED_BY(lcore_thread);
	struct lcore_tiers tiers OWNED_BY(lcore_thread);
	struct lcore_rest rest OWNED_BY(lcore_thread);
	uint64_t reset_seen OWNED_BY(lcore_thread);
	_Alignas(64) struct lcore_counters counters;
	struct slot_ring injects; /* control fills, the lcore sends; groups of its own */
};
BEGINS_A_LINE(struct lcore, rung);
BEGINS_A_LINE(struct lcore, ctx);
BEGINS_A_LINE(struct lcore, counters);
BEGINS_A_LINE(struct lcore, injects);
WHOLE_LINES(struct lcore);

/* What all lcores share: written by control before they start, or rarely. */
struct lcores {
	struct lcore *lcore; /* [n] */
	unsigned int n;
	bool busy_poll;
	struct place place;  /* control's */
	uint64_t hz;	    /* TSC ticks a second */
	uint64_t us;	     /* ticks of a microsecond */
	uint64_t measured;   /* TSC when load was measured last; 0: never. Control's */
	_Atomic bool stop;
	_Atomic uint16_t epoch;
};
extern struct lcores lcores;

/* A sleep until a queue that is held has its time costs about a tenth of so long. */
enum { SLEEP_LEAST_US = 50 };

/* lcore_sleep.c. Arms the queues, looks once more, and waits in the kernel until there may be work. Whether it has waited. */
bool lcore_sleep(struct lcore *lc) RUNS_ON(lcore_thread);

/* How long an lcore looks for frames before it sleeps, in microseconds: at least for what a sleep costs; longer, if frames have
 * mostly come so soon lately. */
enum { VIGIL_LEAST_US = 8, VIGIL_SOON_US = 100, VIGIL_LATER_US = 1000, VIGIL_PARTS = 8 };

/* lcore_sleep.c. The first frames since a kick woke it up have been moved, and it is `now`. */
void lcore_has_started(struct lcore *lc, uint64_t now) RUNS_ON(lcore_thread);

/* Whether a round has only moved what was known to be moved then: nobody need look out for more of it, nor learns when frames
 * come. `moves`: what lcore_round_over() says. */
static inline bool lcore_was_foreseen(struct lcore *lc, uint32_t moves) RUNS_ON(lcore_thread)
{
	uint32_t foreseen = lc->rest.foreseen;

	if (__builtin_expect(foreseen == 0, 1))
		return false;
	lc->rest.foreseen = 0;
	return foreseen == moves;
}

/* Learns from a round that moved frames and ended `now`, `gap` ticks after the one before; what any vigil bridges teaches
 * nothing. */
static inline void lcore_note_gap(struct lcore *lc, uint64_t gap, uint64_t now) RUNS_ON(lcore_thread)
{
	struct lcore_rest *rest = &lc->rest;
	uint32_t soon = gap < VIGIL_SOON_US * lcores.us ? VIGIL_ALL : 0;
	uint32_t later = gap < VIGIL_LATER_US * lcores.us ? VIGIL_ALL : 0;

	if (__builtin_expect(gap <= VIGIL_LEAST_US * lcores.us, 1))
		return;
	if (rest->kicked != 0)
		lcore_has_started(lc, now);
	rest->soon = (rest->soon * (VIGIL_PARTS - 1) + soon) / VIGIL_PARTS;
	rest->later = (rest->later * (VIGIL_PARTS - 1) + later) / VIGIL_PARTS;
}

/* In ticks. A vigil of a millisecond costs as much as seventy sleeps, and is kept if seven of eight are not in vain; one of a
 * tenth of that if three of eight are not. */
static inline uint64_t lcore_vigil(const struct lcore_rest *rest)
{
	if (rest->later >= VIGIL_ALL * 7 / 8)
		return VIGIL_LATER_US * lcores.us;
	return (rest->soon >= VIGIL_ALL * 3 / 8 ? VIGIL_SOON_US : VIGIL_LEAST_US) * lcores.us;
}

/* Visits a queue: the number of frames, and 1 if it had something else to do. `at` is when the last thing ended, and then when
 * this did. */
static inline uint16_t lcore_poll(struct lcore *lc, struct port_rxq *q, uint64_t *at) RUNS_ON(lcore_thread)
{
	uint16_t n;
	uint64_t now;

	lc->ctx.at = *at;
	n = lcore_visit(&lc->ctx, q);
	if (lc->ctx.cost == 0)
		return 0;
	count(&lc->counters.frames, n);
	count(&q->frames, n);
	count(&q->bursts, n > 0);
	now = rte_rdtsc();
	count(&q->cycles, now - *at);
	*at = now;
	return n > 0 ? n : 1;
}

/* lcore_inject.c. Sends some of what control has for this lcore. */
int lcore_injects_init(struct lcore *lc);
void lcore_injects_fini(struct lcore *lc);
void lcore_send_injects(struct lcore *lc) RUNS_ON(lcore_thread);

#endif
