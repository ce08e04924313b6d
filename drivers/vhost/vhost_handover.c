/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost_handover.c: a port's way into a lane and out of it, on the control thread.
 *
 * In: frames for the guest go to the lane from now on, and those from the guest are polled from the lane by the lcore of
 * the first receive queue. Out, in good order: the rings are the lcores' again, but the link stays until what the lane
 * had not delivered is delivered. Out, when the migration broke off: the link goes at once, and what is in it is counted
 * as lost. Either way it is freed when every lcore has left it.
 */
#include <string.h>

#include "clock.h"
#include "loop.h"
#include "vhost_rings.h"

/* The lane's counters are as old as this, at most. */
static const uint64_t FOLD_NS = 100 * NS_PER_MS;
static const uint64_t REST_LOOK_NS = NS_PER_MS;
/* A guest whose driver has not started its rings by then gets nothing of what was kept for it. */
static const uint64_t REST_LIMIT_NS = 500 * NS_PER_MS;

/* What the lane counted since the last look becomes a part of the port's own. */
static void fold(struct vhost_port *vhost) RUNS_ON(control_thread)
{
	port_counters_add_new(port_counters_of_control(&vhost->port),
			      &vhost->link->shared->counters, &vhost->lane_seen);
}

/* Frames that will not be taken any more: their number. No lcore has the link. */
static uint64_t vhost_handover_drain(struct lane_link *link, struct lane_consumer *ring)
{
	uint64_t n = 0;
	uint16_t more;

	while ((more = lane_receive(ring, link->rest_burst, BURST_MAX)) > 0) {
		n += more;
		lane_done(ring);
	}
	return n;
}

/* Frames that went into the lane, less those it handled and those that were taken back. */
static uint64_t left_to_guest(struct vhost_port *vhost)
{
	struct lane_link *link = vhost->link;
	uint64_t left = lane_link_undelivered(link);

	return atomic_load(&link->ended) ? vhost_handover_drain(link, &link->rest) : left;
}

static void vhost_handover_lcores_left(struct rcu_wait *wait)
{
	struct vhost_port *vhost = container_of(wait, struct vhost_port, lane_wait);
	struct port_counters *mine = port_counters_of_control(&vhost->port);

	role_assert_control();
	fold(vhost);
	count_rx_drop(mine, RX_DROP_LANE, vhost_handover_drain(vhost->link, &vhost->link->from_guest), NULL);
	count_tx_drop(mine, TX_DROP_LANE, left_to_guest(vhost), NULL);
	lane_link_destroy(vhost->link);
	vhost->link = NULL;
	vhost_tell_link(vhost);
}

void vhost_lane_retire(struct vhost_port *vhost)
{
	if (rcu_own(&vhost->lane) == NULL)
		return;
	loop_timer_stop(vhost->port.host->loop, &vhost->lane_timer);
	rcu_set(&vhost->lane, NULL);
	rcu_set(&vhost->rxq[0].lane, NULL);
	rcu_wait_start_in(&vhost->port.scope, &vhost->lane_wait, vhost_handover_lcores_left);
}

/* While the lane serves: its counters, and whether it keeps to the rules. Afterwards: whether the rest is delivered. */
static void vhost_handover_look(struct loop_timer *timer)
{
	struct vhost_port *vhost = container_of(timer, struct vhost_port, lane_timer);
	struct lane_link *link = vhost->link;

	role_assert_control();
	if (atomic_load(&link->ended)) {
		/* An empty rest is no reason before the guest's own rings run: what comes meanwhile is kept too. */
		if ((vhost->tx_ready != 0 && lane_link_delivered(link)) ||
		    clock_ns() > vhost->rest_until_ns)
			vhost_lane_retire(vhost);
		else
			loop_timer_start(vhost->port.host->loop, timer, REST_LOOK_NS);
		return;
	}
	fold(vhost);
	loop_timer_start(vhost->port.host->loop, timer, FOLD_NS);
	if (atomic_load(&link->from_guest.broken))
		vhu_device_lane_broken(vhost->device);
}

static void poll_lane(struct vhost_port *vhost, bool ready) RUNS_ON(control_thread)
{
	vhost->rxq[0].q.ready = ready;
	if (!vhost->ending)
		vhost->port.host->queues_changed(vhost->port.host, &vhost->port);
}

bool vhost_lane_begins(void *owner, struct lane_link *link)
{
	struct vhost_port *vhost = owner;

	role_assert_control();
	if (vhost->link != NULL)
		return false;
	vhost->link = link;
	vhost->port.cannot_receive = false;
	memset(&vhost->lane_seen, 0, sizeof(vhost->lane_seen));
	atomic_store(&link->shared->len_max, atomic_load(&vhost->len_max));
	rcu_set(&vhost->lane, link);
	rcu_set(&vhost->rxq[0].lane, link);
	vhost->lane_timer.fire = vhost_handover_look;
	loop_timer_start(vhost->port.host->loop, &vhost->lane_timer, FOLD_NS);
	vhost->rxq[0].q.wake_fd = link->wake_fd;
	vhost_tell_link(vhost);
	poll_lane(vhost, true);
	return true;
}

void vhost_lane_ends(void *owner, bool orderly)
{
	struct vhost_port *vhost = owner;

	role_assert_control();
	poll_lane(vhost, false);
	/* After the queue has gone from the lcore that sleeps on it. */
	vhost->rxq[0].q.wake_fd = -1;
	if (!orderly) {
		vhost->port.cannot_receive = vhost->tx_ready == 0;
		vhost_lane_retire(vhost);
		return;
	}
	lane_link_end(vhost->link);
	vhost->rest_until_ns = clock_ns() + REST_LIMIT_NS;
	loop_timer_start(vhost->port.host->loop, &vhost->lane_timer, REST_LOOK_NS);
}
