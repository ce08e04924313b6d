/* SPDX-License-Identifier: BSD-3-Clause */
/* group_table.h: which ports of one bridge have members of which multicast groups, by VLAN, and until when.
 *
 * Bounds: `groups_max` groups in all, and `port_max` memberships for each port, so that a guest that joins whatever there
 * is takes no more than its share. What is beyond is refused, and what was there before stays.
 *
 * Context: control; no clock: the caller says what time it is.
 * Units: nanoseconds of one clock that never goes back.
 */
#ifndef VUS_GROUP_TABLE_H
#define VUS_GROUP_TABLE_H

#include "group_message.h"

struct group_table;

struct group_table_config {
	uint32_t groups_max, port_max;
};

struct group_key {
	uint16_t fid; /* the VLAN; 0: the bridge has none */
	uint16_t family;
	struct group_address group;
};

/* Returns: NULL: no memory. */
struct group_table *group_table_create(const struct group_table_config *config);
void group_table_destroy(struct group_table *table);
/* From now on; what is beyond a smaller bound stays until its time is over. */
void group_table_set_bounds(struct group_table *table, const struct group_table_config *config);

/* Returns: 1: the port is a member now; 0: it was, and is for longer; -ENOSPC: the table is full; -EDQUOT: the port has its
 * share;
 * -ENOMEM. */
int group_table_join(struct group_table *table, const struct group_key *key, uint16_t port, uint64_t until);
/* The table is full, and would not take this group: those that share its Ethernet address are for all ports while it is.
 * Whether one was not so far. */
bool group_table_refused(struct group_table *table, const struct group_key *key);
/* Whether it was a member. */
bool group_table_leave(struct group_table *table, const struct group_key *key, uint16_t port);
/* A host behind the port has left, and others may be there: group_table_shorten(). Until one joins again. */
void group_table_may_leave(struct group_table *table, const struct group_key *key, uint16_t port);
/* Somebody has asked who is a member still: those that do not answer are none from then on. `all`: ports of which no host has
 * left as well. */
void group_table_shorten(struct group_table *table, const struct group_key *key, bool all, uint64_t until);
/* The same of one port. Whether it is a member. */
bool group_table_shorten_port(struct group_table *table, const struct group_key *key, uint16_t port, uint64_t until);
/* Whether it was a member of anything. */
bool group_table_forget_port(struct group_table *table, uint16_t port);
/* Ends memberships whose time is over. Whether there were any. */
bool group_table_expire(struct group_table *table, uint64_t now);
/* When the next one may end, after group_table_expire() later than that; UINT64_MAX: none will. */
uint64_t group_table_next(const struct group_table *table);

struct group_member {
	uint16_t port;
	bool may_leave;
	uint64_t until;
};
struct group_entry {
	struct group_key key;
	bool for_all; /* so is one that shares its address and is not known: group_table_refused() */
	uint32_t n;
	const struct group_member *member; /* by port */
};
uint32_t group_table_n(const struct group_table *table);
bool group_table_is_full(const struct group_table *table);
/* Group number i, in an order that stays while none comes or goes: by VLAN, then by Ethernet address (group_mac()), so that
 * groups which share one follow each other. */
struct group_entry group_table_at(const struct group_table *table, uint32_t i);

#endif
