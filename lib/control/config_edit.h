/* SPDX-License-Identifier: BSD-3-Clause */
/* config_edit.h: what a request changes in the tree of requests (struct config): entries of its lists `profiles`, `bridges` and
 * `ports`.
 *
 * A tree of requests is never changed: an edit makes another one, which shares with it what stays. So the one before is
 * there as long as anybody holds it.
 *
 *	add	the entry is not there, and comes
 *	set	the entry is there: it has these keys from now on
 *	remove	the entry is there, and goes
 *	ensure	the entry is this one, whether or not it was there
 *
 * A key that is null is as if it had never been written.
 *
 * Entries of the file and of the command line are in no tree of requests, and no edit reaches them. What the entries say is
 * checked with the rest of the configuration (config_check()).
 *
 * Context: any thread but an lcore.
 * Returns: 0 or -errno with a line in `fail`: -EINVAL, -EEXIST, -ENOENT; -EPERM: the entry is the file's.
 * Ownership: a struct config_edit is the caller's; all zero is one that edits nothing.
 */
#ifndef VUS_CONFIG_EDIT_H
#define VUS_CONFIG_EDIT_H

#include <stdbool.h>

#include "config.h"

enum config_edit_verb {
	CONFIG_EDIT_ADD,
	CONFIG_EDIT_SET,
	CONFIG_EDIT_REMOVE,
	CONFIG_EDIT_ENSURE,
	CONFIG_EDIT_RESTORE, /* the entry is what an edit has made of it: it is again what it was before that */
};

enum config_edit_list { CONFIG_EDIT_PROFILES, CONFIG_EDIT_BRIDGES, CONFIG_EDIT_PORTS, CONFIG_EDIT_LISTS };

struct config_edit_item {
	enum config_edit_list list;
	enum config_edit_verb verb;
	char *name;
	struct tree *entry; /* what was asked for; of one that is restored, what it was before, or NULL */
	/* What config_edit_apply() has found and made; NULL: no entry. */
	struct tree *before, *after;
};

struct config_edit {
	struct config_edit_item *item;
	unsigned int n;
};

/* "profile", "bridge", "port". */
extern const char *const config_edit_kinds[CONFIG_EDIT_LISTS];

/* Adds an item; `entry` is a map with a name, of which the edit makes a tree, or NULL: only with `name`. */
int config_edit_add(struct config_edit *edit, enum config_edit_list list, enum config_edit_verb verb, const char *name,
		    const struct json_t *entry, struct fail *fail);
/* An edit that ensures what a whole document has: a map with some of the lists. */
int config_edit_read_document(struct config_edit *edit, const struct json_t *document, struct fail *fail);
/* Adds an item that undoes item `i` of another edit, which has been applied. */
int config_edit_add_restore(struct config_edit *edit, const struct config_edit *other, unsigned int i);

/* Makes config->requests, in place of what it was, what the edit makes of it. May be called again, for another config. */
int config_edit_apply(struct config_edit *edit, struct config *config, struct fail *fail);

void config_edit_free(struct config_edit *edit);

#endif
