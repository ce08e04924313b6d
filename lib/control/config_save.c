/* SPDX-License-Identifier: BSD-3-Clause */
/* config_save.c: a configuration as the text of a file. */
#include "config_save.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_private.h"
#include "one_line.h"

/* --- values ----------------------------------------------------------------------------------------------------- */

/* A text that YAML reads as it is, wherever it stands; others are quoted as in JSON, which YAML reads, too. */
static bool is_plain(const char *text)
{
	if (text[0] == '-' || text[0] == '.' || text[0] == '\0' || strcasecmp(text, "null") == 0)
		return false;
	while (isalnum((unsigned char)*text) || (*text != '\0' && strchr("_./-", *text) != NULL))
		text++;
	return *text == '\0';
}

static void put_value(FILE *to, const json_t *value)
{
	const char *key, *between = "";
	char *quoted;
	json_t *each;
	size_t i;

	if (json_is_string(value) && is_plain(json_string_value(value))) {
		fputs(json_string_value(value), to);
	} else if (json_is_array(value)) {
		fputc('[', to);
		json_array_foreach(value, i, each)
		{
			fputs(between, to);
			put_value(to, each);
			between = ", ";
		}
		fputc(']', to);
	} else if (json_is_object(value)) {
		fputc('{', to);
		json_object_foreach((json_t *)(uintptr_t)value, key, each)
		{
			fprintf(to, "%s%s: ", between, key);
			put_value(to, each);
			between = ", ";
		}
		fputc('}', to);
	} else {
		quoted = json_dumps(value, JSON_ENCODE_ANY);
		fputs(quoted != NULL ? quoted : "~", to);
		free(quoted);
	}
}

/* "  # FILE:12": what a comment cannot have is not in it. */
static void put_from(FILE *to, const char *from)
{
	char text[320];

	snprintf(text, sizeof(text), "%s", from);
	one_line(text, sizeof(text));
	only_ascii(text);
	fprintf(to, "  # %s\n", text);
}

static void put_from_tree(FILE *to, const char *source, const struct tree *node)
{
	const struct option_entry entry = {.source = source != NULL ? source : "", .node = node};

	put_from(to, option_place(&entry, NULL).text);
}

/* Its name stands first. */
static void put_entry(FILE *to, const json_t *entry, const char *source, const struct tree *node)
{
	const char *key;
	json_t *value;

	fputs("  - name: ", to);
	put_value(to, json_object_get(entry, "name"));
	put_from_tree(to, source, node);
	json_object_foreach((json_t *)(uintptr_t)entry, key, value)
	{
		if (strcmp(key, "name") == 0)
			continue;
		fprintf(to, "    %s: ", key);
		put_value(to, value);
		fputc('\n', to);
	}
}

/* --- lists ------------------------------------------------------------------------------------------------------ */

json_t *config_port_to_entry(const struct config_port *port)
{
	const struct option_row *made_of = &port->driver->options->row[0];
	json_t *entry = tree_to_json(port->node), *whole;

	/* What counts from the folder in which the switch was started is written whole. */
	whole = json_string(*(char *const *)((const char *)port->options + made_of->offset));
	if (whole != NULL)
		json_object_set_new(entry, made_of->key, whole);
	return entry;
}

static void put_tree(FILE *to, const struct tree *node, const char *source)
{
	json_t *entry = tree_to_json(node);

	put_entry(to, entry, source, node);
	json_decref(entry);
}

static void put_lists(FILE *to, const struct config *config)
{
	json_t *name;

	fputs(config->profiles_n > 0 ? "profiles:\n" : "", to);
	for (unsigned int i = 0; i < config->profiles_n; i++)
		put_tree(to, config->profiles[i].entry.node, config->profiles[i].entry.source);
	fputs(config->bridges_n > 0 ? "bridges:\n" : "", to);
	for (unsigned int i = 0; i < config->bridges_n; i++) {
		const struct config_bridge *bridge = &config->bridges[i];

		if (bridge->node != NULL) {
			put_tree(to, bridge->node, bridge->from == CONFIG_FROM_REQUEST ? CONFIG_REQUEST_SOURCE : config->file);
			continue;
		}
		name = json_string(bridge->name);
		fputs("  - name: ", to);
		put_value(to, name);
		fputs("  # a port names it\n", to);
		json_decref(name);
	}
	fputs(config->ports_n > 0 ? "ports:\n" : "ports: []\n", to);
	for (unsigned int i = 0; i < config->ports_n; i++) {
		json_t *entry = config_port_to_entry(&config->ports[i]);

		put_entry(to, entry, config->ports[i].source, config->ports[i].node);
		json_decref(entry);
	}
}

/* --- the switch ------------------------------------------------------------------------------------------------- */

/* What is typed counts before what the file says, and the last of it before the others. */
static void put_option(FILE *to, const struct config *config, const struct option_row *row)
{
	const struct tree_item *item = NULL;
	const char *source = config->file;
	json_t *value;

	for (unsigned int i = config->typed_n; item == NULL && i-- > 0;)
		if (!config->typed[i].is_port && tree_find(config->typed[i].node, row->key) != NULL) {
			item = tree_find(config->typed[i].node, row->key);
			source = config->typed[i].source;
		}
	if (item == NULL)
		item = tree_find(config->tree, row->key);
	if (item == NULL || row->kind == OPTION_TREE)
		return;
	value = tree_to_json(item->value);
	fprintf(to, "%s: ", row->key);
	put_value(to, value);
	put_from_tree(to, source, item->value);
	json_decref(value);
}

static void put_options(FILE *to, const struct config *config)
{
	for (unsigned int i = 0; i < switch_options.n; i++)
		put_option(to, config, &switch_options.row[i]);
	for (unsigned int i = 0; config->drivers[i] != NULL; i++)
		for (unsigned int j = 0; j < config->drivers[i]->options->n; j++)
			if (config->drivers[i]->options->row[j].common)
				put_option(to, config, &config->drivers[i]->options->row[j]);
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

static void note_difference(void *arg, const struct config_told *told)
{
	struct fail *fail = arg;

	if (fail->text[0] == '\0')
		snprintf(fail->text, sizeof(fail->text), "%s", told->line);
}

/* What cannot be said in a file (a path that is no UTF-8) is found here. */
static int read_again(const struct config *config, const char *text, size_t len, struct fail *fail)
{
	struct config again = {.drivers = config->drivers, .file = strdup("saved")};
	struct fail why = {.text = ""};
	int error = again.file != NULL ? tree_read_yaml(again.file, text, len, &again.tree, &why) : -ENOMEM;

	if (error == 0)
		error = config_check(&again, &why);
	if (error == 0)
		config_tell_changes(config, &again, note_difference, &why);
	config_free(&again);
	if (error == 0 && why.text[0] == '\0')
		return 0;
	return fail_set(fail, error != 0 ? error : -EINVAL, "the configuration cannot be said in a file: %s", why.text);
}

int config_save(const struct config *config, char **text, size_t *len, struct fail *fail)
{
	FILE *to = open_memstream(text, len);
	int error;

	if (to == NULL)
		return fail_set(fail, -ENOMEM, "save: no memory");
	fprintf(to, "# What a vuswitch had when it was asked to save it; behind each, where that was from.\n");
	put_options(to, config);
	put_lists(to, config);
	if (fclose(to) != 0) {
		free(*text);
		*text = NULL;
		return fail_set(fail, -ENOMEM, "save: no memory");
	}
	error = read_again(config, *text, *len, fail);
	if (error != 0) {
		free(*text);
		*text = NULL;
	}
	return error;
}
