/* SPDX-License-Identifier: BSD-3-Clause */
/* A lane as a data path (vhu_datapath.h): what is asked of it, and what comes of its answers; see vhu_postcopy.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vhu_session.h"

static struct vhu_device *device_of(struct lane_process *lane)
{
	return container_of(lane, struct vhu_device, postcopy.lane);
}

/* --- asking the lane --------------------------------------------------------------------------------------------- */

void vhu_lane_ask(struct vhu_device *device, const struct lane_message *message, int fd)
{
	vhu_pending_begin(&device->pending, VHU_STEP_LANE_ANSWER);
	lane_process_ask(&device->postcopy.lane, message, fd);
}

static void take_uffd(struct vhu_device *device, int *fd) RUNS_ON(control_thread)
{
	struct vhu_postcopy *pc = &device->postcopy;

	disposal_close(device->account, pc->uffd);
	pc->uffd = *fd;
	*fd = -1;
}

/* The addresses come in the order of the regions, each under its number. */
static void take_address(struct vhu_postcopy *pc, const struct lane_message *message)
{
	if (pc->echo_size == sizeof(struct vhu_memory_single))
		pc->echo.single.region.uva = message->address;
	else if (message->ring < pc->echo.table.n)
		pc->echo.table.region[message->ring].uva = message->address;
}

static void ring_broke(struct vhu_device *device, const struct lane_message *message)
	RUNS_ON(control_thread)
{
	if (message->ring >= device->rings_n || message->fault >= VIRTQ_FAULTS)
		return;
	atomic_store_explicit(&device->ring[message->ring].q.fault, (int)message->fault,
			      memory_order_relaxed);
	vhu_device_ring_broken(device, message->ring);
}

static void ring_left(struct vhu_ring *ring, uint32_t base) RUNS_ON(control_thread)
{
	/* What the record says was so before the lane had the ring. */
	vhu_ring_close_record(ring);
	vhu_ring_left(ring, base);
}

static void lane_answered(struct lane_process *lane, const struct lane_message *message, int *fd)
{
	struct vhu_device *device = device_of(lane);
	struct vhu_postcopy *pc = &device->postcopy;
	char why[128];

	role_assert_control();
	if (message->request == LANE_RING_BROKEN) {
		ring_broke(device, message);
		return;
	}
	if (device->pending.n[VHU_STEP_LANE_ANSWER] == 0) /* the conversation that asked is over */
		return;
	vhu_pending_end(&device->pending, VHU_STEP_LANE_ANSWER);
	if (message->error != 0) {
		snprintf(why, sizeof(why), "postcopy: the lane cannot do request %u: %s",
			 message->request, strerror(-message->error));
		vhu_session_end(device, why, false);
		return;
	}
	if (message->request == LANE_UFFD)
		take_uffd(device, fd);
	else if (message->request == LANE_MAP)
		take_address(pc, message);
	else if (message->request == LANE_COMMIT)
		pc->uncommitted = false;
	else if (message->request == LANE_RING_LEAVE)
		ring_left(&device->ring[message->ring], (uint32_t)message->base);
	vhu_session_go_on(device);
}

static void lane_ready(struct lane_process *lane)
{
	struct vhu_device *device = device_of(lane);

	role_assert_control();
	if (device->pending.n[VHU_STEP_LANE_START] == 0)
		return;
	vhu_lane_ask(device, &(struct lane_message){.request = LANE_UFFD}, -1);
	vhu_pending_end(&device->pending, VHU_STEP_LANE_START);
}

static void lane_failed(struct lane_process *lane, const char *why)
{
	struct vhu_device *device = device_of(lane);
	char text[160];

	role_assert_control();
	snprintf(text, sizeof(text), "postcopy: %s", why);
	vhu_session_end(device, text, false);
}

static void lane_gone(struct lane_process *lane)
{
	struct vhu_device *device = device_of(lane);

	role_assert_control();
	if (device->pending.n[VHU_STEP_LANE_EXIT] == 0)
		return;
	vhu_pending_end(&device->pending, VHU_STEP_LANE_EXIT);
	vhu_session_go_on(device);
}

const struct lane_process_events vhu_lane_events = {
	.ready = lane_ready,
	.answered = lane_answered,
	.failed = lane_failed,
	.gone = lane_gone,
};

/* --- regions ----------------------------------------------------------------------------------------------------- */

static struct lane_region lane_region_of(const struct vhu_memory_region *wire,
					 const struct vhu_mapping *mapping)
{
	return (struct lane_region){
		.gpa = wire->gpa,
		.size = wire->size,
		.uva = wire->uva,
		.offset = mapping->offset - mapping->delta,
		.len = mapping->len,
		.delta = mapping->delta,
	};
}

