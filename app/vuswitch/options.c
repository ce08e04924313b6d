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

#include "config_save.h"
#include "like.h"

enum {
	OPT_CONFIG = 256,
	OPT_LAST_GOOD,
	OPT_STATE,
	OPT_CONTROL,
	OPT_JOURNAL,
	OPT_BUSY_POLL,
	OPT_DUMPABLE,
	OPT_KEEP_RIGHTS,
	OPT_SECCOMP,
	OPT_CHECK,
	OPT_PORT, /* --vhost, --ethdev, in the order of port_drivers[] */
	OPT_ROW = OPT_PORT + CONFIG_DRIVERS_MAX, /* an option of a table: --rebalance, --socket-owner */
};

/* What no table says. */
static const struct option own_options[] = {
	{"config", required_argument, NULL, OPT_CONFIG},
	{"last-good", required_argument, NULL, OPT_LAST_GOOD},
	{"state", required_argument, NULL, OPT_STATE},
	{"control", required_argument, NULL, OPT_CONTROL},
	{"journal", required_argument, NULL, OPT_JOURNAL},
	{"busy-poll", no_argument, NULL, OPT_BUSY_POLL},
	{"dumpable", no_argument, NULL, OPT_DUMPABLE},
	{"keep-rights", no_argument, NULL, OPT_KEEP_RIGHTS},
	{"seccomp", required_argument, NULL, OPT_SECCOMP},
	{"check", no_argument, NULL, OPT_CHECK},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
};
enum { OWN_OPTIONS = sizeof(own_options) / sizeof(own_options[0]), OPTIONS_MAX = 64 };

/* All of them, for getopt. */
static struct option long_options[OPTIONS_MAX + 1];

static void add_rows(const struct option_table *table, bool common, unsigned int *n)
{
	for (unsigned int i = 0; i < table->n; i++) {
		const struct option_row *row = &table->row[i];

		if (row->kind != OPTION_TREE && (!common || row->common) && *n < OPTIONS_MAX)
			long_options[(*n)++] = (struct option){row->key, required_argument, NULL, OPT_ROW};
	}
}

static void make_options(void)
{
	unsigned int n = OWN_OPTIONS;

	memset(long_options, 0, sizeof(long_options));
	memcpy(long_options, own_options, sizeof(own_options));
	for (int i = 0; port_drivers[i] != NULL; i++)
		long_options[n++] =
			(struct option){port_drivers[i]->option + strlen("--"), required_argument, NULL, OPT_PORT + i};
	add_rows(&switch_options, false, &n);
	for (int i = 0; port_drivers[i] != NULL; i++)
		add_rows(port_drivers[i]->options, true, &n);
}

const struct option *options_list(void)
{
	make_options();
	return long_options;
}

static int default_control(struct options *options, struct fail *fail)
{
	const char *folder = getenv("RUNTIME_DIRECTORY");
	int len;

	if (folder == NULL || folder[0] == '\0')
		folder = VUS_RUNTIME_DIRECTORY;
	/* systemd gives several, with colons between them, if the unit asks for several. */
	len = (int)strcspn(folder, ":");
	if (snprintf(options->control, sizeof(options->control), "%.*s/control.sock", len,
		     folder) >= (int)sizeof(options->control))
		return fail_set(fail, -ENAMETOOLONG,
				"RUNTIME_DIRECTORY is too long for a socket in it; give --control "
				"a path of at most 107 characters");
	return 0;
}

