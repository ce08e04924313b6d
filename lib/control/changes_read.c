/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "changes_private.h"

static const struct {
	const char *command;
	enum config_edit_list list;
	enum config_edit_verb verb;
} edits[] = {
	{"profile.add", CONFIG_EDIT_PROFILES, CONFIG_EDIT_ADD},
	{"profile.set", CONFIG_EDIT_PROFILES, CONFIG_EDIT_SET},
	{"profile.remove", CONFIG_EDIT_PROFILES, CONFIG_EDIT_REMOVE},
	{"profile.ensure", CONFIG_EDIT_PROFILES, CONFIG_EDIT_ENSURE},
	{"port.add", CONFIG_EDIT_PORTS, CONFIG_EDIT_ADD},	{"port.set", CONFIG_EDIT_PORTS, CONFIG_EDIT_SET},
	{"port.remove", CONFIG_EDIT_PORTS, CONFIG_EDIT_REMOVE}, {"port.ensure", CONFIG_EDIT_PORTS, CONFIG_EDIT_ENSURE},
	{"bridge.add", CONFIG_EDIT_BRIDGES, CONFIG_EDIT_ADD},	{"bridge.set", CONFIG_EDIT_BRIDGES, CONFIG_EDIT_SET},
	{"bridge.remove", CONFIG_EDIT_BRIDGES, CONFIG_EDIT_REMOVE},
	{"bridge.ensure", CONFIG_EDIT_BRIDGES, CONFIG_EDIT_ENSURE},
};
enum { EDITS = sizeof(edits) / sizeof(edits[0]) };

static int edit_of(const char *command)
{
	for (int i = 0; i < (int)EDITS; i++)
		if (strcmp(edits[i].command, command) == 0)
			return i;
	return -1;
}

bool changes_has(const char *command)
{
	return changes_changes(command) || strcmp(command, "save") == 0;
}

bool changes_changes(const char *command)
{
	return edit_of(command) >= 0 || change_is_act(command) || strcmp(command, "ensure") == 0 ||
	       strcmp(command, "reload") == 0;
}

int change_check_members(const json_t *request, const char *command, const char *const *members, unsigned int n,
			 struct fail *fail)
{
	const char *key;
	char known[128] = "";
	json_t *value;

	for (unsigned int i = 0; i < n && members[i] != NULL; i++)
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s, ", members[i]);
	json_object_foreach((json_t *)(uintptr_t)request, key, value)
	{
		bool has = strcmp(key, "command") == 0 || strcmp(key, "dry-run") == 0;

		for (unsigned int i = 0; i < n && members[i] != NULL; i++)
			has = has || strcmp(key, members[i]) == 0;
		if (!has)
			return fail_set(fail, -EINVAL, "%s has no \"%.64s\"; there are %scommand and dry-run", command, key,
					known);
	}
	value = json_object_get(request, "dry-run");
	if (value != NULL && !json_is_boolean(value))
		return fail_set(fail, -EINVAL, "dry-run has to be true or false");
	return 0;
}

static int check_members(const json_t *request, const char *command, const char *one, struct fail *fail)
{
	return change_check_members(request, command, &one, 1, fail);
}

static int read_edit(struct change *change, const json_t *request, int i, struct fail *fail)
{
	bool removes = edits[i].verb == CONFIG_EDIT_REMOVE;
	const char *kind = config_edit_kinds[edits[i].list], *member = removes ? "name" : kind;
	const json_t *value = json_object_get(request, member);
	int error = check_members(request, edits[i].command, member, fail);

	if (error != 0)
		return error;
	if (value == NULL)
		return fail_set(fail, -EINVAL, "which %s? the request has no \"%s\"", kind, member);
	error = config_edit_add(&change->edit, edits[i].list, edits[i].verb, removes ? json_string_value(value) : NULL,
				removes ? NULL : value, fail);
	if (error == 0)
		snprintf(change->what, sizeof(change->what), "%s %.64s", edits[i].command, change->edit.item[0].name);
	return error;
}

int change_read(struct change *change, const json_t *request, struct fail *fail)
{
	const char *command = json_string_value(json_object_get(request, "command"));
	int i = edit_of(command), error;

	change->dry_run = json_is_true(json_object_get(request, "dry-run"));
	snprintf(change->what, sizeof(change->what), "%s", command);
	if (i >= 0)
		return read_edit(change, request, i, fail);
	if (change_is_act(command))
		return change_act_read(change, request, fail);
	change->reloads = strcmp(command, "reload") == 0;
	change->saves = strcmp(command, "save") == 0;
	if (change->reloads || change->saves)
		return check_members(request, command, NULL, fail);
	error = check_members(request, command, "config", fail);
	if (error == 0)
		error = config_edit_read_document(&change->edit, json_object_get(request, "config"), fail);
	snprintf(change->what, sizeof(change->what), "ensure of %u ports, bridges and profiles", change->edit.n);
	return error;
}
