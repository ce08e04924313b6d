/* SPDX-License-Identifier: BSD-3-Clause */
/* option_text.c: rows and values in words, and as JSON. */
#include <jansson.h>
#include <string.h>

#include "mac_text.h"
#include "one_line.h"
#include "option_private.h"
#include "option_rate.h"
#include "rights.h"

static uint64_t rate_of(const struct option_row *row, const void *values)
{
	return *(const uint64_t *)option_at_const(row, values);
}

static uint32_t number_of(const struct option_row *row, const void *values)
{
	return *(const uint32_t *)option_at_const(row, values);
}

/* It says what it is to be only where it is written: it has no value by itself, or one that nobody could write. */
static bool is_missing(const struct option_table *table, const struct option_row *row, const void *values)
{
	if (option_is_given(table, row, values))
		return false;
	return option_has_no_normal(row) || (row->kind == OPTION_NUMBER && number_of(row, values) < row->min);
}

/* A row's value in a struct in which it may be missing. */
static void shown(const struct option_table *table, const struct option_row *row, const void *values, char *text,
		  size_t size)
{
	if (is_missing(table, row, values))
		snprintf(text, size, "not set");
	else if (row->kind == OPTION_RATE && rate_of(row, values) == OPTION_RATE_OPEN)
		snprintf(text, size, "the default");
	else
		option_value_text(row, values, text, size);
}

void option_value_text(const struct option_row *row, const void *values, char *text, size_t size)
{
	const void *at = option_at_const(row, values);
	const uint8_t *mac = at;
	const char *string;

	switch (row->kind) {
	case OPTION_FLAG:
		snprintf(text, size, "%s", *(const bool *)at ? "on" : "off");
		break;
	case OPTION_NUMBER:
		snprintf(text, size, "%u", number_of(row, values));
		break;
	case OPTION_RATE:
		option_rate_text(rate_of(row, values), text, size);
		break;
	case OPTION_WORD:
		snprintf(text, size, "%s", row->words[number_of(row, values)].word);
		break;
	case OPTION_TEXT:
		string = *(char *const *)at;
		mark_cut(text, size, (size_t)snprintf(text, size, "%s", string != NULL ? string : "not set"));
		break;
	case OPTION_USER:
		snprintf(text, size, "%s", rights_user(number_of(row, values)).text);
		break;
	case OPTION_GROUP:
		snprintf(text, size, "%s", rights_group(number_of(row, values)).text);
		break;
	case OPTION_MODE:
		snprintf(text, size, "%04o", number_of(row, values));
		break;
	case OPTION_MAC:
		snprintf(text, size, "%s", mac_text(mac).text);
		break;
	case OPTION_LIST:
		snprintf(text, size, "%u entries", ((const struct option_list *)at)->n);
		break;
	case OPTION_TREE:
		snprintf(text, size, "a list");
		break;
	}
}

/* Whether the value is what it would be if it were not written. */
static bool is_normal(const struct option_table *table, const struct option_row *row, const void *values)
{
	const void *at = option_at_const(row, values);

	switch (row->kind) {
	case OPTION_FLAG:
		return *(const bool *)at == (row->normal != 0);
	case OPTION_NUMBER:
	case OPTION_WORD:
		return number_of(row, values) == row->normal;
	case OPTION_RATE:
		/* What is not written and has a default in words is that default. */
		return rate_of(row, values) == 0 || row->otherwise != NULL;
	case OPTION_TEXT:
		return *(char *const *)at == NULL;
	case OPTION_LIST:
		return ((const struct option_list *)at)->n == 0;
	default:
		return !option_is_given(table, row, values);
	}
}

void option_describe(const struct option_table *table, const void *values, char *text, size_t size)
{
	char value[OPTION_TEXT_BYTES];
	size_t at = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < table->n && at < size; i++) {
		const struct option_row *row = &table->row[i];

		if (!option_is_given(table, row, values) && is_normal(table, row, values))
			continue;
		option_value_text(row, values, value, sizeof(value));
		at += (size_t)snprintf(text + at, size - at, ", %s %s", row->key, value);
	}
	mark_cut(text, size, at);
}

void option_describe_change(const struct option_table *table, const void *from, const void *to, uint64_t bits,
			    char *text, size_t size)
{
	char before[OPTION_TEXT_BYTES], after[OPTION_TEXT_BYTES];
	size_t at = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < table->n && at < size; i++) {
		const struct option_row *row = &table->row[i];

		if ((bits >> i & 1) == 0)
			continue;
		shown(table, row, from, before, sizeof(before));
		shown(table, row, to, after, sizeof(after));
		at += (size_t)snprintf(text + at, size - at, "%s%s %s -> %s", at > 0 ? ", " : "", row->key, before,
				       after);
	}
	mark_cut(text, size, at);
}

