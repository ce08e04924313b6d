/* SPDX-License-Identifier: BSD-3-Clause */
#include "views.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "out.h"
#include "table.h"
#include "units.h"
#include "view_lcores.h"

/* jansson iterates without const, and does not change what it iterates over. */
#define EACH(list, i, entry) json_array_foreach((json_t *)(list), i, entry)

double number_of(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "-";
}

static void number_cell(double value)
{
	table_number(value, human(value));
}

static void link_cell(const json_t *port)
{
	const char *link = text_of(port, "link");

	table_cell("%s", link);
	table_mark(strcmp(link, "up") == 0 ? MARK_GOOD : MARK_WARN);
}

static void state_cell(const json_t *port)
{
	table_cell("%s", text_of(port, "state"));
	if (json_is_true(json_object_get(port, "closed")))
		table_mark(MARK_WARN);
}

/* The names of what is listed, for scripts. */
static void put_names(const json_t *list)
{
	const json_t *entry;
	size_t i;

	EACH(list, i, entry)
		put("%s\n", text_of(entry, "name"));
}

void view_ports(const struct replies *replies)
{
	static const char *const titles[] = {"PORT",   "BRIDGE",   "TYPE",  "LINK", ">RX",
					     ">TX", ">DROPPED", "<STATE", NULL};
	const json_t *list = json_object_get(replies->now[0], "ports"), *port;
	size_t i;

	if (options.names) {
		put_names(list);
		return;
	}
	table_begin(titles);
	EACH(list, i, port)
	{
		table_cell("%s", text_of(port, "name"));
		table_cell("%s", text_of(port, "bridge"));
		table_cell("%s", text_of(port, "type"));
		link_cell(port);
		number_cell(number_of(port, "rx_ok"));
		number_cell(number_of(port, "tx_ok"));
		number_cell(number_of(port, "rx_drops") + number_of(port, "tx_drops"));
		state_cell(port);
	}
	table_end("");
}

static void vlan_cell(const json_t *mac)
{
	double vlan = number_of(mac, "vlan");
	char text[16];

	snprintf(text, sizeof(text), "%.0f", vlan);
	table_number(vlan, vlan > 0 ? text : "-");
}

void view_macs(const struct replies *replies)
{
	static const char *const titles[] = {"MAC", "BRIDGE", ">VLAN", "PORT", ">AGE", NULL};
	const json_t *reply = replies->now[0], *mac;
	size_t i;

	table_begin(titles);
	EACH(json_object_get(reply, "macs"), i, mac)
	{
		table_cell("%s", text_of(mac, "mac"));
		table_cell("%s", text_of(mac, "bridge"));
		vlan_cell(mac);
		table_cell("%s", text_of(mac, "port"));
		if (json_is_true(json_object_get(mac, "static")))
			table_number(-1, "static");
		else
			table_number(number_of(mac, "age"), time_text(number_of(mac, "age")));
	}
	table_end("");
	if (number_of(reply, "more") > 0)
		put("... and %.0f more\n", number_of(reply, "more"));
}

static void names_cell(const json_t *names)
{
	char text[512] = "";
	const json_t *name;
	size_t i, at = 0;

	EACH(names, i, name)
	{
		if (at < sizeof(text))
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", i > 0 ? " " : "", json_string_value(name));
	}
	table_cell("%s", text[0] != '\0' ? text : "-");
}

void view_vlans(const struct replies *replies)
{
	static const char *const titles[] = {"VLAN", "BRIDGE", "UNTAGGED", "TAGGED", NULL};
	const json_t *vlan;
	size_t i;

	table_begin(titles);
	EACH(json_object_get(replies->now[0], "vlans"), i, vlan)
	{
		double first = number_of(vlan, "first"), last = number_of(vlan, "last");

		if (first == last)
			table_cell("%.0f", first);
		else
			table_cell("%.0f-%.0f", first, last);
		table_cell("%s", text_of(vlan, "bridge"));
		names_cell(json_object_get(vlan, "untagged"));
		names_cell(json_object_get(vlan, "tagged"));
	}
	table_end("");
}

/* "vm1 258 s, uplink 12 s" */
static void expiring_cell(const json_t *ports)
{
	char text[512] = "";
	const json_t *port;
	size_t i, at = 0;

	EACH(ports, i, port)
	{
		if (at < sizeof(text))
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s %s", i > 0 ? ", " : "", text_of(port, "port"),
					       json_object_get(port, "expires") != NULL ? time_text(number_of(port, "expires"))
											: "always");
	}
	table_cell("%s", text[0] != '\0' ? text : "-");
}

