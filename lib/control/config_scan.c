/* SPDX-License-Identifier: BSD-3-Clause */
#include "config_scan.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

enum {
	/* static-macs: a file, a list, a bridge, a list, an address. */
	DEPTH_MAX = 16,
	ANCHORS_MAX = 64,
	ANCHOR_BYTES = 64,
	/* Values, with what aliases stand for: a file of 1 MiB without any has fewer. */
	VALUES_MAX = 1 << 20,
};

/* A name for a part of the text, and how many values that part holds. */
struct anchor {
	char name[ANCHOR_BYTES];
	size_t values;
	unsigned int depth; /* still open at this depth; 0: complete */
};

struct scan {
	const char *file;
	struct fail *fail;
	unsigned int documents, depth, anchors_n;
	size_t values;
	struct anchor anchors[ANCHORS_MAX];
};

static int refuse(struct scan *scan, const yaml_event_t *event, const char *what)
{
	return fail_set(scan->fail, -EINVAL, "%s:%zu: %s", scan->file, event->start_mark.line + 1,
			what);
}

static struct anchor *find_anchor(struct scan *scan, const yaml_char_t *name)
{
	/* Of two with one name the last one counts. */
	for (unsigned int i = scan->anchors_n; i > 0; i--)
		if (strncmp(scan->anchors[i - 1].name, (const char *)name, ANCHOR_BYTES - 1) == 0)
			return &scan->anchors[i - 1];
	return NULL;
}

/* `values` holds those before it, until the part is complete. */
static int add_anchor(struct scan *scan, const yaml_event_t *event, const yaml_char_t *name,
		      bool scalar)
{
	struct anchor *anchor = &scan->anchors[scan->anchors_n];

	if (name == NULL)
		return 0;
	if (scan->anchors_n == ANCHORS_MAX)
		return refuse(scan, event, "more than 64 anchors (&name); write the values out");
	scan->anchors_n++;
	snprintf(anchor->name, sizeof(anchor->name), "%s", (const char *)name);
	anchor->values = scalar ? 1 : scan->values;
	anchor->depth = scalar ? 0 : scan->depth;
	return 0;
}

static int add_values(struct scan *scan, const yaml_event_t *event, size_t values)
{
	scan->values += values;
	if (scan->values <= VALUES_MAX)
		return 0;
	return refuse(scan, event,
		      "with what its aliases (*name) stand for, this file has more than a million "
		      "values; write fewer");
}

static int begin(struct scan *scan, const yaml_event_t *event, const yaml_char_t *anchor)
{
	if (++scan->depth > DEPTH_MAX)
		return refuse(scan, event,
			      "nested more than 16 levels deep, which no configuration is; look for "
			      "brackets, braces or dashes too many");
	return add_anchor(scan, event, anchor, false);
}

static void end(struct scan *scan)
{
	for (unsigned int i = 0; i < scan->anchors_n; i++) {
		struct anchor *anchor = &scan->anchors[i];

		if (anchor->depth != scan->depth)
			continue;
		anchor->values = scan->values - anchor->values;
		anchor->depth = 0;
	}
	scan->depth--;
}

static int add_alias(struct scan *scan, const yaml_event_t *event)
{
	const struct anchor *anchor = find_anchor(scan, event->data.alias.anchor);

	/* The loader tells that there is no such anchor. */
	if (anchor == NULL)
		return 0;
	if (anchor->depth != 0)
		return refuse(scan, event, "this alias stands for a part that it is in itself; "
					   "write the value out");
	return add_values(scan, event, anchor->values);
}

static int take(struct scan *scan, const yaml_event_t *event)
{
	int error = 0;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (++scan->documents > 1)
			error = refuse(scan, event,
				       "a second document begins here, which would be ignored; "
				       "remove this \"---\", or what follows it");
		break;
	case YAML_ALIAS_EVENT:
		error = add_alias(scan, event);
		break;
	case YAML_SCALAR_EVENT:
		error = add_values(scan, event, 1);
		if (error == 0)
			error = add_anchor(scan, event, event->data.scalar.anchor, true);
		break;
	case YAML_SEQUENCE_START_EVENT:
		error = begin(scan, event, event->data.sequence_start.anchor);
		break;
	case YAML_MAPPING_START_EVENT:
		error = begin(scan, event, event->data.mapping_start.anchor);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		error = add_values(scan, event, 1);
		end(scan);
		break;
	default:
		break;
	}
	return error;
}

int config_scan(const char *file, const char *text, size_t len, struct fail *fail)
{
	struct scan scan = {.file = file, .fail = fail};
	yaml_parser_t parser;
	bool more = true;
	int error = 0;

	if (yaml_parser_initialize(&parser) == 0)
		return fail_set(fail, -ENOMEM, "%s: no memory", file);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	while (error == 0 && more) {
		yaml_event_t event;

		if (yaml_parser_parse(&parser, &event) == 0)
			break;
		error = take(&scan, &event);
		more = event.type != YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return error;
}
