/* SPDX-License-Identifier: BSD-3-Clause */
#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "like.h"
#include "options.h"
#include "out.h"
#include "screen.h"
#include "table.h"

/* Shares and rates are of so many seconds between two looks, where nothing else is said. */
static const double PAIR_SECONDS = 0.5, FOREVER_SECONDS = 1;

static const struct command *command;
static int words_used;

/* --- the command line ------------------------------------------------------------------------------------------- */

/* How many words of the name there are; 0: it is another one. */
static int matches(const char *name, const char *const *word)
{
	int n = 0;

	for (; word[n] != NULL; n++) {
		size_t len = strcspn(name, " ");

		if (strlen(word[n]) != len || strncmp(name, word[n], len) != 0)
			return 0;
		name += len;
		if (name[0] == '\0')
			return n + 1;
		name++;
	}
	return 0;
}

const struct command *command_find(const char *const *word, int *used)
{
	const struct command *found = NULL;

	*used = 0;
	for (const struct command *each = commands; each->name != NULL; each++) {
		int n = matches(each->name, word);

		if (n > *used) {
			*used = n;
			found = each;
		}
	}
	return found;
}

const char *command_name(void)
{
	return command->name;
}

const char *command_word(int index)
{
	return words_used + index < options.words ? options.word[words_used + index] : NULL;
}

static const char *command_names(void)
{
	static char text[512];
	size_t n = 0;

	text[0] = '\0';
	for (const struct command *each = commands; each->name != NULL && n < sizeof(text); each++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? ", " : "", each->name);
	return text;
}

/* "; did you mean port set?": a name of two words, or else one of one that the first is not. */
static struct like_hint command_hint(const char *const *word)
{
	char both[64] = "";
	struct like one = {.written = word[0]}, two = {.written = both};

	if (word[1] != NULL)
		snprintf(both, sizeof(both), "%s %s", word[0], word[1]);
	for (const struct command *each = commands; each->name != NULL; each++)
		like_try(strchr(each->name, ' ') != NULL ? &two : &one, each->name);
	if (like_found(&two) != NULL || one.best == NULL || one.edits == 0)
		return like_hint(&two);
	return like_hint(&one);
}

/* Options that are not the command's, words that are too many or missing. */
static void check_line(void)
{
	int words = options.words - words_used, most = 0;

	while (most < COMMAND_ARGUMENTS && command->argument[most] != ARGUMENT_NONE)
		most++;
	if (words > most && !command->pairs)
		die("\"%s\" is one word too many%s; see --help", options.word[words_used + most],
		    command_hint(options.word).text);
	if (words < command->needed)
		die("%s", command->missing);
	for (const struct option_spec *spec = option_specs; spec->name != NULL; spec++)
		if (option_was_given(spec->letter) && !spec->always && strchr(command->options, spec->letter) == NULL)
			die("--%s is not for %s; see --help", spec->name, command->name);
}

static void die_unknown(void)
{
	struct like_hint hint = command_hint(options.word);

	if (hint.text[0] != '\0')
		die("\"%s\" is not known%s; see --help", options.word[0], hint.text);
	die("\"%s\" is not known; there are %s", options.word[0], command_names());
}

static void find_command(void)
{
	if (options.words == 0)
		die("what is to be shown? %s", command_names());
	command = command_find(options.word, &words_used);
	if (command == NULL)
		die_unknown();
}

void commands_print(void)
{
	for (const struct command *each = commands; each->name != NULL; each++) {
		char usage[64];

		snprintf(usage, sizeof(usage), "%s%s%s", each->name, each->arguments != NULL ? " " : "",
			 each->arguments != NULL ? each->arguments : "");
		put_entry(usage, each->help);
	}
}

/* --- showing ---------------------------------------------------------------------------------------------------- */

static struct replies replies;

static void rest(double seconds)
{
	struct timespec left = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

/* The replies of now become those before. */
static void ask(void)
{
	for (int i = 0; i < COMMAND_QUESTIONS && command->question[i] != NULL; i++) {
		json_decref(replies.before[i]);
		replies.before[i] = replies.now[i];
		replies.now[i] = client_ask(command->question[i]());
	}
}

/* For the first time. */
static void ask_first(void)
{
	ask();
	if (command->pair) {
		rest(PAIR_SECONDS);
		ask();
	}
}

static void show(void)
{
	command->show(&replies);
}

static void check_sort(void)
{
	if (options.sort != NULL && !table_had_column(options.sort))
		die("--sort %s: there is no such column; take one of the titles", options.sort);
}

static void show_json(void)
{
	fputs(client_ask_text(command->question[0]()), stdout);
}

/* On a pipe, or a terminal without a screen: one after the other. */
static void show_lines(double seconds)
{
	out_to_terminal(out_terminal_width());
	for (long i = 0; options.count == 0 || i < options.count; i++) {
		if (i > 0)
			rest(seconds);
		if (options.json) {
			show_json();
		} else if (i == 0) {
			ask_first();
			show();
			check_sort();
		} else {
			ask();
			put("\n");
			show();
		}
		fflush(stdout);
		if (ferror(stdout) || seconds == 0)
			break;
	}
}

/* False: there is no screen to show it on. */
static bool show_screen(double seconds)
{
	const struct screen screen = {
		.seconds = seconds,
		.count = options.count,
		.ask_first = ask_first,
		.ask = ask,
		.show = show,
		.turn = command->turn,
	};

	return seconds > 0 && !options.json && screen_is_possible() && screen_run(&screen);
}

void command_run(void)
{
	double seconds;

	find_command();
	check_line();
	seconds = options.watch > 0 ? options.watch : command->forever || options.count > 0 ? FOREVER_SECONDS : 0;
	if (!command->alone)
		client_connect(options.control);
	table_shape = (struct table_shape){.sort = options.sort, .reverse = options.reverse, .filter = options.filter};
	if (command->run != NULL)
		command->run();
	else if (!show_screen(seconds))
		show_lines(seconds);
	for (int i = 0; i < COMMAND_QUESTIONS; i++) {
		json_decref(replies.before[i]);
		json_decref(replies.now[i]);
	}
}
