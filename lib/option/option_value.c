/* SPDX-License-Identifier: BSD-3-Clause */
/* option_value.c: one value, by the kind of its row. */
#include "option_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "option_rate.h"
#include "rights.h"

bool option_has_no_normal(const struct option_row *row)
{
	return row->kind == OPTION_USER || row->kind == OPTION_GROUP || row->kind == OPTION_MODE;
}

size_t option_value_size(const struct option_row *row)
{
	switch (row->kind) {
	case OPTION_FLAG:
		return sizeof(bool);
	case OPTION_TEXT:
		return sizeof(char *);
	case OPTION_RATE:
		return sizeof(uint64_t);
	case OPTION_MAC:
		return 6;
	case OPTION_LIST:
		return sizeof(struct option_list);
	case OPTION_TREE:
		return sizeof(const struct tree *);
	default:
		return sizeof(uint32_t);
	}
}

/* --- its life --------------------------------------------------------------------------------------------------- */

int option_value_init(const struct option_row *row, void *values)
{
	void *at = option_at(row, values);

	switch (row->kind) {
	case OPTION_FLAG:
		*(bool *)at = row->normal != 0;
		return 0;
	case OPTION_NUMBER:
	case OPTION_WORD:
		*(uint32_t *)at = row->normal;
		return 0;
	case OPTION_RATE:
		*(uint64_t *)at = row->otherwise != NULL ? OPTION_RATE_OPEN : 0;
		return 0;
	case OPTION_TEXT:
		if (row->normal_text == NULL)
			return 0;
		*(char **)at = strdup(row->normal_text);
		return *(char **)at != NULL ? 0 : -ENOMEM;
	default:
		return 0;
	}
}

void option_value_clear(const struct option_row *row, void *values)
{
	void *at = option_at(row, values);
	struct option_list *list = at;

	if (row->kind == OPTION_TEXT) {
		free(*(char **)at);
		*(char **)at = NULL;
	} else if (row->kind == OPTION_LIST) {
		for (unsigned int i = 0; i < list->n; i++)
			option_clear(row->entries, (char *)list->entries + i * row->entries->size);
		free(list->entries);
		*list = (struct option_list){0};
	} else if (row->kind == OPTION_TREE) {
		*(const struct tree **)at = NULL;
	}
}

static int own_list(const struct option_table *table, struct option_list *list)
{
	const struct option_list from = *list;

	*list = (struct option_list){0};
	if (from.n == 0)
		return 0;
	list->entries = calloc(from.n, table->size);
	for (; list->entries != NULL && list->n < from.n; list->n++)
		if (option_copy(table, (char *)list->entries + list->n * table->size,
				(const char *)from.entries + list->n * table->size) != 0)
			return -ENOMEM;
	return list->entries != NULL ? 0 : -ENOMEM;
}

int option_value_own(const struct option_row *row, void *values)
{
	char **text = option_at(row, values);

	if (row->kind == OPTION_LIST)
		return own_list(row->entries, option_at(row, values));
	if (row->kind != OPTION_TEXT || *text == NULL)
		return 0;
	*text = strdup(*text);
	return *text != NULL ? 0 : -ENOMEM;
}

/* --- comparing -------------------------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_list(const struct option_table *table, const struct option_list *a, const struct option_list *b)
{
	if (a->n != b->n)
		return false;
	for (unsigned int i = 0; i < a->n; i++)
		if (option_changed(table, (const char *)a->entries + i * table->size,
				   (const char *)b->entries + i * table->size) != 0)
			return false;
	return true;
}

bool option_value_same(const struct option_row *row, const void *a, const void *b)
{
	const void *left = option_at_const(row, a), *right = option_at_const(row, b);

	if (row->kind == OPTION_TEXT)
		return same_text(*(char *const *)left, *(char *const *)right);
	if (row->kind == OPTION_LIST)
		return same_list(row->entries, left, right);
	if (row->kind == OPTION_TREE)
		return *(const struct tree *const *)left == *(const struct tree *const *)right;
	return memcmp(left, right, option_value_size(row)) == 0;
}

/* --- reading ---------------------------------------------------------------------------------------------------- */

