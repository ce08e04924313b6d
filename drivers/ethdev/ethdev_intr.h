/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_intr.h: what is done on EAL's interrupt thread, which runs drivers' interrupt handlers and alarms one after the other.
 *
 * DPDK's virtio driver (up to 25.11) takes its handler away as it stops, but not if that is running just then: EAL goes on
 * calling it with a device that is gone, or ends the process because it cannot watch a descriptor that is closed. When the other
 * side hangs up it sets an alarm, and does not cancel that as it closes. On the interrupt thread itself no handler is running,
 * and behind an alarm of ours none of the driver's is left.
 *
 * Context: device thread.
 */
#ifndef VUS_ETHDEV_INTR_H
#define VUS_ETHDEV_INTR_H

#include "role.h"

/* Calls `run` on the interrupt thread and waits until it has come back; here, where there is no memory for an alarm. */
void ethdev_intr_call(void (*run)(void *arg), void *arg) RUNS_ON(device_thread);
/* Waits until alarms that are due have run. */
void ethdev_intr_wait(void) RUNS_ON(device_thread);

#endif
