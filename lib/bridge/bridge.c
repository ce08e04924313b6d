/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge_guard.h"
#include "bridge_private.h"
#include "mirror_map.h"
#include "policy.h"

enum { AGED_AT_ONCE = 256 };

struct mac_text mac_key_text(mac_key_t mac)
{
	uint8_t bytes[6];

	for (unsigned int i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(mac >> 8 * i);
	return mac_text(bytes);
}

struct bridge *bridge_create(const struct bridge_config *config, uint16_t index)
{
	struct fdb_config fdb = {
		.size = config->mac_table_size == 0 ? MAC_TABLE_SIZE_DEFAULT
						    : config->mac_table_size,
		.port_limit = config->mac_limit_per_port,
		.aging = (uint16_t)(config->mac_aging < 0 ? MAC_AGING_DEFAULT : config->mac_aging),
	};
	struct bridge *bridge = calloc(1, sizeof(*bridge));
	struct bridge_members *empty = calloc(1, sizeof(*empty));

	if (bridge != NULL && empty != NULL) {
		bridge->index = index;
		bridge->vlan_aware = config->vlan_aware;
		bridge->drops_link_local = config->drops_link_local;
		snprintf(bridge->name, sizeof(bridge->name), "%s", config->name);
		bridge->fdb = fdb_create(&fdb);
	}
	if (bridge == NULL || empty == NULL || bridge->fdb == NULL) {
		free(empty);
		free(bridge);
		errno = ENOMEM;
		return NULL;
	}
	rcu_set(&bridge->members, empty);
	return bridge;
}

/* No lcore has them. */
static void mirrors_free(struct bridge *bridge) RUNS_ON(control_thread)
{
	const struct mirror_map *map = rcu_own(&bridge->mirrors);

	for (unsigned int i = 0; map != NULL && i < map->n; i++)
		free(map->mirror[i]);
	free((void *)(uintptr_t)map);
}

void bridge_destroy(struct bridge *bridge)
{
	if (bridge == NULL)
		return;
	fdb_destroy(bridge->fdb);
	free((void *)(uintptr_t)rcu_own(&bridge->members));
	free((void *)(uintptr_t)rcu_own(&bridge->groups));
	mirrors_free(bridge);
	free(bridge);
}

const char *bridge_name(const struct bridge *bridge)
{
	return bridge->name;
}

uint16_t bridge_index(const struct bridge *bridge)
{
	return bridge->index;
}

bool bridge_is_vlan_aware(const struct bridge *bridge)
{
	return bridge->vlan_aware;
}

bool bridge_fid_of(const struct bridge *bridge, const struct port *port, uint16_t *fid)
{
	*fid = bridge->vlan_aware ? policy_vlan_of(rcu_own(&port->policy))->native : FID_DEFAULT;
	return !bridge->vlan_aware || *fid != 0;
}

struct bridge_injects *bridge_injects(struct bridge *bridge)
{
	return &bridge->injects;
}

struct bridge_readers *bridge_readers(struct bridge *bridge)
{
	return &bridge->readers;
}

struct fdb *bridge_fdb(struct bridge *bridge)
{
	return bridge->fdb;
}

bool bridge_has_port(const struct bridge *bridge, const struct port *port)
{
	return rcu_own(&bridge->members)->by_id[port->id] == port;
}

unsigned int bridge_ports_n(const struct bridge *bridge)
{
	return rcu_own(&bridge->members)->n;
}

static struct bridge_members *members_copy(struct bridge *bridge)
{
	struct bridge_members *members = malloc(sizeof(*members));

