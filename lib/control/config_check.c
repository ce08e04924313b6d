/* SPDX-License-Identifier: BSD-3-Clause */
/* config_check.c: what a configuration must fulfil, wherever it came from. */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_path.h"
#include "config_private.h"
#include "vus_limits.h"

/* Of an ethdev: IPv4's least (RFC 791), and the most that virtio can name. */
enum { MTU_MIN = 68, MTU_MAX = 65535 };

struct place place_line(const struct config *config, unsigned int line)
{
	struct place place;

	snprintf(place.text, sizeof(place.text), "%s:%u", config->file, line);
	return place;
}

struct place port_place(const struct config *config, const struct config_port *port,
			enum config_port_key key)
{
	struct place place;

	if (port->option == NULL)
		return place_line(config,
				  port->line[key] != 0 ? port->line[key] : port->line[PORT_KEYS]);
	snprintf(place.text, sizeof(place.text), "%s", port->option);
	return place;
}

static struct place bridge_place(const struct config *config, const struct config_bridge *bridge,
				 enum config_bridge_key key)
{
	return place_line(config,
			  bridge->line[key] != 0 ? bridge->line[key] : bridge->line[BRIDGE_KEYS]);
}

/* What a name may consist of: it appears in options, in telemetry paths and in tables. */
static const char *name_fault(const char *name)
{
	if (name == NULL || name[0] == '\0')
		return "is missing";
	if (strlen(name) > NAME_LEN_MAX)
		return "is longer than 31 characters";
	for (const char *c = name; *c != '\0'; c++)
		if (!isalnum((unsigned char)*c) && strchr("._-", *c) == NULL)
			return "has a character other than letters, digits, '.', '_' and '-'";
	return NULL;
}

/* --- bridges ---------------------------------------------------------------------------------------------------- */

static int check_number(const struct config *config, const struct config_bridge *bridge,
			enum config_bridge_key key, const uint32_t *value, uint32_t min,
			uint32_t max, struct fail *fail)
{
	if (value == NULL || (*value >= min && *value <= max))
		return 0;
	return fail_set(fail, -ERANGE, "%s: bridge %s: %s: %u is out of range; use %u to %u",
			bridge_place(config, bridge, key).text, bridge->name,
			config_bridge_keys[key], *value, min, max);
}

static int check_static_mac(const struct config *config, const struct config_bridge *bridge,
			    struct config_static_mac *entry, struct fail *fail)
{
	struct place place = place_line(config, entry->line);
	const struct config_port *port;
	char extra;

	if (sscanf(entry->mac, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", &entry->bytes[0],
		   &entry->bytes[1], &entry->bytes[2], &entry->bytes[3], &entry->bytes[4],
		   &entry->bytes[5], &extra) != 6)
		return fail_set(fail, -EINVAL,
				"%s: mac \"%s\" is not an Ethernet address; write it as "
				"\"52:54:00:12:34:56\", with the quotes",
				place.text, entry->mac);
	if (entry->bytes[0] & 1)
		return fail_set(fail, -EINVAL,
				"%s: mac %s is a group address, which lives behind no port; use "
				"one whose first byte is even",
				place.text, entry->mac);
	port = config_find_port(config, entry->port);
	if (port == NULL || strcmp(port->spec.bridge, bridge->name) != 0)
		return fail_set(fail, -ENOENT,
				"%s: mac %s: there is no port %s on bridge %s; name one of its "
				"ports",
				place.text, entry->mac, entry->port, bridge->name);
	return 0;
}

