/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const config_port_keys[PORT_KEYS] = {
	[PORT_KEY_NAME] = "name",     [PORT_KEY_TYPE] = "type", [PORT_KEY_BRIDGE] = "bridge",
	[PORT_KEY_SOCKET] = "socket", [PORT_KEY_MODE] = "mode", [PORT_KEY_QUEUES] = "queues",
	[PORT_KEY_DEVICE] = "device", [PORT_KEY_MTU] = "mtu",   [PORT_KEY_POSTCOPY] = "postcopy",
	[PORT_KEY_OFFLOADS] = "offloads", [PORT_KEY_CONTROL_QUEUE] = "control-queue",
	[PORT_KEY_ZERO_COPY_TX] = "zero-copy-tx",
	[PORT_KEY_RIGHTS + RIGHTS_OWNER] = "socket-owner",
	[PORT_KEY_RIGHTS + RIGHTS_GROUP] = "socket-group",
	[PORT_KEY_RIGHTS + RIGHTS_MODE] = "socket-mode",
};

const char *const config_bridge_keys[BRIDGE_KEYS] = {
	[BRIDGE_KEY_NAME] = "name",
	[BRIDGE_KEY_MAC_TABLE_SIZE] = "mac-table-size",
	[BRIDGE_KEY_MAC_AGING] = "mac-aging",
	[BRIDGE_KEY_MAC_LIMIT_PER_PORT] = "mac-limit-per-port",
	[BRIDGE_KEY_STATIC_MACS] = "static-macs",
};

void config_free(struct config *config)
{
	for (unsigned int i = 0; i < config->bridges_n; i++) {
		struct config_bridge *bridge = &config->bridges[i];

		for (unsigned int j = 0; j < bridge->static_macs_n; j++) {
			free(bridge->static_macs[j].mac);
			free(bridge->static_macs[j].port);
		}
		free(bridge->static_macs);
		free(bridge->name);
		free(bridge->mac_table_size);
		free(bridge->mac_aging);
		free(bridge->mac_limit_per_port);
	}
	for (unsigned int i = 0; i < config->ports_n; i++) {
		struct config_port *port = &config->ports[i];

		free((char *)port->spec.name);
		free((char *)port->spec.bridge);
		free((char *)port->spec.type);
		free((char *)port->spec.socket);
		free((char *)port->spec.mode);
		free((char *)port->spec.device);
		free((char *)port->spec.postcopy);
		free((char *)port->spec.offloads);
		free((char *)port->spec.control_queue);
		free((char *)port->spec.zero_copy_tx);
		free(port->queues);
		free(port->mtu);
		for (unsigned int part = 0; part < RIGHTS_PARTS; part++)
			free(port->rights[part]);
		free(port->option);
		free(port->socket_file);
	}
	free(config->bridges);
	free(config->ports);
	free(config->file);
	free(config->text);
	free(config->in_place_of);
	free(config->rebalance);
	for (unsigned int part = 0; part < RIGHTS_PARTS; part++)
		free(config->rights[part]);
	*config = (struct config){0};
}

const struct config_bridge *config_find_bridge(const struct config *config, const char *name)
{
	for (unsigned int i = 0; i < config->bridges_n; i++)
		if (strcmp(config->bridges[i].name, name) == 0)
			return &config->bridges[i];
	return NULL;
}

const struct config_port *config_find_port(const struct config *config, const char *name)
{
	for (unsigned int i = 0; i < config->ports_n; i++)
		if (strcmp(config->ports[i].spec.name, name) == 0)
			return &config->ports[i];
	return NULL;
}

struct config_numbers config_bridge_numbers(const struct config_bridge *bridge)
{
	struct config_numbers numbers = {
		.mac_table_size = MAC_TABLE_SIZE_DEFAULT,
		.mac_aging = MAC_AGING_DEFAULT,
	};