	if (members != NULL)
		*members = *rcu_own(&bridge->members);
	return members;
}

static void members_publish(struct bridge *bridge, const struct bridge_members *members)
{
	const struct bridge_members *before = rcu_own(&bridge->members);

	rcu_set(&bridge->members, members);
	rcu_free((void *)(uintptr_t)before);
}

int bridge_add_port(struct bridge *bridge, struct port *port)
{
	struct bridge_members *members = members_copy(bridge);
	unsigned int i;

	if (members == NULL)
		return -ENOMEM;
	for (i = members->n++; i > 0 && members->port[i - 1]->id > port->id; i--)
		members->port[i] = members->port[i - 1];
	members->port[i] = port;
	members->by_id[port->id] = port;
	port->bridge = bridge;
	members_publish(bridge, members);
	return 0;
}

int bridge_remove_port(struct bridge *bridge, struct port *port)
{
	struct bridge_members *members = members_copy(bridge);
	unsigned int i = 0;

	if (members == NULL)
		return -ENOMEM;
	while (i < members->n && members->port[i] != port)
		i++;
	if (i < members->n)
		memmove(&members->port[i], &members->port[i + 1], (--members->n - i) * sizeof(members->port[0]));
	members->by_id[port->id] = NULL;
	members_publish(bridge, members);
	fdb_flush(bridge->fdb, port->id, true);
	return 0;
}

void bridge_set_groups(struct bridge *bridge, struct group_map *groups)
{
	const struct group_map *before = rcu_own(&bridge->groups);

	rcu_set(&bridge->groups, groups);
	rcu_free((void *)(uintptr_t)before);
}

static bool has_mirror(const struct mirror_map *map, const struct mirror *mirror)
{
	for (unsigned int i = 0; map != NULL && i < map->n; i++)
		if (map->mirror[i] == mirror)
			return true;
	return false;
}

void bridge_set_mirrors(struct bridge *bridge, struct mirror_map *mirrors)
{
	const struct mirror_map *before = rcu_own(&bridge->mirrors);

	rcu_set(&bridge->mirrors, mirrors);
	for (unsigned int i = 0; before != NULL && i < before->n; i++)
		if (!has_mirror(mirrors, before->mirror[i]))
			rcu_free(before->mirror[i]);
	rcu_free((void *)(uintptr_t)before);
}

const struct mirror_map *bridge_mirrors(const struct bridge *bridge)
{
	return rcu_own(&bridge->mirrors);
}

void bridge_forget_port(struct bridge *bridge, struct port *port)
{
	fdb_flush(bridge->fdb, port->id, false);
}

/* The lcore may not have known yet. */
bool bridge_may_learn(const struct bridge *bridge, fdb_key_t key, const struct port *port)
{
	const struct policy *policy = rcu_own(&port->policy);
	const struct mirror_map *mirrors = rcu_own(&bridge->mirrors);
	struct fdb_value value;
	struct fdb_mark mark;

	if (mirrors != NULL && port_set_has(&mirrors->sinks, port->id))
		return false;
	if (policy == NULL || policy->guard == NULL)
		return true;
	if ((policy->flags & POLICY_CLOSED) != 0)
		return false;
	return !bridge_guard_loops(policy->guard) || !fdb_lookup(bridge->fdb, key, &value, &mark) ||
	       !bridge_guard_holds(&value, port->id, bridge->epoch);
}

void bridge_learn(struct bridge *bridge, fdb_key_t key, uint16_t port)
{
	const struct port *member = port < PORTS_MAX ? rcu_own(&bridge->members)->by_id[port] : NULL;

	/* A report may be older than the port's removal. */
	if (member != NULL && bridge_may_learn(bridge, key, member))
		fdb_learn(bridge->fdb, key, port, bridge->epoch);
}

void bridge_renew(struct bridge *bridge, fdb_key_t key, uint16_t port)
{
	fdb_renew(bridge->fdb, key, port, bridge->epoch);
}

void bridge_tick(struct bridge *bridge, uint16_t epoch)
{
	bridge->epoch = epoch;
}

bool bridge_age(struct bridge *bridge)
{
	return fdb_age(bridge->fdb, bridge->epoch, AGED_AT_ONCE);
}
