/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_device.h: which DPDK device a user means, and whose it is.
 *
 * A name is looked up among the devices EAL has; one it does not have is made on the spot (rte_dev_probe). A device that
 * is given back is removed from EAL, so that it can be given to its kernel driver or be made anew; the arguments it was
 * made with are remembered, and the same name later brings back the same device.
 *
 * Context: device thread.
 */
#ifndef VUS_ETHDEV_DEVICE_H
#define VUS_ETHDEV_DEVICE_H

#include <stdint.h>

#include "fail.h"
#include "role.h"

/* Finds or makes `device` (a name or PCI address, with driver arguments behind a comma) and takes it for `owner`.
 * 0 and its DPDK number in *id, or -errno: ENODEV, EBUSY (it is in use), ENFILE (no room for another ethdev). */
int ethdev_device_take(const char *device, const char *owner, uint16_t *id, struct fail *fail)
	RUNS_ON(device_thread);

/* Closes the device, which was stopped, and removes it from EAL. */
void ethdev_device_give_back(uint16_t id) RUNS_ON(device_thread);

#endif
