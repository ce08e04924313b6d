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

static void tell_switch(const struct config *from, const struct config *to, char *line, size_t size)
{
	const uint64_t lists = option_bit(&switch_options, "bridges") | option_bit(&switch_options, "ports");
	uint64_t bits = option_changed(&switch_options, &from->options, &to->options) & ~lists;
	char text[256];

	option_describe_change(&switch_options, &from->options, &to->options, bits, text, sizeof(text));
	snprintf(line, size, "%s%s", text, bits != 0 ? ": changed while it runs" : "");
}

/* Ports of a command line that is not compared keep their bridge. */
static bool is_kept(const struct config *from, const struct config_bridge *bridge)
{
	for (unsigned int i = 0; i < from->ports_n; i++)
		if (from->ports[i].aside && strcmp(from->ports[i].member.bridge, bridge->name) == 0)
			return true;
	return false;
}

static void tell_bridge(const struct config *from, const struct config_bridge *before, const struct config_bridge *after,
			char *line, size_t size)
{
	uint64_t bits = after != NULL ? bridge_change(before, after) : 0;
	char text[512];

	line[0] = '\0';
	if (after == NULL && !is_kept(from, before))
		snprintf(line, size, "bridge %s: goes", before->name);
	if (after == NULL)
		return;
	option_describe_change(&bridge_options, &before->options, &after->options, bits, text, sizeof(text));
	if (bits != 0)
		snprintf(line, size,
			 "bridge %s: %s: the bridge is made anew and learns its addresses again; no VM loses its connection",
			 before->name, text);
	else if (option_changed(&bridge_options, &before->options, &after->options) != 0)
		snprintf(line, size, "bridge %s: static-macs, %u before and %u now: changed while it runs", before->name,
			 before->options.static_macs.n, after->options.static_macs.n);
}

static void tell_port(const struct config_port *from, const struct config_port *to, char *line, size_t size)
{
	struct config_change change;
	char driver[512], member[256];

	if (to == NULL && from->aside) {
		line[0] = '\0';
		return;
	}
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
	char line[1024];

	tell_switch(from, to, line, sizeof(line));
	if (line[0] != '\0')
		tell(arg, line);
	for (unsigned int i = 0; i < from->bridges_n; i++) {
		const struct config_bridge *before = &from->bridges[i];

		tell_bridge(from, before, config_find_bridge(to, before->name), line, sizeof(line));
		if (line[0] != '\0')
			tell(arg, line);
	}
	for (unsigned int i = 0; i < to->bridges_n; i++) {
		snprintf(line, sizeof(line), "bridge %s: comes", to->bridges[i].name);
		if (config_find_bridge(from, to->bridges[i].name) == NULL)
			tell(arg, line);
	}
	for (unsigned int i = 0; i < from->ports_n; i++) {
		tell_port(&from->ports[i], config_find_port(to, from->ports[i].name), line, sizeof(line));
		if (line[0] != '\0')
			tell(arg, line);
	}
	for (unsigned int i = 0; i < to->ports_n; i++) {
		snprintf(line, sizeof(line), "port %s: comes", to->ports[i].name);
		if (config_find_port(from, to->ports[i].name) == NULL)
			tell(arg, line);
	}
}
