/* SPDX-License-Identifier: BSD-3-Clause */
/* config_change.c: what turns one configuration into another, and what that costs. */
#include "config.h"

#include <string.h>

/* A list of static addresses is changed without the bridge being made anew. */
static uint64_t bridge_change(const struct config_bridge *from, const struct config_bridge *to)
{
	return option_changed(&bridge_options, &from->options, &to->options) &
	       ~option_bit(&bridge_options, "static-macs");
}

struct config_change config_port_change(const struct config_port *from, const struct config_port *to)
{
	struct config_change change = {.anew = true};

	if (strcmp(from->name, to->name) != 0 || from->driver != to->driver)
		return change;
	change.driver = option_changed(to->driver->options, from->options, to->options);
	change.member = option_changed(&bridge_port_options, &from->member, &to->member);
	change.anew = (change.driver & ~option_live(to->driver->options)) != 0 ||
		      (change.member & ~option_live(&bridge_port_options)) != 0;
	return change;
}

bool config_bridge_is_same(const struct config_bridge *from, const struct config_bridge *to)
{
	return bridge_change(from, to) == 0;
}

static void tell_port(const struct config_port *from, const struct config_port *to, char *line, size_t size)
{
	struct config_change change;
	char driver[512], member[256];

	if (to == NULL) {
		snprintf(line, size, "port %s: goes, %s", from->name, from->driver->anew);
		return;
	}
	if (from->driver != to->driver) {
		snprintf(line, size, "port %s: type %s -> %s: the port is made anew, %s", from->name, from->type, to->type,
			 from->driver->anew);
		return;
	}
	change = config_port_change(from, to);
	option_describe_change(to->driver->options, from->options, to->options, change.driver, driver, sizeof(driver));
	option_describe_change(&bridge_port_options, &from->member, &to->member, change.member, member,
			       sizeof(member));
	if (driver[0] == '\0' && member[0] == '\0') {
		line[0] = '\0';
		return;
	}
	snprintf(line, size, "port %s: %s%s%s: %s%s", from->name, driver,
		 driver[0] != '\0' && member[0] != '\0' ? ", " : "", member,
		 change.anew ? "the port is made anew, " : "changed while it runs", change.anew ? from->driver->anew : "");
}

void config_tell_changes(const struct config *from, const struct config *to,
			 void (*tell)(void *arg, const char *line), void *arg)
{
	char line[1024], text[512];

	for (unsigned int i = 0; i < from->bridges_n; i++) {
		const struct config_bridge *before = &from->bridges[i];
		const struct config_bridge *after = config_find_bridge(to, before->name);
		uint64_t bits = after != NULL ? bridge_change(before, after) : 0;

		if (bits == 0)
			continue;
		option_describe_change(&bridge_options, &before->options, &after->options, bits, text, sizeof(text));
		snprintf(line, sizeof(line),
			 "bridge %s: %s: the bridge is made anew and learns its addresses again; no VM loses its connection",
			 before->name, text);
		tell(arg, line);
	}
	for (unsigned int i = 0; i < from->ports_n; i++) {
		tell_port(&from->ports[i], config_find_port(to, from->ports[i].name), line, sizeof(line));
		if (line[0] != '\0')
			tell(arg, line);
	}
}
