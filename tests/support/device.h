/* SPDX-License-Identifier: BSD-3-Clause */
/* device.h: an ethdev port for programs of tests that are its host: it starts and ends in the loop and on the device thread.
 *
 * Context: control thread.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include <stdbool.h>

#include "port.h"

/* The loop of the host turns until the device has started, a minute at most. Returns: 0, or -errno with a line in @fail.
 * Takes the host's started(). */
int device_start(struct port_host *host, const struct port_spec *spec, struct port **port, struct fail *fail)
	RUNS_ON(control_thread);
/* ... until nothing is left of the port. @turn is called in each turn, or NULL. Returns: whether it has ended. */
bool device_end(struct port *port, void (*turn)(void)) RUNS_ON(control_thread);

#endif