static int check_bridge(const struct config *config, unsigned int i, struct fail *fail)
{
	struct config_bridge *bridge = &config->bridges[i];
	const char *fault = name_fault(bridge->name);
	int error = 0;

	if (bridge->implied)
		return 0;
	if (fault != NULL)
		return fail_set(fail, -EINVAL, "%s: bridge name \"%s\" %s; choose another",
				bridge_place(config, bridge, BRIDGE_KEY_NAME).text, bridge->name,
				fault);
	if (config_find_bridge(config, bridge->name) != bridge)
		return fail_set(fail, -EEXIST,
				"%s: bridge %s is listed twice, first at line %u; remove or rename "
				"one",
				bridge_place(config, bridge, BRIDGE_KEY_NAME).text, bridge->name,
				config_find_bridge(config, bridge->name)->line[BRIDGE_KEYS]);
	error = check_number(config, bridge, BRIDGE_KEY_MAC_TABLE_SIZE, bridge->mac_table_size, 16,
			     CONFIG_MAC_TABLE_SIZE_MAX, fail);
	if (error == 0)
		error = check_number(config, bridge, BRIDGE_KEY_MAC_AGING, bridge->mac_aging, 0,
				     CONFIG_MAC_AGING_MAX, fail);
	if (error == 0)
		error = check_number(config, bridge, BRIDGE_KEY_MAC_LIMIT_PER_PORT,
				     bridge->mac_limit_per_port, 1,
				     config_bridge_numbers(bridge).mac_table_size, fail);
	for (unsigned int j = 0; error == 0 && j < bridge->static_macs_n; j++)
		error = check_static_mac(config, bridge, &bridge->static_macs[j], fail);
	return error;
}

/* --- ports ------------------------------------------------------------------------------------------------------ */

/* A key that belongs to the other type of port. */
static int check_foreign(const struct config *config, const struct config_port *port,
			 enum config_port_key key, bool present, struct fail *fail)
{
	if (!present)
		return 0;
	return fail_set(fail, -EINVAL, "%s: port %s: %s is nothing to a port of type %s; remove it",
			port_place(config, port, key).text, port->spec.name, config_port_keys[key],
			port->spec.type);
}

static bool is_on_or_off(const char *value)
{
	return strcmp(value, "on") == 0 || strcmp(value, "off") == 0;
}

/* A key that is on or off, and `otherwise` if it is not there; `on` says what it is to be on. */
static int check_on_or_off(const struct config *config, const struct config_port *port,
			   enum config_port_key key, const char **value, const char *otherwise,
			   const char *on, struct fail *fail)
{
	if (*value == NULL)
		*value = strdup(otherwise);
	if (*value == NULL)
		return fail_set(fail, -ENOMEM, "port %s: no memory", port->spec.name);
	if (is_on_or_off(*value))
		return 0;
	return fail_set(fail, -EINVAL,
			"%s: port %s: %s \"%s\" is not known; use on (%s) or off",
			port_place(config, port, key).text, port->spec.name, config_port_keys[key],
			*value, on);
}

/* Several queue pairs are switched on through the control queue, and by nothing else. */
static int check_control_queue(const struct config *config, struct config_port *port, struct fail *fail)
{
	int error = check_on_or_off(config, port, PORT_KEY_CONTROL_QUEUE, &port->spec.control_queue, "on",
				    "the front end serves the guest's control queue, as QEMU does", fail);

	if (error != 0 || strcmp(port->spec.control_queue, "on") == 0 || port->spec.queues <= 1)
		return error;
	return fail_set(fail, -EINVAL,
			"%s: port %s: %u queue pairs need the control queue; remove queues, or control-queue: off",
			port_place(config, port, PORT_KEY_CONTROL_QUEUE).text, port->spec.name, port->spec.queues);
}

static int check_vhost(const struct config *config, struct config_port *port, struct fail *fail)
{
	struct port_spec *spec = &port->spec;
	int error;

	error = config_check_socket(config, port, fail);
	if (error != 0)
		return error;
	if (spec->mode == NULL)
		spec->mode = strdup("server");
	if (spec->mode == NULL)
		return fail_set(fail, -ENOMEM, "port %s: no memory", spec->name);
	if (strcmp(spec->mode, "server") != 0 && strcmp(spec->mode, "client") != 0)
		return fail_set(fail, -EINVAL,
				"%s: port %s: mode \"%s\" is not known; use server (vuswitch makes "
				"the socket) or client (the VM does)",
				port_place(config, port, PORT_KEY_MODE).text, spec->name,
				spec->mode);
	/* QEMU breaks a guest that arrives by postcopy with more than one queue pair (docs/postcopy.md): to be asked for. */
	error = check_on_or_off(config, port, PORT_KEY_POSTCOPY, &spec->postcopy,
				port->queues != NULL && *port->queues > 1 ? "off" : "on",
				"postcopy migration is offered where the machine allows it", fail);
	if (error != 0)
		return error;
	if (port->queues != NULL && (*port->queues < 1 || *port->queues > VHOST_QUEUE_PAIRS_MAX))
		return fail_set(fail, -ERANGE,
				"%s: port %s: queues: %u is out of range; use 1 to %d",
				port_place(config, port, PORT_KEY_QUEUES).text, spec->name,
				*port->queues, VHOST_QUEUE_PAIRS_MAX);
	spec->queues = port->queues != NULL ? *port->queues : 0;
	error = check_control_queue(config, port, fail);
	if (error == 0)
		error = check_foreign(config, port, PORT_KEY_DEVICE, spec->device != NULL, fail);
	if (error == 0)
		error = check_foreign(config, port, PORT_KEY_MTU, port->mtu != NULL, fail);
	if (error == 0)
		error = check_foreign(config, port, PORT_KEY_ZERO_COPY_TX,
				      spec->zero_copy_tx != NULL, fail);
	return error;
}

