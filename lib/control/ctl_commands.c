/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl_commands.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_version.h>

#include "changes.h"
#include "clock.h"
#include "ctl_list.h"
#include "ctl_show.h"
#include "one_line.h"
#include "vus_version.h"

enum { MOVES_SHOWN = 8 };

typedef json_t *(*command_fn)(struct vus_switch *sw, const json_t *request);

static json_t *show_port(struct vus_switch *sw, const json_t *request);
static json_t *show_filters(struct vus_switch *sw, const json_t *request);
static json_t *show_bridges(struct vus_switch *sw, const json_t *request);
static json_t *show_mirrors(struct vus_switch *sw, const json_t *request);
static json_t *show_profiles(struct vus_switch *sw, const json_t *request);
static json_t *show_lcores(struct vus_switch *sw, const json_t *request);
static json_t *show_lcore(struct vus_switch *sw, const json_t *request);
static json_t *rebalance(struct vus_switch *sw, const json_t *request);
static json_t *show_version(struct vus_switch *sw, const json_t *request);
static json_t *show_config(struct vus_switch *sw, const json_t *request);

static const struct {
	const char *name;
	command_fn run;
} commands[] = {
	{"port", show_port},	     {"filters", show_filters}, {"bridges", show_bridges}, {"profiles", show_profiles},
	{"lcores", show_lcores},     {"lcore", show_lcore},	{"rebalance", rebalance},  {"version", show_version},
	{"config", show_config},     {"mirrors", show_mirrors},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

json_t *ctl_error(const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	one_line(text, sizeof(text));
	only_ascii(text);
	return json_pack("{s:s}", "error", text);
}

json_t *ctl_no_port(const struct vus_switch *sw, const char *name)
{
	return ctl_error("there is no port \"%.64s\"%s; `vusctl ports` lists them", name,
			 config_like_port(switch_config(sw), name).text);
}

json_t *ctl_no_bridge(const struct vus_switch *sw, const char *name)
{
	return ctl_error("there is no bridge \"%.64s\"%s; `vusctl bridges` lists them", name,
			 config_like_bridge(switch_config(sw), name).text);
}

json_t *ctl_command(struct vus_switch *sw, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "command"));

	if (name == NULL)
		return ctl_error("the request names no command, as in {\"command\": \"ports\"}");
	if (ctl_list_is(name))
		return ctl_list_whole(sw, request);
	for (unsigned int i = 0; i < COMMANDS; i++) {
		json_t *reply;

		if (strcmp(commands[i].name, name) != 0)
			continue;
		reply = commands[i].run(sw, request);
		if (reply != NULL)
			json_object_set_new(reply, "time_ns", json_integer((json_int_t)clock_ns()));
		return reply;
	}
	return ctl_error("command \"%.64s\" is not known; there are ports, port, drops, filters, macs, vlans, groups, mirrors, "
			 "bridges, profiles, lcores, lcore, rebalance, why, version, config, save, events, and to change "
			 "something " CHANGES_COMMANDS,
			 name);
}

/* --- ports ------------------------------------------------------------------------------------------------------ */

/* NULL: there is none of the name in the request, and *error says so. */
static struct port *port_of(struct vus_switch *sw, const json_t *request, json_t **error) RUNS_ON(control_thread)
{
	const char *name = json_string_value(json_object_get(request, "name"));
	struct port *port = name != NULL ? switch_find_port(sw, name) : NULL;

	if (name == NULL)
		*error = ctl_error("which port? the request has no \"name\"");
	else if (port == NULL)
		*error = ctl_no_port(sw, name);
	return port;
}

static json_t *show_port(struct vus_switch *sw, const json_t *request)
{
	struct port *port;
	json_t *error;

	role_assert_control();
	port = port_of(sw, request, &error);
	return port != NULL ? json_pack("{s:o}", "port", ctl_show_port(sw, port)) : error;
}

static json_t *show_filters(struct vus_switch *sw, const json_t *request)
{
	struct port *port;
	json_t *error;

	role_assert_control();
	port = port_of(sw, request, &error);
	return port != NULL ? json_pack("{s:o}", "filters", ctl_show_filters(port)) : error;
}

/* --- bridges ---------------------------------------------------------------------------------------------------- */

static json_t *show_bridges(struct vus_switch *sw, const json_t *request VUS_UNUSED)
{
	json_t *list = json_array();

	role_assert_control();
	for (unsigned int i = 0; i < BRIDGES_MAX; i++)
		if (switch_bridge_at(sw, i) != NULL)
			json_array_append_new(list, ctl_show_bridge(sw, i));
	return json_pack("{s:o}", "bridges", list);
}

static json_t *show_mirrors(struct vus_switch *sw, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "bridge"));
	json_t *list = json_array();
	bool any = false;

	role_assert_control();
	for (unsigned int i = 0; i < BRIDGES_MAX; i++) {
		const struct bridge *bridge = switch_bridge_at(sw, i);

		if (bridge == NULL || (name != NULL && strcmp(name, bridge_name(bridge)) != 0))
			continue;
		any = true;
		ctl_show_mirrors(sw, i, list);
	}
	if (any || name == NULL)
		return json_pack("{s:o}", "mirrors", list);
	json_decref(list);
	return ctl_no_bridge(sw, name);
}

/* --- profiles --------------------------------------------------------------------------------------------------- */

