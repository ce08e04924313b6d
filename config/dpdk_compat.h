/* SPDX-License-Identifier: BSD-3-Clause */
/* dpdk_compat.h: where DPDK's versions differ. Ours is 22.11, Debian 12's; what later ones renamed is named here once, by
 * the later name. */
#ifndef VUS_DPDK_COMPAT_H
#define VUS_DPDK_COMPAT_H

#include <rte_version.h>

#if RTE_VERSION < RTE_VERSION_NUM(23, 3, 0, 0)
/* telemetry: _u64 became _uint */
#define rte_tel_data_add_dict_uint rte_tel_data_add_dict_u64
#define rte_tel_data_add_array_uint rte_tel_data_add_array_u64
#endif

#endif
