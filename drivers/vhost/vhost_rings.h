/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost_rings.h: the inside of a vhost port, and its data side.
 *
 * Ownership: `rxq` belongs to the lcore that polls the queue (port_rxq.h); the set of ready to_guest queues is immutable,
 * published by control and read by any lcore that delivers; what else control keeps for itself is marked. vhost_port.c
 * is the control side, vhost_rings.c what lcores do. While the guest's memory is arriving (postcopy) a lane stands
 * between the two: vhost_handover.c and vhost_lane.c.
 *
 * Context: control thread for vhost_port.c, lcores for vhost_rings.c.
 */
#ifndef VUS_VHOST_RINGS_H
#define VUS_VHOST_RINGS_H

#include <stdatomic.h>

#include "lane_link.h"
#include "lines.h"
#include "loop.h"
#include "port.h"
#include "rcu.h"
#include "vhu_device.h"
#include "virtq.h"
#include "vhost_home.h"
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
	struct virtq *other; /* the receive queue of the same pair */
	atomic_bool discards; /* the front end has disabled it; control writes while no lcore polls it */
	RCU_PTR(struct lane_link) lane; /* queue 0: what the guest sends comes out of here */
	struct lane_link *held OWNED_BY(lcore_thread); /* the last receive() was from this */
};

WHOLE_LINES(struct vhost_rxq);

struct vhost_port {
	struct port port; /* first */
	RCU_PTR(const struct vhost_tx_set) tx;
	RCU_PTR(struct lane_link) lane; /* what is for the guest goes in here */
	_Atomic uint32_t len_max; /* longest frame the guest takes, bytes; control writes */
	/* When a broken ring was last reported, in seconds (lcore_ctx.epoch): said again each second, because a
	 * report may be lost. The lcore that uses the ring writes. */
	_Alignas(LINE_BYTES) _Atomic uint16_t reported_epoch[VHOST_RINGS_MAX];

	/* Control's. */
	_Alignas(LINE_BYTES) struct vhu_device *device;
	unsigned int pairs;
	uint32_t tx_ready; /* one bit for each of the guest's receive queues */
	uint16_t mtu;	   /* 0: not said */
	char *socket;
	enum vhu_mode mode;
	struct rights rights; /* of the socket, as configured */
	struct lane_link *link; /* published, or on its way out */
	struct port_counters lane_seen; /* what the lane had counted at the last look */
	struct loop_timer lane_timer;
	uint64_t rest_until_ns;
	struct rcu_wait lane_wait;
	struct vhost_home home;
	bool ending;
	void (*gone)(void *arg);
	void *gone_arg;

	struct vhost_rxq rxq[]; /* [pairs] */
};

BEGINS_A_LINE(struct vhost_port, reported_epoch);
BEGINS_A_LINE(struct vhost_port, device);
BEGINS_A_LINE(struct vhost_port, rxq);

static inline size_t vhost_size(unsigned int pairs)
{
	return sizeof(struct vhost_port) + pairs * sizeof(struct vhost_rxq);
}

static inline struct vhost_port *vhost_port_of(struct port *port)
{
	return (struct vhost_port *)(void *)port;
}

/* The data side of port_ops. */
uint16_t vhost_receive(struct port_rxq *q, struct lcore_ctx *ctx);
void vhost_complete(struct port_rxq *q, struct lcore_ctx *ctx);
void vhost_deliver(struct port *port, struct lcore_ctx *ctx, struct frame **frames, uint16_t n);
void vhost_ahead(struct port *port, enum port_ahead_step step, struct frame *const *frames, uint16_t n,
		 struct port_ahead *ahead);
bool vhost_watch(struct port_rxq *q, struct port_word *word);
bool vhost_arm(struct port_rxq *q);
void vhost_disarm(struct port_rxq *q);
bool vhost_set_aside(struct port_rxq *q, struct lcore_ctx *ctx);
enum port_taken vhost_take_up(struct port_rxq *q, struct lcore_ctx *ctx);

/* Delivers to the guest's queues, which are ready; several: a flow stays in one. */
void vhost_fill_queues(struct port *port, struct lcore_ctx *ctx, const struct vhost_tx_set *set,
		       struct frame **frames, uint16_t n) RUNS_ON(lcore_thread);

/* vhost_lane.c: the same by way of a lane. */
uint16_t vhost_lane_receive(struct vhost_rxq *rxq, struct lcore_ctx *ctx, struct lane_link *link)
	RUNS_ON(lcore_thread);
void vhost_lane_complete(struct vhost_rxq *rxq) RUNS_ON(lcore_thread);
void vhost_lane_deliver(struct port *port, struct lcore_ctx *ctx, struct lane_link *link,
			struct frame **frames, uint16_t n) RUNS_ON(lcore_thread);
bool vhost_lane_arm(struct lane_link *link) RUNS_ON(lcore_thread);
void vhost_lane_disarm(struct lane_link *link) RUNS_ON(lcore_thread);

/* vhost_handover.c: vhu_events.lane and .lane_ended; and the end of the lane's link whatever is in it. */
bool vhost_lane_begins(void *owner, struct lane_link *link);
void vhost_lane_ends(void *owner, bool orderly);
void vhost_lane_retire(struct vhost_port *vhost) RUNS_ON(control_thread);

/* vhost_port.c: whether it is up may have changed, for those who listen (monitor.h). */
void vhost_tell_link(struct vhost_port *vhost) RUNS_ON(control_thread);

/* port_ops.terms. */
void vhost_terms(struct port *port, const struct frame *frame, struct port_terms *terms);

/* vhost_show.c: port_ops.state and .show. */
void vhost_state(struct port *port, struct port_state *state);
void vhost_show(struct port *port, struct json_t *object);
/* vhost_metrics.c: port_driver.metrics, port_ops.measure and port_driver.measure. */
extern const struct metrics_kind *const vhost_metrics[];
void vhost_measure(struct port *port, struct metrics_set *set);
void vhost_measure_all(struct metrics_set *set);

#endif