static json_t *show_profiles(struct vus_switch *sw, const json_t *request VUS_UNUSED)
{
	const struct config *config;
	json_t *list = json_array(), *entry;
	size_t i;

	role_assert_control();
	config = switch_config(sw);
	for (i = 0; i < config->profiles_n; i++)
		json_array_append_new(list, ctl_show_profile(config, &config->profiles[i]));
	for (unsigned int j = 0; j < config->ports_n; j++) {
		int at = config->ports[j].profile != NULL ? names_find(&config->profile_names, config->ports[j].profile) : -1;

		entry = at >= 0 ? json_object_get(json_array_get(list, (size_t)at), "ports") : NULL;
		if (entry != NULL)
			json_integer_set(entry, json_integer_value(entry) + 1);
	}
	return json_pack("{s:o}", "profiles", list);
}

/* --- the rest --------------------------------------------------------------------------------------------------- */

/* What would move, or has just been moved. */
static json_t *show_moves(struct vus_switch *sw, bool now) RUNS_ON(control_thread)
{
	struct lcores_move moves[MOVES_SHOWN];
	unsigned int n = switch_rebalance(sw, moves, MOVES_SHOWN, now);
	json_t *list = json_array();

	for (unsigned int i = 0; i < n; i++)
		json_array_append_new(list, ctl_show_move(&moves[i]));
	return list;
}

static json_t *rebalance(struct vus_switch *sw, const json_t *request VUS_UNUSED)
{
	role_assert_control();
	return json_pack("{s:o}", "moved", show_moves(sw, true));
}

static json_t *show_lcores(struct vus_switch *sw, const json_t *request)
{
	bool reset = json_is_true(json_object_get(request, "reset"));
	json_t *list = json_array();

	role_assert_control();
	for (unsigned int i = 0; i < lcores_n(); i++) {
		json_array_append_new(list, ctl_show_lcore(lcore_at(i)));
		if (reset)
			lcore_reset_longest(lcore_at(i));
	}
	return json_pack("{s:o, s:I, s:I, s:s, s:I, s:o}", "lcores", list, "cycles_per_second",
			 (json_int_t)lcore_cycles_per_second(), "reports_lost",
			 (json_int_t)lcores_reports_lost(), "rebalance",
			 switch_rebalances(sw) ? "on" : "off", "moves",
			 (json_int_t)switch_moves_n(sw), "would_move", show_moves(sw, false));
}

static json_t *show_lcore(struct vus_switch *sw VUS_UNUSED, const json_t *request)
{
	json_int_t id = json_integer_value(json_object_get(request, "lcore"));

	role_assert_control();
	for (unsigned int i = 0; i < lcores_n(); i++)
		if ((json_int_t)lcore_id(lcore_at(i)) == id)
			return json_pack("{s:o}", "lcore", ctl_show_lcore(lcore_at(i)));
	return ctl_error("no lcore %lld moves frames; `vusctl lcores` lists them", (long long)id);
}

/* A file's name, and what is wrong in it, may be no UTF-8, which jansson refuses. */
static void ctl_commands_set_text(json_t *object, const char *key, const char *text)
{
	json_t *value = text != NULL ? json_string(text) : NULL;

	if (text != NULL && value == NULL)
		value = json_string("(not UTF-8)");
	if (value != NULL)
		json_object_set_new(object, key, value);
}

/* What was applied last, with every default: the same that config_read_json() reads; and what of it is no file's. */
static json_t *show_config(struct vus_switch *sw, const json_t *request VUS_UNUSED)
{
	const struct config *config;
	json_t *typed = json_array(), *profiles = json_array(), *bridges = json_array(), *ports = json_array();
	json_t *options = json_object();

	role_assert_control();
	config = switch_config(sw);
	/* The next reload has them again, whatever the file says. */
	for (unsigned int i = 0; i < config->ports_n; i++)
		if (config->ports[i].from != CONFIG_FROM_FILE)
			json_array_append_new(config->ports[i].from == CONFIG_FROM_REQUEST ? ports : typed,
					      json_string(config->ports[i].name));
	for (unsigned int i = 0; i < config->typed_n; i++)
		if (!config->typed[i].is_port)
			ctl_commands_set_text(options, config->typed[i].node->item[0].key,
					      config->typed[i].node->item[0].value->text);
	for (unsigned int i = 0; i < config->bridges_n; i++)
		if (config->bridges[i].from == CONFIG_FROM_REQUEST)
			json_array_append_new(bridges, json_string(config->bridges[i].name));
	for (unsigned int i = 0; i < config->profiles_n; i++)
		if (config->profiles[i].from == CONFIG_FROM_REQUEST)
			json_array_append_new(profiles, json_string(config->profiles[i].name));
	return json_pack("{s:o, s:o, s:o, s:{s:o, s:o, s:o}}", "config", config_to_json(config), "command_line", typed,
			 "command_line_options", options, "requests", "profiles", profiles, "bridges", bridges, "ports", ports);
}

/* `telemetry` is the folder of DPDK's telemetry socket, if EAL was not started without one. */
static json_t *show_version(struct vus_switch *sw, const json_t *request VUS_UNUSED)
{
	json_t *reply = json_pack("{s:s, s:s, s:i}", "version", VUS_VERSION, "dpdk", rte_version(),
				  "pid", (int)getpid());
	const char *folder = rte_eal_get_runtime_dir();
	char socket[PATH_MAX];

	role_assert_control();
	ctl_commands_set_text(reply, "config", switch_config(sw)->file);
	ctl_commands_set_text(reply, "config_error", switch_config(sw)->in_place_of);
	snprintf(socket, sizeof(socket), "%s/dpdk_telemetry.v2", folder);
	if (access(socket, F_OK) == 0)
		ctl_commands_set_text(reply, "telemetry", folder);
	return reply;
}
