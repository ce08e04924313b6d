/* SPDX-License-Identifier: BSD-3-Clause */
#include "complete_line.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "complete.h"
#include "options.h"

enum { WORD_BYTES = 512 };

/* The option that a word such as "--config" is, or NULL. */
static const struct option *option_of(const char *word)
{
	for (const struct option *option = options_list(); option->name != NULL; option++)
		if (strncmp(word, "--", 2) == 0 && strcmp(word + 2, option->name) == 0)
			return option;
	return NULL;
}

static const struct port_driver *driver_of(const char *word)
{
	for (int i = 0; port_drivers[i] != NULL; i++)
		if (strcmp(port_drivers[i]->option, word) == 0)
			return port_drivers[i];
	return NULL;
}

static const struct option_row *row_in(const struct option_table *table, const char *key)
{
	for (unsigned int i = 0; i < table->n; i++)
		if (strcmp(table->row[i].key, key) == 0)
			return &table->row[i];
	return NULL;
}

/* The row behind an option of the switch, or one for all ports; NULL: it is none of these. */
static const struct option_row *row_of(const char *key)
{
	const struct option_row *row = row_in(&switch_options, key);

	for (int i = 0; row == NULL && port_drivers[i] != NULL; i++)
		row = row_in(port_drivers[i]->options, key);
	return row;
}

/* --- a port ----------------------------------------------------------------------------------------------------- */

/* "NAME=SOCKET,queues=4,": a key that is not there yet. */
static void offer_keys(const struct option_table *table, unsigned int first, const char *before)
{
	for (unsigned int i = first; i < table->n; i++) {
		char written[64], key[64];

		if (table == &config_port_names && !table->row[i].live)
			continue;
		snprintf(written, sizeof(written), ",%s=", table->row[i].key);
		snprintf(key, sizeof(key), "%s=", table->row[i].key);
		if (strstr(before, written) == NULL)
			complete_offer(before, key, table->row[i].help);
	}
}

static void offer_row_value(const struct option_row *row, const char *before)
{
	char usage[256];

	if (row == NULL)
		return;
	option_value_usage(row, usage, sizeof(usage));
	complete_choices(before, usage);
}

/* The first row of a driver's table is what stands behind the name: a socket, a device. */
static void offer_port(const struct port_driver *driver, const char *typed)
{
	const char *comma = strrchr(typed, ',');
	char before[WORD_BYTES], key[64];
	const char *equals = comma != NULL ? strchr(comma, '=') : NULL;
	const struct option_row *row;

	if (comma == NULL) {
		if (strchr(typed, '=') != NULL)
			complete_files();
		return;
	}
	if (equals == NULL) {
		snprintf(before, sizeof(before), "%.*s", (int)(comma + 1 - typed), typed);
		offer_keys(driver->options, 1, before);
		offer_keys(&bridge_port_options, 0, before);
		offer_keys(&config_port_names, 0, before);
		return;
	}
	snprintf(before, sizeof(before), "%.*s", (int)(equals + 1 - typed), typed);
	snprintf(key, sizeof(key), "%.*s", (int)(equals - comma - 1), comma + 1);
	row = row_in(driver->options, key);
	offer_row_value(row != NULL ? row : row_in(&bridge_port_options, key), before);
}

/* --- the line --------------------------------------------------------------------------------------------------- */

static void offer_options(void)
{
	for (const struct option *option = options_list(); option->name != NULL; option++) {
		const struct option_row *row = row_of(option->name);

		complete_offer("--", option->name, row != NULL ? row->help : NULL);
	}
}

static void offer_value(const struct option *option, const char *word, const char *typed)
{
	const struct port_driver *driver = driver_of(word);

	if (driver != NULL)
		offer_port(driver, typed);
	else if (row_of(option->name) != NULL)
		offer_row_value(row_of(option->name), "");
	else if (strcmp(option->name, "seccomp") == 0)
		complete_choices("", "on|log|off");
	else
		complete_files();
}

void complete_line(int n, char **words)
{
	const struct option *expects = NULL;
	int i;

	if (n == 0)
		return;
	/* What stands in front of "--" is EAL's, if there is one. */
	for (i = 0; i < n - 1 && strcmp(words[i], "--") != 0;)
		i++;
	for (i = i < n - 1 ? i + 1 : 0; i < n - 1; i++) {
		const struct option *option = expects == NULL ? option_of(words[i]) : NULL;

		expects = option != NULL && option->has_arg == required_argument ? option : NULL;
	}
	complete_begin(words[n - 1]);
	if (expects != NULL)
		offer_value(expects, words[n - 2], words[n - 1]);
	else
		offer_options();
}
