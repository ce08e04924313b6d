/* SPDX-License-Identifier: BSD-3-Clause */
/* main.c: vuscni, the plugin by which container runtimes attach containers to a vuswitch: see vuscni(8) and the CNI
 * specification. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "time_limit.h"
#include "vus_version.h"

static const char help[] = "vuscni is run by a container runtime, with CNI_COMMAND and the others in the\n"
			   "environment and a network configuration on standard input; vuscni(8) has an\n"
			   "example.\n"
			   "\n"
			   "  --help       this\n"
			   "  --version    of vuscni, and of the CNI specification\n";

/* A person has run it. */
static int talk(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("vuscni %s, CNI " NETCONF_NEWEST "\n", VUS_VERSION);
		return EXIT_SUCCESS;
	}
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(help, stdout);
		return EXIT_SUCCESS;
	}
	fprintf(stderr, "vuscni: \"%s\": there are --help and --version\n", argv[1]);
	return EXIT_FAILURE;
}

/* One error, where the runtime looks for it, and where people do. */
static int complain(const struct cni_error *error, const char *version)
{
	char line[4096];

	cni_error_json(error, version, line, sizeof(line));
	fputs(line, stdout);
	fprintf(stderr, "vuscni: %s\n", error->text);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct netconf conf = {.version = NETCONF_NEWEST};
	struct cni_args args;
	struct cni_error error = {0};
	json_t *answer = NULL;
	int code, status = EXIT_SUCCESS;

	signal(SIGPIPE, SIG_IGN);
	if (argc > 1)
		return talk(argc, argv);
	time_limit_set(TIME_LIMIT_SECONDS, NETCONF_NEWEST);
	code = cni_args_read(&args, &error);
	if (code == 0)
		code = netconf_read(&conf, &args, &error);
	/* What is wrong with its configuration is not what VERSION asks for. */
	if (code == 0 || (error.code != CNI_INVALID_ENVIRONMENT && args.command == CNI_VERSION))
		code = command_do(&conf, &args, &answer, &error);
	if (code != 0)
		status = complain(&error, conf.version);
	else if (answer != NULL &&
		 (json_dumpf(answer, stdout, JSON_INDENT(2)) != 0 || putchar('\n') == EOF || fflush(stdout) != 0))
		status = EXIT_FAILURE;
	json_decref(answer);
	netconf_free(&conf);
	return status;
}