/* `option` is "--vhost", or the key of a row. */
static int options_add_typed(struct options *options, bool is_port, const char *option, const char *value, struct fail *fail)
{
	struct typed_option *typed = realloc(options->typed, (options->typed_n + 1) * sizeof(*typed));

	if (typed == NULL)
		return fail_set(fail, -ENOMEM, "%s %s: no memory", option, value);
	options->typed = typed;
	typed[options->typed_n++] = (struct typed_option){.is_port = is_port, .option = option, .value = value};
	options->ports_n += is_port;
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

static int fail_unknown(const char *word, struct fail *fail)
{
	char name[64];
	struct like like = {.written = name};
	const char *found;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word + strspn(word, "-"));
	for (const struct option *option = long_options; option->name != NULL && strncmp(word, "--", 2) == 0; option++)
		like_try(&like, option->name);
	found = like_found(&like);
	return fail_set(fail, -EINVAL,
			"%s is not an option of vuswitch%s%s%s; see --help, and write EAL's own "
			"options before `--`: vuswitch [EAL options] -- [options]",
			word, found != NULL ? "; did you mean --" : "", found != NULL ? found : "", found != NULL ? "?" : "");
}

/* `index` is of long_options[]. */
static int options_take(struct options *options, int option, int index, char **argv, struct fail *fail)
{
	if (option >= OPT_PORT && option < OPT_ROW)
		return options_add_typed(options, true, port_drivers[option - OPT_PORT]->option, optarg, fail);
	switch (option) {
	case OPT_CONFIG:
		if (options->config != NULL)
			return fail_set(fail, -EINVAL, "--config is given twice, as %s and %s; a switch has one file",
					options->config, optarg);
		options->config = optarg;
		return 0;
	case OPT_LAST_GOOD:
		options->last_good = optarg;
		return 0;
	case OPT_STATE:
		options->state = optarg;
		return 0;
	case OPT_CONTROL:
		return set_control(options, optarg, fail);
	case OPT_JOURNAL:
		return set_journal(options, optarg, fail);
	case OPT_BUSY_POLL:
		options->busy_poll = true;
		return 0;
	case OPT_DUMPABLE:
		options->dumpable = true;
		return 0;
	case OPT_KEEP_RIGHTS:
		options->keep_rights = true;
		return 0;
	case OPT_SECCOMP:
		if (confine_parse(optarg, &options->confine) != 0)
			return fail_set(fail, -EINVAL, "--seccomp %s: it is on, log or off", optarg);
		return 0;
	case OPT_ROW:
		return options_add_typed(options, false, long_options[index].name, optarg, fail);
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
		return fail_unknown(argv[optind - 1], fail);
	}
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat first, second;

	if (a == NULL || b == NULL)
		return false;
	/* Neither may be there yet. */
	return strcmp(a, b) == 0 || (stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
				     first.st_ino == second.st_ino);
}

/* A file that is kept in itself would be overwritten while it is being edited, and what is no file would be renamed. */
static int check_kept(const struct options *options, struct fail *fail)
{
	struct stat st;

	if (options->state != NULL && stat(options->state, &st) == 0 && !S_ISREG(st.st_mode))
		return fail_set(fail, -EINVAL, "--state %s: this is no file; give the path of one, which need not be there yet",
				options->state);
	if (is_same_file(options->state, options->config) || is_same_file(options->state, options->last_good))
		return fail_set(fail, -EINVAL, "--state %s: this is the file of --config or --last-good; give another path",
				options->state);
	if (options->last_good == NULL)
		return 0;
	if (options->config == NULL)
		return fail_set(fail, -EINVAL,
				"--last-good %s: there is no file to keep; give --config FILE, or "
				"leave it out",
				options->last_good);
	if (is_same_file(options->last_good, options->config))
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
	int first = 0, option, index = 0, error;

	*options = (struct options){.eal = argv + 1, .confine = CONFINE_DEFAULT};
	make_options();
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
	while (error == 0 && (option = getopt_long(argc, argv, "+:hV", long_options, &index)) != -1)
		error = options_take(options, option, index, argv, fail);
	if (options->journal[0] == '\0')
		default_journal(options);
	if (error == 0 && optind < argc)
		error = fail_set(fail, -EINVAL,
				 "\"%s\" is not an option; ports are --vhost NAME=SOCKET and "
				 "--ethdev NAME=DEVICE, a file is --config FILE",
				 argv[optind]);
	if (error == 0 && options->config == NULL && options->ports_n == 0 && options->state == NULL && !options->help &&
	    !options->version)
		error = nothing_to_switch(options, fail);
	return error == 0 ? check_kept(options, fail) : error;
}

