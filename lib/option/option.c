/* SPDX-License-Identifier: BSD-3-Clause */
/* option.c: what is done row by row. */
#include "option.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "like.h"
#include "option_private.h"

#define EACH_ROW(table, row) \
	for (const struct option_row *row = (table)->row; row < (table)->row + (table)->n; row++)

/* --- a struct's life -------------------------------------------------------------------------------------------- */

int option_init(const struct option_table *table, void *values)
{
	int error = 0;

	memset(values, 0, table->size);
	EACH_ROW (table, row)
		if (error == 0)
			error = option_value_init(row, values);
	if (error != 0)
		option_clear(table, values);
	return error;
}

void option_clear(const struct option_table *table, void *values)
{
	EACH_ROW (table, row)
		option_value_clear(row, values);
	*(uint64_t *)values = 0;
}

int option_copy(const struct option_table *table, void *to, const void *from)
{
	int error = 0;

	memcpy(to, from, table->size);
	/* Every pointer is replaced, by NULL at least: nothing of `from` is freed with it. */
	EACH_ROW (table, row) {
		int failed = option_value_own(row, to);

		error = error == 0 ? failed : error;
	}
	if (error != 0)
		option_clear(table, to);
	return error;
}

/* --- reading ---------------------------------------------------------------------------------------------------- */

static const struct option_row *find_row(const struct option_table *table, const char *key)
{
	EACH_ROW (table, row)
		if (strcmp(row->key, key) == 0)
			return row;
	return NULL;
}

static bool has_row(const struct option_part *part, const struct option_row *row)
{
	return row != NULL && (!part->common || row->common);
}

const char *option_like(const struct option_table *table, const char *key)
{
	EACH_ROW (table, row)
		if (like_edits(key, row->key) >= 0)
			return row->key;
	return NULL;
}

static void hint_at_key(const struct option_part *parts, unsigned int parts_n, const char *key, char *hint, size_t size)
{
	const char *like = NULL;

	hint[0] = '\0';
	if (strchr(key, ':') != NULL)
		snprintf(hint, size, "; is a space missing behind ':'?");
	for (unsigned int i = 0; i < parts_n && hint[0] == '\0'; i++) {
		like = option_like(parts[i].table, key);
		if (like != NULL)
			snprintf(hint, size, "; did you mean %s?", like);
	}
}

static int option_fail_unknown(const struct option_entry *entry, const struct option_part *parts, unsigned int parts_n,
			       const struct tree_item *item, struct fail *fail)
{
	char known[1024] = "", hint[80];
	size_t at = 0;

	for (unsigned int i = 0; i < parts_n; i++)
		EACH_ROW (parts[i].table, row) {
			bool again = false;

			for (unsigned int j = 0; j < i; j++)
				again |= option_bit(parts[j].table, row->key) != 0;
			if (has_row(&parts[i], row) && !again && at < sizeof(known))
				at += (size_t)snprintf(known + at, sizeof(known) - at, "%s%s", at > 0 ? ", " : "",
						       row->key);
		}
	hint_at_key(parts, parts_n, item->key, hint, sizeof(hint));
	/* Who is told which key it may be needs no list. */
	return fail_set(fail, -EINVAL, "%s: key \"%s\"%s%s is not known%s%s%s%s%s",
			option_place(entry, item->key).text, item->key, entry->what != NULL ? " of " : "",
			entry->what != NULL ? entry->what : "", entry->list != NULL ? " under " : "",
			entry->list != NULL ? entry->list : "", hint, hint[0] == '\0' ? "; known here: " : "",
			hint[0] == '\0' ? known : "");
}

int option_check_keys(const struct option_entry *entry, const struct option_part *parts, unsigned int parts_n,
		      struct fail *fail)
{
	for (unsigned int i = 0; i < entry->node->n; i++) {
		const struct tree_item *item = &entry->node->item[i];
		bool known = false;

		for (unsigned int j = 0; j < parts_n; j++)
			known |= has_row(&parts[j], find_row(parts[j].table, item->key));
		if (!known)
			return option_fail_unknown(entry, parts, parts_n, item, fail);
	}
	return 0;
}

/* `item` is of the entry, or of its profile. */
static int read_item(const struct option_entry *entry, const struct option_part *parts, unsigned int parts_n,
		     const struct tree_item *item, struct fail *fail)
{
	const struct tree_item *first = option_item(entry, item->key);

	for (unsigned int i = 0; i < parts_n; i++) {
		const struct option_row *row = find_row(parts[i].table, item->key);
		int error;

		if (!has_row(&parts[i], row))
			continue;
		if (first != item && item->line == 0)
			return option_fail(fail, -EINVAL, entry, item->key, "%s is written twice; remove one", item->key);
		if (first != item)
			return fail_set(fail, -EINVAL, "%s:%u: %s is written twice, first at line %u; remove one",
					entry->source, item->line, item->key, first->line);
		error = option_value_read(row, parts[i].values, entry, item->value, fail);
		if (error == 0)
			*(uint64_t *)parts[i].values |= UINT64_C(1) << (row - parts[i].table->row);
		return error;
	}
	return option_fail_unknown(entry, parts, parts_n, item, fail);
}

/* What the entry says itself counts. */
static int read_profile(const struct option_entry *entry, const struct option_part *parts, unsigned int parts_n,
			struct fail *fail)
{
	const struct tree *profile = entry->profile->node;
	int error = 0;

