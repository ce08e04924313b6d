/* SPDX-License-Identifier: BSD-3-Clause */
#include "config_place.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

struct places {
	yaml_document_t document;
};

static yaml_node_t *node_at(const struct places *places, int index)
{
	/* libyaml takes the document without const, and does not change it. */
	return yaml_document_get_node((yaml_document_t *)&places->document, index);
}

static unsigned int line_of(const yaml_node_t *node)
{
	return node != NULL ? (unsigned int)node->start_mark.line + 1 : 0;
}

static bool is_scalar(const yaml_node_t *node, const char *text)
{
	return node != NULL && node->type == YAML_SCALAR_NODE &&
	       strcmp((const char *)node->data.scalar.value, text) == 0;
}

static const yaml_node_pair_t *find_pair(const struct places *places, const yaml_node_t *mapping,
					 const char *key)
{
	if (mapping == NULL || mapping->type != YAML_MAPPING_NODE)
		return NULL;
	for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
	     pair < mapping->data.mapping.pairs.top; pair++)
		if (is_scalar(node_at(places, pair->key), key))
			return pair;
	return NULL;
}

static yaml_node_t *value_of(const struct places *places, const yaml_node_t *mapping,
			     const char *key)
{
	const yaml_node_pair_t *pair = find_pair(places, mapping, key);

	return pair != NULL ? node_at(places, pair->value) : NULL;
}

static yaml_node_t *item_of(const struct places *places, const yaml_node_t *list, unsigned int i)
{
	if (list == NULL || list->type != YAML_SEQUENCE_NODE ||
	    i >= (size_t)(list->data.sequence.items.top - list->data.sequence.items.start))
		return NULL;
	return node_at(places, list->data.sequence.items.start[i]);
}

static yaml_node_t *entry_of(const struct places *places, const char *list, unsigned int i)
{
	return item_of(places, value_of(places, node_at(places, 1), list), i);
}

/* Bytes that are no characters are found before there are lines: libyaml tells how many bytes precede them. */
static void tell_problem(const yaml_parser_t *parser, const char *file, const char *text,
			 struct fail *fail)
{
	size_t line = parser->problem_mark.line + 1;

	if (parser->error == YAML_READER_ERROR) {
		line = 1;
		for (size_t i = 0; i < parser->problem_offset; i++)
			line += text[i] == '\n';
		fail_set(fail, -EINVAL,
			 "%s:%zu: this is not text in UTF-8: %s; write the file in UTF-8, without "
			 "control characters",
			 file, line, parser->problem);
		return;
	}
	fail_set(fail, -EINVAL,
		 "%s:%zu: this is not YAML: %s; look for a bracket, a quote, a tab or an "
		 "indentation out of place",
		 file, line, parser->problem != NULL ? parser->problem : "no memory");
}

struct places *places_read(const char *file, const char *text, size_t len, struct fail *fail)
{
	struct places *places = calloc(1, sizeof(*places));
	yaml_parser_t parser;

	if (places == NULL || yaml_parser_initialize(&parser) == 0) {
		free(places);
		fail_set(fail, -ENOMEM, "%s: no memory", file);
		return NULL;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	if (yaml_parser_load(&parser, &places->document) == 0) {
		tell_problem(&parser, file, text, fail);
		free(places);
		places = NULL;
	}
	yaml_parser_delete(&parser);
	return places;
}

void places_free(struct places *places)
{
	if (places == NULL)
		return;
	yaml_document_delete(&places->document);
	free(places);
}

unsigned int places_entry(const struct places *places, const char *list, unsigned int i)
{
	return line_of(entry_of(places, list, i));
}

unsigned int places_key(const struct places *places, const char *list, unsigned int i,
			const char *key)
{
	const yaml_node_pair_t *pair = find_pair(places, entry_of(places, list, i), key);

	return pair != NULL ? line_of(node_at(places, pair->key)) : 0;
}

unsigned int places_item(const struct places *places, const char *list, unsigned int i,
			 const char *key, unsigned int j)
{
	return line_of(item_of(places, value_of(places, entry_of(places, list, i), key), j));
}

unsigned int places_top(const struct places *places, const char *key)
{
	const yaml_node_pair_t *pair = find_pair(places, node_at(places, 1), key);

	return pair != NULL ? line_of(node_at(places, pair->key)) : 0;
}

unsigned int places_key_after(const struct places *places, unsigned int line, const char *key)
{
	const yaml_node_t *node;
	unsigned int best = 0;

	for (int i = 1; (node = node_at(places, i)) != NULL; i++) {
		const yaml_node_pair_t *pair = find_pair(places, node, key);
		unsigned int at = pair != NULL ? line_of(node_at(places, pair->key)) : 0;

		if (at >= line && (best == 0 || at < best))
			best = at;
	}
	return best != 0 ? best : line;
}