void option_value_usage(const struct option_row *row, char *text, size_t size)
{
	size_t at = 0;

	if (row->kind == OPTION_FLAG)
		snprintf(text, size, "on|off");
	else if (row->kind != OPTION_WORD)
		snprintf(text, size, "%s", row->value);
	for (unsigned int i = 0; row->kind == OPTION_WORD && row->words[i].word != NULL && at < size; i++)
		at += (size_t)snprintf(text + at, size - at, "%s%s", i > 0 ? "|" : "", row->words[i].word);
}

void option_bounds(const struct option_row *row, char *text, size_t size)
{
	char range[96] = "", normal[96], least[32], most[32];

	switch (row->kind) {
	case OPTION_FLAG:
		snprintf(normal, sizeof(normal), "%s", row->normal != 0 ? "on" : "off");
		break;
	case OPTION_NUMBER:
		snprintf(range, sizeof(range), "%u to %u%s%s, ", row->min, row->max, row->unit != NULL ? " " : "",
			 row->unit != NULL ? row->unit : "");
		snprintf(normal, sizeof(normal), "%u", row->normal);
		break;
	case OPTION_RATE:
		option_rate_text(row->least, least, sizeof(least));
		option_rate_text(row->most, most, sizeof(most));
		snprintf(range, sizeof(range), "%s to %s %s, or off, ", least, most, row->unit);
		snprintf(normal, sizeof(normal), "off");
		break;
	case OPTION_WORD:
		snprintf(normal, sizeof(normal), "%s", row->words[row->normal].word);
		break;
	default:
		snprintf(normal, sizeof(normal), "%s", row->normal_text != NULL ? row->normal_text : "none");
		break;
	}
	if (row->needed != NULL)
		snprintf(text, size, "%sneeded", range);
	else
		snprintf(text, size, "%sdefault %s", range, row->otherwise != NULL ? row->otherwise : normal);
}

/* --- JSON ------------------------------------------------------------------------------------------------------- */

/* A text may be no UTF-8, which jansson refuses. */
static json_t *string(const char *text)
{
	json_t *value = json_string(text);

	return value != NULL ? value : json_string("(not UTF-8)");
}

static json_t *list_to_json(const struct option_table *table, const struct option_list *list)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < list->n; i++) {
		json_t *object = json_object();

		option_to_json(table, (const char *)list->entries + i * table->size, object);
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *value_to_json(const struct option_row *row, const void *values)
{
	const void *at = option_at_const(row, values);
	char text[OPTION_TEXT_BYTES];

	switch (row->kind) {
	case OPTION_FLAG:
		return json_boolean(*(const bool *)at);
	case OPTION_NUMBER:
		return json_integer(number_of(row, values));
	case OPTION_TEXT:
		return string(*(char *const *)at);
	case OPTION_USER:
	case OPTION_GROUP:
		return json_sprintf("%u", number_of(row, values));
	case OPTION_LIST:
		return list_to_json(row->entries, at);
	default:
		option_value_text(row, values, text, sizeof(text));
		return string(text);
	}
}

void option_given_to_json(const struct option_table *table, const void *values, json_t *object)
{
	for (unsigned int i = 0; i < table->n; i++)
		if (option_is_given(table, &table->row[i], values) && table->row[i].kind != OPTION_TREE)
			json_object_set_new(object, table->row[i].key, value_to_json(&table->row[i], values));
}

void option_to_json(const struct option_table *table, const void *values, json_t *object)
{
	for (unsigned int i = 0; i < table->n; i++) {
		const struct option_row *row = &table->row[i];
		bool missing = row->kind == OPTION_TREE || (option_has_no_normal(row) && is_normal(table, row, values)) ||
			       (row->kind == OPTION_TEXT && *(char *const *)option_at_const(row, values) == NULL);

		if (row->kind == OPTION_RATE && !option_is_given(table, row, values) &&
		    (rate_of(row, values) == 0 || rate_of(row, values) == OPTION_RATE_OPEN))
			missing = true;
		/* A number whose default is no number in range is left out, and stays the default. */
		if (row->kind == OPTION_NUMBER && number_of(row, values) < row->min)
			missing = true;
		if (!missing)
			json_object_set_new(object, row->key, value_to_json(row, values));
	}
}
