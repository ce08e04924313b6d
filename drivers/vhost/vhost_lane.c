/* SPDX-License-Identifier: BSD-3-Clause */
/* What lcores do with a port whose guest is served by a lane (lane_link.h). */
#include "vhost_rings.h"

#include "frame_rate.h"

static bool ended(struct lane_link *link)
{
	/* Pairs with lane_link_end(): `rest` is there. */
	return atomic_load_explicit(&link->ended, memory_order_acquire);
}

/* What the lane did not get to: before anything newer. */
static void deliver_rest(struct port *port, struct lcore_ctx *ctx, struct lane_link *link,
			 const struct vhost_tx_set *set) RUNS_ON(lcore_thread)
{
	struct burst *burst = link->rest_burst;
	struct frame *frames[BURST_MAX];
	uint16_t n;

	while ((n = lane_receive(&link->rest, burst, BURST_MAX)) > 0) {
		for (uint16_t i = 0; i < n; i++)
			frames[i] = &burst->frame[i];
		vhost_fill_queues(port, ctx, set, frames, n);
		lane_done(&link->rest);
	}
}

/* To the lane, what it takes of n frames, and what it has room for; the rest is dropped. */
static void send_to_lane(struct port_counters *counters, struct lane_link *link, struct frame *const *frames, uint16_t n)
{
	struct frame *taken[BURST_MAX];
	uint16_t takes = 0, sent;

	for (uint16_t i = 0; i < n; i++) {
		taken[takes] = frames[i];
		if (lane_takes(frames[i]))
			takes++;
		else
			drop_tx_frames(counters, TX_DROP_LANE, &frames[i], 1);
	}
	sent = lane_send(&link->to_guest, taken, takes);
	drop_tx_frames(counters, TX_DROP_LANE, taken + sent, (uint64_t)(takes - sent));
}

void vhost_lane_deliver(struct port *port, struct lcore_ctx *ctx, struct lane_link *link,
			struct frame **frames, uint16_t n)
{
	const struct vhost_tx_set *set = rcu_get(&vhost_port_of(port)->tx);

	burst_turn_take(&link->turn);
	if (ended(link) && set != NULL) {
		deliver_rest(port, ctx, link, set);
		vhost_fill_queues(port, ctx, set, frames, n);
	} else {
		send_to_lane(port_counters_of(port, ctx), link, frames, n);
	}
	burst_turn_leave(&link->turn);
}

/* What comes out of a lane has left the guest's ring: it waits in the lane's. */
static uint16_t receive_within(struct lane_link *link, struct lcore_ctx *ctx, uint16_t max) RUNS_ON(lcore_thread)
{
	struct frame_allowance *allowance = ctx->allowance;
	uint16_t n;

	if (allowance == NULL)
		return lane_receive(&link->from_guest, ctx->burst, max);
	if (lane_empty(&link->from_guest))
		return 0;
	max = frame_allowance_begin(allowance, max);
	n = max > 0 ? lane_receive(&link->from_guest, ctx->burst, max) : 0;
	if (n > 0) {
		n = frame_allowance_take(allowance, ctx->burst->frame, n);
		lane_keep(&link->from_guest, ctx->burst, n);
	}
	return n;
}

uint16_t vhost_lane_receive(struct vhost_rxq *rxq, struct lcore_ctx *ctx, struct lane_link *link)
{
	const struct vhost_tx_set *set;
	uint16_t n;

	if (!ended(link)) {
		n = receive_within(link, ctx, (uint16_t)ctx->share.frames);
		rxq->held = n > 0 ? link : NULL; /* without frames there is no complete() */
		return n;
	}
	/* There may be no frame for the guest soon: the lcore that polls it sees to the rest. */
	set = rcu_get(&vhost_port_of(rxq->q.port)->tx);
	if (set != NULL) {
		burst_turn_take(&link->turn);
		deliver_rest(rxq->q.port, ctx, link, set);
		burst_turn_leave(&link->turn);
	}
	return 0;
}

void vhost_lane_complete(struct vhost_rxq *rxq)
{
	lane_done(&rxq->held->from_guest);
	rxq->held = NULL;
}

bool vhost_lane_arm(struct lane_link *link)
{
	/* Until the rest is delivered there is no sleep; it is a matter of milliseconds. */
	return ended(link) || lane_arm(&link->from_guest);
}

void vhost_lane_disarm(struct lane_link *link)
{
	if (!ended(link))
		lane_disarm(&link->from_guest);
}
