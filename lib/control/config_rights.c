/* SPDX-License-Identifier: BSD-3-Clause */
/* config_rights.c: whose a vhost-user socket is to be, said for a port or for all of them. */
#include <errno.h>
#include <string.h>

#include "config_private.h"

/* What is wrong with it, and what would be right. */
static const char *const wrong[RIGHTS_PARTS] = {
	[RIGHTS_OWNER] = "is not a user of this machine; use a name that `getent passwd` lists, or a number",
	[RIGHTS_GROUP] = "is not a group of this machine; use a name that `getent group` lists, or a number",
	[RIGHTS_MODE] = "is not a mode; use an octal number, 0 to 0777, such as \"0660\"",
};

static const char *key_of(unsigned int part)
{
	return config_port_keys[PORT_KEY_RIGHTS + part];
}

int config_check_default_rights(const struct config *config, struct fail *fail)
{
	struct rights rights = {0};

	for (unsigned int part = 0; part < RIGHTS_PARTS; part++) {
		struct place place;
		int error;

		if (config->rights[part] == NULL)
			continue;
		error = rights_parse(&rights, part, config->rights[part]);
		if (error == 0)
			continue;
		snprintf(place.text, sizeof(place.text), "--%s", key_of(part));
		if (config->rights_line[part] > 0)
			place = place_line(config, config->rights_line[part]);
		return fail_set(fail, error, "%s: %s \"%s\" %s", place.text, key_of(part),
				config->rights[part], wrong[part]);
	}
	return 0;
}

int config_check_rights(const struct config *config, struct config_port *port, struct fail *fail)
{
	const bool vhost = strcmp(port->spec.type, "vhost-user") == 0;
	const bool listens = vhost && strcmp(port->spec.mode, "server") == 0;

	port->spec.rights = (struct rights){0};
	for (unsigned int part = 0; part < RIGHTS_PARTS; part++) {
		const char *own = port->rights[part];
		const char *text = own != NULL || !listens ? own : config->rights[part];
		struct place place = port_place(config, port, PORT_KEY_RIGHTS + part);
		int error;

		if (text == NULL)
			continue;
		if (!listens)
			return fail_set(fail, -EINVAL, "%s: port %s: %s is nothing to a port %s; remove it",
					place.text, port->spec.name, key_of(part),
					vhost ? "in mode: client, whose VM makes the socket"
					      : "of type ethdev");
		error = rights_parse(&port->spec.rights, part, text);
		if (error != 0)
			return fail_set(fail, error, "%s: port %s: %s \"%s\" %s", place.text,
					port->spec.name, key_of(part), text, wrong[part]);
	}
	return 0;
}
