/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_stall.h: sends a device's front end away when its kernel objects have held lcores for too long (X3).
 *
 * What was charged goes to the device's account (stall.h). While a bucket of it is empty no front end is let in, and the one that
 * is there is cut off, whatever the lcores do at that moment: they are waited for as at every end.
 *
 * Context: control thread.
 */
#ifndef VUS_VHU_STALL_H
#define VUS_VHU_STALL_H

#include <stdint.h>

#include "role.h"

struct vhu_device;

/* What is told of it, by the names of JSON, vusctl and the documentation (`scripts/lib/counters`). ROW(name, help) */
#define STALL_ROWS(ROW)                                                                                                  \
	ROW(memory_wait_ms, "how long lcores waited for a page of the guest's memory, or cleared it, since the start")   \
	ROW(interrupt_wait_ms, "how long writes to its interrupts took that took more than 0.1 ms, since the start")     \
	ROW(sent_down, "how often no front end was let in for a while because of what calls took, be it those of refused ones") \
	ROW(down_for_ms, "for how long none is let in yet")

#define STALL_MEMBER(name, help) uint64_t name;
struct vhu_stalls {
	STALL_ROWS(STALL_MEMBER)
};

/* Something was charged: acts upon it. */
void vhu_stall_charged(struct vhu_device *device) RUNS_ON(control_thread);

/* How long no front end is let in yet. */
uint64_t vhu_stall_rest(const struct vhu_device *device);
void vhu_stall_show(const struct vhu_device *device, struct vhu_stalls *stalls);

#endif
