/* SPDX-License-Identifier: BSD-3-Clause */
/* config_private.h: what the files that check a configuration share. */
#ifndef VUS_CONFIG_PRIVATE_H
#define VUS_CONFIG_PRIVATE_H

#include "config.h"

/* "FILE:LINE", or the option: where an error is. */
struct place {
	char text[256];
};
struct place place_line(const struct config *config, unsigned int line);
struct place port_place(const struct config *config, const struct config_port *port,
			enum config_port_key key);

/* socket-owner, socket-group and socket-mode: those of the file for all ports, then those of one whose type and mode
 * are good: fills spec.rights. 0 or -errno. */
int config_check_default_rights(const struct config *config, struct fail *fail);
int config_check_rights(const struct config *config, struct config_port *port, struct fail *fail);

#endif
