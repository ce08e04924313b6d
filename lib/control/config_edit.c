/* SPDX-License-Identifier: BSD-3-Clause */
#include "config_edit.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_private.h"
#include "vus_limits.h"

const char *const config_edit_kinds[CONFIG_EDIT_LISTS] = {"profile", "bridge", "port"};
static const char *const list_keys[CONFIG_EDIT_LISTS] = {"profiles", "bridges", "ports"};

/* A list that is being edited: `entry` has holes (NULL) where entries have gone. */
struct editing {
	struct tree **entry;
	bool *edited; /* by this edit */
	unsigned int n;
	struct names names; /* places of entries by their names */
};

/* The keys of `from` that are not in `but`, which may be NULL, and are not nothing. */
static int add_keys(struct tree *map, const struct tree *from, const struct tree *but)
{
	int error = 0;

	for (unsigned int i = 0; error == 0 && i < from->n; i++) {
		const struct tree_item *item = &from->item[i];

		if (item->value->nothing || (but != NULL && tree_find(but, item->key) != NULL))
			continue;
		error = tree_add(map, item->key, 0, tree_hold(item->value));
	}
	return error;
}

/* What an entry asks for; NULL: no memory. A key that is nothing matters to CONFIG_EDIT_SET alone. */
static struct tree *config_edit_entry(enum config_edit_verb verb, const json_t *json)
{
	struct tree *all = tree_from_json(json), *map;

	if (all == NULL || verb == CONFIG_EDIT_SET)
		return all;
	map = tree_new(TREE_MAP, 0);
	if (map != NULL && add_keys(map, all, NULL) != 0) {
		tree_free(map);
		map = NULL;
	}
	tree_free(all);
	return map;
}

/* --- what is asked for ------------------------------------------------------------------------------------------ */

void config_edit_free(struct config_edit *edit)
{
	for (unsigned int i = 0; i < edit->n; i++) {
		free(edit->item[i].name);
		tree_free(edit->item[i].entry);
		tree_free(edit->item[i].before);
		tree_free(edit->item[i].after);
	}
	free(edit->item);
	*edit = (struct config_edit){0};
}

/* The array is doubled each time that its size reaches a power of two. */
static struct config_edit_item *config_edit_next(struct config_edit *edit)
{
	struct config_edit_item *item = edit->item;

	if ((edit->n & (edit->n - 1)) == 0)
		item = realloc(item, (edit->n == 0 ? 1 : 2 * (size_t)edit->n) * sizeof(*item));
	if (item == NULL)
		return NULL;
	edit->item = item;
	item[edit->n] = (struct config_edit_item){0};
	return &item[edit->n++];
}

int config_edit_add(struct config_edit *edit, enum config_edit_list list, enum config_edit_verb verb, const char *name,
		    const json_t *entry, struct fail *fail)
{
	struct config_edit_item *item;

	if (entry != NULL && !json_is_object(entry))
		return fail_set(fail, -EINVAL, "a %s has to be an object with a name", config_edit_kinds[list]);
	if (name == NULL)
		name = json_string_value(json_object_get(entry, "name"));
	if (name == NULL)
		return fail_set(fail, -EINVAL, "which %s? the request has no \"name\"", config_edit_kinds[list]);
	item = config_edit_next(edit);
	if (item == NULL)
		return fail_set(fail, -ENOMEM, "%s %s: no memory", config_edit_kinds[list], name);
	*item = (struct config_edit_item){
		.list = list, .verb = verb, .name = strdup(name), .entry = entry != NULL ? config_edit_entry(verb, entry) : NULL};
	if (item->name == NULL || (entry != NULL && item->entry == NULL))
		return fail_set(fail, -ENOMEM, "%s %s: no memory", config_edit_kinds[list], name);
	return 0;
}

static enum config_edit_list list_of(const char *key)
{
	enum config_edit_list list = 0;

	while (list < CONFIG_EDIT_LISTS && strcmp(list_keys[list], key) != 0)
		list++;
	return list;
}