static bool is_one_of(const char *text, const char *a, const char *b, const char *c)
{
	return strcasecmp(text, a) == 0 || strcasecmp(text, b) == 0 || strcasecmp(text, c) == 0;
}

static int read_flag(const struct option_row *row, bool *value, const struct option_entry *entry, const char *text,
		     struct fail *fail)
{
	if (is_one_of(text, "on", "yes", "true"))
		*value = true;
	else if (is_one_of(text, "off", "no", "false"))
		*value = false;
	else
		return option_fail(fail, -EINVAL, entry, row->key, "%s \"%s\" is not known; use on%s%s%s or off",
				   row->key, text, row->on != NULL ? " (" : "", row->on != NULL ? row->on : "",
				   row->on != NULL ? ")" : "");
	return 0;
}

static int option_value_read_number(const struct option_row *row, uint32_t *value, const struct option_entry *entry,
				    const char *text, struct fail *fail)
{
	unsigned long number;

	if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text))
		return option_fail(fail, -EINVAL, entry, row->key, "%s has to be a whole number from %u to %u, not '%s'",
				   row->key, row->min, row->max, text);
	errno = 0;
	number = strtoul(text, NULL, 10);
	if (errno != 0 || number < row->min || number > row->max)
		return option_fail(fail, -ERANGE, entry, row->key, "%s: %s is out of range; use %u to %u", row->key,
				   text, row->min, row->max);
	*value = (uint32_t)number;
	return 0;
}

static int option_value_read_rate(const struct option_row *row, uint64_t *value, const struct option_entry *entry,
				  const char *text, struct fail *fail)
{
	int error = option_rate_parse(text, value);
	char least[32], most[32];

	/* 0 is written "off": who writes a 0 may mean that nothing is to pass. */
	if (error == 0 && strcmp(text, "off") != 0 && (*value < row->least || *value > row->most))
		error = -ERANGE;
	if (error == 0)
		return 0;
	option_rate_text(row->least, least, sizeof(least));
	option_rate_text(row->most, most, sizeof(most));
	if (error == -EINVAL)
		return option_fail(fail, error, entry, row->key,
				   "%s has to be off, or a whole number that may end in k, M, G or T, as in 50M, not '%s'",
				   row->key, text);
	return option_fail(fail, error, entry, row->key, "%s: %s is out of range; use %s to %s %s, or off", row->key, text, least,
			   most, row->unit);
}

static int read_word(const struct option_row *row, uint32_t *value, const struct option_entry *entry, const char *text,
		     struct fail *fail)
{
	char known[256] = "";
	size_t at = 0;

	for (uint32_t i = 0; row->words[i].word != NULL; i++) {
		const char *between = i == 0 ? "" : row->words[i + 1].word != NULL ? ", " : " or ";

		if (strcmp(row->words[i].word, text) == 0) {
			*value = i;
			return 0;
		}
		if (at < sizeof(known))
			at += (size_t)snprintf(known + at, sizeof(known) - at, "%s%s (%s)", between, row->words[i].word,
					       row->words[i].help);
	}
	return option_fail(fail, -EINVAL, entry, row->key, "%s \"%s\" is not known; use %s", row->key, text, known);
}

static int read_rights(const struct option_row *row, uint32_t *value, const struct option_entry *entry,
		       const char *text, struct fail *fail)
{
	static const char *const wrong[RIGHTS_PARTS] = {
		[RIGHTS_OWNER] = "is not a user of this machine; use a name that `getent passwd` lists, or a number",
		[RIGHTS_GROUP] = "is not a group of this machine; use a name that `getent group` lists, or a number",
		[RIGHTS_MODE] = "is not a mode; use an octal number, 0 to 0777, such as \"0660\"",
	};
	const enum rights_part part = row->kind == OPTION_USER	  ? RIGHTS_OWNER
				      : row->kind == OPTION_GROUP ? RIGHTS_GROUP
								  : RIGHTS_MODE;
	struct rights rights = {0};
	int error = rights_parse(&rights, part, text);

	if (error != 0)
		return option_fail(fail, error, entry, row->key, "%s \"%s\" %s", row->key, text, wrong[part]);
	*value = part == RIGHTS_OWNER ? rights.owner : part == RIGHTS_GROUP ? rights.group : rights.mode;
	return 0;
}

