/* SPDX-License-Identifier: BSD-3-Clause */
/* vnet_private.h: what the two directions of a virtio-net device share; lib/virtio_net only. */
#ifndef VUS_VNET_PRIVATE_H
#define VUS_VNET_PRIVATE_H

#include <stdbool.h>

#include "virtq_split.h"
#include "vnet.h"

/* Loads the geometry and the map for this burst; false if the queue is not to be touched. Inline, so that `format` is
 * a constant and nothing is called through it (scripts/lib/check-hotpath). */
static inline __attribute__((always_inline)) bool vnet_view_open(struct virtq *q,
	struct virtq_view *view, const struct virtq_format *format) RUNS_ON(lcore_thread)
{
	view->conf = rcu_get(&q->conf);
	if (view->conf == NULL || virtq_fault(q) != VIRTQ_OK)
		return false;
	view->map = rcu_get(&q->memory->map);
	if (view->map == NULL)
		return false;
	view->log = rcu_get(&q->memory->log);
	view->dp = &q->dp;
	if (__builtin_expect(view->dp->fresh, 0)) {
		/* Where the device that served this ring before us stopped. */
		view->dp->last_used = guest_load16(&view->conf->used->idx);
		view->dp->published = view->dp->last_used;
		view->dp->signalled = view->dp->last_used;
		/* We serve in order, so what is not used was not served. A front end that lost its device may
		 * not know how far that was: DPDK's virtio-user says 0 to whoever comes next. */
		view->dp->last_avail = view->dp->avail_seen = view->dp->last_used;
		view->dp->kicks_wanted = true;
		view->dp->fresh = false;
		format->want_kicks(view, false);
	}
	return true;
}

/* The guest wrote what no driver writes: the ring is not touched any more. */
void vnet_break(struct virtq *q, int fault);
void vnet_interrupt(const struct virtq_view *view);

#endif
