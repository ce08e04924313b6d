/* SPDX-License-Identifier: BSD-3-Clause */
/* group_map.h: which ports take a frame for a multicast group, as lcores look it up: made by control from what it has heard
 * (group_table.h, group_querier.h), published as a whole, never changed.
 *
 * A group is found by its VLAN and its Ethernet address, as hosts' own filters are: of groups that share an address, each
 * gets the ports of all. A group that shares its address with one that a full table has refused is not in the map: while
 * the table is full `floods_unregistered` says that it goes to all ports. What is found by binary search costs the same
 * whatever groups a guest chooses.
 *
 * Context: control makes it; lcores look up between two quiescent states.
 */
#ifndef VUS_GROUP_MAP_H
#define VUS_GROUP_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "fdb.h"
#include "group_querier.h"
#include "group_table.h"
#include "vlan_set.h"
#include "vus_limits.h"

struct port_set {
	uint64_t word[PORTS_MAX / 64];
};

static inline void port_set_add(struct port_set *set, uint16_t port)
{
	set->word[port / 64] |= UINT64_C(1) << port % 64;
}

static inline bool port_set_has(const struct port_set *set, uint16_t port)
{
	return (set->word[port / 64] >> port % 64 & 1) != 0;
}

/* The first port of the set that is not below `from`; PORTS_MAX: there is none. */
static inline uint32_t port_set_next(const struct port_set *set, uint32_t from)
{
	for (uint32_t i = from / 64; i < PORTS_MAX / 64; i++) {
		uint64_t word = set->word[i] & (i == from / 64 ? UINT64_MAX << from % 64 : UINT64_MAX);

		if (word != 0)
			return 64 * i + (uint32_t)__builtin_ctzll(word);
	}
	return PORTS_MAX;
}

struct group_map {
	/* Which of `routers` is that of a VLAN, plus one; 0: it is not snooped. */
	uint16_t routers_at[GROUP_FAMILIES][VLAN_VIDS];
	bool floods_unregistered;
	uint32_t groups_n;
	const struct port_set *routers; /* ports that have a router behind them, of each VLAN that is snooped */
	const fdb_key_t *key;		/* [groups_n], ascending */
	const struct port_set *ports;	/* [groups_n]: members and routers */
};

struct group_map_config {
	const struct group_table *table;
	const struct group_queriers *queriers;
	const struct port_set *routers; /* in each VLAN, whatever was heard */
	bool floods_unregistered;
};

/* One block of memory, for free(). NULL: no memory. */
struct group_map *group_map_create(const struct group_map_config *config);

/* The routers of a VLAN that is snooped, or NULL. */
static inline const struct port_set *group_map_routers(const struct group_map *map, uint16_t fid, enum group_family family)
{
	uint16_t at = map->routers_at[family][fid];

	return at != 0 ? &map->routers[at - 1] : NULL;
}

/* The ports that take frames for an Ethernet address, in a VLAN that is snooped; NULL: no port has a member. */
static inline const struct port_set *group_map_find(const struct group_map *map, fdb_key_t key)
{
	uint32_t low = 0, high = map->groups_n;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (map->key[middle] < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low < map->groups_n && map->key[low] == key ? &map->ports[low] : NULL;
}

#endif
