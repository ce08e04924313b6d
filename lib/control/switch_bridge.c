/* SPDX-License-Identifier: BSD-3-Clause */
/* switch_bridge.c: a bridge of the running switch comes and goes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lcore_inject.h"
#include "log.h"
#include "switch_private.h"

struct switch_bridge *switch_bridge_find(const struct vus_switch *sw, const char *name)
{
	int i = names_find(&sw->bridge_names, name);

	return i >= 0 && !sw->bridge[i]->leaving ? sw->bridge[i] : NULL;
}

static uint16_t free_index(const struct vus_switch *sw)
{
	uint16_t i = 0;

	while (i < BRIDGES_MAX && sw->bridge[i] != NULL)
		i++;
	return i;
}

/* A copy that outlives the configuration, without lists. 0 or -ENOMEM. */
static int take_options(struct switch_bridge *bridge, const struct bridge_options *options)
{
	struct bridge_options kept = *options;

	kept.static_macs = kept.mirrors = (struct option_list){0};
	return option_copy(&bridge_options, &bridge->made.options, &kept);
}

static void switch_bridge_free(struct switch_bridge *bridge)
{
	if (bridge != NULL)
		option_clear(&bridge_options, &bridge->made.options);
	free(bridge);
}

int switch_bridge_create(struct vus_switch *sw, const struct config_bridge *config)
{
	struct switch_bridge *bridge;
	uint16_t index = free_index(sw);
	int error = ENOMEM;

	/* A configuration has no more bridges than that: some are leaving still, and bridge_passed() tries again. */
	if (index == BRIDGES_MAX)
		return 0;
	bridge = calloc(1, sizeof(*bridge));
	if (bridge == NULL)
		goto failed;
	bridge->sw = sw;
	bridge->index = index;
	if (take_options(bridge, &config->options) != 0)
		goto failed;
	snprintf(bridge->name, sizeof(bridge->name), "%s", config->name);
	bridge->bridge = bridge_create(
		&(struct bridge_config){
			.name = bridge->name,
			.mac_table_size = bridge->made.options.mac_table_size,
			.mac_limit_per_port = bridge->made.options.mac_limit_per_port,
			.mac_aging = (int)bridge->made.options.mac_aging,
			.vlan_aware = bridge->made.options.vlan_aware,
			.drops_link_local = !bridge->made.options.forward_link_local,
		},
		index);
	if (bridge->bridge == NULL) {
		error = errno;
		goto failed;
	}
	if (names_add(&sw->bridge_names, bridge->name, index) != 0) {
		bridge_destroy(bridge->bridge);
		goto failed;
	}
	if (switch_groups_configure(bridge) != 0) {
		names_remove(&sw->bridge_names, bridge->name);
		bridge_destroy(bridge->bridge);
		goto failed;
	}
	sw->bridge[index] = bridge;
	bridge_tick(bridge->bridge, sw->epoch);
	log_info(bridge->name, "bridge for %u addresses", bridge->made.options.mac_table_size);
	return 0;

failed:
	log_error(config->name,
		  "this bridge cannot be made: %s; give the bridge a smaller mac-table-size than %u, or raise what "
		  "limits the process's memory (MemoryMax= of the service, ulimit -v)",
		  strerror(error), config->options.mac_table_size);
	switch_bridge_free(bridge);
	return -error;
}

static void bridge_passed(struct rcu_wait *wait)
{
	struct switch_bridge *bridge = container_of(wait, struct switch_bridge, wait);
	struct vus_switch *sw = bridge->sw;

	role_assert_control();
	/* Reports that name its index are taken now, and mean nothing: the next one may have the index. */
	switch_take_reports(sw);
	sw->bridge[bridge->index] = NULL;
	sw->bridges_leaving--;
	names_remove(&sw->bridge_names, bridge->name);
	bridge_destroy(bridge->bridge);
	log_info(bridge->name, "bridge removed");
	switch_forget_topic(sw, bridge->name);
	switch_bridge_free(bridge);
	switch_due_bridges(sw);
}

void switch_bridge_go(struct switch_bridge *bridge)
{
	if (!bridge->leaving || bridge->waiting || bridge_ports_n(bridge->bridge) > 0)
		return;
	bridge->waiting = true;
	switch_groups_end(bridge);
	lcores_forget_bridge(bridge->bridge);
	rcu_wait_start(&bridge->wait, bridge_passed);
}

void switch_bridge_reconfigure(struct switch_bridge *bridge, const struct config_bridge *config)
{
	struct bridge_options before = bridge->made.options;
	/* Lists are not kept (take_options()): static addresses and mirrors are set by themselves. */
	uint64_t looked_at = option_live(&bridge_options) & ~option_bit(&bridge_options, "static-macs") &
			     ~option_bit(&bridge_options, "mirrors");

	if (switch_mirrors_configure(bridge, config, NULL) != 0)
		log_error(bridge->name, "no memory for its mirrors: they are as they were; the next reload tries again");
	if ((option_changed(&bridge_options, &before, &config->options) & looked_at) == 0)
		return;
	if (take_options(bridge, &config->options) != 0) {
		bridge->made.options = before;
		log_error(bridge->name, "no memory for its other options; the next reload tries again");
		return;
	}
	if (switch_groups_configure(bridge) != 0) {
		/* It snooped before as little as it does now; that it is to is found again by the next comparison. */
		option_clear(&bridge_options, &bridge->made.options);
		bridge->made.options = before;
		log_error(bridge->name, "no memory for multicast-snooping: multicast is flooded; the next reload tries again");
		return;
	}
	option_clear(&bridge_options, &before);
}

void switch_bridge_set_static(struct switch_bridge *bridge, const struct config_bridge *config)
{
	struct fdb *fdb = bridge_fdb(bridge->bridge);

	for (unsigned int i = 0; i < config->options.static_macs.n; i++) {
		const struct bridge_static_mac *entry = bridge_static_mac(&config->options, i);
		struct port *port = switch_find_port(bridge->sw, entry->port);
		fdb_key_t key = fdb_key((uint16_t)entry->vlan, mac_key(entry->mac));
		struct fdb_value value;
		struct fdb_mark mark;

		if (port == NULL || port->bridge != bridge->bridge)
			continue;
		if (fdb_lookup(fdb, key, &value, &mark) && value.is_static && value.destination == port->id)
			continue;
		if (fdb_set_static(fdb, key, port->id) != 0)
			log_warn(bridge->name,
				 "no room for static address %s; make mac-table-size larger", mac_text(entry->mac).text);
	}
}
