/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void replace_fd(struct vhu_ring *ring, int *fd, int with) RUNS_ON(control_thread)
{
	disposal_close(ring->account, *fd);
	*fd = with;
}

static void call_failed(struct vhu_signal *signal)
{
	struct vhu_ring *ring = container_of(signal, struct vhu_ring, call);

	role_assert_control();
	ring->events->held_up(ring);
}

static void error_failed(struct vhu_signal *signal)
{
	struct vhu_ring *ring = container_of(signal, struct vhu_ring, error);

	role_assert_control();
	ring->events->held_up(ring);
}

void vhu_ring_init(struct vhu_ring *ring, unsigned int index, const struct mem_table *memory,
		   struct virtq_record *record, struct vhu_pending *pending,
		   struct disposal_account *account, const struct vhu_ring_events *events)
{
	*ring = (struct vhu_ring){
		.events = events,
		.account = account,
		.pending = pending,
		.datapath = &vhu_datapath_lcores,
		.index = index,
		.kick_fd = -1,
		.call_fd = -1,
		.err_fd = -1,
		.kick_next = -1,
		.left_fd = -1,
		.call = {.failed = call_failed},
		.error = {.failed = error_failed},
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
	ring->broken_reported = false;
	vhu_signal_forget(&ring->call);
	replace_fd(ring, &ring->kick_fd, -1);
	replace_fd(ring, &ring->call_fd, -1);
}

void vhu_ring_forget(struct vhu_ring *ring)
{
	vhu_ring_stop(ring);
	vhu_signal_forget(&ring->error);
	replace_fd(ring, &ring->err_fd, -1);
	ring->size = 0;
	ring->base = ring->reported = 0;
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

void vhu_ring_reset(struct vhu_ring *ring)
{
	ring->started = false;
	if (ring->state == VHU_RING_RUNNING) {
		ring->resets = true;
		vhu_ring_leave(ring);
	} else {
		reset_now(ring);
	}
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
	ring->part[0] = conf->desc;
	ring->part[1] = conf->avail;
	ring->part[2] = conf->used;
	ring->state = VHU_RING_RUNNING;
	ring->datapath->ring_start(ring, &setup, conf);
	return 0;
}

void vhu_ring_leave(struct vhu_ring *ring)
{
	if (ring->state != VHU_RING_RUNNING)
		return;
	ring->state = VHU_RING_LEAVING;
	ring->datapath->ring_stop(ring);
}

void vhu_ring_left(struct vhu_ring *ring, uint32_t base)
{
	ring->base = base;
	ring->state = VHU_RING_IDLE;
	if (ring->moved_kick) {
		replace_fd(ring, &ring->kick_fd, ring->kick_next);
		ring->moved_kick = false;
		ring->kick_next = -1;
	}
	if (ring->resets)
		reset_now(ring);
}

bool vhu_ring_in(const struct vhu_ring *ring, const uint8_t *host, uint64_t size)
{
	bool in = false;

	/* Each part lies in one region, so its first byte tells. */
	for (unsigned int i = 0; i < 3; i++)
		in = in || (uintptr_t)ring->part[i] - (uintptr_t)host < size;
	return in && ring->state == VHU_RING_RUNNING;
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

void vhu_ring_set_kick(struct vhu_ring *ring, int fd)
{
	ring->started = true;
	if (ring->state == VHU_RING_RUNNING) {
		ring->moved_kick = true;
		ring->kick_next = fd;
		vhu_ring_leave(ring);
	} else {
		replace_fd(ring, &ring->kick_fd, fd);
	}
}

void vhu_ring_set_call(struct vhu_ring *ring, int fd)
{
	if (ring->state == VHU_RING_RUNNING)
		ring->datapath->ring_set_call(ring, fd);
	else
		replace_fd(ring, &ring->call_fd, fd);
}

void vhu_ring_set_log(struct vhu_ring *ring, bool log_used, uint64_t used_gpa)
{
	if (ring->log_used == log_used && ring->used_gpa == used_gpa)
		return;
	ring->log_used = log_used;
	ring->used_gpa = used_gpa;
	if (ring->state == VHU_RING_RUNNING)
		ring->datapath->ring_set_log(ring);
}

void vhu_ring_set_err(struct vhu_ring *ring, int fd)
{
	vhu_signal_forget(&ring->error);
	replace_fd(ring, &ring->err_fd, fd);
}

void vhu_ring_signal_error(struct vhu_ring *ring)
{
	vhu_signal_send(&ring->error, ring->account, ring->err_fd);
}
