/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "frame_hold.h"
#include "log.h"
#include "loop.h"
#include "poke.h"

static const uint64_t DRAIN_LOOK_NS = NS_PER_MS / 4;
/* Call descriptors of one ring that wait to be closed, before the front end that gives them has to wait, too. */
enum { SWAPS_MAX = 4 };

static void replace_fd(int *fd, int with)
{
	if (*fd >= 0)
		close(*fd);
	*fd = with;
}

void vhu_ring_init(struct vhu_ring *ring, unsigned int index, const struct mem_table *memory,
		   struct virtq_record *record, const struct vhu_ring_events *events)
{
	*ring = (struct vhu_ring){
		.events = events,
		.index = index,
		.kick_fd = -1,
		.call_fd = -1,
		.err_fd = -1,
		.kick_next = -1,
		.left_fd = -1,
	};
	virtq_init(&ring->q, memory, record);
}

void vhu_ring_stop(struct vhu_ring *ring)
{
	ring->started = false;
	ring->begun = false;
	ring->addressed = false;
	ring->desc = ring->avail = ring->used = 0;
	ring->log_used = false;
	ring->broken_told = false;
	ring->held_up = false;
	replace_fd(&ring->kick_fd, -1);
	replace_fd(&ring->call_fd, -1);
}

void vhu_ring_forget(struct vhu_ring *ring)
{
	vhu_ring_stop(ring);
	replace_fd(&ring->err_fd, -1);
	ring->size = 0;
	ring->base = ring->told = 0;
	ring->enabled = false;
}

void vhu_ring_close_record(struct vhu_ring *ring)
{
	virtq_record_clear(ring->q.record);
}

static void reset_now(struct vhu_ring *ring) RUNS_ON(control_thread)
{
	ring->resets = false;
	vhu_ring_stop(ring);
	vhu_ring_close_record(ring);
}

bool vhu_ring_reset(struct vhu_ring *ring)
{
	ring->started = false;
	if (ring->state == VHU_RING_RUNNING) {
		ring->resets = true;
		vhu_ring_leave(ring);
		return true;
	}
	reset_now(ring);
	return false;
}

/* At the place the front end gave, or where the process before us left it. */
static void begin(struct vhu_ring *ring, const struct virtq_setup *setup,
		  const struct virtq_conf *conf) RUNS_ON(control_thread)
{
	bool damaged;

	if (virtq_record_matches(ring->q.record, setup, ring->told, &damaged)) {
		virtq_resume(&ring->q, conf, ring->base);
		/* An interrupt too many is harmless, one too few is not: what came between the last word of the process
		 * before us and its end is told now. If that is made to wait, the ring begins broken. */
		if (poke(ring->call_fd) != 0)
			atomic_store_explicit(&ring->q.fault, VIRTQ_FAULT_CALL,
					      memory_order_relaxed);
		return;
	}
	if (damaged)
		log_warn("journal", "the record of ring %u is damaged: not used", ring->index);
	virtq_record_begin(ring->q.record, setup, ring->told);
	virtq_start(&ring->q, conf, ring->base);
}

int vhu_ring_run(struct vhu_ring *ring, uint64_t features, const struct mem_map *map,
		 struct fail *fail)
{
	const struct virtq_setup setup = {
		.size = ring->size,
		.desc_uva = ring->desc,
		.avail_uva = ring->avail,
		.used_uva = ring->used,
		.features = features,
		.call_fd = ring->call_fd,
		.log_used = ring->log_used,
		.used_gpa = ring->used_gpa,
	};
	struct virtq_conf *conf = virtq_conf_create(&setup, map);
	int error = errno;

