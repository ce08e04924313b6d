/* SPDX-License-Identifier: BSD-3-Clause */
/* main.c: vusctl, a look at a running vuswitch. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "views.h"
#include "vus_version.h"

#define RUNTIME_DIRECTORY_DEFAULT "/run/vuswitch"

static struct {
	const char *control;
	bool json;
	bool reset;
	long count; /* of top's tables; 0: no end */
	const char *argument;
} options;

static const struct option long_options[] = {
	{"control", required_argument, NULL, 'c'},
	{"json", no_argument, NULL, 'j'},
	{"count", required_argument, NULL, 'n'},
	{"reset", no_argument, NULL, 'r'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

static void print_help(void)
{
	fputs("vusctl [--control SOCKET] [-j] COMMAND\n"
	      "Looks at a running vuswitch.\n"
	      "\n"
	      "  ports            every port: its link, what it is doing, what went through it\n"
	      "  port NAME        all about one port: features, memory, queues, drops by name\n"
	      "  macs [BRIDGE]    the addresses, and behind which port they are\n"
	      "  bridges          every bridge and its address table\n"
	      "  lcores           where the threads' time goes, which queues they poll at what load, and\n"
	      "                   which would move; --reset forgets the longest round\n"
	      "  rebalance        moves them at once, also where the switch does not by itself\n"
	      "  top              live rates, each second; -n COUNT ends after that many tables\n"
	      "  version          of the switch, which configuration it has, and the line that shows its\n"
	      "                   telemetry\n"
	      "\n"
	      "  -c, --control SOCKET   of the switch (default: control.sock in\n"
	      "                         $RUNTIME_DIRECTORY, or in " RUNTIME_DIRECTORY_DEFAULT ")\n"
	      "  -j, --json             the switch's reply as it is\n"
	      "  -h, --help; -V, --version\n"
	      "\n"
	      "RX is what the switch received from a port: what its VM sent. TX is what the switch sent\n"
	      "to the port: what its VM received.\n",
	      stdout);
}

static void pause_ms(long ms)
{
	struct timespec rest = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
		;
}

static json_t *request(const char *command)
{
	return json_pack("{s:s}", "command", command);
}

/* --- commands --------------------------------------------------------------------------------------------------- */

static void show(json_t *question, void (*view)(const json_t *reply))
{
	json_t *reply;

	if (options.json) {
		fputs(client_ask_text(question), stdout);
		return;
	}
	reply = client_ask(question);
	view(reply);
	json_decref(reply);
}

static void run_ports(void)
{
	show(request("ports"), view_ports);
}

static void run_port(void)
{
	if (options.argument == NULL)
		die("which port? `vusctl ports` lists them");
	show(json_pack("{s:s, s:s}", "command", "port", "name", options.argument), view_port);
}

static void run_macs(void)
{
	show(json_pack("{s:s, s:s*}", "command", "macs", "bridge", options.argument), view_macs);
}

static void run_bridges(void)
{
	show(request("bridges"), view_bridges);
}

static void run_lcores(void)
{
	json_t *question = json_pack("{s:s, s:b}", "command", "lcores", "reset", options.reset);
	json_t *before, *after;

	if (options.json) {
		fputs(client_ask_text(question), stdout);
		return;
	}
	/* Shares and rates are of the half second between two looks. */
	before = client_ask(question);
	pause_ms(500);
	after = client_ask(request("lcores"));
	view_lcores(before, after);
	json_decref(before);
	json_decref(after);
}

static void run_rebalance(void)
{
	show(request("rebalance"), view_moved);
}

/* The line that shows DPDK's telemetry of this switch: the tool makes RUNTIME_DIRECTORY/dpdk/PREFIX of it. */
static void view_telemetry(const char *folder)
{
	const char *prefix = folder != NULL ? strrchr(folder, '/') : NULL;
	size_t len = prefix != NULL ? (size_t)(prefix - folder) : 0;

	if (len > 5 && strncmp(prefix - 5, "/dpdk", 5) == 0)
		printf("RUNTIME_DIRECTORY=%.*s dpdk-telemetry.py -f %s\n", (int)len - 5, folder,
		       prefix + 1);
	else
		printf("no telemetry\n");
}

static void view_version(const json_t *reply)
{
	printf("vuswitch %s, %s, process %.0f\n", text_of(reply, "version"), text_of(reply, "dpdk"),
	       number_of(reply, "pid"));
	if (json_object_get(reply, "config") != NULL)
		printf("configuration: %s\n", text_of(reply, "config"));
	if (json_object_get(reply, "config_error") != NULL)
		printf("in place of the one that was asked for: %s\n",
		       text_of(reply, "config_error"));
	view_telemetry(json_string_value(json_object_get(reply, "telemetry")));
}

static void run_version(void)
{
	show(request("version"), view_version);
}

static void run_top(void)
{
	json_t *ports = client_ask(request("ports")), *lcores = client_ask(request("lcores"));
	bool screen = isatty(STDOUT_FILENO);

	for (long i = 0; options.count == 0 || i < options.count; i++) {
		json_t *ports_now, *lcores_now;

		pause_ms(1000);
		if (options.json) {
			fputs(client_ask_text(request("ports")), stdout);
			fflush(stdout);
			continue;
		}
		ports_now = client_ask(request("ports"));
		lcores_now = client_ask(request("lcores"));
		/* On a screen each table takes the place of the last one. */
		if (screen)
			fputs("\033[H\033[2J", stdout);
		view_rates(ports, ports_now);
		printf("\n");
		view_lcores(lcores, lcores_now);
		if (!screen)
			printf("\n");
		fflush(stdout);
		if (ferror(stdout))
			break;
		json_decref(ports);
		json_decref(lcores);
		ports = ports_now;
		lcores = lcores_now;
	}
	json_decref(ports);
	json_decref(lcores);
}

static const struct {
	const char *name;
	void (*run)(void);
	bool takes_argument;
} commands[] = {
	{"ports", run_ports, false},	 {"port", run_port, true},	{"macs", run_macs, true},
	{"bridges", run_bridges, false}, {"lcores", run_lcores, false}, {"top", run_top, false},
	{"version", run_version, false}, {"rebalance", run_rebalance, false},
};

/* --- the command line ------------------------------------------------------------------------------------------- */

static const char *default_control(void)
{
	static char path[256];
	const char *folder = getenv("RUNTIME_DIRECTORY");

	if (folder == NULL || folder[0] == '\0')
		folder = RUNTIME_DIRECTORY_DEFAULT;
	snprintf(path, sizeof(path), "%.*s/control.sock", (int)strcspn(folder, ":"), folder);
	return path;
}

static void parse(int argc, char **argv)
{
	int option;
	char *end;

	options.control = default_control();
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":c:jn:rhV", long_options, NULL)) != -1) {
		switch (option) {
		case 'c':
			options.control = optarg;
			break;
		case 'j':
			options.json = true;
			break;
		case 'n':
			options.count = strtol(optarg, &end, 10);
			if (*end != '\0' || options.count < 1)
				die("-n %s is not a number of tables; use 1 or more", optarg);
			break;
		case 'r':
			options.reset = true;
			break;
		case 'h':
			print_help();
			exit(EXIT_SUCCESS);
		case 'V':
			printf("vusctl %s\n", VUS_VERSION);
			exit(EXIT_SUCCESS);
		case ':':
			die("%s needs a value; see --help", argv[optind - 1]);
		default:
			die("%s is not an option; see --help", argv[optind - 1]);
		}
	}
}

int main(int argc, char **argv)
{
	const char *name;

	signal(SIGPIPE, SIG_IGN);
	parse(argc, argv);
	if (optind >= argc)
		die("what is to be shown? ports, port NAME, macs, bridges, lcores, rebalance, top or "
		    "version");
	name = argv[optind++];
	options.argument = optind < argc ? argv[optind++] : NULL;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		if (optind < argc || (options.argument != NULL && !commands[i].takes_argument))
			die("\"%s\" is one word too many; see --help", argv[argc - 1]);
		client_connect(options.control);
		commands[i].run();
		/* A reader that left early (a pipe to head) is no failure of ours. */
		fflush(stdout);
		return EXIT_SUCCESS;
	}
	if (strcmp(name, "reload") == 0)
		die("there is no reload here: `systemctl reload vuswitch`, or SIGHUP to vuswitch, reads the file again");
	die("\"%s\" is not known; there are ports, port NAME, macs, bridges, lcores, rebalance, top "
	    "and version",
	    name);
}
