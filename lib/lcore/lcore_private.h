/* SPDX-License-Identifier: BSD-3-Clause */
/* lcore_private.h: an lcore from inside; lib/lcore only.
 *
 * Context: as each field and function says (OWNED_BY, RUNS_ON).
 */
#ifndef VUS_LCORE_PRIVATE_H
#define VUS_LCORE_PRIVATE_H

#include "doorbell.h"
#include "lcore.h"
#include "lines.h"
#include "slot_ring.h"

struct lcore {
	/* Control publishes, the lcore reads. */
	_Alignas(64) RCU_PTR(const struct poll_set) set;
	struct rcu_scope scope;			/* control's: of what only this lcore reads, its poll set */
	struct doorbell bell;			/* wakes the lcore */
	int epoll_fd;				/* what it sleeps on; control adds and removes descriptors */
	unsigned int id;			/* EAL's number */
	/* The lcore's own. */
	_Alignas(64) struct lcore_ctx ctx OWNED_BY(lcore_thread);
	uint64_t reset_seen OWNED_BY(lcore_thread);
	uint32_t generation_seen OWNED_BY(lcore_thread); /* of the poll set */
	_Alignas(64) struct lcore_counters counters;
	struct slot_ring injects; /* control fills, the lcore sends; groups of its own */
};
BEGINS_A_LINE(struct lcore, ctx);
BEGINS_A_LINE(struct lcore, counters);
BEGINS_A_LINE(struct lcore, injects);
WHOLE_LINES(struct lcore);

/* What all lcores share: written by control before they start, or rarely. */
struct lcores {
	struct lcore *lcore; /* [n] */
	unsigned int n;
	bool busy_poll;
	uint64_t hz;	    /* TSC ticks a second */
	uint64_t idle_limit; /* ticks without a frame after which an lcore sleeps */
	uint64_t measured;   /* TSC when load was measured last; 0: never. Control's */
	_Atomic bool stop;
	_Atomic uint16_t epoch;
};
extern struct lcores lcores;

/* Tells every queue of the set that it is polled. */
void lcore_disarm(const struct poll_set *set) RUNS_ON(lcore_thread);
/* Arms the queues, looks once more, and waits in the kernel until there may be work. */
void lcore_sleep(struct lcore *lc) RUNS_ON(lcore_thread);

/* lcore_inject.c. Sends some of what control has for this lcore. */
int lcore_injects_init(struct lcore *lc);
void lcore_injects_fini(struct lcore *lc);
void lcore_send_injects(struct lcore *lc) RUNS_ON(lcore_thread);

#endif
