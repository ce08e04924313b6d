/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_mtu.h: the MTU that a device is to have.
 *
 * Context: control thread.
 * Units: bytes.
 */
#ifndef VUS_ETHDEV_MTU_H
#define VUS_ETHDEV_MTU_H

#include <stdbool.h>
#include <stdint.h>

/* The MTU of the kernel interface behind the device: it is what the other side will send. 0: there is none. */
uint16_t ethdev_mtu_of_kernel(unsigned int if_index);

/* `asked`: by the user, 0 for the device's own. `any_length`: the driver takes frames longer than it says. */
uint16_t ethdev_mtu_wanted(uint16_t id, unsigned int if_index, bool any_length, unsigned int asked);

#endif
