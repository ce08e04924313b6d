/* SPDX-License-Identifier: BSD-3-Clause */
/* What is asked of a lane, and what comes of its answers; see vhu_postcopy.h. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vhu_session.h"

static struct vhu_device *device_of(struct lane_process *lane)
{
	return container_of(lane, struct vhu_device, postcopy.lane);
}

/* --- asking the lane --------------------------------------------------------------------------------------------- */

void vhu_postcopy_ask(struct vhu_device *device, const struct lane_message *message, int fd)
{
	device->unsettled++;
	device->postcopy.asked++;
	lane_process_ask(&device->postcopy.lane, message, fd);
}

static void take_faults(struct vhu_postcopy *pc, int *fd)
{
	if (pc->faults_fd >= 0)
		close(pc->faults_fd);
	pc->faults_fd = *fd;
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
	if (pc->asked == 0) /* nobody asked */
		return;
	pc->asked--;
	device->unsettled--;
	if (message->error != 0) {
		snprintf(why, sizeof(why), "postcopy: the lane cannot do request %u: %s",
			 message->request, strerror(-message->error));
		vhu_session_end(device, why, false);
		return;
	}
	if (message->request == LANE_FAULTS)
		take_faults(pc, fd);
	else if (message->request == LANE_MAP)
		take_address(pc, message);
	else if (message->request == LANE_COMMIT)
		pc->uncommitted = false;
	else if (message->request == LANE_RING_LEAVE)
		vhu_ring_left(&device->ring[message->ring], (uint32_t)message->base);
	device->unsettled++;
	vhu_session_settled(device);
}

static void lane_ready(struct lane_process *lane)
{
	struct vhu_device *device = device_of(lane);

	role_assert_control();
	if (!device->postcopy.wants_faults)
		return;
	device->postcopy.wants_faults = false;
	lane_process_ask(lane, &(struct lane_message){.request = LANE_FAULTS}, -1);
}

static void lane_failed(struct lane_process *lane, const char *why)
{
	struct vhu_device *device = device_of(lane);
	char text[160];

	role_assert_control();
	snprintf(text, sizeof(text), "postcopy: %s", why);
	vhu_session_end(device, text, false);
}

/* Whoever ended it waits for this. */
static void lane_gone(struct lane_process *lane)
{
	struct vhu_device *device = device_of(lane);

	role_assert_control();
	if (!device->postcopy.leaving)
		return;
	device->postcopy.leaving = false;
	vhu_session_settled(device);
}

const struct lane_process_events vhu_postcopy_lane_events = {
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

enum vhu_error vhu_postcopy_map(struct vhu_device *device, const struct vhu_message *msg,
				const struct vhu_memory_region *regions, uint32_t n, struct fail *fail)
{
	const struct mem_map *map = vhu_regions_map(&device->regions);
	struct vhu_postcopy *pc = &device->postcopy;

	for (uint32_t i = 0; i < n; i++) {
		int at = mem_map_find(map, regions[i].gpa, regions[i].size, regions[i].uva);
		struct lane_message request = {.request = LANE_MAP, .ring = i};

		if (at < 0) {
			fail_set(fail, 0, "a region is there twice");
			return VHU_BAD_VALUE;
		}
		request.region = lane_region_of(&regions[i], &device->regions.mapping[at]);
		vhu_postcopy_ask(device, &request, msg->fds.fd[i]);
	}
	pc->echo = msg->payload;
	pc->echo_size = msg->header.size;
	pc->echo_due = pc->uncommitted = true;
	return VHU_OK;
}

void vhu_postcopy_echo(struct vhu_device *device, struct vhu_reply *reply)
{
	reply->size = device->postcopy.echo_size;
	reply->payload = device->postcopy.echo;
	device->postcopy.echo_due = false;
}

static void unmap(struct vhu_device *device, uint64_t gpa, uint64_t size) RUNS_ON(control_thread)
{
	vhu_postcopy_ask(device,
	    &(struct lane_message){.request = LANE_UNMAP, .region = {.gpa = gpa, .size = size}},
	    -1);
}

void vhu_postcopy_unmap(struct vhu_device *device, const struct vhu_memory_region *region)
{
	unmap(device, region->gpa, region->size);
}

void vhu_postcopy_unmap_all(struct vhu_device *device)
{
	const struct mem_map *map = vhu_regions_map(&device->regions);

	for (uint32_t i = 0; map != NULL && i < map->n; i++)
		unmap(device, map->region[i].gpa, map->region[i].size);
}

/* --- rings ------------------------------------------------------------------------------------------------------- */

void vhu_postcopy_ring_run(struct vhu_device *device, struct vhu_ring *ring,
			   const struct virtq_setup *setup)
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

	vhu_postcopy_ask(device, &request, setup->call_fd);
}

void vhu_postcopy_ring_leave(struct vhu_device *device, struct vhu_ring *ring)
{
	/* Whoever withdraws a ring has counted it as unsettled. */
	device->unsettled--;
	vhu_postcopy_ask(device, &(struct lane_message){.request = LANE_RING_LEAVE, .ring = ring->index}, -1);
}

void vhu_postcopy_ring_call(struct vhu_device *device, struct vhu_ring *ring)
{
	device->unsettled--;
	vhu_postcopy_ask(device, &(struct lane_message){.request = LANE_RING_CALL, .ring = ring->index},
	    ring->call_fd);
}

