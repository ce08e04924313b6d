/* SPDX-License-Identifier: BSD-3-Clause */
/* main.c: vusctl, which looks at a running vuswitch, and changes it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "complete_line.h"
#include "options.h"
#include "out.h"
#include "vus_version.h"

static void print_help(void)
{
	out_to_terminal(out_terminal_width());
	put("vusctl [--control SOCKET] [-j] COMMAND\n"
	    "Looks at a running vuswitch, and changes it.\n"
	    "\n");
	commands_print();
	put("\n");
	options_print();
	put("\n"
	    "RX is what the switch received from a port: what its VM sent. TX is what the\n"
	    "switch sent to the port: what its VM received.\n");
}

int main(int argc, char **argv)
{
	char asked;

	signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && strcmp(argv[1], "--complete") == 0) {
		complete_line(argc - 2, argv + 2);
		return EXIT_SUCCESS;
	}
	asked = options_parse(argc, argv);
	if (asked == 'h')
		print_help();
	else if (asked == 'V')
		printf("vusctl %s\n", VUS_VERSION);
	else
		command_run();
	/* A reader that left early (a pipe to head) is no failure of ours. */
	fflush(stdout);
	return EXIT_SUCCESS;
}
