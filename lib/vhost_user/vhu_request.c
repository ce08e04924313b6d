/* SPDX-License-Identifier: BSD-3-Clause */
/* What each request does to the device. A handler sees a message of the right size, with the right descriptors, about a
 * ring that exists, at a time when it may come (vhu_message.c); it checks values. */
#include <errno.h>
#include <string.h>

#include "vhu_feature.h"
#include "vhu_session.h"

enum {
	MTU_MIN = 68, /* RFC 791 */
	LOG_ADDR_FLAG = 1,
};

static enum vhu_error bad_value(struct fail *fail, const char *text)
{
	fail_set(fail, 0, "%s", text);
	return VHU_BAD_VALUE;
}

/* --- features --------------------------------------------------------------------------------------------------- */

static void get_features(struct vhu_device *device VUS_UNUSED, unsigned int ring VUS_UNUSED,
			 struct vhu_reply *reply)
{
	reply->payload.u64 = vhu_features_offered();
}

static enum vhu_error set_features(struct vhu_device *device, struct vhu_message *msg,
				   struct fail *fail)
{
	uint64_t features = msg->payload.u64 & ~vhu_features_tolerated(), changed;
	int n;

	role_assert_control();
	if ((features & ~vhu_features_offered()) != 0) {
		fail_set(fail, 0, "virtio features %#llx were not offered",
			 (unsigned long long)(features & ~vhu_features_offered()));
		return VHU_BAD_VALUE;
	}
	/* A migration that begins or ends: the one bit that may change while rings run. */
	changed = features ^ device->features;
	if (vhu_session_started(device) != 0 && device->features_set &&
	    (changed & ~(UINT64_C(1) << VHU_F_LOG_ALL)) != 0)
		return VHU_BAD_STATE;
	n = vhu_log_all(&device->dirty, &device->regions, (features >> VHU_F_LOG_ALL) & 1);
	if (n < 0)
		return VHU_NO_RESOURCE;
	device->unsettled += (unsigned int)n;
	device->features = features;
	device->features_set = true;
	return VHU_OK;
}

static void get_protocol_features(struct vhu_device *device VUS_UNUSED,
				  unsigned int ring VUS_UNUSED, struct vhu_reply *reply)
{
	reply->payload.u64 = vhu_protocol_features_offered();
}

static enum vhu_error set_protocol_features(struct vhu_device *device, struct vhu_message *msg,
					    struct fail *fail)
{
	uint64_t features = msg->payload.u64;

	if ((features & ~vhu_protocol_features_offered()) != 0) {
		fail_set(fail, 0, "protocol features %#llx were not offered",
			 (unsigned long long)(features & ~vhu_protocol_features_offered()));
		return VHU_BAD_VALUE;
	}
	if (vhu_session_started(device) != 0 && features != device->protocol_features)
		return VHU_BAD_STATE;
	device->protocol_features = features;
	return VHU_OK;
}

static void get_queue_num(struct vhu_device *device, unsigned int ring VUS_UNUSED,
			  struct vhu_reply *reply)
{
	reply->payload.u64 = device->queue_pairs;
}

static void get_max_mem_slots(struct vhu_device *device VUS_UNUSED, unsigned int ring VUS_UNUSED,
			      struct vhu_reply *reply)
{
	reply->payload.u64 = MEM_SLOTS_MAX;
}

/* --- memory ----------------------------------------------------------------------------------------------------- */

static enum vhu_error error_of(int error)
{
	return error == -ENOMEM ? VHU_NO_RESOURCE : VHU_BAD_VALUE;
}

static enum vhu_error set_mem_table(struct vhu_device *device, struct vhu_message *msg,
				    struct fail *fail)
{
	int n;

	role_assert_control();
	n = vhu_regions_replace(&device->regions, &msg->payload.table, msg->fds.fd, fail);
	if (n < 0)
		return error_of(n);
	device->unsettled += (unsigned int)n;
	return VHU_OK;
}

static enum vhu_error add_mem_reg(struct vhu_device *device, struct vhu_message *msg,
				  struct fail *fail)
{
	int error;

	role_assert_control();
	error = vhu_regions_add(&device->regions, &msg->payload.single.region, msg->fds.fd[0],
				fail);
	return error == 0 ? VHU_OK : error_of(error);
}

/* A region that is not there is removed already: QEMU never adds again after a removal that failed (protocol.md 3a.7). */
static enum vhu_error rem_mem_reg(struct vhu_device *device, struct vhu_message *msg,
				  struct fail *fail)
{
	const struct vhu_memory_region *region = &msg->payload.single.region;
	int n;

	role_assert_control();
	n = vhu_regions_remove(&device->regions, region);
	if (n == -ENOENT) {
		log_limited(&device->log, LOG_WARN, device->name,
			    "REM_MEM_REG of a region that is not there (guest address %#llx, %#llx "
			    "bytes)",
			    (unsigned long long)region->gpa, (unsigned long long)region->size);
		return VHU_OK;
	}
	if (n < 0) {
		fail_set(fail, 0, "%s", strerror(-n));
		return error_of(n);
	}
	device->unsettled += (unsigned int)n;
	return VHU_OK;
}