static int check_ethdev(const struct config *config, struct config_port *port, struct fail *fail)
{
	struct port_spec *spec = &port->spec;
	int error;

	error = config_check_device(config, port, fail);
	if (error != 0)
		return error;
	if (port->mtu != NULL && (*port->mtu < MTU_MIN || *port->mtu > MTU_MAX))
		return fail_set(fail, -ERANGE,
				"%s: port %s: mtu: %u is out of range; use %d to %d",
				port_place(config, port, PORT_KEY_MTU).text, spec->name, *port->mtu,
				MTU_MIN, MTU_MAX);
	spec->mtu = port->mtu != NULL ? *port->mtu : 0;
	error = check_on_or_off(config, port, PORT_KEY_ZERO_COPY_TX, &spec->zero_copy_tx, "off",
				"long frames of guests are sent from where they lie, if the device can",
				fail);
	if (error != 0)
		return error;
	error = check_foreign(config, port, PORT_KEY_SOCKET, spec->socket != NULL, fail);
	if (error == 0)
		error = check_foreign(config, port, PORT_KEY_MODE, spec->mode != NULL, fail);
	if (error == 0)
		error = check_foreign(config, port, PORT_KEY_QUEUES, port->queues != NULL, fail);
	if (error == 0)
		error = check_foreign(config, port, PORT_KEY_POSTCOPY, spec->postcopy != NULL, fail);
	if (error == 0)
		error = check_foreign(config, port, PORT_KEY_CONTROL_QUEUE, spec->control_queue != NULL, fail);
	return error;
}

/* Whether two devices are one: what follows a comma are its arguments. */
static bool same_device(const char *a, const char *b)
{
	size_t len = strcspn(a, ",");

	return len == strcspn(b, ",") && strncmp(a, b, len) == 0;
}

/* The port's socket or device belongs to no port before it. */
static int check_unshared(const struct config *config, unsigned int i, struct fail *fail)
{
	const struct config_port *port = &config->ports[i];

	for (unsigned int j = 0; j < i; j++) {
		const struct config_port *other = &config->ports[j];

		if (strcmp(other->spec.name, port->spec.name) == 0)
			return fail_set(
				fail, -EEXIST, "%s: there is a port %s already (%s); rename one",
				port_place(config, port, PORT_KEY_NAME).text, port->spec.name,
				port_place(config, other, PORT_KEY_NAME).text);
		if (port->socket_file != NULL && other->socket_file != NULL &&
		    strcmp(other->socket_file, port->socket_file) == 0)
			return fail_set(fail, -EEXIST,
					"%s: port %s: %s is the socket of port %s already; give "
					"each port its own",
					port_place(config, port, PORT_KEY_SOCKET).text,
					port->spec.name, port->spec.socket, other->spec.name);
		if (port->spec.device != NULL && other->spec.device != NULL &&
		    same_device(other->spec.device, port->spec.device))
			return fail_set(fail, -EEXIST,
					"%s: port %s: device %s is port %s's already; give each "
					"port its own",
					port_place(config, port, PORT_KEY_DEVICE).text,
					port->spec.name, port->spec.device, other->spec.name);
	}
	return 0;
}

