/* SPDX-License-Identifier: BSD-3-Clause */
/* option_idle.c: rows that are written and have no effect, by what the table says that they need. */
#include "option.h"

#include <string.h>

/* Of "bpdu-guard=close": the key, and behind it the word that it has to be, "" if it has only to say something. */
struct need {
	char key[48], word[24];
};

static void read_need(const char *at, size_t len, struct need *need)
{
	size_t key = strcspn(at, "=,");
	size_t word = key < len ? len - key - 1 : 0;

	*need = (struct need){0};
	memcpy(need->key, at, key < sizeof(need->key) ? key : sizeof(need->key) - 1);
	memcpy(need->word, at + key + 1, word < sizeof(need->word) ? word : sizeof(need->word) - 1);
}

bool option_needs_next(const char **at, const char **key, size_t *len)
{
	if (**at == '\0')
		return false;
	*key = *at;
	*len = strcspn(*at, ",");
	*at += *len;
	*at += **at == ',';
	return true;
}

static bool says(const struct option_row *row, const void *values, const char *word)
{
	const char *value = (const char *)values + row->offset;

	switch (row->kind) {
	case OPTION_FLAG:
		return *(const bool *)value;
	case OPTION_WORD:
		return strcmp(row->words[*(const uint32_t *)(const void *)value].word, word) == 0;
	case OPTION_NUMBER:
		return *(const uint32_t *)(const void *)value != 0;
	case OPTION_RATE:
		return *(const uint64_t *)(const void *)value != 0;
	case OPTION_TEXT:
		return *(char *const *)(const void *)value != NULL;
	default:
		return true;
	}
}

static bool is_met(const struct option_table *table, const void *values, const struct need *need)
{
	for (unsigned int i = 0; i < table->n; i++)
		if (strcmp(table->row[i].key, need->key) == 0)
			return says(&table->row[i], values, need->word);
	return true;
}

/* The values of the table that the row needs something of; NULL: it is not among the parts, and nothing can be said. */
static const void *values_of(const struct option_row *row, const struct option_part *parts, unsigned int parts_n)
{
	const struct option_table *table = row->needs_of != NULL ? row->needs_of : parts[0].table;

	for (unsigned int i = 0; i < parts_n; i++)
		if (parts[i].table == table)
			return parts[i].values;
	return NULL;
}

static bool is_idle(const struct option_row *row, const struct option_part *parts, unsigned int parts_n)
{
	const void *values = values_of(row, parts, parts_n);
	const struct option_table *table = row->needs_of != NULL ? row->needs_of : parts[0].table;
	const char *at = row->needs, *key;
	struct need need;
	size_t len;

	/* A flag that is off asks for nothing. */
	if (values == NULL || (row->kind == OPTION_FLAG && !says(row, parts[0].values, "")))
		return false;
	while (option_needs_next(&at, &key, &len)) {
		read_need(key, len, &need);
		if (is_met(table, values, &need))
			return false;
	}
	return true;
}

uint64_t option_idle(const struct option_part *parts, unsigned int parts_n)
{
	const struct option_table *table = parts[0].table;
	uint64_t bits = 0;

	for (unsigned int i = 0; i < table->n; i++)
		if (table->row[i].needs != NULL && option_given(table, parts[0].values, table->row[i].key) &&
		    is_idle(&table->row[i], parts, parts_n))
			bits |= UINT64_C(1) << i;
	return bits;
}
