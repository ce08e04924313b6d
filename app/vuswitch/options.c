/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUNTIME_DIRECTORY_DEFAULT "/run/vuswitch"

enum {
	OPT_CONFIG = 256,
	OPT_LAST_GOOD,
	OPT_VHOST,
	OPT_ETHDEV,
	OPT_CONTROL,
	OPT_JOURNAL,
	OPT_BUSY_POLL,
	OPT_REBALANCE,
	OPT_CHECK,
	OPT_RIGHTS, /* --socket-owner and what follows it, in the order of enum rights_part */
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, OPT_CONFIG},
	{"last-good", required_argument, NULL, OPT_LAST_GOOD},
	{"vhost", required_argument, NULL, OPT_VHOST},
	{"ethdev", required_argument, NULL, OPT_ETHDEV},
	{"control", required_argument, NULL, OPT_CONTROL},
	{"journal", required_argument, NULL, OPT_JOURNAL},
	{"busy-poll", no_argument, NULL, OPT_BUSY_POLL},
	{"rebalance", required_argument, NULL, OPT_REBALANCE},
	{"socket-owner", required_argument, NULL, OPT_RIGHTS + RIGHTS_OWNER},
	{"socket-group", required_argument, NULL, OPT_RIGHTS + RIGHTS_GROUP},
	{"socket-mode", required_argument, NULL, OPT_RIGHTS + RIGHTS_MODE},
	{"check", no_argument, NULL, OPT_CHECK},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

void options_print_help(void)
{
	fputs("vuswitch [EAL options] -- [options]\n"
	      "An Ethernet switch for virtual machines: vhost-user sockets and DPDK devices.\n"
	      "\n"
	      "  --config FILE    ports and bridges, in YAML (vuswitch.yaml(5))\n"
	      "  --last-good FILE where the last --config file that could be applied is kept, and\n"
	      "                   read from if at the next start that one has an error\n"
	      "  --vhost NAME=SOCKET[,mode=server|client][,queues=N][,postcopy=on|off][,offloads=on|off]\n"
	      "                   [,socket-owner=USER][,socket-group=GROUP][,socket-mode=OCTAL]\n"
	      "                   [,control-queue=on|off][,bridge=NAME]\n"
	      "                   a port for a VM, without a file; may be repeated\n"
	      "  --ethdev NAME=DEVICE[,mtu=N][,offloads=on|off][,zero-copy-tx=on|off][,bridge=NAME]\n"
	      "                   a DPDK device as a port, without a file; may be repeated;\n"
	      "                   DEVICE may have arguments, as in up0=net_tap0,iface=tap0\n"
	      "  --control SOCKET where vusctl talks to this switch (default: control.sock in\n"
	      "                   $RUNTIME_DIRECTORY, or in " RUNTIME_DIRECTORY_DEFAULT ")\n"
	      "  --journal FOLDER where ports keep what the next process needs if this one is\n"
	      "                   killed (default: `journal` beside the control socket)\n"
	      "  --busy-poll      never let an idle lcore sleep\n"
	      "  --rebalance on|off\n"
	      "                   whether queues move to lcores that have less to do (default: on)\n"
	      "  --socket-owner USER, --socket-group GROUP, --socket-mode OCTAL\n"
	      "                   whose the sockets of ports in server mode are that do not say\n"
	      "                   (default: vuswitch's own user and group, mode 0777 less the umask)\n"
	      "  --check          read the configuration, say what would be done, exit; warns of what is\n"
	      "                   not there yet (a folder, an interface of the kernel) or in the way\n"
	      "  --help, --version\n"
	      "\n"
	      "Two VMs on one switch:\n"
	      "  vuswitch -- --vhost vm1=/run/vuswitch/vm1.sock --vhost "
	      "vm2=/run/vuswitch/vm2.sock\n"
	      "Frames moved on CPUs 1 and 2, control on CPU 0:\n"
	      "  vuswitch -l 0-2 -- --config /etc/vuswitch/vuswitch.yaml\n"
	      "SIGHUP reads the file again and changes only what differs; SIGTERM ends the "
	      "switch.\n",
	      stdout);
}

