/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "changes_private.h"

static bool changes_profile(const struct config_edit_item *item)
{
	return item->list == CONFIG_EDIT_PROFILES && item->before != NULL && item->after != NULL && item->before != item->after;
}

static bool has_profile(const struct config_port *port, const char *name)
{
	return port->profile != NULL && strcmp(port->profile, name) == 0;
}

static int add_other(struct change *change, const char *name)
{
	char *copy = strdup(name);

	if (copy == NULL)
		return -ENOMEM;
	change->others[change->others_n++] = copy;
	return 0;
}

int change_find_others(struct change *change, const struct config *config, struct fail *fail)
{
	struct names edited = {0}, profiles = {0};
	int error = 0;

	for (unsigned int i = 0; error == 0 && i < change->edit.n; i++) {
		const struct config_edit_item *item = &change->edit.item[i];

		if (item->list == CONFIG_EDIT_PORTS || changes_profile(item))
			error = names_add(item->list == CONFIG_EDIT_PORTS ? &edited : &profiles, item->name, i);
		if (error == -EEXIST)
			error = 0;
	}
	if (error == 0 && profiles.all != NULL)
		change->others = calloc(config->ports_n + 1, sizeof(*change->others));
	if (profiles.all != NULL && change->others == NULL)
		error = -ENOMEM;
	for (unsigned int i = 0; error == 0 && profiles.all != NULL && i < config->ports_n; i++) {
		const struct config_port *port = &config->ports[i];

		if (port->profile != NULL && names_find(&profiles, port->profile) >= 0 && names_find(&edited, port->name) < 0)
			error = add_other(change, port->name);
	}
	names_clear(&edited);
	names_clear(&profiles);
	return error == 0 ? 0 : fail_set(fail, error, "request: no memory");
}

void change_free_others(struct change *change)
{
	for (unsigned int i = 0; i < change->others_n; i++)
		free(change->others[i]);
	free(change->others);
	change->others = NULL;
	change->others_n = 0;
}

bool change_profile_has_failed(const struct change *change, unsigned int i)
{
	const struct config_edit_item *item = &change->edit.item[i];
	const struct config *config = switch_config(change->sw);

	for (unsigned int j = 0; changes_profile(item) && j < config->ports_n; j++)
		if (has_profile(&config->ports[j], item->name) &&
		    switch_port_progress(change->sw, config->ports[j].name, NULL) == SWITCH_FAILED)
			return true;
	return false;
}
