/* SPDX-License-Identifier: BSD-3-Clause */
#include "names.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Memory that is short is the caller's to deal with. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(entry) ((entry)->failed = true)
#include <uthash.h>

struct names_entry {
	UT_hash_handle hh;
	unsigned int number;
	bool failed;
	char name[];
};

static struct names_entry *find(const struct names *names, const char *name)
{
	struct names_entry *entry = NULL;

	HASH_FIND_STR(names->all, name, entry);
	return entry;
}

int names_add(struct names *names, const char *name, unsigned int number)
{
	size_t size = strlen(name) + 1;
	struct names_entry *entry;

	if (find(names, name) != NULL)
		return -EEXIST;
	entry = malloc(sizeof(*entry) + size);
	if (entry == NULL)
		return -ENOMEM;
	entry->number = number;
	entry->failed = false;
	memcpy(entry->name, name, size);
	HASH_ADD_STR(names->all, name, entry);
	if (!entry->failed)
		return 0;
	free(entry);
	return -ENOMEM;
}

int names_find(const struct names *names, const char *name)
{
	const struct names_entry *entry = find(names, name);

	return entry != NULL ? (int)entry->number : -1;
}

void names_remove(struct names *names, const char *name)
{
	struct names_entry *entry = find(names, name);

	if (entry == NULL)
		return;
	HASH_DEL(names->all, entry);
	free(entry);
}

void names_clear(struct names *names)
{
	struct names_entry *entry, *next;

	HASH_ITER(hh, names->all, entry, next)
	{
		HASH_DEL(names->all, entry);
		free(entry);
	}
}
