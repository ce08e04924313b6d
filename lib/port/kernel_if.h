/* SPDX-License-Identifier: BSD-3-Clause */
/* kernel_if.h: a device's text ("net_tap0,iface=tap0"), and the kernel's interfaces it may be about.
 *
 * Context: any thread.
 */
#ifndef VUS_KERNEL_IF_H
#define VUS_KERNEL_IF_H

#include <stdbool.h>
#include <stddef.h>

/* Of a name; the kernel's IFNAMSIZ has the ending zero. */
enum { KERNEL_IF_NAME_MAX = 15 };

/* The value of `key` among the arguments behind the device's first comma. False: it is not there. */
bool device_argument(const char *device, const char *key, char *value, size_t size);

/* Whether the device is made from an interface that has to be there: af_packet, af_xdp and pcap with iface=NAME. */
bool device_needs_interface(const char *device, char *name, size_t size);

bool kernel_if_exists(const char *name);
/* Whether an interface of this number is in the network namespace of the process. */
bool kernel_if_is_here(unsigned int index);

/* The PCI address of the NIC behind an interface, "0000:03:00.0". False: it has none. */
bool kernel_if_pci(const char *name, char *address, size_t size);

#endif
