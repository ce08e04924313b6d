/* SPDX-License-Identifier: BSD-3-Clause */
/* dpdk_compat.h: everything in which the DPDKs we build against differ, 22.11 to the newest, and nothing else. What was
 * renamed is called by its later name. */
#ifndef VUS_DPDK_COMPAT_H
#define VUS_DPDK_COMPAT_H

#include <rte_version.h>

#if RTE_VERSION < RTE_VERSION_NUM(23, 3, 0, 0)
/* telemetry: _u64 became _uint */
#define rte_tel_data_add_dict_uint rte_tel_data_add_dict_u64
#endif

#endif
