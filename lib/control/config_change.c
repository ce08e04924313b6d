/* SPDX-License-Identifier: BSD-3-Clause */
/* config_change.c: what turns one configuration into another, and what that costs. */
#include "config.h"

#include <string.h>

/* What the bridge has to be made anew for. */
static uint64_t bridge_change(const struct config_bridge *from, const struct config_bridge *to)
{
	return option_changed(&bridge_options, &from->options, &to->options) & ~option_live(&bridge_options);
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

/* What is longer ends in "...": what differs is cut first, and what that costs is not. */
enum { LINE_BYTES_MAX = 3072, DRIVER_BYTES_MAX = 1024, MEMBER_BYTES_MAX = 1536 };

static void tell_switch(const struct config *from, const struct config *to, config_tell tell, void *arg)
{
	const uint64_t lists = option_bit(&switch_options, "profiles") | option_bit(&switch_options, "bridges") |
			       option_bit(&switch_options, "ports");
	uint64_t bits = option_changed(&switch_options, &from->options, &to->options) & ~lists;
	char line[LINE_BYTES_MAX], text[LINE_BYTES_MAX / 2];

	if (bits == 0)
		return;
	option_describe_change(&switch_options, &from->options, &to->options, bits, text, sizeof(text));
	snprintf(line, sizeof(line), "%s: changed while it runs", text);
	tell(arg, &(struct config_told){.kind = "switch", .what = "changed", .line = line});
}

/* --- profiles --------------------------------------------------------------------------------------------------- */

static void put_change(const struct option_table *table, const void *from, const void *to, char *text, size_t size)
{
	size_t at = strlen(text);
	uint64_t bits = option_changed(table, from, to);

	if (bits == 0 || at + 2 >= size)
		return;
	snprintf(text + at, size - at, "%s", at > 0 ? ", " : "");
	at = strlen(text);
	option_describe_change(table, from, to, bits, text + at, size - at);
}

static void tell_profile_change(const struct config *config, const struct config_profile *before,
				const struct config_profile *after, config_tell tell, void *arg)
{
	bool same = before->given == after->given && before->member.given == after->member.given;
	char line[LINE_BYTES_MAX], text[LINE_BYTES_MAX / 2] = "";
	struct config_told told = {.kind = "profile", .name = before->name, .what = "changed", .line = line};

	put_change(&config_profile_names, before, after, text, sizeof(text));
	put_change(&bridge_port_options, &before->member, &after->member, text, sizeof(text));
	for (unsigned int i = 0; config->drivers[i] != NULL; i++) {
		const uint64_t *a = before->options[i], *b = after->options[i];

		same = same && *a == *b;
		put_change(config->drivers[i]->options, a, b, text, sizeof(text));
	}
	if (same && text[0] == '\0')
		return;
	snprintf(line, sizeof(line), "profile %s: %s%schanged, for the ports that have it", before->name, text,
		 text[0] != '\0' ? ": " : "");
	tell(arg, &told);
}

void config_tell_profiles(const struct config *from, const struct config *to, config_tell tell, void *arg)
{
	char line[LINE_BYTES_MAX];
	struct config_told told = {.kind = "profile", .line = line};

	for (unsigned int i = 0; i < from->profiles_n; i++) {
		const struct config_profile *before = &from->profiles[i];
		const struct config_profile *after = config_find_profile(to, before->name);

		told.name = before->name;
		told.what = "goes";
		snprintf(line, sizeof(line), "profile %s: goes", before->name);
		if (after != NULL)
			tell_profile_change(to, before, after, tell, arg);
		else if (!before->aside)
			tell(arg, &told);
	}
	for (unsigned int i = 0; i < to->profiles_n; i++) {
		told.name = to->profiles[i].name;
		told.what = "comes";
		snprintf(line, sizeof(line), "profile %s: comes", told.name);
		if (config_find_profile(from, told.name) == NULL)
			tell(arg, &told);
	}
}

/* --- bridges ---------------------------------------------------------------------------------------------------- */

/* Ports that are no part of what is compared keep their bridge. */
static bool is_kept(const struct config *from, const struct config_bridge *bridge)
{
	if (bridge->aside)
		return true;
	for (unsigned int i = 0; i < from->ports_n; i++)
		if (from->ports[i].aside && strcmp(from->ports[i].member.bridge, bridge->name) == 0)
			return true;
	return false;
}

/* A list that is another one. */
static void tell_list(const char *bridge, const char *key, unsigned int before, unsigned int now, config_tell tell, void *arg)
{
	char line[LINE_BYTES_MAX];

	snprintf(line, sizeof(line), "bridge %s: %s, %u before and %u now: changed while it runs", bridge, key, before, now);
	tell(arg, &(struct config_told){.kind = "bridge", .name = bridge, .what = "changed", .line = line});
}

static void tell_bridge_change(const struct config_bridge *before, const struct config_bridge *after, config_tell tell,
			       void *arg)
{
	static const char cost[] = "the bridge learns its addresses again";
	const uint64_t macs = option_bit(&bridge_options, "static-macs"), mirrors = option_bit(&bridge_options, "mirrors");
	const uint64_t list = macs | mirrors;
	uint64_t bits = bridge_change(before, after),
		 live = option_changed(&bridge_options, &before->options, &after->options) & ~bits;
	char line[LINE_BYTES_MAX], text[LINE_BYTES_MAX / 2];
	struct config_told told = {.kind = "bridge", .name = before->name, .what = "changed", .line = line};

	if (bits != 0) {
		option_describe_change(&bridge_options, &before->options, &after->options, bits, text, sizeof(text));
		snprintf(line, sizeof(line),
			 "bridge %s: %s: the bridge is made anew and learns its addresses again; no VM loses its connection",
			 before->name, text);
		told.what = "anew";
		told.cost = cost;
		tell(arg, &told);
		return;
	}
	if ((live & ~list) != 0) {
		option_describe_change(&bridge_options, &before->options, &after->options, live & ~list, text, sizeof(text));
		snprintf(line, sizeof(line), "bridge %s: %s: changed while it runs", before->name, text);
		tell(arg, &told);
	}
	if ((live & macs) != 0)
		tell_list(before->name, "static-macs", before->options.static_macs.n, after->options.static_macs.n, tell, arg);
	if ((live & mirrors) != 0)
		tell_list(before->name, "mirrors", before->options.mirrors.n, after->options.mirrors.n, tell, arg);
}

void config_tell_bridges(const struct config *from, const struct config *to, config_tell tell, void *arg)
{
	char line[LINE_BYTES_MAX];
	struct config_told told = {.kind = "bridge", .line = line};

	for (unsigned int i = 0; i < from->bridges_n; i++) {
		const struct config_bridge *before = &from->bridges[i];
		const struct config_bridge *after = config_find_bridge(to, before->name);

		told.name = before->name;
		told.what = "goes";
		snprintf(line, sizeof(line), "bridge %s: goes", before->name);
		/* Where a port names one that is kept, it is as it was. */
		if (after != NULL && !(before->aside && after->implied))
			tell_bridge_change(before, after, tell, arg);
		else if (after == NULL && !is_kept(from, before))
			tell(arg, &told);
	}
	for (unsigned int i = 0; i < to->bridges_n; i++) {
		told.name = to->bridges[i].name;
		told.what = "comes";
		snprintf(line, sizeof(line), "bridge %s: comes", told.name);
		if (config_find_bridge(from, told.name) == NULL)
			tell(arg, &told);
	}
}

/* --- ports ------------------------------------------------------------------------------------------------------ */

static void tell_port_options(const struct config_port *from, const struct config_port *to, struct config_told *told,
			      char *line, size_t size)
{
	struct config_change change = config_port_change(from, to);
	const uint64_t named = option_changed(&config_port_names, from, to) & option_live(&config_port_names);
	char driver[DRIVER_BYTES_MAX], member[MEMBER_BYTES_MAX], name[128];

	option_describe_change(&config_port_names, from, to, named, name, sizeof(name));
	option_describe_change(to->driver->options, from->options, to->options, change.driver, driver, sizeof(driver));
	option_describe_change(&bridge_port_options, &from->member, &to->member, change.member, member, sizeof(member));
	line[0] = '\0';
	if (driver[0] == '\0' && member[0] == '\0' && name[0] == '\0')
		return;
	told->what = change.anew ? "anew" : "changed";
	told->cost = change.anew ? from->driver->anew : NULL;
	snprintf(line, size, "port %s: %s%s%s%s%s: %s%s", from->name, name,
		 name[0] != '\0' && (driver[0] != '\0' || member[0] != '\0') ? ", " : "", driver,
		 driver[0] != '\0' && member[0] != '\0' ? ", " : "", member,
		 change.anew ? "the port is made anew, " : "changed while it runs",
		 change.anew ? from->driver->anew : "");
}

/* One of them may be NULL. */
static void tell_port_change(const struct config_port *from, const struct config_port *to, config_tell tell, void *arg)
{
	char line[LINE_BYTES_MAX] = "";
	struct config_told told = {.kind = "port", .name = from != NULL ? from->name : to->name, .line = line};

	if (from == NULL) {
		told.what = "comes";
		snprintf(line, sizeof(line), "port %s: comes", told.name);
	} else if (to == NULL && !from->aside) {
		told.what = "goes";
		told.cost = from->driver->anew;
		snprintf(line, sizeof(line), "port %s: goes, %s", told.name, told.cost);
	} else if (to != NULL && from->driver != to->driver) {
		told.what = "anew";
		told.cost = from->driver->anew;
		snprintf(line, sizeof(line), "port %s: type %s -> %s: the port is made anew, %s", told.name, from->type, to->type,
			 told.cost);
	} else if (to != NULL) {
		tell_port_options(from, to, &told, line, sizeof(line));
	}
	if (line[0] != '\0')
		tell(arg, &told);
}

void config_tell_port(const struct config *from, const struct config *to, const char *name, config_tell tell, void *arg)
{
	const struct config_port *before = config_find_port(from, name), *after = config_find_port(to, name);

	if (before != NULL || after != NULL)
		tell_port_change(before, after, tell, arg);
}

void config_tell_changes(const struct config *from, const struct config *to, config_tell tell, void *arg)
{
	tell_switch(from, to, tell, arg);
	config_tell_profiles(from, to, tell, arg);
	config_tell_bridges(from, to, tell, arg);
	for (unsigned int i = 0; i < from->ports_n; i++)
		tell_port_change(&from->ports[i], config_find_port(to, from->ports[i].name), tell, arg);
	for (unsigned int i = 0; i < to->ports_n; i++)
		if (config_find_port(from, to->ports[i].name) == NULL)
			tell_port_change(NULL, &to->ports[i], tell, arg);
}
