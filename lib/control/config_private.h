/* SPDX-License-Identifier: BSD-3-Clause */
/* config_private.h: what the files of a configuration share.
 *
 *	config.c	 its life, in words, as JSON
 *	config_read.c	 a file, JSON or the command line becomes a tree
 *	config_check.c	 trees become values, and are checked against each other
 *	config_change.c	 two configurations are compared
 *	config_text.c	 the bytes of a file
 *
 * Context: any thread but an lcore.
 */
#ifndef VUS_CONFIG_PRIVATE_H
#define VUS_CONFIG_PRIVATE_H

#include "config.h"

/* Frees what config_check() has made. */
void config_clear_checked(struct config *config);
/* Makes `to`, an empty struct, one more holder of a port that config_check() has made. */
void config_port_share(struct config_port *to, const struct config_port *from);
void config_clear_known(struct config *config);

#endif
