/* SPDX-License-Identifier: BSD-3-Clause */
/* What the requests about rings do; see vhu_request.h. */
#include <linux/virtio_config.h>

#include "vhu_request.h"

enum { LOG_ADDR_FLAG = 1 };

/* Agreed upon: what only a packed ring can have is refused before that. */
static bool packed(const struct vhu_device *device)
{
	return (device->features >> VIRTIO_F_RING_PACKED) & 1;
}

enum vhu_error vhu_set_vring_num(struct vhu_device *device, struct vhu_message *msg,
				    struct fail *fail)
{
	struct vhu_ring *ring = &device->ring[msg->ring];
	uint32_t num = msg->payload.state.num;

	role_assert_control();
	/* Looked at again when the ring starts: then all of the geometry is known. */
	if (num == 0 || num > VIRTQ_SIZE_MAX || (!packed(device) && (num & (num - 1)) != 0))
		return vhu_request_bad_value(fail, "the size of a ring is 1 to 32768, of a split one a power of two");
	if (ring->started) {
		log_limited(&device->log, LOG_INFO, device->name,
			    "SET_VRING_NUM of running ring %u: it is stopped, and begins anew when it is kicked", ring->index);
		vhu_ring_reset(ring);
		device->dirty.ends = vhu_session_started(device) == 0;
	}
	ring->size = (uint16_t)num;
	return VHU_OK;
}

enum vhu_error vhu_set_vring_addr(struct vhu_device *device, struct vhu_message *msg,
				     struct fail *fail)
{
	const struct vhu_vring_addr *addr = &msg->payload.addr;
	struct vhu_ring *ring = &device->ring[msg->ring];
	bool same = ring->addressed && ring->desc == addr->desc && ring->avail == addr->avail &&
		    ring->used == addr->used;

	role_assert_control();
	if ((addr->flags & ~(uint32_t)LOG_ADDR_FLAG) != 0)
		return vhu_request_bad_value(fail, "unknown flags");
	if (addr->desc % 16 != 0 || addr->avail % 2 != 0 || addr->used % 4 != 0)
		return vhu_request_bad_value(fail, "a part of the ring is misaligned");
	if (ring->started && ring->addressed && !same)
		return VHU_BAD_STATE;
	ring->desc = addr->desc;
	ring->avail = addr->avail;
	ring->used = addr->used;
	ring->addressed = true;
	vhu_ring_set_log(ring, (addr->flags & LOG_ADDR_FLAG) != 0, addr->log);
	return VHU_OK;
}

enum vhu_error vhu_set_vring_base(struct vhu_device *device, struct vhu_message *msg,
				     struct fail *fail)
{
	if (msg->payload.state.num > UINT16_MAX && !packed(device))
		return vhu_request_bad_value(fail, "the index of a split ring has 16 bits");
	device->ring[msg->ring].base = device->ring[msg->ring].reported = msg->payload.state.num;
	device->ring[msg->ring].begun = false;
	return VHU_OK;
}

enum vhu_error vhu_get_vring_base(struct vhu_device *device, struct vhu_message *msg,
				     struct fail *fail VUS_UNUSED)
{
	struct vhu_ring *ring = &device->ring[msg->ring];

	role_assert_control();
	ring->started = false;
	device->dirty.ends = vhu_session_started(device) == 0;
	vhu_ring_leave(ring);
	return VHU_OK;
}

void vhu_get_vring_base_answer(struct vhu_device *device, unsigned int index,
				  struct vhu_reply *reply)
{
	struct vhu_ring *ring = &device->ring[index];

	role_assert_control();
	vhu_ring_stop(ring);
	vhu_ring_close_record(ring);
	reply->size = sizeof(reply->payload.state);
	reply->payload.state = (struct vhu_vring_state){.index = index, .num = ring->base};
}

/* The descriptor of a kick, call or error message: false if it is not what it has to be. -1 for none. */
static bool take_eventfd(struct vhu_message *msg, int *fd, struct fail *fail)
{
	if (msg->fds.n > 0 && vhu_ring_check_fd(msg->fds.fd[0]) != 0) {
		fail_set(fail, 0, "the file descriptor is not an eventfd");
		return false;
	}
	*fd = vhu_fds_take(&msg->fds, 0);
	return true;
}

enum vhu_error vhu_set_vring_kick(struct vhu_device *device, struct vhu_message *msg,
				     struct fail *fail)
{
	int fd;

	role_assert_control();
	if (!take_eventfd(msg, &fd, fail))
		return VHU_BAD_VALUE;
	vhu_ring_set_kick(&device->ring[msg->ring], fd);
	return VHU_OK;
}

enum vhu_error vhu_set_vring_call(struct vhu_device *device, struct vhu_message *msg,
				     struct fail *fail)
{
	int fd;

	role_assert_control();
	if (!take_eventfd(msg, &fd, fail))
		return VHU_BAD_VALUE;
	vhu_ring_set_call(&device->ring[msg->ring], fd);
	return VHU_OK;
}

enum vhu_error vhu_set_vring_err(struct vhu_device *device, struct vhu_message *msg,
				    struct fail *fail)
{
	int fd;

	role_assert_control();
	if (!take_eventfd(msg, &fd, fail))
		return VHU_BAD_VALUE;
	vhu_ring_set_err(&device->ring[msg->ring], fd);
	return VHU_OK;
}

enum vhu_error vhu_set_vring_enable(struct vhu_device *device, struct vhu_message *msg,
				       struct fail *fail)
{
	if (msg->payload.state.num > 1)
		return vhu_request_bad_value(fail, "a ring is enabled (1) or disabled (0)");
	device->ring[msg->ring].enabled = msg->payload.state.num == 1;
	return VHU_OK;
}