static int read_mac(const struct option_row *row, uint8_t mac[6], const struct option_entry *entry, const char *text,
		    struct fail *fail)
{
	char extra;

	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5],
		   &extra) == 6)
		return 0;
	return option_fail(fail, -EINVAL, entry, row->key,
			   "%s \"%s\" is not an Ethernet address; write it as \"52:54:00:12:34:56\", with the quotes",
			   row->key, text);
}

static int fail_no_list(const struct option_row *row, const struct option_entry *entry, struct fail *fail)
{
	return option_fail(fail, -EINVAL, entry, row->key,
			   "%s has to be a list: one entry a line, each beginning with \"- \"", row->key);
}

static int read_list(const struct option_row *row, struct option_list *list, const struct option_entry *entry,
		     const struct tree *node, struct fail *fail)
{
	const struct option_table *table = row->entries;
	int error = 0;

	if (node->n > 0)
		list->entries = calloc(node->n, table->size);
	if (node->n > 0 && list->entries == NULL)
		return option_fail(fail, -ENOMEM, entry, row->key, "no memory");
	for (; error == 0 && list->n < node->n; list->n++) {
		void *values = (char *)list->entries + list->n * table->size;
		const struct option_entry inner = {
			.list = row->key, .source = entry->source, .node = node->item[list->n].value};
		const struct option_part part = {.table = table, .values = values};

		error = option_init(table, values);
		if (error != 0)
			return option_fail(fail, error, entry, row->key, "no memory");
		error = option_read(&inner, &part, 1, fail);
	}
	return error;
}

static int read_text(const struct option_row *row, void *at, const struct option_entry *entry, const char *text,
		     struct fail *fail)
{
	switch (row->kind) {
	case OPTION_FLAG:
		return read_flag(row, at, entry, text, fail);
	case OPTION_NUMBER:
		return option_value_read_number(row, at, entry, text, fail);
	case OPTION_RATE:
		return option_value_read_rate(row, at, entry, text, fail);
	case OPTION_WORD:
		return read_word(row, at, entry, text, fail);
	case OPTION_MAC:
		return read_mac(row, at, entry, text, fail);
	case OPTION_TEXT:
		free(*(char **)at);
		*(char **)at = strdup(text);
		return *(char **)at != NULL ? 0 : option_fail(fail, -ENOMEM, entry, row->key, "no memory");
	default:
		return read_rights(row, at, entry, text, fail);
	}
}

int option_value_read(const struct option_row *row, void *values, const struct option_entry *entry,
		      const struct tree *node, struct fail *fail)
{
	void *at = option_at(row, values);

	if (row->kind == OPTION_LIST || row->kind == OPTION_TREE) {
		if (node->nothing)
			return 0;
		if (node->kind != TREE_LIST)
			return fail_no_list(row, entry, fail);
		if (row->kind == OPTION_LIST)
			return read_list(row, at, entry, node, fail);
		*(const struct tree **)at = node;
		return 0;
	}
	if (node->kind != TREE_TEXT && row->kind == OPTION_NUMBER)
		return option_fail(fail, -EINVAL, entry, row->key, "%s has to be a whole number from %u to %u", row->key,
				   row->min, row->max);
	if (node->kind != TREE_TEXT && row->kind == OPTION_FLAG)
		return option_fail(fail, -EINVAL, entry, row->key, "%s has to be on or off", row->key);
	if (node->kind != TREE_TEXT)
		return option_fail(fail, -EINVAL, entry, row->key, "%s has to be a single word or path", row->key);
	return read_text(row, at, entry, node->text, fail);
}
