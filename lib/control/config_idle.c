/* SPDX-License-Identifier: BSD-3-Clause */
/* config_idle.c: options that are written and have no effect, each in a line. */
#include <stdio.h>
#include <string.h>

#include "config_private.h"

enum { LINE_BYTES_MAX = 1024 };

/* "rate-from-vm or packets-from-vm", "bpdu-guard: close". */
static void needs_text(const char *needs, char *text, size_t size)
{
	const char *key;
	size_t len, n = 0;

	text[0] = '\0';
	while (option_needs_next(&needs, &key, &len) && n < size) {
		size_t name = strcspn(key, "=,");

		n += (size_t)snprintf(text + n, size - n, "%s%.*s", n > 0 ? " or " : "", (int)name, key);
		if (name < len && n < size)
			n += (size_t)snprintf(text + n, size - n, ": %.*s", (int)(len - name - 1), key + name + 1);
	}
}

static void tell_row(const struct option_entry *entry, const struct option_row *row, config_tell_line tell, void *arg)
{
	char line[LINE_BYTES_MAX], needs[128];

	needs_text(row->needs, needs, sizeof(needs));
	snprintf(line, sizeof(line), "%s: %s%s%s has no effect without %s%s; add that, or remove it",
		 option_place(entry, row->key).text, entry->what != NULL ? entry->what : "", entry->what != NULL ? ": " : "",
		 row->key, needs, row->needs_of != NULL ? " on its bridge" : "");
	tell(arg, line);
}

/* Of the first of the parts. */
static void tell_idle(const struct option_entry *entry, const struct option_part *parts, unsigned int parts_n,
		      config_tell_line tell, void *arg)
{
	for (uint64_t bits = option_idle(parts, parts_n); bits != 0; bits &= bits - 1)
		tell_row(entry, &parts[0].table->row[__builtin_ctzll(bits)], tell, arg);
}

static void tell_idle_switch(const struct config *config, config_tell_line tell, void *arg)
{
	const struct option_part part = {.table = &switch_options, .values = (void *)(uintptr_t)&config->options};

	for (uint64_t bits = option_idle(&part, 1); bits != 0; bits &= bits - 1) {
		const struct option_row *row = &switch_options.row[__builtin_ctzll(bits)];
		const struct option_entry entry = config_top_entry(config, row->key);

		tell_row(&entry, row, tell, arg);
	}
}

static void tell_idle_port(const struct config *config, const struct config_port *port, config_tell_line tell, void *arg)
{
	const struct config_profile *profile = config_profile_of(config, port->node);
	const struct config_bridge *bridge = config_find_bridge(config, port->member.bridge);
	char what[64];
	const struct option_entry entry = {.what = what,
					   .list = "ports",
					   .source = port->source,
					   .node = port->node,
					   .profile = profile != NULL ? &profile->entry : NULL};
	struct option_part parts[] = {
		{.table = &bridge_port_options, .values = (void *)(uintptr_t)&port->member},
		{.table = &bridge_options, .values = (void *)(uintptr_t)&bridge->options},
	};

	snprintf(what, sizeof(what), "port %s", port->name);
	tell_idle(&entry, parts, 2, tell, arg);
	parts[0] = (struct option_part){.table = port->driver->options, .values = port->options};
	tell_idle(&entry, parts, 1, tell, arg);
}

static void tell_idle_bridge(const struct config *config, const struct config_bridge *bridge, config_tell_line tell, void *arg)
{
	const struct option_part part = {.table = &bridge_options, .values = (void *)(uintptr_t)&bridge->options};
	char what[64];
	const struct option_entry entry = {.what = what,
					   .list = "bridges",
					   .source = bridge->from == CONFIG_FROM_REQUEST ? CONFIG_REQUEST_SOURCE : config->file,
					   .node = bridge->node};

	snprintf(what, sizeof(what), "bridge %s", bridge->name);
	if (!bridge->implied)
		tell_idle(&entry, &part, 1, tell, arg);
}

void config_tell_idle(const struct config *config, config_tell_line tell, void *arg)
{
	tell_idle_switch(config, tell, arg);
	for (unsigned int i = 0; i < config->bridges_n; i++)
		tell_idle_bridge(config, &config->bridges[i], tell, arg);
	for (unsigned int i = 0; i < config->ports_n; i++)
		tell_idle_port(config, &config->ports[i], tell, arg);
}

void config_tell_idle_of(const struct config *config, const char *port, config_tell_line tell, void *arg)
{
	const struct config_port *found = config_find_port(config, port);

	if (found != NULL)
		tell_idle_port(config, found, tell, arg);
}
