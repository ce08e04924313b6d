/* SPDX-License-Identifier: BSD-3-Clause */
/* vnet_aside.h: a burst of a guest's transmit queue that is in hand longer than a visit, because its lcore goes on with other
 * queues in the middle of a flood.
 *
 * Nothing is received from the queue meanwhile. The heads lie in the burst; the chains stand in the ring's record as any burst
 * in hand does, so that the process after this one gives them back and does not deliver them again. The bodies lie in the guest's
 * memory, at addresses that are only used again once the map that is in force by then has them. A ring that is withdrawn is
 * drained first: control sees `referenced` (virtq.h).
 *
 * Context: the lcore that polls the queue.
 */
#ifndef VUS_VNET_ASIDE_H
#define VUS_VNET_ASIDE_H

#include <stdbool.h>

#include "frame.h"
#include "role.h"
#include "virtq.h"

/* What has become of a burst that was set aside. */
enum vnet_aside {
	VNET_ASIDE_THERE,
	VNET_ASIDE_LATER, /* the ring is not published for now */
	VNET_ASIDE_LOST,  /* its memory is gone (its chains are given back), or the ring has begun anew or is broken */
};

/* The chains of the last burst stay in hand; without a complete(). False: control drains the ring, and the burst is to be
 * completed at once. */
bool vnet_set_aside(struct virtq *q) RUNS_ON(lcore_thread);
/* The burst is about to be gone on with; complete() follows, or vnet_set_aside(), unless it is lost. */
enum vnet_aside vnet_take_up(struct virtq *q, struct burst *burst) RUNS_ON(lcore_thread);
/* Its chains have been given back. */
void vnet_aside_over(struct virtq *q) RUNS_ON(lcore_thread);

#endif
