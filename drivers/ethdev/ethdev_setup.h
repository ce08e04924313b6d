/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_setup.h: a device is configured, given queues and buffers, and started.
 *
 * Context: device thread, while no lcore and not control uses `dev`, but for ethdev_free().
 */
#ifndef VUS_ETHDEV_SETUP_H
#define VUS_ETHDEV_SETUP_H

#include "ethdev_options.h"
#include "ethdev_queues.h"

/* Fills `dev`, whose id is set, and starts the device; its queues are those of `port`, which has not got them yet. 0 or
 * -errno. */
int ethdev_start(struct ethdev *dev, struct port *port, const struct ethdev_options *options,
		 struct fail *fail) RUNS_ON(device_thread);
/* Stops it, once every lcore has left. */
void ethdev_stop(struct ethdev *dev) RUNS_ON(device_thread);
/* Gives back the device, which was stopped, and its buffers. */
void ethdev_close(struct ethdev *dev) RUNS_ON(device_thread);
/* Frees what is left of it. Control, after it was closed, or not started. */
void ethdev_free(struct ethdev *dev) RUNS_ON(control_thread);

#endif
