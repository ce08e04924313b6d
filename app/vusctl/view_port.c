/* SPDX-License-Identifier: BSD-3-Clause */
/* view_port.c: everything there is to say about one port. Its driver decides what that is: whatever it says is shown, so
 * that vusctl need not know every type of port. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "out.h"
#include "port_counters.h"
#include "table.h"
#include "units.h"
#include "views.h"

enum { KEYS_MAX = 15, VALUE_COLUMN = 23 };

/* Shown in the heading. Counters are shown together, below. */
static const char *const in_heading[] = {
	"name", "type", "bridge", "link", "id",
};

static void label(const char *key)
{
	char text[64];

	snprintf(text, sizeof(text), "%s", key);
	for (char *c = text; *c != '\0'; c++)
		if (*c == '_')
			*c = ' ';
	put("  %-20s ", text);
	put_hang(VALUE_COLUMN);
}

/* What a key says of its value's unit. */
static const struct {
	const char *suffix;
	double seconds;
} units[] = {{"_ms", 1e-3}, {"_us", 1e-6}, {"_ns", 1e-9}};

/* "memory_wait_ms": 12 is shown as a time, below a label without the unit. Whether it is one. */
static bool show_time(const char *key, const json_t *value)
{
	size_t len = strlen(key);
	char name[64];

	if (!json_is_number(value) || len >= sizeof(name))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t suffix = strlen(units[i].suffix);

		if (len <= suffix || strcmp(key + len - suffix, units[i].suffix) != 0)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(len - suffix), key);
		label(name);
		put("%s\n", time_text(json_number_value(value) * units[i].seconds));
		return true;
	}
	return false;
}

static const char *scalar(const json_t *value, char *text, size_t size)
{
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_boolean(value))
		return json_is_true(value) ? "yes" : "no";
	if (json_is_null(value))
		return "-";
	if (json_is_integer(value))
		snprintf(text, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else
		snprintf(text, size, "%.2f", json_real_value(value));
	return text;
}

/* Objects of one kind: their keys are the columns. */
static void show_table(const char *key, const json_t *list)
{
	const char *titles[KEYS_MAX + 1] = {NULL}, *name;
	const json_t *entry, *value;
	size_t i, n = 0;

	json_object_foreach(json_array_get(list, 0), name, value)
	{
		if (n < KEYS_MAX)
			titles[n++] = name;
	}
	label(key);
	put("\n");
	table_begin(titles);
	json_array_foreach((json_t *)list, i, entry)
	{
		for (size_t k = 0; k < n; k++) {
			char text[64];
			const json_t *cell = json_object_get(entry, titles[k]);

			if (json_is_number(cell))
				table_number(json_number_value(cell), scalar(cell, text, sizeof(text)));
			else
				table_cell("%s", cell != NULL ? scalar(cell, text, sizeof(text)) : "-");
		}
	}
	table_end("    ");
}

static void show_list(const char *key, const json_t *list)
{
	const json_t *entry;
	size_t i;

	if (json_is_object(json_array_get(list, 0))) {
		show_table(key, list);
		return;
	}
	label(key);
	if (json_array_size(list) == 0)
		put("-");
	json_array_foreach((json_t *)list, i, entry)
	{
		char text[64];

		put("%s%s", i > 0 ? " " : "", scalar(entry, text, sizeof(text)));
	}
	put("\n");
}

/* "no_buffer 144960, too_big 3": the reasons that happened. */
static void show_reasons(const json_t *reasons)
{
	const char *key, *separator = "";
	const json_t *value;

	json_object_foreach((json_t *)reasons, key, value)
	{
		if (json_integer_value(value) == 0)
			continue;
		put("%s%s %" JSON_INTEGER_FORMAT, separator, key, json_integer_value(value));
		separator = ", ";
	}
	put("%s\n", separator[0] == '\0' ? "nothing" : "");
}

/* "1200 frames", "98.1 kB", "40 copies", "3 checksummed". */
static void show_counter(const struct port_counter *counter, double value)
{
	const char *name = counter->name, *word = name;

	if (strncmp(name, "rx_", 3) == 0 || strncmp(name, "tx_", 3) == 0)
		word = name + 3;
	if (strcmp(word, "bytes") == 0)
		put("%sB", human(value));
	else
		put("%.0f %s", value, strcmp(word, "ok") == 0 ? counter->unit : word);
}

