/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge_options.h: what a user may say of a bridge, and of a port as a member of one: the rows, and the structs they fill.
 *
 * Context: any thread but an lcore.
 * Ownership: option.h.
 */
#ifndef VUS_BRIDGE_OPTIONS_H
#define VUS_BRIDGE_OPTIONS_H

#include "option.h"

/* An entry of static-macs. */
struct bridge_static_mac {
	uint64_t given;
	uint8_t mac[6];
	char *port; /* its name */
};

struct bridge_options {
	uint64_t given;
	uint32_t mac_table_size;
	uint32_t mac_aging;	     /* seconds; 0: never */
	uint32_t mac_limit_per_port;
	struct option_list static_macs; /* of struct bridge_static_mac */
};

extern const struct option_table bridge_options;

/* Fills in what follows from other values. 0 or -errno with a line in `fail`. */
int bridge_options_verify(struct bridge_options *options, const struct option_entry *entry, struct fail *fail);

/* Entry `i` of static_macs, and where it is written. */
const struct bridge_static_mac *bridge_static_mac(const struct bridge_options *options, unsigned int i);
struct bridge_static_mac_text {
	char text[18];
};
struct bridge_static_mac_text bridge_static_mac_text(const struct bridge_options *options, unsigned int i);
struct option_entry bridge_static_mac_entry(const struct option_entry *bridge, unsigned int i);

/* Of a port, whatever its type. */
struct bridge_port_options {
	uint64_t given;
	char *bridge; /* its name */
	bool isolated;
};

extern const struct option_table bridge_port_options;

#endif
