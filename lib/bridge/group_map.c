/* SPDX-License-Identifier: BSD-3-Clause */
#include "group_map.h"

#include <stdlib.h>
#include <string.h>

#include "bridge.h"

static fdb_key_t key_of(const struct group_entry *entry)
{
	uint8_t mac[6];

	group_mac((enum group_family)entry->key.family, &entry->key.group, mac);
	return fdb_key(entry->key.fid, mac_key(mac));
}

/* The VLANs that are snooped, a family each. */
static uint32_t snooped_n(const struct group_map_config *config)
{
	struct group_state state;
	uint32_t n = 0;

	for (unsigned int fid = 0; fid < VLAN_VIDS; fid++)
		for (int family = 0; family < GROUP_FAMILIES; family++)
			n += group_queriers_state(config->queriers, (uint16_t)fid, (enum group_family)family, &state) &&
			     state.snooped;
	return n;
}

static void fill_routers(struct group_map *map, const struct group_map_config *config, struct port_set *routers)
{
	uint16_t n = 0;

	for (unsigned int fid = 0; fid < VLAN_VIDS; fid++)
		for (int family = 0; family < GROUP_FAMILIES; family++) {
			struct group_state state;

			if (!group_queriers_state(config->queriers, (uint16_t)fid, (enum group_family)family, &state) ||
			    !state.snooped)
				continue;
			routers[n] = *config->routers;
			for (uint32_t i = 0; i < state.routers_n; i++)
				port_set_add(&routers[n], state.router[i].port);
			map->routers_at[family][fid] = ++n;
		}
}

static int compare(const void *a, const void *b)
{
	const struct group_entry *one = a, *other = b;
	fdb_key_t keys[2] = {key_of(one), key_of(other)};

	return keys[0] < keys[1] ? -1 : keys[0] > keys[1];
}

/* The groups of VLANs that are snooped, those that share an address once. `entry` has room for all. */
static void fill_groups(struct group_map *map, const struct group_map_config *config, struct group_entry *entry, fdb_key_t *key,
			struct port_set *ports)
{
	uint32_t n = 0, groups = 0;

	for (uint32_t i = 0; i < group_table_n(config->table); i++) {
		entry[n] = group_table_at(config->table, i);
		/* One that is for all ports is not in the map, as those that the full table does not know (group_map.h). */
		n += !entry[n].for_all &&
		     group_map_routers(map, entry[n].key.fid, (enum group_family)entry[n].key.family) != NULL;
	}
	if (n > 0)
		qsort(entry, n, sizeof(*entry), compare);
	for (uint32_t i = 0; i < n; i++) {
		fdb_key_t this = key_of(&entry[i]);

		if (groups == 0 || key[groups - 1] != this) {
			key[groups] = this;
			ports[groups++] =
				*group_map_routers(map, entry[i].key.fid, (enum group_family)entry[i].key.family);
		}
		for (uint32_t k = 0; k < entry[i].n; k++)
			port_set_add(&ports[groups - 1], entry[i].member[k].port);
	}
	map->groups_n = groups;
}

struct group_map *group_map_create(const struct group_map_config *config)
{
	uint32_t routers_n = snooped_n(config), n = group_table_n(config->table);
	struct group_entry *entry = calloc(n + 1, sizeof(*entry));
	struct group_map *map = calloc(1, sizeof(*map) + (routers_n + n) * sizeof(struct port_set) + n * sizeof(fdb_key_t));
	struct port_set *routers = (struct port_set *)(void *)(map + 1), *ports = routers + routers_n;
	fdb_key_t *key = (fdb_key_t *)(void *)(ports + n);

	_Static_assert(sizeof(struct group_map) % sizeof(uint64_t) == 0, "sets lie behind it");
	if (entry == NULL || map == NULL) {
		free(entry);
		free(map);
		return NULL;
	}
	map->routers = routers;
	map->key = key;
	map->ports = ports;
	map->floods_unregistered = config->floods_unregistered;
	fill_routers(map, config, routers);
	fill_groups(map, config, entry, key, ports);
	free(entry);
	return map;
}
