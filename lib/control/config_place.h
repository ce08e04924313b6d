/* SPDX-License-Identifier: BSD-3-Clause */
/* config_place.h: on which line of a YAML file a thing is written. libcyaml gives values; this gives their places. */
#ifndef VUS_CONFIG_PLACE_H
#define VUS_CONFIG_PLACE_H

#include <stddef.h>

#include "fail.h"

struct places;

/* Reads the text; also finds what is no YAML at all. NULL with a line in `fail`. */
struct places *places_read(const char *file, const char *text, size_t len, struct fail *fail);
void places_free(struct places *places);

/* The line of entry `i` of the list `list`, of its `key`, or of entry `j` of the list that `key` holds; 0: not there. */
unsigned int places_entry(const struct places *places, const char *list, unsigned int i);
unsigned int places_key(const struct places *places, const char *list, unsigned int i,
			const char *key);
unsigned int places_item(const struct places *places, const char *list, unsigned int i,
			 const char *key, unsigned int j);
/* The line of a key of the file itself, outside its lists; 0: not there. */
unsigned int places_top(const struct places *places, const char *key);
/* The first line, `line` or later, on which something has the key `key`; `line` if there is none. */
unsigned int places_key_after(const struct places *places, unsigned int line, const char *key);

#endif
