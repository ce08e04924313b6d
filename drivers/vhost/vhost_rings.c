/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost_rings.h"

#include "vnet.h"
#include "vnet_ahead.h"
#include "vnet_aside.h"

static struct vhost_rxq *rxq_of(struct port_rxq *q)
{
	return (struct vhost_rxq *)(void *)q;
}

/* Tells control, which tells the front end. Out of the way of the burst: a broken ring moves nothing. */
static __attribute__((noinline)) void report_broken(struct port *port, struct lcore_ctx *ctx,
						    unsigned int ring) RUNS_ON(lcore_thread)
{
	_Atomic uint16_t *reported = &vhost_port_of(port)->reported_epoch[ring];
	/* Never 0, which means "not yet". */
	uint16_t now = ctx->epoch | 1;

	if (atomic_load_explicit(reported, memory_order_relaxed) == now)
		return;
	atomic_store_explicit(reported, now, memory_order_relaxed);
	report_post(ctx->reports, &(struct report){
					  .kind = REPORT_RING_BROKEN,
					  .port = port->id,
					  .key = ring,
				  });
}

/* A disabled queue: its buffers go back, and nothing goes on. */
static __attribute__((noinline)) uint16_t discard(struct vhost_rxq *rxq, struct lcore_ctx *ctx,
						  uint16_t n) RUNS_ON(lcore_thread)
{
	count_rx_drop(port_counters_of(rxq->q.port, ctx), RX_DROP_DISABLED, n, n > 0 ? &ctx->burst->frame[n - 1] : NULL);
	vnet_complete(rxq->ring, ctx->burst);
	ctx->burst->n = 0;
	return 0;
}

/* What a disabled queue sends goes nowhere, and does not wait. */
static __attribute__((noinline)) uint16_t receive_within(struct vhost_rxq *rxq, struct lcore_ctx *ctx) RUNS_ON(lcore_thread)
{
	struct port_counters *counters = port_counters_of(rxq->q.port, ctx);
	uint16_t max = (uint16_t)ctx->share.frames;

	if (atomic_load_explicit(&rxq->discards, memory_order_relaxed))
		return vnet_receive(rxq->ring, ctx->burst, max, counters);
	return vnet_receive_within(rxq->ring, ctx->burst, max, counters, ctx->allowance);
}

uint16_t vhost_receive(struct port_rxq *q, struct lcore_ctx *ctx)
{
	struct vhost_rxq *rxq = rxq_of(q);
	struct lane_link *lane = rcu_get(&rxq->lane);
	uint16_t n;

	role_assert_lcore();
	if (__builtin_expect(lane != NULL, 0)) {
		n = vhost_lane_receive(rxq, ctx, lane);
		if (n > 0)
			return n;
	}
	/* A front end starts a pair's receive queue first. */
	if (__builtin_expect(vnet_is_fresh(rxq->ring), 0))
		vnet_resume(rxq->other);
	n = __builtin_expect(ctx->allowance == NULL, 1)
		    ? vnet_receive(rxq->ring, ctx->burst, (uint16_t)ctx->share.frames, port_counters_of(q->port, ctx))
		    : receive_within(rxq, ctx);
	if (__builtin_expect(virtq_fault(rxq->ring) != VIRTQ_OK, 0))
		report_broken(q->port, ctx, 2u * q->index + 1);
	if (__builtin_expect(atomic_load_explicit(&rxq->discards, memory_order_relaxed), 0) && n > 0)
		return discard(rxq, ctx, n);
	return n;
}

void vhost_complete(struct port_rxq *q, struct lcore_ctx *ctx)
{
	role_assert_lcore();
	if (__builtin_expect(rxq_of(q)->held != NULL, 0))
		vhost_lane_complete(rxq_of(q));
	else
		vnet_complete(rxq_of(q)->ring, ctx->burst);
}

bool vhost_watch(struct port_rxq *q, struct port_word *word)
{
	role_assert_lcore();
	return rcu_get(&rxq_of(q)->lane) == NULL && vnet_watch(rxq_of(q)->ring, word);
}

/* What came out of a lane is not kept: that is there for as long as memory arrives. */
bool vhost_set_aside(struct port_rxq *q, struct lcore_ctx *ctx VUS_UNUSED)
{
	role_assert_lcore();
	return rxq_of(q)->held == NULL && vnet_set_aside(rxq_of(q)->ring);
}

