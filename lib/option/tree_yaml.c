/* SPDX-License-Identifier: BSD-3-Clause */
/* tree_yaml.c: a YAML text becomes a tree, in one pass over libyaml's events, with bounds on what it may cost. */
#include "tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

enum {
	/* static-macs: a file, a list, a bridge, a list, an address. */
	DEPTH_MAX = 16,
	ANCHORS_MAX = 64,
	/* Values, with what aliases stand for: a file of 1 MiB without any has fewer. */
	VALUES_MAX = 1 << 20,
};

/* A list or a map that is still open. */
struct level {
	struct tree *node;
	char *key; /* of a map: read, and its value is still to come */
	unsigned int key_line;
	unsigned int anchor; /* 1 + its index; 0: none */
};

/* A name for a part of the text, and how many values that part holds. */
struct anchor {
	char *name;
	struct tree *node;
	size_t values; /* while it is open: those before it */
	bool open;
};

struct reader {
	const char *source;
	struct fail *fail;
	unsigned int documents, depth, anchors_n;
	size_t values;
	struct tree *root;
	struct level level[DEPTH_MAX];
	struct anchor anchor[ANCHORS_MAX];
};

static int tree_yaml_refuse(struct reader *reader, const yaml_event_t *event, const char *what)
{
	return fail_set(reader->fail, -EINVAL, "%s:%zu: %s", reader->source, event->start_mark.line + 1, what);
}

static int no_memory(struct reader *reader)
{
	return fail_set(reader->fail, -ENOMEM, "%s: no memory", reader->source);
}

static unsigned int tree_yaml_line_of(const yaml_event_t *event)
{
	return (unsigned int)event->start_mark.line + 1;
}

static int add_values(struct reader *reader, const yaml_event_t *event, size_t values)
{
	reader->values += values;
	if (reader->values <= VALUES_MAX)
		return 0;
	return tree_yaml_refuse(reader, event,
				"with what its aliases (*name) stand for, this file has more than a million values; write fewer");
}

/* --- anchors ---------------------------------------------------------------------------------------------------- */

static struct anchor *find_anchor(struct reader *reader, const yaml_char_t *name)
{
	/* Of two with one name the last one counts. */
	for (unsigned int i = reader->anchors_n; i > 0; i--)
		if (strcmp(reader->anchor[i - 1].name, (const char *)name) == 0)
			return &reader->anchor[i - 1];
	return NULL;
}

static int add_anchor(struct reader *reader, const yaml_event_t *event, const yaml_char_t *name, struct tree *node)
{
	struct anchor *anchor = &reader->anchor[reader->anchors_n];

	if (name == NULL)
		return 0;
	if (reader->anchors_n == ANCHORS_MAX)
		return tree_yaml_refuse(reader, event, "more than 64 anchors (&name); write the values out");
	anchor->name = strdup((const char *)name);
	if (anchor->name == NULL)
		return no_memory(reader);
	anchor->node = tree_hold(node);
	anchor->open = node->kind != TREE_TEXT;
	anchor->values = anchor->open ? reader->values : 1;
	reader->anchors_n++;
	return 0;
}

/* --- values ----------------------------------------------------------------------------------------------------- */

/* Puts a value where it belongs; it becomes the tree's own even on failure. */
static int place_value(struct reader *reader, const yaml_event_t *event, struct tree *value)
{
	struct level *level;
	int error;

	if (reader->depth == 0) {
		reader->root = value;
		return 0;
	}
	level = &reader->level[reader->depth - 1];
	if (level->node->kind == TREE_MAP && level->key == NULL) {
		tree_free(value);
		return tree_yaml_refuse(reader, event, "a key has to be a single word");
	}
	error = tree_add(level->node, level->key, level->key_line, value);
	free(level->key);
	level->key = NULL;
	return error == 0 ? 0 : no_memory(reader);
}

static bool wants_key(const struct reader *reader)
{
	const struct level *level;

	if (reader->depth == 0)
		return false;
	level = &reader->level[reader->depth - 1];
	return level->node->kind == TREE_MAP && level->key == NULL;
}

static int take_key(struct reader *reader, const yaml_event_t *event)
{
	struct level *level = &reader->level[reader->depth - 1];

	if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strcmp((const char *)event->data.scalar.value, "<<") == 0)
		return tree_yaml_refuse(reader, event, "a merge (<<) is not taken over; write its keys out here");
	level->key = strdup((const char *)event->data.scalar.value);
	level->key_line = tree_yaml_line_of(event);
	return level->key != NULL ? 0 : no_memory(reader);
}

static bool is_nothing(const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;

	return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 || strcmp(text, "Null") == 0 ||
		strcmp(text, "NULL") == 0);
}

static int take_scalar(struct reader *reader, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	int error = add_values(reader, event, 1);
	struct tree *node;

	if (error != 0)
		return error;
	if (strlen(text) != event->data.scalar.length)
		return tree_yaml_refuse(reader, event, "this text has a NUL character (\\0); remove it");
	if (wants_key(reader))
		return take_key(reader, event);
	node = tree_text(text, tree_yaml_line_of(event));
	if (node == NULL)
		return no_memory(reader);
	node->nothing = is_nothing(event);
	error = add_anchor(reader, event, event->data.scalar.anchor, node);
	if (error == 0)
		return place_value(reader, event, node);
	tree_free(node);
	return error;
}

