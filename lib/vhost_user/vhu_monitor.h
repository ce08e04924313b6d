/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_monitor.h: what a device tells whoever listens (monitor.h), beside what is told where it happens.
 *
 * Context: control thread.
 */
#ifndef VUS_VHU_MONITOR_H
#define VUS_VHU_MONITOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "role.h"

struct vhu_device;

void vhu_monitor_connected(const struct vhu_device *device, const struct ucred *peer) RUNS_ON(control_thread);
void vhu_monitor_ended(struct vhu_device *device, const char *why, bool orderly) RUNS_ON(control_thread);
/* A request of this number is done: it may have changed memory, or begun or ended a migration. */
void vhu_monitor_done(struct vhu_device *device, uint32_t request) RUNS_ON(control_thread);
/* Memory begins to arrive by postcopy, or arrives no more. */
void vhu_monitor_arriving(struct vhu_device *device) RUNS_ON(control_thread);
void vhu_monitor_arrived(struct vhu_device *device, bool complete) RUNS_ON(control_thread);

#endif
