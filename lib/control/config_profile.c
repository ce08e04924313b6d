/* SPDX-License-Identifier: BSD-3-Clause */
/* config_profile.c: the profiles of a configuration: sets of options that ports refer to. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "config_private.h"

static const struct option_row profile_name_rows[] = {
	{.key = "name", .kind = OPTION_TEXT, .offset = offsetof(struct config_profile, name), .value = "NAME",
	 .needed = "add it", .help = "up to 31 letters, digits, dots, dashes and underscores"},
	{.key = "type", .kind = OPTION_TEXT, .offset = offsetof(struct config_profile, type), .value = "TYPE",
	 .help = "the type of the ports that it is for"},
};
const struct option_table config_profile_names = OPTION_TABLE(profile_name_rows, struct config_profile);

void config_profiles_clear(struct config *config)
{
	for (unsigned int i = 0; i < config->profiles_n; i++) {
		struct config_profile *profile = &config->profiles[i];

		for (unsigned int j = 0; j < CONFIG_DRIVERS_MAX; j++) {
			if (profile->options[j] != NULL)
				option_clear(config->drivers[j]->options, profile->options[j]);
			free(profile->options[j]);
		}
		option_clear(&bridge_port_options, &profile->member);
		option_clear(&config_profile_names, profile);
	}
	free(config->profiles);
	config->profiles = NULL;
	config->profiles_n = 0;
	names_clear(&config->profile_names);
}

/* --- reading ---------------------------------------------------------------------------------------------------- */

/* Room for one more, with the defaults. NULL: no memory. */
static struct config_profile *add_profile(struct config *config)
{
	struct config_profile *profile;

	if (config_grow((void **)&config->profiles, config->profiles_n, sizeof(*profile)) != 0)
		return NULL;
	profile = &config->profiles[config->profiles_n++];
	if (option_init(&config_profile_names, profile) != 0 || option_init(&bridge_port_options, &profile->member) != 0)
		return NULL;
	for (unsigned int i = 0; config->drivers[i] != NULL; i++) {
		profile->options[i] = calloc(1, config->drivers[i]->options->size);
		if (profile->options[i] == NULL || option_init(config->drivers[i]->options, profile->options[i]) != 0)
			return NULL;
	}
	return profile;
}

/* What is each port's own, and the profile of a profile. */
static int check_keys(const struct config *config, const struct option_entry *entry, struct fail *fail)
{
	if (tree_find(entry->node, "profile") != NULL)
		return option_fail(fail, -EINVAL, entry, "profile",
				   "a profile refers to no other one; write here what that one says, and remove it");
	for (unsigned int i = 0; config->drivers[i] != NULL; i++) {
		const char *own = config->drivers[i]->options->row[0].key;

		if (tree_find(entry->node, own) != NULL)
			return option_fail(fail, -EINVAL, entry, own, "%s is each port's own; write it there, and remove it here",
					   own);
	}
	return 0;
}

/* By the tables: those of one type of ports, or of all of them. */
static int read_options(const struct config *config, struct config_profile *profile, const struct option_entry *entry,
			struct fail *fail)
{
	struct option_part parts[2 + CONFIG_DRIVERS_MAX] = {
		{.table = &config_profile_names, .values = profile},
		{.table = &bridge_port_options, .values = &profile->member},
	};
	const char *type = config_text_of(entry->node, "type");
	const struct port_driver *only;
	unsigned int n = 2;
	char known[128];

	only = config_driver_of(config, type, known, sizeof(known));
	if (type[0] != '\0' && only == NULL)
		return option_fail(fail, -EINVAL, entry, "type", "type \"%s\" is not known; use %s", type, known);
	for (unsigned int i = 0; config->drivers[i] != NULL; i++)
		if (only == NULL || only == config->drivers[i])
			parts[n++] = (struct option_part){
				.table = config->drivers[i]->options, .values = profile->options[i], .partial = true};
	return option_read(entry, parts, n, fail);
}

