/* SPDX-License-Identifier: BSD-3-Clause */
/* tree.h: what a user wrote, in one form: texts, lists and maps, with the line of each.
 *
 * A YAML file, a JSON object and the command line become trees, and one checker (option.h) reads them. A scalar is a text,
 * whatever it looks like; the row of an option says what the text has to be. A map keeps its keys in order, and a key that
 * is there twice twice: the checker refuses it.
 *
 * A YAML text is bounded: 16 levels, a million values with what aliases stand for, one document. libyaml's time grows with
 * the square of the depth, and a small text of aliases can stand for an endless one.
 *
 * Context: any thread; a tree that is not added to any more is read, held and let go of by any number of them.
 * Returns: 0 or -errno with one line in `fail`.
 * Ownership: a parent holds its children; an alias is a second reference to the same node.
 */
#ifndef VUS_TREE_H
#define VUS_TREE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "fail.h"

struct json_t;

enum tree_kind { TREE_TEXT, TREE_LIST, TREE_MAP };

/* An entry of a map, or of a list (`key` is NULL). */
struct tree_item {
	char *key;
	unsigned int line; /* of the key */
	struct tree *value;
};

struct tree {
	enum tree_kind kind;
	unsigned int line; /* 0: not from a file */
	atomic_uint references;
	char *text;   /* TREE_TEXT */
	bool nothing; /* TREE_TEXT: empty, `~` or `null`, without quotes */
	unsigned int n;
	struct tree_item *item; /* TREE_LIST, TREE_MAP */
};

/* NULL: no memory. */
struct tree *tree_new(enum tree_kind kind, unsigned int line);
struct tree *tree_text(const char *text, unsigned int line);
/* NULL is fine. */
struct tree *tree_hold(struct tree *tree);
/* NULL is fine. */
void tree_free(struct tree *tree);

/* Adds `value`, which becomes the tree's own even on failure; `key` NULL: to a list. 0 or -ENOMEM. */
int tree_add(struct tree *tree, const char *key, unsigned int line, struct tree *value);
/* The first entry of that key, or NULL. */
const struct tree_item *tree_find(const struct tree *map, const char *key);

/* `source` is what errors name: FILE. An empty text is -ENODATA. */
int tree_read_yaml(const char *source, const char *text, size_t len, struct tree **tree, struct fail *fail);

/* Numbers and truth values become their texts, null becomes nothing. NULL: no memory. */
struct tree *tree_from_json(const struct json_t *json);
/* The other way: texts, objects, lists, and null for nothing. A text that is no UTF-8 is null, too. NULL: no memory. */
struct json_t *tree_to_json(const struct tree *tree);

#endif
