/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl_page.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Quotes, colon, comma. */
enum { NAME_BYTES = 64, PUNCTUATION_BYTES = 4 };

/* --- what telemetry can show ------------------------------------------------------------------------------------ */

static json_t *plain(const json_t *value);

/* A name of `object` that is not taken. */
static void free_name(const json_t *object, char name[NAME_BYTES], const char *from, size_t i)
{
	size_t len;

	snprintf(name, NAME_BYTES - 12, "%s", from);
	for (char *c = name; *c != '\0'; c++)
		if (!isalnum((unsigned char)*c) && *c != '/')
			*c = '_';
	len = strlen(name);
	if (json_object_get(object, name) != NULL)
		snprintf(name + len, NAME_BYTES - len, "/%zu", i);
}

static void set_string(json_t *object, const char *name, const char *text)
{
	char piece[CTL_PAGE_STRING_BYTES + 1], key[NAME_BYTES + 12];
	size_t n = 1;

	do {
		size_t len = strlen(text) < CTL_PAGE_STRING_BYTES ? strlen(text) : CTL_PAGE_STRING_BYTES;

		/* Not within a character of UTF-8. */
		while (text[len] != '\0' && len > 1 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
		memcpy(piece, text, len);
		piece[len] = '\0';
		snprintf(key, sizeof(key), n == 1 ? "%s" : "%s/%zu", name, n);
		json_object_set_new(object, key, json_string(piece));
		text += len;
		n++;
	} while (*text != '\0');
}

static void set_plain(json_t *object, const char *name, const json_t *value)
{
	char text[32];

	switch (json_typeof(value)) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		json_object_set_new(object, name, plain(value));
		break;
	case JSON_STRING:
		set_string(object, name, json_string_value(value));
		break;
	case JSON_INTEGER:
		json_object_set_new(object, name, json_integer(json_integer_value(value)));
		break;
	case JSON_REAL:
		snprintf(text, sizeof(text), "%.2f", json_real_value(value));
		set_string(object, name, text);
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		json_object_set_new(object, name, json_integer(json_is_true(value)));
		break;
	case JSON_NULL:
		set_string(object, name, "none");
		break;
	}
}

/* An entry of a list goes by its name; entries without one are numbered. */
static void entry_name(const json_t *entry, size_t i, char *name, size_t size)
{
	static const char *const keys[] = {"name", "mac"};
	const json_t *lcore = json_object_get(entry, "lcore");

	for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
		const char *text = json_string_value(json_object_get(entry, keys[k]));

		if (text != NULL) {
			snprintf(name, size, "%s", text);
			return;
		}
	}
	if (json_is_integer(lcore) && json_object_get(entry, "cpu") != NULL)
		i = (size_t)json_integer_value(lcore);
	snprintf(name, size, "%zu", i);
}

/* The object or array as an object of objects, strings and numbers. */
static json_t *plain(const json_t *value)
{
	json_t *object = json_object();
	const json_t *member;
	const char *key;
	char name[NAME_BYTES], text[NAME_BYTES];
	size_t i = 0;

	/* jansson iterates without const, and does not change what it iterates over. */
	json_object_foreach((json_t *)value, key, member)
	{
		free_name(object, name, key, i++);
		set_plain(object, name, member);
	}
	json_array_foreach((json_t *)value, i, member)
	{
		entry_name(member, i, text, sizeof(text));
		free_name(object, name, text, i);
		set_plain(object, name, member);
	}
	return object;
}

/* --- what fits -------------------------------------------------------------------------------------------------- */

static size_t bytes_of(const char *name, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	size_t bytes = text != NULL ? strlen(text) : CTL_PAGE_BYTES;

	free(text);
	return strlen(name) + bytes + PUNCTUATION_BYTES;
}

/* No object in it has more names than telemetry takes. */
static bool is_narrow(const json_t *value)
{
	const json_t *member;
	const char *key;

	if (json_object_size(value) > CTL_PAGE_ENTRIES)
		return false;
	json_object_foreach((json_t *)value, key, member) if (!is_narrow(member)) return false;
	return true;
}

/* An entry that no page holds: its numbers, and what to ask for its lists. */
static json_t *without_lists(const json_t *entry, const char *ask, const char *name)
{
	json_t *object = json_object(), *member;
	const char *key;
	char more[128];

	json_object_foreach((json_t *)entry, key, member) if (!json_is_object(member))
		json_object_set(object, key, member);
	snprintf(more, sizeof(more), "%s%s", ask != NULL ? ask : "", ask != NULL ? name : "vusctl -j");
	set_string(object, "more", more);
	return object;
}

