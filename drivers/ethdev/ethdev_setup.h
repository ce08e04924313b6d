/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_setup.h: a device is configured, given queues and buffers, and started.
 *
 * Context: control thread.
 */
#ifndef VUS_ETHDEV_SETUP_H
#define VUS_ETHDEV_SETUP_H

#include "ethdev_options.h"
#include "ethdev_queues.h"

/* Fills `dev`, whose id is set, and starts the device; `port` gets its receive queues. 0 or -errno. */
int ethdev_start(struct ethdev *dev, struct port *port, const struct ethdev_options *options,
		 struct fail *fail) RUNS_ON(control_thread);
/* Stops it, once every lcore has left. ethdev_free() after the device was closed. */
void ethdev_stop(struct ethdev *dev) RUNS_ON(control_thread);
void ethdev_free(struct ethdev *dev) RUNS_ON(control_thread);

#endif
