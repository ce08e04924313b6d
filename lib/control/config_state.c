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
