/* SPDX-License-Identifier: BSD-3-Clause */
/* options_help.c: --help, of which everything that a table says comes from the table. */
#include <string.h>

#include "options.h"

enum { COLUMNS = 80, INDENT = 19, KEY_COLUMNS = 28 };

static const char head[] =
	"vuswitch [EAL options] -- [options]\n"
	"An Ethernet switch for virtual machines: vhost-user sockets and DPDK devices.\n"
	"\n"
	"  --config FILE    ports and bridges, in YAML (vuswitch.yaml(5))\n"
	"  --last-good FILE where the last --config file that could be applied is kept,\n"
	"                   and read from if at the next start that one has an error\n"
	"  --state FILE     where what requests have added is kept, and read from at the\n"
	"                   next start (default: nowhere; it is gone after a restart)\n";

static const char middle[] =
	"  --control SOCKET where vusctl talks to this switch (default: control.sock in\n"
	"                   $RUNTIME_DIRECTORY, or in " VUS_RUNTIME_DIRECTORY ")\n"
	"  --journal FOLDER where ports keep what the next process needs if this one is\n"
	"                   killed (default: `journal` beside the control socket)\n"
	"  --busy-poll      never let an idle lcore sleep\n"
	"  --dumpable       let a crash leave a core dump, and other processes of the\n"
	"                   same user look into this one\n"
	"  --keep-rights    keep the capabilities that devices need, although none is\n"
	"                   configured yet\n"
	"  --seccomp on|log|off\n"
	"                   whether each thread can make those system calls only that it\n"
	"                   has a use for: on, another one is refused, and a line says\n"
	"                   so (default); log, it is made, and a line says so\n";

static const char tail[] =
	"  --check          read the configuration, say what would be done, exit; warns\n"
	"                   of options that have no effect, of what is not there yet (a\n"
	"                   folder, an interface of the kernel) or in the way, and says\n"
	"                   what it would cost the ports of a switch that runs\n"
	"  --help, --version\n"
	"\n"
	"Two VMs on one switch:\n"
	"  vuswitch -- --vhost vm1=/run/vuswitch/vm1.sock \\\n"
	"              --vhost vm2=/run/vuswitch/vm2.sock\n"
	"Frames moved on CPUs 1 and 2, control on CPU 0:\n"
	"  vuswitch -l 0-2 -- --config /etc/vuswitch/vuswitch.yaml\n"
	"SIGHUP reads the file again and changes only what differs; SIGTERM ends the\n"
	"switch.\n";

/* Writes words, from `column` on, in lines that begin at column `indent`. */
static void wrap(FILE *to, const char *text, unsigned int column, unsigned int indent)
{
	const char *between = "";

	for (; text[0] != '\0'; text += strspn(text, " ")) {
		unsigned int len = (unsigned int)strcspn(text, " ");

		if (column + 1 + len > COLUMNS && between[0] != '\0') {
			fprintf(to, "\n%*s", (int)indent, "");
			column = indent;
			between = "";
		}
		column += (unsigned int)fprintf(to, "%s%.*s", between, (int)len, text);
		between = " ";
		text += len;
	}
	fprintf(to, "\n");
}

/* "queues=N          queue pairs the VM may use (1 to 16, default 1)" */
static void print_row(FILE *to, const struct option_row *row, const char *before, char between)
{
	char usage[96], bounds[192], text[1024];
	unsigned int column;

	option_value_usage(row, usage, sizeof(usage));
	option_bounds(row, bounds, sizeof(bounds));
	column = (unsigned int)fprintf(to, "%s%s%c%s ", before, row->key, between, usage);
	if (column < KEY_COLUMNS)
		column += (unsigned int)fprintf(to, "%*s", (int)(KEY_COLUMNS - column), "");
	snprintf(text, sizeof(text), "%s (%s)", row->help, bounds);
	wrap(to, text, column, KEY_COLUMNS);
}

static void print_driver(FILE *to, const struct port_driver *driver)
{
	fprintf(to, "  %s NAME=%s[,key=value]...\n%*s", driver->option, driver->options->row[0].value, INDENT, "");
	wrap(to, driver->help, INDENT, INDENT);
	for (unsigned int i = 1; i < driver->options->n; i++)
		print_row(to, &driver->options->row[i], "    ,", '=');
	/* What is nothing to it is left out. */
	for (unsigned int i = 0; i < bridge_port_options.n; i++)
		if (driver->paces || !bridge_port_options_paces(bridge_port_options.row[i].key))
			print_row(to, &bridge_port_options.row[i], "    ,", '=');
	for (unsigned int i = 0; i < config_port_names.n; i++)
		if (config_port_names.row[i].live)
			print_row(to, &config_port_names.row[i], "    ,", '=');
}

void options_print_help(FILE *to)
{
	fputs(head, to);
	for (unsigned int i = 0; port_drivers[i] != NULL; i++)
		print_driver(to, port_drivers[i]);
	fputs(middle, to);
	for (unsigned int i = 0; i < switch_options.n; i++)
		if (switch_options.row[i].kind != OPTION_TREE)
			print_row(to, &switch_options.row[i], "  --", ' ');
	fprintf(to, "  For all ports that do not say:\n");
	for (unsigned int i = 0; port_drivers[i] != NULL; i++)
		for (unsigned int j = 0; j < port_drivers[i]->options->n; j++)
			if (port_drivers[i]->options->row[j].common)
				print_row(to, &port_drivers[i]->options->row[j], "  --", ' ');
	fputs(tail, to);
}