/* One side's counters, as far as they are not zero, and a line for its drops; other groups of reasons if there are any. */
static void show_side(const json_t *port, enum port_side side, const char *title)
{
	const struct port_counter_group *group = NULL;
	const char *separator = "";

	label(title);
	for (int i = 0; i < PORT_COUNTERS; i++) {
		const struct port_counter *counter = &port_counter_table[i];
		double value = number_of(port, counter->name);

		if (counter->group != NULL || counter->side != side || value == 0)
			continue;
		put("%s", separator);
		show_counter(counter, value);
		separator = ", ";
	}
	put("%s\n", separator[0] == '\0' ? "nothing" : "");
	for (int i = 0; i < PORT_COUNTERS; i++) {
		const struct port_counter *counter = &port_counter_table[i];
		char text[64];
		bool first;

		if (counter->side != side || counter->group == group)
			continue;
		first = group == NULL;
		group = counter->group;
		if (!first && number_of(port, group->total) == 0)
			continue;
		snprintf(text, sizeof(text), "  %s", group->name);
		label(text);
		show_reasons(json_object_get(port, group->name));
	}
}

/* "REM_MEM_REG, lcores to pass": the request that is to be answered, and the steps before that. */
static void show_waiting(const json_t *waiting)
{
	const char *request = json_string_value(json_object_get(waiting, "request"));
	const char *separator = request != NULL ? ", " : "";
	const json_t *step;
	size_t i;

	put("%s", request != NULL ? request : "");
	json_array_foreach(json_object_get(waiting, "for"), i, step)
	{
		put("%s%s", separator, json_string_value(step));
		separator = ", ";
	}
	put("\n");
}

/* "mode server, queues 1, postcopy on": as they are written in a configuration. */
static void show_options(const json_t *options)
{
	const char *key, *separator = "";
	const json_t *value;
	char text[64];

	json_object_foreach((json_t *)options, key, value)
	{
		if (json_is_boolean(value))
			snprintf(text, sizeof(text), "%s", json_is_true(value) ? "on" : "off");
		put("%s%s %s", separator, key, json_is_boolean(value) ? text : scalar(value, text, sizeof(text)));
		separator = ", ";
	}
	put("\n");
}

static void show_traffic(const json_t *port)
{
	bool vm = strcmp(text_of(port, "type"), "vhost-user") == 0;

	show_side(port, PORT_RX, vm ? "from_guest" : "received");
	show_side(port, PORT_TX, vm ? "to_guest" : "sent");
}

static bool is_counter(const char *key)
{
	for (int i = 0; i < PORT_COUNTERS; i++) {
		const struct port_counter *counter = &port_counter_table[i];

		if (counter->group == NULL ? strcmp(key, counter->name) == 0 :
		    strcmp(key, counter->group->name) == 0 || strcmp(key, counter->group->total) == 0)
			return true;
	}
	return false;
}

static bool is_shown_elsewhere(const char *key)
{
	for (size_t i = 0; i < sizeof(in_heading) / sizeof(in_heading[0]); i++)
		if (strcmp(in_heading[i], key) == 0)
			return true;
	return is_counter(key);
}

void view_port(const struct replies *replies)
{
	const json_t *port = json_object_get(replies->now[0], "port"), *value;
	const char *key, *link = text_of(port, "link");

	put(MARK_TITLE "%s" MARK_PLAIN ": %s on bridge %s, link %s%s" MARK_PLAIN "\n", text_of(port, "name"),
	    text_of(port, "type"), text_of(port, "bridge"), strcmp(link, "up") == 0 ? MARK_GOOD : MARK_WARN, link);
	json_object_foreach((json_t *)port, key, value)
	{
		char text[64];

		if (is_shown_elsewhere(key))
			continue;
		if (json_is_array(value)) {
			show_list(key, value);
		} else if (json_is_object(value)) {
			label(key);
			if (strcmp(key, "waiting") == 0)
				show_waiting(value);
			else if (strcmp(key, "options") == 0)
				show_options(value);
			else
				show_reasons(value);
		} else if (!show_time(key, value)) {
			label(key);
			put("%s\n", scalar(value, text, sizeof(text)));
		}
	}
	show_traffic(port);
}