int config_edit_read_document(struct config_edit *edit, const json_t *document, struct fail *fail)
{
	const char *key;
	json_t *list, *entry;
	size_t i;
	int error = 0;

	if (!json_is_object(document))
		return fail_set(fail, -EINVAL, "\"config\" has to be an object with profiles, bridges or ports");
	/* jansson iterates without const, and does not change what it iterates over. */
	json_object_foreach((json_t *)(uintptr_t)document, key, list)
	{
		enum config_edit_list which = list_of(key);

		if (which == CONFIG_EDIT_LISTS)
			return fail_set(fail, -EINVAL, "\"%.64s\" is no list of requests; there are profiles, bridges and ports",
					key);
		if (!json_is_array(list) && !json_is_null(list))
			return fail_set(fail, -EINVAL, "\"%s\" has to be a list", key);
		json_array_foreach(list, i, entry)
			if (error == 0)
				error = config_edit_add(edit, which, CONFIG_EDIT_ENSURE, NULL, entry, fail);
	}
	return error;
}

int config_edit_add_restore(struct config_edit *edit, const struct config_edit *other, unsigned int i)
{
	const struct config_edit_item *undone = &other->item[i];
	struct config_edit_item *item = config_edit_next(edit);

	if (item == NULL)
		return -ENOMEM;
	*item = (struct config_edit_item){
		.list = undone->list,
		.verb = CONFIG_EDIT_RESTORE,
		.name = strdup(undone->name),
		.entry = tree_hold(undone->before),
		.before = tree_hold(undone->after),
	};
	return item->name != NULL ? 0 : -ENOMEM;
}

/* --- lists ------------------------------------------------------------------------------------------------------ */

static const char *name_of(const struct tree *entry)
{
	const struct tree_item *item = tree_find(entry, "name");

	return item != NULL && item->value->kind == TREE_TEXT ? item->value->text : NULL;
}