enum port_taken vhost_take_up(struct port_rxq *q, struct lcore_ctx *ctx)
{
	role_assert_lcore();
	switch (vnet_take_up(rxq_of(q)->ring, ctx->burst)) {
	case VNET_ASIDE_THERE:
		return PORT_TAKEN;
	case VNET_ASIDE_LATER:
		return PORT_LATER;
	default:
		return PORT_LOST;
	}
}

bool vhost_arm(struct port_rxq *q)
{
	struct lane_link *lane = rcu_get(&rxq_of(q)->lane);
	bool waiting;

	role_assert_lcore();
	waiting = vnet_arm(rxq_of(q)->ring);
	return (lane != NULL && vhost_lane_arm(lane)) || waiting;
}

void vhost_disarm(struct port_rxq *q)
{
	struct lane_link *lane = rcu_get(&rxq_of(q)->lane);

	role_assert_lcore();
	vnet_disarm(rxq_of(q)->ring);
	if (lane != NULL)
		vhost_lane_disarm(lane);
}

static void fill_queue(struct port *port, struct lcore_ctx *ctx, const struct vhost_tx_set *set,
		       unsigned int i, struct frame *const *frames, uint16_t n)
	RUNS_ON(lcore_thread)
{
	struct vhost_port *vhost = vhost_port_of(port);
	struct virtq *ring = set->queue[i].ring;

	ctx->cost += vnet_deliver(ring, frames, n, atomic_load_explicit(&vhost->len_max, memory_order_relaxed),
				  port_counters_of(port, ctx));
	if (__builtin_expect(virtq_fault(ring) != VIRTQ_OK, 0))
		report_broken(port, ctx, set->queue[i].index);
}

/* Several queues: a flow stays in one, and its frames stay in order. */
static void spread(struct port *port, struct lcore_ctx *ctx, const struct vhost_tx_set *set,
		   struct frame **frames, uint16_t n)
	RUNS_ON(lcore_thread)
{
	struct frame *part[BURST_MAX];
	uint8_t queue[BURST_MAX];
	uint32_t present = 0;

	for (uint16_t i = 0; i < n; i++) {
		queue[i] = i > 0 && frame_same_flow(frames[i - 1], frames[i])
				   ? queue[i - 1]
				   : (uint8_t)(frame_flow_hash(frames[i]) % set->n);
		present |= UINT32_C(1) << queue[i];
	}
	if ((present & (present - 1)) == 0) {
		fill_queue(port, ctx, set, queue[0], frames, n);
		return;
	}
	while (present != 0) {
		uint8_t which = (uint8_t)__builtin_ctz(present);
		uint16_t parts = 0;

		present &= present - 1;
		for (uint16_t i = 0; i < n; i++)
			if (queue[i] == which)
				part[parts++] = frames[i];
		fill_queue(port, ctx, set, which, part, parts);
	}
}

/* Of several queues, the one of the first frame. */
static struct virtq *queue_ahead(struct vhost_port *vhost, struct frame *const *frames)
{
	const struct vhost_tx_set *set = rcu_get(&vhost->tx);

	if (set == NULL || rcu_get(&vhost->lane) != NULL)
		return NULL;
	return set->queue[set->n == 1 ? 0 : frame_flow_hash(frames[0]) % set->n].ring;
}

void vhost_ahead(struct port *port, enum port_ahead_step step, struct frame *const *frames, uint16_t n,
		 struct port_ahead *ahead)
{
	role_assert_lcore();
	if (step == PORT_AHEAD_QUEUE)
		ahead->queue = queue_ahead(vhost_port_of(port), frames);
	if (ahead->queue != NULL)
		vnet_ahead(ahead->queue, step, n, ahead);
}

void vhost_deliver(struct port *port, struct lcore_ctx *ctx, struct frame **frames, uint16_t n)
{
	const struct vhost_tx_set *set = rcu_get(&vhost_port_of(port)->tx);
	struct lane_link *lane = rcu_get(&vhost_port_of(port)->lane);

	role_assert_lcore();
	if (__builtin_expect(lane != NULL, 0))
		vhost_lane_deliver(port, ctx, lane, frames, n);
	else if (set == NULL)
		port_drop_tx_frames(port, ctx, TX_DROP_NOT_READY, frames, n);
	else
		vhost_fill_queues(port, ctx, set, frames, n);
}

void vhost_fill_queues(struct port *port, struct lcore_ctx *ctx, const struct vhost_tx_set *set,
		       struct frame **frames, uint16_t n)
{
	if (set->n == 1)
		fill_queue(port, ctx, set, 0, frames, n);
	else
		spread(port, ctx, set, frames, n);
}
