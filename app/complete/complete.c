/* SPDX-License-Identifier: BSD-3-Clause */
#include "complete.h"

#include <stdio.h>
#include <string.h>

static const char *typed = "";

void complete_begin(const char *word)
{
	typed = word;
}

void complete_offer(const char *before, const char *word, const char *help)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "%s%s", before, word);
	if (strncmp(whole, typed, strlen(typed)) == 0)
		printf("%s\t%s\n", whole, help != NULL ? help : "");
}

void complete_choices(const char *before, const char *usage)
{
	const char *end;

	if (strchr(usage, '|') == NULL)
		return;
	for (; usage != NULL; usage = end != NULL ? end + 1 : NULL) {
		char word[64];

		end = strchr(usage, '|');
		snprintf(word, sizeof(word), "%.*s", (int)(end != NULL ? (size_t)(end - usage) : strlen(usage)), usage);
		complete_offer(before, word, NULL);
	}
}

void complete_files(void)
{
	printf(":files\n");
}
