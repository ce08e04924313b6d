/* SPDX-License-Identifier: BSD-3-Clause */
/* config.c: a configuration's life, and how it looks in words and as JSON. */
#include "config.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "config_private.h"
#include "one_line.h"

static const struct option_row bridge_name_rows[] = {
	{.key = "name", .kind = OPTION_TEXT, .offset = offsetof(struct config_bridge, name), .value = "NAME",
	 .needed = "add it", .help = "up to 31 letters, digits, dots, dashes and underscores"},
};
const struct option_table config_bridge_names = OPTION_TABLE(bridge_name_rows, struct config_bridge);

static const struct option_row port_name_rows[] = {
	{.key = "name", .kind = OPTION_TEXT, .offset = offsetof(struct config_port, name), .value = "NAME",
	 .needed = "add it", .help = "up to 31 letters, digits, dots, dashes and underscores, unlike any other port's"},
	{.key = "type", .kind = OPTION_TEXT, .offset = offsetof(struct config_port, type), .value = "TYPE",
	 .otherwise = "what its socket or its device tells",
	 .help = "vhost-user, a virtual machine; or ethdev, a DPDK Ethernet device"},
	{.key = "profile", .kind = OPTION_TEXT, .offset = offsetof(struct config_port, profile), .value = "NAME", .live = true,
	 .help = "one of the profiles, which says what the port does not say itself"},
};
const struct option_table config_port_names = OPTION_TABLE(port_name_rows, struct config_port);

static const struct option_row switch_rows[] = {
	{.key = "profiles", .kind = OPTION_TREE, .offset = offsetof(struct switch_options, profiles), .value = "LIST",
	 .help = "sets of options that ports refer to"},
	{.key = "bridges", .kind = OPTION_TREE, .offset = offsetof(struct switch_options, bridges), .value = "LIST",
	 .help = "the bridges; br0 need not be listed"},
	{.key = "ports", .kind = OPTION_TREE, .offset = offsetof(struct switch_options, ports), .value = "LIST",
	 .help = "the ports"},
	{.key = "rebalance", .kind = OPTION_FLAG, .offset = offsetof(struct switch_options, rebalance), .normal = true,
	 .on = "queues move to lcores with less to do",
	 .help = "whether receive queues move to lcores that have less to do"},
	{.key = "change-users", .kind = OPTION_TEXT, .offset = offsetof(struct switch_options, change_users),
	 .value = "USER[,USER]...", .otherwise = "none",
	 .help = "users who may change the running switch through the control socket, beside root and the switch's own"},
	{.key = "change-groups", .kind = OPTION_TEXT, .offset = offsetof(struct switch_options, change_groups),
	 .value = "GROUP[,GROUP]...", .otherwise = "none", .help = "groups whose members may do so"},
	{.key = "metrics", .kind = OPTION_TEXT, .offset = offsetof(struct switch_options, metrics), .value = "SOCKET",
	 .otherwise = "none",
	 .help = "the path of a unix socket at which metrics are read (OpenMetrics, HTTP), from the root, up to 107 characters"},
	{.key = "metrics-owner", .kind = OPTION_USER, .offset = offsetof(struct switch_options, metrics_owner), .value = "USER",
	 .otherwise = "the switch's own user", .needs = "metrics",
	 .help = "the user the metrics socket belongs to, a name or a number"},
	{.key = "metrics-group", .kind = OPTION_GROUP, .offset = offsetof(struct switch_options, metrics_group), .value = "GROUP",
	 .otherwise = "the switch's own group", .needs = "metrics",
	 .help = "the group the metrics socket belongs to, a name or a number"},
	{.key = "metrics-mode", .kind = OPTION_MODE, .offset = offsetof(struct switch_options, metrics_mode), .value = "OCTAL",
	 .otherwise = "0660", .needs = "metrics",
	 .help = "who may use the metrics socket, 0 to 0777; to connect needs the right to write"},
	{.key = "metrics-listen", .kind = OPTION_TEXT, .offset = offsetof(struct switch_options, metrics_listen),
	 .value = "[ADDRESS:]PORT", .otherwise = "none",
	 .help = "a TCP port at which metrics are read, of 127.0.0.1 or of the address given; whoever can reach it may read"},
};
const struct option_table switch_options = OPTION_TABLE(switch_rows, struct switch_options);