static int fail_same_profile(const struct config *config, const struct config_profile *profile, struct fail *fail)
{
	const struct config_profile *first = config_find_profile(config, profile->name);

	if (profile->from == first->from && profile->from == CONFIG_FROM_FILE)
		return fail_set(fail, -EEXIST, "%s: profile %s is listed twice, first at line %u; remove or rename one",
				option_place(&profile->entry, "name").text, profile->name, first->entry.node->line);
	return fail_set(fail, -EEXIST, "%s: profile %s is here, and is a request's as well; remove it here or there",
			option_place(&first->entry, "name").text, profile->name);
}

static int read_profile(struct config *config, const struct tree *node, enum config_from from, struct fail *fail)
{
	const char *name = config_text_of(node, "name");
	struct config_profile *profile = add_profile(config);
	struct option_entry entry = {
		.list = "profiles", .source = from == CONFIG_FROM_REQUEST ? CONFIG_REQUEST_SOURCE : config->file, .node = node};
	char what[64];
	int error = 0;

	if (profile == NULL)
		return fail_set(fail, -ENOMEM, "profile %s: no memory", name);
	profile->from = from;
	profile->entry = entry;
	snprintf(what, sizeof(what), "%s%s", name[0] != '\0' ? "profile " : "this profile", name);
	entry.what = what;
	if (node->kind == TREE_MAP)
		error = check_keys(config, &entry, fail);
	if (error == 0)
		error = read_options(config, profile, &entry, fail);
	if (error == 0)
		error = config_check_name("profile", "name", profile->name, &entry, fail);
	if (error != 0)
		return error;
	error = names_add(&config->profile_names, profile->name, config->profiles_n - 1);
	if (error == -EEXIST)
		return fail_same_profile(config, profile, fail);
	return error == 0 ? 0 : fail_set(fail, error, "profile %s: no memory", name);
}

int config_profiles_read(struct config *config, struct fail *fail)
{
	const struct tree *list = config->options.profiles;
	const struct tree_item *more = tree_find(config->requests, "profiles");
	int error = 0;

	for (unsigned int i = 0; error == 0 && list != NULL && i < list->n; i++)
		error = read_profile(config, list->item[i].value, CONFIG_FROM_FILE, fail);
	for (unsigned int i = 0; error == 0 && more != NULL && i < more->value->n; i++)
		error = read_profile(config, more->value->item[i].value, CONFIG_FROM_REQUEST, fail);
	return error;
}

/* --- whose they are --------------------------------------------------------------------------------------------- */

const struct config_profile *config_profile_of(const struct config *config, const struct tree *port)
{
	const char *name = config_text_of(port, "profile");

	return name[0] != '\0' ? config_find_profile(config, name) : NULL;
}

int config_profile_check(const struct config *config, enum config_from from, const struct option_entry *port,
			 struct fail *fail)
{
	const struct config_profile *profile = config_profile_of(config, port->node);
	const char *name = config_text_of(port->node, "profile");

	if (tree_find(port->node, "profile") == NULL || (profile != NULL && profile->from != CONFIG_FROM_REQUEST))
		return 0;
	/* What the file says has to hold without requests. */
	if (profile != NULL && from == CONFIG_FROM_REQUEST)
		return 0;
	if (profile != NULL)
		return option_fail(fail, -ENOENT, port, "profile",
				   "profile %s is a request's, and not there at the next start; list it beside the port", name);
	if (from == CONFIG_FROM_REQUEST)
		return option_fail(fail, -ENOENT, port, "profile",
				   "there is no profile \"%s\"%s; add it first, or give the port another one", name,
				   config_like_profile(config, name).text);
	return option_fail(fail, -ENOENT, port, "profile",
			   "there is no profile \"%s\"%s; add it under profiles:, or remove it here", name,
			   config_like_profile(config, name).text);
}

void config_profiles_to_json(const struct config *config, json_t *list)
{
	for (unsigned int i = 0; i < config->profiles_n; i++) {
		const struct config_profile *profile = &config->profiles[i];
		json_t *object = json_object();

		option_given_to_json(&config_profile_names, profile, object);
		option_given_to_json(&bridge_port_options, &profile->member, object);
		for (unsigned int j = 0; config->drivers[j] != NULL; j++)
			option_given_to_json(config->drivers[j]->options, profile->options[j], object);
		json_array_append_new(list, object);
	}
}
