/* SPDX-License-Identifier: BSD-3-Clause */
/* commands.c: the table of commands, and the questions that they ask. */
#include "change.h"
#include "command.h"
#include "options.h"
#include "views.h"

static json_t *ask_ports(void)
{
	return json_pack("{s:s}", "command", "ports");
}

static json_t *ask_port(void)
{
	return json_pack("{s:s, s:s}", "command", "port", "name", command_word(0));
}

static json_t *ask_macs(void)
{
	json_t *question = json_pack("{s:s, s:s*}", "command", "macs", "bridge", command_word(0));

	if (options.vlan != 0)
		json_object_set_new(question, "vlan", json_integer(options.vlan));
	return question;
}

static json_t *ask_vlans(void)
{
	return json_pack("{s:s, s:s*}", "command", "vlans", "bridge", command_word(0));
}

static json_t *ask_groups(void)
{
	return json_pack("{s:s, s:s*}", "command", "groups", "bridge", command_word(0));
}

static json_t *ask_mirrors(void)
{
	return json_pack("{s:s, s:s*}", "command", "mirrors", "bridge", command_word(0));
}

static json_t *ask_filters(void)
{
	return json_pack("{s:s, s:s}", "command", "filters", "name", command_word(0));
}

static json_t *ask_drops(void)
{
	json_t *ports = json_array();

	for (int i = 0; command_word(i) != NULL; i++)
		json_array_append_new(ports, json_string(command_word(i)));
	return json_pack("{s:s, s:o}", "command", "drops", "ports", ports);
}

static json_t *ask_bridges(void)
{
	return json_pack("{s:s}", "command", "bridges");
}

static json_t *ask_profiles(void)
{
	return json_pack("{s:s}", "command", "profiles");
}

static json_t *ask_lcores(void)
{
	json_t *question = json_pack("{s:s, s:b}", "command", "lcores", "reset", options.reset);

	/* Once: what is shown is the longest round since then. */
	options.reset = false;
	return question;
}

static json_t *ask_rebalance(void)
{
	return json_pack("{s:s}", "command", "rebalance");
}

static json_t *ask_version(void)
{
	return json_pack("{s:s}", "command", "version");
}

/* Those of tables, which can be watched. */
#define OF_TABLES "wnsRf"

