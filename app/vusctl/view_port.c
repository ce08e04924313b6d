/* SPDX-License-Identifier: BSD-3-Clause */
/* view_port.c: everything there is to say about one port. Its driver decides what that is: whatever it says is shown, so
 * that vusctl need not know every type of port. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "table.h"
#include "views.h"

enum { KEYS_MAX = 15 };

/* Shown in the heading or together, below. */
static const char *const told_elsewhere[] = {
	"name",	  "type",  "bridge",   "link",	  "id",	     "rx_ok",	 "rx_bytes",
	"copies", "tx_ok", "tx_bytes", "rx_drop", "tx_drop", "rx_drops", "tx_drops",
	"tx_checksummed", "tx_segmented", "tx_segments",
};

static void label(const char *key)
{
	char text[64];

	snprintf(text, sizeof(text), "%s", key);
	for (char *c = text; *c != '\0'; c++)
		if (*c == '_')
			*c = ' ';
	printf("  %-20s ", text);
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
	printf("\n");
	table_begin(titles);
	json_array_foreach((json_t *)list, i, entry)
	{
		for (size_t k = 0; k < n; k++) {
			char text[64];
			const json_t *cell = json_object_get(entry, titles[k]);

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
		printf("-");
	json_array_foreach((json_t *)list, i, entry)
	{
		char text[64];

		printf("%s%s", i > 0 ? " " : "", scalar(entry, text, sizeof(text)));
	}
	printf("\n");
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
		printf("%s%s %" JSON_INTEGER_FORMAT, separator, key, json_integer_value(value));
		separator = ", ";
	}
	printf("%s\n", separator[0] == '\0' ? "nothing" : "");
}

static void show_traffic(const json_t *port)
{
	bool vm = strcmp(text_of(port, "type"), "vhost-user") == 0;

	label(vm ? "from_guest" : "received");
	printf("%.0f frames, %sB", number_of(port, "rx_ok"), human(number_of(port, "rx_bytes")));
	if (number_of(port, "copies") > 0)
		printf(", and %.0f copies of flooded ones", number_of(port, "copies"));
	printf("\n");
	label("  dropped");
	show_reasons(json_object_get(port, "rx_drop"));
	label(vm ? "to_guest" : "sent");
	printf("%.0f frames, %sB", number_of(port, "tx_ok"), human(number_of(port, "tx_bytes")));
	if (number_of(port, "tx_checksummed") > 0)
		printf(", checksums of %.0f finished for it", number_of(port, "tx_checksummed"));
	if (number_of(port, "tx_segmented") > 0)
		printf(", %.0f cut up into %.0f", number_of(port, "tx_segmented"),
		       number_of(port, "tx_segmented") + number_of(port, "tx_segments"));
	printf("\n");
	label("  dropped");
	show_reasons(json_object_get(port, "tx_drop"));
}

static bool is_told_elsewhere(const char *key)
{
	for (size_t i = 0; i < sizeof(told_elsewhere) / sizeof(told_elsewhere[0]); i++)
		if (strcmp(told_elsewhere[i], key) == 0)
			return true;
	return false;
}

void view_port(const json_t *reply)
{
	const json_t *port = json_object_get(reply, "port"), *value;
	const char *key;

	printf("%s: %s on bridge %s, link %s\n", text_of(port, "name"), text_of(port, "type"),
	       text_of(port, "bridge"), text_of(port, "link"));
	json_object_foreach((json_t *)port, key, value)
	{
		char text[64];

		if (is_told_elsewhere(key))
			continue;
		if (json_is_array(value)) {
			show_list(key, value);
		} else if (json_is_object(value)) {
			label(key);
			show_reasons(value);
		} else {
			label(key);
			printf("%s\n", scalar(value, text, sizeof(text)));
		}
	}
	show_traffic(port);
}
