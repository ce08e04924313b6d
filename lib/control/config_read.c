/* SPDX-License-Identifier: BSD-3-Clause */
/* config_read.c: a file, JSON and the command line become trees. What is in them is for config_check(). */
#include "config.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "config_private.h"
#include "config_text.h"

/* --- a file, or JSON -------------------------------------------------------------------------------------------- */

/* An editor may just be writing the file: one that is empty must not remove every port. */
static int fail_empty(const char *file, struct fail *fail)
{
	return fail_set(fail, -ENODATA, "%s:1: there is nothing in this file; to have no ports, write \"ports: []\"",
			file);
}

int config_read_file(struct config *config, const char *file, struct fail *fail)
{
	int error = config_text_read(file, &config->text, &config->text_len, fail);

	if (error != 0) {
		config->text = NULL;
		return error;
	}
	config->file = strdup(file);
	if (config->file == NULL)
		return fail_set(fail, -ENOMEM, "%s: no memory", file);
	error = tree_read_yaml(config->file, config->text, config->text_len, &config->tree, fail);
	if (error == -ENODATA || (error == 0 && config->tree->nothing))
		return fail_empty(file, fail);
	return error;
}

int config_read_json(struct config *config, const char *source, const json_t *json, struct fail *fail)
{
	config->file = strdup(source);
	config->tree = tree_from_json(json);
	if (config->file != NULL && config->tree != NULL)
		return 0;
	return fail_set(fail, -ENOMEM, "%s: no memory", source);
}

/* --- the command line ------------------------------------------------------------------------------------------- */

static int add_text(struct tree *node, const char *key, const char *value)
{
	return tree_add(node, key, 0, tree_text(value, 0));
}

/* Room for one more; its source is "OPTION VALUE", or OPTION alone. */
static struct config_typed *config_read_add_typed(struct config *config, const char *option, const char *value)
{
	struct config_typed *typed = realloc(config->typed, (config->typed_n + 1) * sizeof(*typed));
	struct config_typed *last;

	if (typed == NULL)
		return NULL;
	config->typed = typed;
	last = &typed[config->typed_n];
	*last = (struct config_typed){.node = tree_new(TREE_MAP, 0)};
	if (asprintf(&last->source, "%s%s%s", option, value != NULL ? " " : "", value != NULL ? value : "") < 0)
		last->source = NULL;
	if (last->node != NULL && last->source != NULL) {
		config->typed_n++;
		return last;
	}
	tree_free(last->node);
	free(last->source);
	return NULL;
}

static bool config_read_knows(const struct port_driver *driver, const char *key)
{
	return option_bit(driver->options, key) != 0 || option_bit(&bridge_port_options, key) != 0 ||
	       (option_bit(&config_port_names, key) & option_live(&config_port_names)) != 0;
}

/* The key that may have been meant, or NULL. */
static const char *config_read_like(const struct port_driver *driver, const char *key)
{
	const char *like = option_like(driver->options, key);

	return like != NULL ? like : option_like(&bridge_port_options, key);
}

