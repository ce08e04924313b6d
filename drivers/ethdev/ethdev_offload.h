/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_offload.h: frames that leave something to be done (frame_offload.h), on their way out of an ethdev port. Any lcore. */
#ifndef VUS_ETHDEV_OFFLOAD_H
#define VUS_ETHDEV_OFFLOAD_H

#include "ethdev_queues.h"
#include "frame_finish.h"

/* As ethdev_deliver(), for a burst in which a frame asks for something. */
void ethdev_deliver_asking(struct ethdev *dev, struct port *port, struct lcore_ctx *ctx,
			   struct frame *const *frames, uint16_t n);

#endif
