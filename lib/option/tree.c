/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree.h"

#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tree *tree_new(enum tree_kind kind, unsigned int line)
{
	struct tree *tree = calloc(1, sizeof(*tree));

	if (tree == NULL)
		return NULL;
	tree->kind = kind;
	tree->line = line;
	atomic_init(&tree->references, 1);
	return tree;
}

struct tree *tree_text(const char *text, unsigned int line)
{
	struct tree *tree = tree_new(TREE_TEXT, line);

	if (tree == NULL)
		return NULL;
	tree->text = strdup(text);
	if (tree->text != NULL)
		return tree;
	free(tree);
	return NULL;
}

struct tree *tree_hold(struct tree *tree)
{
	if (tree != NULL)
		atomic_fetch_add_explicit(&tree->references, 1, memory_order_relaxed);
	return tree;
}

/* As deep as its levels: tree_read_yaml() bounds them, and so does jansson. */
void tree_free(struct tree *tree)
{
	/* Pairs with the other holders' tree_free(): what they have read comes before it is freed. */
	if (tree == NULL || atomic_fetch_sub_explicit(&tree->references, 1, memory_order_acq_rel) > 1)
		return;
	for (unsigned int i = 0; i < tree->n; i++) {
		free(tree->item[i].key);
		tree_free(tree->item[i].value);
	}
	free(tree->item);
	free(tree->text);
	free(tree);
}

/* The array is doubled each time that its size reaches a power of two. */
static bool tree_make_room(struct tree *tree)
{
	struct tree_item *item;

	if ((tree->n & (tree->n - 1)) != 0)
		return true;
	item = realloc(tree->item, (tree->n == 0 ? 1 : 2 * (size_t)tree->n) * sizeof(*item));
	if (item != NULL)
		tree->item = item;
	return item != NULL;
}

int tree_add(struct tree *tree, const char *key, unsigned int line, struct tree *value)
{
	char *copy = key != NULL ? strdup(key) : NULL;

	if (value == NULL || (key != NULL && copy == NULL) || !tree_make_room(tree)) {
		free(copy);
		tree_free(value);
		return -ENOMEM;
	}
	tree->item[tree->n++] = (struct tree_item){.key = copy, .line = line, .value = value};
	return 0;
}

const struct tree_item *tree_find(const struct tree *map, const char *key)
{
	if (map == NULL || map->kind != TREE_MAP)
		return NULL;
	for (unsigned int i = 0; i < map->n; i++)
		if (strcmp(map->item[i].key, key) == 0)
			return &map->item[i];
	return NULL;
}

/* --- JSON ------------------------------------------------------------------------------------------------------- */

static struct tree *from_scalar(const json_t *json)
{
	char number[32];
	struct tree *tree;

	switch (json_typeof(json)) {
	case JSON_STRING:
		return tree_text(json_string_value(json), 0);
	case JSON_TRUE:
		return tree_text("true", 0);
	case JSON_FALSE:
		return tree_text("false", 0);
	case JSON_INTEGER:
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(json));
		return tree_text(number, 0);
	case JSON_REAL:
		snprintf(number, sizeof(number), "%g", json_real_value(json));
		return tree_text(number, 0);
	default:
		tree = tree_text("", 0);
		if (tree != NULL)
			tree->nothing = true;
		return tree;
	}
}

struct tree *tree_from_json(const json_t *json)
{
	bool is_map = json_is_object(json);
	struct tree *tree;
	const char *key;
	json_t *value;
	int error = 0;
	size_t i;

	if (!is_map && !json_is_array(json))
		return from_scalar(json);
	tree = tree_new(is_map ? TREE_MAP : TREE_LIST, 0);
	if (tree == NULL)
		return NULL;
	/* jansson iterates without const, and does not change what it iterates over. */
	json_object_foreach((json_t *)(uintptr_t)json, key, value)
		error = error == 0 ? tree_add(tree, key, 0, tree_from_json(value)) : error;
	json_array_foreach(json, i, value)
		error = error == 0 ? tree_add(tree, NULL, 0, tree_from_json(value)) : error;
	if (error == 0)
		return tree;
	tree_free(tree);
	return NULL;
}

json_t *tree_to_json(const struct tree *tree)
{
	json_t *json = tree->kind == TREE_MAP ? json_object() : tree->kind == TREE_LIST ? json_array() : NULL;

	if (tree->kind == TREE_TEXT) {
		json = tree->nothing ? NULL : json_string(tree->text);
		return json != NULL ? json : json_null();
	}
	for (unsigned int i = 0; json != NULL && i < tree->n; i++) {
		json_t *value = tree_to_json(tree->item[i].value);

		if (tree->kind == TREE_MAP)
			json_object_set_new(json, tree->item[i].key, value);
		else
			json_array_append_new(json, value);
	}
	return json;
}
