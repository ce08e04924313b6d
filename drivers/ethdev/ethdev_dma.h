/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_dma.h: NICs that read memory by themselves, through an IOMMU and at our own addresses.
 *
 * That is a PCI device bound to vfio-pci while EAL works with IOVA as VA. All of them are in EAL's one container, so
 * that what is mapped is mapped for each. A NIC of which the kernel keeps a part (mlx5), or without an IOMMU (IOVA as
 * PA), is none.
 *
 * Context: device thread.
 */
#ifndef VUS_ETHDEV_DMA_H
#define VUS_ETHDEV_DMA_H

#include <stdbool.h>
#include <stdint.h>

#include "dma.h"

/* Whether the DPDK device is such a NIC. */
bool ethdev_dma_possible(uint16_t id);

extern const struct dma_ops ethdev_dma_ops;

#endif
