/* SPDX-License-Identifier: BSD-3-Clause */
/* What each request does to the device. A handler sees a message of the right size, with the right descriptors, about a
 * ring that exists, at a time when it may come (vhu_message.c); it checks values. */
#include <errno.h>
#include <string.h>

#include "vhu_feature.h"
#include "vhu_request.h"

enum {
	MTU_MIN = 68, /* RFC 791 */
};

enum vhu_error vhu_request_bad_value(struct fail *fail, const char *text)
{
	fail_set(fail, 0, "%s", text);
	return VHU_BAD_VALUE;
}

/* These are answered with a value, which is 0, where others are acknowledged. */
static void answer_zero(struct vhu_device *device VUS_UNUSED, unsigned int ring VUS_UNUSED,
			struct vhu_reply *reply)
{
	reply->payload.u64 = 0;
}

/* --- features --------------------------------------------------------------------------------------------------- */

static void get_features(struct vhu_device *device VUS_UNUSED, unsigned int ring VUS_UNUSED,
			 struct vhu_reply *reply)
{
	reply->payload.u64 = vhu_device_offers(device);
}

/* libkrun resets a device by disabling its rings, and gives a new driver's features before it configures them again: they
 * end here. False: one of them is in use. */
static bool reset_disabled(struct vhu_device *device) RUNS_ON(control_thread)
{
	uint32_t started = vhu_session_started(device);

	for (unsigned int i = 0; i < device->rings_n; i++)
		if ((started >> i & 1) != 0 && vhu_session_ring_enabled(device, &device->ring[i]))
			return false;
	for (unsigned int i = 0; i < device->rings_n; i++)
		if ((started >> i & 1) != 0)
			vhu_ring_reset(&device->ring[i]);
	device->dirty.ends = started != 0;
	return true;
}

static enum vhu_error set_features(struct vhu_device *device, struct vhu_message *msg,
				   struct fail *fail)
{
	uint64_t offered = vhu_device_offers(device), changed;
	uint64_t features = msg->payload.u64 & (offered | ~vhu_features_tolerated());

	role_assert_control();
	if ((features & ~offered) != 0) {
		fail_set(fail, 0, "virtio features %#llx were not offered", (unsigned long long)(features & ~offered));
		return VHU_BAD_VALUE;
	}
	/* A migration that begins or ends: the one bit that may change while rings run. */
	changed = features ^ device->features;
	if (vhu_session_started(device) != 0 && device->features_set &&
	    (changed & ~(UINT64_C(1) << VHU_F_LOG_ALL)) != 0 && !reset_disabled(device))
		return VHU_BAD_STATE;
	if (vhu_log_all(&device->dirty, &device->regions, (features >> VHU_F_LOG_ALL) & 1) != 0)
		return VHU_NO_RESOURCE;
	device->features = features;
	device->features_set = true;
	return VHU_OK;
}

static void get_protocol_features(struct vhu_device *device, unsigned int ring VUS_UNUSED,
				  struct vhu_reply *reply)
{
	reply->payload.u64 = vhu_protocol_features_offered(device->postcopy.offered);
}

static enum vhu_error set_protocol_features(struct vhu_device *device, struct vhu_message *msg,
					    struct fail *fail)
{
	uint64_t features = msg->payload.u64;
	uint64_t alien = features & ~vhu_protocol_features_offered(device->postcopy.offered);

	if (alien != 0) {
		fail_set(fail, 0, "protocol features %#llx were not offered",
			 (unsigned long long)alien);
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
	/* The specification says queues, and means rings: everybody counts them but QEMU, which compares the number with
	 * its queue pairs. QEMU alone agrees to RARP. (hw/virtio/vhost-user.c, net/vhost-user.c) */
	bool qemu = (device->protocol_features >> VHU_P_RARP & 1) != 0;

	reply->payload.u64 = qemu ? device->queue_pairs : device->rings_n;
}

static void get_max_mem_slots(struct vhu_device *device VUS_UNUSED, unsigned int ring VUS_UNUSED,
			      struct vhu_reply *reply)
{
	reply->payload.u64 = MEM_SLOTS_MAX;
}

/* --- memory ----------------------------------------------------------------------------------------------------- */

/* Whether none of the files is of a guest that arrived in part only. */
static bool whole(struct vhu_device *device, struct fail *fail)
{
	for (uint32_t i = 0; i < device->mapper.n; i++) {
		if (vhu_partial_check(&device->postcopy.partial, &device->mapper.piece[i].mapping, fail) == 0)
			continue;
		device->postcopy.turned_away = true;
		return false;
	}
	return true;
}

static enum vhu_error set_mem_table(struct vhu_device *device, struct vhu_message *msg,
				    struct fail *fail)
{
	role_assert_control();
	return vhu_session_map(device, msg, msg->payload.table.region, msg->payload.table.n, fail);
}

static enum vhu_error set_mem_table_mapped(struct vhu_device *device, struct vhu_message *msg,
					   struct fail *fail)
{
	const struct vhu_memory_table *table = &msg->payload.table;
	enum vhu_error refused;
	int error;

	role_assert_control();
	if (!whole(device, fail))
		return VHU_BAD_VALUE;
	refused = device->datapath->unmap_all(device);
	if (refused != VHU_OK)
		return refused;
	error = vhu_regions_replace(&device->regions, &device->mapper, fail);
	if (error != 0)
		return vhu_error_of(error);
	return device->datapath->map(device, msg, table->region, table->n, fail);
}

static enum vhu_error add_mem_reg(struct vhu_device *device, struct vhu_message *msg,
				  struct fail *fail)
{
	role_assert_control();
	return vhu_session_map(device, msg, &msg->payload.single.region, 1, fail);
}

static enum vhu_error add_mem_reg_mapped(struct vhu_device *device, struct vhu_message *msg,
					 struct fail *fail)
{
	uint32_t before = device->regions.n;
	int error;