void view_groups(const struct replies *replies)
{
	static const char *const titles[] = {"GROUP", "BRIDGE", ">VLAN", "PORTS", NULL};
	const json_t *group;
	size_t i;

	table_begin(titles);
	EACH(json_object_get(replies->now[0], "groups"), i, group)
	{
		const json_t *routers = json_object_get(group, "routers");

		if (routers == NULL)
			table_cell("%s", text_of(group, "group"));
		else
			table_cell("%s routers, querier %s%s", text_of(group, "family"), text_of(group, "querier"),
				   json_is_true(json_object_get(group, "snooped")) ? "" : ": flooded so far");
		table_cell("%s", text_of(group, "bridge"));
		vlan_cell(group);
		expiring_cell(routers != NULL ? routers : json_object_get(group, "ports"));
	}
	table_end("");
}

void view_filters(const struct replies *replies)
{
	static const char *const titles[] = {"DIRECTION", ">RULE", "TEXT", ">FRAMES", ">UNKNOWN", NULL};
	const json_t *rule;
	size_t i;

	table_begin(titles);
	EACH(json_object_get(replies->now[0], "filters"), i, rule)
	{
		table_cell("%s", text_of(rule, "direction"));
		number_cell(number_of(rule, "rule"));
		table_cell("%s", text_of(rule, "text"));
		number_cell(number_of(rule, "frames"));
		number_cell(number_of(rule, "unknown"));
	}
	table_end("");
}

/* "snap 128, vlans 10,20-29, filter tcp port 25" */
static void selection_cell(const json_t *mirror)
{
	static const char *const keys[] = {"vlans", "filter"};
	double snap = number_of(mirror, "snap");
	char text[512] = "";
	size_t at = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (json_object_get(mirror, keys[i]) != NULL && at < sizeof(text))
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s %s", at > 0 ? ", " : "", keys[i],
					       text_of(mirror, keys[i]));
	if (snap > 0 && at < sizeof(text))
		snprintf(text + at, sizeof(text) - at, "%ssnap %.0f", at > 0 ? ", " : "", snap);
	table_cell("%s", text[0] != '\0' ? text : "-");
}

void view_mirrors(const struct replies *replies)
{
	static const char *const titles[] = {"MIRROR", "BRIDGE", "PORTS", "DIRECTION", "FRAMES", "TO",
					     ">COPIED", ">DROPPED", ">UNKNOWN", NULL};
	const json_t *mirror;
	size_t i;

	table_begin(titles);
	EACH(json_object_get(replies->now[0], "mirrors"), i, mirror)
	{
		table_cell("%s", text_of(mirror, "name"));
		table_cell("%s", text_of(mirror, "bridge"));
		table_cell("%s", json_object_get(mirror, "ports") != NULL ? text_of(mirror, "ports") : "all");
		table_cell("%s", text_of(mirror, "direction"));
		selection_cell(mirror);
		table_cell("%s", text_of(mirror, "to"));
		number_cell(number_of(mirror, "copied"));
		number_cell(number_of(mirror, "dropped"));
		number_cell(number_of(mirror, "unknown"));
	}
	table_end("");
}

void view_bridges(const struct replies *replies)
{
	static const char *const titles[] = {"BRIDGE",	 ">PORTS",   ">MACS",  ">OF",
					     ">AGING",	 ">LEARNED", ">MOVED", ">AGED",
					     ">EVICTED", ">REFUSED", NULL};
	static const char *const keys[] = {"learned", "moved", "aged", "evicted", "refused"};
	const json_t *list = json_object_get(replies->now[0], "bridges"), *bridge;
	size_t i;

	if (options.names) {
		put_names(list);
		return;
	}
	table_begin(titles);
	EACH(list, i, bridge)
	{
		double aging = number_of(bridge, "mac_aging");

		table_cell("%s", text_of(bridge, "name"));
		number_cell(number_of(bridge, "ports"));
		number_cell(number_of(bridge, "macs"));
		number_cell(number_of(bridge, "mac_table_size"));
		table_number(aging, aging > 0 ? time_text(aging) : "never");
		for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
			number_cell(number_of(bridge, keys[k]));
	}
	table_end("");
}

/* "queues=2 isolated=on": as it is typed. */
static void options_cell(const json_t *options)
{
	char text[512] = "";
	const char *key;
	json_t *value;
	size_t at = 0;

	json_object_foreach((json_t *)(uintptr_t)options, key, value)
	{
		char *number = json_is_integer(value) ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
		const char *word = json_is_true(value) ? "on" : json_is_false(value) ? "off" : json_string_value(value);

		if (at < sizeof(text))
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s=%s", at > 0 ? " " : "", key,
					       number != NULL ? number : word != NULL ? word : "...");
		free(number);
	}
	table_cell("%s", text);
}

