/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_stall.h"

#include "clock.h"
#include "vhu_session.h"

void vhu_stall_charged(struct vhu_device *device)
{
	uint64_t now = clock_ns(), memory = 0, ns[STALL_KINDS];
	char why[120];

	if (device->regions.arena != NULL)
		memory = mem_arena_take(device->regions.arena);
	stall_take(&device->meter, ns);
	ns[STALL_MEMORY] += memory;
	stall_account_add(&device->stall, ns, now);
	if (!stall_account_over(&device->stall, now, why, sizeof(why))) {
		if (device->state == VHU_TALKING)
			vhu_connection_go_on(&device->connection);
		return;
	}
	if (device->state == VHU_TALKING) {
		vhu_endpoint_back_off(&device->endpoint, stall_account_rest(&device->stall, now));
		vhu_session_end(device, why, false);
	} else if (now + stall_account_owes(&device->stall, now) > device->stall.rest_until_ns) {
		/* The lcore was not back yet when it was cut off. */
		device->stall.rest_until_ns = now + stall_account_owes(&device->stall, now);
		vhu_endpoint_back_off(&device->endpoint, stall_account_owes(&device->stall, now));
	}
}
