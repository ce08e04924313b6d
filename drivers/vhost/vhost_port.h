/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost_port.h: a port whose other side is a virtual machine: a vhost-user device (vhost_user) and its virtqueues
 * (virtio_net) as the switch knows ports.
 *
 * The guest's transmit queues are the port's receive queues; they are ready when the guest's driver runs them and wake a
 * sleeping lcore by the guest's own kick descriptor. Frames to the guest go to its receive queues that are ready.
 *
 * Context: control thread, but for receive(), complete(), deliver(), arm() and disarm() (port_driver.h).
 */
#ifndef VUS_VHOST_PORT_H
#define VUS_VHOST_PORT_H

#include "port.h"

extern const struct port_driver vhost_port_driver;

#endif
