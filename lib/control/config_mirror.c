/* SPDX-License-Identifier: BSD-3-Clause */
/* config_mirror.c: mirrors of a bridge are checked against its ports. */
#include <errno.h>
#include <string.h>

#include "config_private.h"

/* A port of the bridge that is there whenever the bridge is: what the file says has to hold without requests. */
static bool is_port_of(const struct config *config, const struct config_bridge *bridge, const char *name)
{
	const struct config_port *port = config_find_port(config, name);

	return port != NULL && strcmp(port->member.bridge, bridge->name) == 0 &&
	       (port->from != CONFIG_FROM_REQUEST || bridge->from == CONFIG_FROM_REQUEST);
}

static bool is_sink(const struct config_bridge *bridge, const char *name)
{
	for (unsigned int i = 0; i < bridge->options.mirrors.n; i++)
		if (strcmp(bridge_mirror(&bridge->options, i)->to, name) == 0)
			return true;
	return false;
}

static int fail_no_port(const struct config_bridge *bridge, const struct bridge_mirror *mirror, const char *key,
			const char *name, const struct option_entry *entry, struct fail *fail)
{
	return option_fail(fail, -ENOENT, entry, key, "mirror %s: %s: there is no port %s on bridge %s; name one of its ports",
			   mirror->name, key, name, bridge->name);
}

static int check_ports(const struct config *config, const struct config_bridge *bridge, const struct bridge_mirror *mirror,
		       const struct option_entry *entry, struct fail *fail)
{
	const char *at = mirror->ports;
	char name[NAME_LEN_MAX + 1];
	unsigned int n = 0;

	if (at == NULL)
		return 0;
	for (; bridge_mirror_next(&at, name); n++) {
		if (!is_port_of(config, bridge, name))
			return fail_no_port(bridge, mirror, "ports", name, entry, fail);
		if (is_sink(bridge, name))
			return option_fail(fail, -ELOOP, entry, "ports",
					   "mirror %s: port %s gets the copies of a mirror, which are not mirrored again; "
					   "remove it from ports, or copy to another port",
					   mirror->name, name);
	}
	return n > 0 ? 0
		     : option_fail(fail, -EINVAL, entry, "ports",
				   "mirror %s: ports \"%s\" names no port; name some as in \"vm1,vm2\", or remove ports for all",
				   mirror->name, mirror->ports);
}

int config_mirrors_check(const struct config *config, const struct config_bridge *bridge, const struct option_entry *entry,
			 struct fail *fail)
{
	int error = 0;

	for (unsigned int i = 0; error == 0 && i < bridge->options.mirrors.n; i++) {
		const struct bridge_mirror *mirror = bridge_mirror(&bridge->options, i);
		const struct option_entry inner = bridge_mirror_entry(entry, i);

		if (!is_port_of(config, bridge, mirror->to))
			return fail_no_port(bridge, mirror, "to", mirror->to, &inner, fail);
		error = check_ports(config, bridge, mirror, &inner, fail);
	}
	return error;
}
