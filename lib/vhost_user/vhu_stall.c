/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_stall.h"

#include "clock.h"
#include "vhu_session.h"

uint64_t vhu_stall_rest(const struct vhu_device *device)
{
	uint64_t now = clock_ns();

	return device->endpoint.resting && device->stall.rest_until_ns > now ? device->stall.rest_until_ns - now : 0;
}

void vhu_stall_show(const struct vhu_device *device, struct vhu_stalls *stalls)
{
	*stalls = (struct vhu_stalls){
		.memory_wait_ms = device->stall.total_ns[STALL_MEMORY] / NS_PER_MS,
		.interrupt_wait_ms = device->stall.total_ns[STALL_INTERRUPT] / NS_PER_MS,
		.sent_down = device->stall.rests,
		.down_for_ms = vhu_stall_rest(device) / NS_PER_MS,
	};
}

void vhu_stall_charged(struct vhu_device *device)
{
	uint64_t now = clock_ns(), memory = 0, ns[STALL_KINDS];
	char why[120];

	if (device->regions.arena != NULL)
		memory = mem_arena_take(device->regions.arena);
	stall_take(&device->meter, ns);
	ns[STALL_MEMORY] += memory;
	stall_account_add(&device->stall, ns, now);
	if (!stall_account_over(&device->stall, now, why, sizeof(why)))
		return;
	if (device->state == VHU_TALKING) {
		vhu_endpoint_back_off(&device->endpoint, stall_account_rest(&device->stall, now), why);
		vhu_session_end(device, why, false);
	} else if (now + stall_account_owes(&device->stall, now) > device->stall.rest_until_ns) {
		/* The lcore was not back yet when it was cut off. */
		device->stall.rest_until_ns = now + stall_account_owes(&device->stall, now);
		vhu_endpoint_back_off(&device->endpoint, stall_account_owes(&device->stall, now), why);
	}
}
