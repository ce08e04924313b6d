/* SPDX-License-Identifier: BSD-3-Clause */
#include "complete_line.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "command.h"
#include "complete.h"
#include "options.h"

/* The line as far as it is typed: its words without options, and the option whose value comes next. */
static struct {
	const char *word[OPTION_WORDS_MAX + 1];
	int words;
	const struct option_spec *expects;
} line;

static void read_line(int n, char **words)
{
	for (int i = 0; i < n; i++) {
		const struct option_spec *spec = option_find(words[i]);

		if (line.expects != NULL) {
			if (line.expects->letter == 'c')
				options.control = words[i];
			line.expects = NULL;
		} else if (spec != NULL) {
			bool apart = strncmp(words[i], "--", 2) == 0 ? strchr(words[i], '=') == NULL : words[i][2] == '\0';

			line.expects = spec->value != NULL && apart ? spec : NULL;
		} else if (line.words < OPTION_WORDS_MAX) {
			line.word[line.words++] = words[i];
		}
	}
}

/* The list has the name of its command. */
static void offer_names(const char *list)
{
	const json_t *entry;
	json_t *reply;
	size_t i;

	client_connect(options.control);
	reply = client_ask(json_pack("{s:s}", "command", list));
	json_array_foreach(json_object_get(reply, list), i, entry)
		complete_offer("", json_string_value(json_object_get(entry, "name")),
			       json_string_value(json_object_get(entry, "state")));
	json_decref(reply);
}

static void offer_argument(enum argument argument)
{
	if (argument == ARGUMENT_PORT)
		offer_names("ports");
	else if (argument == ARGUMENT_BRIDGE)
		offer_names("bridges");
	else if (argument == ARGUMENT_PROFILE)
		offer_names("profiles");
	else if (argument == ARGUMENT_FILE)
		complete_files();
	else if (argument == ARGUMENT_LINK)
		complete_choices("", "up|down");
	else if (argument == ARGUMENT_LEVEL)
		complete_choices("", "error|warning|info|debug");
}

static void offer_options(const struct command *command)
{
	for (const struct option_spec *spec = option_specs; spec->name != NULL; spec++)
		if (spec->always || (command != NULL && strchr(command->options, spec->letter) != NULL))
			complete_offer("--", spec->name, spec->help);
}

/* The next word of the names that begin with the words that are there; in the table, those with the same one stand together. */
static void offer_commands(void)
{
	char last[32] = "";

	for (const struct command *command = commands; command->name != NULL; command++) {
		const char *name = command->name;
		char word[32];
		int at = 0;

		for (; at < line.words; at++) {
			size_t len = strcspn(name, " ");

			if (strlen(line.word[at]) != len || strncmp(name, line.word[at], len) != 0 || name[len] == '\0')
				break;
			name += len + 1;
		}
		if (at < line.words)
			continue;
		snprintf(word, sizeof(word), "%.*s", (int)strcspn(name, " "), name);
		if (strcmp(word, last) != 0)
			complete_offer("", word, command->help);
		snprintf(last, sizeof(last), "%s", word);
	}
}

void complete_line(int n, char **words)
{
	const struct command *command;
	int used;

	if (n == 0)
		return;
	options.control = options_default_control();
	read_line(n - 1, words);
	complete_begin(words[n - 1]);
	command = command_find(line.word, &used);
	if (line.expects != NULL) {
		if (line.expects->file)
			complete_files();
		else if (line.expects->port)
			offer_names("ports");
		return;
	}
	if (words[n - 1][0] == '-') {
		offer_options(command);
		return;
	}
	offer_commands();
	if (command != NULL && line.words - used < COMMAND_ARGUMENTS)
		offer_argument(command->argument[line.words - used]);
}
