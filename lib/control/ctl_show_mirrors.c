/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_show_mirrors.c: the mirrors of bridges, and how many frames each has copied. */
#include <string.h>

#include "ctl_show.h"
#include "mirror_map.h"

static const struct mirror *find(const struct mirror_map *map, const char *name)
{
	for (unsigned int i = 0; map != NULL && i < map->n; i++)
		if (strcmp(map->mirror[i]->name, name) == 0)
			return map->mirror[i];
	return NULL;
}

/* As it is written, with what it has counted; a mirror of which no port has come has counted nothing. */
static json_t *show_mirror(const struct config_bridge *config, unsigned int i, const struct mirror_map *map)
{
	const struct bridge_mirror *options = bridge_mirror(&config->options, i);
	const struct mirror *mirror = find(map, options->name);
	struct mirror_sum sum = {0};
	json_t *object = json_object();

	if (mirror != NULL)
		sum = mirror_sum(mirror);
	json_object_set_new(object, "bridge", json_string(config->name));
	option_to_json(&bridge_mirror_table, options, object);
	json_object_set_new(object, "copied", json_integer((json_int_t)sum.copied));
	json_object_set_new(object, "dropped", json_integer((json_int_t)sum.dropped));
	json_object_set_new(object, "unknown", json_integer((json_int_t)sum.unknown));
	return object;
}

void ctl_show_mirrors(const struct vus_switch *sw, unsigned int index, json_t *list)
{
	const struct bridge *bridge = switch_bridge_at(sw, index);
	const struct config_bridge *config = config_find_bridge(switch_config(sw), bridge_name(bridge));

	for (unsigned int i = 0; config != NULL && i < config->options.mirrors.n; i++)
		json_array_append_new(list, show_mirror(config, i, bridge_mirrors(bridge)));
}