/* --- rings ------------------------------------------------------------------------------------------------------ */

static enum vhu_error set_vring_num(struct vhu_device *device, struct vhu_message *msg,
				    struct fail *fail)
{
	uint32_t num = msg->payload.state.num;

	if (num == 0 || num > VIRTQ_SIZE_MAX || (num & (num - 1)) != 0)
		return bad_value(fail, "the size of a split ring is a power of two up to 32768");
	device->ring[msg->ring].size = (uint16_t)num;
	return VHU_OK;
}

static enum vhu_error set_vring_addr(struct vhu_device *device, struct vhu_message *msg,
				     struct fail *fail)
{
	const struct vhu_vring_addr *addr = &msg->payload.addr;
	struct vhu_ring *ring = &device->ring[msg->ring];
	bool same = ring->addressed && ring->desc == addr->desc && ring->avail == addr->avail &&
		    ring->used == addr->used;

	role_assert_control();
	if ((addr->flags & ~(uint32_t)LOG_ADDR_FLAG) != 0)
		return bad_value(fail, "unknown flags");
	if (addr->desc % 16 != 0 || addr->avail % 2 != 0 || addr->used % 4 != 0)
		return bad_value(fail, "a part of the ring is misaligned");
	if (ring->started && ring->addressed && !same)
		return VHU_BAD_STATE;
	ring->desc = addr->desc;
	ring->avail = addr->avail;
	ring->used = addr->used;
	ring->addressed = true;
	if (vhu_ring_set_log(ring, (addr->flags & LOG_ADDR_FLAG) != 0, addr->log))
		device->unsettled++;
	return VHU_OK;
}

static enum vhu_error set_vring_base(struct vhu_device *device, struct vhu_message *msg,
				     struct fail *fail)
{
	if (msg->payload.state.num > UINT16_MAX)
		return bad_value(fail, "the index of a split ring has 16 bits");
	device->ring[msg->ring].base = (uint16_t)msg->payload.state.num;
	device->ring[msg->ring].begun = false;
	return VHU_OK;
}

static enum vhu_error get_vring_base(struct vhu_device *device, struct vhu_message *msg,
				     struct fail *fail VUS_UNUSED)
{
	struct vhu_ring *ring = &device->ring[msg->ring];

	role_assert_control();
	ring->started = false;
	if (ring->state == VHU_RING_RUNNING) {
		device->unsettled++;
		vhu_ring_leave(ring);
	}
	return VHU_OK;
}

/* --- the dirty log ---------------------------------------------------------------------------------------------- */

static enum vhu_error set_log_base(struct vhu_device *device, struct vhu_message *msg,
				   struct fail *fail)
{
	int n;

	role_assert_control();
	device->log_base = msg->payload.log;
	n = vhu_log_set(&device->dirty, &device->regions, msg->payload.log.size,
			msg->payload.log.mmap_offset, msg->fds.fd[0], fail);
	if (n < 0)
		return error_of(n);
	device->unsettled += (unsigned int)n;
	return VHU_OK;
}

static void set_log_base_answer(struct vhu_device *device, unsigned int ring VUS_UNUSED,
				struct vhu_reply *reply)
{
	reply->size = sizeof(reply->payload.log);
	reply->payload.log = device->log_base;
}

static void get_vring_base_answer(struct vhu_device *device, unsigned int index,
				  struct vhu_reply *reply)
{
	struct vhu_ring *ring = &device->ring[index];

	role_assert_control();
	vhu_ring_stop(ring);
	/* Nobody writes any more. The front end harvests what is in its log, and gives another if the device starts
	 * again: ours goes, and need not be gone before the answer. */
	if (vhu_session_started(device) == 0 && vhu_log_drop(&device->dirty, &device->regions) > 0)
		device->unsettled++;
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

static enum vhu_error set_vring_kick(struct vhu_device *device, struct vhu_message *msg,
				     struct fail *fail)
{
	int fd;

	role_assert_control();
	if (!take_eventfd(msg, &fd, fail))
		return VHU_BAD_VALUE;
	if (vhu_ring_set_kick(&device->ring[msg->ring], fd))
		device->unsettled++;
	return VHU_OK;
}

static enum vhu_error set_vring_call(struct vhu_device *device, struct vhu_message *msg,
				     struct fail *fail)
{
	int fd;

	role_assert_control();
	if (!take_eventfd(msg, &fd, fail))
		return VHU_BAD_VALUE;
	if (vhu_ring_set_call(&device->ring[msg->ring], fd))
		device->unsettled++;
	return VHU_OK;
}

static enum vhu_error set_vring_err(struct vhu_device *device, struct vhu_message *msg,
				    struct fail *fail)
{
	int fd;

