/* SPDX-License-Identifier: BSD-3-Clause */
/* What a session hears of its device's memory: see vhu_session.h. */
#include <errno.h>

#include "frame_ref.h"
#include "vhu_session.h"
#include "vhu_stall.h"

static void region_leaving(struct vhu_regions *regions, const uint8_t *host, uint64_t size)
{
	struct vhu_device *device = container_of(regions, struct vhu_device, regions);

	role_assert_control();
	for (unsigned int i = 0; i < device->rings_n; i++)
		if (vhu_ring_in(&device->ring[i], host, size))
			vhu_ring_leave(&device->ring[i]);
}

static void region_released(struct vhu_regions *regions)
{
	role_assert_control();
	vhu_session_go_on(container_of(regions, struct vhu_device, regions));
}

/* A ring that is drained before it is withdrawn lies in memory that its lcore uses. */
static enum vhu_release_wait memory_waits(struct vhu_regions *regions, uint16_t generation)
{
	const struct vhu_device *device = container_of(regions, struct vhu_device, regions);
	enum vhu_release_wait wait = VHU_RELEASE_NOW;

	for (unsigned int i = 0; i < device->rings_n; i++) {
		const struct vhu_ring *ring = &device->ring[i];

		if (ring->state == VHU_RING_LEAVING && ring->datapath->in_process)
			return VHU_RELEASE_USED;
		if (frame_refs_before(ring->q.refs, generation))
			wait = VHU_RELEASE_ZC;
	}
	return wait;
}

static void memory_died(struct vhu_regions *regions)
{
	struct vhu_device *device = container_of(regions, struct vhu_device, regions);

	role_assert_control();
	vhu_session_end(device,
			"guest memory went away under the running device (SIGBUS): its file was "
			"truncated, or huge pages ran out",
			false);
}

/* --- files that a request brings --------------------------------------------------------------------------------- */

enum vhu_error vhu_error_of(int error)
{
	return error == -ENOMEM ? VHU_NO_RESOURCE : VHU_BAD_VALUE;
}

static struct vhu_device *device_of_mapper(struct vhu_mapper *mapper)
{
	return container_of(mapper, struct vhu_device, mapper);
}

static void close_files(struct vhu_device *device) RUNS_ON(control_thread)
{
	for (unsigned int i = 0; i < device->bringing.fds.n; i++)
		disposal_close(device->account, device->bringing.fds.fd[i]);
	device->bringing.fds.n = 0;
}

/* The request did not succeed, or nobody waits for it any more, and nothing of it is left. */
static void undone(struct vhu_mapper *mapper)
{
	struct vhu_device *device = device_of_mapper(mapper);
	uint32_t request = device->bringing.header.request;

	role_assert_control();
	vhu_pending_end(&device->pending, VHU_STEP_MAP);
	if (device->state == VHU_TALKING) {
		device->answer_due = false;
		vhu_session_refuse(device, &device->bringing.header, device->refusal,
				   mapper->fail.text[0] != '\0' ? mapper->fail.text
								: vhu_message_refusal(request, device->refusal));
	}
	vhu_session_go_on(device);
}

/* The conversation ended meanwhile. A guest that was arriving then has this memory, too. */
static void came_too_late(struct vhu_device *device) RUNS_ON(control_thread)
{
	for (uint32_t i = 0; device->arriving && i < device->mapper.n; i++)
		if (vhu_partial_add(&device->postcopy.partial, &device->mapper.piece[i].mapping) != 0)
			log_error(device->name, "no memory to remember which guest arrived in part only");
	close_files(device);
	vhu_mapper_undo(&device->mapper, device->account, undone);
}

static void files_mapped(struct vhu_mapper *mapper)
{
	struct vhu_device *device = device_of_mapper(mapper);
	struct vhu_message *msg = &device->bringing;

	role_assert_control();
	if (device->state != VHU_TALKING) {
		came_too_late(device);
		return;
	}
	device->refusal = mapper->error != 0 ? vhu_error_of(mapper->error)
					     : vhu_requests[msg->header.request].mapped(device, msg, &mapper->fail);
	close_files(device);
	if (device->refusal != VHU_OK) {
		vhu_mapper_undo(mapper, device->account, undone);
		return;
	}
	vhu_pending_end(&device->pending, VHU_STEP_MAP);
	vhu_session_go_on(device);
}

enum vhu_error vhu_session_map(struct vhu_device *device, struct vhu_message *msg,
			       const struct vhu_memory_region *regions, uint32_t n, struct fail *fail)
{
	struct vhu_mapper *mapper = &device->mapper;
	int error = vhu_regions_prepare(&device->regions, fail);

	if (error != 0)
		return vhu_error_of(error);
	mapper->n = n;
	for (uint32_t i = 0; i < n; i++) {
		struct vhu_mapper_piece *piece = &mapper->piece[i];

		piece->wire = regions[i];
		piece->fd = msg->fds.fd[i];
		piece->at = vhu_regions_find(&device->regions, &regions[i]);
		if (piece->at >= 0)
			piece->before = device->regions.mapping[piece->at];
	}
	device->bringing = *msg;
	msg->fds.n = 0;
	device->arriving = device->postcopy.state == VHU_POSTCOPY_LISTENING;
	vhu_pending_begin(&device->pending, VHU_STEP_MAP);
	vhu_mapper_start(mapper, device->account, device->regions.arena, files_mapped);
	return VHU_OK;
}

static void memory_stalled(struct vhu_regions *regions)
{
	role_assert_control();
	vhu_stall_charged(container_of(regions, struct vhu_device, regions));
}

const struct vhu_regions_events vhu_session_regions_events = {
	.leaving = region_leaving,
	.released = region_released,
	.waits = memory_waits,
	.died = memory_died,
	.stalled = memory_stalled,
};