	if (bridge->mac_table_size != NULL)
		numbers.mac_table_size = *bridge->mac_table_size;
	if (bridge->mac_aging != NULL)
		numbers.mac_aging = *bridge->mac_aging;
	/* Nobody fills the table alone (A2); half of it is room enough for what lives behind an uplink. */
	numbers.mac_limit_per_port = (numbers.mac_table_size + 1) / 2;
	if (bridge->mac_limit_per_port != NULL)
		numbers.mac_limit_per_port = *bridge->mac_limit_per_port;
	return numbers;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool config_same_port(const struct port_spec *a, const struct port_spec *b)
{
	return same_text(a->name, b->name) && same_text(a->type, b->type) &&
	       same_text(a->socket, b->socket) && same_text(a->mode, b->mode) &&
	       same_text(a->postcopy, b->postcopy) && same_text(a->offloads, b->offloads) &&
	       same_text(a->control_queue, b->control_queue) && a->queues == b->queues &&
	       same_text(a->device, b->device) && a->mtu == b->mtu &&
	       same_text(a->zero_copy_tx, b->zero_copy_tx) && rights_same(&a->rights, &b->rights);
}

/* --- the command line ------------------------------------------------------------------------------------------- */

static int set_text(const char **field, const char *value)
{
	free((char *)*field);
	*field = strdup(value);
	return *field != NULL ? 0 : -ENOMEM;
}

/* Its range is checked with the rest (config_check()). */
static int set_number(const struct config_port *port, enum config_port_key key, uint32_t **field,
		      const char *value, struct fail *fail)
{
	const char *name = config_port_keys[key];
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(value, &end, 10);
	if (errno != 0 || *end != '\0' || value[0] < '0' || value[0] > '9' || number > UINT32_MAX)
		return fail_set(fail, -EINVAL, "%s: %s=%s is not a number; use %s", port->option,
				name, value, key == PORT_KEY_MTU ? "68 to 65535" : "1 to 16");
	free(*field);
	*field = malloc(sizeof(**field));
	if (*field == NULL)
		return fail_set(fail, -ENOMEM, "%s: no memory", port->option);
	**field = (uint32_t)number;
	return 0;
}

/* What is not ours to know is an argument of the device: net_tap0,iface=tap0. */
static int add_device_argument(struct config_port *port, const char *key, const char *value)
{
	char *device;

	if (asprintf(&device, "%s,%s%s%s", port->spec.device, key, value[0] != '\0' ? "=" : "",
		     value) < 0)
		return -ENOMEM;
	free((char *)port->spec.device);
	port->spec.device = device;
	return 0;
}

/* RIGHTS_PARTS: the key is none of them. */
static enum rights_part rights_part_of(const char *key)
{
	unsigned int part = 0;

	while (part < RIGHTS_PARTS && strcmp(config_port_keys[PORT_KEY_RIGHTS + part], key) != 0)
		part++;
	return part;
}

static int set_suboption(struct config_port *port, bool vhost, const char *key, const char *value,
			 struct fail *fail)
{
	const enum rights_part part = rights_part_of(key);
	int error;

	if (strcmp(key, "bridge") == 0)
		error = set_text(&port->spec.bridge, value);
	else if (strcmp(key, "offloads") == 0)
		error = set_text(&port->spec.offloads, value);
	else if (vhost && strcmp(key, "mode") == 0)
		error = set_text(&port->spec.mode, value);
	else if (vhost && strcmp(key, "postcopy") == 0)
		error = set_text(&port->spec.postcopy, value);
	else if (vhost && part < RIGHTS_PARTS)
		error = set_text((const char **)&port->rights[part], value);
	else if (vhost && strcmp(key, "control-queue") == 0)
		error = set_text(&port->spec.control_queue, value);
	else if (vhost && strcmp(key, "queues") == 0)
		return set_number(port, PORT_KEY_QUEUES, &port->queues, value, fail);
	else if (!vhost && strcmp(key, "mtu") == 0)
		return set_number(port, PORT_KEY_MTU, &port->mtu, value, fail);
	else if (!vhost && strcmp(key, "zero-copy-tx") == 0)
		error = set_text(&port->spec.zero_copy_tx, value);
	else if (!vhost)
		error = add_device_argument(port, key, value);
	else
		return fail_set(fail, -EINVAL,
				"%s: \"%s\" is not known; after the first comma go "
				"mode=server|client, queues=N, postcopy=on|off, offloads=on|off, "
				"control-queue=on|off, socket-owner=USER, socket-group=GROUP, "
				"socket-mode=OCTAL and bridge=NAME",
				port->option, key);
	return error == 0 ? 0 : fail_set(fail, error, "%s: no memory", port->option);
}

/* `text` is NAME=THING[,key=value]... and is cut up. */
static int parse_option(struct config_port *port, bool vhost, char *text, struct fail *fail)
{
	char *rest = text, *first = strsep(&rest, ","), *pair;
	char *thing = strchr(first, '=');

	if (thing == NULL || thing == first || thing[1] == '\0')
		return fail_set(fail, -EINVAL, "%s: a name and %s are needed, as in %s",
				port->option, vhost ? "a socket" : "a device",
				vhost ? "--vhost vm1=/run/vuswitch/vm1.sock"
				      : "--ethdev up0=0000:03:00.0");
	*thing++ = '\0';
	if (set_text(&port->spec.name, first) != 0 ||
	    set_text(&port->spec.type, vhost ? "vhost-user" : "ethdev") != 0 ||
	    set_text(vhost ? &port->spec.socket : &port->spec.device, thing) != 0)
		return fail_set(fail, -ENOMEM, "%s: no memory", port->option);
	while ((pair = strsep(&rest, ",")) != NULL) {
		char *value = strchr(pair, '=');
		int error;

		if (value != NULL)
			*value++ = '\0';
		error = set_suboption(port, vhost, pair, value != NULL ? value : "", fail);
		if (error != 0)
			return error;
	}
	return 0;
}

int config_add_option(struct config *config, const char *option, const char *value,
		      struct fail *fail)
{
	bool vhost = strcmp(option, "--vhost") == 0;
	struct config_port *ports = realloc(config->ports, (config->ports_n + 1) * sizeof(*ports));
	struct config_port *port;
	char *text = strdup(value);
	int error;

