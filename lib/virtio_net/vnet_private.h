/* SPDX-License-Identifier: BSD-3-Clause */
/* vnet_private.h: what the two directions of a virtio-net device share; lib/virtio_net only. */
#ifndef VUS_VNET_PRIVATE_H
#define VUS_VNET_PRIVATE_H

#include <stdbool.h>

#include "virtq_split.h"
#include "vnet.h"

/* Loads the geometry and the map for this burst; false if the queue is not to be touched. */
bool vnet_view_open(struct virtq *q, struct virtq_view *view, const struct virtq_format *format)
	RUNS_ON(lcore_thread);
/* The guest wrote what no driver writes: the ring is not touched any more. */
void vnet_break(struct virtq *q, int fault);
void vnet_interrupt(const struct virtq_view *view);

#endif
