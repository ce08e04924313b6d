/* SPDX-License-Identifier: BSD-3-Clause */
#include "process_name.h"

#include <stdio.h>
#include <string.h>

#include "one_line.h"

void process_name(pid_t pid, char *text, size_t size)
{
	char path[32];
	FILE *file;

	text[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return;
	if (fgets(text, (int)size, file) == NULL)
		text[0] = '\0';
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
	only_ascii(text);
}