	if (ports != NULL)
		config->ports = ports;
	if (ports == NULL || text == NULL) {
		free(text);
		return fail_set(fail, -ENOMEM, "%s %s: no memory", option, value);
	}
	port = &ports[config->ports_n++];
	*port = (struct config_port){0};
	if (asprintf(&port->option, "%s %s", option, value) < 0) {
		port->option = NULL;
		error = fail_set(fail, -ENOMEM, "%s %s: no memory", option, value);
	} else {
		error = parse_option(port, vhost, text, fail);
	}
	free(text);
	return error;
}

int config_set_rebalance(struct config *config, const char *value, struct fail *fail)
{
	char *copy = strdup(value);

	if (copy == NULL)
		return fail_set(fail, -ENOMEM, "--rebalance %s: no memory", value);
	free(config->rebalance);
	config->rebalance = copy;
	config->rebalance_line = 0;
	return 0;
}

int config_set_rights(struct config *config, enum rights_part part, const char *value,
		      struct fail *fail)
{
	config->rights_line[part] = 0;
	if (set_text((const char **)&config->rights[part], value) != 0)
		return fail_set(fail, -ENOMEM, "--%s %s: no memory",
				config_port_keys[PORT_KEY_RIGHTS + part], value);
	return 0;
}

/* --- in words --------------------------------------------------------------------------------------------------- */

void config_describe_port(const struct port_spec *spec, char *text, size_t size)
{
	const char *offloads = strcmp(spec->offloads, "off") == 0 ? ", no offloads" : "";
	char queues[32] = "", mtu[32] = "", rights[160] = "";

	if (strcmp(spec->type, "ethdev") == 0) {
		if (spec->mtu != 0)
			snprintf(mtu, sizeof(mtu), ", MTU %u", spec->mtu);
		snprintf(text, size, "ethdev %s%s%s%s, bridge %s", spec->device, mtu, offloads,
			 strcmp(spec->zero_copy_tx, "on") == 0 ? ", zero-copy-tx" : "",
			 spec->bridge);
		return;
	}
	if (spec->queues > 1)
		snprintf(queues, sizeof(queues), ", %u queue pairs", spec->queues);
	rights_describe(&spec->rights, rights, sizeof(rights));
	snprintf(text, size, "vhost-user, %s %s%s%s%s%s%s%s, bridge %s",
		 strcmp(spec->mode, "client") == 0 ? "connects to" : "listens on", spec->socket,
		 rights[0] != '\0' ? ", " : "", rights, queues,
		 strcmp(spec->postcopy, "off") == 0 ? ", no postcopy" : "", offloads,
		 strcmp(spec->control_queue, "off") == 0 ? ", no control queue" : "", spec->bridge);
}

void config_print(const struct config *config, FILE *to)
{
	for (unsigned int i = 0; i < config->bridges_n; i++) {
		const struct config_bridge *bridge = &config->bridges[i];
		struct config_numbers numbers = config_bridge_numbers(bridge);

		fprintf(to, "bridge %s: %u addresses (%u per port), ", bridge->name,
			numbers.mac_table_size, numbers.mac_limit_per_port);
		if (numbers.mac_aging == 0)
			fprintf(to, "kept for ever");
		else
			fprintf(to, "forgotten after %u s", numbers.mac_aging);
		if (bridge->static_macs_n > 0)
			fprintf(to, ", %u static", bridge->static_macs_n);
		fprintf(to, "\n");
	}
	for (unsigned int i = 0; i < config->ports_n; i++) {
		char text[512];

		config_describe_port(&config->ports[i].spec, text, sizeof(text));
		fprintf(to, "port %s: %s\n", config->ports[i].spec.name, text);
	}
	if (strcmp(config->rebalance, "off") == 0)
		fprintf(to, "rebalance off: queues stay at the lcore that has them\n");
}