static int default_control(struct options *options, struct fail *fail)
{
	const char *folder = getenv("RUNTIME_DIRECTORY");
	int len;

	if (folder == NULL || folder[0] == '\0')
		folder = RUNTIME_DIRECTORY_DEFAULT;
	/* systemd gives several, with colons between them, if the unit asks for several. */
	len = (int)strcspn(folder, ":");
	if (snprintf(options->control, sizeof(options->control), "%.*s/control.sock", len,
		     folder) >= (int)sizeof(options->control))
		return fail_set(fail, -ENAMETOOLONG,
				"RUNTIME_DIRECTORY is too long for a socket in it; give --control "
				"a path of at most 107 characters");
	return 0;
}

static int add_port(struct options *options, const char *option, const char *value,
		    struct fail *fail)
{
	struct port_option *ports =
		realloc(options->ports, (options->ports_n + 1) * sizeof(*ports));

	if (ports == NULL)
		return fail_set(fail, -ENOMEM, "%s %s: no memory", option, value);
	options->ports = ports;
	ports[options->ports_n++] = (struct port_option){.option = option, .value = value};
	return 0;
}

static int set_control(struct options *options, const char *path, struct fail *fail)
{
	char folder[PATH_MAX];

	if (strlen(path) >= sizeof(options->control))
		return fail_set(fail, -ENAMETOOLONG,
				"--control: the path has more than 107 characters, the kernel's "
				"limit; use a shorter one");
	/* Whole, if that fits: EAL's file prefix is made of it, and two folders may have a control.sock each. */
	if (path[0] == '/' || getcwd(folder, sizeof(folder)) == NULL ||
	    snprintf(options->control, sizeof(options->control), "%s/%s", folder, path) >=
		    (int)sizeof(options->control))
		strcpy(options->control, path);
	return 0;
}

static int set_journal(struct options *options, const char *folder, struct fail *fail)
{
	if (folder[0] == '\0' || strlen(folder) >= sizeof(options->journal))
		return fail_set(fail, -EINVAL,
				"--journal: a folder, in at most %zu characters; leave the option "
				"out to have it beside the control socket",
				sizeof(options->journal) - 1);
	strcpy(options->journal, folder);
	return 0;
}

static void default_journal(struct options *options)
{
	const char *slash = strrchr(options->control, '/');
	int len = slash != NULL ? (int)(slash + 1 - options->control) : 0;

	snprintf(options->journal, sizeof(options->journal), "%.*sjournal", len, options->control);
}

static int take(struct options *options, int option, char **argv, struct fail *fail)
{
	switch (option) {
	case OPT_CONFIG:
		options->config = optarg;
		return 0;
	case OPT_LAST_GOOD:
		options->last_good = optarg;
		return 0;
	case OPT_VHOST:
		return add_port(options, "--vhost", optarg, fail);
	case OPT_ETHDEV:
		return add_port(options, "--ethdev", optarg, fail);
	case OPT_CONTROL:
		return set_control(options, optarg, fail);
	case OPT_JOURNAL:
		return set_journal(options, optarg, fail);
	case OPT_BUSY_POLL:
		options->busy_poll = true;
		return 0;
	case OPT_REBALANCE:
		options->rebalance = optarg;
		return 0;
	case OPT_RIGHTS + RIGHTS_OWNER:
	case OPT_RIGHTS + RIGHTS_GROUP:
	case OPT_RIGHTS + RIGHTS_MODE:
		options->rights[option - OPT_RIGHTS] = optarg;
		return 0;
	case OPT_CHECK:
		options->check = true;
		return 0;
	case 'h':
		options->help = true;
		return 0;
	case 'V':
		options->version = true;
		return 0;
	case ':':
		return fail_set(fail, -EINVAL, "%s needs a value; see --help", argv[optind - 1]);
	default:
		return fail_set(fail, -EINVAL,
				"%s is not an option of vuswitch; see --help, and write EAL's own "
				"options before `--`: vuswitch [EAL options] -- [options]",
				argv[optind - 1]);
	}
}

/* A file that is kept in itself would be overwritten while it is being edited. */
static int check_last_good(const struct options *options, struct fail *fail)
{
	struct stat file, kept;

	if (options->last_good == NULL)
		return 0;
	if (options->config == NULL)
		return fail_set(fail, -EINVAL,
				"--last-good %s: there is no file to keep; give --config FILE, or "
				"leave it out",
				options->last_good);
	if (stat(options->last_good, &kept) == 0 && stat(options->config, &file) == 0 &&
	    file.st_dev == kept.st_dev && file.st_ino == kept.st_ino)
		return fail_set(fail, -EINVAL,
				"--last-good %s: this is the file of --config itself; give another path",
				options->last_good);
	return 0;
}