static const char *const config_from_words[] = {
	[CONFIG_FROM_FILE] = "file",
	[CONFIG_FROM_COMMAND_LINE] = "command line",
	[CONFIG_FROM_REQUEST] = "request",
};

/* --- life ------------------------------------------------------------------------------------------------------- */

void config_port_free(struct config_port *port)
{
	/* Pairs with the other holders' config_port_free(): what they have read comes before it is freed. */
	if (port->holders != NULL && atomic_fetch_sub_explicit(port->holders, 1, memory_order_acq_rel) > 1) {
		memset(port, 0, sizeof(*port));
		return;
	}
	free(port->holders);
	port->holders = NULL;
	if (port->options != NULL)
		option_clear(port->driver->options, port->options);
	free(port->options);
	port->options = NULL;
	bridge_port_options_clear(&port->member);
	option_clear(&config_port_names, port);
	free(port->takes);
	port->takes = NULL;
}

void config_port_share(struct config_port *to, const struct config_port *from)
{
	*to = *from;
	atomic_fetch_add_explicit(to->holders, 1, memory_order_relaxed);
}

int config_port_copy(struct config_port *to, const struct config_port *from)
{
	int error;

	if (option_copy(&config_port_names, to, from) != 0) {
		memset(to, 0, sizeof(*to)); /* the rest of it is still `from`'s */
		return -ENOMEM;
	}
	memset(&to->member, 0, sizeof(to->member));
	to->node = to->profile_node = NULL;
	to->source = NULL;
	to->holders = NULL;
	to->takes = strdup(from->takes);
	to->options = NULL;
	error = bridge_port_options_copy(&to->member, &from->member);
	if (error == 0) {
		to->options = malloc(from->driver->options->size);
		error = to->options == NULL ? -ENOMEM
					    : option_copy(from->driver->options, to->options, from->options);
	}
	if (error == 0 && to->takes != NULL)
		return 0;
	config_port_free(to);
	return -ENOMEM;
}

/* What config_check() has made; it can make it again. */
void config_clear_checked(struct config *config)
{
	for (unsigned int i = 0; i < config->bridges_n; i++) {
		bridge_options_clear(&config->bridges[i].options);
		option_clear(&config_bridge_names, &config->bridges[i]);
	}
	for (unsigned int i = 0; i < config->ports_n; i++)
		config_port_free(&config->ports[i]);
	for (unsigned int i = 0; i < CONFIG_DRIVERS_MAX; i++) {
		if (config->common[i] != NULL)
			option_clear(config->drivers[i]->options, config->common[i]);
		free(config->common[i]);
		config->common[i] = NULL;
	}
	config_profiles_clear(config);
	free(config->bridges);
	free(config->ports);
	config->bridges = NULL;
	config->ports = NULL;
	config->bridges_n = config->ports_n = 0;
	names_clear(&config->bridge_names);
	names_clear(&config->port_names);
	for (unsigned int i = 0; i < CONFIG_DRIVERS_MAX; i++)
		names_clear(&config->takes[i]);
	option_clear(&switch_options, &config->options);
}

void config_clear_known(struct config *config)
{
	for (unsigned int i = 0; i < config->known_n; i++)
		config_port_free(&config->known[i]);
	free(config->known);
	config->known = NULL;
	config->known_n = config->known_at = 0;
}

void config_free(struct config *config)
{
	config_clear_checked(config);
	config_clear_known(config);
	for (unsigned int i = 0; i < config->typed_n; i++) {
		free(config->typed[i].source);
		tree_free(config->typed[i].node);
	}
	free(config->typed);
	tree_free(config->tree);
	tree_free(config->requests);
	free(config->file);
	free(config->text);
	free(config->in_place_of);
	*config = (struct config){.drivers = config->drivers};
}

const struct config_profile *config_find_profile(const struct config *config, const char *name)
{
	int i = names_find(&config->profile_names, name);

	return i >= 0 ? &config->profiles[i] : NULL;
}

const struct config_bridge *config_find_bridge(const struct config *config, const char *name)
{
	int i = names_find(&config->bridge_names, name);

	return i >= 0 ? &config->bridges[i] : NULL;
}