/* Fills `to` with entries of `list`; how many. */
static size_t pick_entries(const struct ctl_page *page, const json_t *list, size_t skip, json_t *to,
			   size_t bytes)
{
	size_t i, n = 0;
	const json_t *entry;

	json_array_foreach((json_t *)list, i, entry)
	{
		char text[NAME_BYTES], name[NAME_BYTES];
		json_t *shown;
		size_t size;

		if (i < skip)
			continue;
		if (n == page->count || n == CTL_PAGE_ENTRIES)
			break;
		entry_name(entry, page->first + n, text, sizeof(text));
		free_name(to, name, text, page->first + n);
		shown = plain(entry);
		size = bytes_of(name, shown);
		if (bytes + size > CTL_PAGE_BYTES && n > 0) {
			json_decref(shown);
			break;
		}
		if (bytes + size > CTL_PAGE_BYTES || !is_narrow(shown)) {
			json_t *less = without_lists(shown, page->single, text);

			json_decref(shown);
			shown = less;
			size = bytes_of(name, shown);
		}
		json_object_set_new(to, name, shown);
		bytes += size;
		n++;
	}
	return n;
}

/* Values of a tree, counted in the order in which they stand. */
struct walk {
	size_t first, count; /* those to be shown */
	size_t at, shown, bytes;
	bool full;
};

static bool is_value(const json_t *value)
{
	return !json_is_object(value) || json_object_size(value) == 0;
}

static void pick_values(struct walk *walk, const json_t *from, json_t *to)
{
	json_t *member;
	const char *key;

	json_object_foreach((json_t *)from, key, member)
	{
		json_t *inner;

		if (!is_value(member)) {
			inner = json_object();
			walk->bytes += strlen(key) + PUNCTUATION_BYTES + 2;
			pick_values(walk, member, inner);
			if (json_object_size(inner) > 0)
				json_object_set_new(to, key, inner);
			else
				json_decref(inner);
			if (json_object_get(to, key) == NULL)
				walk->bytes -= strlen(key) + PUNCTUATION_BYTES + 2;
			continue;
		}
		if (walk->at++ < walk->first || walk->full)
			continue;
		walk->bytes += bytes_of(key, member);
		walk->full = walk->shown == walk->count || walk->bytes > CTL_PAGE_BYTES;
		if (walk->full)
			continue;
		json_object_set(to, key, member);
		walk->shown++;
	}
}

/* --- the page --------------------------------------------------------------------------------------------------- */

/* What a reply says beside its part. */
static json_t *beside(const json_t *reply, const char *part)
{
	json_t *rest = json_object(), *object, *member;
	const char *key;

	json_object_foreach((json_t *)reply, key, member) if (strcmp(key, part) != 0)
		json_object_set(rest, key, member);
	object = plain(rest);
	json_decref(rest);
	return object;
}

json_t *ctl_page_make(const json_t *reply, const struct ctl_page *page)
{
	const json_t *part = json_object_get(reply, page->part);
	json_t *result = beside(reply, page->part), *shown = json_object(), *all = NULL;
	size_t bytes = bytes_of(page->part, result) + 128, total, n;
	struct walk walk = {
		.first = page->first,
		.count = page->count < CTL_PAGE_ENTRIES ? page->count : CTL_PAGE_ENTRIES,
		.bytes = bytes,
	};
	char next[128], count[24] = "";

	if (part == NULL) {
		json_decref(shown);
		return result;
	}
	if (page->values) {
		all = plain(part);
		pick_values(&walk, all, shown);
		total = walk.at;
		n = walk.shown;
		json_decref(all);
	} else {
		total = page->total != 0 ? page->total : json_array_size(part);
		n = pick_entries(page, part, page->total != 0 ? 0 : page->first, shown, bytes);
	}
	json_object_set_new(result, "total", json_integer((json_int_t)total));
	json_object_set_new(result, "first", json_integer((json_int_t)page->first));
	json_object_set_new(result, "shown", json_integer((json_int_t)n));
	if (page->count < CTL_PAGE_ENTRIES)
		snprintf(count, sizeof(count), ",%zu", page->count);
	snprintf(next, sizeof(next), "%s%zu%s", page->ask, page->first + n, count);
	if (page->first + n < total)
		json_object_set_new(result, "next", json_string(next));
	json_object_set_new(result, page->part, shown);
	return result;
}