static enum vhu_error lane_map(struct vhu_device *device, const struct vhu_message *msg,
			       const struct vhu_memory_region *regions, uint32_t n, struct fail *fail)
{
	const struct mem_map *map = vhu_regions_map(&device->regions);
	struct vhu_postcopy *pc = &device->postcopy;

	role_assert_control();
	if (n == 0) {
		fail_set(fail, 0, "this region is there already");
		return VHU_BAD_VALUE;
	}
	for (uint32_t i = 0; i < n; i++) {
		int at = mem_map_find(map, regions[i].gpa, regions[i].size, regions[i].uva);
		struct lane_message request = {.request = LANE_MAP, .ring = i};

		if (at < 0) {
			fail_set(fail, 0, "a region is there twice");
			return VHU_BAD_VALUE;
		}
		request.region = lane_region_of(&regions[i], &device->regions.mapping[at]);
		vhu_lane_ask(device, &request, msg->fds.fd[i]);
	}
	pc->echo = msg->payload;
	pc->echo_size = msg->header.size;
	pc->echo_due = pc->uncommitted = true;
	return VHU_OK;
}

bool vhu_postcopy_echo(struct vhu_device *device, struct vhu_reply *reply)
{
	if (!device->postcopy.echo_due)
		return false;
	reply->size = device->postcopy.echo_size;
	reply->payload = device->postcopy.echo;
	device->postcopy.echo_due = false;
	return true;
}

static void ask_unmap(struct vhu_device *device, uint64_t gpa, uint64_t size) RUNS_ON(control_thread)
{
	vhu_lane_ask(device, &(struct lane_message){.request = LANE_UNMAP, .region = {.gpa = gpa, .size = size}}, -1);
}

static void lane_unmap(struct vhu_device *device, const struct vhu_memory_region *region)
{
	role_assert_control();
	ask_unmap(device, region->gpa, region->size);
}

static enum vhu_error lane_unmap_all(struct vhu_device *device)
{
	const struct mem_map *map = vhu_regions_map(&device->regions);

	role_assert_control();
	if (vhu_session_started(device) != 0)
		return VHU_BAD_STATE;
	for (uint32_t i = 0; map != NULL && i < map->n; i++)
		ask_unmap(device, map->region[i].gpa, map->region[i].size);
	return VHU_OK;
}

/* --- rings ------------------------------------------------------------------------------------------------------- */

static void lane_ring_start(struct vhu_ring *ring, const struct virtq_setup *setup,
			    struct virtq_conf *conf)
{
	const struct lane_message request = {
		.request = LANE_RING_RUN,
		.ring = ring->index,
		.setup = {
			.size = setup->size,
			.base = ring->base,
			.discards = ring->discards,
			.desc_uva = setup->desc_uva,
			.avail_uva = setup->avail_uva,
			.used_uva = setup->used_uva,
			.features = setup->features,
		},
	};

	role_assert_control();
	free(conf); /* checked, and not published: the lane has its own */
	ring->begun = false;
	atomic_store_explicit(&ring->q.fault, VIRTQ_OK, memory_order_relaxed);
	vhu_lane_ask(vhu_device_of_ring(ring), &request, setup->call_fd);
}

static void lane_ring_stop(struct vhu_ring *ring)
{
	const struct lane_message request = {.request = LANE_RING_LEAVE, .ring = ring->index};

	role_assert_control();
	vhu_lane_ask(vhu_device_of_ring(ring), &request, -1);
}

static void lane_ring_set_call(struct vhu_ring *ring, int fd)
{
	const struct lane_message request = {.request = LANE_RING_CALL, .ring = ring->index};

	role_assert_control();
	disposal_close(ring->account, ring->call_fd);
	ring->call_fd = fd;
	vhu_lane_ask(vhu_device_of_ring(ring), &request, fd);
}

/* Nothing is logged while a guest arrives. */
static void lane_ring_set_log(struct vhu_ring *ring VUS_UNUSED)
{
}

void vhu_lane_abandon_rings(struct vhu_device *device)
{
	for (unsigned int i = 0; i < device->rings_n; i++) {
		struct vhu_ring *ring = &device->ring[i];

		if (ring->datapath == &vhu_datapath_lane && ring->state != VHU_RING_IDLE)
			ring_left(ring, ring->base);
	}
}

const struct vhu_datapath vhu_datapath_lane = {
	.ring_start = lane_ring_start,
	.ring_stop = lane_ring_stop,
	.ring_set_call = lane_ring_set_call,
	.ring_set_log = lane_ring_set_log,
	.map = lane_map,
	.unmap = lane_unmap,
	.unmap_all = lane_unmap_all,
};
