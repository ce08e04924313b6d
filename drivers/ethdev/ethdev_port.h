/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_port.h: any DPDK ethdev as a port: a NIC, or a stand-in for one (tap, af_packet, memif, pcap, ring ...).
 *
 * The device is one that EAL made at its start (--vdev, -a), named as EAL names it, or one that is made now: a PCI
 * address, or a driver's name with arguments ("net_tap0,iface=tap0"). The port has the device for itself until it ends.
 *
 * Queues. As many receive queues as lcores poll, and one transmit queue for each lcore, where the device has them;
 * lcores that share a transmit queue take turns under a spinlock.
 *
 * Context: control makes, shows and ends the port; what DPDK takes long for happens on the device thread, which also looks at
 * the link four times a second and at the counters once (ethdev_private.h); lcores do the rest (ethdev_queues.h).
 */
#ifndef VUS_ETHDEV_PORT_H
#define VUS_ETHDEV_PORT_H

#include "port.h"

extern const struct port_driver ethdev_port_driver;

#endif
