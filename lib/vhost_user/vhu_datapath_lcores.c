/* SPDX-License-Identifier: BSD-3-Clause */
/* The lcores as a data path (vhu_datapath.h): a ring runs while its geometry is published and its owner polls it. */
#include <stdlib.h>

#include "clock.h"
#include "frame_ref.h"
#include "log.h"
#include "loop.h"
#include "vhu_datapath.h"
#include "vhu_pending.h"
#include "vhu_ring.h"

static const uint64_t DRAIN_LOOK_NS = NS_PER_MS / 4;
/* Call descriptors of one ring that wait to be closed, before the front end that gives them has to wait, too. */
enum { SWAPS_MAX = 4 };

/* --- start ------------------------------------------------------------------------------------------------------ */

/* At the place the front end gave, or where the process before us left it. */
static void vhu_datapath_lcores_begin(struct vhu_ring *ring, const struct virtq_setup *setup,
				      const struct virtq_conf *conf) RUNS_ON(control_thread)
{
	bool damaged;

	if (virtq_record_matches(ring->q.record, setup, ring->reported, &damaged)) {
		virtq_resume(&ring->q, conf, ring->base);
		/* An interrupt too many is harmless, one too few is not: what the process before us returned and did
		 * not signal is signalled now. */
		vhu_signal_send(&ring->call, ring->account, ring->call_fd);
		return;
	}
	if (damaged)
		log_warn("journal", "the record of ring %u is damaged: not used", ring->index);
	virtq_record_begin(ring->q.record, setup, ring->reported);
	virtq_start(&ring->q, conf, ring->base);
}

static void lcores_ring_start(struct vhu_ring *ring, const struct virtq_setup *setup,
			      struct virtq_conf *conf)
{
	role_assert_control();
	if (ring->begun)
		virtq_publish(&ring->q, conf);
	else
		vhu_datapath_lcores_begin(ring, setup, conf);
	ring->begun = true;
	if (ring->kick_fd >= 0)
		ring->events->kick(ring, ring->kick_fd);
	ring->events->ready(ring, true);
}

/* --- stop ------------------------------------------------------------------------------------------------------- */

/* No lcore has the ring in a poll set or in hand any more. */
static void ring_passed(struct rcu_wait *wait)
{
	struct vhu_ring *ring = container_of(wait, struct vhu_ring, leave);

	role_assert_control();
	free((void *)(uintptr_t)ring->left_conf);
	ring->left_conf = NULL;
	atomic_store_explicit(&ring->q.draining, false, memory_order_relaxed);
	disposal_close(ring->account, ring->left_fd);
	ring->left_fd = -1;
	if (ring->kick_fd >= 0)
		ring->events->kick(ring, -1);
	vhu_ring_left(ring, virtq_position(&ring->q));
	vhu_pending_end(ring->pending, VHU_STEP_LCORES);
	ring->events->settled(ring);
}

static void withdraw(struct vhu_ring *ring) RUNS_ON(control_thread)
{
	ring->events->ready(ring, false);
	/* Whatever its owner does, no burst that begins from now on touches the ring. */
	ring->left_conf = virtq_publish(&ring->q, NULL);
	vhu_pending_await(ring->pending, &ring->leave, ring_passed);
}

static void drain_over(struct vhu_ring *ring) RUNS_ON(control_thread)
{
	vhu_pending_move(ring->pending, VHU_STEP_ZERO_COPY, VHU_STEP_LCORES);
	withdraw(ring);
}

static void look_whether_drained(struct loop_timer *timer)
{
	struct vhu_ring *ring = container_of(timer, struct vhu_ring, drain_timer);

	role_assert_control();
	if (virtq_is_referenced(&ring->q) && !ring->unpolled)
		loop_timer_start(ring->loop, timer, DRAIN_LOOK_NS);
	else
		drain_over(ring);
}

/* No chain is taken any more. */
static void drain_passed(struct rcu_wait *wait)
{
	struct vhu_ring *ring = container_of(wait, struct vhu_ring, leave);

	role_assert_control();
	vhu_pending_move(ring->pending, VHU_STEP_LCORES, VHU_STEP_ZERO_COPY);
	look_whether_drained(&ring->drain_timer);
}

static void lcores_ring_stop(struct vhu_ring *ring)
{
	role_assert_control();
	vhu_pending_begin(ring->pending, VHU_STEP_LCORES);
	atomic_store_explicit(&ring->q.draining, true, memory_order_relaxed);
	/* Pairs with vnet_set_aside(): from now on no burst is set aside, or we see that one is. */
	atomic_thread_fence(memory_order_seq_cst);
	if (!frame_ref_wanted() && !virtq_is_referenced(&ring->q)) {
		withdraw(ring);
		return;
	}
	ring->drain_timer.fire = look_whether_drained;
	vhu_pending_await(ring->pending, &ring->leave, drain_passed);
}

