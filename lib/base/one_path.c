/* SPDX-License-Identifier: BSD-3-Clause */
#include "one_path.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool has_control_character(const char *text)
{
	for (; *text != '\0'; text++)
		if (iscntrl((unsigned char)*text))
			return true;
	return false;
}

/* Adds the components of `rest` to the absolute path in `path`. */
static void one_path_append(char path[PATH_MAX], char *rest)
{
	char *part;

	while ((part = strsep(&rest, "/")) != NULL) {
		size_t len = strlen(path);

		if (part[0] == '\0' || strcmp(part, ".") == 0)
			continue;
		if (strcmp(part, "..") == 0) {
			if (strrchr(path, '/') != NULL)
				*strrchr(path, '/') = '\0';
			continue;
		}
		if (len > 0 && path[len - 1] == '/')
			path[--len] = '\0';
		snprintf(path + len, PATH_MAX - len, "/%s", part);
	}
}

char *one_path(const char *path)
{
	char head[PATH_MAX], tail[PATH_MAX], real[PATH_MAX];

	if (snprintf(head, sizeof(head), "%s", path) >= (int)sizeof(head))
		return strdup(path);
	while (realpath(head[0] != '\0' ? head : "/", real) == NULL) {
		char *slash = strrchr(head, '/');

		if (slash == NULL) {
			real[0] = '\0';
			head[0] = '\0';
			break;
		}
		*slash = '\0';
	}
	snprintf(tail, sizeof(tail), "%s", path + strlen(head));
	one_path_append(real, tail);
	return strdup(real);
}
