/* SPDX-License-Identifier: BSD-3-Clause */
/* config_state.c: what requests have added, in a file: JSON, as `ensure` takes it. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config_edit.h"
#include "config_private.h"
#include "config_save.h"
#include "replace_file.h"

static void add_list(json_t *whole, const struct config *config, const char *key)
{
	const struct tree_item *list = tree_find(config->requests, key);

	if (list != NULL)
		json_object_set_new(whole, key, tree_to_json(list->value));
}

int config_state_write(const char *file, const struct config *config, struct fail *fail)
{
	json_t *whole = json_object(), *ports = json_array();
	char *text;
	int error;

	add_list(whole, config, "profiles");
	add_list(whole, config, "bridges");
	for (unsigned int i = 0; i < config->ports_n; i++)
		if (config->ports[i].from == CONFIG_FROM_REQUEST)
			json_array_append_new(ports, config_port_to_entry(&config->ports[i]));
	json_object_set_new(whole, "ports", ports);
	text = json_dumps(whole, JSON_INDENT(1));
	json_decref(whole);
	error = text != NULL ? replace_file(file, text, strlen(text), fail) : fail_set(fail, -ENOMEM, "%s: no memory", file);
	free(text);
	return error;
}

static int read_json(const char *file, json_t **json, struct fail *fail)
{
	json_error_t error;
	struct stat st;

	/* To open a pipe would wait for its other end. */
	if (stat(file, &st) != 0)
		return fail_set(fail, -errno, "%s: %s", file, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail_set(fail, -EINVAL, "%s: this is no file", file);
	*json = json_load_file(file, JSON_REJECT_DUPLICATES, &error);
	return *json != NULL ? 0 : fail_set(fail, -EINVAL, "%s:%d: %s", file, error.line, error.text);
}

int config_state_read(const char *file, struct tree **requests, struct fail *fail)
{
	struct config_edit edit = {0};
	struct config config = {.tree = NULL};
	struct fail why;
	json_t *json = NULL;
	int error = read_json(file, &json, fail);

	*requests = NULL;
	if (error != 0)
		return error == -ENOENT ? 0 : error;
	error = config_edit_read_document(&edit, json, &why);
	if (error == 0)
		error = config_edit_apply(&edit, &config, &why);
	if (error == 0)
		*requests = config.requests;
	else
		fail_set(fail, error, "%s: %s", file, why.text);
	json_decref(json);
	config_edit_free(&edit);
	return error;
}

/* --- what was saved in the file meanwhile ------------------------------------------------------------------------ */

/* The entry of this name in the configuration, or NULL. */
static const struct tree *entry_of(const struct config *config, const char *key, const char *name)
{
	const struct config_profile *profile = strcmp(key, "profiles") == 0 ? config_find_profile(config, name) : NULL;
	const struct config_bridge *bridge = strcmp(key, "bridges") == 0 ? config_find_bridge(config, name) : NULL;
	const struct config_port *port = strcmp(key, "ports") == 0 ? config_find_port(config, name) : NULL;

	if (profile != NULL)
		return profile->entry.node;
	if (bridge != NULL)
		return bridge->node;
	return port != NULL ? port->node : NULL;
}

static bool is_same(const struct tree *one, const struct tree *other)
{
	json_t *a = tree_to_json(one), *b = tree_to_json(other);
	bool same = a != NULL && b != NULL && json_equal(a, b) != 0;

	json_decref(a);
	json_decref(b);
	return same;
}

static int add_rest(struct tree *rest, const struct tree_item *list, const struct config *config)
{
	struct tree *left = tree_new(TREE_LIST, 0);
	int error = left != NULL ? 0 : -ENOMEM;

	for (unsigned int i = 0; error == 0 && i < list->value->n; i++) {
		struct tree *node = list->value->item[i].value;
		const struct tree *there = entry_of(config, list->key, config_text_of(node, "name"));

		if (there == NULL || !is_same(node, there))
			error = tree_add(left, NULL, 0, tree_hold(node));
	}
	if (error == 0)
		return tree_add(rest, list->key, 0, left);
	tree_free(left);
	return error;
}

struct tree *config_state_rest(const struct tree *requests, const struct config *config)
{
	struct tree *rest = tree_new(TREE_MAP, 0);

	for (unsigned int i = 0; rest != NULL && i < requests->n; i++)
		if (add_rest(rest, &requests->item[i], config) != 0) {
			tree_free(rest);
			return NULL;
		}
	return rest;
}
