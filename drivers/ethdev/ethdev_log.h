/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_log.h: what DPDK logs while it makes a device. A driver says why it cannot only there;
 * the error that is returned is one of EAL's.
 *
 * Context: device thread.
 */
#ifndef VUS_ETHDEV_LOG_H
#define VUS_ETHDEV_LOG_H

#include <stddef.h>

#include "role.h"

/* From here on what DPDK logs on this thread goes to memory, until ethdev_log_release(). */
void ethdev_log_capture(void) RUNS_ON(device_thread);
void ethdev_log_release(void) RUNS_ON(device_thread);

/* Prints what was kept, as DPDK would have: a device that was made may have said something, too. */
void ethdev_log_print(void) RUNS_ON(device_thread);

/* What was kept, as "reason; reason", without what EAL says whatever the reason. What does not fit is printed as well. */
void ethdev_log_reason(char *text, size_t size) RUNS_ON(device_thread);

#endif
