/* SPDX-License-Identifier: BSD-3-Clause */
/* command.h: what vusctl can be told, as one table: the command line, --help, completion and --watch read it.
 *
 * A command that shows something asks one or two questions and has a function that writes the replies; what is asked
 * and shown again (--watch), in which format (-j), and on what (a terminal, a pipe) is no affair of its own. Another one has a
 * function that does all (`run`).
 *
 * Context: the one thread of vusctl.
 */
#ifndef VUSCTL_COMMAND_H
#define VUSCTL_COMMAND_H

#include <jansson.h>
#include <stdbool.h>

enum { COMMAND_QUESTIONS = 2, COMMAND_ARGUMENTS = 3 };

/* What a word behind a command's name is; completion asks the switch for the names. */
enum argument {
	ARGUMENT_NONE,
	ARGUMENT_ANY,
	ARGUMENT_PORT,
	ARGUMENT_BRIDGE,
	ARGUMENT_PROFILE,
	ARGUMENT_FILE,
	ARGUMENT_LINK,
	ARGUMENT_LEVEL,
};

/* The replies to the questions of a command: those before (NULL the first time) and those of now. */
struct replies {
	json_t *before[COMMAND_QUESTIONS], *now[COMMAND_QUESTIONS];
};

struct command {
	const char *name;      /* one word, or two: of commands that fit the one with more words is meant */
	const char *arguments; /* for --help: "NAME", "[BRIDGE]"; NULL: none */
	enum argument argument[COMMAND_ARGUMENTS]; /* what each word is, as many as there may be */
	bool pairs;	       /* and any number of KEY=VALUE behind them */
	int needed;	       /* so many of them have to be there */
	const char *missing;   /* what is said if they are not */
	const char *options;   /* the letters of those that go with it */
	const char *help;
	json_t *(*question[COMMAND_QUESTIONS])(void);
	void (*show)(const struct replies *replies);
	/* What it shows is what happened between two replies: */
	bool pair;
	/* shown every second until interrupted, if nothing else is said. */
	bool forever;
	void (*turn)(void); /* on a screen: shows its other table; NULL: it has one */
	void (*run)(void);  /* instead of questions */
	bool alone;	    /* it asks no switch */
};

/* Ended by a command without a name. */
extern const struct command commands[];

/* The command that the words begin with, and how many of them are its name; NULL: there is none. */
const struct command *command_find(const char *const *word, int *used);
/* Runs the command that the command line names, or ends the program with one line. */
void command_run(void);
/* The name of the command that is run. */
const char *command_name(void);
/* The words behind the command's name; NULL: there are not so many. */
const char *command_word(int index);
void commands_print(void);

#endif