	if (conf == NULL)
		return fail_set(fail, -error, "ring %u: %s", ring->index,
				error == EFAULT   ? "not inside the guest's memory"
				: error == EINVAL ? "size or alignment not acceptable"
						  : strerror(error));
	if (ring->in_lane) {
		ring->begun = false;
		ring->lane_conf = conf;
		ring->state = VHU_RING_RUNNING;
		atomic_store_explicit(&ring->q.fault, VIRTQ_OK, memory_order_relaxed);
		ring->events->lane_run(ring, &setup);
		return 0;
	}
	if (ring->begun)
		virtq_publish(&ring->q, conf);
	else
		begin(ring, &setup, conf);
	ring->begun = true;
	ring->state = VHU_RING_RUNNING;
	if (ring->kick_fd >= 0)
		ring->events->kick(ring, ring->kick_fd);
	ring->events->ready(ring, true);
	return 0;
}

/* No lcore has the ring in a poll set or in hand any more. */
static void lcores_left(struct rcu_wait *wait)
{
	struct vhu_ring *ring = container_of(wait, struct vhu_ring, leave);

	role_assert_control();
	free((void *)(uintptr_t)ring->left_conf);
	ring->left_conf = NULL;
	atomic_store_explicit(&ring->q.draining, false, memory_order_relaxed);
	ring->base = virtq_position(&ring->q);
	ring->state = VHU_RING_IDLE;
	replace_fd(&ring->left_fd, -1);
	if (ring->kick_fd >= 0)
		ring->events->kick(ring, -1);
	if (ring->moved_kick) {
		replace_fd(&ring->kick_fd, ring->kick_next);
		ring->moved_kick = false;
		ring->kick_next = -1;
	}
	if (ring->resets)
		reset_now(ring);
	ring->events->settled(ring);
}

static void withdraw(struct vhu_ring *ring) RUNS_ON(control_thread)
{
	ring->events->ready(ring, false);
	/* Whatever its owner does, no burst that begins from now on touches the ring. */
	ring->left_conf = virtq_publish(&ring->q, NULL);
	rcu_wait_start(&ring->leave, lcores_left);
}

static void look_whether_drained(struct loop_timer *timer)
{
	struct vhu_ring *ring = container_of(timer, struct vhu_ring, drain_timer);

	role_assert_control();
	if (virtq_holding(&ring->q) && !ring->unpolled) {
		loop_timer_start(ring->loop, timer, DRAIN_LOOK_NS);
		return;
	}
	withdraw(ring);
}

/* No chain is taken any more. */
static void drains(struct rcu_wait *wait)
{
	role_assert_control();
	look_whether_drained(&container_of(wait, struct vhu_ring, leave)->drain_timer);
}

void vhu_ring_leave(struct vhu_ring *ring)
{
	if (ring->state != VHU_RING_RUNNING)
		return;
	ring->state = VHU_RING_LEAVING;
	if (ring->in_lane) {
		ring->events->lane_leave(ring);
		return;
	}
	if (!frame_hold_wanted() && !virtq_holding(&ring->q)) {
		withdraw(ring);
		return;
	}
	atomic_store_explicit(&ring->q.draining, true, memory_order_relaxed);
	ring->drain_timer.fire = look_whether_drained;
	rcu_wait_start(&ring->leave, drains);
}

void vhu_ring_left(struct vhu_ring *ring, uint32_t base)
{
	/* What the record says was so before the lane had the ring. */
	vhu_ring_close_record(ring);
	free((void *)(uintptr_t)ring->lane_conf);
	ring->lane_conf = NULL;
	ring->base = base;
	ring->state = VHU_RING_IDLE;
	if (ring->moved_kick) {
		replace_fd(&ring->kick_fd, ring->kick_next);
		ring->moved_kick = false;
		ring->kick_next = -1;
	}
	if (ring->resets)
		reset_now(ring);
}

bool vhu_ring_in(const struct vhu_ring *ring, const uint8_t *host, uint64_t size)
{
	const struct virtq_conf *conf = ring->in_lane ? ring->lane_conf : rcu_own(&ring->q.conf);
	uintptr_t from = (uintptr_t)host;

	/* Each part lies in one region, so its first byte tells. */
	return ring->state == VHU_RING_RUNNING &&
	       ((uintptr_t)conf->desc - from < size || (uintptr_t)conf->avail - from < size ||
		(uintptr_t)conf->used - from < size);
}

