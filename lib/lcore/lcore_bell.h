/* SPDX-License-Identifier: BSD-3-Clause */
/* lcore_bell.h: the bell thread: it waits for the kicks of cold queues on behalf of lcores that are awake.
 *
 * Each lcore has an epoll set of its queues' descriptors, edge-triggered, which it waits for itself while it sleeps: a
 * kick wakes it without another thread's help. The set is in the bell's own, switched on once its lcore is awake for
 * longer than a moment, and off before it sleeps. For a kick the bell sets the bit of the queue's place (lcore_tiers.h),
 * which its lcore sees in its next round. An lcore that is awake makes no system call for it, not even when the bell has no
 * CPU: epoll_wait() takes the lock of a set that has something to tell, and whoever adds a descriptor to the set holds it for as
 * long as a front end keeps that descriptor's own (X5). The bell may be held like that, and an lcore with traffic may not.
 *
 * The bell reads no queue and no descriptor. It takes what a peer rings at any rate as at most one visit of its queue
 * every BELL_REST_US: one that rings without end costs the bell a few percent of a CPU, and its lcore a look at an empty
 * ring each time.
 *
 * Context: as each function says; the thread itself is neither control nor an lcore, and blocks all signals.
 */
#ifndef VUS_LCORE_BELL_H
#define VUS_LCORE_BELL_H

#include <stdbool.h>
#include <stdint.h>

#include "role.h"

struct lcore;

/* What an event of an lcore's epoll set says: the place of a queue and when it got there, or its doorbell. */
#define BELL_OF_LCORE UINT64_MAX

static inline uint64_t bell_tag(uint16_t slot, uint32_t joined)
{
	return (uint64_t)joined << 16 | slot;
}

/* 0 or -errno. */
int bell_init(void) RUNS_ON(control_thread);
void bell_fini(void) RUNS_ON(control_thread);
/* Before an lcore runs. 0 or -errno. */
int bell_add(struct lcore *lc) RUNS_ON(control_thread);

/* The thread: before the lcores start, and after they have ended. 0 or -errno. */
int bell_start(void) RUNS_ON(control_thread);
void bell_stop(void) RUNS_ON(control_thread);

/* Whether the bell listens for this lcore. What has been rung before it does is heard then. */
void bell_listen(struct lcore *lc, bool on) RUNS_ON(lcore_thread);

/* Sets the bit of a place. The doorbell is the caller's. */
void bell_mark(struct lcore *lc, uint16_t slot);

#endif