	if (!take_eventfd(msg, &fd, fail))
		return VHU_BAD_VALUE;
	vhu_ring_set_err(&device->ring[msg->ring], fd);
	return VHU_OK;
}

static enum vhu_error set_vring_enable(struct vhu_device *device, struct vhu_message *msg,
				       struct fail *fail)
{
	if (msg->payload.state.num > 1)
		return bad_value(fail, "a ring is enabled (1) or disabled (0)");
	device->ring[msg->ring].enabled = msg->payload.state.num == 1;
	return VHU_OK;
}

/* --- the device ------------------------------------------------------------------------------------------------- */

/* Rings end where they are; memory, protocol features and the error descriptors stay (protocol.md 3e.5). */
static void stop_rings(struct vhu_device *device, bool disable) RUNS_ON(control_thread)
{
	for (unsigned int i = 0; i < device->rings_n; i++) {
		struct vhu_ring *ring = &device->ring[i];

		if (disable)
			ring->enabled = false;
		ring->started = ring->begun = ring->broken_told = false;
		if (ring->state == VHU_RING_RUNNING) {
			device->unsettled++;
			vhu_ring_leave(ring);
		}
	}
}

/* Disabled rings run no more, but keep their place and all that was said of them. */
static enum vhu_error reset_owner(struct vhu_device *device, struct vhu_message *msg VUS_UNUSED,
				  struct fail *fail VUS_UNUSED)
{
	for (unsigned int i = 0; i < device->rings_n; i++)
		device->ring[i].enabled = false;
	return VHU_OK;
}

static enum vhu_error reset_device(struct vhu_device *device, struct vhu_message *msg VUS_UNUSED,
				   struct fail *fail VUS_UNUSED)
{
	role_assert_control();
	stop_rings(device, true);
	device->features = device->device_status = 0;
	device->features_set = false;
	return VHU_OK;
}

static enum vhu_error set_status(struct vhu_device *device, struct vhu_message *msg,
				 struct fail *fail)
{
	role_assert_control();
	if (msg->payload.u64 > UINT8_MAX)
		return bad_value(fail, "a device status has 8 bits");
	device->device_status = msg->payload.u64;
	if (device->device_status != 0)
		return VHU_OK;
	stop_rings(device, false);
	device->features = 0;
	device->features_set = false;
	return VHU_OK;
}

static void get_status(struct vhu_device *device, unsigned int ring VUS_UNUSED,
		       struct vhu_reply *reply)
{
	reply->payload.u64 = device->device_status;
}

static enum vhu_error net_set_mtu(struct vhu_device *device, struct vhu_message *msg,
				  struct fail *fail)
{
	uint64_t mtu = msg->payload.u64;

	if (mtu < MTU_MIN || mtu > UINT16_MAX)
		return bad_value(fail, "an MTU is 68 to 65535");
	device->mtu = (uint16_t)mtu;
	device->events->mtu(device->owner, device->mtu);
	return VHU_OK;
}

static enum vhu_error send_rarp(struct vhu_device *device, struct vhu_message *msg,
				struct fail *fail VUS_UNUSED)
{
	device->events->rarp(device->owner, msg->payload.raw);
	return VHU_OK;
}

const struct vhu_request_ops vhu_requests[VHU_REQUESTS] = {
	[VHU_GET_FEATURES] = {.answer = get_features},
	[VHU_SET_FEATURES] = {.handle = set_features},
	[VHU_SET_OWNER] = {.handle = NULL},
	[VHU_RESET_OWNER] = {.handle = reset_owner},
	[VHU_SET_MEM_TABLE] = {.handle = set_mem_table},
	[VHU_SET_LOG_BASE] = {.handle = set_log_base, .answer = set_log_base_answer},
	[VHU_SET_VRING_NUM] = {.handle = set_vring_num},
	[VHU_SET_VRING_ADDR] = {.handle = set_vring_addr},
	[VHU_SET_VRING_BASE] = {.handle = set_vring_base},
	[VHU_GET_VRING_BASE] = {.handle = get_vring_base, .answer = get_vring_base_answer},
	[VHU_SET_VRING_KICK] = {.handle = set_vring_kick},
	[VHU_SET_VRING_CALL] = {.handle = set_vring_call},
	[VHU_SET_VRING_ERR] = {.handle = set_vring_err},
	[VHU_GET_PROTOCOL_FEATURES] = {.answer = get_protocol_features},
	[VHU_SET_PROTOCOL_FEATURES] = {.handle = set_protocol_features},
	[VHU_GET_QUEUE_NUM] = {.answer = get_queue_num},
	[VHU_SET_VRING_ENABLE] = {.handle = set_vring_enable},
	[VHU_SEND_RARP] = {.handle = send_rarp},
	[VHU_NET_SET_MTU] = {.handle = net_set_mtu},
	[VHU_RESET_DEVICE] = {.handle = reset_device},
	[VHU_GET_MAX_MEM_SLOTS] = {.answer = get_max_mem_slots},
	[VHU_ADD_MEM_REG] = {.handle = add_mem_reg},
	[VHU_REM_MEM_REG] = {.handle = rem_mem_reg},
	[VHU_SET_STATUS] = {.handle = set_status},
	[VHU_GET_STATUS] = {.answer = get_status},
};