const struct command commands[] = {
	{.name = "ports", .options = OF_TABLES "l", .question = {ask_ports}, .show = view_ports,
	 .help = "every port: its link, what it is doing, what went through it"},
	{.name = "port", .arguments = "NAME", .argument = {ARGUMENT_PORT}, .needed = 1,
	 .missing = "which port? `vusctl ports` lists them", .options = OF_TABLES, .question = {ask_port}, .show = view_port,
	 .help = "all about one port: features, memory, queues, drops by name"},
	{.name = "port add", .arguments = "NAME KEY=VALUE...", .argument = {ARGUMENT_ANY}, .pairs = true, .needed = 1,
	 .missing = "which port? as in `vusctl port add vm3 type=vhost-user socket=/run/vm3.sock`",
	 .options = "d", .question = {ask_edit}, .show = view_changes,
	 .help = "makes a port that is not there yet: its options as under ports: in the file"},
	{.name = "port set", .arguments = "NAME KEY=VALUE...", .argument = {ARGUMENT_PORT}, .pairs = true, .needed = 1,
	 .missing = "which port? as in `vusctl port set vm3 type=vhost-user socket=/run/vm3.sock`",
	 .options = "d", .question = {ask_edit}, .show = view_changes,
	 .help = "changes these options of a port that a request has added; KEY= takes one back"},
	{.name = "port ensure", .arguments = "NAME KEY=VALUE...", .argument = {ARGUMENT_PORT}, .pairs = true, .needed = 1,
	 .missing = "which port? as in `vusctl port ensure vm3 type=vhost-user socket=/run/vm3.sock`",
	 .options = "d", .question = {ask_edit}, .show = view_changes,
	 .help = "the port is this one, whether or not it was there"},
	{.name = "port remove", .arguments = "NAME", .argument = {ARGUMENT_PORT}, .needed = 1,
	 .missing = "which port? `vusctl ports` lists them",
	 .options = "d", .question = {ask_edit}, .show = view_changes,
	 .help = "ends a port that a request has added"},
	{.name = "port link", .arguments = "NAME up|down", .argument = {ARGUMENT_PORT, ARGUMENT_LINK}, .needed = 2,
	 .missing = "which port, and how? as in `vusctl port link vm3 down`",
	 .options = "d", .question = {ask_link}, .show = view_changes,
	 .help = "down: frames go neither way, until it is up again; its peer stays connected"},
	{.name = "macs", .arguments = "[BRIDGE]", .argument = {ARGUMENT_BRIDGE}, .options = OF_TABLES "v", .question = {ask_macs},
	 .show = view_macs, .help = "the addresses, and behind which port they are"},
	{.name = "macs flush", .arguments = "[BRIDGE]", .argument = {ARGUMENT_BRIDGE}, .options = "dp", .question = {ask_flush},
	 .show = view_changes, .help = "forgets the addresses that the bridge, or with --port a port, has learned"},
	{.name = "vlans", .arguments = "[BRIDGE]", .argument = {ARGUMENT_BRIDGE}, .options = OF_TABLES, .question = {ask_vlans},
	 .show = view_vlans, .help = "the VLANs of vlan-aware bridges, and which ports send them with a tag or without"},
	{.name = "groups", .arguments = "[BRIDGE]", .argument = {ARGUMENT_BRIDGE}, .options = OF_TABLES, .question = {ask_groups},
	 .show = view_groups, .help = "multicast groups of bridges that snoop, who asks for members, and where routers are"},
	{.name = "mirrors", .arguments = "[BRIDGE]", .argument = {ARGUMENT_BRIDGE}, .options = OF_TABLES,
	 .question = {ask_mirrors}, .show = view_mirrors,
	 .help = "which frames of which ports others get a copy of, and how many were copied"},
	{.name = "filters", .arguments = "PORT", .argument = {ARGUMENT_PORT}, .needed = 1,
	 .missing = "of which port? `vusctl ports` lists them",
	 .options = OF_TABLES, .question = {ask_filters}, .show = view_filters,
	 .help = "the rules of a port's filter-from-vm and filter-to-vm, and how many frames each has decided"},
	{.name = "drops", .arguments = "[PORT...]", .argument = {ARGUMENT_PORT, ARGUMENT_PORT, ARGUMENT_PORT}, .pairs = true,
	 .options = OF_TABLES "x", .question = {ask_drops}, .show = view_drops, .pair = true,
	 .help = "what was dropped at these ports, or at all, why and since when, and the last frame of each reason"},
	{.name = "capture", .arguments = "PORT[,PORT...] [FILTER]", .argument = {ARGUMENT_PORT, ARGUMENT_ANY}, .pairs = true,
	 .needed = 1, .missing = "of which port? as in `vusctl capture vm1 --write vm1.pcapng tcp port 25`",
	 .options = "DXSnW", .run = run_capture,
	 .help = "the frames of ports as pcapng, for tshark and Wireshark, until Ctrl-C; FILTER is of pcap-filter(7)"},
	{.name = "filter test", .arguments = "EXPRESSION|RULES FRAME", .argument = {ARGUMENT_ANY, ARGUMENT_FILE}, .needed = 2,
	 .missing = "what of which frame? as in `vusctl filter test 'tcp port 25' capture.pcap`",
	 .options = "", .run = run_filter_test, .alone = true,
	 .help = "whether an expression of pcap-filter(7) matches frames, of a capture or in hexadecimal digits, or which of the "
		 "rules of a port's filter decides; asks no switch"},
	{.name = "why", .arguments = "PORT FRAME|--next [FILTER]", .argument = {ARGUMENT_PORT, ARGUMENT_FILE}, .pairs = true,
	 .needed = 1,
	 .missing = "of which frame, from which port? as in `vusctl why vm1 capture.pcap`",
	 .options = "oLNT", .question = {ask_why}, .show = view_why,
	 .help = "what would become of a frame from this port, in hexadecimal digits or a capture's first, by which decision; "
		 "nothing is sent"},
	{.name = "bridges", .options = OF_TABLES "l", .question = {ask_bridges}, .show = view_bridges,
	 .help = "every bridge and its address table"},
	{.name = "bridge add", .arguments = "NAME [KEY=VALUE...]", .argument = {ARGUMENT_ANY}, .pairs = true, .needed = 1,
	 .missing = "which bridge? as in `vusctl bridge add lan mac-aging=60`",
	 .options = "d", .question = {ask_edit}, .show = view_changes,
	 .help = "makes a bridge that is not there yet: its options as under bridges: in the file"},
	{.name = "bridge set", .arguments = "NAME KEY=VALUE...", .argument = {ARGUMENT_BRIDGE}, .pairs = true, .needed = 1,
	 .missing = "which bridge? as in `vusctl bridge set lan mac-aging=60`",
	 .options = "d", .question = {ask_edit}, .show = view_changes,
	 .help = "changes these options of a bridge that a request has added; KEY= takes one back"},
	{.name = "bridge ensure", .arguments = "NAME [KEY=VALUE...]", .argument = {ARGUMENT_BRIDGE}, .pairs = true, .needed = 1,
	 .missing = "which bridge? as in `vusctl bridge ensure lan mac-aging=60`",
	 .options = "d", .question = {ask_edit}, .show = view_changes,
	 .help = "the bridge is this one, whether or not it was there"},
	{.name = "bridge remove", .arguments = "NAME", .argument = {ARGUMENT_BRIDGE}, .needed = 1,
	 .missing = "which bridge? `vusctl bridges` lists them",
	 .options = "d", .question = {ask_edit}, .show = view_changes,
	 .help = "ends a bridge that a request has added"},
	{.name = "profiles", .options = OF_TABLES "l", .question = {ask_profiles}, .show = view_profiles,
	 .help = "every set of options that ports refer to, and how many do"},
	{.name = "profile add", .arguments = "NAME KEY=VALUE...", .argument = {ARGUMENT_ANY}, .pairs = true, .needed = 1,
	 .missing = "which profile? as in `vusctl profile add web queues=2 isolated=on`",
	 .options = "d", .question = {ask_edit}, .show = view_changes,
	 .help = "makes a set of options, for ports with profile=NAME"},
	{.name = "profile set", .arguments = "NAME KEY=VALUE...", .argument = {ARGUMENT_PROFILE}, .pairs = true, .needed = 1,
	 .missing = "which profile? as in `vusctl profile set web queues=2`",
	 .options = "d", .question = {ask_edit}, .show = view_changes,
	 .help = "changes these options of a profile that a request has added, and the ports that have it; KEY= takes one back"},
	{.name = "profile ensure", .arguments = "NAME KEY=VALUE...", .argument = {ARGUMENT_PROFILE}, .pairs = true, .needed = 1,
	 .missing = "which profile? as in `vusctl profile ensure web queues=2 isolated=on`",
	 .options = "d", .question = {ask_edit}, .show = view_changes,
	 .help = "the profile is this one, whether or not it was there"},
	{.name = "profile remove", .arguments = "NAME", .argument = {ARGUMENT_PROFILE}, .needed = 1,
	 .missing = "which profile? `vusctl profiles` lists them",
	 .options = "d", .question = {ask_edit}, .show = view_changes,
	 .help = "ends a profile that a request has added, and no port has"},
	{.name = "lcores", .options = OF_TABLES "r", .question = {ask_lcores}, .show = view_lcores, .pair = true,
	 .help = "where the threads' time goes, which queues they poll at what load, and which would move"},
	{.name = "rebalance", .options = "", .question = {ask_rebalance}, .show = view_moved,
	 .help = "moves them at once, also where the switch does not by itself"},
	{.name = "queue pin", .arguments = "PORT QUEUE LCORE", .argument = {ARGUMENT_PORT, ARGUMENT_ANY, ARGUMENT_ANY},
	 .needed = 3,
	 .missing = "which queue, and where? as in `vusctl queue pin vm3 0 2`",
	 .options = "d", .question = {ask_pin}, .show = view_changes,
	 .help = "a receive queue goes to this lcore, and stays there"},
	{.name = "queue unpin", .arguments = "PORT QUEUE", .argument = {ARGUMENT_PORT, ARGUMENT_ANY}, .needed = 2,
	 .missing = "which queue? as in `vusctl queue unpin vm3 0`",
	 .options = "d", .question = {ask_pin}, .show = view_changes, .help = "it may move to other lcores again"},
	{.name = "top", .options = OF_TABLES, .question = {ask_ports, ask_lcores}, .show = view_top, .pair = true,
	 .forever = true, .turn = view_top_turn,
	 .help = "live rates, each second; on a terminal keys sort, filter and turn pages: ? shows them"},
	{.name = "events", .options = "pn", .run = run_events,
	 .help = "what happens, as it happens: links, front ends, broken rings, addresses that move, memory, migrations, "
		 "configurations; -n COUNT ends after that many"},
	{.name = "log level", .arguments = "LEVEL [TOPIC]", .argument = {ARGUMENT_LEVEL, ARGUMENT_PORT}, .needed = 1,
	 .missing = "which level? error, warning, info or debug, as in `vusctl log level warning vm3`",
	 .options = "d", .question = {ask_level}, .show = view_changes,
	 .help = "lines about a port, a bridge, control, vuswitch; or about all that have no level of their own"},
	{.name = "ensure", .arguments = "FILE", .argument = {ARGUMENT_FILE}, .needed = 1,
	 .missing = "which file? of YAML or JSON, with profiles:, bridges: or ports:; - is standard input", .options = "d",
	 .question = {ask_ensure}, .show = view_changes,
	 .help = "all profiles, bridges and ports of the file are as they are there; others stay; - is standard input"},
	{.name = "reload", .options = "d", .question = {ask_reload}, .show = view_changes,
	 .help = "reads the configuration file again, as SIGHUP does"},
	{.name = "save", .arguments = "[FILE]", .argument = {ARGUMENT_FILE}, .options = "", .question = {ask_save},
	 .show = view_saved,
	 .help = "writes all that the switch has as one configuration file, with where each is from; without FILE it is printed"},
	{.name = "version", .options = "wn", .question = {ask_version}, .show = view_version,
	 .help = "of the switch, which configuration it has, and the line that shows its telemetry"},
	{0},
};
