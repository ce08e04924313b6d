/* SPDX-License-Identifier: BSD-3-Clause */
/* switch_mirrors.c: mirrors of a bridge: from the names of ports that the configuration has to the map that lcores ask
 * (mirror_map.h). It is made anew when the configuration changes and before a port joins; what has left is no member any more,
 * and its number is nobody's. */
#include <errno.h>
#include <stdlib.h>

#include "mirror_map.h"
#include "switch_private.h"

/* A map in the making. */
struct making {
	struct vus_switch *sw;
	const struct switch_bridge *bridge;
	const struct switch_port *joins; /* is about to be a port of the bridge; NULL: none */
	struct mirror_map *map;
};

static bool is_member(const struct making *making, const struct switch_port *sp)
{
	return sp != NULL && (sp == making->joins || sp->bridge == making->bridge);
}

/* The number of a port of the bridge, or PORTS_MAX. */
static uint16_t id_of(const struct making *making, const char *name)
{
	int id = names_find(&making->sw->port_names, name);

	return id >= 0 && is_member(making, making->sw->port[id]) ? (uint16_t)id : PORTS_MAX;
}

static void mark(struct mirror_map *map, unsigned int i, uint32_t direction, uint16_t id)
{
	if (direction != BRIDGE_MIRROR_TO)
		map->of[MIRROR_FROM][id] |= (uint8_t)(1u << i);
	if (direction != BRIDGE_MIRROR_FROM)
		map->of[MIRROR_TO][id] |= (uint8_t)(1u << i);
}

static void mark_ports(const struct making *making, unsigned int i, const struct bridge_mirror *mirror)
{
	const char *at = mirror->ports;
	char name[NAME_LEN_MAX + 1];

	for (uint16_t id = 0; at == NULL && id < PORTS_MAX; id++)
		if (is_member(making, making->sw->port[id]))
			mark(making->map, i, mirror->direction, id);
	while (at != NULL && bridge_mirror_next(&at, name)) {
		uint16_t id = id_of(making, name);

		if (id < PORTS_MAX)
			mark(making->map, i, mirror->direction, id);
	}
}

/* The one of before, if it copies the same, or a new one. NULL: no memory. */
static struct mirror *mirror_for(const struct making *making, const struct bridge_mirror *options) RUNS_ON(control_thread)
{
	const struct mirror_map *before = bridge_mirrors(making->bridge->bridge);
	struct mirror_config config;

	bridge_mirror_config(options, &config);
	for (unsigned int i = 0; before != NULL && i < before->n; i++)
		if (mirror_is(before->mirror[i], &config))
			return before->mirror[i];
	return mirror_create(&config, making->sw->host.lcores + 1);
}

static bool was_there(const struct mirror_map *before, const struct mirror *mirror)
{
	for (unsigned int i = 0; before != NULL && i < before->n; i++)
		if (before->mirror[i] == mirror)
			return true;
	return false;
}

/* 0 or -ENOMEM; then what is new in it is freed. */
static int fill(const struct making *making, const struct bridge_options *options) RUNS_ON(control_thread)
{
	const struct mirror_map *before = bridge_mirrors(making->bridge->bridge);
	struct mirror_map *map = making->map;

	for (; map->n < options->mirrors.n; map->n++) {
		const struct bridge_mirror *mirror = bridge_mirror(options, map->n);

		map->mirror[map->n] = mirror_for(making, mirror);
		if (map->mirror[map->n] == NULL) {
			while (map->n-- > 0)
				if (!was_there(before, map->mirror[map->n]))
					free(map->mirror[map->n]);
			return -ENOMEM;
		}
		map->sink[map->n] = id_of(making, mirror->to);
		if (map->sink[map->n] < PORTS_MAX)
			port_set_add(&map->sinks, map->sink[map->n]);
		mark_ports(making, map->n, mirror);
	}
	for (uint32_t id = port_set_next(&map->sinks, 0); id < PORTS_MAX; id = port_set_next(&map->sinks, id + 1))
		map->of[MIRROR_FROM][id] = map->of[MIRROR_TO][id] = 0;
	return 0;
}

/* What was behind a port is forgotten when it becomes a sink. */
static void forget_behind_sinks(const struct making *making, const struct port_set *before) RUNS_ON(control_thread)
{
	const struct port_set *sinks = &making->map->sinks;

	for (uint32_t id = port_set_next(sinks, 0); id < PORTS_MAX; id = port_set_next(sinks, id + 1)) {
		struct switch_port *sp = making->sw->port[id];

		if (port_set_has(before, (uint16_t)id) || sp == making->joins)
			continue;
		bridge_forget_port(making->bridge->bridge, sp->port);
		switch_groups_port_left(sp);
	}
}

int switch_mirrors_configure(struct switch_bridge *bridge, const struct config_bridge *config, const struct switch_port *joins)
{
	const struct mirror_map *map = bridge_mirrors(bridge->bridge);
	const struct port_set before = map != NULL ? map->sinks : (struct port_set){{0}};
	struct making making = {.sw = bridge->sw, .bridge = bridge, .joins = joins};

	if (config == NULL || config->options.mirrors.n == 0) {
		if (map != NULL)
			bridge_set_mirrors(bridge->bridge, NULL);
		return 0;
	}
	making.map = calloc(1, sizeof(*making.map));
	if (making.map == NULL || fill(&making, &config->options) != 0) {
		free(making.map);
		return -ENOMEM;
	}
	bridge_set_mirrors(bridge->bridge, making.map);
	forget_behind_sinks(&making, &before);
	return 0;
}
