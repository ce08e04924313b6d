/* SPDX-License-Identifier: BSD-3-Clause */
/* port_link.h: the link of a port is up where its driver says so and no request has set it down. Whoever listens is told when
 * that changes (MONITOR_LINK), whoever of the two has changed it.
 *
 * Context: control thread.
 */
#ifndef VUS_PORT_LINK_H
#define VUS_PORT_LINK_H

#include "port.h"

/* The driver's part. */
void port_tell_link(struct port *port, bool up) RUNS_ON(control_thread);
/* The switch's. */
void port_set_link_down(struct port *port, bool down) RUNS_ON(control_thread);

#endif
