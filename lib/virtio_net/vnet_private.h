/* SPDX-License-Identifier: BSD-3-Clause */
/* vnet_private.h: what the two directions of a virtio-net device share; lib/virtio_net only.
 *
 * Context: lcores.
 */
#ifndef VUS_VNET_PRIVATE_H
#define VUS_VNET_PRIVATE_H

#include <stdbool.h>

#include "mem_note.h"
#include "virtq_packed.h"
#include "virtq_split.h"
#include "frame_offload.h"
#include "vnet.h"

/* Finds the place in a ring that was started: false if that broke it. `counters` for a from_guest queue. */
bool vnet_begin(struct virtq *q, const struct virtq_view *view, struct port_counters *counters)
	RUNS_ON(lcore_thread);

/* Loads the geometry and the map for this burst; false if the queue is not to be touched. `counters` for a from_guest
 * queue, to_guest: NULL. */
static inline __attribute__((always_inline)) bool vnet_view_open(struct virtq *q,
	struct virtq_view *view, struct port_counters *counters) RUNS_ON(lcore_thread)
{
	mem_fetch_begin(counters != NULL ? MEM_FETCH_FROM_GUEST : MEM_FETCH_TO_GUEST);
	view->conf = rcu_get(&q->conf);
	if (view->conf == NULL || virtq_fault(q) != VIRTQ_OK)
		return false;
	view->map = rcu_get(&q->memory->map);
	if (view->map == NULL)
		return false;
	view->log = rcu_get(&q->memory->log);
	mem_note_open(counters != NULL ? MEM_NOTE_FROM : MEM_NOTE_TO, view->conf); /* X3 */
	view->dp = &q->dp;
	return __builtin_expect(!view->dp->fresh, 1) || vnet_begin(q, view, counters);
}

/* The guest wrote what no driver writes: the ring is not touched any more. */
void vnet_break(struct virtq *q, int fault);
void vnet_interrupt(struct virtq *q, const struct virtq_view *view);

#endif