static int check_port(const struct config *config, unsigned int i, struct fail *fail)
{
	struct config_port *port = &config->ports[i];
	const char *fault = name_fault(port->spec.name);
	int error;

	if (fault != NULL)
		return fail_set(fail, -EINVAL, "%s: port name \"%s\" %s; choose another",
				port_place(config, port, PORT_KEY_NAME).text,
				port->spec.name != NULL ? port->spec.name : "", fault);
	if (port->spec.bridge == NULL)
		port->spec.bridge = strdup(CONFIG_DEFAULT_BRIDGE);
	if (port->spec.bridge == NULL)
		return fail_set(fail, -ENOMEM, "port %s: no memory", port->spec.name);
	error = check_on_or_off(config, port, PORT_KEY_OFFLOADS, &port->spec.offloads, "on",
				"checksums and segmentation are left to whoever can do them", fail);
	if (error != 0)
		return error;
	if (strcmp(port->spec.type, "vhost-user") == 0)
		error = check_vhost(config, port, fail);
	else if (strcmp(port->spec.type, "ethdev") == 0)
		error = check_ethdev(config, port, fail);
	else
		error = fail_set(fail, -EINVAL,
				 "%s: port %s: type \"%s\" is not known; use vhost-user or ethdev",
				 port_place(config, port, PORT_KEY_TYPE).text, port->spec.name,
				 port->spec.type);
	if (error == 0)
		error = config_check_rights(config, port, fail);
	return error != 0 ? error : check_unshared(config, i, fail);
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

static int add_implied_bridge(struct config *config, const char *name, struct fail *fail)
{
	struct config_bridge *bridges =
		realloc(config->bridges, (config->bridges_n + 1) * sizeof(*bridges));
	char *copy = strdup(name);

	if (bridges != NULL)
		config->bridges = bridges;
	if (bridges == NULL || copy == NULL) {
		free(copy);
		return fail_set(fail, -ENOMEM, "bridge %s: no memory", name);
	}
	bridges[config->bridges_n++] = (struct config_bridge){.name = copy, .implied = true};
	return 0;
}

/* Every port's bridge is there afterwards. */
static int check_bridge_of(struct config *config, const struct config_port *port, struct fail *fail)
{
	const char *name = port->spec.bridge;
	const char *fault = name_fault(name);

	if (fault != NULL)
		return fail_set(fail, -EINVAL, "%s: bridge name \"%s\" %s; choose another",
				port_place(config, port, PORT_KEY_BRIDGE).text, name, fault);
	if (config_find_bridge(config, name) != NULL)
		return 0;
	if (port->option == NULL && strcmp(name, CONFIG_DEFAULT_BRIDGE) != 0)
		return fail_set(fail, -ENOENT,
				"%s: port %s: there is no bridge %s; add \"- name: %s\" under "
				"bridges:",
				port_place(config, port, PORT_KEY_BRIDGE).text, port->spec.name,
				name, name);
	return add_implied_bridge(config, name, fail);
}

static int check_rebalance(struct config *config, struct fail *fail)
{
	struct place place = {.text = "--rebalance"};

	if (config->rebalance == NULL)
		config->rebalance = strdup("on");
	if (config->rebalance == NULL)
		return fail_set(fail, -ENOMEM, "rebalance: no memory");
	if (is_on_or_off(config->rebalance))
		return 0;
	if (config->rebalance_line > 0)
		place = place_line(config, config->rebalance_line);
	return fail_set(fail, -EINVAL,
			"%s: rebalance \"%s\" is not known; use on (queues move to lcores with "
			"less to do) or off",
			place.text, config->rebalance);
}

int config_check(struct config *config, struct fail *fail)
{
	int error = check_rebalance(config, fail);

	if (error == 0)
		error = config_check_default_rights(config, fail);
	if (config->ports_n > PORTS_MAX)
		return fail_set(fail, -E2BIG, "%u ports are more than %d, the most one switch has",
				config->ports_n, PORTS_MAX);
	for (unsigned int i = 0; error == 0 && i < config->ports_n; i++)
		error = check_port(config, i, fail);
	for (unsigned int i = 0; error == 0 && i < config->ports_n; i++)
		error = check_bridge_of(config, &config->ports[i], fail);
	if (error == 0 && config->bridges_n > BRIDGES_MAX)
		return fail_set(fail, -E2BIG,
				"%u bridges are more than %d, the most one switch has",
				config->bridges_n, BRIDGES_MAX);
	for (unsigned int i = 0; error == 0 && i < config->bridges_n; i++)
		error = check_bridge(config, i, fail);
	return error;
}