	for (unsigned int i = 0; error == 0 && i < profile->n; i++)
		if (strcmp(profile->item[i].key, "name") != 0 && tree_find(entry->node, profile->item[i].key) == NULL)
			error = read_item(entry, parts, parts_n, &profile->item[i], fail);
	return error;
}

/* "port vm1 has no socket; ..." */
static int check_needed(const struct option_entry *entry, const struct option_part *part, struct fail *fail)
{
	EACH_ROW (part->table, row)
		if (row->needed != NULL && !part->common && !part->partial && !option_is_given(part->table, row, part->values))
			return fail_set(fail, -EINVAL, "%s: %s has no %s; %s", option_place(entry, NULL).text,
					entry->what != NULL ? entry->what : "this entry", row->key, row->needed);
	return 0;
}

/* What was written may be the name that the first key is for. */
static int fail_no_map(const struct option_entry *entry, const struct option_part *parts, unsigned int parts_n,
		       struct fail *fail)
{
	const char *text = entry->node->kind == TREE_TEXT && entry->node->text[0] != '\0' ? entry->node->text : "vm1";
	const char *key = parts_n > 0 ? parts[0].table->row[0].key : "name";
	bool more = parts_n == 0;

	if (entry->what == NULL && entry->list == NULL)
		return fail_set(fail, -EINVAL, "%s: the file has to be keys with values, each at the beginning of a line, as in "
					       "\"ports:\"", option_place(entry, NULL).text);
	for (unsigned int i = 0; i < parts_n; i++)
		EACH_ROW (parts[i].table, row)
			more |= row->needed != NULL && strcmp(row->key, key) != 0;
	return fail_set(fail, -EINVAL, "%s: an entry%s%s has to be keys with values, as in {%s: %.64s%s}",
			option_place(entry, NULL).text, entry->list != NULL ? " of " : "",
			entry->list != NULL ? entry->list : "", key, text, more ? ", ..." : "");
}

int option_read(const struct option_entry *entry, const struct option_part *parts, unsigned int parts_n,
		struct fail *fail)
{
	int error = 0;

	if (entry->node->kind != TREE_MAP)
		return fail_no_map(entry, parts, parts_n, fail);
	for (unsigned int i = 0; error == 0 && i < entry->node->n; i++)
		error = read_item(entry, parts, parts_n, &entry->node->item[i], fail);
	if (error == 0 && entry->profile != NULL)
		error = read_profile(entry, parts, parts_n, fail);
	for (unsigned int i = 0; error == 0 && i < parts_n; i++)
		error = check_needed(entry, &parts[i], fail);
	return error;
}

/* --- two structs ------------------------------------------------------------------------------------------------ */

uint64_t option_changed(const struct option_table *table, const void *a, const void *b)
{
	uint64_t bits = 0;

	EACH_ROW (table, row) {
		bool same = option_value_same(row, a, b);

		if (option_has_no_normal(row))
			same = option_is_given(table, row, a) == option_is_given(table, row, b) &&
			       (same || !option_is_given(table, row, a));
		if (!same)
			bits |= UINT64_C(1) << (row - table->row);
	}
	return bits;
}

uint64_t option_live(const struct option_table *table)
{
	uint64_t bits = 0;

	EACH_ROW (table, row)
		if (row->live)
			bits |= UINT64_C(1) << (row - table->row);
	return bits;
}

uint64_t option_bit(const struct option_table *table, const char *key)
{
	const struct option_row *row = find_row(table, key);

	return row != NULL ? UINT64_C(1) << (row - table->row) : 0;
}

bool option_given(const struct option_table *table, const void *values, const char *key)
{
	return (*(const uint64_t *)values & option_bit(table, key)) != 0;
}

int option_inherit(const struct option_table *table, void *values, const void *from)
{
	EACH_ROW (table, row) {
		uint64_t bit = UINT64_C(1) << (row - table->row);

		if (!row->common || option_is_given(table, row, values) || !option_is_given(table, row, from))
			continue;
		option_value_clear(row, values);
		memcpy(option_at(row, values), option_at_const(row, from), option_value_size(row));
		if (option_value_own(row, values) != 0)
			return -ENOMEM;
		*(uint64_t *)values |= bit;
	}
	return 0;
}

/* --- errors ----------------------------------------------------------------------------------------------------- */

const struct tree_item *option_item(const struct option_entry *entry, const char *key)
{
	const struct tree_item *item = tree_find(entry->node, key);

	return item == NULL && entry->profile != NULL ? tree_find(entry->profile->node, key) : item;
}

struct option_place option_place(const struct option_entry *entry, const char *key)
{
	const struct tree_item *item = key != NULL ? option_item(entry, key) : NULL;
	const bool own = item == NULL || tree_find(entry->node, key) == item;
	const struct option_entry *where = own ? entry : entry->profile;
	unsigned int line = item != NULL && item->line != 0 ? item->line : where->node->line;
	struct option_place place;

	if (line == 0)
		snprintf(place.text, sizeof(place.text), "%s", where->source);
	else
		snprintf(place.text, sizeof(place.text), "%s:%u", where->source, line);
	return place;
}

int option_fail(struct fail *fail, int error, const struct option_entry *entry, const char *key, const char *fmt, ...)
{
	char text[sizeof(fail->text)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return fail_set(fail, error, "%s: %s%s%s", option_place(entry, key).text, entry->what != NULL ? entry->what : "",
			entry->what != NULL ? ": " : "", text);
}
