/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge_private.h: a bridge from inside; lib/bridge only. */
#ifndef VUS_BRIDGE_PRIVATE_H
#define VUS_BRIDGE_PRIVATE_H

#include "bridge.h"

/* The ports of a bridge: published, never changed. */
struct bridge_members {
	unsigned int n;
	struct port *port[PORTS_MAX];  /* the n members, for floods */
	struct port *by_id[PORTS_MAX]; /* NULL: not, or no longer, a member */
};

struct bridge {
	RCU_PTR(const struct bridge_members) members;
	struct mac_table *macs;
	uint16_t index;
	uint16_t epoch; /* control's */
	char name[NAME_LEN_MAX + 1];
};

#endif