/* --- changes in place ------------------------------------------------------------------------------------------- */

/* A geometry with the call descriptor before, until no lcore has it any more. */
struct call_swap {
	struct rcu_wait passed;
	struct vhu_ring *ring;
	const struct virtq_conf *conf;
	int fd;
	bool settles; /* the conversation waits for it */
};

static void call_swapped(struct rcu_wait *wait)
{
	struct call_swap *swap = container_of(wait, struct call_swap, passed);
	struct vhu_ring *ring = swap->ring;
	bool settles = swap->settles;

	role_assert_control();
	ring->swaps--;
	disposal_close(ring->account, swap->fd);
	free((void *)(uintptr_t)swap->conf);
	free(swap);
	if (settles)
		vhu_pending_end(ring->pending, VHU_STEP_LCORES);
	/* No lcore writes to the old descriptor any more; its interrupts may have been lost, so the new one gets one. An
	 * interrupt too many is harmless, one too few is not. */
	vhu_signal_send(&ring->call, ring->account, ring->call_fd);
	if (settles)
		ring->events->settled(ring);
}

/* The geometry with another call descriptor. False: no memory. */
static bool swap_call(struct vhu_ring *ring, int fd) RUNS_ON(control_thread)
{
	struct virtq_conf *conf = virtq_conf_with_call(rcu_own(&ring->q.conf), fd);
	struct call_swap *swap = malloc(sizeof(*swap));

	if (conf == NULL || swap == NULL) {
		free(conf);
		free(swap);
		return false;
	}
	*swap = (struct call_swap){
		.ring = ring, .fd = ring->call_fd, .settles = ++ring->swaps > SWAPS_MAX};
	ring->call_fd = fd;
	swap->conf = virtq_publish(&ring->q, conf);
	if (swap->settles)
		vhu_pending_begin(ring->pending, VHU_STEP_LCORES);
	vhu_pending_await(ring->pending, &swap->passed, call_swapped);
	return true;
}

static void lcores_ring_set_call(struct vhu_ring *ring, int fd)
{
	role_assert_control();
	if (swap_call(ring, fd))
		return;
	/* No memory for a swap in place: leave, and run again with the new one. */
	ring->left_fd = ring->call_fd;
	ring->call_fd = fd;
	vhu_ring_leave(ring);
}

static void log_swapped(struct rcu_wait *wait)
{
	struct vhu_ring *ring = container_of(wait, struct vhu_ring, swap);

	free((void *)(uintptr_t)ring->swap_conf);
	ring->swap_conf = NULL;
	vhu_pending_end(ring->pending, VHU_STEP_LCORES);
	ring->events->settled(ring);
}

static void lcores_ring_set_log(struct vhu_ring *ring)
{
	struct virtq_conf *conf;

	role_assert_control();
	conf = virtq_conf_with_log(rcu_own(&ring->q.conf), ring->log_used, ring->used_gpa);
	if (conf == NULL) {
		vhu_ring_leave(ring);
		return;
	}
	ring->swap_conf = virtq_publish(&ring->q, conf);
	vhu_pending_begin(ring->pending, VHU_STEP_LCORES);
	vhu_pending_await(ring->pending, &ring->swap, log_swapped);
}

/* --- memory: the published map is all that lcores need ---------------------------------------------------------- */

static enum vhu_error lcores_map(struct vhu_device *device VUS_UNUSED,
				 const struct vhu_message *msg VUS_UNUSED,
				 const struct vhu_memory_region *regions VUS_UNUSED,
				 uint32_t n VUS_UNUSED, struct fail *fail VUS_UNUSED)
{
	return VHU_OK;
}

static void lcores_unmap(struct vhu_device *device VUS_UNUSED,
			 const struct vhu_memory_region *region VUS_UNUSED)
{
}

static enum vhu_error lcores_unmap_all(struct vhu_device *device VUS_UNUSED)
{
	return VHU_OK;
}

const struct vhu_datapath vhu_datapath_lcores = {
	.in_process = true,
	.ring_start = lcores_ring_start,
	.ring_stop = lcores_ring_stop,
	.ring_set_call = lcores_ring_set_call,
	.ring_set_log = lcores_ring_set_log,
	.map = lcores_map,
	.unmap = lcores_unmap,
	.unmap_all = lcores_unmap_all,
};
