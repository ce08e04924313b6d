/* SPDX-License-Identifier: BSD-3-Clause */
/* What a session hears of its device's memory: see vhu_session.h. */
#include "frame_ref.h"
#include "vhu_session.h"

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

const struct vhu_regions_events vhu_session_regions_events = {
	.leaving = region_leaving,
	.released = region_released,
	.waits = memory_waits,
	.died = memory_died,
};
