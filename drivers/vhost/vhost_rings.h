/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost_rings.h: the inside of a vhost port, and its data side.
 *
 * Owners: `rxq` belongs to the lcore that polls the queue (port.h); the set of ready to_guest queues is immutable,
 * published by control and read by any lcore that delivers; what else control keeps for itself is marked. vhost_port.c
 * is the control side, vhost_rings.c what lcores do.
 */
#ifndef VUS_VHOST_RINGS_H
#define VUS_VHOST_RINGS_H

#include <stdatomic.h>

#include "port.h"
#include "rcu.h"
#include "vhu_device.h"
#include "virtq.h"
#include "vus_limits.h"

/* The guest's receive queues that take frames now. */
struct vhost_tx_set {
	unsigned int n;
	struct {
		struct virtq *ring;
		unsigned int index; /* of the ring, for reports */
	} queue[];
};

/* A transmit queue of the guest. */
struct vhost_rxq {
	struct port_rxq q; /* first: the switch hands it back to us */
	struct virtq *ring;
	atomic_bool discards; /* the front end has disabled it; control writes while no lcore polls it */
};

struct vhost_port {
	struct port port; /* first */
	RCU_PTR(const struct vhost_tx_set) tx;
	_Atomic uint32_t len_max; /* longest frame the guest takes, bytes; control writes */
	/* When a broken ring was last reported, in seconds (lcore_ctx.epoch): said again each second, because a
	 * report may be lost. Whoever uses the ring writes. */
	_Atomic uint16_t told_epoch[VHOST_RINGS_MAX];
	struct vhost_rxq rxq[VHOST_QUEUE_PAIRS_MAX];

	/* Control's. */
	struct vhu_device *device;
	unsigned int pairs;
	uint32_t tx_ready; /* one bit for each of the guest's receive queues */
	uint16_t mtu;	   /* 0: not said */
	char *socket;
	enum vhu_mode mode;
	bool ending;
	void (*gone)(void *arg);
	void *gone_arg;
};

static inline struct vhost_port *vhost_port_of(struct port *port)
{
	return (struct vhost_port *)(void *)port;
}

/* The data side of port_ops. */
uint16_t vhost_receive(struct port_rxq *q, struct lcore_ctx *ctx);
void vhost_complete(struct port_rxq *q, struct lcore_ctx *ctx);
void vhost_deliver(struct port *port, struct lcore_ctx *ctx, struct frame **frames, uint16_t n);
bool vhost_arm(struct port_rxq *q);
void vhost_disarm(struct port_rxq *q);

/* vhost_show.c: port_ops.show. */
void vhost_show(struct port *port, struct json_t *object);

#endif
