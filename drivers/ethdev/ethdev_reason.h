/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_reason.h: why DPDK could not make a device, as a person would look for it: is there such an interface, such a NIC, who
 * drives it, may we?
 *
 * Context: device thread.
 */
#ifndef VUS_ETHDEV_REASON_H
#define VUS_ETHDEV_REASON_H

#include "fail.h"
#include "role.h"

/* `device` is what was to be made, `name` its part before the comma, `error` what rte_dev_probe() returned (negative), and DPDK's
 * words are kept (ethdev_log.h). Returns -ENODEV. */
int ethdev_reason(const char *device, const char *name, int error, struct fail *fail)
	RUNS_ON(device_thread);

#endif