void options_free(struct options *options)
{
	free(options->typed);
	options->typed = NULL;
	options->typed_n = options->ports_n = 0;
}

int options_read_config(const struct options *options, struct tree *requests, struct config *config, struct fail *fail)
{
	int error = 0;

	*config = (struct config){.drivers = port_drivers, .requests = requests};
	if (options->config != NULL)
		error = config_read_file(config, options->config, fail);
	for (unsigned int i = 0; error == 0 && i < options->typed_n; i++) {
		const struct typed_option *typed = &options->typed[i];

		error = typed->is_port ? config_add_port(config, typed->option, typed->value, fail)
				       : config_set(config, typed->option, typed->value, fail);
	}
	if (error == 0)
		error = config_check(config, fail);
	if (error == 0)
		error = config_check_control(config, options->control, fail);
	if (error != 0)
		config_free(config);
	return error;
}

/* The last good one in place of the file, which has the error `first`. */
static int read_last_good(const struct options *options, struct tree *requests, int error, const struct fail *first,
			  struct config *config, struct fail *fail)
{
	struct options kept = *options;
	struct fail second;
	struct stat st;

	*fail = *first;
	if (options->last_good == NULL || options->check)
		return error;
	kept.config = options->last_good;
	if (stat(options->last_good, &st) != 0)
		return fail_set(fail, error, "%.700s (no last good configuration is at %.200s yet)",
				first->text, options->last_good);
	/* To open a pipe would wait for its other end. */
	if (!S_ISREG(st.st_mode))
		return fail_set(fail, error, "%.700s (nor can the last good one be used: %.200s is no file)",
				first->text, options->last_good);
	if (options_read_config(&kept, tree_hold(requests), config, &second) != 0)
		return fail_set(fail, error, "%.500s (nor can the last good one be used: %.400s)",
				first->text, second.text);
	config->in_place_of = strdup(first->text);
	if (config->in_place_of != NULL)
		return 0;
	config_free(config);
	return fail_set(fail, -ENOMEM, "%s: no memory", options->config);
}

/* What was saved in the file is the file's: with the rest of what requests had added. If that cannot be, `config` stays. */
static int read_rest(const struct options *options, const struct tree *requests, struct config *config)
{
	struct tree *rest = config_state_rest(requests, config);
	struct config with;
	struct fail fail;
	int error;

	if (rest == NULL)
		return -ENOMEM;
	error = options_read_config(options, rest, &with, &fail);
	if (error != 0)
		return error;
	config_free(config);
	*config = with;
	return 0;
}

/* The file, with what requests had added or without; or else the last good one. */
static int read_any(const struct options *options, struct tree *requests, struct config *config, struct fail *state,
		    struct fail *fail)
{
	int error = options_read_config(options, tree_hold(requests), config, fail);
	struct fail with, first;

	if (error == 0)
		return 0;
	with = *fail;
	/* What the file has by now may not go with what requests had added: then the file counts. */
	if (requests != NULL)
		error = options_read_config(options, NULL, config, fail);
	if (requests != NULL && error == 0 && read_rest(options, requests, config) == 0)
		return 0;
	first = *fail;
	if (error != 0) {
		if (read_last_good(options, requests, error, &first, config, fail) == 0)
			return 0;
		with = *fail;
		if (requests == NULL || read_last_good(options, NULL, error, &first, config, fail) != 0)
			return error;
	}
	fail_set(state, -EINVAL, "%s: %s", options->state, with.text);
	return 0;
}

int options_read_first_config(const struct options *options, struct config *config, struct fail *state, struct fail *fail)
{
	struct tree *requests = NULL;
	int error;

	if (options->state == NULL || config_state_read(options->state, &requests, state) == 0)
		state->text[0] = '\0';
	error = read_any(options, requests, config, state, fail);
	tree_free(requests);
	return error;
}