/* An option of ours among EAL's, or NULL: the commonest reason for which nothing is left to do. */
static const char *option_before(const struct options *options)
{
	for (int i = 0; i < options->eal_n; i++)
		for (const struct option *ours = long_options; ours->name != NULL; ours++) {
			size_t len = strlen(ours->name);
			const char *word = options->eal[i];

			if (ours->val >= OPT_CONFIG && strncmp(word, "--", 2) == 0 &&
			    strncmp(word + 2, ours->name, len) == 0 &&
			    (word[2 + len] == '\0' || word[2 + len] == '='))
				return ours->name;
		}
	return NULL;
}

static int nothing_to_switch(const struct options *options, struct fail *fail)
{
	const char *before = option_before(options);

	if (before != NULL)
		return fail_set(fail, -EINVAL,
				"there is nothing to switch: --%s stands before `--`, among EAL's "
				"options; write it behind: vuswitch [EAL options] -- [options]",
				before);
	return fail_set(fail, -EINVAL,
			"there is nothing to switch: give --config FILE, or --vhost NAME=SOCKET "
			"for each VM; see --help");
}

int options_parse(int argc, char **argv, struct options *options, struct fail *fail)
{
	int first = 0, option, error;

	*options = (struct options){.eal = argv + 1};
	for (int i = 1; i < argc && first == 0; i++)
		if (strcmp(argv[i], "--") == 0)
			first = i;
	options->eal_n = first > 0 ? first - 1 : 0;
	error = default_control(options, fail);

	/* getopt begins after its argv[0], which is the `--`, or our name. */
	argc -= first;
	argv += first;
	optind = 0;
	opterr = 0;
	while (error == 0 && (option = getopt_long(argc, argv, "+:hV", long_options, NULL)) != -1)
		error = take(options, option, argv, fail);
	if (options->journal[0] == '\0')
		default_journal(options);
	if (error == 0 && optind < argc)
		error = fail_set(fail, -EINVAL,
				 "\"%s\" is not an option; ports are --vhost NAME=SOCKET and "
				 "--ethdev NAME=DEVICE, a file is --config FILE",
				 argv[optind]);
	if (error == 0 && options->config == NULL && options->ports_n == 0 && !options->help &&
	    !options->version)
		error = nothing_to_switch(options, fail);
	return error == 0 ? check_last_good(options, fail) : error;
}

void options_free(struct options *options)
{
	free(options->ports);
	options->ports = NULL;
	options->ports_n = 0;
}

int options_read_config(const struct options *options, struct config *config, struct fail *fail)
{
	int error = 0;

	*config = (struct config){0};
	if (options->config != NULL)
		error = config_read_file(config, options->config, fail);
	for (unsigned int i = 0; error == 0 && i < options->ports_n; i++)
		error = config_add_option(config, options->ports[i].option, options->ports[i].value,
					  fail);
	if (error == 0 && options->rebalance != NULL)
		error = config_set_rebalance(config, options->rebalance, fail);
	for (unsigned int part = 0; error == 0 && part < RIGHTS_PARTS; part++)
		if (options->rights[part] != NULL)
			error = config_set_rights(config, part, options->rights[part], fail);
	if (error == 0)
		error = config_check(config, fail);
	if (error == 0)
		error = config_check_control(config, options->control, fail);
	if (error != 0)
		config_free(config);
	return error;
}

int options_read_first_config(const struct options *options, struct config *config,
			      struct fail *fail)
{
	int error = options_read_config(options, config, fail);
	struct options kept = *options;
	struct fail first, second;
	struct stat st;

	if (error == 0)
		return 0;
	first = *fail;
	kept.config = options->last_good;
	if (stat(options->last_good, &st) != 0)
		return fail_set(fail, error, "%.300s (no last good configuration is at %.100s yet)",
				first.text, options->last_good);
	/* To open a pipe would wait for its other end. */
	if (!S_ISREG(st.st_mode))
		return fail_set(fail, error, "%.300s (nor can the last good one be used: %.100s is no file)",
				first.text, options->last_good);
	if (options_read_config(&kept, config, &second) != 0)
		return fail_set(fail, error, "%.300s (nor can the last good one be used: %.150s)",
				first.text, second.text);
	config->in_place_of = strdup(first.text);
	if (config->in_place_of != NULL)
		return 0;
	config_free(config);
	return fail_set(fail, -ENOMEM, "%s: no memory", options->config);
}
