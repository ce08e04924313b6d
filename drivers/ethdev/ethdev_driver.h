/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_driver.h: DPDK's drivers come in packages of their own; whether the want of one is why a device was not made.
 *
 * Context: any thread but an lcore.
 */
#ifndef VUS_ETHDEV_DRIVER_H
#define VUS_ETHDEV_DRIVER_H

#include <stdbool.h>

#include <stddef.h>

#include <rte_pci.h>

#include "fail.h"

/* The device `name` (net_tap0, 0000:03:00.0) could not be made: `error` is what rte_dev_probe() returned. True if no driver
 * that was loaded takes it: `fail` then has the line that says which package to install. */
bool ethdev_driver_missing(const char *name, int error, struct fail *fail);

/* The kernel's driver that has a PCI device, such as "vfio-pci" or "e1000e"; false: none has. */
bool ethdev_kernel_driver(const struct rte_pci_addr *pci, char *driver, size_t size);

#endif