static int take_alias(struct reader *reader, const yaml_event_t *event)
{
	const struct anchor *anchor = find_anchor(reader, event->data.alias.anchor);
	int error;

	if (anchor == NULL)
		return tree_yaml_refuse(reader, event, "this alias (*name) has no anchor (&name) before it; write the value out");
	if (anchor->open)
		return tree_yaml_refuse(reader, event, "this alias stands for a part that it is in itself; write the value out");
	error = add_values(reader, event, anchor->values);
	return error != 0 ? error : place_value(reader, event, tree_hold(anchor->node));
}

static int tree_yaml_begin(struct reader *reader, const yaml_event_t *event, enum tree_kind kind, const yaml_char_t *anchor)
{
	struct tree *node;
	int error;

	if (reader->depth == DEPTH_MAX)
		return tree_yaml_refuse(reader, event,
					"nested more than 16 levels deep, which no configuration is; look for "
					"brackets, braces or dashes too many");
	node = tree_new(kind, tree_yaml_line_of(event));
	if (node == NULL)
		return no_memory(reader);
	/* The parent has it from now on. */
	error = place_value(reader, event, node);
	if (error != 0)
		return error;
	error = add_anchor(reader, event, anchor, node);
	reader->level[reader->depth++] =
		(struct level){.node = node, .anchor = anchor != NULL ? reader->anchors_n : 0};
	return error;
}

static int tree_yaml_end(struct reader *reader, const yaml_event_t *event)
{
	const struct level *level = &reader->level[--reader->depth];
	int error = add_values(reader, event, 1);

	if (level->anchor > 0) {
		struct anchor *anchor = &reader->anchor[level->anchor - 1];

		anchor->values = reader->values - anchor->values;
		anchor->open = false;
	}
	return error;
}

static int tree_yaml_take(struct reader *reader, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (++reader->documents > 1)
			return tree_yaml_refuse(reader, event,
						"a second document begins here, which would be ignored; "
						"remove this \"---\", or what follows it");
		return 0;
	case YAML_ALIAS_EVENT:
		return take_alias(reader, event);
	case YAML_SCALAR_EVENT:
		return take_scalar(reader, event);
	case YAML_SEQUENCE_START_EVENT:
		return tree_yaml_begin(reader, event, TREE_LIST, event->data.sequence_start.anchor);
	case YAML_MAPPING_START_EVENT:
		return tree_yaml_begin(reader, event, TREE_MAP, event->data.mapping_start.anchor);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return tree_yaml_end(reader, event);
	default:
		return 0;
	}
}

/* --- the whole text --------------------------------------------------------------------------------------------- */

/* Bytes that are no characters are found before there are lines: libyaml tells how many bytes precede them. */
static int tell_problem(const yaml_parser_t *parser, const char *source, const char *text, struct fail *fail)
{
	const char *context = parser->context != NULL ? parser->context : "";
	size_t line = parser->problem_mark.line + 1;

	/* What was begun and does not end, where it begins; a block may begin far above. */
	if (strstr(context, "scanning") != NULL || strstr(context, "flow") != NULL)
		line = parser->context_mark.line + 1;
	if (parser->error == YAML_MEMORY_ERROR)
		return fail_set(fail, -ENOMEM, "%s: no memory", source);
	if (parser->error == YAML_READER_ERROR) {
		line = 1;
		for (size_t i = 0; i < parser->problem_offset; i++)
			line += text[i] == '\n';
		return fail_set(fail, -EINVAL,
				"%s:%zu: this is not text in UTF-8: %s; write the file in UTF-8, without "
				"control characters",
				source, line, parser->problem);
	}
	return fail_set(fail, -EINVAL,
			"%s:%zu: this is not YAML: %s; look, here and in the line before, for a missing "
			"colon (a space goes behind it), a bracket, a quote, a tab or an indentation out of place",
			source, line, parser->problem != NULL ? parser->problem : "it cannot be read");
}

static void reader_clear(struct reader *reader)
{
	while (reader->depth > 0)
		free(reader->level[--reader->depth].key);
	while (reader->anchors_n > 0) {
		tree_free(reader->anchor[--reader->anchors_n].node);
		free(reader->anchor[reader->anchors_n].name);
	}
}

static int read_events(struct reader *reader, yaml_parser_t *parser, const char *text)
{
	bool more = true;
	int error = 0;

	while (error == 0 && more) {
		yaml_event_t event;

		if (yaml_parser_parse(parser, &event) == 0)
			return tell_problem(parser, reader->source, text, reader->fail);
		error = tree_yaml_take(reader, &event);
		more = event.type != YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	return error;
}

int tree_read_yaml(const char *source, const char *text, size_t len, struct tree **tree, struct fail *fail)
{
	struct reader reader = {.source = source, .fail = fail};
	yaml_parser_t parser;
	int error;

	*tree = NULL;
	if (yaml_parser_initialize(&parser) == 0)
		return fail_set(fail, -ENOMEM, "%s: no memory", source);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	error = read_events(&reader, &parser, text);
	yaml_parser_delete(&parser);
	reader_clear(&reader);
	if (error == 0 && reader.root == NULL)
		error = fail_set(fail, -ENODATA, "%s:1: there is nothing in this text", source);
	if (error == 0)
		*tree = reader.root;
	else
		tree_free(reader.root);
	return error;
}
