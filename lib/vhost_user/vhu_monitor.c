/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_monitor.h"

#include <jansson.h>

#include "monitor.h"
#include "process_name.h"
#include "vhu_session.h"

void vhu_monitor_connected(const struct vhu_device *device, const struct ucred *peer)
{
	char program[32];

	if (monitor_listeners == NULL)
		return;
	process_name(peer->pid, program, sizeof(program));
	monitor_emit(MONITOR_PEER_CONNECTED, device->name, "{s:i, s:I, s:s}", "pid", (int)peer->pid, "uid",
		     (json_int_t)peer->uid, "program", program);
}

/* Whether what is written to the guest's memory is logged. */
static void tell_migration(struct vhu_device *device, bool logs) RUNS_ON(control_thread)
{
	if (logs == device->migrates)
		return;
	device->migrates = logs;
	monitor_emit(logs ? MONITOR_MIGRATION_BEGUN : MONITOR_MIGRATION_ENDED, device->name, NULL);
}

void vhu_monitor_ended(struct vhu_device *device, const char *why, bool orderly)
{
	tell_migration(device, false);
	monitor_emit(MONITOR_PEER_GONE, device->name, "{s:b, s:s}", "orderly", orderly, "reason", monitor_text(why));
}

void vhu_monitor_done(struct vhu_device *device, uint32_t request)
{
	if (request == VHU_SET_MEM_TABLE || request == VHU_ADD_MEM_REG || request == VHU_REM_MEM_REG)
		monitor_emit(MONITOR_MEMORY, device->name, "{s:I, s:I}", "slots", (json_int_t)device->regions.n, "bytes",
			     (json_int_t)vhu_regions_bytes(&device->regions));
	tell_migration(device, device->dirty.all);
}

void vhu_monitor_arriving(struct vhu_device *device)
{
	device->arrives = true;
	monitor_emit(MONITOR_POSTCOPY_BEGUN, device->name, NULL);
}

void vhu_monitor_arrived(struct vhu_device *device, bool complete)
{
	if (!device->arrives)
		return;
	device->arrives = false;
	monitor_emit(MONITOR_POSTCOPY_ENDED, device->name, "{s:b}", "complete", complete);
}
