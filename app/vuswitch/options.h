/* SPDX-License-Identifier: BSD-3-Clause */
/* options.h: vuswitch's command line: `vuswitch [EAL options] -- [options]`, or only our own, without `--`.
 *
 * Context: the main thread; from its start it is the control thread.
 */
#ifndef VUS_OPTIONS_H
#define VUS_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "config.h"
#include "confine.h"
#include "fail.h"

/* The types of ports there are, ended by NULL. */
extern const struct port_driver *const port_drivers[];

/* Where the control socket is, unless something else is said. */
#define VUS_RUNTIME_DIRECTORY "/run/vuswitch"

struct options {
	char **eal; /* EAL's options: eal[0] to eal[eal_n - 1], of argv */
	int eal_n;
	const char *config;    /* --config, or NULL */
	const char *last_good; /* --last-good, or NULL */
	const char *state;     /* --state, or NULL */
	char control
		[108]; /* --control, or control.sock in the runtime directory; fits a socket address */
	char journal[128]; /* --journal, or `journal` beside the control socket */
	enum confine_mode confine; /* --seccomp */
	bool busy_poll, dumpable, keep_rights, check, help, version;
	/* Ports, and options of the switch that are rows of a table, in the order given. */
	struct typed_option {
		bool is_port;
		const char *option, *value;
	} *typed;
	unsigned int typed_n, ports_n;
};

/* 0 or -errno with a line in `fail`. Strings are argv's. */
int options_parse(int argc, char **argv, struct options *options, struct fail *fail);
void options_free(struct options *options);
struct option;
/* All of our own, for getopt and for completion; ended by one without a name. */
const struct option *options_list(void);
/* options_help.c: from the tables. */
void options_print_help(FILE *to);

/* The configuration these options ask for: the file as it is now, the ports of the command line, and what requests have added
 * (NULL: nothing), which becomes the configuration's own. To be called again when the file has changed. `config` is empty after
 * an error. 0 or -errno. */
int options_read_config(const struct options *options, struct tree *requests, struct config *config, struct fail *fail);
/* The same at a start, with what requests had added before, if --state keeps that. If the file cannot be used, the one of
 * --last-good is read in its place, and `config->in_place_of` says why; if what is kept cannot be used, nothing of it is, and
 * `state` says why, and is empty otherwise. */
int options_read_first_config(const struct options *options, struct config *config, struct fail *state, struct fail *fail);

#endif
