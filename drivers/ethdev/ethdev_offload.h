/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_offload.h: checksums and segmentation, as far as a device does them.
 *
 * Out: a frame that needs what the device can do is copied into an mbuf like any other, and the mbuf says what is to be
 * done; anything else is finished before. In: what the device says of a frame's checksum.
 *
 * Context: control plans, lcores do the rest.
 */
#ifndef VUS_ETHDEV_OFFLOAD_H
#define VUS_ETHDEV_OFFLOAD_H

#include "ethdev_queues.h"
#include "frame_finish.h"

struct rte_eth_conf;
struct rte_eth_dev_info;

/* Adds to the device's configuration all that it can do for us and returns what that is, as a set of FRAME_CSUM | ...
 * `virtio`: the device passes frames on as they are, with IPv4 headers that are right already. */
uint32_t ethdev_offload_plan(const struct rte_eth_dev_info *info, bool virtio,
			     struct rte_eth_conf *conf);

/* What the device takes. */
struct frame_capabilities ethdev_capabilities(const struct ethdev *dev);

/* As ethdev_deliver(), or, with `inserts`, ethdev_insert(), for a burst in which a frame needs an offload. */
void ethdev_deliver_offloads(struct ethdev *dev, struct port *port, struct lcore_ctx *ctx,
			     struct frame *const *frames, uint16_t n, bool inserts);

/* Tells a copy of the frame, which the device takes, what is asked of the device. */
void ethdev_offload_request(const struct ethdev *dev, const struct frame *frame, struct rte_mbuf *mbuf);
/* Has the driver look over a burst in which one asks: those that it refuses are freed and counted, and `frame` goes along.
 * How many are left. */
uint16_t ethdev_offload_prepare(const struct ethdev *dev, struct port *port, struct lcore_ctx *ctx,
				struct rte_mbuf **mbuf, struct frame **frame, uint16_t n);

/* The device has not computed the checksum of a frame whose payload is right. */
void ethdev_offload_receive(struct frame *frame);

#endif
