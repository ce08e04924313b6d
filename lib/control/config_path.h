/* SPDX-License-Identifier: BSD-3-Clause */
/* config_path.h: what can be told of a port's socket and device from their text and the file system, without DPDK. What
 * cannot work is an error, what may still come before the switch starts (a folder, an interface) a warning.
 */
#ifndef VUS_CONFIG_PATH_H
#define VUS_CONFIG_PATH_H

#include "config.h"

/* Checks the socket and fills in port->socket_file. In a file it has to be an absolute path: where the switch will be
 * started is not known there. On the command line a relative one counts from the current folder, and is made absolute.
 * 0 or -errno. */
int config_check_socket(const struct config *config, struct config_port *port, struct fail *fail);

/* The same of the device. */
int config_check_device(const struct config *config, const struct config_port *port,
			struct fail *fail);

#endif