void view_profiles(const struct replies *replies)
{
	static const char *const titles[] = {"PROFILE", "FROM", "TYPE", ">PORTS", "OPTIONS", NULL};
	const json_t *list = json_object_get(replies->now[0], "profiles"), *profile;
	size_t i;

	if (options.names) {
		put_names(list);
		return;
	}
	table_begin(titles);
	EACH(list, i, profile)
	{
		table_cell("%s", text_of(profile, "name"));
		table_cell("%s", text_of(profile, "from"));
		table_cell("%s", text_of(profile, "type"));
		number_cell(number_of(profile, "ports"));
		options_cell(json_object_get(profile, "options"));
	}
	table_end("");
}

/* The line that shows DPDK's telemetry of this switch: the tool makes RUNTIME_DIRECTORY/dpdk/PREFIX of it. */
static void put_telemetry(const char *folder)
{
	const char *prefix = folder != NULL ? strrchr(folder, '/') : NULL;
	size_t len = prefix != NULL ? (size_t)(prefix - folder) : 0;

	put_hang(2);
	if (len > 5 && strncmp(prefix - 5, "/dpdk", 5) == 0)
		put("RUNTIME_DIRECTORY=%.*s dpdk-telemetry.py -f %s\n", (int)len - 5, folder, prefix + 1);
	else
		put("no telemetry\n");
}

void view_version(const struct replies *replies)
{
	const json_t *reply = replies->now[0];

	put("vuswitch %s, %s, process %.0f\n", text_of(reply, "version"), text_of(reply, "dpdk"), number_of(reply, "pid"));
	put_hang(2);
	if (json_object_get(reply, "config") != NULL)
		put("configuration: %s\n", text_of(reply, "config"));
	put_hang(2);
	if (json_object_get(reply, "config_error") != NULL)
		put("in place of the one that was asked for: " MARK_WARN "%s" MARK_PLAIN "\n", text_of(reply, "config_error"));
	put_telemetry(json_string_value(json_object_get(reply, "telemetry")));
}

/* --- rates ------------------------------------------------------------------------------------------------------ */

double seconds_between(const json_t *before, const json_t *after)
{
	double ns = number_of(after, "time_ns") - number_of(before, "time_ns");

	return ns > 0 ? ns / 1e9 : 1;
}

const json_t *same_in(const json_t *list, const json_t *like, const char *key)
{
	const json_t *entry;
	size_t i;

	EACH(list, i, entry)
	{
		if (json_equal(json_object_get(entry, key), json_object_get(like, key)))
			return entry;
	}
	return NULL;
}

double growth(const json_t *before, const json_t *after, const char *key)
{
	double now = number_of(after, key), then = number_of(before, key);

	return now >= then ? now - then : now;
}

static void rate_cell(double grown, double seconds)
{
	table_number(grown / seconds, human(grown / seconds));
}

static void rates_table(const json_t *before, const json_t *after)
{
	static const char *const titles[] = {"PORT",  "LINK",	   ">RX/s",	 ">RX bit/s",
					     ">TX/s", ">TX bit/s", ">DROPPED/s", "<STATE",    NULL};
	double seconds = seconds_between(before, after);
	const json_t *port;
	size_t i;

	table_begin(titles);
	EACH(json_object_get(after, "ports"), i, port)
	{
		const json_t *then = same_in(json_object_get(before, "ports"), port, "name");
		double dropped = growth(then, port, "rx_drops") + growth(then, port, "tx_drops");

		table_cell("%s", text_of(port, "name"));
		link_cell(port);
		rate_cell(growth(then, port, "rx_ok"), seconds);
		rate_cell(growth(then, port, "rx_bytes") * 8, seconds);
		rate_cell(growth(then, port, "tx_ok"), seconds);
		rate_cell(growth(then, port, "tx_bytes") * 8, seconds);
		rate_cell(dropped, seconds);
		if (dropped > 0)
			table_mark(MARK_WARN);
		state_cell(port);
	}
	table_end("");
}

static bool shows_lcores;

void view_top_turn(void)
{
	shows_lcores = !shows_lcores;
}

void view_top(const struct replies *replies)
{
	lcores_sum(replies->before[1], replies->now[1]);
	if (out_page() == NULL || !shows_lcores)
		rates_table(replies->before[0], replies->now[0]);
	if (out_page() == NULL)
		put("\n");
	if (out_page() == NULL || shows_lcores)
		lcores_table(replies->before[1], replies->now[1]);
}
