/* SPDX-License-Identifier: BSD-3-Clause */
/* option.c: what is done row by row. */
#include "option.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

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

static int option_fail_unknown(const struct option_entry *entry, const struct option_part *parts, unsigned int parts_n,
			       const struct tree_item *item, struct fail *fail)
{
	char known[320] = "";
	size_t at = 0;

	for (unsigned int i = 0; i < parts_n; i++)
		EACH_ROW (parts[i].table, row)
			if (has_row(&parts[i], row) && at < sizeof(known))
				at += (size_t)snprintf(known + at, sizeof(known) - at, "%s%s", at > 0 ? ", " : "",
						       row->key);
	return fail_set(fail, -EINVAL, "%s: key \"%s\" is not known%s%s; known here: %s",
			option_place(entry, item->key).text, item->key, entry->list != NULL ? " under " : "",
			entry->list != NULL ? entry->list : "", known);
}

static int read_item(const struct option_entry *entry, const struct option_part *parts, unsigned int parts_n,
		     const struct tree_item *item, struct fail *fail)
{
	const struct tree_item *first = tree_find(entry->node, item->key);

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

/* "port vm1 has no socket; ..." */
static int check_needed(const struct option_entry *entry, const struct option_part *part, struct fail *fail)
{
	EACH_ROW (part->table, row)
		if (row->needed != NULL && !part->common && !option_is_given(part->table, row, part->values))
			return fail_set(fail, -EINVAL, "%s: %s has no %s; %s", option_place(entry, NULL).text,
					entry->what != NULL ? entry->what : "this entry", row->key, row->needed);
	return 0;
}

int option_read(const struct option_entry *entry, const struct option_part *parts, unsigned int parts_n,
		struct fail *fail)
{
	int error = 0;

	if (entry->node->kind != TREE_MAP)
		return fail_set(fail, -EINVAL, "%s: an entry%s%s has to be keys with values, as in {name: vm1, ...}",
				option_place(entry, NULL).text, entry->list != NULL ? " of " : "",
				entry->list != NULL ? entry->list : "");
	for (unsigned int i = 0; error == 0 && i < entry->node->n; i++)
		error = read_item(entry, parts, parts_n, &entry->node->item[i], fail);
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
		size_t size = row->kind == OPTION_TEXT ? sizeof(char *)
			      : row->kind == OPTION_FLAG ? sizeof(bool)
							 : sizeof(uint32_t);

		if (!row->common || option_is_given(table, row, values) || !option_is_given(table, row, from))
			continue;
		option_value_clear(row, values);
		memcpy(option_at(row, values), option_at_const(row, from), size);
		if (option_value_own(row, values) != 0)
			return -ENOMEM;
		*(uint64_t *)values |= bit;
	}
	return 0;
}

/* --- errors ----------------------------------------------------------------------------------------------------- */

struct option_place option_place(const struct option_entry *entry, const char *key)
{
	const struct tree_item *item = key != NULL ? tree_find(entry->node, key) : NULL;
	unsigned int line = item != NULL && item->line != 0 ? item->line : entry->node->line;
	struct option_place place;

	if (line == 0)
		snprintf(place.text, sizeof(place.text), "%s", entry->source);
	else
		snprintf(place.text, sizeof(place.text), "%s:%u", entry->source, line);
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
