/* SPDX-License-Identifier: BSD-3-Clause */
/* options.h: vusctl's options, from one table: the command line, --help and completion.
 *
 * Context: the one thread of vusctl.
 */
#ifndef VUSCTL_OPTIONS_H
#define VUSCTL_OPTIONS_H

#include <stdbool.h>

enum { OPTION_WORDS_MAX = 64 };

struct vusctl_options {
	const char *control;
	bool json, names, reset, reverse, dry_run, hex;
	long count;    /* how many times a view is shown; 0: no end */
	bool drops, next;
	long timeout;  /* seconds */
	long length;   /* of the frame; 0: not given */
	long snap;     /* 0: not given */
	long vlan;     /* 0: not given */
	double watch;  /* seconds between two of them; 0: it is shown once */
	const char *sort, *filter, *port, *direction, *write, *offload; /* NULL: not given */
	const char *word[OPTION_WORDS_MAX + 1]; /* what is no option, ended by NULL */
	int words;
};

extern struct vusctl_options options;

/* A row; the letter says which option it is, to commands (command.h), too. */
struct option_spec {
	char letter;
	const char *name;
	const char *value; /* "SOCKET"; NULL: it has none */
	bool file;	   /* the value is a file's name, */
	bool port;	   /* or a port's */
	bool always;	   /* goes with every command */
	const char *help;
};

/* Ended by a row without a name. */
extern const struct option_spec option_specs[];

/* Fills in `options`, or ends the program with one line. --help and --version are left to the caller, by their letters. */
char options_parse(int argc, char **argv);
/* control.sock in the runtime directory; in a static buffer. */
const char *options_default_control(void);
/* The row of a word such as "-n", "--count" or "--count=3", or NULL. */
const struct option_spec *option_find(const char *word);
/* Whether `letter` was given. */
bool option_was_given(char letter);
void options_print(void);

#endif