/* `more` is how many entries may come. */
static int editing_begin(struct editing *list, const struct tree *now, unsigned int more)
{
	unsigned int n = now != NULL ? now->n : 0;

	list->entry = calloc(n + more + 1, sizeof(*list->entry));
	list->edited = calloc(n + more + 1, sizeof(*list->edited));
	if (list->entry == NULL || list->edited == NULL)
		return -ENOMEM;
	for (; list->n < n; list->n++) {
		list->entry[list->n] = tree_hold(now->item[list->n].value);
		if (names_add(&list->names, name_of(list->entry[list->n]), list->n) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

static void editing_end(struct editing *list)
{
	for (unsigned int i = 0; i < list->n; i++)
		tree_free(list->entry[i]);
	free(list->entry);
	free(list->edited);
	names_clear(&list->names);
}

/* The list that has come of it, or NULL: no memory. */
static struct tree *editing_tree(const struct editing *list)
{
	struct tree *tree = tree_new(TREE_LIST, 0);
	int error = tree == NULL ? -ENOMEM : 0;

	for (unsigned int i = 0; error == 0 && i < list->n; i++)
		if (list->entry[i] != NULL)
			error = tree_add(tree, NULL, 0, tree_hold(list->entry[i]));
	if (error == 0)
		return tree;
	tree_free(tree);
	return NULL;
}

/* --- entries ---------------------------------------------------------------------------------------------------- */

/* What the file or the command line has of this name; NULL: nothing. */
static const struct tree *elsewhere_of(const struct config *config, const struct config_edit_item *item)
{
	const struct tree_item *list = tree_find(config->tree, list_keys[item->list]);

	for (unsigned int i = 0; list != NULL && i < list->value->n; i++) {
		const char *name = name_of(list->value->item[i].value);

		if (name != NULL && strcmp(name, item->name) == 0)
			return list->value->item[i].value;
	}
	for (unsigned int i = 0; item->list == CONFIG_EDIT_PORTS && i < config->typed_n; i++)
		if (config->typed[i].is_port && strcmp(name_of(config->typed[i].node), item->name) == 0)
			return config->typed[i].node;
	return NULL;
}

static int fail_elsewhere(const struct config_edit_item *item, struct fail *fail)
{
	return fail_set(fail, -EPERM, "%s %s is the configuration file's, or the command line's; change it there, and reload",
			config_edit_kinds[item->list], item->name);
}

/* `now` with the keys of `keys`, but for those that are nothing. NULL: no memory. */
static struct tree *merge(const struct tree *now, const struct tree *keys)
{
	struct tree *map = tree_new(TREE_MAP, 0);
	int error = map == NULL ? -ENOMEM : add_keys(map, now, keys);

	if (error == 0)
		error = add_keys(map, keys, NULL);
	if (error == 0)
		return map;
	tree_free(map);
	return NULL;
}

static bool same_tree(const struct tree *a, const struct tree *b)
{
	if (a == b)
		return true;
	if (a->kind != b->kind || a->n != b->n || a->nothing != b->nothing)
		return false;
	if (a->kind == TREE_TEXT)
		return strcmp(a->text, b->text) == 0;
	for (unsigned int i = 0; i < a->n; i++) {
		const struct tree_item *other = a->kind == TREE_MAP ? tree_find(b, a->item[i].key) : &b->item[i];

		if (other == NULL || !same_tree(a->item[i].value, other->value))
			return false;
	}
	return true;
}

/* What the file or the command line has is not asked for: it is not there for requests. */
static int fail_none(const struct config_edit_item *item, const struct editing *list, struct fail *fail)
{
	const char *kind = config_edit_kinds[item->list];
	struct like like = {.written = item->name};

	for (unsigned int i = 0; i < list->n; i++)
		if (list->entry[i] != NULL)
			like_try(&like, config_text_of(list->entry[i], "name"));
	return fail_set(fail, -ENOENT, "there is no %s %s%s; `vusctl %ss` lists them", kind, item->name, like_hint(&like).text,
			kind);
}

/* The verb goes with what there is. */
static int check_verb(const struct config_edit_item *item, const struct editing *list, const struct tree *now,
		      const struct tree *elsewhere, struct fail *fail)
{
	const char *kind = config_edit_kinds[item->list];

	if (now == NULL && elsewhere != NULL &&
	    (item->verb != CONFIG_EDIT_ENSURE || !same_tree(elsewhere, item->entry)))
		return fail_elsewhere(item, fail);
	if (item->verb == CONFIG_EDIT_ADD && now != NULL)
		return fail_set(fail, -EEXIST, "there is a %s %s already; set changes it, ensure makes it what it is to be", kind,
				item->name);
	if ((item->verb == CONFIG_EDIT_SET || item->verb == CONFIG_EDIT_REMOVE) && now == NULL)
		return fail_none(item, list, fail);
	return 0;
}

/* What the entry becomes; NULL: it goes, or there is no memory. */
static struct tree *after_of(const struct config_edit_item *item, struct tree *now)
{
	switch (item->verb) {
	case CONFIG_EDIT_REMOVE:
		return NULL;
	case CONFIG_EDIT_SET:
		return merge(now, item->entry);
	case CONFIG_EDIT_ENSURE:
		return tree_hold(now != NULL && same_tree(now, item->entry) ? now : item->entry);
	default:
		return tree_hold(item->entry);
	}
}

/* Entry `at` of the list becomes item->after, or another one comes. 0 or -ENOMEM. */
static int put(struct editing *list, int at, const struct config_edit_item *item)
{
	if (at < 0 && item->after == NULL)
		return 0;
	if (at < 0) {
		at = (int)list->n++;
		if (names_add(&list->names, item->name, (unsigned int)at) != 0)
			return -ENOMEM;
	}
	tree_free(list->entry[at]);
	list->entry[at] = tree_hold(item->after);
	list->edited[at] = true;
	if (item->after == NULL)
		names_remove(&list->names, item->name);
	return 0;
}

static int edit_one(struct config_edit_item *item, const struct config *config, struct editing *list, struct fail *fail)
{
	const char *kind = config_edit_kinds[item->list];
	int at = names_find(&list->names, item->name);
	struct tree *now = at >= 0 ? list->entry[at] : NULL;
	const struct tree *elsewhere = NULL;
	int error;

	if (item->verb == CONFIG_EDIT_RESTORE) {
		/* Where somebody else has changed it since, that stands. */
		if (now != item->before)
			return 0;
	} else {
		if (at >= 0 && list->edited[at])
			return fail_set(fail, -EINVAL, "%s %s is there twice; leave one out", kind, item->name);
		elsewhere = now == NULL ? elsewhere_of(config, item) : NULL;
		error = check_verb(item, list, now, elsewhere, fail);
		if (error != 0 || elsewhere != NULL)
			return error;
		item->before = tree_hold(now);
	}
	item->after = after_of(item, now);
	if ((item->verb == CONFIG_EDIT_SET && item->after == NULL) || put(list, at, item) != 0)
		return fail_set(fail, -ENOMEM, "%s %s: no memory", kind, item->name);
	return 0;
}

/* --- what goes has to be out of use --------------------------------------------------------------------------- */

enum { USERS_NAMED = 4 };

/* A request's port that would be without it. */
static bool uses(const struct config_port *port, const struct config_edit_item *item)
{
	const char *used = item->list == CONFIG_EDIT_BRIDGES ? port->member.bridge : port->profile;

	return port->from == CONFIG_FROM_REQUEST && used != NULL && strcmp(used, item->name) == 0;
}

/* "port a", "ports a, b, c, d and 7 more" */
static unsigned int name_users(const struct config *config, const struct config_edit_item *item, char *text, size_t size)
{
	unsigned int n = 0;
	size_t at = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < config->known_n; i++)
		if (uses(&config->known[i], item) && n++ < USERS_NAMED)
			at += (size_t)snprintf(text + at, size - at, "%s%s", at > 0 ? ", " : "", config->known[i].name);
	if (n > USERS_NAMED)
		snprintf(text + at, size - at, " and %u more", n - USERS_NAMED);
	return n;
}

static int check_use(const struct config *config, const struct config_edit_item *item, struct fail *fail)
{
	const char *kind = config_edit_kinds[item->list];
	char users[USERS_NAMED * (NAME_LEN_MAX + 3) + 24];
	unsigned int n;

	if (item->verb != CONFIG_EDIT_REMOVE || item->list == CONFIG_EDIT_PORTS)
		return 0;
	/* That one is there for whoever is on it, listed or not. */
	if (item->list == CONFIG_EDIT_BRIDGES && strcmp(item->name, DEFAULT_BRIDGE) == 0)
		return 0;
	n = name_users(config, item, users, sizeof(users));
	if (n == 0)
		return 0;
	return fail_set(fail, -ENOENT, "%s %s is used by port%s %s; %s first", kind, item->name, n > 1 ? "s" : "", users,
			item->list == CONFIG_EDIT_BRIDGES ? "move them to another bridge, or remove them,"
							  : "give them another profile, or none,");
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

static int edit_lists(struct config_edit *edit, const struct config *config, struct editing lists[CONFIG_EDIT_LISTS],
		      struct fail *fail)
{
	int error = 0;

	for (unsigned int l = 0; error == 0 && l < CONFIG_EDIT_LISTS; l++) {
		const struct tree_item *now = tree_find(config->requests, list_keys[l]);

		error = editing_begin(&lists[l], now != NULL ? now->value : NULL, edit->n);
	}
	if (error != 0)
		return fail_set(fail, error, "request: no memory");
	for (unsigned int i = 0; error == 0 && i < edit->n; i++)
		error = edit_one(&edit->item[i], config, &lists[edit->item[i].list], fail);
	for (unsigned int i = 0; error == 0 && i < edit->n; i++)
		error = check_use(config, &edit->item[i], fail);
	return error;
}

/* What a try before has found. */
static void forget_try(struct config_edit *edit)
{
	for (unsigned int i = 0; i < edit->n; i++) {
		struct config_edit_item *item = &edit->item[i];

		tree_free(item->after);
		item->after = NULL;
		if (item->verb == CONFIG_EDIT_RESTORE)
			continue;
		tree_free(item->before);
		item->before = NULL;
	}
}

int config_edit_apply(struct config_edit *edit, struct config *config, struct fail *fail)
{
	struct editing lists[CONFIG_EDIT_LISTS] = {0};
	struct tree *requests = NULL;
	int error;

	forget_try(edit);
	error = edit_lists(edit, config, lists, fail);
	if (error == 0) {
		requests = tree_new(TREE_MAP, 0);
		error = requests == NULL ? -ENOMEM : 0;
		for (unsigned int l = 0; error == 0 && l < CONFIG_EDIT_LISTS; l++)
			error = tree_add(requests, list_keys[l], 0, editing_tree(&lists[l]));
		if (error != 0)
			fail_set(fail, error, "request: no memory");
	}
	for (unsigned int l = 0; l < CONFIG_EDIT_LISTS; l++)
		editing_end(&lists[l]);
	if (error != 0) {
		tree_free(requests);
		return error;
	}
	tree_free(config->requests);
	config->requests = requests;
	return 0;
}