int vhu_ring_check_fd(int fd)
{
	static const char kind[] = "anon_inode:[eventfd]";
	char link[32], target[sizeof(kind)];
	ssize_t n;
	int flags;

	if (fd < 0)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof(target));
	if (n != sizeof(kind) - 1 || memcmp(target, kind, (size_t)n) != 0)
		return -EINVAL;
	flags = fcntl(fd, F_GETFL);
	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 ? 0 : -errno;
}

bool vhu_ring_set_kick(struct vhu_ring *ring, int fd)
{
	ring->started = true;
	if (ring->state == VHU_RING_RUNNING) {
		ring->moved_kick = true;
		ring->kick_next = fd;
		vhu_ring_leave(ring);
		return true;
	}
	replace_fd(&ring->kick_fd, fd);
	return false;
}

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
	replace_fd(&swap->fd, -1);
	free((void *)(uintptr_t)swap->conf);
	free(swap);
	/* What lcores have told the old descriptor is told to the new one, now that none is told to the old one any more. An
	 * interrupt too many is harmless, one too few is not. */
	if (poke(ring->call_fd) != 0)
		ring->events->held_up(ring);
	if (settles)
		ring->events->settled(ring);
}

/* The geometry with another call descriptor. False: no memory. */
static bool swap_call(struct vhu_ring *ring, int fd, bool *settles) RUNS_ON(control_thread)
{
	struct virtq_conf *conf = virtq_conf_with_call(rcu_own(&ring->q.conf), fd);
	struct call_swap *swap = malloc(sizeof(*swap));

	if (conf == NULL || swap == NULL) {
		free(conf);
		free(swap);
		return false;
	}
	*settles = ++ring->swaps > SWAPS_MAX;
	*swap = (struct call_swap){.ring = ring, .fd = ring->call_fd, .settles = *settles};
	ring->call_fd = fd;
	swap->conf = virtq_publish(&ring->q, conf);
	rcu_wait_start(&swap->passed, call_swapped);
	return true;
}

bool vhu_ring_set_call(struct vhu_ring *ring, int fd)
{
	bool settles;

	if (ring->state != VHU_RING_RUNNING) {
		replace_fd(&ring->call_fd, fd);
		return false;
	}
	if (ring->in_lane) {
		replace_fd(&ring->call_fd, fd);
		ring->events->lane_call(ring);
		return true;
	}
	if (swap_call(ring, fd, &settles))
		return settles;
	/* No memory for a swap in place: leave, and run again with the new one. */
	ring->left_fd = ring->call_fd;
	ring->call_fd = fd;
	vhu_ring_leave(ring);
	return true;
}

static void log_swapped(struct rcu_wait *wait)
{
	struct vhu_ring *ring = container_of(wait, struct vhu_ring, swap);

	free((void *)(uintptr_t)ring->swap_conf);
	ring->swap_conf = NULL;
	ring->events->settled(ring);
}

bool vhu_ring_set_log(struct vhu_ring *ring, bool log_used, uint64_t used_gpa)
{
	struct virtq_conf *conf;

	if (ring->log_used == log_used && ring->used_gpa == used_gpa)
		return false;
	ring->log_used = log_used;
	ring->used_gpa = used_gpa;
	if (ring->state != VHU_RING_RUNNING || ring->in_lane)
		return false;
	conf = virtq_conf_with_log(rcu_own(&ring->q.conf), log_used, used_gpa);
	if (conf == NULL) {
		vhu_ring_leave(ring);
		return true;
	}
	ring->swap_conf = virtq_publish(&ring->q, conf);
	rcu_wait_start(&ring->swap, log_swapped);
	return true;
}

void vhu_ring_set_err(struct vhu_ring *ring, int fd)
{
	replace_fd(&ring->err_fd, fd);
}

void vhu_ring_signal_error(struct vhu_ring *ring)
{
	ring->held_up = poke(ring->err_fd) != 0;
}
