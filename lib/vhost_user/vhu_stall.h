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

#include "role.h"

struct vhu_device;

/* Something was charged: acts upon it. */
void vhu_stall_charged(struct vhu_device *device) RUNS_ON(control_thread);

#endif
