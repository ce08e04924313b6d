/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev_dma.h"

#include <errno.h>
#include <string.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_pci.h>
#include <rte_vfio.h>

#include "ethdev_driver.h"

bool ethdev_dma_possible(uint16_t id)
{
	struct rte_eth_dev_info info;
	struct rte_pci_addr pci;
	char driver[64];

	return rte_eal_iova_mode() == RTE_IOVA_VA && rte_eth_dev_info_get(id, &info) == 0 &&
	       strcmp(rte_bus_name(rte_dev_bus(info.device)), "pci") == 0 &&
	       rte_pci_addr_parse(rte_dev_name(info.device), &pci) == 0 &&
	       ethdev_kernel_driver(&pci, driver, sizeof(driver)) && strcmp(driver, "vfio-pci") == 0;
}

static int ethdev_dma_map(uint8_t *at, size_t len)
{
	uint64_t address = (uintptr_t)at;

	return rte_vfio_container_dma_map(RTE_VFIO_DEFAULT_CONTAINER_FD, address, address, len) == 0
		       ? 0
		       : -rte_errno;
}

static int ethdev_dma_unmap(uint8_t *at, size_t len)
{
	uint64_t address = (uintptr_t)at;

	return rte_vfio_container_dma_unmap(RTE_VFIO_DEFAULT_CONTAINER_FD, address, address, len) ==
			       0
		       ? 0
		       : -rte_errno;
}

const struct dma_ops ethdev_dma_ops = {.map = ethdev_dma_map, .unmap = ethdev_dma_unmap};