	role_assert_control();
	if (!whole(device, fail))
		return VHU_BAD_VALUE;
	error = vhu_regions_add(&device->regions, &device->mapper, fail);
	if (error != 0)
		return vhu_error_of(error);
	return device->datapath->map(device, msg, &msg->payload.single.region, device->regions.n - before, fail);
}

/* A region that is not there is removed already: QEMU never adds again after a removal that failed (F3). */
static enum vhu_error rem_mem_reg(struct vhu_device *device, struct vhu_message *msg,
				  struct fail *fail)
{
	const struct vhu_memory_region *region = &msg->payload.single.region;
	int error;

	role_assert_control();
	error = vhu_regions_remove(&device->regions, region);
	if (error == -ENOENT) {
		log_limited(&device->log, LOG_WARN, device->name,
			    "REM_MEM_REG of a region that is not there (guest address %#llx, %#llx "
			    "bytes)",
			    (unsigned long long)region->gpa, (unsigned long long)region->size);
		return VHU_OK;
	}
	if (error != 0) {
		fail_set(fail, 0, "%s", strerror(-error));
		return vhu_error_of(error);
	}
	device->datapath->unmap(device, region);
	return VHU_OK;
}

/* --- the dirty log ---------------------------------------------------------------------------------------------- */

static enum vhu_error set_log_base(struct vhu_device *device, struct vhu_message *msg,
				   struct fail *fail)
{
	const struct vhu_memory_region wire = {
		.size = msg->payload.log.size, .mmap_offset = msg->payload.log.mmap_offset};
	int error = vhu_log_check(&wire, fail);

	role_assert_control();
	device->log_base = msg->payload.log;
	return error == 0 ? vhu_session_map(device, msg, &wire, 1, fail) : vhu_error_of(error);
}

static enum vhu_error set_log_base_mapped(struct vhu_device *device, struct vhu_message *msg VUS_UNUSED,
					  struct fail *fail)
{
	int error;

	role_assert_control();
	error = vhu_log_set(&device->dirty, &device->regions, &device->mapper, fail);
	return error == 0 ? VHU_OK : vhu_error_of(error);
}

static void set_log_base_answer(struct vhu_device *device, unsigned int ring VUS_UNUSED,
				struct vhu_reply *reply)
{
	reply->size = sizeof(reply->payload.log);
	reply->payload.log = device->log_base;
}

/* --- the device ------------------------------------------------------------------------------------------------- */

/* Rings end where they are; memory, protocol features and the error descriptors stay (F12). */
static void stop_rings(struct vhu_device *device, bool disable) RUNS_ON(control_thread)
{
	device->dirty.ends = true;
	for (unsigned int i = 0; i < device->rings_n; i++) {
		struct vhu_ring *ring = &device->ring[i];

		if (disable)
			ring->enabled = false;
		ring->started = ring->begun = ring->broken_reported = false;
		vhu_ring_close_record(ring);
		vhu_ring_leave(ring);
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
		return vhu_request_bad_value(fail, "a device status has 8 bits");
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
		return vhu_request_bad_value(fail, "an MTU is 68 to 65535");
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
	[VHU_SET_MEM_TABLE] = {.handle = set_mem_table, .mapped = set_mem_table_mapped},
	[VHU_SET_LOG_BASE] = {.handle = set_log_base, .mapped = set_log_base_mapped, .answer = set_log_base_answer},
	[VHU_SET_VRING_NUM] = {.handle = vhu_set_vring_num},
	[VHU_SET_VRING_ADDR] = {.handle = vhu_set_vring_addr},
	[VHU_SET_VRING_BASE] = {.handle = vhu_set_vring_base},
	[VHU_GET_VRING_BASE] = {.handle = vhu_get_vring_base, .answer = vhu_get_vring_base_answer},
	[VHU_SET_VRING_KICK] = {.handle = vhu_set_vring_kick},
	[VHU_SET_VRING_CALL] = {.handle = vhu_set_vring_call},
	[VHU_SET_VRING_ERR] = {.handle = vhu_set_vring_err},
	[VHU_GET_PROTOCOL_FEATURES] = {.answer = get_protocol_features},
	[VHU_SET_PROTOCOL_FEATURES] = {.handle = set_protocol_features},
	[VHU_GET_QUEUE_NUM] = {.answer = get_queue_num},
	[VHU_SET_VRING_ENABLE] = {.handle = vhu_set_vring_enable},
	[VHU_SEND_RARP] = {.handle = send_rarp},
	[VHU_NET_SET_MTU] = {.handle = net_set_mtu},
	[VHU_POSTCOPY_ADVISE] = {.handle = vhu_postcopy_advise, .answer = vhu_postcopy_advise_answer},
	[VHU_POSTCOPY_LISTEN] = {.handle = vhu_postcopy_listen, .answer = answer_zero},
	[VHU_POSTCOPY_END] = {.handle = vhu_postcopy_end, .answer = answer_zero},
	[VHU_RESET_DEVICE] = {.handle = reset_device},
	[VHU_GET_MAX_MEM_SLOTS] = {.answer = get_max_mem_slots},
	[VHU_ADD_MEM_REG] = {.handle = add_mem_reg, .mapped = add_mem_reg_mapped},
	[VHU_REM_MEM_REG] = {.handle = rem_mem_reg},
	[VHU_SET_STATUS] = {.handle = set_status},
	[VHU_GET_STATUS] = {.answer = get_status},
};
