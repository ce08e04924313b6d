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

/* The last addresses a receive queue saw, and where they were: most bursts need no table. In port_rxq.bridge_priv. */
struct __attribute__((may_alias)) bridge_memo {
	uint64_t src_mac, dst_mac;
	uint32_t src_gen, dst_gen;
	uint16_t src_epoch;
	uint16_t dst_port;
};
_Static_assert(sizeof(struct bridge_memo) <= PORT_RXQ_BRIDGE_BYTES, "a queue has room for it");

static inline struct bridge_memo *bridge_memo_of(struct port_rxq *q) RUNS_ON(lcore_thread)
{
	return (struct bridge_memo *)(void *)q->bridge_priv;
}

struct bridge {
	RCU_PTR(const struct bridge_members) members;
	struct mac_table *macs;
	uint16_t index;
	uint16_t epoch; /* control's */
	char name[NAME_LEN_MAX + 1];
};

#endif
