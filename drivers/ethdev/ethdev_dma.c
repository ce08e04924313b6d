/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev_dma.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_vfio.h>

bool ethdev_dma_possible(uint16_t id)
{
	char path[128], driver[256];
	struct rte_eth_dev_info info;
	const char *name;
	ssize_t n;

	if (rte_eal_iova_mode() != RTE_IOVA_VA || rte_eth_dev_info_get(id, &info) != 0 ||
	    strcmp(rte_bus_name(rte_dev_bus(info.device)), "pci") != 0)
		return false;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", rte_dev_name(info.device));
	n = readlink(path, driver, sizeof(driver) - 1);
	if (n < 0)
		return false;
	driver[n] = '\0';
	name = strrchr(driver, '/');
	return name != NULL && strcmp(name + 1, "vfio-pci") == 0;
}

static int map(uint8_t *at, size_t len)
{
	uint64_t address = (uintptr_t)at;

	return rte_vfio_container_dma_map(RTE_VFIO_DEFAULT_CONTAINER_FD, address, address, len) == 0
		       ? 0
		       : -rte_errno;
}

static int unmap(uint8_t *at, size_t len)
{
	uint64_t address = (uintptr_t)at;

	return rte_vfio_container_dma_unmap(RTE_VFIO_DEFAULT_CONTAINER_FD, address, address, len) ==
			       0
		       ? 0
		       : -rte_errno;
}

const struct dma_ops ethdev_dma_ops = {.map = map, .unmap = unmap};
