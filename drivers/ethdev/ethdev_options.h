/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_options.h: what a user may say of an ethdev port: the rows, and the struct they fill.
 *
 * Context: any thread but an lcore.
 * Ownership: option.h.
 */
#ifndef VUS_ETHDEV_OPTIONS_H
#define VUS_ETHDEV_OPTIONS_H

#include "option.h"

struct ethdev_options {
	uint64_t given;
	char *device; /* a name or PCI address EAL knows, with arguments behind commas */
	uint32_t mtu; /* bytes of payload; 0: what the device or its kernel interface is set to */
	bool offloads, vlan_offload, zero_copy_tx;
};

extern const struct option_table ethdev_options;

/* For struct port_driver: */
int ethdev_options_verify(void *options, const void *common, const struct option_entry *entry, struct fail *fail);
char *ethdev_options_takes(const void *options);
void ethdev_options_warn(const void *options, const char *port, FILE *to);

#endif