/* What may follow the first comma. */
static int config_read_fail_unknown(const struct port_driver *driver, const char *source, const char *key, struct fail *fail)
{
	const struct option_table *tables[] = {driver->options, &bridge_port_options, &config_port_names};
	const char *like = config_read_like(driver, key);
	char usage[448] = "", value[96];
	size_t at = 0;

	for (unsigned int t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (unsigned int i = 0; i < tables[t]->n && at < sizeof(usage); i++) {
			if (!config_read_knows(driver, tables[t]->row[i].key) || (t == 0 && i == 0))
				continue;
			option_value_usage(&tables[t]->row[i], value, sizeof(value));
			at += (size_t)snprintf(usage + at, sizeof(usage) - at, "%s%s=%s", at > 0 ? ", " : "",
					       tables[t]->row[i].key, value);
		}
	return fail_set(fail, -EINVAL, "%s: \"%s\" is not known%s%s%s; after the first comma go %s", source, key,
			like != NULL ? "; did you mean " : "", like != NULL ? like : "", like != NULL ? "?" : "", usage);
}

/* Adds ",key=value" to the text of what the port is made of. */
static int add_argument(char **thing, const char *key, const char *value)
{
	char *longer;

	if (asprintf(&longer, "%s,%s%s%s", *thing, key, value[0] != '\0' ? "=" : "", value) < 0)
		return -ENOMEM;
	free(*thing);
	*thing = longer;
	return 0;
}

/* `rest` is key=value[,key=value]... and is cut up. What is an argument of the thing is added to it. */
static int read_pairs(const struct port_driver *driver, const struct config_typed *typed, char *rest, char **thing,
		      struct fail *fail)
{
	char *pair;

	while ((pair = strsep(&rest, ",")) != NULL) {
		char *value = strchr(pair, '=');
		int error;

		if (value != NULL)
			*value++ = '\0';
		if (!config_read_knows(driver, pair) && !driver->arguments)
			return config_read_fail_unknown(driver, typed->source, pair, fail);
		/* DPDK's drivers may ignore every argument for the sake of an unknown one. */
		if (!config_read_knows(driver, pair) && config_read_like(driver, pair) != NULL)
			return fail_set(fail, -EINVAL, "%s: \"%s\" is not known; did you mean %s?", typed->source, pair,
					config_read_like(driver, pair));
		if (config_read_knows(driver, pair))
			error = add_text(typed->node, pair, value != NULL ? value : "");
		else
			error = add_argument(thing, pair, value != NULL ? value : "");
		if (error != 0)
			return fail_set(fail, error, "%s: no memory", typed->source);
	}
	return 0;
}

/* `text` is NAME=THING[,key=value]... and is cut up. */
static int config_read_port(const struct port_driver *driver, const struct config_typed *typed,
			    char *text, struct fail *fail)
{
	const char *made_of = driver->options->row[0].key;
	char *rest = text, *first = strsep(&rest, ",");
	char *equals = strchr(first, '='), *thing;
	int error;

	if (equals == NULL || equals == first || equals[1] == '\0')
		return fail_set(fail, -EINVAL, "%s: a name and a %s are needed, as in %s %s", typed->source, made_of,
				driver->option, driver->example);
	*equals = '\0';
	thing = strdup(equals + 1);
	if (thing == NULL || add_text(typed->node, "name", first) != 0 ||
	    add_text(typed->node, "type", driver->type) != 0) {
		free(thing);
		return fail_set(fail, -ENOMEM, "%s: no memory", typed->source);
	}
	error = read_pairs(driver, typed, rest, &thing, fail);
	if (error == 0 && add_text(typed->node, made_of, thing) != 0)
		error = fail_set(fail, -ENOMEM, "%s: no memory", typed->source);
	free(thing);
	return error;
}

int config_add_port(struct config *config, const char *option, const char *value, struct fail *fail)
{
	const struct port_driver *const *driver = config->drivers;
	struct config_typed *typed;
	char *text;
	int error;

	while (*driver != NULL && strcmp((*driver)->option, option) != 0)
		driver++;
	if (*driver == NULL)
		return fail_set(fail, -EINVAL, "%s: this vuswitch has no such ports", option);
	typed = config_read_add_typed(config, option, value);
	text = strdup(value);
	if (typed == NULL || text == NULL) {
		free(text);
		return fail_set(fail, -ENOMEM, "%s %s: no memory", option, value);
	}
	typed->is_port = true;
	error = config_read_port(*driver, typed, text, fail);
	free(text);
	return error;
}

int config_share(struct config *to, const struct config *from, struct fail *fail)
{
	bool complete = true;

	*to = (struct config){
		.drivers = from->drivers,
		.file = from->file != NULL ? strdup(from->file) : NULL,
		.in_place_of = from->in_place_of != NULL ? strdup(from->in_place_of) : NULL,
		.tree = tree_hold(from->tree),
		.typed = calloc(from->typed_n + 1, sizeof(*to->typed)),
		.requests = tree_hold(from->requests),
		.known = calloc(from->ports_n + 1, sizeof(*to->known)),
	};
	complete = (to->file != NULL) == (from->file != NULL) &&
		   (to->in_place_of != NULL) == (from->in_place_of != NULL) && to->typed != NULL &&
		   to->known != NULL;
	for (; complete && to->known_n < from->ports_n; to->known_n++)
		config_port_share(&to->known[to->known_n], &from->ports[to->known_n]);
	for (unsigned int i = 0; complete && i < from->typed_n; i++) {
		struct config_typed *typed = &to->typed[to->typed_n++];

		*typed = (struct config_typed){
			.source = strdup(from->typed[i].source),
			.node = tree_hold(from->typed[i].node),
			.is_port = from->typed[i].is_port,
		};
		complete = typed->source != NULL;
	}
	if (complete)
		return 0;
	config_free(to);
	return fail_set(fail, -ENOMEM, "configuration: no memory");
}

int config_set(struct config *config, const char *key, const char *value, struct fail *fail)
{
	struct config_typed *typed;
	char option[64];

	snprintf(option, sizeof(option), "--%s", key);
	typed = config_read_add_typed(config, "command line", NULL);
	if (typed != NULL && add_text(typed->node, key, value) == 0)
		return 0;
	return fail_set(fail, -ENOMEM, "%s %s: no memory", option, value);
}