const struct config_port *config_find_port(const struct config *config, const char *name)
{
	int i = names_find(&config->port_names, name);

	return i >= 0 ? &config->ports[i] : NULL;
}

const struct config_port *config_find_taker(const struct config *config, const struct port_driver *driver,
					    const char *takes)
{
	/* An empty one may have no drivers. */
	int i = config->ports_n > 0 ? names_find(&config->takes[config_driver_index(config, driver)], takes) : -1;

	return i >= 0 ? &config->ports[i] : NULL;
}

const char *config_port_from(const struct config_port *port)
{
	return config_from_words[port->from];
}

const char *config_profile_from(const struct config_profile *profile)
{
	return config_from_words[profile->from];
}

const char *config_bridge_from(const struct config_bridge *bridge)
{
	return bridge->implied ? "port" : config_from_words[bridge->from];
}

unsigned int config_driver_index(const struct config *config, const struct port_driver *driver)
{
	unsigned int i = 0;

	while (config->drivers[i] != driver)
		i++;
	return i;
}

/* --- in words --------------------------------------------------------------------------------------------------- */

void config_describe_port(const struct config_port *port, char *text, size_t size)
{
	char own[1024], member[1536];

	option_describe(port->driver->options, port->options, own, sizeof(own));
	option_describe(&bridge_port_options, &port->member, member, sizeof(member));
	mark_cut(text, size, (size_t)snprintf(text, size, "%s%s%s", port->type, own, member));
}

void config_print(const struct config *config, FILE *to)
{
	for (unsigned int i = 0; i < config->bridges_n; i++) {
		const struct bridge_options *options = &config->bridges[i].options;

		fprintf(to, "bridge %s: %u addresses (%u per port), ", config->bridges[i].name, options->mac_table_size,
			options->mac_limit_per_port);
		if (options->mac_aging == 0)
			fprintf(to, "kept for ever");
		else
			fprintf(to, "forgotten after %u s", options->mac_aging);
		if (options->static_macs.n > 0)
			fprintf(to, ", %u static", options->static_macs.n);
		if (options->mirrors.n > 0)
			fprintf(to, ", %u mirror%s", options->mirrors.n, options->mirrors.n > 1 ? "s" : "");
		fprintf(to, "\n");
	}
	for (unsigned int i = 0; i < config->ports_n; i++) {
		char text[3072];

		config_describe_port(&config->ports[i], text, sizeof(text));
		fprintf(to, "port %s: %s\n", config->ports[i].name, text);
	}
	if (!config->options.rebalance)
		fprintf(to, "rebalance off: queues stay at the lcore that has them\n");
}

static void put_warning(void *arg, const char *line)
{
	FILE *to = arg;

	fprintf(to, "warning: %s\n", line);
}

void config_warn(const struct config *config, FILE *to)
{
	config_tell_idle(config, put_warning, to);
	for (unsigned int i = 0; i < config->ports_n; i++) {
		const struct config_port *port = &config->ports[i];

		if (port->driver->warn != NULL)
			port->driver->warn(port->options, port->name, to);
	}
}

/* --- JSON ------------------------------------------------------------------------------------------------------- */

json_t *config_to_json(const struct config *config)
{
	json_t *whole = json_object(), *profiles = json_array(), *bridges = json_array(), *ports = json_array();

	config_profiles_to_json(config, profiles);
	for (unsigned int i = 0; i < config->bridges_n; i++) {
		json_t *bridge = json_object();

		option_to_json(&config_bridge_names, &config->bridges[i], bridge);
		option_to_json(&bridge_options, &config->bridges[i].options, bridge);
		json_array_append_new(bridges, bridge);
	}
	for (unsigned int i = 0; i < config->ports_n; i++) {
		const struct config_port *from = &config->ports[i];
		json_t *port = json_object();

		option_to_json(&config_port_names, from, port);
		option_to_json(&bridge_port_options, &from->member, port);
		option_to_json(from->driver->options, from->options, port);
		json_array_append_new(ports, port);
	}
	option_to_json(&switch_options, &config->options, whole);
	if (config->profiles_n > 0)
		json_object_set(whole, "profiles", profiles);
	json_decref(profiles);
	json_object_set_new(whole, "bridges", bridges);
	json_object_set_new(whole, "ports", ports);
	return whole;
}
