/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge_private.h: a bridge from inside; lib/bridge only.
 *
 * Context: the control thread writes; lcores read what `members` points to, between two quiescent states.
 */
#ifndef VUS_BRIDGE_PRIVATE_H
#define VUS_BRIDGE_PRIVATE_H

#include "bridge.h"

/* The ports of a bridge: published, never changed. */
struct bridge_members {
	unsigned int n;
	struct port *port[PORTS_MAX];  /* the n members by ascending id, for floods */
	struct port *by_id[PORTS_MAX]; /* NULL: not, or no longer, a member */
};

/* No key: it has no more than FDB_MAC_BITS and FDB_FID_BITS. */
static const fdb_key_t BRIDGE_MEMO_NONE = UINT64_MAX;

/* The last addresses a receive queue saw, and where the second was: most bursts need no look-up. In port_rxq.bridge_priv. */
struct __attribute__((may_alias)) bridge_memo {
	fdb_key_t src, dst; /* BRIDGE_MEMO_NONE: nothing */
	uint32_t src_generation, dst_generation; /* of fdb_mark */
	uint32_t destination;			 /* of dst: below FDB_DESTINATIONS, or TO_FLOOD */
	uint16_t src_epoch;
	uint8_t src_bucket, dst_bucket; /* of fdb_mark */
};
_Static_assert(sizeof(struct bridge_memo) <= PORT_RXQ_BRIDGE_BYTES, "a queue has room for it");

static inline struct bridge_memo *bridge_memo_of(struct port_rxq *q) RUNS_ON(lcore_thread)
{
	return (struct bridge_memo *)(void *)q->bridge_priv;
}

struct bridge {
	RCU_PTR(const struct bridge_members) members;
	RCU_PTR(const struct group_map) groups; /* NULL: multicast is flooded */
	RCU_PTR(const struct mirror_map) mirrors; /* NULL: there are none */
	struct fdb *fdb;
	bool vlan_aware, drops_link_local;
	uint16_t index;
	uint16_t epoch; /* control's, like what follows */
	struct bridge_injects injects;
	struct bridge_readers readers;
	char name[NAME_LEN_MAX + 1];
};

/* Whether an address that was seen behind a member may be behind it: a port with loop-guard takes none from another one that has
 * it still, and a mirror's sink takes none. */
bool bridge_may_learn(const struct bridge *bridge, fdb_key_t key, const struct port *port) RUNS_ON(control_thread);

#endif
