/* SPDX-License-Identifier: BSD-3-Clause */
/* config_private.h: what the files of a configuration share.
 *
 *	config.c	 its life, in words, as JSON
 *	config_read.c	 a file, JSON or the command line becomes a tree
 *	config_check.c	 trees become values, and are checked against each other
 *	config_mirror.c  mirrors among them
 *	config_profile.c the profiles among them
 *	config_change.c	 two configurations are compared
 *	config_idle.c	 what in one has no effect
 *	config_save.c	 one as the text of a file
 *	config_state.c	 requests in a file of their own
 *	config_text.c	 the bytes of a file
 *
 * Context: any thread but an lcore.
 */
#ifndef VUS_CONFIG_PRIVATE_H
#define VUS_CONFIG_PRIVATE_H

#include "config.h"

struct json_t;

/* There for whoever is on it, whether or not anybody lists it. */
#define DEFAULT_BRIDGE "br0"

/* Frees what config_check() has made. */
void config_clear_checked(struct config *config);
/* Makes `to`, an empty struct, one more holder of a port that config_check() has made. */
void config_port_share(struct config_port *to, const struct config_port *from);
void config_clear_known(struct config *config);

/* config_check.c: room for one more, all zero: an array of `n` has room for the next power of two. 0 or -ENOMEM. */
int config_grow(void **array, unsigned int n, size_t size);
/* Refuses a name with characters that are not for names. */
int config_check_name(const char *kind, const char *key, const char *name, const struct option_entry *entry,
		      struct fail *fail);
/* Where an option of the switch is written. */
struct option_entry config_top_entry(const struct config *config, const char *key);
/* The text of a key, or "". */
const char *config_text_of(const struct tree *node, const char *key);
/* The driver of ports of this type; NULL: there is none, and `known` names those that there are. */
const struct port_driver *config_driver_of(const struct config *config, const char *type, char *known, size_t size);

/* config_profile.c: the file's, and those of requests. */
int config_profiles_read(struct config *config, struct fail *fail);
void config_profiles_clear(struct config *config);
/* The profile that an entry of `ports` names; NULL: none, or one that is not there. */
const struct config_profile *config_profile_of(const struct config *config, const struct tree *port);
/* Refuses an entry of `ports` whose profile is not there, or is not when the port is. */
int config_profile_check(const struct config *config, enum config_from from, const struct option_entry *port,
			 struct fail *fail);
/* config_mirror.c: refuses mirrors of ports that are not on the bridge, or get copies themselves. `entry`: where the bridge is
 * written. */
int config_mirrors_check(const struct config *config, const struct config_bridge *bridge, const struct option_entry *entry,
			 struct fail *fail);
/* config_save.c: an entry of `ports` that says the same wherever it is read. */
struct json_t *config_port_to_entry(const struct config_port *port);

void config_profiles_to_json(const struct config *config, struct json_t *list);

#endif
