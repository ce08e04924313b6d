/* SPDX-License-Identifier: BSD-3-Clause */
/* commands.c: the table of commands, and the questions that they ask. */
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
	return json_pack("{s:s, s:s*}", "command", "macs", "bridge", command_word(0));
}

static json_t *ask_bridges(void)
{
	return json_pack("{s:s}", "command", "bridges");
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
	{.name = "macs", .arguments = "[BRIDGE]", .argument = {ARGUMENT_BRIDGE}, .options = OF_TABLES, .question = {ask_macs},
	 .show = view_macs, .help = "the addresses, and behind which port they are"},
	{.name = "bridges", .options = OF_TABLES "l", .question = {ask_bridges}, .show = view_bridges,
	 .help = "every bridge and its address table"},
	{.name = "lcores", .options = OF_TABLES "r", .question = {ask_lcores}, .show = view_lcores, .pair = true,
	 .help = "where the threads' time goes, which queues they poll at what load, and which would move"},
	{.name = "rebalance", .options = "", .question = {ask_rebalance}, .show = view_moved,
	 .help = "moves them at once, also where the switch does not by itself"},
	{.name = "top", .options = OF_TABLES, .question = {ask_ports, ask_lcores}, .show = view_top, .pair = true,
	 .forever = true, .turn = view_top_turn,
	 .help = "live rates, each second; on a terminal keys sort, filter and turn pages: ? shows them"},
	{.name = "events", .options = "pn", .run = run_events,
	 .help = "what happens, as it happens: links, front ends, broken rings, addresses that move, memory, migrations, "
		 "configurations; -n COUNT ends after that many"},
	{.name = "version", .options = "wn", .question = {ask_version}, .show = view_version,
	 .help = "of the switch, which configuration it has, and the line that shows its telemetry"},
	{0},
};
